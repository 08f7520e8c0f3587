//! Why a codec refused. One enum per direction, shared by all families.

use core::fmt;
use sinew_bus::FrameError;

/// Why a value was not put into a frame. Nothing was encoded; send nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The named field is NaN or infinite. No field of any protocol here gives that a meaning.
    NotFinite {
        /// Name of the field, with its unit.
        field: &'static str,
    },
    /// The named range of the scaling is not a positive finite number: mend the robot description.
    Scaling {
        /// Name of the range.
        field: &'static str,
    },
    /// The command's bytes would be those of enable, disable, zero or clear: all fields at the upper end
    /// and torque four quanta or less below it.
    ReadsAsSpecial,
    /// The identifier does not fit a standard frame: mend the robot description.
    Frame(FrameError),
    /// A float was given for an integer register, or the other way round.
    RegisterType {
        /// Number of the register.
        register: u8,
    },
    /// The named index is beyond what the protocol can address.
    Index {
        /// What was given.
        found: u8,
        /// The largest one.
        most: u8,
    },
}

impl From<FrameError> for EncodeError {
    fn from(error: FrameError) -> Self {
        EncodeError::Frame(error)
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::NotFinite { field } => write!(f, "{field} is not a finite number"),
            EncodeError::Scaling { field } => {
                write!(f, "scaling {field} is not a positive finite number: mend the device's ranges")
            }
            EncodeError::ReadsAsSpecial => {
                f.write_str("the command's bytes would read as enable, disable, zero or clear")
            }
            EncodeError::Frame(error) => write!(f, "{error}"),
            EncodeError::RegisterType { register } => {
                write!(f, "register {register}: the value has the wrong type (float or integer)")
            }
            EncodeError::Index { found, most } => write!(f, "index {found}: expected at most {most}"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Why bytes were not understood. Count it and go on; the value before stays, with its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The payload has the wrong length.
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The frame is none of this protocol: another identifier or another kind.
    NotOurs,
    /// A register of unknown number: this drive speaks a newer protocol, or it is another drive.
    Register {
        /// Its number.
        found: u8,
    },
    /// The named field carries NaN or infinity.
    NotFinite {
        /// Name of the field.
        field: &'static str,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Length { found, expected } => {
                write!(f, "payload of {found} bytes, expected {expected}")
            }
            DecodeError::NotOurs => f.write_str("the frame is none of this protocol"),
            DecodeError::Register { found } => write!(f, "register {found} is unknown"),
            DecodeError::NotFinite { field } => write!(f, "{field} is not a finite number"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Refuses what is not finite, by name.
pub(crate) fn finite(field: &'static str, value: f64) -> Result<f64, EncodeError> {
    if value.is_finite() { Ok(value) } else { Err(EncodeError::NotFinite { field }) }
}
