//! The other machine: messages of states in, messages of results out.
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{Deadline, DeadlineCounters, Policy, RunTime};
use sinew_wire::{PolicyCommand, PolicyFlags, PolicyStatus, StepTime};

use super::MAX_OFFBOARD_MESSAGE;
use super::results::encode_results;
use super::states::{StatesMessage, StatesMessageError};

/// A policy that answers a robot from another machine.
pub struct OffboardPolicy {
    policy: Policy,
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
    /// Bytes that are no such message; nothing is computed then.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<bool, StatesMessageError> {
        self.results.clear();
        let message = StatesMessage::decode(bytes)?;
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
