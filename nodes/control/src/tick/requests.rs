//! What a motion source asks for, after the arbiter has let it through.
use sinew_guard::{Fault, FaultSet, RobotEvent};
use sinew_wire::{ActuatorState, LeaseRefusal, LinkState, Request, RobotMode, StepTime};

use super::Control;
use crate::arbiter::Granted;
use crate::arming::Want;

impl Control {
    pub(super) fn carry_out(&mut self, granted: &Granted, state: &ActuatorState, now: StepTime) {
        let before = self.mode;
        let climbs = matches!(granted.request, Request::Arm | Request::StandUp | Request::Policy);
        match granted.request {
            _ if climbs && self.stopping => self.arbiter.refuse(LeaseRefusal::State),
            Request::None | Request::Acquire | Request::Release => {}
            Request::EStop => self.event(RobotEvent::EStop, state),
            Request::Damping => self.event(RobotEvent::Damping, state),
            Request::Arm => self.ask_arm(state),
            Request::StandUp if matches!(before, RobotMode::Damping | RobotMode::LieDown) => {
                self.event(RobotEvent::StandUp, state)
            }
            Request::Policy if before == RobotMode::Stand => self.begin_policy(granted.argument, state),
            Request::Stand if before == RobotMode::Policy => self.leave_policy(RobotEvent::Stand, state, now),
            Request::LieDown if before == RobotMode::Policy => {
                self.leave_policy(RobotEvent::LieDown, state, now);
            }
            Request::LieDown if matches!(before, RobotMode::Stand | RobotMode::StandUp) => {
                self.event(RobotEvent::LieDown, state);
            }
            Request::ResetStep1 => {
                self.reset_step1 = Some(self.arbiter.epoch());
                self.event(RobotEvent::ResetStep1, state);
            }
            Request::ResetStep2 => self.reset(state),
            // Asking for what already is is no error.
            Request::StandUp
                if matches!(before, RobotMode::StandUp | RobotMode::Stand | RobotMode::Policy) => {}
            Request::Policy
                if before == RobotMode::Policy && self.active_policy == Some(granted.argument) =>
            {
                self.stay_in_policy();
            }
            // A policy that still waits for its first output is called off.
            Request::Stand if before == RobotMode::Stand => self.end_policy(),
            Request::Stand if before == RobotMode::StandUp => {}
            Request::LieDown
                if matches!(before, RobotMode::LieDown | RobotMode::Damping | RobotMode::Off) => {}
            _ => self.arbiter.refuse(LeaseRefusal::State),
        }
    }

    fn ask_arm(&mut self, state: &ActuatorState) {
        match (self.mode, state.body.link_state()) {
            (RobotMode::Off, LinkState::Fault | LinkState::EStop) => self.arbiter.refuse(LeaseRefusal::Guard),
            (RobotMode::Off, _) => {
                if self.arming.want != Want::Armed {
                    self.asking_ticks = 0;
                }
                self.arming.want = Want::Armed;
            }
            _ => {}
        }
    }

    fn reset(&mut self, state: &ActuatorState) {
        if !self.holds_reset_step1() {
            self.arbiter.refuse(LeaseRefusal::Guard);
            return;
        }
        self.event(RobotEvent::ResetStep2, state);
        self.reset_step1 = None;
        if !self.mode.is_powered() && self.mode != RobotMode::EStop {
            self.latched = FaultSet::default();
            self.arming.want = Want::Reset;
            self.asking_ticks = 0;
        }
    }

    fn begin_policy(&mut self, policy: u8, state: &ActuatorState) {
        let Some(timing) = self.config.policies.get(usize::from(policy)) else {
            self.arbiter.refuse(LeaseRefusal::Guard);
            return;
        };
        if self.active_policy == Some(policy) {
            return;
        }
        // A policy started anew is judged anew.
        for fault in [Fault::PolicyFault, Fault::PolicyLost] {
            self.latched.remove(fault);
        }
        self.active_policy = Some(policy);
        self.activation = self.activation.wrapping_add(1);
        let degrade = self.config.degrade(usize::from(policy));
        self.slots.activate(policy, self.activation, *timing, degrade, state.header.step);
    }
}
