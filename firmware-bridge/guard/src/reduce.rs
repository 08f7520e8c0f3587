//! Brings the torque that an impedance command adds up to down to a bound, changing as little as possible.
//!
//! `kp (q_des - q) + kd (dq_des - dq) + tau` is a sum of three pushes. Only pushes towards the excess are reduced,
//! in this order, each no further than needed:
//! 1. the spring, by moving the position target towards the joint (never out of its range): stiffness and damping
//!    stay what the controller designed;
//! 2. the feed-forward torque, towards 0;
//! 3. the damping gain; 4. the stiffness (only when the joint is outside its range, so that 1 could not help).
//!
//! Every f32 operation of the sum is monotone in every field, so the search ends, and its result is judged by the
//! very predicate that decides whether to reduce at all: a second pass finds nothing to do.
use sinew_wire::JointCommand;

/// The fields of an impedance law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Impedance {
    pub q_rad: f32,
    pub dq_rad_s: f32,
    pub tau_nm: f32,
    pub kp: f32,
    pub kd: f32,
}

impl Impedance {
    pub fn of(command: &JointCommand) -> Self {
        let JointCommand { q_rad, dq_rad_s, tau_nm, kp, kd, .. } = *command;
        Self { q_rad, dq_rad_s, tau_nm, kp, kd }
    }

    pub fn damping(kd: f32) -> Self {
        Self { q_rad: 0.0, dq_rad_s: 0.0, tau_nm: 0.0, kp: 0.0, kd }
    }

    /// Torque at a state, N m.
    pub fn torque_nm(&self, q_rad: f32, dq_rad_s: f32) -> f32 {
        self.kp * (self.q_rad - q_rad) + self.kd * (self.dq_rad_s - dq_rad_s) + self.tau_nm
    }

    /// The same law with the joint's axis reversed.
    pub fn mirrored(self) -> Self {
        Self { q_rad: -self.q_rad, dq_rad_s: -self.dq_rad_s, tau_nm: -self.tau_nm, ..self }
    }
}

/// Reduces `law` until its torque at (`q_rad`, `dq_rad_s`) is at most `most_nm`; true when it had to.
/// The position target stays at or above `q_min_rad`. `most_nm` must not be negative.
pub(crate) fn reduce_above(
    law: &mut Impedance,
    q_rad: f32,
    dq_rad_s: f32,
    q_min_rad: f32,
    most_nm: f32,
) -> bool {
    let excess = |law: &Impedance| law.torque_nm(q_rad, dq_rad_s) - most_nm;
    let fits = |law: &Impedance| law.torque_nm(q_rad, dq_rad_s) <= most_nm;
    if fits(law) {
        return false;
    }
    let start = *law;
    if start.kp > 0.0 && start.q_rad > q_rad {
        let floor = q_rad.max(q_min_rad).min(start.q_rad);
        let ideal = start.q_rad - excess(law) / start.kp;
        law.q_rad = settle(ideal, start.q_rad, floor, |value| fits(&Impedance { q_rad: value, ..start }));
    }
    if !fits(law) && law.tau_nm > 0.0 {
        let now = *law;
        let ideal = now.tau_nm - excess(law);
        law.tau_nm = settle(ideal, now.tau_nm, 0.0, |value| fits(&Impedance { tau_nm: value, ..now }));
    }
    if !fits(law) && law.kd > 0.0 && law.dq_rad_s > dq_rad_s {
        let now = *law;
        let ideal = now.kd - excess(law) / (now.dq_rad_s - dq_rad_s);
        law.kd = settle(ideal, now.kd, 0.0, |value| fits(&Impedance { kd: value, ..now }));
    }
    if !fits(law) && law.kp > 0.0 && law.q_rad > q_rad {
        let now = *law;
        let ideal = now.kp - excess(law) / (now.q_rad - q_rad);
        law.kp = settle(ideal, now.kp, 0.0, |value| fits(&Impedance { kp: value, ..now }));
    }
    true
}

/// A value in `floor..=from` that fits, as near to `ideal` as rounding lets it, or `floor`.
fn settle(ideal: f32, from: f32, floor: f32, fits: impl Fn(f32) -> bool) -> f32 {
    let mut value = if ideal > floor { ideal.min(from) } else { floor };
    let mut step = f32::EPSILON * (value.abs() + floor.abs()).max(f32::EPSILON);
    // 64 doublings of less than an ulp cross any interval; almost always one is enough.
    for _ in 0..64 {
        if value <= floor {
            return floor;
        }
        if fits(value) {
            return value;
        }
        value -= step;
        step *= 2.0;
    }
    floor
}
