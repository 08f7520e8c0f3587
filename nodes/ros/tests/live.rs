//! The robot on a real Zenoh network, on a private port: judged from outside by a stock client, steered by it, and
//! seen to leave.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod robot_state;

use robot_state::{led, quad, standing};
use sinew_robot::Robot;
use sinew_ros::msg::{Message, std_msgs};
use sinew_ros::{
    MessageType, NativeSession, NodeName, Qos, RosNode, RosNodeConfig, RouterHandle, RouterReport, Session,
    SessionConfig, SessionError, TopicName, ensure_router,
};
use sinew_wire::{MotionCommand, Request, RobotState};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zenoh::Wait;

/// Nothing here takes this long; only a hang does.
const HANG: Duration = Duration::from_secs(240);

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn network() -> (RouterHandle, SessionConfig) {
    let router_port = free_port();
    let router = ensure_router(router_port);
    assert_eq!(router.report(), &RouterReport::Started { port: router_port });
    (router, SessionConfig { router_port, ..SessionConfig::default() })
}

/// Calls `done` now and then until it gives something.
fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(began.elapsed() < HANG, "hangs: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A robot that stands, shows itself 50 times a second and grants the lease to who asks.
struct Shown {
    robot: Robot,
    node: RosNode,
    step: u64,
    granted: bool,
}

impl Shown {
    fn new(name: &str, session: SessionConfig) -> Self {
        let robot = quad();
        let node = RosNode::start(&robot, RosNodeConfig::simulated(name, 7, session)).unwrap();
        Self { robot, node, step: 0, granted: false }
    }

    fn tick(&mut self) -> Option<(RobotState, MotionCommand)> {
        self.step += 10;
        let state = if self.granted { led(&self.robot, self.step) } else { standing(&self.robot, self.step) };
        self.node.publish(&state);
        let wish = self.node.take_cmd_vel()?;
        self.granted |= wish.body.request() == Request::Acquire;
        Some((state, wish))
    }
}

struct Judge(Child);

impl Judge {
    fn start(port: u16, robot: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ros_wire/judge.py");
        let child = Command::new("python3")
            .arg(script)
            .args(["--json", "--robot", robot, "--port", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn verdict(mut self) -> (bool, serde_json::Value) {
        let status = self.0.wait().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.0.stdout.take().unwrap(), &mut text).unwrap();
        (status.success(), serde_json::from_str(&text).unwrap())
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // Gone already unless the test failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_stock_client_sees_the_robot_whole_and_steers_it() {
    let (_router, session) = network();
    let port = session.router_port;
    let mut shown = Shown::new("spot", session);
    let mut judge = Judge::start(port, "spot", &["--cmd-vel", "0.3", "-0.1", "0.2"]);
    let mut requests = Vec::new();
    until("twists of the judge", || {
        if let Some(status) = judge.0.try_wait().unwrap() {
            panic!("the judge left before its twists arrived: {status}");
        }
        let (state, wish) = shown.tick()?;
        if requests.last() != Some(&wish.body.request()) {
            requests.push(wish.body.request());
        }
        assert_eq!(wish.header.based_on(), state.header.id());
        (wish.body.velocity == [0.3, -0.1, 0.2]).then_some(())
    });
    assert_eq!(requests, [Request::Acquire, Request::Policy]);
    drop(judge.0.stdin.take());
    let (passed, verdict) = judge.verdict();
    println!("{verdict:#}");
    assert!(passed, "the judge found violations");
    assert_eq!(verdict["passed"], true);
    assert_eq!(verdict["topics"].as_object().unwrap().len(), 8);
    assert_eq!(shown.node.counters().send_errors, 0);
    assert_eq!(shown.node.counters().subscription.malformed, 0);
}

#[test]
fn the_judge_catches_every_planted_violation() {
    let (_router, session) = network();
    let port = session.router_port;
    let mut shown = Shown::new("spot", session);
    let mut judge = Judge::start(port, "spot", &["--plant", "all", "--samples", "5"]);
    until("verdict", || {
        shown.tick();
        judge.0.try_wait().unwrap()
    });
    let (passed, verdict) = judge.verdict();
    assert!(!passed);
    let violations = verdict["violations"].as_array().unwrap();
    for (kind, place) in [
        ("hash", "planted_wrong_hash"),
        ("attachment", "planted_no_attachment"),
        ("attachment", "planted_short_attachment"),
        ("identity", "planted_foreign_identity"),
        ("sequence", "planted_same_number"),
        ("token", "planted_no_token"),
        ("message", "planted_cut_message"),
        ("content", "/spot/tf"),
        ("quality", "rogue_wrong_qos"),
    ] {
        let caught =
            violations.iter().any(|v| v["kind"] == kind && v["where"].as_str().unwrap().contains(place));
        assert!(caught, "{kind} at {place} was not caught: {verdict:#}");
    }
    let innocent = violations.iter().find(|v| {
        let place = v["where"].as_str().unwrap();
        !place.contains("planted_") && !place.contains("rogue_") && place != "/spot/tf"
    });
    assert_eq!(innocent, None, "the robot itself is blameless");
}

#[test]
fn the_judge_misses_a_robot_that_is_not_there() {
    let (_router, session) = network();
    let (passed, verdict) = Judge::start(session.router_port, "nobody", &["--deadline", "1"]).verdict();
    assert!(!passed);
    assert!(verdict["violations"].as_array().unwrap().iter().all(|v| v["kind"] == "missing"), "{verdict:#}");
}

#[test]
fn a_node_that_leaves_is_off_the_graph() {
    let (_router, session) = network();
    let mut config = zenoh::Config::default();
    for (key, value) in [
        ("mode", "\"client\""),
        ("connect/endpoints", &format!("[\"tcp/127.0.0.1:{}\"]", session.router_port)),
        ("scouting/multicast/enabled", "false"),
    ] {
        config.insert_json5(key, value).unwrap();
    }
    let viewer = zenoh::open(config).wait().unwrap();
    let tokens = || viewer.liveliness().get("@ros2_lv/0/**").wait().unwrap().iter().count();
    let shown = Shown::new("spot", session);
    // Two nodes, eight publishers, one subscription.
    until("the node comes", || (tokens() == 11).then_some(()));
    drop(shown);
    until("the node goes", || (tokens() == 0).then_some(()));
}

#[test]
fn who_comes_late_gets_what_is_latched_once_and_then_what_is_new() {
    let (_router, config) = network();
    let topic = TopicName::new("/spot/latched").unwrap();
    let ty = MessageType::of::<std_msgs::String>();
    let qos = Qos::latched(2);
    let cdr = |data: &str| {
        let mut out = Vec::new();
        std_msgs::String { data: data.to_owned() }.to_cdr(&mut out).unwrap();
        out
    };

    let mut writer = NativeSession::open(&config).unwrap();
    let node = writer.node(&NodeName::new("/spot", "writer").unwrap()).unwrap();
    let mut publisher = writer.publisher(node, &topic, &ty, qos).unwrap();
    for text in ["lost", "kept 1", "kept 2"] {
        publisher.publish(&cdr(text)).unwrap();
    }
    let mut reader = NativeSession::open(&config).unwrap();
    let node_of_reader = reader.node(&NodeName::new("/spot", "reader").unwrap()).unwrap();
    let mut subscription = reader.subscription(node_of_reader, &topic, &ty, qos).unwrap();
    let mut take = |expected: &str| {
        let received = until(expected, || subscription.take());
        assert_eq!(received.cdr, cdr(expected));
        received.origin.unwrap().sequence
    };
    assert_eq!(take("kept 1"), 2);
    assert_eq!(take("kept 2"), 3);
    publisher.publish(&cdr("new")).unwrap();
    assert_eq!(take("new"), 4);
    assert_eq!(subscription.take(), None);
    assert_eq!(subscription.counters().received, 3);

    let second = writer.publisher(node, &topic, &ty, qos);
    assert!(matches!(second, Err(SessionError::SecondLatched { .. })));
    drop(publisher);
    assert!(writer.publisher(node, &topic, &ty, qos).is_ok(), "the place is free again");
}

#[test]
fn a_router_is_found_rather_than_started_twice() {
    let (first, config) = network();
    let port = config.router_port;
    assert_eq!(ensure_router(port).report(), &RouterReport::Found { port });
    drop(first);
    let again = until("the port is free", || {
        let handle = ensure_router(port);
        matches!(handle.report(), RouterReport::Started { .. }).then_some(handle)
    });
    assert!(again.report().is_reachable());
}

#[test]
fn a_port_held_by_something_else_is_told_and_harms_nobody() {
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let handle = ensure_router(port);
    assert_eq!(handle.report(), &RouterReport::Occupied { port });
    assert!(!handle.report().is_reachable());
    let mut shown = Shown::new("spot", SessionConfig { router_port: port, ..SessionConfig::default() });
    assert!(shown.tick().is_none());
    assert_eq!(shown.node.counters().send_errors, 0, "the robot does not care");
}
