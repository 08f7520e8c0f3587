//! Plain CDR version 1, little-endian: the bytes of a ROS message.
//!
//! Four bytes of header (`00 01 00 00`), then the fields; each primitive is aligned to its own size, counted from
//! the end of the header (OMG DDSI-RTPS 2.5, section 10). The reader is total: any bytes give a value or a reason,
//! and no length is believed before the bytes behind it are seen.
mod reader;
mod writer;

pub use reader::{CdrReader, DecodeError};
pub use writer::{CdrWriter, EncodeError};

/// Header of every message we write: representation "CDR little-endian", no options.
pub const HEADER: [u8; 4] = [0, 1, 0, 0];
/// Longest message this codec writes or reads, bytes. Images and clouds do not pass here.
pub const MAX_BYTES: usize = 1 << 20;
