//! Policy: from what control knows about the robot to where a model wants its joints.
//!
//! ```text
//! RobotState ─▶ joint map ─▶ observation (terms, history, phase) ─▶ engine ─▶ action ─▶ joint map ─▶ PolicyCommand
//!  robot order   by name      policy order, as the manifest says                scale, offset     robot order
//! ```
//! A pure core: `step(state, now)` gives a frame each time; no clock, no file, no allocation after `new`.
//! Joints are mapped by name both ways, and [`verify`] proves the whole chain on golden vectors that speak of
//! the robot, so an exchanged joint is refused before torque.
//!
//! May be touched: term kinds (with the manifest), what resets, what `check` reports.
//! Invariant: targets leave only for the activation they were computed for, all finite, or none leave at all.

mod action;
pub mod check;
mod chunk;
mod clock;
mod command;
mod deadline;
mod excitation;
pub mod explain;
mod explain_memory;
mod explained;
mod fault;
mod joint_map;
mod noise;
mod observation;
mod policy;
mod provider;
mod range_watch;
mod recurrent;
pub mod remote;
mod rotation;
mod sample;
mod setup;
mod slot;
mod step_watch;
mod succession;
pub mod swap;
mod term_memory;
pub mod transition;
mod verify;

pub use check::{Built, Check, CheckReport, EngineBuilder, Outcome, Site, check};
pub use chunk::{ChunkBuffer, ChunkReading, ChunkRefusal};
pub use deadline::{Deadline, DeadlineCounters, RunTime};
pub use explain::{Row, explain};
pub use explain_memory::{Memory, MemoryKind, memories};
pub use explained::Explained;
pub use fault::{PolicyCounters, PolicyFault};
pub use joint_map::{JointMap, JointMapError};
pub use policy::Policy;
pub use remote::{Remote, RemoteConfig, RemoteRefusal};
pub use setup::{PolicyConfig, PositionError, SetupError};
pub use slot::{Slot, SlotConfig};
pub use step_watch::Largest;
pub use swap::{SwapOutcome, SwapRefusal, SwapRequest, SwapStage};
pub use transition::Transition;
pub use verify::{GoldenColumns, GoldenFailure, GoldenReport, verify};
