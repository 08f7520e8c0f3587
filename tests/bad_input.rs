//! Wrong files, parameters and names are refused with what was found and what was expected, and nothing starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use std::path::{Path, PathBuf};
use support::{run, sinew};

fn quad() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("launch/robots/quad")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn refused(args: &[&str], said: &[&str]) {
    judge(args, &run(args), said);
}

fn judge(args: &[&str], output: &std::process::Output, said: &[&str]) {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{args:?} was accepted:\n{text}");
    for part in said {
        assert!(text.contains(part), "{args:?}: {part:?} not said in:\n{text}");
    }
}

#[test]
fn scenario_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrong.yaml");
    let base = std::fs::read_to_string("tests/scenarios/short_walk.yaml").unwrap();
    for (from, to, said) in [
        ("duration_s: 9", "duration_s: -1", vec!["duration_s", "expected", "-1"]),
        ("duration_s: 9", "durations: 9", vec!["durations", "line"]),
        ("robot: quad", "robot: quda", vec!["quda", "quad"]),
        ("policies: [quad_walk]", "policies: [quad_run]", vec!["quad_run"]),
    ] {
        std::fs::write(&file, base.replace(from, to)).unwrap();
        refused(&["scenario", file.to_str().unwrap()], &said);
    }
    refused(&["scenario", "nowhere.yaml"], &["nowhere.yaml"]);
}

#[test]
fn what_is_chosen_over_a_scenario_file() {
    let walk = "tests/scenarios/short_walk.yaml";
    refused(&["scenario", walk, "--robot", "snake"], &["short_walk.yaml", "robots.snake", "quad"]);
    refused(&["scenario", walk, "--engine", "bullet"], &["bullet", "rapier", "mujoco"]);
    refused(&["scenario", walk, "--latency-ticks", "1000"], &["latency_ticks", "0 to 100", "1000"]);
    refused(&["scenario", walk, "--seeds", "0"], &["--seeds", "0 is not in 1.."]);
    refused(&["scenario", walk, "--solver-iterations", "0"], &["solver_iterations", "1 to 64"]);
    // Truth is at hand in one thread alone.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("aided.yaml");
    let text = std::fs::read_to_string(walk).unwrap();
    std::fs::write(&file, format!("policy_body_velocity: truth\n{text}")).unwrap();
    refused(
        &["scenario", file.to_str().unwrap(), "--compose", "processes"],
        &["aided.yaml", "policy_body_velocity", "inline"],
    );
}

/// A library that was named is the one, or none; what it lacks is said by its name.
#[test]
fn physics_libraries() {
    let args = ["scenario", "tests/scenarios/short_walk.yaml", "--engine", "mujoco"];
    let named = |library: &Path, said: &[&str]| {
        let output = sinew().args(args).env("SINEW_MUJOCO", library).output().unwrap();
        judge(&args, &output, said);
    };
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("libmujoco.so");
    named(&at, &["engine mujoco", "libmujoco.so", "SINEW_MUJOCO", "rapier"]);
    std::fs::write(&at, "no library").unwrap();
    named(&at, &["engine mujoco", "libmujoco.so", "expected a libmujoco"]);
    let source = dir.path().join("empty.c");
    std::fs::write(&source, "int nothing;\n").unwrap();
    let built =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&at).arg(&source).status();
    assert!(built.unwrap().success());
    named(&at, &["libmujoco.so", "no symbol mj_versionString", "3.17.0"]);
}

