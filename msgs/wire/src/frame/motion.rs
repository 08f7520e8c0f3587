//! From an operator, an autostart or a planner to control.
use super::codec::{Body, Frame, NoJoint};
use crate::enums::{FrameKind, Request, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};

wire_struct! {
    /// A wish and a velocity. The header's epoch is the `lease_epoch` the source was granted.
    pub struct MotionCommandBody[16] {
        /// vx, vy in m/s, wz in rad/s, body frame (REP-103).
        pub velocity: [f32; 3],
        /// [`Request`].
        pub request: u8,
        /// With [`Request::Policy`] the policy's number.
        pub argument: u8,
        pub reserved: [u8; 2],
    }
}

/// Intent only, never joint commands.
pub type MotionCommand = Frame<MotionCommandBody>;

impl Body for MotionCommandBody {
    type Joint = NoJoint;
    const KIND: FrameKind = FrameKind::MotionCommand;
    const SCHEMA: u32 = fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET));
    fn check(&self) -> Result<(), UnknownVariant> {
        Request::try_from(self.request).map(drop)
    }
}

impl MotionCommandBody {
    #[must_use]
    pub fn request(&self) -> Request {
        Request::try_from(self.request).unwrap_or_default()
    }
}
