//! One tick, top to bottom: state in, command out.
//!
//! What is found and what follows from it is in `watch`, what is asked for in `requests`, how a policy is left in
//! `leaving`, how a state follows another in `transition`.
mod leaving;
mod requests;
mod transition;
mod watch;

use arrayvec::ArrayVec;
use sinew_estimator::{Estimate, Estimator, Foot, Imu, Input, MAX_FEET};
use sinew_guard::{FaultSet, Margin, Measured, Severity, saturate, worst};
use sinew_wire::{
    ActuatorCommand, ActuatorState, FrameId, Header, Intent, JointCommand, LinkState, MAX_JOINTS,
    MotionCommand, NO_POLICY, PolicyCommand, RobotJoint, RobotMode, RobotState, Source, StepTime,
};

use crate::arbiter::{Arbiter, Granted};
use crate::arming::Arming;
use crate::config::{ConfigError, ControlConfig};
use crate::degrade::Missed;
use crate::faults::Findings;
use crate::motion::Motion;
use crate::policy_slots::PolicySlots;
use crate::ramp::Ramp;
use crate::{feet, frames};

/// Share of the commanded velocity that a degraded robot follows.
const DEGRADED_SPEED: f32 = 0.5;

/// Everything one tick looks at, already decoded and sorted by (source, seq).
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub state: &'a ActuatorState,
    pub policy: &'a [PolicyCommand],
    pub motion: &'a [MotionCommand],
}

/// Counters for displays and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub ticks: u64,
    /// Ticks in which control's guard changed a command.
    pub saturated_ticks: u64,
    pub motion_refused: u32,
    pub policy_misses: u32,
}

/// The core of the control process.
#[derive(Debug)]
pub struct Control {
    config: ControlConfig,
    estimator: Estimator,
    arbiter: Arbiter,
    arming: Arming,
    /// Ticks since control began to ask the bridge for something.
    asking_ticks: u32,
    mode: RobotMode,
    /// Faults that stay until a reset.
    latched: FaultSet,
    faults: FaultSet,
    findings: Findings,
    ramp: Ramp,
    slots: PolicySlots,
    motion: Motion,
    active_policy: Option<u8>,
    activation: u32,
    leaving: Option<leaving::Leaving>,
    /// Lease epoch under which the first reset step was taken, in this same stop.
    reset_step1: Option<u32>,
    stopping: bool,
    last_step: Option<u64>,
    feet: ArrayVec<Foot, MAX_FEET>,
    estimate: Option<Estimate>,
    command: ActuatorCommand,
    robot_state: RobotState,
    counters: Counters,
}

impl Control {
    /// A disarmed control process.
    ///
    /// # Errors
    /// What in the configuration does not fit.
    pub fn new(config: ControlConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let estimator =
            Estimator::new(config.estimator.clone()).map_err(|e| ConfigError::Estimator(e.to_string()))?;
        let mut command = ActuatorCommand::default();
        command.header.robot = config.robot;
        command.header.source = Source::CONTROL.0;
        command.header.boot_id = config.boot_id;
        command.header.valid_for_us = (config.limits.timing.valid_for_ns / 1000) as u32;
        command.body.limits_hash = config.limits_hash;
        command.body.calibration_id = config.calibration_id;
        let robot_state = RobotState { header: command.header, ..RobotState::default() };
        Ok(Self {
            estimator,
            arbiter: Arbiter::new(&config.sources),
            arming: Arming::default(),
            asking_ticks: 0,
            mode: RobotMode::Off,
            latched: FaultSet::default(),
            faults: FaultSet::default(),
            findings: Findings::default(),
            ramp: Ramp::new(config.command_rate, config.command_max),
            slots: PolicySlots::new(config.robot),
            motion: Motion::new(&config),
            active_policy: None,
            activation: 0,
            leaving: None,
            reset_step1: None,
            stopping: false,
            last_step: None,
            feet: ArrayVec::new(),
            estimate: None,
            command,
            robot_state,
            counters: Counters::default(),
            config,
        })
    }

    /// Answers one actuator state with one command and the robot state behind it.
    pub fn tick(&mut self, inputs: &Inputs<'_>) -> (&ActuatorCommand, &RobotState) {
        let state = inputs.state;
        let now = StepTime::from_ns(state.header.step.saturating_mul(self.config.limits.timing.period_ns));
        let dt_s = self.advance(state.header.step);
        let estimate = self.estimate(state, dt_s);
        let requests: ArrayVec<Granted, 16> =
            self.arbiter.hear(self.config.robot, inputs.motion, now).iter().copied().collect();
        let news = self.slots.step(state.header.step, self.config.limits.joints.len(), inputs.policy);
        self.find(state, &estimate, news);
        self.fall(state);
        self.watch(state, now, news);
        for request in &requests {
            self.carry_out(request, state, now);
        }
        self.watch_leaving(state, now);
        let slow = if worst(self.faults) == Severity::Degrade { DEGRADED_SPEED } else { 1.0 };
        let follows = self.mode == RobotMode::Policy && !self.is_leaving();
        let target = if follows { self.arbiter.velocity().map(|v| v * slow) } else { [0.0; 3] };
        let velocity = self.ramp.step(target, dt_s as f32);
        self.move_joints(state, &estimate, dt_s);
        self.answer(state);
        self.publish(state, &estimate, velocity, now);
        self.counters.ticks += 1;
        self.counters.motion_refused = self.arbiter.refused();
        self.counters.policy_misses = self.slots.misses();
        (&self.command, &self.robot_state)
    }

