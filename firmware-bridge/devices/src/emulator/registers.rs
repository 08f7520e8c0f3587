//! The register bank of a simulated drive: what is stored and what is live.

use crate::damiao::{ControlMode, Model, Register, RegisterValue, scaling};
use crate::mit::MitScaling;

/// All registers of [`Register`], by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Registers {
    pub over_temperature_c: f32,
    pub master_id: u32,
    pub esc_id: u32,
    pub timeout: u32,
    pub control_mode: u32,
    software_version: u32,
    gear_ratio: f32,
    p_max_rad: f32,
    v_max_rad_s: f32,
    t_max_nm: f32,
}

impl Registers {
    /// As shipped: the watchdog is off.
    pub fn of(model: Model, id: u16, master_id: u16, over_temperature_c: f64) -> Self {
        let scaling = scaling(model);
        Registers {
            over_temperature_c: over_temperature_c as f32,
            master_id: u32::from(master_id),
            esc_id: u32::from(id),
            timeout: 0,
            control_mode: ControlMode::Mit as u32,
            software_version: 5013,
            gear_ratio: 9.0,
            p_max_rad: scaling.p_max_rad as f32,
            v_max_rad_s: scaling.v_max_rad_s as f32,
            t_max_nm: scaling.t_max_nm as f32,
        }
    }

    pub fn get(&self, register: Register) -> RegisterValue {
        match register {
            Register::OverTemperature => RegisterValue::Float(self.over_temperature_c),
            Register::MasterId => RegisterValue::Integer(self.master_id),
            Register::EscId => RegisterValue::Integer(self.esc_id),
            Register::Timeout => RegisterValue::Integer(self.timeout),
            Register::ControlMode => RegisterValue::Integer(self.control_mode),
            Register::SoftwareVersion => RegisterValue::Integer(self.software_version),
            Register::GearRatio => RegisterValue::Float(self.gear_ratio),
            Register::PositionMax => RegisterValue::Float(self.p_max_rad),
            Register::VelocityMax => RegisterValue::Float(self.v_max_rad_s),
            Register::TorqueMax => RegisterValue::Float(self.t_max_nm),
        }
    }

    /// False, and nothing changed, if the register is read-only or the value impossible.
    pub fn set(&mut self, register: Register, value: RegisterValue) -> bool {
        match (register, value) {
            (Register::Timeout, RegisterValue::Integer(value)) => self.timeout = value,
            (Register::ControlMode, RegisterValue::Integer(value @ 1..=4)) => self.control_mode = value,
            (Register::MasterId, RegisterValue::Integer(value @ ..=0x7FF)) => self.master_id = value,
            (Register::EscId, RegisterValue::Integer(value @ ..=0x7FF)) => self.esc_id = value,
            (Register::OverTemperature, RegisterValue::Float(value)) if value.is_finite() => {
                self.over_temperature_c = value;
            }
            (Register::PositionMax, RegisterValue::Float(value)) if range(value) => self.p_max_rad = value,
            (Register::VelocityMax, RegisterValue::Float(value)) if range(value) => self.v_max_rad_s = value,
            (Register::TorqueMax, RegisterValue::Float(value)) if range(value) => self.t_max_nm = value,
            _ => return false,
        }
        true
    }

    /// The ranges by which the drive reads and writes frames.
    pub fn scaling(&self, model: Model) -> MitScaling {
        MitScaling {
            p_max_rad: f64::from(self.p_max_rad),
            v_max_rad_s: f64::from(self.v_max_rad_s),
            t_max_nm: f64::from(self.t_max_nm),
            ..scaling(model)
        }
    }
}

fn range(value: f32) -> bool {
    value.is_finite() && value > 0.0
}
