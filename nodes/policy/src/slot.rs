//! One policy number of a robot: the policy in place, what comes after it, and what runs elsewhere.
//!
//! ```text
//!  RobotState ─▶ policy in place ─▶ swap (shadow, blend) ─▶ other machine or fallback ─▶ transition ─▶ PolicyCommand
//! ```
//! Invariant: whatever changes behind it, no joint target that leaves in a hand-over steps above the transition limits,
//! and what leaves belongs to the activation of the state it answers.
use sinew_wire::{PolicyCommand, PolicyFlags, PolicyStatus, RobotState, StepTime};

use crate::deadline::{Deadline, DeadlineCounters, RunTime};
use crate::policy::Policy;
use crate::remote::{Choice, Remote};
use crate::step_watch::{Largest, Origin, StepWatch, Wanted};
use crate::swap::{Shadowed, Swap, SwapOutcome, SwapRefusal, SwapRequest, SwapStage, check};
use crate::transition::{Targets, Transition};

/// What a slot needs to know of its robot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotConfig {
    /// What each robot joint could follow from one run to the next, rad; see [`Transition`].
    pub transition_rad: Vec<f32>,
    /// Latency that control was started for, ticks; a new policy may not need more.
    pub latency_ticks: u32,
}

/// Whose frame leaves in a run, and who is heard beside it.
struct Sources {
    new: Origin,
    old: Option<(Origin, Targets)>,
}

impl Sources {
    /// `new` takes over from whoever had the frame; `old`: what that one wants.
    fn hand_over(&mut self, new: Origin, old: Option<Targets>) {
        self.old = old.map(|old| (self.new, old));
        self.new = new;
    }
}

/// The policy node's core.
pub struct Slot {
    policy: Policy,
    swap: Option<Swap>,
    outcome: Option<SwapOutcome>,
    retired: Option<Policy>,
    remote: Option<Remote>,
    transition: Transition,
    steps: StepWatch,
    /// Swaps done.
    swaps: u32,
    deadline: Deadline,
    latency_ticks: u32,
    /// (control's boot, activation) of the last run.
    epoch: Option<(u32, u32)>,
    seq: u32,
}

impl Slot {
    /// With `policy` in place.
    #[must_use]
    pub fn new(policy: Policy, config: SlotConfig) -> Self {
        Self {
            deadline: Deadline::new(policy.deadline_ms()),
            policy,
            swap: None,
            outcome: None,
            retired: None,
            remote: None,
            steps: StepWatch::new(config.transition_rad.clone()),
            swaps: 0,
            transition: Transition::new(config.transition_rad),
            latency_ticks: config.latency_ticks,
            epoch: None,
            seq: 0,
        }
    }

    /// Results of another machine drive while they may be used; the policy in place becomes the fallback. Once, before the
    /// first run: another one later would begin with the fallback without a hand-over.
    pub fn set_remote(&mut self, mut remote: Remote) {
        remote.follow(&self.policy);
        self.remote = Some(remote);
    }

    /// The policy in place.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The other machine, if there is one.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// To give it results.
    pub fn remote_mut(&mut self) -> Option<&mut Remote> {
        self.remote.as_mut()
    }

    /// What was counted about deadlines.
    #[must_use]
    pub fn deadline(&self) -> DeadlineCounters {
        self.deadline.counters()
    }

    /// Largest steps of any joint's target in hand-overs.
    #[must_use]
    pub fn largest_steps(&self) -> Largest {
        self.steps.largest()
    }

    /// Where a swap stands, if one is in progress.
    #[must_use]
    pub fn swap_stage(&self) -> Option<SwapStage> {
        self.swap.as_ref().map(|swap| swap.stage)
    }

    /// How the last swap ended, once.
    pub fn take_outcome(&mut self) -> Option<SwapOutcome> {
        self.outcome.take()
    }

    /// A policy that is not needed any more, so that whoever has time drops it.
    pub fn take_retired(&mut self) -> Option<Policy> {
        self.retired.take()
    }

    /// Begins to replace the policy in place by `incoming`, which is verified and bears the same number.
    ///
    /// # Errors
    /// What speaks against it before anything has run; `incoming` is then to be had from [`Slot::take_retired`].
    pub fn begin_swap(&mut self, incoming: Policy, request: SwapRequest) -> Result<(), SwapRefusal> {
        let fits = if self.swap.is_some() {
            Err(SwapRefusal::Busy)
        } else if self.remote.is_some() {
            Err(SwapRefusal::Offboard)
        } else {
            check(&self.policy, &incoming, &request, self.latency_ticks)
        };
        match fits {
            Ok(()) => self.swap = Some(Swap::new(incoming, request)),
            Err(_) => self.retired = Some(incoming),
        }
        fits
    }

