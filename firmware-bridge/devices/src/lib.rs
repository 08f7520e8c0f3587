//! The device room: what the bytes on a bus mean, one module per family, host side and device side.
//!
//! Touch here: codecs, scaling tables, registers, and the emulators that speak the same codecs from the
//! other end. Do not touch here: when a frame is sent (`bridge`), whether it may be sent (`guard`), how
//! it travels (`bus`, `ports`). Adding a family means a module, its published byte vectors and an
//! emulator. Families: `mit` (mini-cheetah packing), `damiao` (the DM-J profile of it), `imu` and `foot`
//! (our small sensor protocol).
//!
//! `no_std`, no allocation. Feature `emulator` adds the simulated devices.
//!
//! Invariant: decoders are total (any bytes give a value or an error, never a panic) and encoders refuse
//! what is not finite; what is finite is saturated exactly as the vendor's own driver does it.
#![no_std]

pub mod damiao;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
pub mod foot;
pub mod imu;
pub mod mit;

pub use error::{DecodeError, EncodeError};
