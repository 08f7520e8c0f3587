//! One CAN frame, classic or FD, and its identifier.
//!
//! The fields are private so that a frame with an impossible identifier or length cannot be made.

use core::fmt;

/// A CAN identifier. The variant decides the frame format on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CanId {
    /// 11 bits, `0..=0x7FF`.
    Standard(u16),
    /// 29 bits, `0..=0x1FFF_FFFF`.
    Extended(u32),
}

impl CanId {
    /// True if the number fits the format.
    pub const fn is_legal(self) -> bool {
        match self {
            CanId::Standard(id) => id <= 0x7FF,
            CanId::Extended(id) => id <= 0x1FFF_FFFF,
        }
    }

    /// Order of arbitration: the smaller key wins the bus. The 11 leading bits decide first; with the
    /// same leading bits a standard frame beats an extended one (its IDE bit is dominant).
    pub const fn arbitration_key(self) -> u32 {
        match self {
            CanId::Standard(id) => (id as u32) << 19,
            CanId::Extended(id) => (id >> 18) << 19 | 1 << 18 | (id & 0x3_FFFF),
        }
    }
}

impl fmt::Display for CanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CanId::Standard(id) => write!(f, "{id:#05x}"),
            CanId::Extended(id) => write!(f, "{id:#010x}"),
        }
    }
}

/// Why a frame could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The identifier has more bits than its format: use the other format or mend the number.
    Identifier { found: CanId },
    /// The payload has a length that this format cannot carry (classic 0 to 8; FD 0 to 8, 12, 16, 20,
    /// 24, 32, 48, 64).
    Length { found: usize, fd: bool },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Identifier { found: CanId::Standard(id) } => {
                write!(f, "CAN id {id:#x}: expected at most 0x7ff for a standard frame")
            }
            FrameError::Identifier { found: CanId::Extended(id) } => {
                write!(f, "CAN id {id:#x}: expected at most 0x1fffffff for an extended frame")
            }
            FrameError::Length { found, fd: false } => {
                write!(f, "payload of {found} bytes: expected 0 to 8 for a classic frame")
            }
            FrameError::Length { found, fd: true } => {
                write!(
                    f,
                    "payload of {found} bytes: expected 0 to 8, 12, 16, 20, 24, 32, 48 or 64 for an FD frame"
                )
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// A frame as it is queued or received. Copy, fixed size, no padding semantics: bytes behind the
/// payload are zero, so two equal frames are equal byte for byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CanFrame {
    id: CanId,
    fd: bool,
    brs: bool,
    rtr: bool,
    len: u8,
    data: [u8; 64],
}

/// Payload lengths of CAN FD (ISO 11898-1, table of DLC codes).
const fn is_fd_length(len: usize) -> bool {
    matches!(len, 0..=8 | 12 | 16 | 20 | 24 | 32 | 48 | 64)
}

impl CanFrame {
    /// A classic data frame of 0 to 8 bytes.
    pub fn classic(id: CanId, data: &[u8]) -> Result<Self, FrameError> {
        if data.len() > 8 {
            return Err(FrameError::Length { found: data.len(), fd: false });
        }
        Self::with_payload(id, data, false, false)
    }

    /// A classic data frame of eight bytes with a standard identifier, of which only the low 11 bits are
    /// taken: the one constructor that cannot fail.
    pub const fn standard_8(id: u16, bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        let mut data = [0; 64];
        (data[0], data[1], data[2], data[3]) = (a, b, c, d);
        (data[4], data[5], data[6], data[7]) = (e, f, g, h);
        CanFrame { id: CanId::Standard(id & 0x7FF), fd: false, brs: false, rtr: false, len: 8, data }
    }

    /// An FD data frame; `bit_rate_switch` sends its payload at the data bit rate.
    pub fn fd(id: CanId, data: &[u8], bit_rate_switch: bool) -> Result<Self, FrameError> {
        if !is_fd_length(data.len()) {
            return Err(FrameError::Length { found: data.len(), fd: true });
        }
        Self::with_payload(id, data, true, bit_rate_switch)
    }

    /// A classic remote frame: asks for `len` bytes and carries none.
    pub fn remote(id: CanId, len: u8) -> Result<Self, FrameError> {
        if len > 8 {
            return Err(FrameError::Length { found: usize::from(len), fd: false });
        }
        let frame = Self::with_payload(id, &[], false, false)?;
        Ok(CanFrame { rtr: true, len, ..frame })
    }

