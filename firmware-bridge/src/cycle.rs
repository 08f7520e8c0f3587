//! One period of the bus, from the first frame out to the state that is published.
//!
//! What is told the drives is in `send`, what is heard from a commander in `judge`.
mod judge;
mod send;

use arrayvec::ArrayVec;
use sinew_bus::{CanFrame, Received};
use sinew_devices::imu;
use sinew_guard::{Acceptor, Fault, FaultSet, Ladder, Limits, LinkEvent, Measured, Writer, next_link};
use sinew_wire::{
    ActuatorState, ActuatorStateBody, JointCommand, LinkState, MAX_JOINTS, Source, Stage, StepTime,
};

use crate::arming::WriterGrant;
use crate::config::{BridgeConfig, ConfigError};
use crate::config_check::{CheckFailure, ConfigCheck};
use crate::drive::Drive;
use crate::rest::RestDetector;
use crate::sensors::Sensors;

/// Frames for one bus in one cycle.
pub type FrameList = ArrayVec<CanFrame, 64>;
/// Frames one bus delivered in one cycle.
pub type ReceivedList = ArrayVec<Received, 64>;

/// What the last cycle told a joint, and at which rung of the ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SentFrame {
    pub command: JointCommand,
    pub stage: Stage,
}

/// Cycles the drives get to switch on before an arming is given up.
const ARMING_CYCLES: u32 = 100;

/// The core of a firmware bridge.
#[derive(Debug)]
pub struct Bridge {
    robot: u32,
    limits: Limits,
    limits_hash: u64,
    misses_max: u32,
    cutoff_ns: u64,
    calibration_id: u32,
    syncs: Vec<bool>,
    drives: ArrayVec<Drive, MAX_JOINTS>,
    sensors: Sensors,
    check: ConfigCheck,
    rest: RestDetector,
    acceptor: Acceptor,
    grant: WriterGrant,
    ladder: Ladder,
    link: LinkState,
    stage: Stage,
    /// Newest accepted command, saturated.
    accepted: ArrayVec<JointCommand, MAX_JOINTS>,
    sent: ArrayVec<SentFrame, MAX_JOINTS>,
    late: Vec<ReceivedList>,
    state: ActuatorState,
    step: u64,
    /// A cycle was begun before.
    started: bool,
    arming_cycles: u32,
    /// The accepted command pulls a joint to a position.
    pulling: bool,
    /// Share of the commanded stiffness in force, 0 to 1; grows while `pulling`.
    stiffness: f32,
    /// The output stages were switched on and not yet off.
    powered: bool,
    drive_fault: bool,
    /// A drive was off, or its encoder jumped, while the robot stood on it; until an operator resets.
    drive_untrue: bool,
    /// The ladder has damped since the last arming.
    command_lost: bool,
    estop_input: bool,
}

impl Bridge {
    /// A bridge that has not spoken to its drives yet.
    ///
    /// # Errors
    /// What in the configuration does not fit, see [`ConfigError`].
    pub fn new(config: BridgeConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let joints = config.drives.len();
        let period_ns = config.limits.timing.period_ns;
        let period_us = (period_ns / 1000) as u32;
        let mut state = ActuatorState::default();
        state.header.robot = config.robot;
        state.header.source = Source::BRIDGE.0;
        state.header.boot_id = config.boot_id;
        state.header.valid_for_us = (config.limits.timing.valid_for_ns / 1000) as u32;
        state.body.limits_hash = config.limits_hash;
        state.body.calibration_id = config.calibration_id;
        Ok(Self {
            robot: config.robot,
            limits_hash: config.limits_hash,
            misses_max: config.reply_misses_max,
            cutoff_ns: config.cutoff_ns,
            calibration_id: config.calibration_id,
            syncs: config.buses.iter().map(|b| b.sync_id.is_some()).collect(),
            drives: config.drives.iter().map(|plan| Drive::new(*plan, period_ns)).collect(),
            sensors: Sensors::new(&config.imus, &config.feet, period_us, config.reply_misses_max),
            check: ConfigCheck::new(joints),
            rest: RestDetector::new(period_ns),
            acceptor: Acceptor::new(config.robot, config.boot_id),
            grant: WriterGrant::default(),
            ladder: Ladder::new(),
            link: LinkState::Boot,
            stage: Stage::Idle,
            accepted: ArrayVec::new(),
            sent: core::iter::repeat_n(SentFrame::default(), joints).collect(),
            late: config.buses.iter().map(|_| ReceivedList::new()).collect(),
            state,
            step: 0,
            started: false,
            arming_cycles: 0,
            pulling: false,
            stiffness: 0.0,
            powered: false,
            drive_fault: false,
            drive_untrue: false,
            command_lost: false,
            estop_input: false,
            limits: config.limits,
        })
    }

    fn now(&self) -> StepTime {
        StepTime::from_ns(self.step.saturating_mul(self.limits.timing.period_ns))
    }

