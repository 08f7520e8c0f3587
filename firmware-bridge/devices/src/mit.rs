//! The MIT family: position, velocity, two gains and a feed-forward torque in eight bytes.
//!
//! Packing of the mini-cheetah motor controller (B. Katz, "A low cost modular actuator for dynamic
//! robots", MIT 2018), most significant bit first: q 16, dq 12, kp 12, kd 12, tau 12 bits. The drive
//! computes `tau = kp (q_cmd - q) + kd (dq_cmd - dq) + tau_ff` at its own rate.
//!
//! Zero is not on the grid of the signed fields: it is sent as half a quantum below. Vendors differ in
//! the arithmetic before truncation, so a scaling says which one it is; otherwise one bit differs.

use crate::error::{DecodeError, EncodeError, finite};
use sinew_bus::{CanFrame, CanId};

/// Floating-point format in which the vendor's driver scales before it truncates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit, `(x - min) * levels / span`: mini-cheetah, CubeMars.
    Single,
    /// 64-bit, `(x - min) / span * levels`: Damiao.
    Double,
}

/// Ranges of the five fields. Position, velocity and torque are symmetric; gains start at zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MitScaling {
    /// Position at full scale, rad.
    pub p_max_rad: f64,
    /// Velocity at full scale, rad/s.
    pub v_max_rad_s: f64,
    /// Torque at full scale, N m.
    pub t_max_nm: f64,
    /// Position gain at full scale, N m/rad.
    pub kp_max: f64,
    /// Velocity gain at full scale, N m s/rad.
    pub kd_max: f64,
    /// The vendor's arithmetic.
    pub arithmetic: Arithmetic,
}

/// One command: the drive's inner law until the next one arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MitCommand {
    /// Wanted position at the output, rad.
    pub q_rad: f64,
    /// Wanted velocity at the output, rad/s.
    pub dq_rad_s: f64,
    /// Position gain, N m/rad.
    pub kp: f64,
    /// Velocity gain, N m s/rad.
    pub kd: f64,
    /// Feed-forward torque at the output, N m.
    pub tau_nm: f64,
}

/// One reply of a mini-cheetah or CubeMars drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MitReply {
    /// Identifier of the drive.
    pub id: u8,
    /// Position, rad.
    pub q_rad: f64,
    /// Velocity, rad/s.
    pub dq_rad_s: f64,
    /// Torque, N m.
    pub tau_nm: f64,
    /// Temperature byte as sent; vendors disagree on its offset. None in the old six-byte reply.
    pub temperature_raw: Option<u8>,
    /// Error byte: 1 over-temperature, 2 over-current, 3 over-voltage, 4 under-voltage, 5 encoder,
    /// 6 phase unbalance. None in the old six-byte reply.
    pub error: Option<u8>,
}

/// Enter the motor mode.
pub const ENABLE: [u8; 8] = special(0xFC);
/// Leave the motor mode.
pub const DISABLE: [u8; 8] = special(0xFD);
/// Take the present position as zero.
pub const SET_ZERO: [u8; 8] = special(0xFE);

pub(crate) const fn special(last: u8) -> [u8; 8] {
    [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, last]
}

/// True for bytes that drives take as an order and not as a command (`FB` is Damiao's and RobStride's).
pub fn is_special(bytes: &[u8; 8]) -> bool {
    matches!(bytes, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFB..=0xFE])
}

impl MitScaling {
    /// Mini-cheetah arithmetic and gain ranges (500 N m/rad, 5 N m s/rad) with the given ranges.
    pub const fn mini_cheetah(p_max_rad: f64, v_max_rad_s: f64, t_max_nm: f64) -> Self {
        MitScaling {
            p_max_rad,
            v_max_rad_s,
            t_max_nm,
            kp_max: 500.0,
            kd_max: 5.0,
            arithmetic: Arithmetic::Single,
        }
    }

    /// Refuses ranges that are not positive and finite.
    pub fn check(&self) -> Result<(), EncodeError> {
        for (field, range) in [
            ("p_max_rad", self.p_max_rad),
            ("v_max_rad_s", self.v_max_rad_s),
            ("t_max_nm", self.t_max_nm),
            ("kp_max", self.kp_max),
            ("kd_max", self.kd_max),
        ] {
            if !(range.is_finite() && range > 0.0) {
                return Err(EncodeError::Scaling { field });
            }
        }
        Ok(())
    }

    /// Position quantum, rad.
    pub fn q_quantum_rad(&self) -> f64 {
        2.0 * self.p_max_rad / 65535.0
    }

    /// Velocity quantum, rad/s.
    pub fn dq_quantum_rad_s(&self) -> f64 {
        2.0 * self.v_max_rad_s / 4095.0
    }

    /// Torque quantum, N m.
    pub fn tau_quantum_nm(&self) -> f64 {
        2.0 * self.t_max_nm / 4095.0
    }

    fn signed(&self, max: f64, bits: u32) -> Field {
        Field { min: -max, max, bits, arithmetic: self.arithmetic }
    }

    fn gain(&self, max: f64) -> Field {
        Field { min: 0.0, max, bits: 12, arithmetic: self.arithmetic }
    }

    pub(crate) fn q(&self) -> Field {
        self.signed(self.p_max_rad, 16)
    }