    /// Answers one robot state with one frame, see [`Policy::step`].
    pub fn step(&mut self, state: &RobotState, now: StepTime) -> PolicyCommand {
        let clock = self.policy.gait_phase_rad(state);
        let mut frame = self.policy.step(state, now);
        self.seq = self.seq.wrapping_add(1);
        frame.header.seq = self.seq;
        if !self.policy.due(state.header.step) {
            return frame;
        }
        if state.body.active_policy != self.policy.number() {
            self.rest();
            return frame;
        }
        if frame.body.status() == PolicyStatus::Empty {
            return frame;
        }
        let epoch = (state.header.boot_id, state.body.activation);
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.transition.reset();
            self.steps.reset();
        }
        let mut sources = Sources { new: Origin::Policy(self.swaps), old: None };
        self.run_swap(state, now, clock, &mut frame, &mut sources);
        self.run_remote(state, &mut frame, &mut sources);
        if frame.body.status() == PolicyStatus::Targets {
            if self.transition.is_active() {
                frame.body.flags |= PolicyFlags::TRANSITION;
            }
            let mut wanted = Wanted::new();
            wanted.push((sources.new, frame.joints.clone()));
            self.transition.step(sources.old.as_ref().map(|(_, old)| old), &mut frame.joints);
            wanted.extend(sources.old);
            self.steps.measure(wanted, &frame.joints, self.transition.is_active());
        }
        frame
    }

    /// Tells how long the run behind `frame` took; an output that came too late to be used leaves without targets.
    pub fn judge(&mut self, frame: &mut PolicyCommand, time: RunTime) {
        if frame.body.status() != PolicyStatus::Targets {
            return;
        }
        if let RunTime::Took(us) = time {
            frame.body.run_us = us;
        }
        if self.deadline.judge(time) {
            frame.body.flags |= PolicyFlags::DEADLINE_MISSED;
        }
        if time == RunTime::TooLate {
            frame.body.status = PolicyStatus::Empty as u8;
            frame.joints.clear();
        }
    }

    /// Nobody follows this policy: a swap needs neither comparison nor blend.
    fn rest(&mut self) {
        self.epoch = None;
        self.transition.reset();
        self.steps.reset();
        if let Some(remote) = &mut self.remote {
            remote.rest();
        }
        match self.swap.as_ref().map(|swap| (swap.stage, swap.difference.runs)) {
            None => {}
            Some((SwapStage::Shadow, runs)) if runs > 0 => self.refuse_swap(SwapRefusal::Ended),
            Some(_) => self.commit_swap(),
        }
    }

    fn run_swap(
        &mut self,
        state: &RobotState,
        now: StepTime,
        clock: Option<f64>,
        frame: &mut PolicyCommand,
        sources: &mut Sources,
    ) {
        let Some(swap) = &mut self.swap else { return };
        if swap.has_ended((state.header.boot_id, state.body.activation)) {
            // This run's targets are the old one's; the new one would follow them with a step.
            self.refuse_swap(SwapRefusal::Ended);
            return;
        }
        swap.incoming.start_gait_at(clock);
        let mut new = swap.incoming.step(state, now);
        new.header = frame.header;
        match swap.stage {
            SwapStage::Shadow if frame.body.status() == PolicyStatus::Targets => {
                match swap.compare(frame, &new) {
                    Shadowed::Going => {}
                    Shadowed::Refused(refusal) => self.refuse_swap(refusal),
                    Shadowed::Enough => swap.stage = SwapStage::Blend,
                }
            }
            // The old one has failed by itself, and control is told so.
            SwapStage::Shadow => {}
            SwapStage::Blend if new.body.status() != PolicyStatus::Targets => {
                let reason = swap.incoming.fault().map_or_else(|| "empty".to_owned(), ToString::to_string);
                let run = swap.difference.runs + swap.blended + 1;
                self.transition.begin(swap.request.blend_runs);
                self.refuse_swap(SwapRefusal::Fault { run, reason });
            }
            SwapStage::Blend => {
                if swap.blended == 0 {
                    self.transition.begin(swap.request.blend_runs);
                }
                swap.blended += 1;
                let healthy = frame.body.status() == PolicyStatus::Targets;
                sources.hand_over(
                    Origin::Policy(self.swaps.wrapping_add(1)),
                    healthy.then(|| frame.joints.clone()),
                );
                *frame = new;
                if !healthy || swap.blended >= swap.request.blend_runs {
                    self.commit_swap();
                }
            }
        }
    }

    fn run_remote(&mut self, state: &RobotState, frame: &mut PolicyCommand, sources: &mut Sources) {
        let Some(remote) = &mut self.remote else { return };
        remote.serve(state);
        let pick = remote.pick(frame);
        if pick.changed {
            self.transition.begin(remote.blend_runs());
        }
        match (pick.choice, pick.frame) {
            (Choice::Remote, Some(theirs)) => {
                let header = frame.header;
                let healthy = frame.body.status() == PolicyStatus::Targets;
                sources.hand_over(Origin::Remote, healthy.then(|| frame.joints.clone()));
                *frame = theirs;
                frame.header = header;
                frame.body.flags |= PolicyFlags::OFFBOARD;
            }
            _ => frame.body.flags |= PolicyFlags::FALLBACK,
        }
    }

    fn refuse_swap(&mut self, refusal: SwapRefusal) {
        if let Some(swap) = self.swap.take() {
            self.outcome = Some(SwapOutcome::Refused(refusal, swap.difference));
            self.retired = Some(swap.incoming);
        }
    }

    fn commit_swap(&mut self) {
        if let Some(mut swap) = self.swap.take() {
            self.swaps = self.swaps.wrapping_add(1);
            swap.incoming.start_gait_at(None);
            self.deadline.set_limit_ms(swap.incoming.deadline_ms());
            self.retired = Some(std::mem::replace(&mut self.policy, swap.incoming));
            if let Some(remote) = &mut self.remote {
                remote.follow(&self.policy);
            }
            self.outcome = Some(SwapOutcome::Done(swap.difference));
        }
    }
}
