//! A [`BusMessage`] as bytes, little-endian. Every message has exactly one spelling, so equal messages are equal
//! bytes and the decoder accepts nothing that the encoder would not write.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 4 | magic "SNBM" |
//! | 4 | 1 | version |
//! | 5 | 1 | kind |
//! | 6 | 2 | number of frames |
//! | 8 | 8 | step |
//! | 16 | 4 | boot id |
//! | 20 | 4 | seq |
//! | 24 | 4 | mask (0 unless a tick) |
//!
//! | offset | bytes | per frame |
//! |---|---|---|
//! | 0 | 1 | bus |
//! | 1 | 1 | flags: 1 extended, 2 FD, 4 bit rate switch, 8 remote |
//! | 2 | 1 | length |
//! | 3 | 4 | identifier |
//! | 7 | 8 | bus time, ns |
//! | 15 | length | payload (none in a remote frame) |
//!
//! No checksum: a unix datagram arrives as it was sent or not at all.
use crate::message::{BusMessage, Kind, MAX_BUSES, MAX_FRAMES, PushError};
use sinew_bus::{CanFrame, CanId, FrameError};

const MAGIC: [u8; 4] = *b"SNBM";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 28;
const FRAME_HEAD_BYTES: usize = 15;
const MAX_PAYLOAD_BYTES: usize = 64;
/// No encoded message is longer.
pub const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + MAX_FRAMES * (FRAME_HEAD_BYTES + MAX_PAYLOAD_BYTES);

const EXTENDED: u8 = 1;
const FD: u8 = 2;
const BIT_RATE_SWITCH: u8 = 4;
const REMOTE: u8 = 8;

/// Which byte of a datagram lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("message ends after {found} bytes, in the middle of {what}")]
    Short { found: usize, what: &'static str },
    #[error("not a bus message: first bytes {found:02x?}, expected \"SNBM\"")]
    Magic { found: [u8; 4] },
    #[error("version {found}, expected {VERSION}: start both processes from one build")]
    Version { found: u8 },
    #[error("kind {found}, expected 0 to 5")]
    Kind { found: u8 },
    #[error("{found} frames, expected at most {MAX_FRAMES}")]
    Count { found: u16 },
    #[error("participant mask {found:#x} in a message that is no tick")]
    Mask { found: u32 },
    #[error("frame {index}: bus {found}, expected 0 to {}", MAX_BUSES - 1)]
    Bus { index: usize, found: u8 },
    #[error(
        "frame {index}: flags {found:#x} are no frame format (1 extended, 2 FD, 4 switch with FD, 8 remote \
             without FD)"
    )]
    Flags { index: usize, found: u8 },
    #[error("frame {index}: {source}")]
    Frame { index: usize, source: FrameError },
    #[error("{found} bytes left over behind the last frame")]
    Trailing { found: usize },
}

/// Writes `message` into `out`, which is made as long as the message is. Allocates only when `out` has less room
/// than [`MAX_MESSAGE_BYTES`].
pub fn encode(message: &BusMessage, out: &mut Vec<u8>) {
    let (kind, mask) = match message.kind {
        Kind::Ready => (0, 0),
        Kind::Tick { mask } => (1, mask),
        Kind::Frames => (2, 0),
        Kind::Replies => (3, 0),
        Kind::Done => (4, 0),
        Kind::Leave => (5, 0),
    };
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind]);
    // At most MAX_FRAMES by construction of the message.
    out.extend_from_slice(&(message.frames().len() as u16).to_le_bytes());
    out.extend_from_slice(&message.step.to_le_bytes());
    out.extend_from_slice(&message.boot_id.to_le_bytes());
    out.extend_from_slice(&message.seq.to_le_bytes());
    out.extend_from_slice(&mask.to_le_bytes());
    for entry in message.frames() {
        let (flags, id) = flags_and_id(&entry.frame);
        // A frame's length is at most 64 by its type.
        out.extend_from_slice(&[entry.bus, flags, entry.frame.len() as u8]);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&entry.at_ns.to_le_bytes());
        out.extend_from_slice(entry.frame.payload());
    }
}

