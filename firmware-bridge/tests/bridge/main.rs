//! The bridge on simulated buses: what a drive is told, what a commander is answered, and what nobody gets through.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod allocation;
mod arming;
mod estop;
mod ladder;
mod limits;
mod rig;
mod sensors;
mod start_up;
