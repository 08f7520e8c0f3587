//! Two ports joined by a wire without faults, in one thread: for tests of whatever sits on a [`Port`].
//!
//! The wire has its own clock: it stands still while nothing is sent and advances by the duration of
//! each frame, so stamps are those of a bus that is never idle.

use crate::CanFrame;
use crate::bit_time::{BitRates, duration_ns};
use crate::port::{Capabilities, Port, PortCounters, ReceiveError, Received, SendError};
use arrayvec::ArrayVec;
use core::cell::RefCell;

/// Frames that one end can have under way before `send` refuses.
pub const LOOPBACK_QUEUE: usize = 32;

type Queue = ArrayVec<Received, LOOPBACK_QUEUE>;

#[derive(Debug)]
struct Wire {
    rates: BitRates,
    now_ns: u64,
    /// Frames on their way to end 0 and to end 1.
    to: [Queue; 2],
}

/// The wire; [`Loopback::ends`] gives its two ports.
#[derive(Debug)]
pub struct Loopback {
    wire: RefCell<Wire>,
    capabilities: Capabilities,
}

impl Loopback {
    /// A wire; it carries FD frames if the rates have a data rate.
    pub fn new(rates: BitRates) -> Self {
        let capabilities = Capabilities { fd: rates.data_bps.is_some(), remote: true, hardware_stamps: true };
        let wire = Wire { rates, now_ns: 0, to: [Queue::new(), Queue::new()] };
        Loopback { wire: RefCell::new(wire), capabilities }
    }

    /// The two ends. What one sends, the other receives.
    pub fn ends(&mut self) -> (LoopbackEnd<'_>, LoopbackEnd<'_>) {
        let end = |side| LoopbackEnd {
            wire: &self.wire,
            side,
            capabilities: self.capabilities,
            counters: PortCounters::default(),
        };
        (end(false), end(true))
    }
}

/// One end of a [`Loopback`].
#[derive(Debug)]
pub struct LoopbackEnd<'a> {
    wire: &'a RefCell<Wire>,
    side: bool,
    capabilities: Capabilities,
    counters: PortCounters,
}

impl Port for LoopbackEnd<'_> {
    fn send(&mut self, frame: &CanFrame) -> Result<(), SendError> {
        if frame.is_fd() && !self.capabilities.fd {
            self.counters.refused += 1;
            return Err(SendError::NotSupported);
        }
        let wire = &mut *self.wire.borrow_mut();
        let [to_first, to_second] = &mut wire.to;
        let queue = if self.side { to_first } else { to_second };
        let at_ns = wire.now_ns + duration_ns(frame, wire.rates);
        if queue.try_push(Received { frame: *frame, at_ns }).is_err() {
            self.counters.refused += 1;
            return Err(SendError::QueueFull);
        }
        wire.now_ns = at_ns;
        self.counters.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Received>, ReceiveError> {
        let wire = &mut *self.wire.borrow_mut();
        let [to_first, to_second] = &mut wire.to;
        let queue = if self.side { to_second } else { to_first };
        let oldest = queue.pop_at(0);
        if oldest.is_some() {
            self.counters.received += 1;
        }
        Ok(oldest)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn counters(&self) -> PortCounters {
        self.counters
    }
}
