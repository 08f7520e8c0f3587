//! Limits of a plausible quadruped joint, shared by the tests of this room.
#![allow(dead_code)] // each test file uses its own part
use sinew_guard::{JointLimits, Limits, ModeSet, Timing};
use sinew_wire::JointMode;

pub const ALL_MODES: ModeSet = ModeSet::of(JointMode::ALL);

pub fn joint() -> JointLimits {
    JointLimits {
        q_min_rad: -1.2,
        q_max_rad: 2.4,
        dq_max_rad_s: 20.0,
        tau_max_nm: 40.0,
        ddq_max_rad_s2: 400.0,
        kp_max: 120.0,
        kd_max: 5.0,
        kd_safe: 3.0,
        temperature_warn_c: 70.0,
        temperature_max_c: 90.0,
        continuous: false,
        modes: ALL_MODES,
    }
}

pub fn limits(joints: usize) -> Limits {
    Limits {
        joints: (0..joints).map(|_| joint()).collect(),
        timing: Timing::default(),
        start_epsilon_rad: 0.1,
        hash: 0,
    }
    .seal()
}