    /// Seconds since the last tick. A state lost on the way costs nothing as long as a command based on it would
    /// still have been fresh; beyond that, or backwards, the step has jumped.
    fn advance(&mut self, step: u64) -> f64 {
        let timing = &self.config.limits.timing;
        let bridged = timing.valid_for_ns / timing.period_ns.max(1);
        let gap = match self.last_step {
            Some(last) => step.checked_sub(last).filter(|gap| (1..=bridged).contains(gap)),
            None => Some(1),
        };
        self.findings.step_jumped = gap.is_none();
        self.last_step = Some(step);
        (gap.unwrap_or(1) * timing.period_ns) as f64 * 1e-9
    }

    fn estimate(&mut self, state: &ActuatorState, dt_s: f64) -> Estimate {
        feet::feet(&self.config.legs, state, &mut self.feet);
        let mut imus = self.config.imus.iter().filter_map(|i| state.body.imus().get(*i));
        let imu = imus.find(|imu| imu.valid == 1).map(|imu| Imu {
            gyro_rad_s: imu.gyro_rad_s.map(f64::from),
            accel_m_s2: imu.accel_m_s2.map(f64::from),
        });
        let estimate = self.estimator.step(&Input { dt_s, imu, feet: &self.feet });
        self.estimate = Some(estimate);
        estimate
    }

    fn move_joints(&mut self, state: &ActuatorState, estimate: &Estimate, dt_s: f64) {
        let joints = &mut self.command.joints;
        let damped = self.mode == RobotMode::Policy && self.slots.missed() == Missed::Damp;
        self.motion.damp(damped);
        self.motion.step(self.mode, &self.config, self.slots.targets(), &self.feet, estimate, dt_s, joints);
        let finite = joints.len() == state.joints.len() && joints.iter().all(JointCommand::is_finite);
        if !finite {
            // Never seen, and never sent: whatever produced it, the joints are damped.
            joints.clear();
            joints.extend(self.config.limits.joints.iter().map(|l| l.safe_command()));
        }
        let measured: ArrayVec<Measured, MAX_JOINTS> =
            state.joints.iter().map(|j| Measured { q_rad: j.q_rad, dq_rad_s: j.dq_rad_s }).collect();
        let saturation = saturate(&self.config.limits, Margin::CONTROL, &measured, joints);
        if saturation.count > 0 {
            self.counters.saturated_ticks += 1;
            self.findings.saturated_in_row = self.findings.saturated_in_row.saturating_add(1);
        } else {
            self.findings.saturated_in_row = 0;
        }
        self.robot_state.body.saturated = self.robot_state.body.saturated.wrapping_add(saturation.count);
        self.motion.sent(joints);
    }

    fn answer(&mut self, state: &ActuatorState) {
        let (intent, epoch) = self.arming.intent(state, self.config.boot_id);
        let header = &mut self.command.header;
        header.seq = header.seq.wrapping_add(1);
        header.step = state.header.step;
        header.epoch = epoch;
        header.flags = if self.mode == RobotMode::EStop { Header::ESTOP } else { 0 };
        header.set_based_on(state.header.id());
        self.command.body.intent = intent as u8;
        if intent != Intent::Run {
            self.command.joints.iter_mut().for_each(|joint| *joint = JointCommand::default());
        }
    }

    fn publish(&mut self, state: &ActuatorState, estimate: &Estimate, velocity: [f32; 3], now: StepTime) {
        let header = &mut self.robot_state.header;
        header.seq = header.seq.wrapping_add(1);
        header.step = state.header.step;
        header.set_based_on(state.header.id());
        let body = &mut self.robot_state.body;
        frames::estimate(body, estimate);
        frames::link(body, state);
        body.contact_count = self.feet.len().min(8) as u8;
        body.command = velocity;
        body.faults = self.faults.bits();
        body.activation = self.activation;
        body.active_policy = self.active_policy.unwrap_or(NO_POLICY);
        body.robot_mode = self.mode as u8;
        body.policy_misses = self.slots.misses();
        body.saturated_ticks = self.counters.saturated_ticks as u32;
        body.lease_epoch = self.arbiter.epoch();
        body.lease_holder = self.arbiter.holder().map_or(0, |s| s.0);
        body.lease_refusal = self.arbiter.refusal() as u8;
        let (source, seq) = self.arbiter.last();
        (body.last_motion_source, body.last_motion_seq) = (source.0, seq);
        self.robot_state.joints.clear();
        self.robot_state.joints.extend(state.joints.iter().map(|j| RobotJoint {
            q_rad: j.q_rad,
            dq_rad_s: j.dq_rad_s,
            tau_nm: j.tau_nm,
            temperature_c: j.temperature_c,
        }));
        let id: FrameId = self.robot_state.header.id();
        self.arbiter.published(id, now);
    }

    /// Lies the robot down and gives it back; see [`Control::is_released`].
    pub fn request_stop(&mut self) {
        self.stopping = true;
    }

    /// After [`Control::request_stop`]: the drives are off and nothing is owed.
    #[must_use]
    pub fn is_released(&self) -> bool {
        let link = self.robot_state.body.link_state();
        self.stopping
            && !self.mode.is_powered()
            && !matches!(link, LinkState::Arming | LinkState::Active | LinkState::Damping)
    }

    #[must_use]
    pub fn mode(&self) -> RobotMode {
        self.mode
    }
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// Faults present or latched after the last tick.
    #[must_use]
    pub fn faults(&self) -> FaultSet {
        self.faults
    }
    /// The last robot state.
    #[must_use]
    pub fn robot_state(&self) -> &RobotState {
        &self.robot_state
    }
}
