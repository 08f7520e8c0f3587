//! Damiao DM-J drives: the MIT family with a status nibble, a parameter channel and a watchdog.
//!
//! Byte layouts after the vendor's published protocol and the vectors of its C++ driver. The host talks
//! to the drive's own id (MIT), to id + 0x100, + 0x200, + 0x300 (cascade modes) and to 0x7FF (registers);
//! the drive answers everything on its master id, by convention 0x10 + id.
//!
//! Published range tables disagree for some models: read PMAX, VMAX and TMAX back and refuse a drive that
//! reports other numbers than the robot description.

mod cascade;
mod feedback;
mod model;
mod order;
mod register;
mod request;

pub use cascade::{POS_FORCE_OFFSET, POS_VEL_OFFSET, VELOCITY_OFFSET, pos_force, pos_vel, velocity};
pub use feedback::{Fault, Feedback, decode_feedback, encode_feedback};
pub use model::{Model, scaling};
pub use order::{CLEAR_FAULT, clear_fault, command, disable, enable, set_zero};
pub use register::{
    Access, ControlMode, Register, RegisterReply, RegisterValue, decode_register_reply,
    encode_register_reply, is_register_reply, read_register, refresh, store_registers, write_register,
};
pub use request::{Request, decode_request};

/// Identifier of the parameter channel, shared by all drives of a bus.
pub const PARAMETER_ID: u16 = 0x7FF;

/// Unit of the TIMEOUT register, in nanoseconds.
pub const TIMEOUT_UNIT_NS: u64 = 50_000;

/// Master id of a drive by the usual convention: where its replies appear.
pub const fn master_id(id: u16) -> u16 {
    id.saturating_add(0x10)
}