    pub(crate) fn dq(&self) -> Field {
        self.signed(self.v_max_rad_s, 12)
    }

    pub(crate) fn tau(&self) -> Field {
        self.signed(self.t_max_nm, 12)
    }
}

/// One linear field of a packing.
pub(crate) struct Field {
    min: f64,
    max: f64,
    bits: u32,
    arithmetic: Arithmetic,
}

impl Field {
    fn levels(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// Saturates, scales, truncates. The value is finite and the range legal: both were checked.
    pub(crate) fn pack(&self, value: f64) -> u16 {
        let value = value.max(self.min).min(self.max);
        match self.arithmetic {
            Arithmetic::Single => {
                let (value, min, max) = (value as f32, self.min as f32, self.max as f32);
                ((value - min) * self.levels() as f32 / (max - min)) as u16
            }
            Arithmetic::Double => {
                let share = (value - self.min) / (self.max - self.min);
                (share * f64::from(self.levels())) as u16
            }
        }
    }

    pub(crate) fn unpack(&self, raw: u16) -> f64 {
        match self.arithmetic {
            Arithmetic::Single => {
                let (min, max) = (self.min as f32, self.max as f32);
                f64::from(f32::from(raw) * (max - min) / self.levels() as f32 + min)
            }
            Arithmetic::Double => {
                f64::from(raw) / f64::from(self.levels()) * (self.max - self.min) + self.min
            }
        }
    }
}

/// Packs a command. Saturates each field at its range, as the vendors' drivers do; refuses what is not
/// finite, and the few commands whose bytes a drive would take as an order.
pub fn encode(scaling: &MitScaling, command: &MitCommand) -> Result<[u8; 8], EncodeError> {
    scaling.check()?;
    let q = scaling.q().pack(finite("q_rad", command.q_rad)?);
    let dq = scaling.dq().pack(finite("dq_rad_s", command.dq_rad_s)?);
    let kp = scaling.gain(scaling.kp_max).pack(finite("kp", command.kp)?);
    let kd = scaling.gain(scaling.kd_max).pack(finite("kd", command.kd)?);
    let tau = scaling.tau().pack(finite("tau_nm", command.tau_nm)?);
    let bits =
        u64::from(q) << 48 | u64::from(dq) << 36 | u64::from(kp) << 24 | u64::from(kd) << 12 | u64::from(tau);
    let bytes = bits.to_be_bytes();
    if is_special(&bytes) { Err(EncodeError::ReadsAsSpecial) } else { Ok(bytes) }
}

/// Packs a command into the frame of drive `id`.
pub fn encode_frame(id: u16, scaling: &MitScaling, command: &MitCommand) -> Result<CanFrame, EncodeError> {
    Ok(CanFrame::classic(CanId::Standard(id), &encode(scaling, command)?)?)
}

/// Unpacks a command, device side. Total; orders ([`is_special`]) are told apart before.
pub fn decode_command(scaling: &MitScaling, bytes: &[u8; 8]) -> MitCommand {
    let bits = u64::from_be_bytes(*bytes);
    let twelve = |shift: u32| (bits >> shift & 0xFFF) as u16;
    MitCommand {
        q_rad: scaling.q().unpack((bits >> 48) as u16),
        dq_rad_s: scaling.dq().unpack(twelve(36)),
        kp: scaling.gain(scaling.kp_max).unpack(twelve(24)),
        kd: scaling.gain(scaling.kd_max).unpack(twelve(12)),
        tau_nm: scaling.tau().unpack(twelve(0)),
    }
}

/// The three measured fields every reply of the family has in bytes 1 to 5.
pub(crate) fn unpack_measured(scaling: &MitScaling, bytes: [u8; 5]) -> (f64, f64, f64) {
    let [a, b, c, d, e] = bytes.map(u16::from);
    (
        scaling.q().unpack(a << 8 | b),
        scaling.dq().unpack(c << 4 | d >> 4),
        scaling.tau().unpack((d & 0xF) << 8 | e),
    )
}

/// Inverse of [`unpack_measured`]; the values are finite.
pub(crate) fn pack_measured(scaling: &MitScaling, q_rad: f64, dq_rad_s: f64, tau_nm: f64) -> [u8; 5] {
    let (q, dq, tau) = (scaling.q().pack(q_rad), scaling.dq().pack(dq_rad_s), scaling.tau().pack(tau_nm));
    [(q >> 8) as u8, q as u8, (dq >> 4) as u8, (dq << 4) as u8 | (tau >> 8) as u8, tau as u8]
}

/// Unpacks the reply of a mini-cheetah (6 bytes) or CubeMars (8 bytes) drive.
pub fn decode_reply(scaling: &MitScaling, payload: &[u8]) -> Result<MitReply, DecodeError> {
    let (measured, temperature_raw, error) = match *payload {
        [id, a, b, c, d, e] => ((id, [a, b, c, d, e]), None, None),
        [id, a, b, c, d, e, temperature, error] => ((id, [a, b, c, d, e]), Some(temperature), Some(error)),
        _ => return Err(DecodeError::Length { found: payload.len(), expected: 8 }),
    };
    let (id, bytes) = measured;
    let (q_rad, dq_rad_s, tau_nm) = unpack_measured(scaling, bytes);
    Ok(MitReply { id, q_rad, dq_rad_s, tau_nm, temperature_raw, error })
}
