//! The running robot on the ROS 2 network, judged from outside by a stock Zenoh client and an independent decoder, and
//! steered through /cmd_vel under the lease rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Robot, free_port};

#[test]
fn a_stock_client_sees_the_robot_and_walks_it() {
    let mut robot = Robot::standing("ros", free_port(), &[]);
    let mut judge = Command::new("python3")
        .args([
            "tests/ros_wire/judge.py",
            "--json",
            "--robot",
            &robot.name,
            "--port",
            &robot.port.to_string(),
        ])
        .args(["--cmd-vel", "0.3", "0", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    robot.wait_for("Policy", Duration::from_secs(180));
    assert_eq!(robot.status()["lease_holder"], "cmd_vel");
    drop(judge.stdin.take());
    let output = judge.wait_with_output().unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    assert_eq!(verdict["topics"].as_object().unwrap().len(), 8, "{verdict:#}");
    // Without twists the lease is given back and the robot stands.
    robot.wait_for("Stand", Duration::from_secs(60));
    assert!(robot.stop().success());
}
