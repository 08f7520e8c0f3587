//! All cores in one thread, frames passed as bytes, one call per step.
use sinew_bridge::{Bridge, FrameList, ReceivedList};
use sinew_control::{Control, Inputs, PolicyTiming};
use sinew_twin::Twin;
use sinew_wire::{
    ActuatorState, DecodeError, MAX_FRAME, MotionCommand, MotionCommandBody, PolicyCommand,
    PolicyCommandBody, RobotState, StepTime,
};

use crate::events::{ProcessEvent, ScheduledEvent, resolve};
use crate::inbox::Inbox;
use crate::link_filter::{Delivery, LinkFilter};
use crate::meters::{Meters, Part, Unmetered};
use crate::policy_host::PolicyHost;
use crate::scenario::{BodyVelocity, Participant, Scenario, ScenarioError};
use crate::score::{Score, Scorer};
use crate::script::Script;
use crate::setup::{LockstepPlan, Participants, Setup, SetupError};
use crate::target_meter::TargetMeter;
use crate::trace::{StepTrace, Trace};

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("step {step}: {frame} did not survive its own encoding: {error}")]
    Frame { step: u64, frame: &'static str, error: DecodeError },
    #[error("step {step}: {error}")]
    Twin { step: u64, error: String },
}

/// Result of a whole scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub score: Score,
    /// Hash of truth and applied commands, hexadecimal.
    pub hash: String,
    pub steps: u64,
    /// Frames passed between the cores.
    pub messages: u64,
    pub saturated_ticks: u64,
}

/// The composition.
pub struct Stack {
    period_ns: u64,
    joints: usize,
    plan: LockstepPlan,
    pub bridge: Bridge,
    pub control: Control,
    policies: Vec<PolicyHost>,
    targets: TargetMeter,
    pub twin: Twin,
    script: Script,
    filter: LinkFilter,
    events: Vec<(u64, ScheduledEvent)>,
    next_event: usize,
    present: u32,
    step: u64,
    frames: Vec<FrameList>,
    replies: Vec<ReceivedList>,
    policy_inbox: Inbox<PolicyCommandBody>,
    motion_inbox: Inbox<MotionCommandBody>,
    policy_due: Vec<PolicyCommand>,
    motion_due: Vec<MotionCommand>,
    deliveries: Vec<Delivery>,
    robot_state: RobotState,
    body_velocity: BodyVelocity,
    pub trace: Trace,
    messages: u64,
    stale_accepted: u64,
    buffer: [u8; MAX_FRAME],
}

/// Boot ids of the inline composition; only ever compared for equality.
const BOOT_BRIDGE: u32 = 1;
const BOOT_CONTROL: u32 = 2;
const BOOT_POLICY: u32 = 3;
const BOOT_OPERATOR: u32 = 4;

