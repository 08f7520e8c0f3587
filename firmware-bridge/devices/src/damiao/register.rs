//! The parameter channel: registers read and written through 0x7FF.
//!
//! ```text
//! host to 0x7FF:        id.lo id.hi 33 reg 00 00 00 00    read
//!                       id.lo id.hi 55 reg value (LE)     write
//!                       id.lo id.hi AA 01 00 00 00 00     store all in flash
//!                       id.lo 00    CC 00 00 00 00 00     ask for a feedback frame
//! drive to master id:   id.lo id.hi 33|55 reg value (LE)
//! ```

use super::PARAMETER_ID;
use crate::error::{DecodeError, EncodeError};
use sinew_bus::{CanFrame, CanId};

/// What a parameter frame wants or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// 33
    Read,
    /// 55
    Write,
}

impl Access {
    /// The code in byte 2.
    pub const fn code(self) -> u8 {
        match self {
            Access::Read => 0x33,
            Access::Write => 0x55,
        }
    }
}

/// Code that stores all registers.
pub(crate) const STORE: u8 = 0xAA;
/// Code that asks for feedback.
pub(crate) const REFRESH: u8 = 0xCC;

/// The registers we use. The drive has more; replies with other numbers are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// 2: rotor temperature at which it faults, degrees Celsius (float).
    OverTemperature,
    /// 7: master id (integer).
    MasterId,
    /// 8: own id (integer).
    EscId,
    /// 9: watchdog, 50 us units, 0 is off (integer).
    Timeout,
    /// 10: control mode (integer), see [`ControlMode`].
    ControlMode,
    /// 14: software version (integer).
    SoftwareVersion,
    /// 20: gear ratio (float).
    GearRatio,
    /// 21: position range, rad (float).
    PositionMax,
    /// 22: velocity range, rad/s (float).
    VelocityMax,
    /// 23: torque range, N m (float).
    TorqueMax,
}

impl Register {
    /// Every register we use.
    pub const ALL: [Register; 10] = [
        Register::OverTemperature,
        Register::MasterId,
        Register::EscId,
        Register::Timeout,
        Register::ControlMode,
        Register::SoftwareVersion,
        Register::GearRatio,
        Register::PositionMax,
        Register::VelocityMax,
        Register::TorqueMax,
    ];

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Register::OverTemperature => 2,
            Register::MasterId => 7,
            Register::EscId => 8,
            Register::Timeout => 9,
            Register::ControlMode => 10,
            Register::SoftwareVersion => 14,
            Register::GearRatio => 20,
            Register::PositionMax => 21,
            Register::VelocityMax => 22,
            Register::TorqueMax => 23,
        }
    }

    /// The register of a number.
    pub fn from_number(number: u8) -> Option<Register> {
        Register::ALL.into_iter().find(|register| register.number() == number)
    }

    /// True if its four bytes are a float; integers otherwise.
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Register::OverTemperature
                | Register::GearRatio
                | Register::PositionMax
                | Register::VelocityMax
                | Register::TorqueMax
        )
    }

    /// Reads its four bytes; total, a float may be NaN.
    pub fn value(self, bytes: [u8; 4]) -> RegisterValue {
        if self.is_float() {
            RegisterValue::Float(f32::from_le_bytes(bytes))
        } else {
            RegisterValue::Integer(u32::from_le_bytes(bytes))
        }
    }
}

/// Values of the CTRL_MODE register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ControlMode {
    /// 1: MIT.
    Mit = 1,
    /// 2: position with velocity limit.
    PosVel = 2,
    /// 3: velocity.
    Velocity = 3,
    /// 4: position with velocity and current limits.
    PosForce = 4,
}

/// Content of a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RegisterValue {
    /// A 32-bit float.
    Float(f32),
    /// A 32-bit unsigned integer.
    Integer(u32),
}

impl RegisterValue {
    /// Its four bytes on the wire.
    pub const fn to_bytes(self) -> [u8; 4] {
        match self {
            RegisterValue::Float(value) => value.to_le_bytes(),
            RegisterValue::Integer(value) => value.to_le_bytes(),
        }
    }

