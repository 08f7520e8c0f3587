//! Frames waiting for the wire, and which of them gets it.

use crate::CanFrame;
use arrayvec::ArrayVec;

/// Most frames waiting at once, all senders together.
const CAPACITY: usize = 128;

/// Who sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Host,
    Device,
}

#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub frame: CanFrame,
    pub source: Source,
    ready_ns: u64,
    /// Age: of two equal identifiers the older goes first.
    order: u64,
    /// The second sending of a duplicated frame.
    pub copy: bool,
}

#[derive(Debug)]
pub struct Queue {
    waiting: ArrayVec<Pending, CAPACITY>,
    next_order: u64,
}

impl Queue {
    pub const fn new() -> Self {
        Queue { waiting: ArrayVec::new_const(), next_order: 0 }
    }

    pub const fn len(&self) -> usize {
        self.waiting.len()
    }

    /// False if it is full; the frame is then lost.
    pub fn push(&mut self, frame: CanFrame, source: Source, ready_ns: u64, copy: bool) -> bool {
        let pending = Pending { frame, source, ready_ns, order: self.next_order, copy };
        self.next_order += 1;
        self.waiting.try_push(pending).is_ok()
    }

    /// A frame that has to be sent again keeps its age; its place has just been freed.
    pub fn put_back(&mut self, pending: Pending) {
        if self.waiting.try_push(pending).is_err() {
            debug_assert!(false, "the place of a frame taken out is free");
        }
    }

    /// Who gets the wire that is free from `free_ns` on, and when: arbitration starts as soon as anyone is
    /// ready, among all who are ready by then.
    pub fn winner(&self, free_ns: u64) -> Option<(usize, u64)> {
        let at_ns = self.waiting.iter().map(|pending| pending.ready_ns).min()?.max(free_ns);
        self.waiting
            .iter()
            .enumerate()
            .filter(|(_, pending)| pending.ready_ns <= at_ns)
            .min_by_key(|(_, pending)| (pending.frame.id().arbitration_key(), pending.order))
            .map(|(index, _)| (index, at_ns))
    }

    pub fn get(&self, index: usize) -> Option<&Pending> {
        self.waiting.get(index)
    }

    pub fn take(&mut self, index: usize) -> Option<Pending> {
        self.waiting.swap_pop(index)
    }

    /// Drops what the host has queued and says how many frames that were.
    pub fn drop_host_frames(&mut self) -> u64 {
        let before = self.waiting.len();
        self.waiting.retain(|pending| pending.source != Source::Host);
        (before - self.waiting.len()) as u64
    }
}
