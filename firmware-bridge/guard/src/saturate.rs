//! Trims an accepted command to the limits, as the drive itself would clip it, and says that it did.
//!
//! Trimming instead of refusing: a refusal starves the timeout ladder and drops a healthy robot that was pushed.
//! Gains, speed and torque only shrink in magnitude; the position target moves into its range or towards the
//! measured position. Whatever satisfies the limits passes bit for bit, so guarding twice changes nothing.
use sinew_wire::{JointCommand, JointMode};

use crate::joint_limits::{JointLimits, MAX_MAGNITUDE};
use crate::limits::Limits;
use crate::margin::{Margin, Reach};
use crate::reduce::{Impedance, reduce_above};

/// What a joint was measured to do, joint side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// rad
    pub q_rad: f32,
    /// rad/s
    pub dq_rad_s: f32,
}

impl Measured {
    /// Finite and of a size that a joint can have.
    fn is_plausible(&self) -> bool {
        self.q_rad.abs() <= MAX_MAGNITUDE && self.dq_rad_s.abs() <= MAX_MAGNITUDE
    }
}

/// What [`saturate`] had to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saturation {
    /// Bit per joint that was changed.
    pub joints: u64,
    /// [`Self::POSITION`] | [`Self::VELOCITY`] | [`Self::TORQUE`] | [`Self::REPLACED`], over all joints.
    pub reasons: u8,
    /// Reasons summed over the joints: how many joint values were trimmed.
    pub count: u32,
}

impl Saturation {
    /// Position target, or speed or torque towards a limit nearer than the braking distance.
    pub const POSITION: u8 = 1;
    /// Speed target.
    pub const VELOCITY: u8 = 2;
    /// Torque, gain, or torque predicted at the measured state.
    pub const TORQUE: u8 = 4;
    /// Not a command that this joint can carry out, or no plausible measurement: replaced by the joint's safe one.
    pub const REPLACED: u8 = 8;

    /// True when nothing was changed.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.count == 0
    }
}

/// Trims `commands` to `limits`; joints go by index over all three.
///
/// Total: a non-finite command, an unknown mode, a missing or implausible measurement becomes the joint's safe
/// command, a joint without limits is switched off.
pub fn saturate(
    limits: &Limits,
    margin: Margin,
    measured: &[Measured],
    commands: &mut [JointCommand],
) -> Saturation {
    let period_s = limits.timing.period_s();
    let mut result = Saturation::default();
    for (index, command) in commands.iter_mut().enumerate() {
        let reasons = match limits.joints.get(index) {
            Some(joint) => {
                let state = measured.get(index).copied().filter(Measured::is_plausible);
                saturate_joint(joint, margin.reach(joint, period_s), state, command)
            }
            None => replace(command, JointCommand::default()),
        };
        if reasons != 0 {
            result.joints |= 1u64.checked_shl(index as u32).unwrap_or(0);
            result.reasons |= reasons;
            result.count += reasons.count_ones();
        }
    }
    result
}

/// Torque of an impedance or damping command at a measured state, N m; the feed-forward alone in other modes.
#[must_use]
pub fn predicted_torque_nm(command: &JointCommand, measured: Measured) -> f32 {
    match command.mode() {
        JointMode::Impedance => Impedance::of(command).torque_nm(measured.q_rad, measured.dq_rad_s),
        JointMode::Damping => Impedance::damping(command.kd).torque_nm(measured.q_rad, measured.dq_rad_s),
        JointMode::Torque => command.tau_nm,
        JointMode::Disabled | JointMode::Position | JointMode::Velocity | JointMode::Brake => 0.0,
    }
}

fn saturate_joint(
    joint: &JointLimits,
    reach: Reach,
    state: Option<Measured>,
    command: &mut JointCommand,
) -> u8 {
    let known = JointMode::try_from(command.mode).ok().filter(|mode| match mode {
        JointMode::Disabled => true, // always allowed
        JointMode::Damping | JointMode::Brake => joint.modes.contains(*mode),
        _ => joint.modes.contains(*mode) && state.is_some(),
    });
    let replaced = match known {
        Some(_) if command.is_finite() => 0,
        _ => replace(command, joint.safe_command()),
    };
    // The safe command goes through the same checks: a fast joint must not be braked beyond its torque either.
    let trimmed = match (command.mode(), state) {
        (JointMode::Disabled | JointMode::Brake, _) => 0,
        (JointMode::Damping, Some(at)) => gains(joint, command) | damping_torque(joint, reach, at, command),
        (JointMode::Position, Some(_)) => position(joint, command),
        (JointMode::Velocity, Some(at)) => velocity(joint, command) | braking(joint, reach, at, command),
        (JointMode::Torque, Some(at)) => torque(joint, command) | outward(joint, reach, at, command),
        (JointMode::Impedance, Some(at)) => {
            // Fields first, then the torque they add up to.
            gains(joint, command)
                | position(joint, command)
                | velocity(joint, command)
                | braking(joint, reach, at, command)
                | torque(joint, command)
                | outward(joint, reach, at, command)
                | impedance_torque(joint, reach, at, command)
        }
        (_, None) => gains(joint, command),
    };
    replaced | trimmed
}

/// Clamps without touching the bits of what fits; `reason` when something was changed.
fn trim(value: &mut f32, least: f32, most: f32, reason: u8) -> u8 {
    let before = value.to_bits();
    if *value < least {
        *value = least;
    } else if *value > most {
        *value = most;
    }
    if value.to_bits() == before { 0 } else { reason }
}

