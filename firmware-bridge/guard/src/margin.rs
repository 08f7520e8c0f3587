//! How much wider one guard looks than the guard before it.
//!
//! Control guards its command against measurement n; the bridge guards the same bytes against n + 1, or n + k when
//! the command came late. Between the two the joint has moved, so a command that was exactly on a limit would be
//! trimmed again. Fields alone (q, dq, tau, gains) have the same limits on both sides and need no width. What
//! depends on the measurement is judged for the most favourable state that one period of motion could have led
//! from:
//!
//! ```text
//! dq_reach  = ddq_max P + one quantum of the measured velocity
//! q_reach   = dq_max  P + one quantum of the measured position
//! braking   : |dq| <= sqrt(2 a (limit - q + q_reach))
//! torque    : kp (q_des - q -+ q_reach) + kd (dq_des - dq -+ dq_reach) + tau within tau_max + one quantum
//! ```
//!
//! So the width follows from the command's own gains (a soft command gets little), and if q moved by at most
//! `dq_max P` and dq by at most `ddq_max P`, what control emitted passes unchanged: the state it was guarded
//! against lies inside the reach, and the quantum of torque covers rounding.
use crate::joint_limits::JointLimits;

/// Widening of the measurement-dependent limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Periods of motion allowed for.
    pub periods: f32,
    /// One step of the measured position on the bus, rad.
    pub q_quantum_rad: f32,
    /// One step of the measured velocity on the bus, rad/s.
    pub dq_quantum_rad_s: f32,
    /// One step of the commanded torque on the bus, N m.
    pub tau_quantum_nm: f32,
}

/// A [`Margin`] in the units of one joint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reach {
    /// rad
    pub q_rad: f32,
    /// rad/s
    pub dq_rad_s: f32,
    /// N m
    pub tau_nm: f32,
}

impl Margin {
    /// The limits as they are.
    pub const CONTROL: Self =
        Self { periods: 0.0, q_quantum_rad: 0.0, dq_quantum_rad_s: 0.0, tau_quantum_nm: 0.0 };

    /// One period of motion and one quantum of 16-bit position over +-12.5 rad, 12-bit velocity over +-45 rad/s
    /// and 12-bit torque over +-54 N m, rounded up.
    pub const BRIDGE: Self =
        Self { periods: 1.0, q_quantum_rad: 0.0004, dq_quantum_rad_s: 0.025, tau_quantum_nm: 0.03 };

    /// This margin for a joint at a bus period in seconds.
    #[must_use]
    pub fn reach(&self, joint: &JointLimits, period_s: f32) -> Reach {
        let time_s = self.periods * period_s;
        Reach {
            q_rad: joint.dq_max_rad_s * time_s + self.q_quantum_rad,
            dq_rad_s: joint.ddq_max_rad_s2 * time_s + self.dq_quantum_rad_s,
            tau_nm: self.tau_quantum_nm,
        }
    }
}
