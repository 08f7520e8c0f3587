//! Everything between a pure core and the operating system's sense of time: real-time threads, hand-over
//! between threads, clocks, accounting, and the Zenoh fast path between the processes of one robot.
//!
//! What may be touched here: how a thread waits, how bytes cross to another thread or process, what is
//! measured on the way. Not what the bytes say (`msgs/wire`) nor what is decided from them (the cores).
//! The invariant: nothing a real-time thread calls per cycle ([`ring::Producer::push`], [`slot`], `recv`,
//! [`clock`], [`histogram`]) allocates, locks, logs, or waits for another party beyond the deadline it gave.
//!
//! A shell builds in this order: [`thread::adopt`] or [`thread::spawn`], [`fast_path::FastPath::open`],
//! publishers and subscriptions, then `announce`, then `wait_for_peers`.

pub mod account;
pub mod clock;
pub mod fast_path;
pub mod frame_queue;
pub mod histogram;
mod memory;
pub mod report;
pub mod ring;
pub mod slot;
mod sys;
pub mod thread;
pub mod ticker;
pub mod wake;
