//! The library, found or fetched by pip into the build folder, and the robot of the tree.
#![allow(dead_code, clippy::unwrap_used)] // each test uses its part; a failing set-up is a failing test

use sinew_pinned::Places;
use sinew_twin::RobotNames;
use sinew_twin_mujoco::{Library, MujocoPhysics, PhysicsError, find_or_fetch, places};
use std::path::PathBuf;

pub const JOINTS: [&str; 12] = [
    "FR_hip", "FR_thigh", "FR_calf", "FL_hip", "FL_thigh", "FL_calf", "RR_hip", "RR_thigh", "RR_calf",
    "RL_hip", "RL_thigh", "RL_calf",
];
pub const FEET: [&str; 4] = ["FR_foot", "FL_foot", "RR_foot", "RL_foot"];
pub const STAND: [f64; 12] = [0.0, 0.8, -1.5, 0.0, 0.8, -1.5, 0.0, 0.8, -1.5, 0.0, 0.8, -1.5];
pub const QUAD: &str = include_str!("../../../../../launch/robots/quad/quad.xml");

pub fn library() -> Library {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mujoco");
    find_or_fetch(&Places { runtime_dir: Some(build), ..places() }).unwrap()
}

pub fn build(library: &Library, mjcf: &str, joints: &[&str]) -> Result<MujocoPhysics, PhysicsError> {
    MujocoPhysics::new(library, mjcf, &RobotNames { joints, feet: &FEET })
}