fn flags_and_id(frame: &CanFrame) -> (u8, u32) {
    let (extended, id) = match frame.id() {
        CanId::Standard(id) => (0, u32::from(id)),
        CanId::Extended(id) => (EXTENDED, id),
    };
    let bit = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags = extended
        | bit(frame.is_fd(), FD)
        | bit(frame.bit_rate_switch(), BIT_RATE_SWITCH)
        | bit(frame.is_remote(), REMOTE);
    (flags, id)
}

/// Reads `bytes` into `message`, without allocating. On an error the message holds nothing to be used.
///
/// # Errors
/// [`DecodeError`], naming the first byte that lies; for any bytes whatever.
pub fn decode(bytes: &[u8], message: &mut BusMessage) -> Result<(), DecodeError> {
    let total = bytes.len();
    let mut rest = bytes;
    let short = |what| DecodeError::Short { found: total, what };
    let found = take::<4>(&mut rest).ok_or(short("the header"))?;
    if found != MAGIC {
        return Err(DecodeError::Magic { found });
    }
    let [version, kind] = take(&mut rest).ok_or(short("the header"))?;
    if version != VERSION {
        return Err(DecodeError::Version { found: version });
    }
    let count = u16::from_le_bytes(take(&mut rest).ok_or(short("the header"))?);
    let step = u64::from_le_bytes(take(&mut rest).ok_or(short("the header"))?);
    let boot_id = u32::from_le_bytes(take(&mut rest).ok_or(short("the header"))?);
    let seq = u32::from_le_bytes(take(&mut rest).ok_or(short("the header"))?);
    let mask = u32::from_le_bytes(take(&mut rest).ok_or(short("the header"))?);
    let kind = match kind {
        0 => Kind::Ready,
        1 => Kind::Tick { mask },
        2 => Kind::Frames,
        3 => Kind::Replies,
        4 => Kind::Done,
        5 => Kind::Leave,
        found => return Err(DecodeError::Kind { found }),
    };
    if mask != 0 && !matches!(kind, Kind::Tick { .. }) {
        return Err(DecodeError::Mask { found: mask });
    }
    if usize::from(count) > MAX_FRAMES {
        return Err(DecodeError::Count { found: count });
    }
    message.restart(kind, step, boot_id, seq);
    for index in 0..usize::from(count) {
        let [bus, flags, len] = take(&mut rest).ok_or(short("a frame"))?;
        let id = u32::from_le_bytes(take(&mut rest).ok_or(short("a frame"))?);
        let at_ns = u64::from_le_bytes(take(&mut rest).ok_or(short("a frame"))?);
        let payload_len = if flags & REMOTE == 0 { usize::from(len) } else { 0 };
        let (payload, behind) = rest.split_at_checked(payload_len).ok_or(short("a payload"))?;
        rest = behind;
        let frame = frame(index, flags, id, len, payload)?;
        message.push(bus, at_ns, frame).map_err(|refused| match refused {
            PushError::Bus { found } => DecodeError::Bus { index, found },
            PushError::Full => DecodeError::Count { found: count },
        })?;
    }
    if rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { found: rest.len() }) }
}

fn frame(index: usize, flags: u8, id: u32, len: u8, payload: &[u8]) -> Result<CanFrame, DecodeError> {
    let id = if flags & EXTENDED == 0 {
        // More than 16 bits must not be cut down to a legal number.
        CanId::Standard(u16::try_from(id).unwrap_or(u16::MAX))
    } else {
        CanId::Extended(id)
    };
    match flags & !EXTENDED {
        0 => CanFrame::classic(id, payload),
        FD => CanFrame::fd(id, payload, false),
        f if f == FD | BIT_RATE_SWITCH => CanFrame::fd(id, payload, true),
        REMOTE => CanFrame::remote(id, len),
        _ => return Err(DecodeError::Flags { index, found: flags }),
    }
    .map_err(|source| DecodeError::Frame { index, source })
}

/// The next `N` bytes, or None when there are fewer.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*head)
}
