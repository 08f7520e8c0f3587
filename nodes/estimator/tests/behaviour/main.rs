//! What a user of the estimator would notice, on synthetic motion with known truth.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod health;
mod leg;
mod properties;
mod soak;
mod standstill;
mod still;
mod walk;
mod world;