#[test]
fn launch_arguments_and_files() {
    refused(&["up", "robto:=a"], &["robto"]);
    refused(&["up", "seed"], &["seed", ":="]);
    refused(&["up", "engine:=bullet"], &["engine", "bullet", "mujoco"]);
    refused(&["up", "latency_ticks:=101"], &["latency_ticks", "0 to 100", "101"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wrong.launch.xml");
    std::fs::write(&file, "<launch>\n  <nod pkg=\"sinew\"/>\n</launch>\n").unwrap();
    refused(&["up", "--file", file.to_str().unwrap()], &["wrong.launch.xml:2", "nod"]);
}

/// A robot whose description, model or mechanics is wrong never starts, and says which file and field.
#[test]
fn robot_model_and_policy() {
    let dir = tempfile::tempdir().unwrap();
    let edit = |name: &str, file: &str, from: &str, to: &str| {
        let robot = dir.path().join(name);
        copy(&quad(), &robot);
        let path = robot.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        robot
    };
    let port = support::free_port();
    let up = |robot: &Path, said: &[&str]| {
        let description = format!("description:={}", robot.display());
        let name = format!("robot:=bad_{}", std::process::id());
        refused(&["up", "--until", "stand", &description, &name, &format!("ros_port:={port}")], said);
    };
    up(&edit("gear", "robot.yaml", "gear: 1 ", "gear: -1 "), &["robot.yaml", "gear", "-1"]);
    up(&edit("mjcf", "quad.xml", "<joint name=\"FR_thigh\"", "<joint name=\"FR_thihg\""), &["FR_thigh"]);
    let model = "models/quad_walk.model.toml";
    let hash = edit("hash", model, "sha256 = \"", "sha256 = \"0");
    up(&hash, &["quad_walk.model.toml", "sha256"]);
    refused(&["model", "check", hash.join(model).to_str().unwrap()], &["sha256"]);
    let swapped = edit("swapped", model, "\"FR_hip\", \"FR_thigh\"", "\"FR_thigh\", \"FR_hip\"");
    up(&swapped, &["golden"]);

    // Of a model on another machine, whose results would be wanted later than they are used.
    let late = edit("late", model, "latency_ticks = 2", "latency_ticks = 10").join(model);
    let named = format!("offboard_model:={}", late.display());
    let (description, name) =
        (format!("description:={}", quad().display()), format!("robot:=bad_{}", std::process::id()));
    refused(
        &[
            "up",
            "--until",
            "stand",
            &description,
            &name,
            &format!("ros_port:={port}"),
            &named,
            &format!("offboard:=tcp/127.0.0.1:{port}"),
            "latency_ticks:=8",
        ],
        &["offboard_model", "runtime.latency_ticks = 10", "8 ticks after their state"],
    );

    let check = |name: &str, from: &str, to: &str, said: &[&str]| {
        let path = edit(name, model, from, to).join(model);
        refused(&["model", "check", path.to_str().unwrap()], said);
    };
    check(
        "degrees",
        "default_pos = [0.0, 0.8",
        "default_pos = [0.0, 45.8",
        &["joints.default_pos", "degrees"],
    );
    check("key", "deadline_ms", "deadline_us", &["runtime.deadline_us", "deadline_ms"]);
    check("twice", "\"FR_hip\", \"FR_thigh\"", "\"FR_hip\", \"FR_hip\"", &["joints.order[1]", "again"]);
    // A robot with other joints than the policy moves.
    let other = edit("other", "quad.xml", "\"FL_calf\"", "\"FL_shin\"");
    for file in ["robot.yaml", "quad.xml"] {
        let path = other.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("FL_calf", "FL_shin")).unwrap();
    }
    let path = other.join(model);
    refused(&["model", "check", path.to_str().unwrap()], &["FAILED   joints", "`FL_calf`", "FL_shin"]);
    // The same model against a robot that was named, by its name or by its folder.
    let path = path.to_str().unwrap();
    for chosen in [["--robot", "quad"], ["--description", quad().to_str().unwrap()]] {
        let args = [&["model", "check", path][..], &chosen].concat();
        let output = run(&args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    refused(
        &["model", "check", path, "--robot", "quad", "--description", "."],
        &["--robot", "cannot be used with"],
    );
    refused(&["model", "check", path, "--robot", "quda"], &["quda", "found biped, quad"]);
    refused(&["model", "import", "."], &["--robot NAME or --description FOLDER"]);
    refused(&["model", "import", "nowhere", "--robot", "quad"], &["nowhere: no such folder"]);
    refused(&["model", "check", "nowhere.model.toml"], &["nowhere.model.toml: no such file"]);
    // A pipe that nobody writes to is not waited for.
    let folder = Path::new(path).parent().unwrap();
    std::fs::remove_file(folder.join("quad_walk.onnx")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join("quad_walk.onnx")).status().unwrap();
    assert!(made.success());
    refused(&["model", "check", path, "--robot", "quad"], &["quad_walk.onnx", "no regular file"]);
}

/// Whoever scripts a command reads one object, also where it went wrong; a reader that left is no fault, a full device is.
#[test]
fn what_is_said_on_standard_output() {
    let output = run(&["model", "check", "nowhere.model.toml", "--json"]);
    assert!(!output.status.success());
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["passed"], false);
    assert!(said["error"].as_str().unwrap().contains("no such file"), "{said}");

    // A command that fails after it has said so itself says it once.
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken");
    copy(&quad(), &broken);
    let file = broken.join("robot.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("gear: 1 ", "gear: -1 ", 1)).unwrap();
    let description = format!("description:={}", broken.display());
    let robot = format!("robot:=broken_{}", std::process::id());
    let port = format!("ros_port:={}", support::free_port());
    let output = run(&["up", "--until", "stand", "--json", &description, &robot, &port]);
    assert!(!output.status.success());
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    refused(&["bench", "tick", "--seconds", "0"], &["--seconds", "0 is not in 1.."]);

    let check = |out: std::process::Stdio| {
        let model = quad().join("models/quad_walk.model.toml");
        let output = sinew().args(["model", "check"]).arg(model).stdout(out).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, said) = check(full.into());
    assert!(code == Some(1) && said.contains("standard output: No space left"), "{code:?}: {said}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, said) = check(writer.into());
    assert!(code == Some(0) && !said.contains("panicked"), "{code:?}: {said}");
}
