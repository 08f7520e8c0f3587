//! The whole robot in one thread without a socket: scenarios, campaigns, replay, property tests.
//!
//! [`Stack`] composes the cores of bridge, control, policy and twin and passes encoded frames between them, step by
//! step, exactly as the processes do over their sockets; the same seed gives the same hash in both. What both
//! compositions need lives here and the shells use it too: the scripted [`Operator`], the [`LinkFilter`] that
//! impairs a link on purpose, the [`Inbox`] that sorts what is due, the [`Scenario`] file and its [`Score`].
//!
//! What may be touched here: how cores are composed and judged. What a core does belongs to its room.
//! Invariant: nothing here reads a clock or a socket; equal inputs give equal bits.
mod check;
mod choice;
mod engine;
mod events;
mod inbox;
mod inline;
mod link_filter;
mod meters;
mod models;
mod offboard;
mod operator;
mod policy_engine;
mod policy_host;
mod policy_report;
mod scenario;
mod score;
mod script;
mod setup;
mod target_meter;
mod trace;

pub use choice::{Choice, RobotEntries, RobotEntry};
pub use engine::{BuiltIn, Engine, EngineError, Engines};
pub use events::{ProcessEvent, ScheduledEvent, resolve};
pub use inbox::Inbox;
pub use inline::{Outcome, Stack, StackError};
pub use link_filter::{Delivery, LinkFilter};
pub use meters::{Meters, Part, Unmetered};
pub use models::Models;
pub use offboard::{
    LatencyMismatch, MAX_OFFBOARD_MESSAGE, OffboardPlan, OffboardPolicy, ResultsMessageError,
    STATES_PER_MESSAGE, SimulatedOffboard, StatesMessage, StatesMessageError, Unheard, hear_results,
};
pub use operator::{Goal, Operator};
pub use policy_engine::{MakeEngine, native_engine};
pub use policy_host::PolicyHost;
pub use policy_report::{OffboardReport, PolicyReport, SwapReport};
pub use scenario::{
    BodyVelocity, Event, Expect, LinkFault, Participant, Scenario, ScenarioError, Segment, Segments,
};
pub use score::{Score, Scorer};
pub use script::Script;
pub use setup::{LockstepPlan, Participants, Setup, SetupError};
pub use target_meter::TargetMeter;
pub use trace::{StepTrace, Trace};
