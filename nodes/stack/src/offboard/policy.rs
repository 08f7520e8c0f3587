//! The other machine: messages of states in, messages of results out.
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{Deadline, DeadlineCounters, Policy, RunTime};
use sinew_wire::{PolicyCommand, PolicyFlags, PolicyStatus, StepTime};

use super::MAX_OFFBOARD_MESSAGE;
use super::results::encode_results;
use super::states::{StatesMessage, StatesMessageError};

/// The model that runs there wants its results used later than the robot uses them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "model {model} declares runtime.latency_ticks = {declared}; the robot uses results {used} ticks after their state; start it with latency_ticks {declared} or more, or export the model for fewer"
)]
pub struct LatencyMismatch {
    /// Name of the model.
    pub model: String,
    /// Control ticks, by its manifest.
    pub declared: u32,
    /// Control ticks, as the robot was started.
    pub used: u32,
}

impl LatencyMismatch {
    /// # Errors
    /// When a model that declares so many ticks is too late for a robot that uses results after `used`.
    pub fn check(model: &str, declared: u32, used: u32) -> Result<(), Self> {
        if declared <= used { Ok(()) } else { Err(Self { model: model.to_owned(), declared, used }) }
    }
}

/// Why a message has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// It is none; another may be.
    #[error(transparent)]
    Message(#[from] StatesMessageError),
    /// No message of this robot will have one.
    #[error(transparent)]
    Latency(#[from] LatencyMismatch),
}

/// A policy that answers a robot from another machine.
pub struct OffboardPolicy {
    policy: Policy,
    /// Control ticks from a state to the use of its result, as the robot says with its states.
    latency_ticks: Option<u32>,
    deadline: Deadline,
    /// The answer to the last message, and what its chunk has for later.
    results: Vec<PolicyCommand>,
    buffer: Vec<u8>,
    seq: u32,
}

impl OffboardPolicy {
    /// With `policy`, which bears the robot's number of it.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            deadline: Deadline::new(policy.deadline_ms()),
            policy,
            latency_ticks: None,
            results: Vec::with_capacity(MAX_AHEAD),
            buffer: Vec::with_capacity(MAX_OFFBOARD_MESSAGE),
            seq: 0,
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Control ticks from a state to the use of its result, as the robot has said last.
    #[must_use]
    pub fn latency_ticks(&self) -> Option<u32> {
        self.latency_ticks
    }

    /// What was counted about deadlines.
    #[must_use]
    pub fn deadline(&self) -> DeadlineCounters {
        self.deadline.counters()
    }

    /// Computes what is new in a message of states and answers the newest, with what a chunk has for the runs after it;
    /// false when there is no answer.
    ///
    /// A state that was missed comes with a later message, so that history and recurrent state have no hole; after a
    /// longer gap everything starts anew, with the gait clock where the robot's own stands.
    ///
    /// # Errors
    /// Bytes that are no such message, or a robot that uses results earlier than the model allows; nothing is computed
    /// then.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<bool, Unheard> {
        self.results.clear();
        let message = StatesMessage::decode(bytes)?;
        self.follow(message.latency_ticks())?;
        let mut newest = None;
        for (state, clock) in message.iter() {
            self.policy.start_gait_at(clock);
            let frame = self.policy.step(state, StepTime::from_ns(state.header.t_sent_ns));
            newest = Some(frame).filter(|f| f.body.status() == PolicyStatus::Targets);
        }
        if let Some(frame) = newest {
            self.policy.look_ahead(&frame, &mut self.results);
        }
        Ok(!self.results.is_empty())
    }

    /// A robot that was started anew may use results at another time.
    fn follow(&mut self, latency_ticks: u32) -> Result<(), LatencyMismatch> {
        if self.latency_ticks != Some(latency_ticks) {
            LatencyMismatch::check(self.policy.model_name(), self.policy.latency_ticks(), latency_ticks)?;
            self.policy.set_latency_ticks_min(latency_ticks);
            self.latency_ticks = Some(latency_ticks);
        }
        Ok(())
    }

    /// Gives `send` each message of the last answer, in order; `time`: how long it took to compute.
    pub fn answer(&mut self, time: RunTime, send: impl FnMut(&[u8])) {
        if self.results.is_empty() {
            return;
        }
        let missed = self.deadline.judge(time);
        for frame in &mut self.results {
            self.seq = self.seq.wrapping_add(1);
            frame.header.seq = self.seq;
            if let RunTime::Took(us) = time {
                frame.body.run_us = us;
            }
            frame.body.flags |= if missed { PolicyFlags::DEADLINE_MISSED } else { 0 };
        }
        encode_results(&self.results, &mut self.buffer, send);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
    use super::super::long_chunk::{STEP_RAD, state, there};
    use super::super::results::decode_results;
    use super::*;

    fn message(run: u64, latency_ticks: u32) -> Vec<u8> {
        let (mut message, mut bytes) = (StatesMessage::new(latency_ticks), Vec::new());
        message.push(&state(run), None);
        message.encode(&mut bytes);
        bytes
    }

    /// The first target answered, in steps of the chunk.
    fn first(there: &mut OffboardPolicy, bytes: &[u8]) -> f32 {
        assert_eq!(there.hear(bytes), Ok(true));
        let (mut first, mut results) = (None, Vec::new());
        there.answer(RunTime::Unjudged, |message| {
            decode_results(message, &mut results).unwrap();
            first = first.or(Some(results[0].joints[0].q_rad / STEP_RAD));
        });
        first.unwrap()
    }

    #[test]
    fn results_are_for_the_tick_in_which_the_robot_says_it_uses_them() {
        // An element lasts ten ticks; the manifest declares two.
        let mut there = OffboardPolicy::new(there("replace_with_delay"));
        assert_eq!(there.latency_ticks(), None);
        for (run, ticks) in [(0, 2), (1, 8), (2, 8), (3, 20), (4, 2)] {
            let shown = first(&mut there, &message(run, ticks));
            assert!((shown - 0.1 * ticks as f32).abs() < 1e-4, "{ticks} ticks: {shown}");
            assert_eq!(there.latency_ticks(), Some(ticks));
        }
    }

    #[test]
    fn a_robot_that_uses_results_before_the_model_allows_gets_none() {
        let mut there = OffboardPolicy::new(there("replace_with_delay"));
        first(&mut there, &message(0, 2));
        let refusal = there.hear(&message(1, 1)).unwrap_err();
        let mismatch = LatencyMismatch { model: "long".to_owned(), declared: 2, used: 1 };
        assert_eq!(refusal, Unheard::Latency(mismatch));
        let said = refusal.to_string();
        assert!(said.contains("runtime.latency_ticks = 2") && said.contains("1 ticks after"), "{said}");
        there.answer(RunTime::Unjudged, |_| unreachable!("nothing is left of the answer before"));
        assert!(matches!(there.hear(&[0; 3]), Err(Unheard::Message(_))));
        // It was started anew.
        assert!((first(&mut there, &message(2, 4)) - 0.4).abs() < 1e-4);
    }
}
