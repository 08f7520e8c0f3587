//! What is wrong, and what follows by itself.
use sinew_estimator::{Estimate, Status};
use sinew_guard::{RobotEvent, Severity, worst};
use sinew_wire::{ActuatorState, LeaseRefusal, LinkState, RobotMode, StepTime};

use super::Control;
use crate::arming::{Arming, Want};
use crate::degrade::Missed;
use crate::faults;
use crate::policy_slots::PolicyNews;

/// Ticks that control goes on asking to be armed or reset before it gives up (2 s at 500 Hz).
const ASKING_PATIENCE: u32 = 1000;

impl Control {
    pub(super) fn find(&mut self, state: &ActuatorState, estimate: &Estimate, news: PolicyNews) {
        let upright = -estimate.projected_gravity[2];
        self.findings.tilt_rad = upright.clamp(-1.0, 1.0).acos();
        self.findings.policy_missed = news == PolicyNews::Missed;
        let active = self.active_policy.is_some();
        self.findings.policy_fault =
            news == PolicyNews::Fault || active && self.slots.missed() == Missed::Fault;
        self.findings.policy_lost = active && self.slots.is_lost();
        self.findings.link_missing = self.mode.is_powered() && !Arming::is_ours(state, self.config.boot_id);
        let estimator = estimate.health.status;
        self.findings.upright_needed = match self.mode {
            RobotMode::Stand | RobotMode::Policy | RobotMode::StandUp => true,
            // Lying down because nobody knows the tilt must not end in a fall for that same reason.
            RobotMode::LieDown => estimator != Status::Invalid,
            RobotMode::Off | RobotMode::Damping | RobotMode::FaultStop | RobotMode::EStop => false,
        };
        let present = faults::present(&self.config, state, estimator, &self.findings);
        self.latched = self.latched.union(faults::latching(present));
        self.faults = present.union(self.latched);
    }

    /// What pulls the robot down: the link, then faults.
    pub(super) fn fall(&mut self, state: &ActuatorState) {
        if self.findings.step_jumped {
            self.event(RobotEvent::LinkDown, state);
            self.arming.want = Want::Disarmed;
        }
        let link = state.body.link_state();
        if link == LinkState::EStop && self.mode != RobotMode::EStop && self.arming.want != Want::Reset {
            self.event(RobotEvent::EStop, state);
        } else if self.findings.link_missing {
            self.event(RobotEvent::LinkDown, state);
        }
        self.damp_if_policy_is_lost(state);
        let severity = worst(self.faults);
        if severity > Severity::Warn {
            self.event(RobotEvent::Fault(severity), state);
        }
        if self.findings.is_toppled(&self.config) {
            self.event(RobotEvent::TiltExceeded, state);
        }
    }

    /// What happens by itself: moves that end, the lease that ends, the policy that starts or stops.
    pub(super) fn watch(&mut self, state: &ActuatorState, now: StepTime, news: PolicyNews) {
        match self.mode {
            RobotMode::Off => self.watch_arming(state),
            RobotMode::StandUp if self.motion.is_done() => self.event(RobotEvent::StandUpDone, state),
            RobotMode::LieDown if self.motion.is_done() => {
                self.event(RobotEvent::LieDownDone, state);
            }
            RobotMode::Stand if self.active_policy.is_some() => self.watch_shadow(state, news),
            // A silent operator's policy has had no velocity since the ladder's ramp; a released lease's gets none from
            // now on. The safe posture waits for neither.
            RobotMode::Policy => match (self.arbiter.holder(), self.arbiter.wants_safe_posture(now)) {
                (None, true) => self.event(RobotEvent::LeaseLost, state),
                (Some(_), true) => self.event(self.leaving_by().unwrap_or(RobotEvent::Stand), state),
                (None, false) => self.leave_policy(RobotEvent::LeaseLost, state, now),
                (Some(_), false) => {}
            },
            _ => {}
        }
        if self.stopping {
            match self.mode {
                RobotMode::StandUp | RobotMode::Stand => self.event(RobotEvent::LieDown, state),
                RobotMode::Policy => self.leave_policy(RobotEvent::LieDown, state, now),
                RobotMode::Damping => self.arming.want = Want::Disarmed,
                RobotMode::Off => self.arming.want = Want::Disarmed,
                _ => {}
            }
        }
    }

    fn watch_arming(&mut self, state: &ActuatorState) {
        match (self.arming.want, state.body.link_state()) {
            (Want::Armed, _) if self.arbiter.holder().is_none() => self.arming.want = Want::Disarmed,
            (Want::Armed, _) if Arming::is_ours(state, self.config.boot_id) => {
                self.event(RobotEvent::Arm, state)
            }
            (Want::Armed, LinkState::Fault | LinkState::EStop) => self.arming.want = Want::Nothing,
            (Want::Reset | Want::Disarmed, LinkState::Disabled) => self.arming.want = Want::Nothing,
            (Want::Armed | Want::Reset, _) => {
                self.asking_ticks += 1;
                if self.asking_ticks > ASKING_PATIENCE {
                    self.arming.want = Want::Nothing;
                    self.arbiter.refuse(LeaseRefusal::Guard);
                }
            }
            _ => {}
        }
    }

    /// A policy runs beside Stand until its first output; it takes over only if that lies where the joints are.
    fn watch_shadow(&mut self, state: &ActuatorState, news: PolicyNews) {
        match news {
            PolicyNews::Fresh => self.event(RobotEvent::Policy, state),
            PolicyNews::Fault => self.end_policy(),
            PolicyNews::Missed if matches!(self.slots.missed(), Missed::Lost | Missed::Fault) => {
                self.end_policy();
            }
            _ => return,
        }
        if self.mode != RobotMode::Policy {
            self.end_policy();
            self.arbiter.refuse(LeaseRefusal::Guard);
        }
    }
}
