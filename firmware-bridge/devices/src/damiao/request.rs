//! What a frame asks of one drive, seen from the drive.

use super::cascade::{POS_FORCE_OFFSET, POS_VEL_OFFSET, VELOCITY_OFFSET};
use super::register::{REFRESH, STORE};
use super::{CLEAR_FAULT, PARAMETER_ID};
use crate::mit;
use sinew_bus::{CanFrame, CanId};

/// A frame addressed to the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// FC
    Enable,
    /// FD
    Disable,
    /// FE
    SetZero,
    /// FB
    ClearFault,
    /// An MIT command, still packed: its meaning depends on the drive's ranges.
    Mit([u8; 8]),
    /// A frame of one of the cascade modes.
    Cascade,
    /// 33, by number.
    ReadRegister(u8),
    /// 55, by number, with the four bytes to write.
    WriteRegister(u8, [u8; 4]),
    /// AA
    Store,
    /// CC
    Refresh,
}

/// What `frame` asks of the drive `id`; nothing if it is addressed to another, or malformed.
pub fn decode_request(id: u16, frame: &CanFrame) -> Option<Request> {
    let CanId::Standard(to) = frame.id() else { return None };
    if to == PARAMETER_ID {
        let [lo, hi, code, number, a, b, c, d] = frame.payload_8()?;
        let named = u16::from_le_bytes([lo, hi]);
        // A refresh names the low byte only.
        if named != id && !(code == REFRESH && named == id & 0xFF) {
            return None;
        }
        return match code {
            0x33 => Some(Request::ReadRegister(number)),
            0x55 => Some(Request::WriteRegister(number, [a, b, c, d])),
            STORE => Some(Request::Store),
            REFRESH => Some(Request::Refresh),
            _ => None,
        };
    }
    if to == id {
        return match frame.payload_8()? {
            mit::ENABLE => Some(Request::Enable),
            mit::DISABLE => Some(Request::Disable),
            mit::SET_ZERO => Some(Request::SetZero),
            CLEAR_FAULT => Some(Request::ClearFault),
            bytes => Some(Request::Mit(bytes)),
        };
    }
    let offset = to.checked_sub(id)?;
    let cascade = matches!(
        (offset, frame.payload().len()),
        (POS_VEL_OFFSET | POS_FORCE_OFFSET, 8) | (VELOCITY_OFFSET, 4)
    );
    cascade.then_some(Request::Cascade)
}
