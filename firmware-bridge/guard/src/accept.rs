//! Whether a command is heard at all. A refusal changes nothing but a counter.
//!
//! Age is judged in the receiver's own time: a command names the state frame it was computed from, and the bridge
//! remembers when it published that one. A replay names an old frame and dies; no clocks are compared.
use sinew_wire::{
    ActuatorCommand, FrameId, Header, Intent, JointCommand, JointMode, LinkState, Refusal, Source, StepTime,
};

use crate::limits::Limits;
use crate::saturate::Measured;

/// Number of [`Refusal`] reasons, "none" included.
pub const REFUSALS: usize = Refusal::ALL.len();
/// State frames remembered; what is older is too old anyway.
pub const RING: usize = 64;

/// The process that may command, as the bridge granted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    pub source: Source,
    pub boot_id: u32,
    /// Fencing number; grows with every grant.
    pub epoch: u32,
}

/// Judges the commands that reach one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptor {
    robot: u32,
    own_boot: u32,
    published: [Option<(u32, StepTime)>; RING],
    /// Slot of `published` that is written next.
    slot: usize,
    writer: Option<Writer>,
    /// Newest accepted command of the writer.
    last: Option<FrameId>,
    counters: [u32; REFUSALS],
    last_refusal: Refusal,
}

impl Acceptor {
    /// `robot` is the name's id on the wire, `own_boot` the boot id that this bridge's state frames carry.
    #[must_use]
    pub const fn new(robot: u32, own_boot: u32) -> Self {
        Self {
            robot,
            own_boot,
            published: [None; RING],
            slot: 0,
            writer: None,
            last: None,
            counters: [0; REFUSALS],
            last_refusal: Refusal::None,
        }
    }

    /// An own state frame went out; `at` is its t_n. Sending it again does not make it younger; frames of another
    /// boot are not ours and are not remembered.
    pub fn published(&mut self, id: FrameId, at: StepTime) {
        if id.boot_id != self.own_boot || self.time_of(id).is_some() {
            return;
        }
        if let Some(slot) = self.published.get_mut(self.slot) {
            *slot = Some((id.seq, at));
        }
        self.slot = (self.slot + 1) % RING;
    }

    /// From now on only this process is heard; its sequence numbers start anew.
    pub fn grant(&mut self, writer: Writer) {
        self.writer = Some(writer);
        self.last = None;
    }

    /// From now on nobody is heard.
    pub fn revoke(&mut self) {
        self.writer = None;
        self.last = None;
    }

    #[must_use]
    pub const fn writer(&self) -> Option<Writer> {
        self.writer
    }

    /// Judges a decoded command of intent Run, Disarm or Observe; gives t_n of the state it was computed from.
    ///
    /// Identity, sequence and age count for each intent. Link state and joints count for Run alone: a Disarm is
    /// heard in any state, whatever its joints. Arm is the bridge's handshake, not a command of a writer: here it
    /// is refused. While nobody holds the epoch, an Observe is heard from anyone: it asks for nothing.
    ///
    /// # Errors
    /// The first rule that the frame breaks; it is counted, and nothing else changes.
    pub fn judge(
        &mut self,
        frame: &ActuatorCommand,
        now: StepTime,
        limits: &Limits,
        link: LinkState,
    ) -> Result<StepTime, Refusal> {
        match self.verdict(frame, now, limits, link) {
            Ok(at) => {
                if self.writer.is_some() {
                    self.last = Some(frame.header.id());
                }
                Ok(at)
            }
            Err(refusal) => {
                self.note(refusal);
                Err(refusal)
            }
        }
    }

    /// Counts a refusal found elsewhere: undecodable bytes, a start too far from the measured position.
    pub fn note(&mut self, refusal: Refusal) {
        if refusal == Refusal::None {
            return;
        }
        if let Some(counter) = self.counters.get_mut(refusal as usize) {
            *counter = counter.saturating_add(1);
        }
        self.last_refusal = refusal;
    }

