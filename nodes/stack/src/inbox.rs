//! What has arrived for one tick: each frame once, sorted by source and sequence number.
use sinew_wire::{Body, Frame, FrameId};

/// Frames of one kind that wait for a tick.
///
/// Exact duplicates (a re-sent frame) are dropped before anything is counted; the order of arrival, which depends on the
/// machine, is replaced by the order of (source, seq).
#[derive(Clone, Debug)]
pub struct Inbox<B: Body> {
    waiting: Vec<Frame<B>>,
    /// Newest frame taken from each (source, boot).
    seen: Vec<(u16, FrameId)>,
    /// Frames that did not fit.
    pub overflowed: u64,
}

/// Frames that may wait at once.
const CAPACITY: usize = 64;
/// Processes (source and boot) remembered.
const SOURCES: usize = 32;

impl<B: Body> Default for Inbox<B> {
    fn default() -> Self {
        Self { waiting: Vec::with_capacity(CAPACITY), seen: Vec::with_capacity(SOURCES), overflowed: 0 }
    }
}

impl<B: Body> Inbox<B> {
    /// Takes a frame; false when it is a duplicate or there is no room.
    pub fn push(&mut self, frame: Frame<B>) -> bool {
        let (source, id) = (frame.header.source, frame.header.id());
        let waits = self.waiting.iter().any(|f| f.header.source == source && f.header.id() == id);
        let taken = self.seen.iter().any(|(s, last)| *s == source && *last == id);
        if waits || taken {
            return false;
        }
        if self.waiting.len() >= CAPACITY {
            self.overflowed += 1;
            return false;
        }
        self.waiting.push(frame);
        true
    }

    /// True when a frame of `source` computed from `step` waits.
    #[must_use]
    pub fn has(&self, source: u16, step: u64) -> bool {
        self.waiting.iter().any(|f| f.header.source == source && f.header.step == step)
    }

    /// Moves out, in order, the frames for which `is_due` holds.
    pub fn take_due(&mut self, is_due: impl Fn(&Frame<B>) -> bool, out: &mut Vec<Frame<B>>) {
        out.clear();
        let mut i = 0;
        while let Some(frame) = self.waiting.get(i) {
            if is_due(frame) {
                let frame = self.waiting.swap_remove(i);
                self.remember(frame.header.source, frame.header.id());
                out.push(frame);
            } else {
                i += 1;
            }
        }
        out.sort_by_key(|f| (f.header.source, f.header.boot_id, f.header.seq));
    }

    fn remember(&mut self, source: u16, id: FrameId) {
        let known = self.seen.iter_mut().find(|(s, last)| *s == source && last.boot_id == id.boot_id);
        match known {
            Some((_, last)) if id.is_newer_than(*last) => *last = id,
            Some(_) => {}
            None => {
                if self.seen.len() >= SOURCES {
                    self.seen.remove(0);
                }
                self.seen.push((source, id));
            }
        }
    }

    /// Forgets what waits; at the return of an absent participant.
    pub fn drain(&mut self) {
        self.waiting.clear();
    }
}
