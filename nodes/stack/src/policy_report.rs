//! What a policy node has to say about a run, beside its targets.
use serde::{Deserialize, Serialize};
use sinew_policy::{RemoteRefusal, Slot, SwapOutcome};

/// Everything, as one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct PolicyReport {
    /// Runs beyond their deadline.
    pub deadline_missed: u64,
    /// The longest row of them.
    pub deadline_missed_in_row: u32,
    /// Largest step of a joint's target that left in a hand-over, from one run to the next, rad.
    pub transition_step_rad: f32,
    /// By how much any was beyond the transition limits, rad, measured on what left; above rounding a hand-over failed.
    pub transition_excess_rad: f32,
    /// The last swap.
    pub swap: Option<SwapReport>,
    /// Use of another machine.
    pub offboard: Option<OffboardReport>,
}

/// How a swap ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct SwapReport {
    /// `done` or `refused`.
    pub outcome: String,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Runs in which old and new were compared.
    pub shadow_runs: u32,
    /// Largest difference of any joint target, rad.
    pub max_difference_rad: f32,
    /// Largest difference per joint, rad, in the robot's order.
    pub max_rad: Vec<f32>,
    /// Root mean square per joint, rad.
    pub rms_rad: Vec<f64>,
}

/// What came of results of another machine.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct OffboardReport {
    /// Runs for which a result was asked.
    pub asked: u64,
    /// Observations whose result was kept.
    pub kept: u64,
    /// Share of runs without a result of their own.
    pub loss: f64,
    /// Refused results by reason; reasons that did not occur are left out.
    pub refused: Vec<(String, u64)>,
    pub remote_runs: u64,
    /// Of these: with a result older than their own observation.
    pub held_runs: u64,
    pub local_runs: u64,
    /// The fallback took over so often.
    pub fallbacks: u64,
    /// The other machine took over so often.
    pub returns: u64,
    /// Runs in which it was held back because it differed too much.
    pub disagreed: u64,
    /// Greatest age of a result in use, step time, ms.
    pub age_max_ms: f64,
    /// From observation to arrival, step time, ms.
    pub round_trip_mean_ms: f64,
    pub round_trip_max_ms: f64,
}

impl SwapReport {
    /// Of a swap that is refused before anything has run.
    #[must_use]
    pub fn refused(reason: &str) -> Self {
        Self { outcome: "refused".into(), reason: Some(reason.into()), ..Self::default() }
    }

    /// Of a swap that has ended.
    #[must_use]
    pub fn of(outcome: &SwapOutcome) -> Self {
        let (word, reason, difference) = match outcome {
            SwapOutcome::Done(difference) => ("done", None, difference),
            SwapOutcome::Refused(refusal, difference) => ("refused", Some(refusal.to_string()), difference),
        };
        Self {
            outcome: word.into(),
            reason,
            shadow_runs: difference.runs,
            max_difference_rad: difference.worst_rad(),
            max_rad: difference.max_rad.to_vec(),
            rms_rad: difference.rms_rad().collect(),
        }
    }
}

impl PolicyReport {
    /// Of `slot`, with the report of its last swap.
    #[must_use]
    pub fn of(slot: &Slot, swap: Option<SwapReport>) -> Self {
        let deadline = slot.deadline();
        Self {
            deadline_missed: deadline.missed,
            deadline_missed_in_row: deadline.longest_row,
            transition_step_rad: slot.largest_steps().step_rad,
            transition_excess_rad: slot.largest_steps().excess_rad,
            swap,
            offboard: slot.remote().map(|remote| OffboardReport::of(remote.counters())),
        }
    }
}

impl OffboardReport {
    fn of(counters: &sinew_policy::remote::RemoteCounters) -> Self {
        let ms = |ns: u64| ns as f64 * 1e-6;
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let refused = RemoteRefusal::ALL.iter().zip(counters.refused).filter(|(_, count)| *count > 0);
        Self {
            asked: counters.asked,
            kept: counters.kept,
            loss: share(counters.asked.saturating_sub(counters.kept), counters.asked),
            refused: refused.map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
            remote_runs: counters.remote_runs,
            held_runs: counters.held_runs,
            local_runs: counters.local_runs,
            fallbacks: counters.fallbacks,
            returns: counters.returns,
            disagreed: counters.disagreed,
            age_max_ms: ms(counters.age_max_ns),
            round_trip_mean_ms: ms(counters.round_trip_sum_ns) / counters.kept.max(1) as f64,
            round_trip_max_ms: ms(counters.round_trip_max_ns),
        }
    }
}
