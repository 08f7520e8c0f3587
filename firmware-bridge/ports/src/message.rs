//! One lockstep message between the bridge and the twin, for all buses of a robot at once.
//!
//! ```text
//!  bridge (host)                               twin (device side)
//!    Ready ───────────────────────────────────▶          registered
//!          ◀────────────────────────────── Tick(mask) n  the world's clock
//!    Frames n ────────────────────────────────▶          what is in force, per bus
//!          ◀──────────────────────────────── Replies n   answers of the devices, stamped; the END of step n
//!    Done n ──────────────────────────────────▶          command accepted: integrate one period
//!    Leave ───────────────────────────────────▶          gone; clear my bit
//! ```
//! Who waits sends its last message again, the same bytes; the receiver drops what it knows by (boot, seq).
use sinew_bus::{CanFrame, Received};

/// Most buses of one bridge.
pub const MAX_BUSES: u8 = 8;
/// Most frames in one message, all buses together.
pub const MAX_FRAMES: usize = 256;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sender is prepared and waits for its first tick.
    Ready,
    /// Step n begins with these participants; bit i is participant i of the run plan.
    Tick { mask: u32 },
    /// What the host sends on its buses in step n.
    Frames,
    /// What reached the host in step n; nothing more comes for it.
    Replies,
    /// The host has done everything of step n.
    Done,
    /// The sender leaves the run.
    Leave,
}

/// A frame on one of the buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFrame {
    /// Index of the bus in the robot's description.
    pub bus: u8,
    /// Bus time of the end of the frame in replies, of its queueing in frames to send; ns.
    pub at_ns: u64,
    pub frame: CanFrame,
}

impl BusFrame {
    /// As a port gives it out.
    #[must_use]
    pub fn received(&self) -> Received {
        Received { frame: self.frame, at_ns: self.at_ns }
    }
}

/// Why a frame does not enter a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    #[error("more than {MAX_FRAMES} frames in one step: the cycle asks for more than the buses carry")]
    Full,
    #[error("bus {found}: expected 0 to {}", MAX_BUSES - 1)]
    Bus { found: u8 },
}

/// A message; its memory is taken once and used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusMessage {
    pub kind: Kind,
    /// Step index n.
    pub step: u64,
    /// Random per process start of the sender.
    pub boot_id: u32,
    /// Grows by one per new message of the sender; a repeated message keeps it.
    pub seq: u32,
    frames: Vec<BusFrame>,
}

impl Default for BusMessage {
    fn default() -> Self {
        Self::new()
    }
}

impl BusMessage {
    /// An empty message with room for every frame it may ever hold.
    #[must_use]
    pub fn new() -> Self {
        Self { kind: Kind::Ready, step: 0, boot_id: 0, seq: 0, frames: Vec::with_capacity(MAX_FRAMES) }
    }

    /// Begins another message in the same memory.
    pub fn restart(&mut self, kind: Kind, step: u64, boot_id: u32, seq: u32) {
        (self.kind, self.step, self.boot_id, self.seq) = (kind, step, boot_id, seq);
        self.frames.clear();
    }

    /// Appends one frame.
    ///
    /// # Errors
    /// [`PushError`]; the message stays as it was.
    pub fn push(&mut self, bus: u8, at_ns: u64, frame: CanFrame) -> Result<(), PushError> {
        if bus >= MAX_BUSES {
            return Err(PushError::Bus { found: bus });
        }
        if self.frames.len() >= MAX_FRAMES {
            return Err(PushError::Full);
        }
        self.frames.push(BusFrame { bus, at_ns, frame });
        Ok(())
    }

    /// Every frame, in the order of sending.
    #[must_use]
    pub fn frames(&self) -> &[BusFrame] {
        &self.frames
    }

    /// The frames of one bus, in the order of sending.
    pub fn on_bus(&self, bus: u8) -> impl Iterator<Item = &BusFrame> {
        self.frames.iter().filter(move |frame| frame.bus == bus)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    #[test]
    fn frames_are_kept_per_bus_in_order_and_bounded() {
        let mut message = BusMessage::new();
        message.restart(Kind::Frames, 3, 1, 1);
        let frame = |id| CanFrame::standard_8(id, [0; 8]);
        for i in 0..MAX_FRAMES {
            message.push(i as u8 % 4, 0, frame(i as u16)).unwrap();
        }
        assert_eq!(message.push(0, 0, frame(1)), Err(PushError::Full));
        assert_eq!(message.push(MAX_BUSES, 0, frame(1)), Err(PushError::Bus { found: MAX_BUSES }));
        let ids = message.on_bus(2).map(|f| f.frame.id()).take(3).collect::<Vec<_>>();
        assert_eq!(ids, [frame(2).id(), frame(6).id(), frame(10).id()]);
        message.restart(Kind::Done, 4, 1, 2);
        assert!(message.frames().is_empty());
    }
}
