//! The way to another machine, simulated: delay, loss and cuts drawn from (seed, step, message), the same in both
//! compositions.
use std::collections::VecDeque;

use sinew_bus::SplitMix64;
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{Policy, Remote, RunTime};
use sinew_wire::{PolicyCommand, RobotState};

use super::policy::{LatencyMismatch, OffboardPolicy};
use super::results::hear_results;
use super::states::StatesMessage;
use super::{MAX_OFFBOARD_MESSAGE, OffboardPlan};

/// Direction of a message.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Out = 1,
    Back = 2,
}

/// What a message has to get through.
#[derive(Clone, Debug)]
struct LossyWay {
    seed: u64,
    loss: f64,
    /// Steps from which to which nothing passes.
    cuts: Vec<(u64, u64)>,
}

impl LossyWay {
    /// Does message `index` of those that leave at `step` arrive?
    fn passes(&self, direction: Direction, step: u64, index: u64) -> bool {
        let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let mut random = SplitMix64::new(self.seed ^ mixed ^ ((direction as u64) << 56));
        let cut = self.cuts.iter().any(|(from, to)| (*from..*to).contains(&step));
        !cut && random.unit() >= self.loss
    }
}

/// The other machine and the way there and back.
pub struct SimulatedOffboard {
    there: OffboardPolicy,
    way: LossyWay,
    delay_ticks: u64,
    wait_ticks: u64,
    message: StatesMessage,
    bytes: Vec<u8>,
    /// Messages on their way back with their step of arrival.
    under_way: VecDeque<(u64, Vec<u8>)>,
    /// Buffers of messages that have arrived.
    spare: Vec<Vec<u8>>,
    /// Of one message.
    heard: Vec<PolicyCommand>,
}

impl SimulatedOffboard {
    /// `policy` runs over there, for a robot that ticks every `period_ns` and uses results `latency_ticks` after their
    /// state; `cuts` in steps.
    ///
    /// # Errors
    /// A policy that wants its results used later.
    pub fn new(
        plan: &OffboardPlan,
        policy: Policy,
        seed: u64,
        period_ns: u64,
        latency_ticks: u32,
        cuts: Vec<(u64, u64)>,
    ) -> Result<Self, LatencyMismatch> {
        LatencyMismatch::check(policy.model_name(), policy.latency_ticks(), latency_ticks)?;
        Ok(Self {
            there: OffboardPolicy::new(policy),
            way: LossyWay { seed, loss: plan.loss, cuts },
            delay_ticks: (plan.delay_ms * 1e6 / period_ns as f64).ceil() as u64,
            wait_ticks: plan.wait_ticks,
            message: StatesMessage::new(latency_ticks),
            bytes: Vec::with_capacity(MAX_OFFBOARD_MESSAGE),
            under_way: VecDeque::new(),
            spare: Vec::new(),
            heard: Vec::with_capacity(MAX_AHEAD),
        })
    }

    /// Sends `state` and gives `remote` what is back in time for it; `clock`: where its gait clock stands.
    pub fn exchange(&mut self, state: &RobotState, clock: Option<f64>, remote: &mut Remote) {
        let step = state.header.step;
        self.message.push(state, clock);
        self.message.encode(&mut self.bytes);
        if self.way.passes(Direction::Out, step, 0) && self.there.hear(&self.bytes) == Ok(true) {
            let (leaves, arrives) = (step + self.delay_ticks, step + 2 * self.delay_ticks);
            let Self { there, way, under_way, spare, .. } = self;
            let mut index = 0;
            // Wall time means nothing here.
            there.answer(RunTime::Unjudged, |message| {
                if way.passes(Direction::Back, leaves, index) {
                    let mut bytes = spare.pop().unwrap_or_else(|| Vec::with_capacity(MAX_OFFBOARD_MESSAGE));
                    bytes.clear();
                    bytes.extend_from_slice(message);
                    under_way.push_back((arrives, bytes));
                }
                index += 1;
            });
        }
        while self.under_way.front().is_some_and(|(at, _)| *at <= step + self.wait_ticks) {
            let Some((arrival, bytes)) = self.under_way.pop_front() else { break };
            // Bytes arrive as they left, and what is refused is counted where it is refused.
            hear_results(&bytes, &mut self.heard, remote, arrival).ok();
            self.spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