    fn with_payload(id: CanId, payload: &[u8], fd: bool, brs: bool) -> Result<Self, FrameError> {
        if !id.is_legal() {
            return Err(FrameError::Identifier { found: id });
        }
        let mut data = [0; 64];
        for (to, from) in data.iter_mut().zip(payload) {
            *to = *from;
        }
        Ok(CanFrame { id, fd, brs, rtr: false, len: payload.len() as u8, data })
    }

    /// The identifier, with its format.
    pub const fn id(&self) -> CanId {
        self.id
    }

    /// True for an FD frame.
    pub const fn is_fd(&self) -> bool {
        self.fd
    }

    /// True if the payload travels at the data bit rate (FD only).
    pub const fn bit_rate_switch(&self) -> bool {
        self.brs
    }

    /// True for a remote frame.
    pub const fn is_remote(&self) -> bool {
        self.rtr
    }

    /// Length in bytes as the frame states it; a remote frame states what it asks for.
    #[expect(clippy::len_without_is_empty, reason = "a length of the wire format, not of a collection")]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// The bytes it carries; empty for a remote frame.
    pub fn payload(&self) -> &[u8] {
        if self.rtr {
            return &[];
        }
        self.data.get(..self.len()).unwrap_or_default()
    }

    /// The eight payload bytes, or nothing if there are not exactly eight.
    pub fn payload_8(&self) -> Option<[u8; 8]> {
        self.payload().try_into().ok()
    }

    /// Flips one payload bit in place (bit 0 is the least significant of byte 0). A bit outside the
    /// payload changes nothing. For simulated corruption that no CRC catches.
    pub fn flip_bit(&mut self, bit: usize) {
        if !self.rtr
            && bit / 8 < self.len()
            && let Some(byte) = self.data.get_mut(bit / 8)
        {
            *byte ^= 1 << (bit % 8);
        }
    }
}

impl fmt::Debug for CanFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.id)?;
        if self.rtr {
            return write!(f, "remote {}", self.len);
        }
        if self.fd {
            write!(f, "fd{} ", if self.brs { "+brs" } else { "" })?;
        }
        write!(f, "[{}]", self.len)?;
        for byte in self.payload() {
            write!(f, " {byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]
    use super::*;

    #[test]
    fn illegal_frames_cannot_be_made() {
        assert_eq!(
            CanFrame::classic(CanId::Standard(0x800), &[]),
            Err(FrameError::Identifier { found: CanId::Standard(0x800) })
        );
        assert!(CanFrame::classic(CanId::Extended(0x2000_0000), &[]).is_err());
        assert_eq!(
            CanFrame::classic(CanId::Standard(1), &[0; 9]),
            Err(FrameError::Length { found: 9, fd: false })
        );
        assert!(CanFrame::remote(CanId::Standard(1), 9).is_err());
        for len in 0..=65 {
            let legal = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64].contains(&len);
            assert_eq!(CanFrame::fd(CanId::Standard(1), &[7; 65][..len], true).is_ok(), legal, "{len}");
        }
    }

    #[test]
    fn a_remote_frame_states_a_length_and_carries_nothing() {
        let frame = CanFrame::remote(CanId::Standard(5), 8).unwrap();
        assert_eq!((frame.len(), frame.payload()), (8, &[][..]));
    }

    #[test]
    fn arbitration_is_decided_bit_by_bit() {
        let ordered = [
            CanId::Standard(0),
            CanId::Extended(0),
            CanId::Extended(0x3_FFFF),
            CanId::Standard(1),
            CanId::Extended(1 << 18),
            CanId::Standard(0x7FF),
            CanId::Extended(0x1FFF_FFFF),
        ];
        assert!(ordered.windows(2).all(|pair| pair[0].arbitration_key() < pair[1].arbitration_key()));
    }

    #[test]
    fn a_flipped_bit_stays_inside_the_payload() {
        let original = CanFrame::classic(CanId::Standard(1), &[0, 0]).unwrap();
        let mut frame = original;
        frame.flip_bit(9);
        assert_eq!(frame.payload(), [0, 2]);
        let mut frame = original;
        frame.flip_bit(16);
        assert_eq!(frame, original);
    }
}
