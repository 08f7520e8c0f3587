//! The host's end of a bus.
//!
//! A port never blocks: `send` queues or refuses, `receive` gives what has arrived or nothing. Whoever
//! wants to wait does so outside, on whatever the implementation offers for it.

use crate::CanFrame;
use core::fmt;

/// A frame with the bus time of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// What arrived.
    pub frame: CanFrame,
    /// End of the frame on the wire, in nanoseconds of the port's clock; never goes back.
    pub at_ns: u64,
}

/// What a port can carry. Decided when it is opened; it does not change while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// FD frames up to 64 bytes.
    pub fd: bool,
    /// Classic remote frames.
    pub remote: bool,
    /// Stamps are taken by the controller or the simulated bus, not when the host reads.
    pub hardware_stamps: bool,
}

/// Totals since the port was opened. Lost data is counted here, whoever lost it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames accepted by `send`.
    pub sent: u64,
    /// Frames given out by `receive`.
    pub received: u64,
    /// Frames refused by `send`, for whatever reason.
    pub refused: u64,
    /// Frames that arrived and were lost before `receive` could give them out.
    pub overruns: u64,
    /// Error frames, malformed input and failed system calls.
    pub errors: u64,
}

/// Why a frame was not queued. The frame was not sent and will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The send queue is full, the bus is congested: let this frame die, the next cycle has a newer one.
    QueueFull,
    /// The controller has taken itself off the bus: damp, then wait for recovery.
    BusOff,
    /// The port cannot carry this format (FD or remote): see `Capabilities`, mend the configuration.
    NotSupported,
    /// The port is closed or its device has gone: reopen it.
    Closed,
    /// The operating system refused; its error number.
    Os(i32),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::QueueFull => f.write_str("send queue full: the bus is congested"),
            SendError::BusOff => f.write_str("the controller is bus-off: check wiring and bit rate"),
            SendError::NotSupported => f.write_str("this port cannot carry this frame format"),
            SendError::Closed => f.write_str("the port is closed"),
            SendError::Os(code) => write!(f, "the operating system refused the frame (error {code})"),
        }
    }
}

impl core::error::Error for SendError {}

/// Why nothing could be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// So many frames were lost before they could be read; reading goes on with the next one.
    Overrun { lost: u32 },
    /// Input that is no frame; it was skipped and counted.
    Malformed,
    /// The controller has taken itself off the bus.
    BusOff,
    /// The port is closed or its device has gone: reopen it.
    Closed,
    /// The operating system refused; its error number.
    Os(i32),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Overrun { lost } => write!(f, "{lost} frames lost before they could be read"),
            ReceiveError::Malformed => f.write_str("received bytes that are no frame"),
            ReceiveError::BusOff => f.write_str("the controller is bus-off: check wiring and bit rate"),
            ReceiveError::Closed => f.write_str("the port is closed"),
            ReceiveError::Os(code) => write!(f, "the operating system refused to read (error {code})"),
        }
    }
}

impl core::error::Error for ReceiveError {}

/// The host's end of one bus. Every implementation passes the suite in `conformance`.
pub trait Port {
    /// Queues one frame, or refuses it and counts. Never blocks.
    fn send(&mut self, frame: &CanFrame) -> Result<(), SendError>;
    /// The oldest frame that has arrived, or nothing. Never blocks; a port does not hear itself.
    fn receive(&mut self) -> Result<Option<Received>, ReceiveError>;
    /// What it can carry.
    fn capabilities(&self) -> Capabilities;
    /// Totals since it was opened.
    fn counters(&self) -> PortCounters;
}
