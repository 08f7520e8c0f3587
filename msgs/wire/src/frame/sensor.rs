//! From a sensor that hangs on no bridge (GNSS, motion capture, odometry from images) to control.
use super::codec::{Body, Frame, NoJoint};
use crate::enums::{FrameKind, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};

wire_struct! {
    /// Up to sixteen values with the sensor's own stamp.
    pub struct SensorFrameBody[80] {
        /// Step time the sample was taken at, ns.
        pub stamp_ns: u64,
        /// Meaning by the sensor's entry in the robot description, SI units.
        pub values: [f32; 16],
        /// Number of the sensor in the robot description.
        pub sensor: u16,
        /// How many of `values` count.
        pub count: u8,
        pub reserved: [u8; 5],
    }
}

/// One sample, taken by its age, in lockstep by its step.
pub type SensorFrame = Frame<SensorFrameBody>;

impl Body for SensorFrameBody {
    type Joint = NoJoint;
    const KIND: FrameKind = FrameKind::SensorFrame;
    const SCHEMA: u32 = fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET));
    fn check(&self) -> Result<(), UnknownVariant> {
        if self.count > 16 {
            return Err(UnknownVariant { enumeration: "count", found: self.count });
        }
        Ok(())
    }
}
