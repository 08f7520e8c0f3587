//! The outer ends of a bus: what carries CAN frames out of this process.
//!
//! Today the virtual bus between processes: one unix datagram per lockstep message ([`BusMessage`]), between the
//! bridge ([`VirtualBusPort::host`]) and the twin ([`VirtualBusPort::device`]), in a directory that only the
//! robot's user can enter ([`RunDir`]).
//!
//! What may be touched here: sockets, their files, and the layout of the datagram. Not the meaning of a frame
//! (`devices`), nor its timing (`bus`, feature `virtual`).
//! The invariant: nothing blocks, and no byte is lost without a count: a datagram is sent whole or counted, taken
//! whole or counted.

mod codec;
mod message;
mod run_dir;
mod virtual_bus_port;

pub use codec::{DecodeError, MAX_MESSAGE_BYTES, decode, encode};
pub use message::{BusFrame, BusMessage, Kind, MAX_BUSES, MAX_FRAMES, PushError};
pub use run_dir::{RunDir, RunDirError};
pub use virtual_bus_port::{Delivery, MAX_SOCKET_PATH, OpenError, PortCounters, VirtualBusPort};
