//! What one joint may be asked to do.
use sinew_wire::{JointCommand, JointMode};

use crate::limits::LimitsError;
use crate::mode_set::ModeSet;

/// No limit and no plausible measurement is larger than this (rad, rad/s, N m, ...): products of two stay finite.
pub const MAX_MAGNITUDE: f32 = 1e6;

/// Limits of one joint, joint side (after gear, sign and offset).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointLimits {
    /// Least position target, rad; no meaning when `continuous`.
    pub q_min_rad: f32,
    /// Greatest position target, rad; no meaning when `continuous`.
    pub q_max_rad: f32,
    /// Greatest speed target, rad/s.
    pub dq_max_rad_s: f32,
    /// Greatest torque, commanded or predicted, N m.
    pub tau_max_nm: f32,
    /// Deceleration that the joint can be counted on for, rad/s^2: the braking distance before a position limit.
    pub ddq_max_rad_s2: f32,
    /// Greatest stiffness, N m/rad.
    pub kp_max: f32,
    /// Greatest damping, N m s/rad.
    pub kd_max: f32,
    /// Damping used when nobody is in command, N m s/rad.
    pub kd_safe: f32,
    /// A drive hotter than this is worth a warning, degrees Celsius.
    pub temperature_warn_c: f32,
    /// A drive hotter than this must rest, degrees Celsius.
    pub temperature_max_c: f32,
    /// Turns without end: no position limits.
    pub continuous: bool,
    /// Modes the device can do.
    pub modes: ModeSet,
}

impl JointLimits {
    /// Checks one joint; `joint` is its index, for the message.
    ///
    /// # Errors
    /// The first field that cannot be enforced.
    pub fn check(&self, joint: usize) -> Result<(), LimitsError> {
        let field = |field, found: f32, expected, fits: bool| {
            if fits && found.abs() <= MAX_MAGNITUDE {
                Ok(())
            } else {
                Err(LimitsError::Field { joint, field, found, expected })
            }
        };
        if !self.continuous {
            field("q_min_rad", self.q_min_rad, "a finite angle, or continuous: true", true)?;
            field("q_max_rad", self.q_max_rad, "greater than q_min_rad", self.q_max_rad > self.q_min_rad)?;
        }
        field("dq_max_rad_s", self.dq_max_rad_s, "greater than 0", self.dq_max_rad_s > 0.0)?;
        field("tau_max_nm", self.tau_max_nm, "greater than 0", self.tau_max_nm > 0.0)?;
        field("ddq_max_rad_s2", self.ddq_max_rad_s2, "greater than 0", self.ddq_max_rad_s2 > 0.0)?;
        field("kp_max", self.kp_max, "0 or more", self.kp_max >= 0.0)?;
        field("kd_max", self.kd_max, "0 or more", self.kd_max >= 0.0)?;
        field("kd_safe", self.kd_safe, "0 to kd_max", self.kd_safe >= 0.0 && self.kd_safe <= self.kd_max)?;
        field("temperature_warn_c", self.temperature_warn_c, "finite", true)?;
        let hotter = self.temperature_max_c > self.temperature_warn_c;
        field("temperature_max_c", self.temperature_max_c, "greater than temperature_warn_c", hotter)?;
        if self.modes.is_empty() {
            return Err(LimitsError::NoMode { joint });
        }
        if self.modes.contains(JointMode::Impedance) && !self.modes.contains(JointMode::Damping) {
            return Err(LimitsError::NoDamping { joint });
        }
        if self.modes.contains(JointMode::Damping) && self.kd_safe <= 0.0 {
            return field("kd_safe", self.kd_safe, "greater than 0 on a joint that can damp", false);
        }
        Ok(())
    }

    /// What this joint is told when nobody may tell it anything: damping with `kd_safe`, else brake, else off.
    #[must_use]
    pub fn safe_command(&self) -> JointCommand {
        match self.modes.safest() {
            JointMode::Damping => JointCommand::damping(self.kd_safe),
            mode => JointCommand { mode: mode as u8, ..JointCommand::default() },
        }
    }
}
