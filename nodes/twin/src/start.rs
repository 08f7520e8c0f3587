//! How a run begins: the robot lies on its belly or hangs in its harness, unpowered, and has come to rest.
//!
//! The declared posture is only where it is put down; limp legs slide until friction holds them, and that is
//! the state the stack meets, as on the floor of a workshop.

use crate::harness::Harness;
use crate::physics::{BasePose, Physics, StateError};

/// Step while settling, s.
const DT_S: f64 = 0.001;
/// Longest time to come to rest, in steps.
const PATIENCE: usize = 8_000;
/// Rest must last this many steps.
const REST: usize = 250;
/// Slower than this is rest.
const REST_LINEAR_M_S: f64 = 0.002;
const REST_JOINT_RAD_S: f64 = 0.02;
/// Put down from this height.
const CLEARANCE_M: f64 = 0.002;

/// Why the robot could not be laid down.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StartError {
    /// The posture does not fit the engine.
    #[error("lying posture: {0}")]
    State(#[from] StateError),
    /// It kept moving.
    #[error(
        "lying posture: still moving after {waited_s} s ({linear_m_s:.4} m/s, fastest joint {joint_rad_s:.3} rad/s), \
         expected rest: choose a posture whose legs are carried by the ground or by their stops"
    )]
    Restless {
        /// How long it was given, s.
        waited_s: f64,
        /// Speed of the base, m/s.
        linear_m_s: f64,
        /// Fastest joint, rad/s.
        joint_rad_s: f64,
    },
}

/// Put the robot down at the origin in `q_rad` and wait until it lies still. `foot_radius_m` per foot.
pub(crate) fn lie_down(
    physics: &mut dyn Physics,
    q_rad: &[f64],
    height_m: f64,
    foot_radius_m: &[f64],
) -> Result<(), StartError> {
    let upright = |z| BasePose { position_m: [0.0, 0.0, z], orientation: [1.0, 0.0, 0.0, 0.0] };
    physics.set_state(&upright(1.0), q_rad)?;
    let lowest = foot_radius_m
        .iter()
        .enumerate()
        .map(|(i, radius)| physics.foot(i).position_m[2] - radius - 1.0)
        .fold(-height_m, f64::min);
    physics.set_state(&upright(CLEARANCE_M - lowest), q_rad)?;
    settle(physics, None)?;
    // It may have slid: bring it back over the origin and let the contacts find themselves again.
    let base = physics.base();
    let q: Vec<f64> = (0..physics.joint_count()).map(|i| physics.joint_state(i).0).collect();
    let pose = BasePose { position_m: [0.0, 0.0, base.position_m[2]], orientation: base.orientation };
    physics.set_state(&pose, &q)?;
    settle(physics, None)
}

/// Hang the robot upright over the origin in `q_rad`, its base at `height_m`, and wait until it is still.
pub(crate) fn hang(
    physics: &mut dyn Physics,
    harness: &mut Harness,
    q_rad: &[f64],
    height_m: f64,
) -> Result<(), StartError> {
    let pose = BasePose { position_m: [0.0, 0.0, height_m], orientation: [1.0, 0.0, 0.0, 0.0] };
    physics.set_state(&pose, q_rad)?;
    settle(physics, Some(harness))
}

fn settle(physics: &mut dyn Physics, mut harness: Option<&mut Harness>) -> Result<(), StartError> {
    let (mut calm, mut linear_m_s, mut joint_rad_s) = (0, 0.0, 0.0);
    for _ in 0..PATIENCE {
        if let Some(harness) = &mut harness {
            harness.step(physics, DT_S);
        }
        physics.step(&[], DT_S);
        let base = physics.base();
        linear_m_s = base.linear_velocity_m_s.iter().map(|v| v * v).sum::<f64>().sqrt();
        joint_rad_s = (0..physics.joint_count()).map(|i| physics.joint_state(i).1.abs()).fold(0.0, f64::max);
        let still = linear_m_s < REST_LINEAR_M_S && joint_rad_s < REST_JOINT_RAD_S;
        calm = if still { calm + 1 } else { 0 };
        if calm == REST {
            return Ok(());
        }
    }
    Err(StartError::Restless { waited_s: PATIENCE as f64 * DT_S, linear_m_s, joint_rad_s })
}
