//! How long a frame occupies the wire (ISO 11898-1, frame formats and bit stuffing).
//!
//! Classic frames: from start of frame to the end of the CRC sequence, a complement bit is stuffed after
//! five equal bits; at worst one for every four bits after the first. FD frames: the same rule up to the
//! end of the data, then fixed stuff bits in the CRC field; the bits from behind the BRS bit to the CRC
//! delimiter travel at the data bit rate. All durations include the three bits of intermission.

use crate::{CanFrame, CanId};

/// CRC delimiter, acknowledge slot and delimiter, end of frame, intermission: never stuffed.
const TAIL_BITS: u64 = 1 + 1 + 1 + 7 + 3;
/// Bits between the end of a frame and the first bit of the next.
pub const INTERMISSION_BITS: u64 = 3;
/// Longest error frame: flag, superposed flag of the others, delimiter, intermission.
pub const ERROR_FRAME_BITS: u64 = 6 + 6 + 8 + INTERMISSION_BITS;

/// Bit rates of a bus, in bits per second. Zero is taken as one: such a bus carries nothing in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRates {
    /// Arbitration rate; the only one of a classic bus.
    pub nominal_bps: u32,
    /// Rate of the payload of FD frames with bit rate switch; none: everything is nominal.
    pub data_bps: Option<u32>,
}

impl BitRates {
    /// Classic CAN at 1 Mbit/s.
    pub const CLASSIC_1M: BitRates = BitRates { nominal_bps: 1_000_000, data_bps: None };
    /// CAN FD at 1 Mbit/s with 5 Mbit/s payload.
    pub const FD_1M_5M: BitRates = BitRates { nominal_bps: 1_000_000, data_bps: Some(5_000_000) };

    /// Nanoseconds of `bits` at the nominal rate, rounded up.
    pub const fn nominal_ns(&self, bits: u64) -> u64 {
        bits_to_ns(bits, self.nominal_bps)
    }

    const fn data_ns(&self, bits: u64) -> u64 {
        match self.data_bps {
            Some(bps) => bits_to_ns(bits, bps),
            None => self.nominal_ns(bits),
        }
    }
}

const fn bits_to_ns(bits: u64, bps: u32) -> u64 {
    let bps = if bps == 0 { 1 } else { bps as u64 };
    (bits * 1_000_000_000).div_ceil(bps)
}

/// What decides the duration of a frame, apart from its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameShape {
    /// 29-bit identifier.
    pub extended: bool,
    /// FD format.
    pub fd: bool,
    /// FD payload at the data bit rate.
    pub bit_rate_switch: bool,
    /// Payload bytes.
    pub len: u8,
}

impl FrameShape {
    /// A classic frame with a standard identifier.
    pub const fn classic(len: u8) -> Self {
        FrameShape { extended: false, fd: false, bit_rate_switch: false, len }
    }

    /// A classic frame with an extended identifier.
    pub const fn classic_extended(len: u8) -> Self {
        FrameShape { extended: true, ..Self::classic(len) }
    }

    /// An FD frame with bit rate switch and a standard identifier.
    pub const fn fd(len: u8) -> Self {
        FrameShape { extended: false, fd: true, bit_rate_switch: true, len }
    }

    /// An FD frame with bit rate switch and an extended identifier.
    pub const fn fd_extended(len: u8) -> Self {
        FrameShape { extended: true, ..Self::fd(len) }
    }

    /// The shape of a given frame.
    pub fn of(frame: &CanFrame) -> Self {
        FrameShape {
            extended: matches!(frame.id(), CanId::Extended(_)),
            fd: frame.is_fd(),
            bit_rate_switch: frame.bit_rate_switch(),
            len: frame.payload().len() as u8,
        }
    }

    /// Longest time this frame can occupy the bus, in nanoseconds, intermission included.
    pub const fn worst_case_ns(&self, rates: BitRates) -> u64 {
        let data_bits = 8 * self.len as u64;
        if !self.fd {
            // SOF, identifier, RTR, (SRR, IDE, r1,) IDE or r0, r0, DLC, data, CRC-15.
            let stuffable = if self.extended { 54 } else { 34 } + data_bits;
            return rates.nominal_ns(stuffable + (stuffable - 1) / 4 + TAIL_BITS);
        }
        // SOF to BRS.
        let arbitration = if self.extended { 36 } else { 17 };
        let arbitration = arbitration + (arbitration - 1) / 4;
        // ESI, DLC, data; then stuff count and CRC with their fixed stuff bits.
        let payload = 5 + data_bits;
        let crc_field = if self.len > 16 { 4 + 21 + 7 } else { 4 + 17 + 6 };
        let fast = payload + payload / 4 + crc_field;
        let fast_ns = if self.bit_rate_switch { rates.data_ns(fast) } else { rates.nominal_ns(fast) };
        rates.nominal_ns(arbitration + TAIL_BITS) + fast_ns
    }
}

