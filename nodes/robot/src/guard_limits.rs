//! The description's limits in the form the guard enforces.
use crate::robot::Robot;
use sinew_guard::{JointLimits, Limits, ModeSet, Timing};
use sinew_wire::JointMode;

/// Modes of the MIT family: its one frame carries an impedance, and with it damping and torque.
const MIT_MODES: ModeSet =
    ModeSet::of(&[JointMode::Disabled, JointMode::Damping, JointMode::Impedance, JointMode::Torque]);
/// The first position target after arming lies within this of the measured one, rad.
const START_EPSILON_RAD: f32 = 0.1;

impl Robot {
    /// Limits of every joint and the ladder's times, sealed: bridge and control compare the hash when arming.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let joint = |joint: &crate::robot::Joint| {
            let limits = &joint.limits;
            JointLimits {
                q_min_rad: limits.q_min_rad as f32,
                q_max_rad: limits.q_max_rad as f32,
                dq_max_rad_s: limits.dq_max_rad_s as f32,
                tau_max_nm: limits.tau_max_nm as f32,
                ddq_max_rad_s2: limits.ddq_max_rad_s2 as f32,
                kp_max: limits.kp_max as f32,
                kd_max: limits.kd_max as f32,
                kd_safe: joint.kd_safe as f32,
                temperature_warn_c: limits.temperature_warn_c as f32,
                temperature_max_c: limits.temperature_max_c as f32,
                continuous: false,
                modes: MIT_MODES,
            }
        };
        let timing = Timing {
            period_ns: self.period_ns,
            t1_ns: self.timing.t1_ns,
            t2_ns: self.timing.t2_ns,
            rest_ns: self.timing.t3_ns,
            valid_for_ns: self.timing.valid_for_ns,
            rest_dq_rad_s: self.timing.rest_dq_rad_s as f32,
            rest_gyro_rad_s: self.timing.rest_gyro_rad_s as f32,
        };
        Limits {
            joints: self.joints.iter().map(joint).collect(),
            timing,
            start_epsilon_rad: START_EPSILON_RAD,
            hash: 0,
        }
        .seal()
    }
}