impl Stack {
    /// The robot of `setup` under the script of `scenario`; `file` names it in errors.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn new(setup: &Setup, scenario: &Scenario, file: &str) -> Result<Self, StackError> {
        let policies = (0..setup.models.len())
            .map(|number| PolicyHost::new(setup, Some(scenario), number, BOOT_POLICY))
            .collect::<Result<Vec<_>, _>>()?;
        let buses = setup.robot.buses.len();
        let mut present = Participants::BRIDGE | Participants::CONTROL | Participants::OPERATOR;
        if !policies.is_empty() {
            present |= Participants::POLICY;
        }
        let period_ns = setup.robot.period_ns;
        Ok(Self {
            period_ns,
            joints: setup.robot.joints.len(),
            plan: setup.plan(),
            bridge: setup.bridge(BOOT_BRIDGE)?,
            control: setup.control(BOOT_CONTROL)?,
            policies,
            targets: TargetMeter::new(&setup.robot),
            twin: setup.twin()?,
            script: Script::new(scenario, &setup.name, BOOT_OPERATOR, period_ns),
            filter: LinkFilter::new(scenario, period_ns),
            events: resolve(scenario, &setup.robot, file)?,
            next_event: 0,
            present,
            step: 0,
            frames: (0..buses).map(|_| FrameList::new()).collect(),
            replies: (0..buses).map(|_| ReceivedList::new()).collect(),
            policy_inbox: Inbox::default(),
            motion_inbox: Inbox::default(),
            policy_due: Vec::new(),
            motion_due: Vec::new(),
            deliveries: Vec::new(),
            robot_state: RobotState::default(),
            body_velocity: scenario.policy_body_velocity,
            trace: Trace::default(),
            messages: 0,
            stale_accepted: 0,
            buffer: [0; MAX_FRAME],
        })
    }

    /// Runs `scenario` to its end and judges it.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn run(setup: &Setup, scenario: &Scenario, file: &str) -> Result<(Outcome, Trace), StackError> {
        let mut stack = Self::new(setup, scenario, file)?;
        let scorer = Scorer::new(scenario, stack.period_ns, setup.robot.postures.stand.height_m);
        let steps = (scenario.duration_s * 1e9 / stack.period_ns as f64).round() as u64;
        while stack.step < steps {
            let command = scorer.command(stack.step);
            stack.step(command)?;
        }
        let outcome = stack.outcome(&scorer);
        Ok((outcome, stack.trace))
    }

    /// What the run so far comes to.
    #[must_use]
    pub fn outcome(&self, scorer: &Scorer<'_>) -> Outcome {
        let report = self.policies.first().map(PolicyHost::report).unwrap_or_default();
        let scorer = scorer.clone().policy(report);
        let refusals: Vec<String> = sinew_wire::Refusal::ALL
            .iter()
            .zip(self.bridge.refusals())
            .filter(|(_, count)| **count > 0)
            .map(|(reason, _)| reason.name().to_owned())
            .collect();
        Outcome {
            score: scorer.judge(&self.trace, self.stale_accepted, &refusals),
            hash: self.twin.hash().iter().map(|b| format!("{b:02x}")).collect(),
            steps: self.step,
            messages: self.messages,
            saturated_ticks: self.control.counters().saturated_ticks,
        }
    }

    fn has(&self, participant: u32) -> bool {
        self.present & participant != 0
    }

    /// One bus period; `velocity` is what the script asks for, kept in the trace.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn step(&mut self, velocity: [f32; 3]) -> Result<(), StackError> {
        self.step_metered(velocity, &mut Unmetered)
    }

    /// As [`Self::step`], with every core's share going through `meters`.
    ///
    /// # Errors
    /// See [`StackError`].
    pub fn step_metered(&mut self, velocity: [f32; 3], meters: &mut impl Meters) -> Result<(), StackError> {
        let step = self.step;
        self.run_events()?;
        self.frames.iter_mut().for_each(FrameList::clear);
        self.replies.iter_mut().for_each(ReceivedList::clear);
        if self.has(Participants::BRIDGE) {
            meters.measure(Part::Bridge, || self.bridge.begin(step, self.present, &mut self.frames));
        }
        let frames: usize = self.frames.iter().map(|f| f.len()).sum();
        meters
            .measure(Part::Twin, || self.twin.exchange(step, &self.frames, &mut self.replies))
            .map_err(|e| StackError::Twin { step, error: e.to_string() })?;
        let replies: usize = self.replies.iter().map(|r| r.len()).sum();
        self.messages += (frames + replies) as u64;
        let mut trace =
            StepTrace { command: velocity, ..StepTrace::of(&self.twin, self.joints, &mut self.targets) };
        if self.has(Participants::BRIDGE) {
            let state = meters.measure(Part::Bridge, || {
                for (bus, replies) in self.replies.iter().enumerate() {
                    self.bridge.collect(bus, replies);
                }
                self.bridge.finish()
            });
            let bytes = state.encode(&mut self.buffer).map_err(|_| too_long(step))?;
            let state = ActuatorState::decode(bytes).map_err(|error| StackError::Frame {
                step,
                frame: "actuator state",
                error,
            })?;
            self.messages += 1;
            trace.stage = self.bridge.stage();
            if self.has(Participants::CONTROL) {
                self.tick(&state, meters)?;
                trace.mode = self.control.mode();
                trace.faults = self.control.faults().bits();
            } else {
                trace.faults = state.body.faults;
                self.filter.pass(step, None, &mut self.deliveries);
            }
        }
        self.trace.steps.push(trace);
        meters.measure(Part::Twin, || self.twin.integrate());
        self.step += 1;
        Ok(())
    }

    fn tick(&mut self, state: &ActuatorState, meters: &mut impl Meters) -> Result<(), StackError> {
        let step = self.step;
        let due = |timing: PolicyTiming| move |at: u64| at + timing.latency_ticks <= step;
        let (policy_due, motion_due) = (due(self.plan.policy), due(self.plan.motion));
        self.policy_inbox.take_due(|f| policy_due(f.header.step), &mut self.policy_due);
        self.motion_inbox.take_due(|f| motion_due(f.header.step), &mut self.motion_due);
        if !self.has(Participants::POLICY) {
            self.policy_due.clear();
        }
        if !self.has(Participants::OPERATOR) {
            self.motion_due.clear();
        }
        let inputs = Inputs { state, policy: &self.policy_due, motion: &self.motion_due };
        let (command, robot_state) = meters.measure(Part::Control, || self.control.tick(&inputs));
        let bytes = command.encode(&mut self.buffer).map_err(|_| too_long(step))?;
        self.filter.pass(step, Some(bytes), &mut self.deliveries);
        let bytes = robot_state.encode(&mut self.buffer).map_err(|_| too_long(step))?;
        self.robot_state = RobotState::decode(bytes).map_err(|error| StackError::Frame {
            step,
            frame: "robot state",
            error,
        })?;
        self.messages += 2;
        for delivery in &self.deliveries {
            let taken = meters.measure(Part::Bridge, || self.bridge.take(&delivery.bytes));
            self.stale_accepted += u64::from(delivery.is_stale_taken(taken.is_ok()));
        }
        self.think(meters)
    }

    /// What policy and operator make of the new robot state.
    fn think(&mut self, meters: &mut impl Meters) -> Result<(), StackError> {
        let step = self.step;
        let now = StepTime::from_ns(step * self.period_ns);
        if self.has(Participants::POLICY) && step.is_multiple_of(self.plan.policy.decimation) {
            let mut seen = self.robot_state.clone();
            if self.body_velocity == BodyVelocity::Truth {
                seen.body.velocity_m_s = self.twin.truth().velocity_body_m_s.map(|v| v as f32);
            }
            for policy in &mut self.policies {
                let mut frame = meters.measure(Part::Policy, || policy.step(&seen, now));
                policy.judge(&mut frame, None);
                let bytes = frame.encode(&mut self.buffer).map_err(|_| too_long(step))?;
                let frame = PolicyCommand::decode(bytes).map_err(|error| StackError::Frame {
                    step,
                    frame: "policy command",
                    error,
                })?;
                self.messages += u64::from(self.policy_inbox.push(frame));
            }
        }
        if self.has(Participants::OPERATOR) && step.is_multiple_of(self.plan.motion.decimation) {
            let frame = self.script.step(&self.robot_state);
            let bytes = frame.encode(&mut self.buffer).map_err(|_| too_long(step))?;
            let frame = MotionCommand::decode(bytes).map_err(|error| StackError::Frame {
                step,
                frame: "motion command",
                error,
            })?;
            self.messages += u64::from(self.motion_inbox.push(frame));
        }
        Ok(())
    }

    fn run_events(&mut self) -> Result<(), StackError> {
        while let Some((at, event)) = self.events.get(self.next_event).copied() {
            if at > self.step {
                break;
            }
            self.next_event += 1;
            match event {
                ScheduledEvent::World(event) => self
                    .twin
                    .apply(&event)
                    .map_err(|e| StackError::Twin { step: self.step, error: e.to_string() })?,
                ScheduledEvent::Process(event) => self.process(event),
            }
        }
        Ok(())
    }

    fn process(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Kill(who) | ProcessEvent::Stop(who) => self.present &= !bit(who),
            ProcessEvent::Continue(who) => {
                self.present |= bit(who);
                match who {
                    Participant::Control => {
                        self.policy_inbox.drain();
                        self.motion_inbox.drain();
                    }
                    Participant::Policy => self.policy_inbox.drain(),
                    Participant::Operator => self.motion_inbox.drain(),
                    Participant::Bridge => {}
                }
            }
        }
    }
}

fn bit(who: Participant) -> u32 {
    match who {
        Participant::Bridge => Participants::BRIDGE,
        Participant::Control => Participants::CONTROL,
        Participant::Policy => Participants::POLICY,
        Participant::Operator => Participants::OPERATOR,
    }
}

fn too_long(step: u64) -> StackError {
    StackError::Frame { step, frame: "frame", error: DecodeError::Length { expected: MAX_FRAME, found: 0 } }
}
