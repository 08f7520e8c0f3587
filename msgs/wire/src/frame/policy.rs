//! From a policy to control.
use super::actuator::JointCommand;
use super::codec::{Body, Frame};
use crate::enums::{FrameKind, JointMode, PolicyStatus, Provider, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};

wire_struct! {
    /// The head of a policy's output; the joint items are its targets in the robot's joint order.
    pub struct PolicyCommandBody[24] {
        /// Activation this output belongs to; control drops outputs of another.
        pub activation: u32,
        /// First four bytes of the model file's SHA-256.
        pub model_hash: u32,
        /// Number of the policy.
        pub policy: u8,
        /// [`PolicyStatus`].
        pub status: u8,
        /// [`Provider`] that computed it.
        pub provider: u8,
        /// Bits of [`PolicyFlags`].
        pub flags: u8,
        /// Time the engine took, microseconds of wall time; for display and for the deadline of a free run only.
        pub run_us: u32,
        /// Step time from the robot state that the targets were computed from to the one this frame answers
        /// (`header.step`), microseconds: 0 unless they come from a chunk, from another machine or are held.
        pub age_us: u32,
        /// Step time after `header.step` for which the targets are meant, microseconds; 0: at once. Only the
        /// elements of a chunk on its way from another machine have another value.
        pub ahead_us: u32,
    }
}

/// Joint targets from a learned or scripted policy.
pub type PolicyCommand = Frame<PolicyCommandBody>;

/// What is worth knowing about an output beside its targets: bits of [`PolicyCommandBody::flags`].
#[derive(Clone, Copy, Debug)]
pub struct PolicyFlags;

impl PolicyFlags {
    /// The run took longer than the manifest's deadline, or its output came too late to be sent.
    pub const DEADLINE_MISSED: u8 = 1;
    /// The observation lay outside the range the manifest declares.
    pub const OUT_OF_DISTRIBUTION: u8 = 1 << 1;
    /// The local fallback model computed it, because the other machine's results are too old.
    pub const FALLBACK: u8 = 1 << 2;
    /// Taken from a chunk of targets by time.
    pub const CHUNK: u8 = 1 << 3;
    /// Computed on another machine.
    pub const OFFBOARD: u8 = 1 << 4;
    /// Between two sources: the targets are a blend, within the transition limits.
    pub const TRANSITION: u8 = 1 << 5;
    /// Every bit that means something; a frame with another is refused.
    pub const KNOWN: u8 = (1 << 6) - 1;

    /// Names of the bits set in `flags`, for displays.
    pub fn names(flags: u8) -> impl Iterator<Item = &'static str> {
        let all = ["deadline_missed", "out_of_distribution", "fallback", "chunk", "offboard", "transition"];
        all.into_iter().enumerate().filter(move |(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| name)
    }
}

impl Body for PolicyCommandBody {
    type Joint = JointCommand;
    const KIND: FrameKind = FrameKind::PolicyCommand;
    const SCHEMA: u32 = fnv1a(JointCommand::LAYOUT, fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET)));
    fn check(&self) -> Result<(), UnknownVariant> {
        PolicyStatus::try_from(self.status)?;
        Provider::try_from(self.provider)?;
        if self.flags & !PolicyFlags::KNOWN != 0 {
            return Err(UnknownVariant { enumeration: "PolicyFlags", found: self.flags });
        }
        Ok(())
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
    #[must_use]
    pub fn provider(&self) -> Provider {
        Provider::try_from(self.provider).unwrap_or_default()
    }
    /// True when every bit of `flag` is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}
