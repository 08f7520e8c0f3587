//! A policy on another machine, at the real transport: two routers, 5 ms and 5 % loss between them, then a cut.
//!
//! The way between the routers is this test: it takes every message off one, holds it for 5 ms, drops one in twenty and
//! puts the rest on the other. Loss is of whole messages, as a datagram network loses them; the links themselves are TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;

use serde_json::Value;
use sinew_bus::SplitMix64;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::{Robot, free_port, run, sinew};
use zenoh::Wait;

const DELAY: Duration = Duration::from_millis(5);
const LOSS: f64 = 0.05;
const MODEL: &str = "launch/robots/quad/models/quad_walk.model.toml";

fn session(mode: &str, listen: &str, connect: &str) -> zenoh::Session {
    let mut config = zenoh::Config::default();
    for (key, value) in [
        ("mode", format!("\"{mode}\"")),
        ("listen/endpoints", listen.to_owned()),
        ("connect/endpoints", connect.to_owned()),
        ("scouting/multicast/enabled", "false".into()),
        ("scouting/gossip/enabled", "false".into()),
    ] {
        config.insert_json5(key, &value).unwrap();
    }
    zenoh::open(config).wait().unwrap()
}

/// The way between two routers.
struct Way {
    cut: Arc<AtomicBool>,
    passed: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    _subscribers: Vec<zenoh::pubsub::Subscriber<()>>,
    _sessions: [zenoh::Session; 3],
}

