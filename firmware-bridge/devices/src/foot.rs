//! Our foot-force sensor on CAN: one frame per foot after each SYNC of the sensor bus.
//!
//! ```text
//! foot k, FORCE_ID + k     force: i16 LE, 0.1 N    counter    status      4 bytes
//! ```
//!
//! Force along the foot's normal, positive when the ground pushes. Range +-3,276.7 N, rounded to the
//! nearest quantum; beyond, it saturates and the status says so. The counter is that of SYNC.

use crate::error::{DecodeError, EncodeError, finite};
use crate::imu::SensorStatus;
use sinew_bus::{CanFrame, CanId};

/// Force frame of foot 0; foot k is k above.
pub const FORCE_ID: u16 = 0x0B0;
/// Most feet on one bus.
pub const FEET: u8 = 8;
/// Quantum, N.
pub const FORCE_QUANTUM_N: f64 = 0.1;

/// One force sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Force {
    /// Which foot of the bus.
    pub index: u8,
    /// Normal force, N.
    pub force_n: f64,
    /// Counter of the SYNC it answers.
    pub sequence: u8,
    /// What the sensor says about itself.
    pub status: SensorStatus,
}

/// One force frame; the status bit for saturation is set as needed.
pub fn encode(force: &Force) -> Result<CanFrame, EncodeError> {
    if force.index >= FEET {
        return Err(EncodeError::Index { found: force.index, most: FEET - 1 });
    }
    let mut status = force.status;
    let steps = libm::round(finite("force_n", force.force_n)? / FORCE_QUANTUM_N);
    status.saturated |= libm::fabs(steps) > 32767.0;
    let [lo, hi] = (steps.clamp(-32767.0, 32767.0) as i16).to_le_bytes();
    let id = CanId::Standard(FORCE_ID + u16::from(force.index));
    Ok(CanFrame::classic(id, &[lo, hi, force.sequence, status.to_byte()])?)
}

/// Reads a force frame.
pub fn decode(frame: &CanFrame) -> Result<Force, DecodeError> {
    let CanId::Standard(id) = frame.id() else { return Err(DecodeError::NotOurs) };
    let index = id.checked_sub(FORCE_ID).filter(|index| *index < u16::from(FEET));
    let index = index.ok_or(DecodeError::NotOurs)? as u8;
    let [lo, hi, sequence, status] = *frame.payload() else {
        return Err(DecodeError::Length { found: frame.payload().len(), expected: 4 });
    };
    let force_n = f64::from(i16::from_le_bytes([lo, hi])) * FORCE_QUANTUM_N;
    Ok(Force { index, force_n, sequence, status: SensorStatus::from_byte(status) })
}
