//! Frames between the processes of one robot: fixed little-endian layouts with a CRC.
//!
//! What may be touched here: what a frame says. A changed field changes the schema hash, so two builds that
//! disagree refuse each other instead of misreading. `no_std`, no allocation; decoders are total: any bytes
//! give a frame or a reason. The invariant: `decode(encode(frame)) == frame`, bit for bit.
//!
//! Layout: 64-byte [`Header`], fixed body, `joints` fixed items, CRC-32 (AUTOSAR E2E profile 4) over all of it.
//! Freshness is the receiver's business: `based_on` names the receiver's own frame that an answer was computed
//! from, so age needs no clock synchronisation and a replay is old by construction.
#![no_std]
#[cfg(target_endian = "big")]
compile_error!(
    "the wire is little-endian and read in place; a big-endian target needs byte-swapping accessors"
);

#[macro_use]
mod layout;
mod crc;
mod enums;
pub mod frame;
mod header;
mod source;
mod time;

pub use crc::crc32_p4;
pub use enums::*;
pub use frame::NO_POLICY;
pub use frame::{
    ActuatorCommand, ActuatorCommandBody, ActuatorState, ActuatorStateBody, Body, ContactSample, DecodeError,
    EncodeError, Frame, ImuSample, JointCommand, JointState, MotionCommand, MotionCommandBody, NoJoint,
    PolicyCommand, PolicyCommandBody, PolicyFlags, RobotJoint, RobotState, RobotStateBody, SensorFrame,
    SensorFrameBody,
};
pub use header::{FrameId, Header, MAGIC, VERSION};
pub use layout::fnv1a;
pub use source::{Source, robot_id};
pub use time::{StepTime, WatchTime};

/// Most joints one frame can carry.
pub const MAX_JOINTS: usize = 64;
/// Most inertial sensors sampled by one bridge.
pub const MAX_IMUS: usize = 2;
/// Most contact sensors sampled by one bridge.
pub const MAX_CONTACTS: usize = 8;
/// Outputs of one policy that may wait at once for the ticks that use them, the one that is due among them.
pub const MAX_WAITING_OUTPUTS: usize = 8;

/// Longest latency of a policy with an output each `decimation` ticks whose outputs can all wait, in ticks.
#[must_use]
pub const fn latency_ticks_max(decimation: u64) -> u64 {
    decimation.saturating_mul(MAX_WAITING_OUTPUTS as u64 - 1)
}

/// An encoded frame is never longer than this, bytes.
pub const MAX_FRAME: usize = 2048;
