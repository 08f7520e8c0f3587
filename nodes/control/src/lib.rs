//! The tick: from one `ActuatorState` to one `ActuatorCommand` and one `RobotState`, in one call without IO.
//!
//! estimator ▸ arbiter ([`Arbiter`]) ▸ state machine (`guard`'s table) ▸ motion ([`Move`], [`StandController`],
//! [`PolicySlots`]) ▸ blend ▸ guard. [`Control::tick`] reads top to bottom in that order.
//!
//! What may be touched here: how a state of the robot is carried out. Which state may follow which is data in
//! `guard`; what a legal command is, too. Invariant: every command that leaves has passed `guard::saturate`,
//! and no path leads around it.
mod arbiter;
mod arming;
mod blend;
mod config;
mod degrade;
mod faults;
mod feet;
mod frames;
mod motion;
mod policy_slots;
mod posture;
mod ramp;
mod stand;
mod tick;

pub use arbiter::{Arbiter, MotionSource};
pub use config::{ConfigError, ControlConfig, PolicyTiming, StandGains};
pub use degrade::{Degrade, MISSED_MAX_NS, Missed, OnMiss};
pub use policy_slots::PolicySlots;
pub use posture::Move;
pub use stand::StandController;
pub use tick::{Control, Counters, Inputs};
