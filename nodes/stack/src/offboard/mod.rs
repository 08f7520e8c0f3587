//! A policy on another machine: what travels there and back, who answers it, and a way that delays and loses.
//!
//! ```text
//!   robot state ─▶ StatesMessage ─▶ bytes ─▶ OffboardPolicy ─▶ bytes, as many messages as a chunk needs ─▶ hear_results
//! ```
//! The shells put the bytes on a network, [`SimulatedOffboard`] takes them through delay, loss and cuts; both ends are
//! the same code.
#[cfg(test)]
mod long_chunk;
mod policy;
mod results;
mod simulated;
mod states;

use serde::Deserialize;

pub use policy::{LatencyMismatch, OffboardPolicy, Unheard};
pub use results::{ResultsMessageError, hear_results};
pub use simulated::SimulatedOffboard;
pub use states::{STATES_PER_MESSAGE, StatesMessage, StatesMessageError};

/// Longest message either way, bytes.
pub const MAX_OFFBOARD_MESSAGE: usize = 4096;

/// A scenario's link to another machine.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OffboardPlan {
    /// Manifest that runs there, by file stem; the scenario's own policy is the fallback.
    pub model: String,
    /// Each way, ms.
    pub delay_ms: f64,
    /// Probability that a message is lost, each way and each of its own.
    pub loss: f64,
    /// Ticks the local node waits for the result of a state before it sends; below the policy's latency.
    pub wait_ticks: u64,
    /// Age up to which a result may be used, ms.
    pub max_age_ms: f64,
}
