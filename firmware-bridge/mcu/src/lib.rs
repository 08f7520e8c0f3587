//! A motor gateway for a microcontroller: the last guard before the drives, in one static library.
//!
//! It is the bridge's cycle over one CAN bus, reduced to what must be there when the host is not: decode, accept,
//! saturate, ladder, drive frames, state. What may be touched here: the order of one cycle (`gateway`), the drive's
//! view of a joint (`drive`), the C interface (`abi`, the only unsafe code). The rules live in `guard`, the bytes in
//! `wire` and `devices`. No clock: the firmware's timer says which step it is. No heap, no panic on any input.
//!
//! The invariant: a drive is sent torque only while a granted writer's command is younger than T2, within limits.
#![cfg_attr(not(test), no_std)]

mod abi;
mod drive;
mod gateway;
#[cfg(test)]
mod tests;

pub use abi::*;

/// Nothing here panics on purpose. If it does, the gateway stops where it is: no frame feeds the drives any more,
/// and their own watchdogs switch them off.
#[cfg(not(test))]
#[panic_handler]
fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