    /// True unless it is a float that is NaN or infinite.
    pub const fn is_finite(self) -> bool {
        match self {
            RegisterValue::Float(value) => value.is_finite(),
            RegisterValue::Integer(_) => true,
        }
    }
}

/// A drive's answer on the parameter channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegisterReply {
    /// The drive's id.
    pub id: u16,
    /// Whether it answers a read or a write.
    pub access: Access,
    /// Which register.
    pub register: Register,
    /// Its content now; after a write the host compares it with what it wanted.
    pub value: RegisterValue,
}

fn parameter(id: u16, code: u8, number: u8, value: [u8; 4]) -> Result<CanFrame, EncodeError> {
    // The drive's own id has to be one that a frame can have.
    CanFrame::classic(CanId::Standard(id), &[])?;
    let [lo, hi] = id.to_le_bytes();
    let [a, b, c, d] = value;
    Ok(CanFrame::standard_8(PARAMETER_ID, [lo, hi, code, number, a, b, c, d]))
}

/// Asks drive `id` for a register.
pub fn read_register(id: u16, register: Register) -> Result<CanFrame, EncodeError> {
    parameter(id, Access::Read.code(), register.number(), [0; 4])
}

/// Writes a register of drive `id`, until its next power cycle.
pub fn write_register(id: u16, register: Register, value: RegisterValue) -> Result<CanFrame, EncodeError> {
    if matches!(value, RegisterValue::Float(_)) != register.is_float() {
        return Err(EncodeError::RegisterType { register: register.number() });
    }
    if !value.is_finite() {
        return Err(EncodeError::NotFinite { field: "register value" });
    }
    parameter(id, Access::Write.code(), register.number(), value.to_bytes())
}

/// Stores all registers of drive `id` in its flash; only while it is disabled, and rarely.
pub fn store_registers(id: u16) -> Result<CanFrame, EncodeError> {
    parameter(id, STORE, 1, [0; 4])
}

/// Asks drive `id` for a feedback frame without commanding anything. Does not feed its watchdog. The
/// vendor's driver names only the low byte of the id here, so no two drives of a bus may share it.
pub fn refresh(id: u16) -> Result<CanFrame, EncodeError> {
    CanFrame::classic(CanId::Standard(id), &[])?;
    parameter(id & 0xFF, REFRESH, 0, [0; 4])
}

/// True if a payload on the master id of drive `id` answers the parameter channel. A feedback frame could
/// look like this only from a disabled drive within a tenth of a radian of the lower end of its range.
pub fn is_register_reply(id: u16, payload: &[u8]) -> bool {
    let [lo, hi] = id.to_le_bytes();
    matches!(payload, [a, b, 0x33 | 0x55, ..] if payload.len() == 8 && *a == lo && *b == hi)
}

/// Reads a drive's answer on the parameter channel.
pub fn decode_register_reply(payload: &[u8]) -> Result<RegisterReply, DecodeError> {
    let [lo, hi, code, number, a, b, c, d] = *payload else {
        return Err(DecodeError::Length { found: payload.len(), expected: 8 });
    };
    let access = match code {
        0x33 => Access::Read,
        0x55 => Access::Write,
        _ => return Err(DecodeError::NotOurs),
    };
    let register = Register::from_number(number).ok_or(DecodeError::Register { found: number })?;
    let value = register.value([a, b, c, d]);
    if !value.is_finite() {
        return Err(DecodeError::NotFinite { field: "register value" });
    }
    Ok(RegisterReply { id: u16::from_le_bytes([lo, hi]), access, register, value })
}

/// Writes such an answer, device side.
pub fn encode_register_reply(id: u16, access: Access, register: Register, value: RegisterValue) -> [u8; 8] {
    let [lo, hi] = id.to_le_bytes();
    let [a, b, c, d] = value.to_bytes();
    [lo, hi, access.code(), register.number(), a, b, c, d]
}
