//! Control tick by tick: who may move the robot, which state follows which, and what the joints are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod allocation;
mod arbiter;
mod continuity;
mod policy;
mod rig;
mod slots;
mod states;
mod stopping;
