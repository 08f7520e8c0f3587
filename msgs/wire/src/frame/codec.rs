//! Encoding and total decoding of any frame kind.
use arrayvec::ArrayVec;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::enums::{FrameKind, UnknownVariant};
use crate::header::{Header, MAGIC, VERSION};
use crate::{MAX_JOINTS, crc32_p4};

/// The fixed part of a frame kind and the item it repeats per joint.
pub trait Body:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Default + PartialEq + core::fmt::Debug
{
    type Joint: FromBytes
        + IntoBytes
        + Immutable
        + KnownLayout
        + Copy
        + Default
        + PartialEq
        + core::fmt::Debug;
    const KIND: FrameKind;
    /// Hash of header, body and joint layouts; equal in two builds only when they agree on every field.
    const SCHEMA: u32;
    /// Refuses bytes that name no variant of their enum.
    ///
    /// # Errors
    /// The enum and the number found.
    fn check(&self) -> Result<(), UnknownVariant>;
    /// As [`Body::check`], for one joint item.
    ///
    /// # Errors
    /// The enum and the number found.
    fn check_joint(_: &Self::Joint) -> Result<(), UnknownVariant> {
        Ok(())
    }
}

/// The joint item of frames that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NoJoint;

/// One frame, owned, without heap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame<B: Body> {
    pub header: Header,
    pub body: B,
    /// In the order of the robot description.
    pub joints: ArrayVec<B::Joint, MAX_JOINTS>,
}

/// Why a frame was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is shorter than the frame.
    Buffer { needed: usize, found: usize },
}

/// Why bytes are not a frame of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter or longer than header and counts say.
    Length {
        expected: usize,
        found: usize,
    },
    Magic {
        found: u32,
    },
    Version {
        found: u16,
    },
    /// A frame of another kind.
    Kind {
        expected: FrameKind,
        found: u8,
    },
    /// The sender was built with another layout.
    Schema {
        expected: u32,
        found: u32,
    },
    /// More joints than a frame may carry.
    Joints {
        found: u8,
    },
    Crc {
        expected: u32,
        found: u32,
    },
    Variant(UnknownVariant),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { expected, found } => write!(f, "length: expected {expected} bytes, found {found}"),
            Self::Magic { found } => write!(f, "magic: expected {MAGIC:#010x}, found {found:#010x}"),
            Self::Version { found } => {
                write!(f, "version: expected {VERSION}, found {found}; update the older side")
            }
            Self::Kind { expected, found } => write!(f, "kind: expected {expected}, found {found}"),
            Self::Schema { expected, found } => {
                write!(
                    f,
                    "schema: expected {expected:#010x}, found {found:#010x}; both sides must be the same build"
                )
            }
            Self::Joints { found } => write!(f, "joints: at most {MAX_JOINTS}, found {found}"),
            Self::Crc { expected, found } => write!(f, "crc: expected {expected:#010x}, found {found:#010x}"),
            Self::Variant(v) => write!(f, "{}: no variant {}", v.enumeration, v.found),
        }
    }
}

impl core::error::Error for DecodeError {}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self::Buffer { needed, found } = self;
        write!(f, "buffer: needs {needed} bytes, has {found}")
    }
}

impl core::error::Error for EncodeError {}

const HEADER: usize = size_of::<Header>();
const CRC: usize = 4;

impl<B: Body> Frame<B> {
    /// Bytes of this frame on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        HEADER + size_of::<B>() + self.joints.len() * size_of::<B::Joint>() + CRC
    }

    /// Writes the frame; magic, version, kind, counts, schema and CRC are filled in here.
    ///
    /// # Errors
    /// When `out` is too short; [`crate::MAX_FRAME`] always suffices.
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], EncodeError> {
        let needed = self.encoded_len();
        let found = out.len();
        let Some(out) = out.get_mut(..needed) else { return Err(EncodeError::Buffer { needed, found }) };
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            kind: B::KIND as u8,
            joints: self.joints.len() as u8,
            schema: B::SCHEMA,
            length: (needed - HEADER - CRC) as u32,
            ..self.header
        };
        let (content, crc_at) = out.split_at_mut(needed - CRC);
        let (header_at, rest) = content.split_at_mut(HEADER);
        let (body_at, joints_at) = rest.split_at_mut(size_of::<B>());
        header_at.copy_from_slice(header.as_bytes());
        body_at.copy_from_slice(self.body.as_bytes());
        joints_at.copy_from_slice(self.joints.as_slice().as_bytes());
        crc_at.copy_from_slice(&crc32_p4(content).to_le_bytes());
        Ok(out)
    }

    /// Reads a frame of this kind; every byte must be accounted for.
    ///
    /// # Errors
    /// The first thing that does not fit, see [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let least = HEADER + size_of::<B>() + CRC;
        let short = DecodeError::Length { expected: least, found: bytes.len() };
        let (mut header, rest) = Header::read_from_prefix(bytes).map_err(|_| short)?;
        if header.magic != MAGIC {
            return Err(DecodeError::Magic { found: header.magic });
        }
        if header.version != VERSION {
            return Err(DecodeError::Version { found: header.version });
        }
        if header.kind != B::KIND as u8 {
            return Err(DecodeError::Kind { expected: B::KIND, found: header.kind });
        }
        if header.schema != B::SCHEMA {
            return Err(DecodeError::Schema { expected: B::SCHEMA, found: header.schema });
        }
        let count = usize::from(header.joints);
        if count > MAX_JOINTS || (size_of::<B::Joint>() == 0 && count != 0) {
            return Err(DecodeError::Joints { found: header.joints });
        }
        let payload = size_of::<B>() + count * size_of::<B::Joint>();
        let expected = HEADER + payload + CRC;
        if bytes.len() != expected || header.length as usize != payload {
            return Err(DecodeError::Length { expected, found: bytes.len() });
        }
        let (body, rest) = B::read_from_prefix(rest).map_err(|_| short)?;
        let (content, crc) = bytes.split_at(expected - CRC);
        let found = u32::read_from_bytes(crc).map_err(|_| short)?;
        let expected = crc32_p4(content);
        if found != expected {
            return Err(DecodeError::Crc { expected, found });
        }
        body.check().map_err(DecodeError::Variant)?;
        let mut joints = ArrayVec::new();
        let mut rest = rest;
        for _ in 0..count {
            let (joint, tail) = B::Joint::read_from_prefix(rest).map_err(|_| short)?;
            B::check_joint(&joint).map_err(DecodeError::Variant)?;
            joints.push(joint);
            rest = tail;
        }
        header.length = payload as u32;
        Ok(Self { header, body, joints })
    }
}
