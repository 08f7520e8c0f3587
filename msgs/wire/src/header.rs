//! The 64 bytes every frame begins with.

/// First four bytes of every frame: "SNW1".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SNW1");
/// Version of the header and of the rules around it.
pub const VERSION: u16 = 1;

wire_struct! {
    /// Who says it, when, computed from what, and for how long it holds.
    pub struct Header[64] {
        pub magic: u32,
        pub version: u16,
        /// [`crate::FrameKind`].
        pub kind: u8,
        /// Number of joint items after the body.
        pub joints: u8,
        /// Hash of the field names and types of this kind.
        pub schema: u32,
        /// [`crate::robot_id`] of the robot's name.
        pub robot: u32,
        /// [`crate::Source`].
        pub source: u16,
        /// [`Header::ESTOP`]; the other bits are 0.
        pub flags: u16,
        /// Fencing number: `writer_epoch` in actuator commands, `lease_epoch` in motion commands, else 0.
        pub epoch: u32,
        /// Random per process start.
        pub boot_id: u32,
        /// Grows by one per frame of this source and boot, wrap-safe.
        pub seq: u32,
        /// Step index n of the cycle this frame belongs to.
        pub step: u64,
        /// Monotonic clock of the sender, ns; for display only.
        pub t_sent_ns: u64,
        /// How long after `based_on` the content holds, microseconds.
        pub valid_for_us: u32,
        /// Boot id of the frame this one was computed from.
        pub based_on_boot: u32,
        /// Sequence number of the frame this one was computed from.
        pub based_on_seq: u32,
        /// Bytes of body and joint items.
        pub length: u32,
    }
}

/// Names one frame of one boot of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId {
    pub boot_id: u32,
    pub seq: u32,
}

impl Header {
    /// The sender asks for an emergency stop.
    pub const ESTOP: u16 = 1;

    /// This frame's own name.
    #[must_use]
    pub const fn id(&self) -> FrameId {
        FrameId { boot_id: self.boot_id, seq: self.seq }
    }

    /// The frame this one was computed from.
    #[must_use]
    pub const fn based_on(&self) -> FrameId {
        FrameId { boot_id: self.based_on_boot, seq: self.based_on_seq }
    }

    /// Sets [`Self::based_on`].
    pub fn set_based_on(&mut self, id: FrameId) {
        self.based_on_boot = id.boot_id;
        self.based_on_seq = id.seq;
    }
}

impl FrameId {
    /// True when `self` comes after `other` in the same boot, across the wrap of the counter (RFC 1982).
    #[must_use]
    pub const fn is_newer_than(&self, other: FrameId) -> bool {
        self.boot_id == other.boot_id && (self.seq.wrapping_sub(other.seq) as i32) > 0
    }
}
