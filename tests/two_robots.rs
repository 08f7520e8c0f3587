//! Two robots on one machine: commanding one never moves the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use support::{Robot, free_port, json};

#[test]
fn commanding_a_never_moves_b() {
    let port = free_port();
    let a = Robot::standing("a", port, &["seed:=1"]);
    let b = Robot::standing("b", port, &["seed:=2"]);
    let before = b.status();
    let walked = json(&["drive", "--robot", &a.name, "--vx", "0.5", "--for", "4s", "--json"]);
    let after = b.status();
    let dx_m = walked["dx_m"].as_f64().unwrap();
    assert!((1.2..=2.8).contains(&dx_m), "a walked {dx_m} m");
    let position = |status: &serde_json::Value, axis: usize| status["position_m"][axis].as_f64().unwrap();
    for axis in 0..2 {
        let moved = position(&after, axis) - position(&before, axis);
        assert!(moved.abs() < 0.05, "b moved {moved} m on axis {axis}");
    }
    // Nothing of a's traffic reached b: nobody asked for its lease, and no command was refused.
    assert_eq!(after["lease_epoch"], before["lease_epoch"]);
    assert_eq!(after["commands_refused"], 0);
    assert!(after["step"].as_u64() > before["step"].as_u64());
    assert!(a.stop().success());
    assert!(b.stop().success());
}
