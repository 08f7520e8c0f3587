//! What is heard from a commanding process, and what it comes to.
use sinew_guard::{LinkEvent, Margin, saturate, starts_at_measured};
use sinew_wire::{
    ActuatorCommand, Header, Intent, JointCommand, JointMode, LinkState, MotionCommand, Refusal, Request,
    Source,
};

use super::Bridge;
use crate::arming::ArmConditions;

impl Bridge {
    /// Judges the bytes of a command; what is accepted is in force from the next cycle on.
    ///
    /// # Errors
    /// The reason of a refusal; it is counted and published, and nothing of the command is applied.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let verdict = match ActuatorCommand::decode(bytes) {
            Ok(frame) => self.judge(&frame),
            Err(sinew_wire::DecodeError::Schema { .. }) => self.refuse(Refusal::Schema),
            Err(_) => self.refuse(Refusal::Malformed),
        };
        if let Err(reason) = verdict {
            self.state.body.last_refusal = reason as u8;
        }
        verdict
    }

    fn refuse(&mut self, reason: Refusal) -> Result<(), Refusal> {
        self.acceptor.note(reason);
        Err(reason)
    }

    fn judge(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        // An emergency stop is heard from anybody, whatever the epoch or age.
        if frame.header.robot == self.robot && frame.header.flags & Header::ESTOP != 0 {
            self.event(LinkEvent::EStop);
            return Ok(());
        }
        match frame.body.intent() {
            Intent::Observe => Ok(()),
            Intent::Arm => self.arm(frame),
            Intent::Run => self.run(frame),
            Intent::Disarm => self.disarm(frame),
        }
    }

    /// Computed from a state of this bridge that is younger than `valid_for`.
    fn is_fresh(&self, frame: &ActuatorCommand) -> bool {
        self.acceptor
            .time_of(frame.header.based_on())
            .is_some_and(|at| self.now().since_ns(at) <= self.limits.timing.valid_for_ns)
    }

    fn arm(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        if frame.header.robot != self.robot {
            return self.refuse(Refusal::Robot);
        }
        if !self.is_fresh(frame) {
            return self.refuse(Refusal::Age);
        }
        let conditions = ArmConditions {
            link: self.link,
            at_rest: self.rest.at_rest(&self.limits.timing),
            checked: self.check.passed() == Some(true),
            estop: self.link == LinkState::EStop || self.estop_input,
            drives_answer: !self.state.joints.is_empty() && self.state.joints.iter().all(|j| j.valid == 1),
            limits_hash: self.limits_hash,
            calibration_id: self.calibration_id,
        };
        let active = self.acceptor.writer();
        let busy_with_other =
            active.is_some_and(|w| (w.source.0, w.boot_id) != (frame.header.source, frame.header.boot_id));
        match self.grant.request(frame, active, &conditions) {
            Some(writer) => {
                self.acceptor.grant(writer);
                self.event(LinkEvent::ArmGranted);
                Ok(())
            }
            None if busy_with_other => self.refuse(Refusal::Writer),
            None => Ok(()),
        }
    }

    fn run(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        let at = self.acceptor.judge(frame, self.now(), &self.limits, self.link)?;
        if self.link != LinkState::Active {
            return self.refuse(Refusal::Link);
        }
        let measured = self.measured();
        let pulling = frame.joints.iter().any(pulls);
        // Stiffness comes in at the measured position and from 0, whenever there was none before.
        if pulling && !self.pulling && !starts_at_measured(&self.limits, &measured, &frame.joints) {
            return self.refuse(Refusal::Start);
        }
        self.pulling = pulling;
        if !pulling {
            self.stiffness = 0.0;
        }
        self.accepted.clear();
        self.accepted.extend(frame.joints.iter().copied());
        let saturation = saturate(&self.limits, Margin::BRIDGE, &measured, &mut self.accepted);
        let body = &mut self.state.body;
        body.saturated = body.saturated.wrapping_add(saturation.count);
        body.applied_seq = frame.header.seq;
        self.ladder.accepted(at);
        Ok(())
    }

    fn disarm(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        match self.link {
            LinkState::Active | LinkState::Arming => {
                self.acceptor.judge(frame, self.now(), &self.limits, self.link)?;
                self.event(LinkEvent::Disarm);
                Ok(())
            }
            // A latched link is reset by control alone, settled, with the input released, and never by a Disarm that
            // was meant for an earlier epoch: a late or replayed one names an epoch or an old state.
            LinkState::Fault | LinkState::EStop => {
                if frame.header.robot != self.robot || Source(frame.header.source) != Source::CONTROL {
                    return self.refuse(Refusal::Writer);
                }
                if frame.header.epoch != 0 {
                    return self.refuse(Refusal::Epoch);
                }
                if !self.is_fresh(frame) {
                    return self.refuse(Refusal::Age);
                }
                if self.estop_input || !self.rest.is_settled(&self.limits.timing) {
                    return self.refuse(Refusal::Link);
                }
                // Control's two explicit steps end in a stream of Disarms: each walks one step of the table.
                let step =
                    if self.link == LinkState::EStop { LinkEvent::ResetStep1 } else { LinkEvent::ResetStep2 };
                self.event(step);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Hears a motion frame directly: an emergency stop needs no lease, no epoch and no control process.
    pub fn hear(&mut self, frame: &MotionCommand) {
        if frame.header.robot == self.robot && frame.body.request() == Request::EStop {
            self.event(LinkEvent::EStop);
        }
    }
}

/// The command pulls its joint to a position.
fn pulls(command: &JointCommand) -> bool {
    match command.mode() {
        JointMode::Impedance => command.kp > 0.0,
        JointMode::Position => true,
        JointMode::Disabled
        | JointMode::Damping
        | JointMode::Velocity
        | JointMode::Torque
        | JointMode::Brake => false,
    }
}
