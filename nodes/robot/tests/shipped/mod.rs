//! The description that ships with the project.
#![allow(dead_code, clippy::expect_used, reason = "each test file uses a part; a test may fail by panicking")]

use sinew_robot::Robot;
use std::path::PathBuf;

pub const YAML: &str = include_str!("../../../../launch/robots/quad/robot.yaml");
pub const MODEL: &str = include_str!("../../../../launch/robots/quad/quad.xml");

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad")
}

pub fn robot() -> Robot {
    Robot::parse(YAML, MODEL).expect("the shipped description is right")
}

/// The biped that ships beside it.
pub fn biped() -> Robot {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/biped");
    Robot::load(&folder).expect("the shipped description is right")
}
