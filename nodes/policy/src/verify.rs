//! The golden run: the exporter's measurements by joint name through the whole policy, targets by name compared.
//!
//! It goes through the same `step` as on the robot, in the robot's joint order, so what it proves is what runs.

use sinew_inference::{Golden, Tolerance};
use sinew_wire::{PolicyStatus, RobotJoint, RobotState, StepTime};

use crate::policy::Policy;

/// A golden run that came out right.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenReport {
    /// Cases run.
    pub cases: usize,
    /// Ticks run.
    pub ticks: usize,
    /// Largest difference of a target, rad.
    pub worst_rad: f64,
}

/// A golden run that did not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GoldenFailure {
    /// A target is not what the exporter got.
    #[error(
        "golden case \"{case}\", tick {tick}: joint `{joint}`: found {found} rad; expected {expected} rad within {allowed:.1e}; compare joints.order, the terms and their scales with the training code, or export again"
    )]
    Target {
        /// Case.
        case: String,
        /// Tick in the case, from 0.
        tick: usize,
        /// Joint.
        joint: String,
        /// Target of the policy, rad.
        found: f32,
        /// Target of the exporter, rad.
        expected: f32,
        /// Difference allowed, rad.
        allowed: f64,
    },
    /// No targets at all.
    #[error("golden case \"{case}\", tick {tick}: no targets ({reason}); check the graph on these inputs")]
    NoTargets {
        /// Case.
        case: String,
        /// Tick.
        tick: usize,
        /// Why.
        reason: String,
    },
    /// A golden column names a joint that is not on the robot.
    #[error("golden column `{joint}`: the robot has no such joint; export for this robot")]
    Column {
        /// Name.
        joint: String,
    },
}

/// Runs all golden cases through `policy` in the joint order of its robot; the policy is left as if new.
pub fn verify(
    policy: &mut Policy,
    golden: &Golden,
    tolerance: Tolerance,
) -> Result<GoldenReport, GoldenFailure> {
    let joints = policy.robot_joints().len();
    let mut columns = Vec::with_capacity(golden.joints.len());
    for joint in &golden.joints {
        let index = policy.robot_joints().iter().position(|name| name == joint);
        columns.push(index.ok_or_else(|| GoldenFailure::Column { joint: joint.clone() })?);
    }
    policy.forget();
    let mut report = GoldenReport { cases: golden.cases.len(), ticks: 0, worst_rad: 0.0 };
    let mut step = 0;
    for (activation, case) in (1u32..).zip(&golden.cases) {
        for (index, tick) in case.ticks.iter().enumerate() {
            let mut state = RobotState::default();
            state.header.step = step;
            state.body.angular_velocity_rad_s = tick.gyro_rad_s;
            state.body.projected_gravity = tick.projected_gravity;
            state.body.command = tick.command;
            state.body.active_policy = policy.number();
            state.body.activation = activation;
            state.joints.extend((0..joints).map(|_| RobotJoint::default()));
            for ((column, q_rad), dq_rad_s) in columns.iter().zip(&tick.q_rad).zip(&tick.dq_rad_s) {
                if let Some(joint) = state.joints.get_mut(*column) {
                    (joint.q_rad, joint.dq_rad_s) = (*q_rad, *dq_rad_s);
                }
            }
            let command = policy.step(&state, StepTime::default());
            step += policy.decimation();
            if command.body.status() != PolicyStatus::Targets {
                let reason = policy.fault().map_or("empty".to_owned(), ToString::to_string);
                policy.forget();
                return Err(GoldenFailure::NoTargets { case: case.name.clone(), tick: index, reason });
            }
            report.ticks += 1;
            for ((column, joint), expected) in columns.iter().zip(&golden.joints).zip(&tick.target_rad) {
                let found = command.joints.get(*column).map_or(f32::NAN, |j| j.q_rad);
                if !tolerance.accepts(found, *expected) {
                    policy.forget();
                    return Err(GoldenFailure::Target {
                        case: case.name.clone(),
                        tick: index,
                        joint: joint.clone(),
                        found,
                        expected: *expected,
                        allowed: tolerance.atol + tolerance.rtol * f64::from(expected.abs()),
                    });
                }
                report.worst_rad = report.worst_rad.max((f64::from(found) - f64::from(*expected)).abs());
            }
        }
    }
    policy.forget();
    Ok(report)
}
