//! A frozen description for the tests of the loader, so that tuning the shipped one does not touch them.
#![allow(dead_code, clippy::expect_used, reason = "each test file uses a part; a test may fail by panicking")]

use sinew_robot::Robot;

pub const YAML: &str = include_str!("../data/robot.yaml");
pub const MODEL: &str = include_str!("../data/quad.xml");

pub fn robot() -> Robot {
    Robot::parse(YAML, MODEL).expect("the frozen description is right")
}
