//! The bus room: what a CAN frame is, how long it occupies the wire, how full a bus may be, and the
//! two traits at its ends: [`Port`] for the host, [`Device`] for whatever answers.
//!
//! Touch here: frame rules, bit-time arithmetic, the load limit, the port conformance suite, the
//! virtual bus. Do not touch here: what the bytes mean (that is `devices`) and how a kernel or a
//! serial line carries them (that is `ports`).
//!
//! `no_std`, no allocation, no clock: every time is handed in as nanoseconds of bus time.
//! Features: `virtual` adds the simulated bus, `conformance` the suite that each port must pass.
//!
//! Invariant: a [`CanFrame`] that exists is one a controller could send: its identifier and its
//! length are legal, so nothing behind it checks them again.
#![no_std]

pub mod bit_time;
mod budget;
#[cfg(feature = "conformance")]
pub mod conformance;
mod device;
mod frame;
mod loopback;
mod port;
mod random;
#[cfg(feature = "virtual")]
mod virtual_bus;

pub use bit_time::{BitRates, FrameShape};
pub use budget::{Budget, LOAD_LIMIT, OverBudget, Pair};
pub use device::Device;
pub use frame::{CanFrame, CanId, FrameError};
pub use loopback::{LOOPBACK_QUEUE, Loopback, LoopbackEnd};
pub use port::{Capabilities, Port, PortCounters, ReceiveError, Received, SendError};
pub use random::SplitMix64;
#[cfg(feature = "virtual")]
pub use virtual_bus::{BusCounters, BusFaults, TO_HOST, ToHost, VirtualBus, VirtualBusConfig};
