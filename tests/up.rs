//! `sinew up` as a user meets it: it stands, it can be asked, it lies down and leaves with 0, and it outlives the death
//! of its parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use support::{Robot, free_port, json, sinew};

#[test]
fn until_stand() {
    let port = format!("ros_port:={}", free_port());
    let name = format!("robot:=until_{}", std::process::id());
    let result = json(&["up", "--until", "stand", "--json", &name, &port]);
    let stand_s = result["stand_s"].as_f64().unwrap();
    assert!(stand_s > 0.0 && stand_s <= 15.0, "{result}");
    assert_eq!(result["clean"], true, "{result}");
    assert!(result["rtf"].as_f64().unwrap() > 0.0);
}

/// Processes of this robot, by the node they run.
fn pid(robot: &str, kind: &str) -> Pid {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(text) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let words: Vec<String> =
            text.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let of_robot = words.iter().any(|w| w.starts_with("robot:=") && w.contains(robot));
        if of_robot && words.get(1).is_some_and(|w| w == "node") && words.get(2).is_some_and(|w| w == kind) {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Pid::from_raw(name.parse().unwrap());
        }
    }
    panic!("{robot} has no process {kind}");
}

#[test]
fn a_dead_policy_costs_the_walk_and_a_dead_control_the_stand() {
    let mut robot = Robot::standing("parts", free_port(), &[]);
    kill(pid(&robot.name, "policy"), Signal::SIGKILL).unwrap();
    // It is started again, and walks.
    let walked = json(&["drive", "--robot", &robot.name, "--vx", "0.4", "--for", "3s", "--json"]);
    assert!(walked["dx_m"].as_f64().unwrap() > 0.6, "{walked}");
    kill(pid(&robot.name, "control"), Signal::SIGKILL).unwrap();
    // The ladder lies it down; the new control is disarmed and stays so until somebody asks.
    robot.wait_for("Off", Duration::from_secs(30));
    let status = robot.status();
    assert!(status["faults"].as_str().unwrap().contains("command_lost"), "{status}");
    assert!(robot.stop().success());
}

/// Each number a policy sees, by name: from its golden vectors, and from the robot that stands there.
#[test]
fn explain_names_what_the_running_robot_says() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/launch/robots/quad/models/quad_walk.model.toml");
    let robot = Robot::standing("explained", free_port(), &[]);
    let live = format!("--live={}", robot.name);
    for arguments in
        [&["model", "explain", model, "--json"][..], &["model", "explain", model, "--json", &live]]
    {
        let explained = json(arguments);
        let rows = explained["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 47, "{explained}");
        let of = |term: &str, item: &str| {
            let row = rows.iter().find(|r| r["term"] == term && r["joint"] == item).unwrap();
            (row["unit"].as_str().unwrap(), row["value"].as_f64().unwrap())
        };
        // Upright, both of them.
        let (_, down) = of("state/body/projected_gravity", "z");
        assert!((-1.01..-0.9).contains(&down), "{explained}");
        let (unit, knee) = of("state/joint/position", "FR_calf");
        assert!(unit == "rad" && knee.abs() < 0.5, "{explained}");
        assert!(rows.iter().all(|r| r["value"].as_f64().is_some_and(f64::is_finite)));
        assert!(rows.iter().all(|r| r["measured"].as_f64().is_some_and(f64::is_finite)));
        assert_eq!(explained["live"].is_null(), !arguments.contains(&live.as_str()), "{explained}");
    }
    // It stands, so its policy is not active; what a policy remembers is said to be the copy's own.
    let explained = json(&["model", "explain", model, "--json", &live]);
    let heard = &explained["live"];
    assert_eq!((&heard["policy"], &heard["active"]), (&0.into(), &false.into()), "{explained}");
    assert!(heard["runs"].as_u64().unwrap() > 50, "{explained}");
    let memory = heard["memory"].as_array().unwrap();
    assert!(memory.iter().any(|m| m["term"] == "feedback/action"), "{explained}");
    assert!(memory.iter().all(|m| m["as_in_the_running_policy"] == false), "{explained}");
    // Values of another model's tensors would mean nothing.
    let other = model.replace("/quad/", "/quad_velocity/").replace("quad_walk", "quad_velocity_walk");
    let refused = sinew().args(["model", "explain", &other, &live]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{said}");
    assert!(said.contains("runs another model") && said.contains("sinew policy swap"), "{said}");
    assert!(robot.stop().success());
}