impl Way {
    /// From the router on `near` to one of its own on `far`.
    fn new(robot: &str, near: u16, far: u16) -> Self {
        let router = session("router", &format!("[\"tcp/127.0.0.1:{far}\"]"), "[]");
        let here = session("client", "[]", &format!("[\"tcp/127.0.0.1:{near}\"]"));
        let there = session("client", "[]", &format!("[\"tcp/127.0.0.1:{far}\"]"));
        let (cut, passed, lost) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let subscribers = [("states", &here, &there, 1), ("results", &there, &here, 2)]
            .into_iter()
            .map(|(what, from, to, seed)| {
                let key = format!("{robot}/offboard/0/{what}");
                let publisher = to.declare_publisher(key.clone()).express(true).wait().unwrap();
                let (send, receive): (_, Receiver<(Instant, Vec<u8>)>) = channel();
                std::thread::spawn(move || {
                    while let Ok((due, bytes)) = receive.recv() {
                        // The delay itself, not a wait for somebody.
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        publisher.put(bytes).wait().ok();
                    }
                });
                let (cut, passed, lost) = (Arc::clone(&cut), Arc::clone(&passed), Arc::clone(&lost));
                let random = std::sync::Mutex::new(SplitMix64::new(seed));
                let subscriber = from.declare_subscriber(key).callback(move |sample| {
                    let unlucky = random.lock().unwrap().unit() < LOSS;
                    if cut.load(Ordering::Relaxed) || unlucky {
                        lost.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    passed.fetch_add(1, Ordering::Relaxed);
                    send.send((Instant::now() + DELAY, sample.payload().to_bytes().to_vec())).ok();
                });
                subscriber.wait().unwrap()
            })
            .collect();
        Self { cut, passed, lost, _subscribers: subscribers, _sessions: [router, here, there] }
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }
}

/// A child process that does not outlive its test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Its one JSON object, after SIGINT where `interrupt`.
    fn json(mut self, interrupt: bool) -> Value {
        if interrupt {
            let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.0.stdout.take().unwrap(), &mut text).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(text.lines().last().unwrap_or_default())
            .unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks until the newest targets bear `flag`; the robot must go on walking all the while.
fn until(robot: &Robot, flag: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = robot.status();
        let flags = &status["policy_output"]["flags"];
        if status["mode"] == "Policy" && flags.as_array().is_some_and(|f| f.iter().any(|f| f == flag)) {
            assert!(status["truth_height_m"].as_f64().unwrap() > 0.2, "{status}");
            return status;
        }
        assert!(Instant::now() < deadline, "{flag} never seen: {status}");
    }
}

/// The machine that runs `model` for `robot`, met at the router on `port`.
fn other_machine(port: u16, robot: &Robot, model: &str) -> Process {
    let endpoint = format!("tcp/127.0.0.1:{port}");
    let of = ["--robot", &robot.name, "--description", "launch/robots/quad", "--model", model];
    Process::start(sinew().args(["policy", "--connect", &endpoint, "--json"]).args(of))
}

/// Walks at 0.5 m/s for so long.
fn drive(robot: &Robot, time: &str) -> Process {
    Process::start(sinew().args(["drive", "--robot", &robot.name, "--vx", "0.5", "--for", time, "--json"]))
}

#[test]
fn it_walks_over_a_lossy_way_and_the_fallback_takes_over_when_that_is_cut() {
    let (near, far) = (free_port(), free_port());
    let endpoint = format!("offboard:=tcp/127.0.0.1:{near}");
    let more = [endpoint.as_str(), "latency_ticks:=8", "offboard_wait_ticks:=7", "offboard_max_age_ms:=60.0"];
    let robot = Robot::standing("off", near, &more);
    let way = Way::new(&robot.name, near, far);
    let other = other_machine(far, &robot, MODEL);
    let drive = drive(&robot, "30s");

    until(&robot, "offboard");
    way.cut(true);
    until(&robot, "fallback");
    way.cut(false);
    let status = until(&robot, "offboard");
    assert_eq!(status["faults"], "", "{status}");
    let driven = drive.json(false);
    assert!(driven["dx_m"].as_f64().unwrap() > 10.0, "{driven}");
    assert_eq!((&driven["mode"], &driven["faults"]), (&Value::from("Stand"), &Value::from("")), "{driven}");

    let report = &robot.status()["policy_report"];
    let offboard = &report["offboard"];
    assert!(
        offboard["fallbacks"].as_u64().unwrap() >= 1 && offboard["returns"].as_u64().unwrap() >= 2,
        "{report}"
    );
    assert!(report["transition_excess_rad"].as_f64().unwrap() <= 1e-5, "{report}");
    // There and back is 10 ms of delay at least.
    assert!(report["link"]["round_trip"]["p50_us"].as_f64().unwrap() >= 10_000.0, "{report}");
    assert!(offboard["loss"].as_f64().unwrap() > 0.05, "{report}");
    let there = other.json(true);
    assert!(there["answered"].as_u64().unwrap() > 200 && there["malformed"] == 0, "{there}");
    assert_eq!(there["latency_ticks"], 8, "as the robot was started: {there}");
    assert!(way.passed.load(Ordering::Relaxed) > 0 && way.lost.load(Ordering::Relaxed) > 0);
    println!("robot: {report}\nother machine: {there}");
    assert!(robot.stop().success());
}

#[test]
fn the_other_machine_refuses_a_robot_that_uses_results_before_its_model_allows() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["quad_walk.onnx", "quad_walk.golden.json"] {
        std::fs::copy(Path::new(MODEL).with_file_name(file), dir.path().join(file)).unwrap();
    }
    let (model, text) = (dir.path().join("late.model.toml"), std::fs::read_to_string(MODEL).unwrap());
    std::fs::write(&model, text.replacen("latency_ticks = 2", "latency_ticks = 10", 1)).unwrap();

