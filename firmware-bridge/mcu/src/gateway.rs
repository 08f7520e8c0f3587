//! One cycle over one CAN bus: [`Gateway::begin`] sends what is in force, replies come in, [`Gateway::finish`] tells
//! the host; commands are judged whenever they arrive and are in force from the next cycle on.
use arrayvec::ArrayVec;
use sinew_bus::CanFrame;
use sinew_guard::{
    Acceptor, Fault, FaultSet, Ladder, Limits, LimitsError, LinkEvent, Margin, Measured, ModeSet, Writer,
    next_link, saturate, starts_at_measured,
};
use sinew_wire::{
    ActuatorCommand, ActuatorState, ArmAnswer, DecodeError, EncodeError, Intent, JointCommand, JointMode,
    LinkState, Refusal, Source, Stage, StepTime,
};

use crate::drive::{Drive, Mount};

/// Most drives on the gateway's bus.
pub const MAX_DRIVES: usize = 16;
/// What a drive of the MIT family can do.
pub const MODES: ModeSet =
    ModeSet::of(&[JointMode::Disabled, JointMode::Damping, JointMode::Impedance, JointMode::Torque]);
/// Cycles the drives get to switch on before an arming is given up.
const ARMING_CYCLES: u32 = 100;
/// Time over which stiffness comes in after the first accepted command, s.
const STIFFNESS_RAMP_S: f32 = 0.2;

/// Why a gateway was not made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConfigError {
    /// Another number of drives than of joint limits, or more than [`MAX_DRIVES`].
    Drives {
        found: usize,
    },
    /// A joint may do what its drive cannot.
    Modes {
        joint: usize,
    },
    Limits(LimitsError),
}

#[derive(Clone, Debug)]
pub struct Gateway {
    limits: Limits,
    drives: ArrayVec<Drive, MAX_DRIVES>,
    acceptor: Acceptor,
    epoch: u32,
    ladder: Ladder,
    link: LinkState,
    stage: Stage,
    accepted: ArrayVec<JointCommand, MAX_DRIVES>,
    /// Share of the accepted stiffness in force; comes in after arming.
    stiffness: f32,
    arming_cycles: u32,
    faults: FaultSet,
    estop_pressed: bool,
    step: u64,
    state: ActuatorState,
}

impl Gateway {
    /// A gateway that has not spoken to its drives yet. `boot_id` is random per start.
    pub fn new(
        robot: u32,
        boot_id: u32,
        calibration_id: u32,
        limits: Limits,
        mounts: &[Mount],
    ) -> Result<Self, ConfigError> {
        limits.check().map_err(ConfigError::Limits)?;
        if mounts.len() != limits.joints.len() || mounts.len() > MAX_DRIVES {
            return Err(ConfigError::Drives { found: mounts.len() });
        }
        if let Some(joint) = limits.joints.iter().position(|joint| joint.modes.bits() & !MODES.bits() != 0) {
            return Err(ConfigError::Modes { joint });
        }
        let mut state = ActuatorState::default();
        state.header.robot = robot;
        state.header.source = Source::BRIDGE.0;
        state.header.boot_id = boot_id;
        state.body.calibration_id = calibration_id;
        state.body.limits_hash = limits.hash;
        state.body.participants = u32::MAX;
        Ok(Self {
            drives: mounts.iter().copied().map(Drive::new).collect(),
            acceptor: Acceptor::new(robot, boot_id),
            epoch: 0,
            ladder: Ladder::new(),
            link: LinkState::Boot,
            stage: Stage::Idle,
            accepted: ArrayVec::new(),
            stiffness: 0.0,
            arming_cycles: 0,
            faults: FaultSet::EMPTY,
            estop_pressed: false,
            step: 0,
            state,
            limits,
        })
    }

