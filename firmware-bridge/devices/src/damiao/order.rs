//! Frames to a drive's own id: commands and the four orders.

use crate::error::EncodeError;
use crate::mit::{self, MitCommand, MitScaling};
use sinew_bus::{CanFrame, CanId};

/// Bytes that clear a latched fault; the drive is disabled afterwards and has to be enabled again.
pub const CLEAR_FAULT: [u8; 8] = mit::special(0xFB);

fn order(id: u16, bytes: [u8; 8]) -> Result<CanFrame, EncodeError> {
    Ok(CanFrame::classic(CanId::Standard(id), &bytes)?)
}

/// One MIT command for drive `id`. Feeds the drive's watchdog.
pub fn command(id: u16, scaling: &MitScaling, command: &MitCommand) -> Result<CanFrame, EncodeError> {
    mit::encode_frame(id, scaling, command)
}

/// Enables drive `id`; without effect while a fault is latched.
pub fn enable(id: u16) -> Result<CanFrame, EncodeError> {
    order(id, mit::ENABLE)
}

/// Disables drive `id`.
pub fn disable(id: u16) -> Result<CanFrame, EncodeError> {
    order(id, mit::DISABLE)
}

/// Makes the present position of drive `id` its zero.
pub fn set_zero(id: u16) -> Result<CanFrame, EncodeError> {
    order(id, mit::SET_ZERO)
}

/// Clears the fault latched in drive `id`.
pub fn clear_fault(id: u16) -> Result<CanFrame, EncodeError> {
    order(id, CLEAR_FAULT)
}
