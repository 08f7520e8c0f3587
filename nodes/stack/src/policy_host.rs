//! A policy slot under a scenario: which runs come too late, when it is swapped, what runs elsewhere.
use std::collections::VecDeque;

use sinew_policy::{Policy, Remote, RemoteConfig, RunTime, Slot, SwapRequest};
use sinew_wire::{PolicyCommand, RobotState, StepTime};

use crate::offboard::SimulatedOffboard;
use crate::policy_report::{PolicyReport, SwapReport};
use crate::scenario::{Event, Scenario};
use crate::setup::{Setup, SetupError};

/// A policy number with everything a scenario does to it.
pub struct PolicyHost {
    slot: Slot,
    /// First step and number of runs that come too late.
    late: Vec<(u64, u64)>,
    swaps: VecDeque<PlannedSwap>,
    offboard: Option<SimulatedOffboard>,
    swap_report: Option<SwapReport>,
    /// The report has not been asked for yet.
    swap_news: bool,
}

struct PlannedSwap {
    step: u64,
    /// Made ready before the run, so that loading takes no step time; or why it could not be.
    incoming: Result<Policy, String>,
    request: SwapRequest,
}

impl PolicyHost {
    /// Policy `number` of `setup` as `scenario` has it, if there is one; what a scenario does is done to policy 0.
    ///
    /// # Errors
    /// Why the policy does not fit this robot. A model for a swap that does not fit is refused at its time.
    pub fn new(
        setup: &Setup,
        scenario: Option<&Scenario>,
        number: usize,
        boot_id: u32,
    ) -> Result<Self, SetupError> {
        let policy = setup.policy(number, boot_id)?;
        let period_ns = setup.robot.period_ns;
        let decimation = policy.decimation();
        let config = setup.slot_config(number, decimation);
        let latency_ticks = config.latency_ticks;
        let mut host = Self {
            slot: Slot::new(policy, config),
            late: Vec::new(),
            swaps: VecDeque::new(),
            offboard: None,
            swap_report: None,
            swap_news: false,
        };
        let Some(scenario) = scenario.filter(|_| number == 0) else { return Ok(host) };
        let step = |s: f64| (s * 1e9 / period_ns as f64).round() as u64;
        let mut incoming = setup.incoming.iter();
        let mut cuts = Vec::new();
        for event in &scenario.events {
            match event {
                Event::PolicyLate { at_s, runs } => {
                    host.late.push((step(*at_s), u64::from(*runs) * decimation));
                }
                Event::Swap { at_s, shadow_ticks, blend_s, max_difference_rad, .. } => {
                    let built = match incoming.next() {
                        Some(Ok(model)) => setup.policy_of(model, number, boot_id).map_err(|e| e.to_string()),
                        Some(Err(reason)) => Err(reason.clone()),
                        None => Err("the model was not loaded".to_owned()),
                    };
                    let runs = |ticks: u64| u32::try_from(ticks.div_ceil(decimation)).unwrap_or(u32::MAX);
                    let request = SwapRequest {
                        shadow_runs: runs(*shadow_ticks),
                        blend_runs: runs(step(*blend_s)),
                        max_difference_rad: *max_difference_rad as f32,
                    };
                    host.swaps.push_back(PlannedSwap { step: step(*at_s), incoming: built, request });
                }
                Event::OffboardCut { at_s, for_s } => cuts.push((step(*at_s), step(at_s + for_s))),
                _ => {}
            }
        }
        host.swaps.make_contiguous().sort_by_key(|swap| swap.step);
        if let (Some(plan), Some(model)) = (&scenario.offboard, &setup.offboard) {
            let there = setup.policy_of(model, number, boot_id)?;
            let way = SimulatedOffboard::new(plan, there, scenario.seed, period_ns, latency_ticks, cuts)?;
            host.offboard = Some(way);
            let config = RemoteConfig {
                max_age_ns: (plan.max_age_ms * 1e6) as u64,
                ..RemoteConfig::of(model.wire_hash())
            };
            host.slot.set_remote(setup.remote(config, number));
        }
        Ok(host)
    }

    /// The policy in use.
    pub fn policy(&self) -> &Policy {
        self.slot.policy()
    }

    /// The slot, for what a script does not say.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Answers one robot state with one frame, see [`Slot::step`].
    pub fn step(&mut self, state: &RobotState, now: StepTime) -> PolicyCommand {
        let step = state.header.step;
        while self.swaps.front().is_some_and(|swap| swap.step <= step) {
            let Some(swap) = self.swaps.pop_front() else { break };
            let begun = swap.incoming.and_then(|incoming| {
                self.slot.begin_swap(incoming, swap.request).map_err(|refusal| refusal.to_string())
            });
            self.swap_report = begun.err().map(|reason| SwapReport::refused(&reason));
            self.swap_news = self.swap_report.is_some();
        }
        let due = self.slot.policy().due(step) && state.body.active_policy == self.slot.policy().number();
        if let Some(offboard) = self.offboard.as_mut().filter(|_| due) {
            let clock = self.slot.policy().gait_phase_rad(state);
            if let Some(remote) = self.slot.remote_mut() {
                serve_and_exchange(remote, offboard, state, clock);
            }
        }
        let frame = self.slot.step(state, now);
        if let Some(outcome) = self.slot.take_outcome() {
            self.swap_report = Some(SwapReport::of(&outcome));
            self.swap_news = true;
        }
        frame
    }

    /// As [`Slot::judge`]: `took_us` of wall time where that counts; the script's late runs come on top.
    pub fn judge(&mut self, frame: &mut PolicyCommand, took_us: Option<u32>) {
        let step = frame.header.step;
        let late = self.late.iter().any(|(from, ticks)| (*from..from + ticks).contains(&step));
        let time = if late { RunTime::TooLate } else { took_us.map_or(RunTime::Unjudged, RunTime::Took) };
        self.slot.judge(frame, time);
    }

    /// How the last swap ended, once.
    pub fn take_swap_news(&mut self) -> Option<SwapReport> {
        std::mem::take(&mut self.swap_news).then(|| self.swap_report.clone()).flatten()
    }

    /// The run so far.
    #[must_use]
    pub fn report(&self) -> PolicyReport {
        PolicyReport::of(&self.slot, self.swap_report.clone())
    }
}

fn serve_and_exchange(
    remote: &mut Remote,
    offboard: &mut SimulatedOffboard,
    state: &RobotState,
    clock: Option<f64>,
) {
    remote.serve(state);
    offboard.exchange(state, clock, remote);
}
