//! Leaving a policy on request: first a stop at zero velocity, then the hand-over.
//!
//! A policy that is lost is not asked for anything any more: that way leads through the faults.
use sinew_guard::{Fault, RobotEvent};
use sinew_robot::OnLoss;
use sinew_wire::{ActuatorState, RobotMode, StepTime};

use super::Control;

/// A policy that is being stopped, and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    event: RobotEvent,
    /// When it has had its time.
    at: StepTime,
}

impl Control {
    /// Leaves the policy by `event` once it has had time to stop; asked again, the newest event counts.
    pub(super) fn leave_policy(&mut self, event: RobotEvent, state: &ActuatorState, now: StepTime) {
        if self.config.stop_first_s <= 0.0 {
            self.event(event, state);
            return;
        }
        let stop_ns = (self.config.stop_first_s * 1e9) as u64;
        let at = self.leaving.map_or_else(|| now.plus_ns(stop_ns), |leaving| leaving.at);
        self.leaving = Some(Leaving { event, at });
    }

    /// The policy is to stop: whatever velocity is asked for, it gets none.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// What follows the stop that is under way.
    pub(super) fn leaving_by(&self) -> Option<RobotEvent> {
        self.leaving.map(|leaving| leaving.event)
    }

    /// Goes on with the policy after all.
    pub(super) fn stay_in_policy(&mut self) {
        self.leaving = None;
    }

    /// Hands over when the time has come; forgets it when something else has ended the policy.
    pub(super) fn watch_leaving(&mut self, state: &ActuatorState, now: StepTime) {
        let Some(leaving) = self.leaving else { return };
        if self.mode == RobotMode::Policy && now >= leaving.at {
            self.event(leaving.event, state);
        }
        if self.mode != RobotMode::Policy {
            self.leaving = None;
        }
    }

    /// A lost policy leads to Damping where the description says that Stand could not catch the robot, or where the
    /// policy itself declares that.
    pub(super) fn damp_if_policy_is_lost(&mut self, state: &ActuatorState) {
        let lost = self.faults.contains(Fault::PolicyLost) || self.faults.contains(Fault::PolicyFault);
        let damps = [self.config.on_policy_loss, self.slots.on_loss()].contains(&OnLoss::Damping);
        if self.mode == RobotMode::Policy && damps && lost {
            self.event(RobotEvent::Damping, state);
        }
    }
}