    fn event(&mut self, event: LinkEvent) {
        let Some(next) = next_link(self.link, event) else { return };
        self.link = next;
        match next {
            LinkState::Arming => {
                self.arming_cycles = 0;
                self.command_lost = false;
                self.ladder.reset();
            }
            LinkState::Active => {
                // The silence of a commander that never says Run counts from here.
                self.ladder.reset();
                self.ladder.accepted(self.now());
                self.accepted.clear();
                self.pulling = false;
                self.stiffness = 0.0;
            }
            LinkState::Disabled | LinkState::Fault | LinkState::EStop => self.acceptor.revoke(),
            LinkState::Damping => self.ladder.damp(),
            LinkState::ConfigCheck => {
                self.check = ConfigCheck::new(self.drives.len());
                self.drive_untrue = false;
                // The check switches every drive off before it asks anything.
                self.powered = false;
                self.stage = Stage::Idle;
            }
            _ => {}
        }
    }

    /// Starts cycle `step`: appends what every bus has to send, in the order of sending.
    ///
    /// `participants` says who takes part in this step of a lockstep run (all ones on a robot). After a step that
    /// jumped forward the ladder goes by the age of the newest accepted command as ever; after one that did not grow
    /// no age can be told any more, and what was accepted is no longer in force.
    pub fn begin(&mut self, step: u64, participants: u32, out: &mut [FrameList]) {
        if self.started && step != self.step.saturating_add(1) {
            self.drives.iter_mut().for_each(Drive::forget);
            self.rest.forget();
            self.late.iter_mut().for_each(ReceivedList::clear);
            if step <= self.step {
                self.ladder.damp();
            }
        }
        self.started = true;
        self.step = step;
        self.state.body.participants = participants;
        let now = self.now();
        let at_rest = self.rest.at_rest(&self.limits.timing);
        if self.powered {
            self.stage = self.ladder.evaluate(now, at_rest, &self.limits.timing);
        }
        match (self.link, self.stage) {
            (LinkState::Boot, _) => self.event(LinkEvent::BootDone),
            (LinkState::Active, Stage::Damp | Stage::Disable) => {
                self.command_lost = true;
                self.event(LinkEvent::LadderDamp);
            }
            (LinkState::Damping, Stage::Disable) => self.event(LinkEvent::LadderDisable),
            (LinkState::Fault | LinkState::EStop, _) if self.powered => self.ladder.damp(),
            _ => {}
        }
        for (frames, sync) in out.iter_mut().zip(&self.syncs) {
            frames.clear();
            if *sync {
                push(frames, imu::encode_sync(step as u8).ok());
            }
        }
        self.send_to_drives(now, out);
        self.sensors.begin(step as u8);
        self.drives.iter_mut().for_each(Drive::begin);
    }

    /// Takes what `bus` delivered in this cycle. A frame stamped after the cutoff counts as missing now and is
    /// taken in the next cycle, a period old.
    pub fn collect(&mut self, bus: usize, received: &[Received]) {
        let (start, period_us) = (self.now().as_ns(), (self.limits.timing.period_ns / 1000) as u32);
        let mut late = self.late.get_mut(bus).map(core::mem::take).unwrap_or_default();
        for received in late.drain(..) {
            self.take_reply(bus, &received.frame, period_us);
        }
        for received in received {
            if received.at_ns.saturating_sub(start) <= self.cutoff_ns {
                self.take_reply(bus, &received.frame, 0);
            } else if let Some(late) = self.late.get_mut(bus) {
                // A full list means a babbling bus; what does not fit is missing, and missing is counted.
                if late.try_push(*received).is_err() {
                    break;
                }
            }
        }
    }

    fn take_reply(&mut self, bus: usize, frame: &CanFrame, age_us: u32) {
        if self.sensors.take(bus, frame) {
            return;
        }
        let checking = self.link == LinkState::ConfigCheck;
        for (joint, drive) in self.drives.iter_mut().enumerate().filter(|(_, d)| d.plan.bus == bus) {
            if checking && self.check.answer(joint, &drive.plan, frame) {
                drive.missing = 0;
                return;
            }
            if drive.take(frame, age_us) {
                return;
            }
        }
    }

