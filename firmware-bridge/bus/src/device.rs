//! The device side of a bus: what hears frames and answers them.

use crate::CanFrame;

/// A device on the wire: a real one's stand-in in simulation, or the firmware of a real one.
pub trait Device {
    /// One frame arrived at the device; `at_ns` is the bus time at which the frame ended. Replies are
    /// pushed in the order in which the device queues them; the bus bounds how many it takes and counts
    /// the rest. Must be total: any frame of the bus arrives here, also those meant for others.
    fn on_frame(&mut self, frame: &CanFrame, at_ns: u64, reply: &mut dyn FnMut(CanFrame));
}