    /// Refusals since boot, by the wire's number of the reason.
    #[must_use]
    pub const fn counters(&self) -> &[u32; REFUSALS] {
        &self.counters
    }

    /// Refusals since boot, all reasons.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.counters.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    #[must_use]
    pub const fn last_refusal(&self) -> Refusal {
        self.last_refusal
    }

    /// t_n of an own state frame, if it is still remembered.
    #[must_use]
    pub fn time_of(&self, id: FrameId) -> Option<StepTime> {
        if id.boot_id != self.own_boot {
            return None;
        }
        self.published.iter().flatten().find(|(seq, _)| *seq == id.seq).map(|(_, at)| *at)
    }

    fn verdict(
        &self,
        frame: &ActuatorCommand,
        now: StepTime,
        limits: &Limits,
        link: LinkState,
    ) -> Result<StepTime, Refusal> {
        let header = &frame.header;
        let intent = frame.body.intent();
        if header.robot != self.robot {
            return Err(Refusal::Robot);
        }
        if intent == Intent::Arm {
            return Err(Refusal::Link);
        }
        match self.writer {
            None if intent == Intent::Observe => return self.age(header, now, limits),
            None => return Err(Refusal::Writer),
            Some(writer) => self.identity(header, writer)?,
        }
        let at = self.age(header, now, limits)?;
        if intent == Intent::Run {
            if link != LinkState::Active {
                return Err(Refusal::Link);
            }
            joints(&frame.joints, limits)?;
        }
        Ok(at)
    }

    fn identity(&self, header: &Header, writer: Writer) -> Result<(), Refusal> {
        if header.source != writer.source.0 || header.boot_id != writer.boot_id {
            return Err(Refusal::Writer);
        }
        if header.epoch != writer.epoch {
            return Err(Refusal::Epoch);
        }
        match self.last {
            Some(last) if !header.id().is_newer_than(last) => Err(Refusal::Sequence),
            _ => Ok(()),
        }
    }

    fn age(&self, header: &Header, now: StepTime, limits: &Limits) -> Result<StepTime, Refusal> {
        let at = self.time_of(header.based_on()).ok_or(Refusal::Age)?;
        let declared_ns = u64::from(header.valid_for_us) * 1_000;
        let own_ns = limits.timing.valid_for_ns;
        let most_ns = if declared_ns == 0 { own_ns } else { declared_ns.min(own_ns) };
        if at > now || now.since_ns(at) > most_ns {
            return Err(Refusal::Age);
        }
        Ok(at)
    }
}

fn joints(commands: &[JointCommand], limits: &Limits) -> Result<(), Refusal> {
    if commands.len() != limits.joints.len() {
        return Err(Refusal::Joints);
    }
    if !commands.iter().all(JointCommand::is_finite) {
        return Err(Refusal::NonFinite);
    }
    for (command, joint) in commands.iter().zip(&limits.joints) {
        let mode = JointMode::try_from(command.mode).map_err(|_| Refusal::Mode)?;
        if mode != JointMode::Disabled && !joint.modes.contains(mode) {
            return Err(Refusal::Mode);
        }
        if !((0.0..=joint.kp_max).contains(&command.kp) && (0.0..=joint.kd_max).contains(&command.kd)) {
            return Err(Refusal::Gains);
        }
    }
    Ok(())
}

/// True when a first command after arming asks no joint to jump: every position target that pulls lies within
/// `start_epsilon_rad` of the measured position. The bridge refuses it with [`Refusal::Start`] otherwise.
#[must_use]
pub fn starts_at_measured(limits: &Limits, measured: &[Measured], commands: &[JointCommand]) -> bool {
    commands.len() == measured.len()
        && commands.iter().zip(measured).all(|(command, at)| match command.mode() {
            JointMode::Impedance | JointMode::Position => {
                (command.q_rad - at.q_rad).abs() <= limits.start_epsilon_rad
            }
            _ => true,
        })
}