    /// Ends the cycle and gives the state to publish.
    pub fn finish(&mut self) -> &ActuatorState {
        let period_us = (self.limits.timing.period_ns / 1000) as u32;
        let mut missing = 0u32;
        let polled = !matches!(self.link, LinkState::Boot | LinkState::ConfigCheck);
        for drive in self.drives.iter_mut().filter(|_| polled) {
            missing += u32::from(!drive.on_time);
            drive.finish(period_us);
        }
        missing += self.sensors.finish();
        let heard = |d: &Drive| (d.state.valid == 1).then_some(d.state.dq_rad_s);
        self.rest.observe(self.drives.iter().map(heard), self.sensors.gyro_rad_s());
        self.progress();
        let faults = self.faults();
        let header = &mut self.state.header;
        header.seq = header.seq.wrapping_add(1);
        header.step = self.step;
        let writer = self.acceptor.writer();
        let body = &mut self.state.body;
        body.missing = body.missing.wrapping_add(missing);
        body.faults = faults.bits();
        body.link_state = self.link as u8;
        body.stage = self.stage as u8;
        body.arm_answer = self.grant.answer as u8;
        body.estop_input = u8::from(self.estop_input);
        body.refused = self.acceptor.refused();
        body.writer_boot = writer.map_or(0, |w| w.boot_id);
        body.writer_epoch = writer.map_or(0, |w| w.epoch);
        body.writer_source = writer.map_or(0, |w| w.source.0);
        fill(body, &self.sensors);
        self.state.joints.clear();
        self.state.joints.extend(self.drives.iter().map(|d| d.state));
        let at = self.now();
        self.acceptor.published(self.state.header.id(), at);
        &self.state
    }

    /// Moves the link by what this cycle found.
    fn progress(&mut self) {
        if self.link == LinkState::Active {
            self.drive_untrue |= self.drives.iter().any(|d| d.is_off() || d.jumped);
        }
        self.drive_fault = self.drive_untrue || self.drives.iter().any(|d| d.state.fault != 0);
        match self.link {
            LinkState::ConfigCheck => match self.check.passed() {
                Some(true) => self.event(LinkEvent::CheckPassed),
                Some(false) => self.event(LinkEvent::CheckFailed),
                None => {}
            },
            LinkState::Arming if self.arming_cycles > 1 => {
                if self.drives.iter().all(|d| d.enabled && d.state.fault == 0) {
                    self.event(LinkEvent::DrivesEnabled);
                } else if self.arming_cycles > ARMING_CYCLES {
                    self.grant.answer = sinew_wire::ArmAnswer::DriveFault;
                    self.event(LinkEvent::ArmFailed);
                }
            }
            LinkState::Active | LinkState::Damping if self.drive_fault || self.drive_silent() => {
                self.event(LinkEvent::DriveFault);
            }
            _ => {}
        }
    }

    fn drive_silent(&self) -> bool {
        self.drives.iter().any(|d| d.missing >= self.misses_max)
    }

    /// Every joint as last heard.
    fn measured(&self) -> ArrayVec<Measured, MAX_JOINTS> {
        self.drives.iter().map(|d| Measured { q_rad: d.state.q_rad, dq_rad_s: d.state.dq_rad_s }).collect()
    }

    fn faults(&self) -> FaultSet {
        let mut faults = FaultSet::default();
        let polled = !matches!(self.link, LinkState::Boot | LinkState::ConfigCheck);
        for (present, fault) in [
            (self.drive_fault, Fault::DriveFault),
            (polled && self.drive_silent(), Fault::DriveSilent),
            (polled && self.sensors.imu_silent(), Fault::ImuSilent),
            (!self.check.failures().is_empty(), Fault::ConfigMismatch),
            (self.estop_input, Fault::EStopInput),
            (self.command_lost, Fault::CommandLost),
        ] {
            if present {
                faults.insert(fault);
            }
        }
        faults
    }

    /// The emergency stop input of the hardware.
    pub fn estop_input(&mut self, pressed: bool) {
        self.estop_input = pressed;
        if pressed {
            self.event(LinkEvent::EStop);
        }
    }

    #[must_use]
    pub fn link(&self) -> LinkState {
        self.link
    }
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }
    #[must_use]
    pub fn writer(&self) -> Option<Writer> {
        self.acceptor.writer()
    }
    /// What the last cycle told each joint.
    #[must_use]
    pub fn sent(&self) -> &[SentFrame] {
        &self.sent
    }
    /// Why the start-up check refused, drive by drive.
    #[must_use]
    pub fn check_failures(&self) -> &[CheckFailure] {
        self.check.failures()
    }
    /// The state published last.
    #[must_use]
    pub fn state(&self) -> &ActuatorState {
        &self.state
    }
    /// Refusals since boot, by reason.
    #[must_use]
    pub fn refusals(&self) -> &[u32] {
        self.acceptor.counters()
    }
}

fn push(frames: &mut FrameList, frame: Option<CanFrame>) {
    // The plan was checked against the bus budget, which is far below the list's length.
    if let Some(frame) = frame
        && !frames.is_full()
    {
        frames.push(frame);
    }
}

fn fill(body: &mut ActuatorStateBody, sensors: &Sensors) {
    body.imu_count = 0;
    for (slot, sample) in body.imus.iter_mut().zip(sensors.imus()) {
        *slot = *sample;
        body.imu_count += 1;
    }
    body.contact_count = 0;
    for (slot, sample) in body.contacts.iter_mut().zip(sensors.contacts()) {
        *slot = *sample;
        body.contact_count += 1;
    }
}
