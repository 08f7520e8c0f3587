//! From one state of the robot to the next: the conditions, the table, and what entering a state brings.
use sinew_estimator::Status;
use sinew_guard::{Guards, Outcome, RobotEvent, next_robot};
use sinew_wire::{ActuatorState, JointCommand, JointMode, LeaseRefusal, RobotMode};

use super::Control;
use crate::arming::{Arming, Want};

impl Control {
    pub(super) fn event(&mut self, event: RobotEvent, state: &ActuatorState) {
        let guards = self.guards(state);
        match next_robot(self.mode, event, guards) {
            Outcome::Go(next) if next != self.mode => self.enter(next, state),
            Outcome::Go(_) | Outcome::Stay => {}
            Outcome::Refused(_) => self.arbiter.refuse(LeaseRefusal::Guard),
        }
    }

    pub(super) fn end_policy(&mut self) {
        self.active_policy = None;
        self.slots.deactivate();
    }

    fn enter(&mut self, next: RobotMode, state: &ActuatorState) {
        let before = self.mode;
        self.mode = next;
        if next != RobotMode::Policy {
            self.end_policy();
            self.ramp.reset();
        }
        match next {
            RobotMode::Off => self.arming.want = Want::Disarmed,
            RobotMode::EStop | RobotMode::FaultStop => {
                self.reset_step1 = None;
                self.arbiter.revoke();
                self.arming.want = Want::Disarmed;
            }
            _ if before == RobotMode::Off => self.arming.want = Want::Kept,
            _ => {}
        }
        self.motion.enter(before, next, state, &self.config);
    }

    fn guards(&self, state: &ActuatorState) -> Guards {
        let healthy = self.estimate.as_ref().is_some_and(|e| e.health.status == Status::Healthy);
        let holds = [
            (self.arbiter.holder().is_some(), Guards::LEASE),
            (self.findings.tilt_rad < 0.5 * self.config.tilt_limit_rad, Guards::UPRIGHT),
            (healthy, Guards::ESTIMATOR_HEALTHY),
            // A policy whose manifest, hashes or golden vectors do not hold is never registered.
            (self.active_policy.is_some(), Guards::CONTRACT_VERIFIED),
            (self.first_action_is_near(state), Guards::FIRST_ACTION_CONTINUOUS),
            (Arming::is_ours(state, self.config.boot_id), Guards::LINK_ACTIVE),
            (self.holds_reset_step1(), Guards::RESET_STEP1),
        ];
        holds.into_iter().fold(Guards::NONE, |all, (holds, guard)| all.with_if(holds, guard))
    }

    /// The first reset step was taken by whoever holds the lease now, in this same stop.
    pub(super) fn holds_reset_step1(&self) -> bool {
        self.arbiter.holder().is_some() && self.reset_step1 == Some(self.arbiter.epoch())
    }

    /// Every joint that the policy pulls to a position is near it, one that it leaves alone or damps has none; none is
    /// pushed.
    fn first_action_is_near(&self, state: &ActuatorState) -> bool {
        let targets = self.slots.targets();
        targets.len() == state.joints.len()
            && targets.iter().zip(&state.joints).all(|(target, joint)| match first_pull(target) {
                Pull::To(q_rad) => (q_rad - joint.q_rad).abs() <= self.config.first_action_max_rad,
                Pull::Nowhere => true,
                Pull::Push => false,
            })
    }
}

/// What a first command does to a joint that stands still.
enum Pull {
    /// It goes to an angle, rad.
    To(f32),
    /// Nothing, or it is slowed down.
    Nowhere,
    /// It is moved without an angle that could be compared.
    Push,
}

fn first_pull(command: &JointCommand) -> Pull {
    match command.mode() {
        JointMode::Impedance if command.kp > 0.0 => Pull::To(command.q_rad),
        JointMode::Position => Pull::To(command.q_rad),
        JointMode::Impedance if command.tau_nm == 0.0 => Pull::Nowhere,
        JointMode::Disabled | JointMode::Damping | JointMode::Brake => Pull::Nowhere,
        JointMode::Impedance | JointMode::Velocity | JointMode::Torque => Pull::Push,
    }
}
