//! The digital twin: the robot as its buses see it, and what really happened.
//!
//! [`Twin`] owns a [`Physics`] engine, one virtual bus per bus of the robot with an emulator of every device
//! on it, scripted disturbances ([`WorldEvent`]) and the ground truth ([`Truth`]). The stack reaches it only
//! through CAN frames; nothing in the stack reads truth. Engines: rapier here ([`RapierPhysics`]); others
//! implement [`Physics`] and pass [`conformance`].
//! Safe to touch: engines behind the trait, events, what truth records. With care: the order of
//! steps in `twin.rs`, the streams in `seed.rs` and the bytes fed in `record.rs`: they are the run's hash.
//! Pure: no IO, no clock, no threads; step time comes in by counting. No allocation of our own per step.
//! Invariant: the same robot, seed, events and host frames give the same truth and replies, bit for bit.

pub mod conformance;
mod event;
mod harness;
mod imu;
mod physics;
mod rapier;
mod record;
mod rotation;
mod seed;
mod settings;
mod start;
mod truth;
mod twin;
mod wiring;

pub use event::{EventError, WorldEvent};
pub use imu::ImuTruth;
pub use physics::{BasePose, BaseTruth, FootTruth, GRAVITY_M_S2, Physics, StateError, check_state};
pub use rapier::{ModelError, RapierConfig, RapierPhysics, RobotNames};
pub use seed::{Stream, within};
pub use settings::{ExchangeError, TwinConfig, TwinError};
pub use start::StartError;
pub use truth::{JointTruthRecord, PushMark, Truth};
pub use twin::{HostFrames, Replies, Twin};
pub use wiring::{DEVICES_PER_BUS, WiringError};
