//! What a simulated drive is made of.

use super::ThermalModel;
use crate::damiao::{Model, master_id, scaling};

/// Errors of the encoder. Noise is in what the drive reports; the bias is in the encoder itself, so the
/// inner loop has it, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EncoderNoise {
    /// Standard deviation of reported positions, rad.
    pub q_std_rad: f64,
    /// Standard deviation of reported velocities, rad/s.
    pub dq_std_rad_s: f64,
    /// Constant error of the zero position, rad.
    pub q_bias_rad: f64,
}

/// Torque a motor can give by speed: all of it up to the corner, none at no-load speed, linear between.
/// Braking is not limited by speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeedTorque {
    /// Full torque up to this speed, rad/s.
    pub corner_rad_s: f64,
    /// No torque from this speed on, rad/s.
    pub no_load_rad_s: f64,
}

impl SpeedTorque {
    /// An estimate: corner at half the model's velocity range, no-load speed at its end.
    pub const fn of(model: Model) -> Self {
        let no_load_rad_s = scaling(model).v_max_rad_s;
        SpeedTorque { corner_rad_s: 0.5 * no_load_rad_s, no_load_rad_s }
    }

    /// Share of the torque limit that is left at `speed_rad_s` in the direction of motion, 0 to 1.
    pub fn share(&self, speed_rad_s: f64) -> f64 {
        let over = speed_rad_s - self.corner_rad_s;
        if over <= 0.0 {
            return 1.0;
        }
        let width = self.no_load_rad_s - self.corner_rad_s;
        if width > 0.0 { (1.0 - over / width).max(0.0) } else { 0.0 }
    }
}

/// Make of one simulated drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DamiaoEmulatorConfig {
    /// Its id.
    pub id: u16,
    /// Where its replies go.
    pub master_id: u16,
    /// Its model; decides the ranges as shipped.
    pub model: Model,
    /// Torque at which its current limit clips, at the output, N m.
    pub torque_limit_nm: f64,
    /// Errors of its encoder.
    pub noise: EncoderNoise,
    /// How it heats.
    pub thermal: ThermalModel,
    /// Temperature around it, degrees Celsius; it starts at it.
    pub ambient_c: f64,
}

impl DamiaoEmulatorConfig {
    /// A drive of that model without noise, clipping at its torque range, at 25 degrees.
    pub const fn of(model: Model, id: u16) -> Self {
        DamiaoEmulatorConfig {
            id,
            master_id: master_id(id),
            model,
            torque_limit_nm: scaling(model).t_max_nm,
            noise: EncoderNoise { q_std_rad: 0.0, dq_std_rad_s: 0.0, q_bias_rad: 0.0 },
            thermal: ThermalModel::of(model),
            ambient_c: 25.0,
        }
    }
}
