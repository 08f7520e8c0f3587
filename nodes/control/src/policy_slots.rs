//! When a policy's output counts: what was computed from tick k enters tick k + `latency_ticks`, early outputs wait,
//! late ones are misses, and what a row of misses does is declared ([`Degrade`]).
use crate::degrade::{Degrade, Missed};
use arrayvec::ArrayVec;
use sinew_robot::OnLoss;
use sinew_wire::{
    JointCommand, MAX_JOINTS, MAX_WAITING_OUTPUTS, NO_POLICY, PolicyCommand, PolicyStatus, latency_ticks_max,
};

/// Timing of one policy, from its manifest and robot.yaml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyTiming {
    /// Ticks from one inference to the next.
    pub decimation: u64,
    /// Ticks from the state an output was computed from to the tick it enters.
    pub latency_ticks: u64,
}

impl PolicyTiming {
    /// Longest latency whose outputs, one per `decimation` and the one that is due, can all wait, in ticks.
    #[must_use]
    pub const fn latency_ticks_max(&self) -> u64 {
        latency_ticks_max(self.decimation)
    }
}

/// What became of the policy in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyNews {
    /// Nothing was due.
    Quiet,
    /// New targets are in force.
    Fresh,
    /// An output was due and is not there.
    Missed,
    /// The policy says that it failed.
    Fault,
}

#[derive(Clone, Debug)]
struct Waiting {
    due: u64,
    frame: PolicyCommand,
}

/// The outputs of the active policy.
#[derive(Clone, Debug)]
pub struct PolicySlots {
    timing: PolicyTiming,
    degrade: Degrade,
    robot: u32,
    policy: u8,
    activation: u32,
    /// Tick at which this activation's next output is due.
    next_due: u64,
    waiting: ArrayVec<Waiting, MAX_WAITING_OUTPUTS>,
    targets: ArrayVec<JointCommand, MAX_JOINTS>,
    misses_in_row: u32,
    misses: u32,
}

impl PolicySlots {
    /// Nothing active, for the robot of that wire id.
    #[must_use]
    pub fn new(robot: u32) -> Self {
        Self {
            robot,
            policy: NO_POLICY,
            timing: PolicyTiming { decimation: 1, latency_ticks: 1 },
            degrade: Degrade::default(),
            activation: 0,
            next_due: u64::MAX,
            waiting: ArrayVec::new(),
            targets: ArrayVec::new(),
            misses_in_row: 0,
            misses: 0,
        }
    }

    /// Starts `activation` of `policy`, first announced in the robot state of tick `step`.
    pub fn activate(
        &mut self,
        policy: u8,
        activation: u32,
        timing: PolicyTiming,
        degrade: Degrade,
        step: u64,
    ) {
        self.degrade = degrade;
        let decimation = timing.decimation.max(1);
        self.timing = PolicyTiming { decimation, latency_ticks: timing.latency_ticks.max(1) };
        (self.policy, self.activation) = (policy, activation);
        self.next_due = step.div_ceil(decimation) * decimation + self.timing.latency_ticks;
        self.waiting.clear();
        self.targets.clear();
        self.misses_in_row = 0;
    }

    /// No policy is active any more.
    pub fn deactivate(&mut self) {
        self.next_due = u64::MAX;
        self.waiting.clear();
        self.targets.clear();
    }

    /// Takes what arrived for tick `step` and says what is in force.
    pub fn step(&mut self, step: u64, joints: usize, arrived: &[PolicyCommand]) -> PolicyNews {
        for frame in arrived {
            let due = frame.header.step.saturating_add(self.timing.latency_ticks);
            // Later than the tick in which it is due: a miss. From a tick yet to come: not computed from what is.
            let ours = frame.header.robot == self.robot
                && frame.body.policy == self.policy
                && frame.body.activation == self.activation
                && self.next_due != u64::MAX
                && due >= self.next_due
                && (due - self.next_due).is_multiple_of(self.timing.decimation)
                && frame.header.step <= step
                && frame.body.status() != PolicyStatus::Empty;
            let known = self.waiting.iter().any(|w| w.due == due);
            if ours && !known && !self.waiting.is_full() {
                self.waiting.push(Waiting { due, frame: frame.clone() });
            }
        }
        if step < self.next_due {
            return PolicyNews::Quiet;
        }
        // A tick that was due may have been lost with its state; the newest one that is due by now counts.
        let due = self.next_due + (step - self.next_due) / self.timing.decimation * self.timing.decimation;
        self.next_due = due.saturating_add(self.timing.decimation);
        let frame =
            self.waiting.iter().position(|w| w.due == due).map(|at| self.waiting.swap_remove(at).frame);
        self.waiting.retain(|w| w.due > due);
        let Some(frame) = frame else {
            self.misses_in_row = self.misses_in_row.saturating_add(1);
            self.misses = self.misses.wrapping_add(1);
            return PolicyNews::Missed;
        };
        self.misses_in_row = 0;
        let usable = frame.body.status() == PolicyStatus::Targets
            && frame.joints.len() == joints
            && frame.joints.iter().all(JointCommand::is_finite);
        if !usable {
            return PolicyNews::Fault;
        }
        self.targets = frame.joints;
        PolicyNews::Fresh
    }

    /// What the outputs that were due and did not come have led to by now.
    #[must_use]
    pub fn missed(&self) -> Missed {
        self.degrade.judge(self.misses_in_row)
    }
    /// So many outputs in a row were due and did not come that the policy is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.missed() == Missed::Lost
    }
    /// What is declared to follow when the policy is lost or has failed.
    #[must_use]
    pub fn on_loss(&self) -> OnLoss {
        self.degrade.on_loss
    }
    /// Targets in force, in the robot's joint order; empty before the first output.
    #[must_use]
    pub fn targets(&self) -> &[JointCommand] {
        &self.targets
    }
    /// Misses since start.
    #[must_use]
    pub fn misses(&self) -> u32 {
        self.misses
    }
}
