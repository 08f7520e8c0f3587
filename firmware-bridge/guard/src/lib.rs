//! What stands between a command and a motor: acceptance, saturation, timeout ladder, fault and state tables.
//!
//! The same code runs in control (before it sends), in the bridge (before the bus) and in a microcontroller
//! gateway, so a rule is written once. What may be touched here: a limit, a rung, a row of a table; each change
//! shows up in README.md, which is drawn from these tables and compared with them by a test. `no_std`, no heap, no
//! panic, f32; time comes in as [`sinew_wire::StepTime`], nothing here has a clock.
//!
//! The invariant: whatever comes in, what goes out is within the joint's limits, is never older than T2 while it
//! still pushes, and guarding it twice changes nothing, bit for bit.
#![no_std]

pub mod accept;
pub mod fault;
pub mod guards;
pub mod joint_limits;
pub mod ladder;
pub mod limits;
pub mod link;
pub mod margin;
pub mod mode_set;
mod reduce;
pub mod render;
pub mod robot_machine;
pub mod saturate;
pub mod timing;

pub use accept::{Acceptor, REFUSALS, RING, Writer, starts_at_measured};
pub use fault::{FAULTS, Fault, FaultRow, FaultSet, Latch, Severity, Side, worst};
pub use guards::Guards;
pub use joint_limits::{JointLimits, MAX_MAGNITUDE};
pub use ladder::Ladder;
pub use limits::{Limits, LimitsError};
pub use link::{LINK, LinkEvent, LinkRow, next as next_link};
pub use margin::{Margin, Reach};
pub use mode_set::ModeSet;
pub use render::render;
pub use robot_machine::{Outcome, ROBOT, RobotEvent, RobotRow, next as next_robot};
pub use saturate::{Measured, Saturation, predicted_torque_nm, saturate};
pub use timing::{MAX_PERIOD_NS, MAX_REST_NS, MAX_T1_NS, MAX_T2_NS, MAX_VALID_FOR_NS, Timing, TimingError};