fn gains(joint: &JointLimits, command: &mut JointCommand) -> u8 {
    trim(&mut command.kp, 0.0, joint.kp_max, Saturation::TORQUE)
        | trim(&mut command.kd, 0.0, joint.kd_max, Saturation::TORQUE)
}

fn position(joint: &JointLimits, command: &mut JointCommand) -> u8 {
    if joint.continuous {
        return 0;
    }
    trim(&mut command.q_rad, joint.q_min_rad, joint.q_max_rad, Saturation::POSITION)
}

fn velocity(joint: &JointLimits, command: &mut JointCommand) -> u8 {
    trim(&mut command.dq_rad_s, -joint.dq_max_rad_s, joint.dq_max_rad_s, Saturation::VELOCITY)
}

fn torque(joint: &JointLimits, command: &mut JointCommand) -> u8 {
    trim(&mut command.tau_nm, -joint.tau_max_nm, joint.tau_max_nm, Saturation::TORQUE)
}

/// Fastest speed towards each limit from which the joint still stops before it, rad/s: (down, up), both >= 0.
fn stopping_speed(joint: &JointLimits, reach: Reach, at: Measured) -> (f32, f32) {
    if joint.continuous {
        return (MAX_MAGNITUDE, MAX_MAGNITUDE);
    }
    let speed = |room_rad: f32| libm::sqrtf(2.0 * joint.ddq_max_rad_s2 * (room_rad + reach.q_rad).max(0.0));
    (speed(at.q_rad - joint.q_min_rad), speed(joint.q_max_rad - at.q_rad))
}

fn braking(joint: &JointLimits, reach: Reach, at: Measured, command: &mut JointCommand) -> u8 {
    let (down, up) = stopping_speed(joint, reach, at);
    trim(&mut command.dq_rad_s, -down, up, Saturation::POSITION)
}

/// Takes away feed-forward torque that pushes on towards a limit which the joint cannot stop before any more, or
/// is already beyond. This is all the position guard that a pure torque command can have.
fn outward(joint: &JointLimits, reach: Reach, at: Measured, command: &mut JointCommand) -> u8 {
    let (down, up) = stopping_speed(joint, reach, at);
    let lost = |speed: f32, room: f32| room <= 0.0 || speed - reach.dq_rad_s > room;
    let least = if lost(-at.dq_rad_s, down) { 0.0 } else { -MAX_MAGNITUDE };
    let most = if lost(at.dq_rad_s, up) { 0.0 } else { MAX_MAGNITUDE };
    trim(&mut command.tau_nm, least, most, Saturation::POSITION)
}

fn impedance_torque(joint: &JointLimits, reach: Reach, at: Measured, command: &mut JointCommand) -> u8 {
    let (q_min, q_max) =
        if joint.continuous { (-MAX_MAGNITUDE, MAX_MAGNITUDE) } else { (joint.q_min_rad, joint.q_max_rad) };
    let most = joint.tau_max_nm + reach.tau_nm;
    let mut fields = Impedance::of(command);
    let up = reduce_above(&mut fields, at.q_rad + reach.q_rad, at.dq_rad_s + reach.dq_rad_s, q_min, most);
    // The other side is the same seen in a mirror; negation is exact.
    let mut mirrored = fields.mirrored();
    let (q, dq) = (reach.q_rad - at.q_rad, reach.dq_rad_s - at.dq_rad_s);
    let down = reduce_above(&mut mirrored, q, dq, -q_max, most);
    if !(up || down) {
        return 0;
    }
    let mut fields = mirrored.mirrored();
    if !within(&fields, reach, at, most) {
        // Limits so coarse that one ulp of a field jumps across them: no push at all.
        fields = Impedance { tau_nm: 0.0, kp: 0.0, kd: 0.0, ..fields };
    }
    command.q_rad = fields.q_rad;
    command.tau_nm = fields.tau_nm;
    command.kp = fields.kp;
    command.kd = fields.kd;
    Saturation::TORQUE
}

fn within(law: &Impedance, reach: Reach, at: Measured, most_nm: f32) -> bool {
    law.torque_nm(at.q_rad + reach.q_rad, at.dq_rad_s + reach.dq_rad_s) <= most_nm
        && law.torque_nm(at.q_rad - reach.q_rad, at.dq_rad_s - reach.dq_rad_s) >= -most_nm
}

fn damping_torque(joint: &JointLimits, reach: Reach, at: Measured, command: &mut JointCommand) -> u8 {
    let mut fields = Impedance::damping(command.kd);
    let most = joint.tau_max_nm + reach.tau_nm;
    let changed = reduce_above(&mut fields, 0.0, reach.dq_rad_s - at.dq_rad_s.abs(), 0.0, most);
    if !changed {
        return 0;
    }
    command.kd = fields.kd;
    Saturation::TORQUE
}

fn replace(command: &mut JointCommand, by: JointCommand) -> u8 {
    if same_bits(command, &by) {
        return 0;
    }
    *command = by;
    Saturation::REPLACED
}

fn same_bits(a: &JointCommand, b: &JointCommand) -> bool {
    let bits = |c: &JointCommand| [c.q_rad, c.dq_rad_s, c.tau_nm, c.kp, c.kd].map(f32::to_bits);
    bits(a) == bits(b) && a.mode == b.mode && a.reserved == b.reserved
}
