//! What happens when commands stop coming: one ladder, by the age of the newest accepted command.
//!
//! ```text
//! Idle --accepted--> Fresh --> Hold --> Ramp --> Damp ==(at rest)==> Disable     Damp and Disable are latched:
//!                      ^---------accepted--------'                               only reset() leads back to Idle
//! ```
use sinew_wire::{JointCommand, JointMode, Stage, StepTime};

use crate::joint_limits::JointLimits;
use crate::timing::Timing;

/// The timeout ladder of one bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    newest: Option<StepTime>,
    /// Rung that only [`Ladder::reset`] leaves.
    latched: Option<Latched>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latched {
    /// Damping; resting since, if it rests.
    Damp(Option<StepTime>),
    Disable,
}

impl Ladder {
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: None, latched: None }
    }

    /// Forgets everything; after arming.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// A command computed from the state of time `at` was accepted. An older one than the newest changes nothing.
    pub fn accepted(&mut self, at: StepTime) {
        self.newest = Some(self.newest.map_or(at, |newest| newest.max(at)));
    }

    /// Goes to Damp at once and latches, whatever the age: the writer disarmed, a drive failed.
    pub fn damp(&mut self) {
        if self.latched.is_none() {
            self.latched = Some(Latched::Damp(None));
        }
    }

    /// Age of the newest accepted command, ns.
    #[must_use]
    pub fn age_ns(&self, now: StepTime) -> Option<u64> {
        self.newest.map(|at| now.since_ns(at))
    }

    /// The rung at `now`, latching Damp and Disable. Call at each send; `at_rest` as the bridge measures it.
    pub fn evaluate(&mut self, now: StepTime, at_rest: bool, timing: &Timing) -> Stage {
        if self.latched.is_none() && self.stage_at(now, timing) == Stage::Damp {
            self.latched = Some(Latched::Damp(None));
        }
        if let Some(Latched::Damp(since)) = self.latched {
            self.latched = Some(match (at_rest, since) {
                (false, _) => Latched::Damp(None),
                (true, None) => Latched::Damp(Some(now)),
                (true, Some(since)) if now.since_ns(since) >= timing.rest_ns => Latched::Disable,
                (true, Some(since)) => Latched::Damp(Some(since)),
            });
        }
        self.stage_at(now, timing)
    }

    /// The rung at `now` without latching anything.
    #[must_use]
    pub fn stage_at(&self, now: StepTime, timing: &Timing) -> Stage {
        match (self.latched, self.age_ns(now)) {
            (Some(Latched::Disable), _) => Stage::Disable,
            (Some(Latched::Damp(_)), _) => Stage::Damp,
            (None, None) => Stage::Idle,
            (None, Some(age)) if age <= timing.valid_for_ns => Stage::Fresh,
            (None, Some(age)) if age < timing.t1_ns => Stage::Hold,
            (None, Some(age)) if age < timing.t2_ns => Stage::Ramp,
            (None, Some(_)) => Stage::Damp,
        }
    }

    /// What one joint is sent at `now`, from the newest accepted (and saturated) command.
    ///
    /// Fresh, Hold: as accepted. Ramp: no feed-forward, kp and the speed target linearly to 0, kd to kd_safe; a
    /// pure torque command turns into growing damping, a position command stays. Damp, and Idle while the drives
    /// are enabled: the joint's safe command (a brake stays on). Disable: off.
    #[must_use]
    pub fn shape(
        &self,
        accepted: &JointCommand,
        limits: &JointLimits,
        now: StepTime,
        timing: &Timing,
    ) -> JointCommand {
        match self.stage_at(now, timing) {
            Stage::Fresh | Stage::Hold => *accepted,
            Stage::Ramp => ramp(accepted, limits, self.progress(now, timing)),
            Stage::Damp if accepted.mode() == JointMode::Brake => *accepted,
            Stage::Damp | Stage::Idle => limits.safe_command(),
            Stage::Disable => JointCommand::default(),
        }
    }

    /// 0 at T1, 1 at T2.
    fn progress(&self, now: StepTime, timing: &Timing) -> f32 {
        let age_ns = self.age_ns(now).unwrap_or(timing.t2_ns);
        let span_ns = timing.t2_ns.saturating_sub(timing.t1_ns).max(1);
        (age_ns.saturating_sub(timing.t1_ns) as f32 / span_ns as f32).clamp(0.0, 1.0)
    }
}

fn ramp(accepted: &JointCommand, limits: &JointLimits, progress: f32) -> JointCommand {
    let fade = 1.0 - progress;
    let kd = accepted.kd + (limits.kd_safe - accepted.kd) * progress;
    match accepted.mode() {
        JointMode::Impedance => JointCommand {
            dq_rad_s: accepted.dq_rad_s * fade,
            tau_nm: 0.0,
            kp: accepted.kp * fade,
            kd,
            ..*accepted
        },
        JointMode::Damping => JointCommand { kd, ..*accepted },
        JointMode::Velocity => JointCommand { dq_rad_s: accepted.dq_rad_s * fade, ..*accepted },
        JointMode::Torque if limits.modes.contains(JointMode::Damping) => {
            JointCommand::damping(limits.kd_safe * progress)
        }
        JointMode::Torque => JointCommand { tau_nm: 0.0, ..*accepted },
        JointMode::Position | JointMode::Disabled | JointMode::Brake => *accepted,
    }
}
