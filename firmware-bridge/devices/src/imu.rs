//! Our small IMU protocol on CAN: one broadcast asks, two frames answer.
//!
//! ```text
//! host, SYNC_ID            counter                                   1 byte
//! IMU,  GYRO_ID + 2 k      x y z: i16 LE, 1/900 rad/s                8 bytes: then counter, status
//! IMU,  ACCEL_ID + 2 k     x y z: i16 LE, 1/200 m/s^2                8 bytes: then counter, status
//! ```
//!
//! The sensor latches both vectors when it hears SYNC and answers with SYNC's counter, so a reply names
//! the cycle it belongs to. Ranges: +-36.4 rad/s (2,086 deg/s) and +-163.8 m/s^2 (16.7 g), rounded to the
//! nearest quantum; beyond, the value saturates and the status says so. Axes are the sensor's own.

use crate::error::{DecodeError, EncodeError, finite};
use sinew_bus::{CanFrame, CanId};

/// The broadcast that starts a cycle of the sensor bus.
pub const SYNC_ID: u16 = 0x080;
/// Gyroscope of IMU 0; IMU k is 2 k above.
pub const GYRO_ID: u16 = 0x0A0;
/// Accelerometer of IMU 0; IMU k is 2 k above.
pub const ACCEL_ID: u16 = 0x0A1;
/// Most IMUs on one bus.
pub const IMUS: u8 = 8;

/// Quantum of the gyroscope, rad/s.
pub const GYRO_QUANTUM_RAD_S: f64 = 1.0 / 900.0;
/// Quantum of the accelerometer, m/s^2.
pub const ACCEL_QUANTUM_M_S2: f64 = 1.0 / 200.0;
/// Range of the gyroscope, rad/s.
pub const GYRO_RANGE_RAD_S: f64 = 32767.0 * GYRO_QUANTUM_RAD_S;
/// Range of the accelerometer, m/s^2.
pub const ACCEL_RANGE_M_S2: f64 = 32767.0 * ACCEL_QUANTUM_M_S2;

/// State of a sensor as it reports it, bit by bit. Zero is healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorStatus {
    /// Bit 0: the value is at the end of the range.
    pub saturated: bool,
    /// Bit 1: the sensor's self-test failed; do not use the value.
    pub failed: bool,
}

impl SensorStatus {
    pub(crate) const fn to_byte(self) -> u8 {
        self.saturated as u8 | (self.failed as u8) << 1
    }

    /// Unknown bits count as failed: a newer sensor may be saying something that matters.
    pub(crate) const fn from_byte(byte: u8) -> Self {
        SensorStatus { saturated: byte & 1 != 0, failed: byte & !1 != 0 }
    }
}

/// One vector of one sensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Which IMU of the bus.
    pub index: u8,
    /// x, y, z in the sensor's axes; rad/s or m/s^2.
    pub vector: [f64; 3],
    /// Counter of the SYNC it answers.
    pub sequence: u8,
    /// What the sensor says about itself.
    pub status: SensorStatus,
}

/// A frame of this protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message {
    /// The host's broadcast, with its counter.
    Sync {
        /// Counts cycles, modulo 256.
        sequence: u8,
    },
    /// Angular velocity, rad/s.
    Gyro(Sample),
    /// Specific force, m/s^2.
    Accel(Sample),
}

/// The broadcast of cycle `sequence`.
pub fn encode_sync(sequence: u8) -> Result<CanFrame, EncodeError> {
    Ok(CanFrame::classic(CanId::Standard(SYNC_ID), &[sequence])?)
}

/// One gyroscope frame, rad/s; the status bit for saturation is set as needed.
pub fn encode_gyro(sample: &Sample) -> Result<CanFrame, EncodeError> {
    encode_vector(GYRO_ID, GYRO_QUANTUM_RAD_S, "gyro_rad_s", sample)
}

/// One accelerometer frame, m/s^2; the status bit for saturation is set as needed.
pub fn encode_accel(sample: &Sample) -> Result<CanFrame, EncodeError> {
    encode_vector(ACCEL_ID, ACCEL_QUANTUM_M_S2, "accel_m_s2", sample)
}

fn encode_vector(
    base_id: u16,
    quantum: f64,
    field: &'static str,
    sample: &Sample,
) -> Result<CanFrame, EncodeError> {
    if sample.index >= IMUS {
        return Err(EncodeError::Index { found: sample.index, most: IMUS - 1 });
    }
    let mut status = sample.status;
    let mut raw = [0i16; 3];
    for (raw, value) in raw.iter_mut().zip(sample.vector) {
        let steps = libm::round(finite(field, value)? / quantum);
        status.saturated |= libm::fabs(steps) > 32767.0;
        *raw = steps.clamp(-32767.0, 32767.0) as i16;
    }
    let [[a, b], [c, d], [e, f]] = raw.map(i16::to_le_bytes);
    let id = base_id + 2 * u16::from(sample.index);
    Ok(CanFrame::standard_8(id, [a, b, c, d, e, f, sample.sequence, status.to_byte()]))
}

/// Reads any frame of this protocol.
pub fn decode(frame: &CanFrame) -> Result<Message, DecodeError> {
    let CanId::Standard(id) = frame.id() else { return Err(DecodeError::NotOurs) };
    if id == SYNC_ID {
        let [sequence] = *frame.payload() else {
            return Err(DecodeError::Length { found: frame.payload().len(), expected: 1 });
        };
        return Ok(Message::Sync { sequence });
    }
    let offset = id.checked_sub(GYRO_ID).filter(|offset| *offset < 2 * u16::from(IMUS));
    let offset = offset.ok_or(DecodeError::NotOurs)?;
    let [a, b, c, d, e, f, sequence, status] =
        frame.payload_8().ok_or(DecodeError::Length { found: frame.payload().len(), expected: 8 })?;
    let is_gyro = offset % 2 == 0;
    let quantum = if is_gyro { GYRO_QUANTUM_RAD_S } else { ACCEL_QUANTUM_M_S2 };
    let vector = [[a, b], [c, d], [e, f]].map(|raw| f64::from(i16::from_le_bytes(raw)) * quantum);
    let index = (offset / 2) as u8;
    let sample = Sample { index, vector, sequence, status: SensorStatus::from_byte(status) };
    Ok(if is_gyro { Message::Gyro(sample) } else { Message::Accel(sample) })
}