    let (port, name) = (free_port(), format!("early_{}", std::process::id()));
    let router = session("router", &format!("[\"tcp/127.0.0.1:{port}\"]"), "[]");
    let states = router.declare_publisher(format!("{name}/offboard/0/states")).wait().unwrap();
    let (ended, end) = channel();
    let robot = name.clone();
    std::thread::spawn(move || {
        let endpoint = format!("tcp/127.0.0.1:{port}");
        let of =
            ["--robot", &robot, "--description", "launch/robots/quad", "--model", model.to_str().unwrap()];
        ended.send(run(&[&["policy", "--connect", &endpoint][..], &of].concat())).ok();
    });
    let mut message = sinew_stack::StatesMessage::new(8);
    message.push(&sinew_wire::RobotState::default(), None);
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    // A robot goes on saying its states, whoever listens.
    let deadline = Instant::now() + Duration::from_secs(60);
    let output = loop {
        match end.recv_timeout(Duration::from_millis(20)) {
            Ok(output) => break output,
            Err(_) => states.put(bytes.as_slice()).wait().unwrap(),
        }
        assert!(Instant::now() < deadline, "it goes on");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for part in [name.as_str(), "quad_walk", "runtime.latency_ticks = 10", "8 ticks after their state"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

/// Results that the robot has refused because another model computed them.
fn refused_for_their_model(robot: &Robot) -> u64 {
    let report = &robot.status()["policy_report"]["offboard"]["refused"];
    let of = |reason: &Value| (reason[0] == "model").then(|| reason[1].as_u64()).flatten();
    report.as_array().and_then(|reasons| reasons.iter().find_map(of)).unwrap_or(0)
}

#[test]
fn results_of_the_model_that_is_named_drive_and_those_of_any_other_do_not() {
    const NAMED: &str = "launch/robots/quad_velocity/models/quad_velocity_walk.model.toml";
    let port = free_port();
    let (endpoint, named) = (format!("offboard:=tcp/127.0.0.1:{port}"), format!("offboard_model:={NAMED}"));
    let robot =
        Robot::standing("named", port, &[&endpoint, &named, "latency_ticks:=8", "offboard_wait_ticks:=7"]);
    let drive = drive(&robot, "30s");

    // The robot's own model is not the one that is named.
    let other = other_machine(port, &robot, MODEL);
    let deadline = Instant::now() + Duration::from_secs(60);
    // A second's worth of results; half a second would have brought them in.
    while refused_for_their_model(&robot) < 50 {
        assert!(Instant::now() < deadline, "never refused: {}", robot.status());
    }
    until(&robot, "fallback");
    assert_eq!(robot.status()["policy_report"]["offboard"]["returns"], 0, "{}", robot.status());
    assert!(other.json(true)["answered"].as_u64().unwrap() >= 50);

    let other = other_machine(port, &robot, NAMED);
    let status = until(&robot, "offboard");
    assert_eq!(status["faults"], "", "{status}");
    let driven = drive.json(false);
    assert!(driven["dx_m"].as_f64().unwrap() > 5.0, "{driven}");
    assert_eq!((&driven["mode"], &driven["faults"]), (&Value::from("Stand"), &Value::from("")), "{driven}");
    let offboard = &robot.status()["policy_report"]["offboard"];
    assert!(offboard["remote_runs"].as_u64().unwrap() > 100, "{offboard}");
    assert!(other.json(true)["answered"].as_u64().unwrap() > 100);
    assert!(robot.stop().success());
}

#[test]
fn a_policy_is_swapped_while_a_robot_walks_and_a_wrong_one_is_refused() {
    let robot = Robot::standing("swap", free_port(), &[]);
    let drive = drive(&robot, "15s");
    let deadline = Instant::now() + Duration::from_secs(60);
    while robot.status()["mode"] != "Policy" {
        assert!(Instant::now() < deadline, "never walks");
    }
    let swap = |model: &Path| {
        let output = run(&["policy", "swap", "--robot", &robot.name, model.to_str().unwrap(), "--json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        (output.status.success(), answer)
    };
    // Another build: the same graph and golden vectors under another version.
    let dir = tempfile::tempdir().unwrap();
    let models = Path::new("launch/robots/quad/models");
    for file in ["quad_walk.onnx", "quad_walk.golden.json"] {
        std::fs::copy(models.join(file), dir.path().join(file)).unwrap();
    }
    let text = std::fs::read_to_string(MODEL).unwrap();
    let next = dir.path().join("next.model.toml");
    std::fs::write(&next, text.replacen("version = \"1.1.0\"", "version = \"1.1.1\"", 1)).unwrap();
    let (done, answer) = swap(&next);
    assert!(done, "{answer}");
    assert_eq!((&answer["outcome"], &answer["shadow_runs"]), (&Value::from("done"), &Value::from(50)));
    // Hip and thigh of a leg exchanged.
    let wrong = dir.path().join("wrong.model.toml");
    let exchanged = text.replacen("\"FR_hip\", \"FR_thigh\"", "\"FR_thigh\", \"FR_hip\"", 1);
    assert_ne!(exchanged, text);
    std::fs::write(&wrong, exchanged).unwrap();
    let (done, answer) = swap(&wrong);
    assert!(!done && answer["reason"].as_str().unwrap().contains("golden case"), "{answer}");
    let absent = run(&["policy", "swap", "--robot", &robot.name, "absent.model.toml"]);
    assert!(!absent.status.success());
    assert!(String::from_utf8_lossy(&absent.stderr).contains("absent.model.toml"));
    let driven = drive.json(false);
    assert_eq!(driven["faults"], "", "{driven}");
    assert!(driven["dx_m"].as_f64().unwrap() > 5.0, "{driven}");
    assert!(robot.stop().success());
}
