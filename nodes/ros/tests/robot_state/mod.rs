//! A robot to show, and states of it.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests, each of which uses a part")]

use sinew_robot::Robot;
use sinew_wire::{EstimatorStatus, LinkState, NO_POLICY, RobotJoint, RobotMode, RobotState, Source, Stage};
use std::path::Path;

pub fn quad() -> Robot {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad");
    Robot::load(&dir).unwrap()
}

/// Standing, healthy, nobody has the lease.
pub fn standing(robot: &Robot, step: u64) -> RobotState {
    let mut state = RobotState::default();
    state.header.boot_id = 1;
    state.header.source = Source::CONTROL.0;
    state.header.seq = step as u32 + 1;
    state.header.step = step;
    state.body.position_m = [1.0, 2.0, 0.3];
    state.body.orientation = [0.8, 0.0, 0.0, 0.6];
    state.body.velocity_m_s = [0.1, 0.2, 0.3];
    state.body.angular_velocity_rad_s = [0.4, 0.5, 0.6];
    state.body.projected_gravity = [0.0, 0.0, -1.0];
    state.body.robot_mode = RobotMode::Stand as u8;
    state.body.link_state = LinkState::Active as u8;
    state.body.estimator_status = EstimatorStatus::Healthy as u8;
    state.body.stage = Stage::Fresh as u8;
    state.body.active_policy = NO_POLICY;
    for (index, joint) in robot.joints.iter().enumerate() {
        state.joints.push(RobotJoint {
            q_rad: joint.default_q_rad as f32,
            dq_rad_s: 0.5,
            tau_nm: index as f32,
            temperature_c: 30.0,
        });
    }
    state
}

/// The same, with the lease at /cmd_vel.
pub fn led(robot: &Robot, step: u64) -> RobotState {
    let mut state = standing(robot, step);
    state.body.lease_holder = Source::CMD_VEL.0;
    state.body.lease_epoch = 9;
    state
}