    pub fn link(&self) -> LinkState {
        self.link
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn limits_hash(&self) -> u64 {
        self.limits.hash
    }

    pub fn drive_count(&self) -> usize {
        self.drives.len()
    }

    fn now(&self) -> StepTime {
        StepTime::from_ns(self.step.saturating_mul(self.limits.timing.period_ns))
    }

    fn at_rest(&self) -> bool {
        self.drives.iter().all(|drive| drive.at_rest(self.limits.timing.rest_dq_rad_s))
    }

    fn event(&mut self, event: LinkEvent) {
        let Some(to) = next_link(self.link, event) else { return };
        self.link = to;
        match to {
            LinkState::Arming => self.arming_cycles = 0,
            LinkState::Active => {
                self.ladder.reset();
                // The silence of a writer that never says Run counts from here.
                self.ladder.accepted(self.now());
                self.accepted.clear();
                self.stiffness = 0.0;
                self.faults.reset();
            }
            LinkState::Damping => self.ladder.damp(),
            LinkState::Disabled => {
                self.acceptor.revoke();
                self.ladder.reset();
            }
            LinkState::Fault | LinkState::EStop => {
                self.acceptor.revoke();
                self.ladder.damp();
            }
            LinkState::Boot | LinkState::ConfigCheck => {}
        }
    }

    /// Starts cycle `step` and sends each drive its one frame.
    pub fn begin(&mut self, step: u64, mut send: impl FnMut(CanFrame)) {
        self.step = step;
        let now = self.now();
        let at_rest = self.at_rest();
        self.stage = self.ladder.evaluate(now, at_rest, &self.limits.timing);
        match (self.link, self.stage) {
            (LinkState::Boot, _) => self.event(LinkEvent::BootDone),
            (LinkState::Active, Stage::Damp | Stage::Disable) => {
                self.faults.insert(Fault::CommandLost);
                self.event(LinkEvent::LadderDamp);
            }
            (LinkState::Damping, Stage::Disable) => self.event(LinkEvent::LadderDisable),
            _ => {}
        }
        let mut commands = self.in_force(now);
        let measured: ArrayVec<Measured, MAX_DRIVES> = self.drives.iter().map(Drive::measured).collect();
        // Shaping changes the balance of spring and damping, and the joints have moved on: guard what is sent.
        let saturation = saturate(&self.limits, Margin::BRIDGE, &measured, &mut commands);
        if self.link == LinkState::Active {
            self.state.body.saturated = self.state.body.saturated.wrapping_add(saturation.count);
        }
        for (drive, command) in self.drives.iter_mut().zip(&commands) {
            drive.expect_reply();
            drive.state.mode = command.mode;
            let frame = match self.link {
                LinkState::Arming if self.arming_cycles == 0 => drive.clear_fault(),
                LinkState::Arming if !drive.enabled => drive.enable(),
                LinkState::Arming | LinkState::Active => drive.command(command),
                LinkState::Damping | LinkState::Fault | LinkState::EStop
                    if drive.enabled && self.stage != Stage::Disable =>
                {
                    drive.command(command)
                }
                _ if drive.enabled => drive.disable(),
                _ => drive.poll(),
            };
            if let Some(frame) = frame {
                send(frame);
            }
        }
        self.arming_cycles = self.arming_cycles.saturating_add(1);
        if self.link == LinkState::Active && !self.accepted.is_empty() {
            self.stiffness = (self.stiffness + self.limits.timing.period_s() / STIFFNESS_RAMP_S).min(1.0);
        }
    }

    /// What each joint is told in this cycle.
    fn in_force(&self, now: StepTime) -> ArrayVec<JointCommand, MAX_DRIVES> {
        let limits = self.limits.joints.iter().enumerate().take(MAX_DRIVES);
        let shaped = limits.map(|(index, joint)| match self.accepted.get(index) {
            Some(accepted) if self.link == LinkState::Active => {
                let mut command = self.ladder.shape(accepted, joint, now, &self.limits.timing);
                command.kp *= self.stiffness;
                command
            }
            _ => joint.safe_command(),
        });
        shaped.collect()
    }

    /// A frame arrived from the bus.
    pub fn receive(&mut self, frame: &CanFrame) {
        // Frames of strangers are nobody's reply; the missing one is noticed when the cycle ends.
        self.drives.iter_mut().any(|drive| drive.take(frame));
    }

    /// Ends the cycle and writes the state for the host; the written part is returned.
    pub fn finish<'a>(&mut self, out: &'a mut [u8]) -> Result<&'a [u8], EncodeError> {
        let mut answered = true;
        for drive in &mut self.drives {
            let here = drive.close_cycle(self.limits.timing.period_ns);
            answered &= here;
            self.state.body.missing = self.state.body.missing.wrapping_add(u32::from(!here));
        }
        self.progress(answered);
        let writer = self.acceptor.writer().unwrap_or_default();
        let header = &mut self.state.header;
        header.seq = header.seq.wrapping_add(1);
        header.step = self.step;
        header.t_sent_ns = self.step.saturating_mul(self.limits.timing.period_ns);
        let body = &mut self.state.body;
        body.refused = self.acceptor.refused();
        body.last_refusal = self.acceptor.last_refusal() as u8;
        body.writer_boot = writer.boot_id;
        body.writer_epoch = writer.epoch;
        body.writer_source = writer.source.0;
        body.link_state = self.link as u8;
        body.stage = self.stage as u8;
        body.estop_input = u8::from(self.estop_pressed);
        body.faults = self.faults.bits();
        self.state.joints.clear();
        self.state.joints.extend(self.drives.iter().map(|drive| drive.state));
        let written = self.state.encode(out)?;
        self.acceptor.published(self.state.header.id(), self.now());
        Ok(written)
    }

    /// Moves the link by what the cycle has found.
    fn progress(&mut self, answered: bool) {
        let silent = self.drives.iter().any(Drive::is_silent);
        let faulty = self.drives.iter().any(|drive| drive.state.fault != 0);
        match self.link {
            LinkState::ConfigCheck if answered => self.event(LinkEvent::CheckPassed),
            LinkState::Arming if self.arming_cycles > 1 => {
                if answered && !faulty && self.drives.iter().all(|drive| drive.enabled) {
                    self.event(LinkEvent::DrivesEnabled);
                } else if self.arming_cycles > ARMING_CYCLES {
                    self.state.body.arm_answer = ArmAnswer::DriveFault as u8;
                    self.event(LinkEvent::ArmFailed);
                }
            }
            LinkState::Active if silent || faulty => {
                self.faults.set(Fault::DriveSilent, silent);
                self.faults.set(Fault::DriveFault, faulty);
                self.event(LinkEvent::DriveFault);
            }
            _ => {}
        }
    }

    /// Judges the bytes of a command. A refusal is counted and changes nothing else.
    pub fn command(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let frame = ActuatorCommand::decode(bytes).map_err(|error| {
            let refusal = match error {
                DecodeError::Schema { .. } => Refusal::Schema,
                _ => Refusal::Malformed,
            };
            self.refuse(refusal)
        })?;
        match frame.body.intent() {
            Intent::Arm => self.arm(&frame),
            Intent::Observe | Intent::Disarm | Intent::Run => {
                let at = self.acceptor.judge(&frame, self.now(), &self.limits, self.link)?;
                match frame.body.intent() {
                    Intent::Run => self.run(&frame, at)?,
                    Intent::Disarm => self.event(LinkEvent::Disarm),
                    Intent::Observe | Intent::Arm => {}
                }
                Ok(())
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        self.acceptor.note(refusal);
        refusal
    }

    fn run(&mut self, frame: &ActuatorCommand, at: StepTime) -> Result<(), Refusal> {
        let measured: ArrayVec<Measured, MAX_DRIVES> = self.drives.iter().map(Drive::measured).collect();
        if self.accepted.is_empty() && !starts_at_measured(&self.limits, &measured, &frame.joints) {
            return Err(self.refuse(Refusal::Start));
        }
        self.accepted.clear();
        self.accepted.extend(frame.joints.iter().copied().take(MAX_DRIVES));
        self.state.body.applied_seq = frame.header.seq;
        self.ladder.accepted(at);
        Ok(())
    }

    fn arm(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        let header = &frame.header;
        if header.robot != self.state.header.robot {
            return Err(self.refuse(Refusal::Robot));
        }
        let age_ns = self.acceptor.time_of(header.based_on()).map(|at| self.now().since_ns(at));
        if age_ns.is_none_or(|age| age > self.limits.timing.valid_for_ns) {
            return Err(self.refuse(Refusal::Age));
        }
        let asking = (Source(header.source), header.boot_id);
        if let Some(writer) = self.acceptor.writer() {
            if (writer.source, writer.boot_id) == asking {
                return Ok(()); // asked again while the first Arm is carried out
            }
            self.state.body.arm_answer = ArmAnswer::Busy as u8;
            return Err(self.refuse(Refusal::Writer));
        }
        let answer = match self.link {
            LinkState::EStop => ArmAnswer::EStop,
            LinkState::Boot | LinkState::ConfigCheck => ArmAnswer::NotChecked,
            LinkState::Disabled => match () {
                () if frame.body.limits_hash != self.limits.hash => ArmAnswer::LimitsHash,
                () if frame.body.calibration_id != self.state.body.calibration_id => ArmAnswer::Calibration,
                () if self.drives.iter().any(|drive| drive.missing > 0) => ArmAnswer::DriveFault,
                () if !self.at_rest() => ArmAnswer::Moving,
                () => ArmAnswer::Granted,
            },
            _ => ArmAnswer::NotDisabled,
        };
        self.state.body.arm_answer = answer as u8;
        if answer == ArmAnswer::Granted {
            self.epoch = self.epoch.wrapping_add(1).max(1);
            self.acceptor.grant(Writer { source: asking.0, boot_id: asking.1, epoch: self.epoch });
            self.event(LinkEvent::ArmGranted);
        }
        Ok(())
    }

    /// The emergency stop input, each time it is read.
    pub fn estop_input(&mut self, pressed: bool) {
        self.estop_pressed = pressed;
        if pressed {
            self.faults.insert(Fault::EStopInput);
            self.event(LinkEvent::EStop);
        }
    }

    /// An operator's explicit steps out of a latched state, in this order. False when there is nothing to reset, a
    /// joint moves or the input is still pressed; nothing was done then.
    pub fn reset(&mut self, step: LinkEvent) -> bool {
        let is_reset = matches!(step, LinkEvent::ResetStep1 | LinkEvent::ResetStep2);
        let possible = is_reset && next_link(self.link, step).is_some();
        if !possible || self.estop_pressed || !self.at_rest() {
            return false;
        }
        self.event(step);
        if step == LinkEvent::ResetStep2 {
            self.faults.reset();
        }
        true
    }
}
