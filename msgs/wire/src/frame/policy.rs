//! From a policy to control.
use super::actuator::JointCommand;
use super::codec::{Body, Frame};
use crate::enums::{FrameKind, JointMode, PolicyStatus, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};

wire_struct! {
    /// The head of a policy's output; the joint items are its targets in the robot's joint order.
    pub struct PolicyCommandBody[16] {
        /// Activation this output belongs to; control drops outputs of another.
        pub activation: u32,
        /// First four bytes of the model file's SHA-256.
        pub model_hash: u32,
        /// Number of the policy.
        pub policy: u8,
        /// [`PolicyStatus`].
        pub status: u8,
        pub reserved: [u8; 2],
        /// Time the engine took, microseconds; for display only, 0 in lockstep.
        pub run_us: u32,
    }
}

/// Joint targets from a learned or scripted policy.
pub type PolicyCommand = Frame<PolicyCommandBody>;

impl Body for PolicyCommandBody {
    type Joint = JointCommand;
    const KIND: FrameKind = FrameKind::PolicyCommand;
    const SCHEMA: u32 = fnv1a(JointCommand::LAYOUT, fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET)));
    fn check(&self) -> Result<(), UnknownVariant> {
        PolicyStatus::try_from(self.status).map(drop)
    }
    fn check_joint(joint: &JointCommand) -> Result<(), UnknownVariant> {
        JointMode::try_from(joint.mode).map(drop)
    }
}

impl PolicyCommandBody {
    #[must_use]
    pub fn status(&self) -> PolicyStatus {
        PolicyStatus::try_from(self.status).unwrap_or_default()
    }
}
