//! The drive's answer to every command and order.
//!
//! ```text
//! byte  0           1 2   3 4.hi  4.lo 5   6       7
//!       err4 | id4  q16   dq12    tau12    MOS °C  rotor °C
//! ```

use crate::error::{DecodeError, EncodeError, finite};
use crate::mit::{self, MitScaling};
use core::fmt;

/// What the drive says about itself: the high nibble of byte 0, from 8 upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 8: supply above the limit.
    OverVoltage,
    /// 9: supply below the limit.
    UnderVoltage,
    /// A: phase current above the limit.
    OverCurrent,
    /// B: power stage too hot.
    MosOverTemperature,
    /// C: rotor windings too hot.
    RotorOverTemperature,
    /// D: no command within the TIMEOUT register's time.
    LostCommunication,
    /// E: overload.
    Overload,
    /// Any other nibble: not documented by the vendor.
    Unknown(u8),
}

impl Fault {
    /// The fault of a nibble; 0 (disabled) and 1 (enabled) are none.
    pub const fn from_nibble(nibble: u8) -> Option<Fault> {
        Some(match nibble & 0xF {
            0 | 1 => return None,
            0x8 => Fault::OverVoltage,
            0x9 => Fault::UnderVoltage,
            0xA => Fault::OverCurrent,
            0xB => Fault::MosOverTemperature,
            0xC => Fault::RotorOverTemperature,
            0xD => Fault::LostCommunication,
            0xE => Fault::Overload,
            other => Fault::Unknown(other),
        })
    }

    /// The nibble of a fault.
    pub const fn nibble(self) -> u8 {
        match self {
            Fault::OverVoltage => 0x8,
            Fault::UnderVoltage => 0x9,
            Fault::OverCurrent => 0xA,
            Fault::MosOverTemperature => 0xB,
            Fault::RotorOverTemperature => 0xC,
            Fault::LostCommunication => 0xD,
            Fault::Overload => 0xE,
            Fault::Unknown(nibble) => nibble & 0xF,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fault::OverVoltage => "over-voltage",
            Fault::UnderVoltage => "under-voltage",
            Fault::OverCurrent => "over-current",
            Fault::MosOverTemperature => "power stage over-temperature",
            Fault::RotorOverTemperature => "rotor over-temperature",
            Fault::LostCommunication => "lost communication (its watchdog fired)",
            Fault::Overload => "overload",
            Fault::Unknown(nibble) => return write!(f, "unknown fault {nibble:#x}"),
        };
        f.write_str(text)
    }
}

/// One feedback frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feedback {
    /// Low four bits of the drive's id; the frame's identifier (master id) is the full name.
    pub id: u8,
    /// Status nibble: 0 disabled, 1 enabled, else a fault.
    pub status: u8,
    /// Position at the output, rad.
    pub q_rad: f64,
    /// Velocity at the output, rad/s.
    pub dq_rad_s: f64,
    /// Torque at the output as the drive estimates it, N m.
    pub tau_nm: f64,
    /// Power stage temperature, degrees Celsius.
    pub t_mos_c: u8,
    /// Rotor temperature, degrees Celsius.
    pub t_rotor_c: u8,
}

impl Feedback {
    /// True if the drive applies commands.
    pub const fn enabled(&self) -> bool {
        self.status == 1
    }

    /// The latched fault, if any.
    pub const fn fault(&self) -> Option<Fault> {
        Fault::from_nibble(self.status)
    }
}

/// Reads a feedback payload, host side.
pub fn decode_feedback(scaling: &MitScaling, payload: &[u8]) -> Result<Feedback, DecodeError> {
    let [head, a, b, c, d, e, t_mos_c, t_rotor_c] = *payload else {
        return Err(DecodeError::Length { found: payload.len(), expected: 8 });
    };
    let (q_rad, dq_rad_s, tau_nm) = mit::unpack_measured(scaling, [a, b, c, d, e]);
    Ok(Feedback { id: head & 0xF, status: head >> 4, q_rad, dq_rad_s, tau_nm, t_mos_c, t_rotor_c })
}

/// Writes a feedback payload, device side; measured values saturate at the ranges.
pub fn encode_feedback(scaling: &MitScaling, feedback: &Feedback) -> Result<[u8; 8], EncodeError> {
    scaling.check()?;
    let [a, b, c, d, e] = mit::pack_measured(
        scaling,
        finite("q_rad", feedback.q_rad)?,
        finite("dq_rad_s", feedback.dq_rad_s)?,
        finite("tau_nm", feedback.tau_nm)?,
    );
    let head = feedback.status << 4 | feedback.id & 0xF;
    Ok([head, a, b, c, d, e, feedback.t_mos_c, feedback.t_rotor_c])
}