/// Time this very frame occupies the bus, in nanoseconds, intermission included. Classic frames: exact,
/// the CRC is computed and the stuff bits are counted. FD frames: the worst case of their shape.
pub fn duration_ns(frame: &CanFrame, rates: BitRates) -> u64 {
    if frame.is_fd() {
        return FrameShape::of(frame).worst_case_ns(rates);
    }
    rates.nominal_ns(classic_bits(frame))
}

/// Exact number of bits of a classic frame, stuff bits and intermission included.
fn classic_bits(frame: &CanFrame) -> u64 {
    let mut wire = Wire::new();
    let remote = u32::from(frame.is_remote());
    wire.push(0, 1); // SOF
    match frame.id() {
        CanId::Standard(id) => {
            wire.push(u32::from(id), 11);
            wire.push(remote << 2, 3); // RTR, IDE, r0
        }
        CanId::Extended(id) => {
            wire.push(id >> 18, 11);
            wire.push(0b11, 2); // SRR, IDE
            wire.push(id & 0x3_FFFF, 18);
            wire.push(remote << 2, 3); // RTR, r1, r0
        }
    }
    wire.push(frame.len() as u32, 4);
    for byte in frame.payload() {
        wire.push(u32::from(*byte), 8);
    }
    let crc = u32::from(wire.crc);
    wire.push(crc, 15);
    wire.bits + TAIL_BITS
}

/// Counts bits and stuff bits and keeps the CRC-15 of what went through.
struct Wire {
    crc: u16,
    last: u32,
    run: u32,
    bits: u64,
}

impl Wire {
    const fn new() -> Self {
        // The bus idles recessive (1), so the dominant start bit begins the first run.
        Wire { crc: 0, last: 1, run: 0, bits: 0 }
    }

    fn push(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            let bit = (value >> shift) & 1;
            let feedback = bit ^ u32::from(self.crc >> 14 & 1);
            self.crc = (self.crc << 1) & 0x7FFF;
            if feedback == 1 {
                self.crc ^= 0x4599;
            }
            self.run = if bit == self.last { self.run + 1 } else { 1 };
            self.last = bit;
            self.bits += 1;
            if self.run == 5 {
                self.bits += 1;
                self.last = 1 - bit;
                self.run = 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]
    use super::*;

    const CLASSIC: BitRates = BitRates::CLASSIC_1M;
    const FD: BitRates = BitRates::FD_1M_5M;

    #[test]
    fn worst_cases_are_the_published_ones() {
        assert_eq!(FrameShape::classic(8).worst_case_ns(CLASSIC), 135_000);
        assert_eq!(FrameShape::classic_extended(8).worst_case_ns(CLASSIC), 160_000);
        let microseconds = |len| FrameShape::fd_extended(len).worst_case_ns(FD) / 1000;
        assert_eq!([8, 24, 32, 64].map(microseconds), [79, 112, 128, 192]);
        assert_eq!(2 * FrameShape::fd(8).worst_case_ns(FD) / 1000, 113);
        // An FD bus without a data rate is slower than a classic one.
        assert!(FrameShape::fd(8).worst_case_ns(CLASSIC) > 135_000);
    }

    #[test]
    fn exact_bits_lie_between_the_bare_frame_and_the_worst_case() {
        // Alternating identifier and data need next to no stuffing.
        let short = CanFrame::classic(CanId::Standard(0x555), &[0xAA; 8]).unwrap();
        assert!((111..=115).contains(&classic_bits(&short)), "{}", classic_bits(&short));
        let long = CanFrame::classic(CanId::Standard(0), &[0; 8]).unwrap();
        assert!((125..=135).contains(&classic_bits(&long)), "{}", classic_bits(&long));
    }

    #[test]
    fn crc_15_matches_its_check_value() {
        // CRC-15/CAN over "123456789" is 0x059E.
        let mut wire = Wire::new();
        for byte in b"123456789" {
            wire.push(u32::from(*byte), 8);
        }
        assert_eq!(wire.crc, 0x059E);
    }

    #[test]
    fn stuffing_counts_runs_across_stuff_bits() {
        // Five zeros, stuffed one, then four ones continue the run of the stuffed one.
        let mut wire = Wire::new();
        wire.push(0, 5);
        assert_eq!(wire.bits, 6);
        wire.push(0b1111, 4);
        assert_eq!(wire.bits, 11);
    }

    #[test]
    fn a_bit_rate_of_zero_is_slow_and_total() {
        let rates = BitRates { nominal_bps: 0, data_bps: Some(0) };
        assert!(FrameShape::fd(64).worst_case_ns(rates) > 1_000_000_000);
    }
}
