//! One tick, top to bottom: state in, command out.
use arrayvec::ArrayVec;
use sinew_estimator::{Estimate, Estimator, Foot, Imu, Input, MAX_FEET, Status};
use sinew_guard::{
    Fault, FaultSet, Guards, Margin, Measured, Outcome, RobotEvent, Severity, next_robot, saturate, worst,
};
use sinew_wire::{
    ActuatorCommand, ActuatorState, FrameId, Header, Intent, JointCommand, LeaseRefusal, LinkState, MAX_JOINTS,
    MotionCommand, NO_POLICY, PolicyCommand, Request, RobotJoint, RobotMode, RobotState, Source, StepTime,
};

use crate::arbiter::{Arbiter, Granted};
use crate::arming::{Arming, Want};
use crate::config::{ConfigError, ControlConfig};
use crate::faults::{self, Findings};
use crate::motion::Motion;
use crate::policy_slots::{PolicyNews, PolicySlots};
use crate::ramp::Ramp;
use crate::{feet, frames};

/// Ticks that control goes on asking to be armed before it gives up (2 s at 500 Hz).
const ARMING_PATIENCE: u32 = 1000;

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
    arming_ticks: u32,
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
    reset_step1: bool,
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
        command.body.limits_hash = config.limits.hash;
        command.body.calibration_id = config.calibration_id;
        let robot_state = RobotState { header: command.header, ..RobotState::default() };
        Ok(Self {
            estimator,
            arbiter: Arbiter::new(&config.sources),
            arming: Arming::default(),
            arming_ticks: 0,
            mode: RobotMode::Off,
            latched: FaultSet::default(),
            faults: FaultSet::default(),
            findings: Findings::default(),
            ramp: Ramp::new(config.command_rate, config.command_max),
            slots: PolicySlots::new(),
            motion: Motion::new(&config),
            active_policy: None,
            activation: 0,
            reset_step1: false,
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
        // A state lost on the way costs nothing as long as a command based on it would still have been fresh.
        let timing = &self.config.limits.timing;
        let bridged = timing.valid_for_ns / timing.period_ns.max(1);
        self.findings.step_jumped = self
            .last_step
            .is_some_and(|last| state.header.step <= last || state.header.step > last.saturating_add(bridged));
        self.last_step = Some(state.header.step);
        let estimate = self.estimate(state);
        let requests: ArrayVec<Granted, 16> =
            self.arbiter.hear(self.config.robot, inputs.motion, now).iter().copied().collect();
        let news = self.slots.step(state.header.step, self.config.limits.joints.len(), inputs.policy);
        self.find(state, &estimate, news);
        self.fall(state);
        self.watch(state, now, news);
        for request in &requests {
            self.carry_out(request, state);
        }
        let slow = if worst(self.faults) == Severity::Degrade { DEGRADED_SPEED } else { 1.0 };
        let target =
            if self.mode == RobotMode::Policy { self.arbiter.velocity().map(|v| v * slow) } else { [0.0; 3] };
        let dt_s = self.config.limits.timing.period_ns as f64 * 1e-9;
        let velocity = self.ramp.step(target, dt_s as f32);
        self.move_joints(state, &estimate, dt_s);
        self.answer(state);
        self.publish(state, &estimate, velocity, now);
        self.counters.ticks += 1;
        self.counters.motion_refused = self.arbiter.refused();
        self.counters.policy_misses = self.slots.misses();
        (&self.command, &self.robot_state)
    }

    fn estimate(&mut self, state: &ActuatorState) -> Estimate {
        feet::feet(&self.config.legs, state, &mut self.feet);
        let imu = state.body.imus().iter().find(|imu| imu.valid == 1).map(|imu| Imu {
            gyro_rad_s: imu.gyro_rad_s.map(f64::from),
            accel_m_s2: imu.accel_m_s2.map(f64::from),
        });
        let dt_s = self.config.limits.timing.period_ns as f64 * 1e-9;
        let estimate = self.estimator.step(&Input { dt_s, imu, feet: &self.feet });
        self.estimate = Some(estimate);
        estimate
    }

    fn find(&mut self, state: &ActuatorState, estimate: &Estimate, news: PolicyNews) {
        let upright = -estimate.projected_gravity[2];
        self.findings.tilt_rad = upright.clamp(-1.0, 1.0).acos();
        self.findings.policy_missed = news == PolicyNews::Missed;
        self.findings.policy_fault = news == PolicyNews::Fault;
        self.findings.policy_lost = self.active_policy.is_some() && self.slots.is_lost();
        self.findings.link_needed = self.mode.is_powered();
        self.findings.upright_needed = matches!(self.mode, RobotMode::Stand | RobotMode::Policy | RobotMode::StandUp);
        let present = faults::present(&self.config, state, estimate.health.status, &self.findings);
        self.latched = self.latched.union(faults::latching(present));
        self.faults = present.union(self.latched);
    }

    /// What pulls the robot down: the link, then faults.
    fn fall(&mut self, state: &ActuatorState) {
        let link = state.body.link_state();
        if link == LinkState::EStop && self.mode != RobotMode::EStop && self.arming.want != Want::Reset {
            self.event(RobotEvent::EStop, state);
        } else if self.mode.is_powered() && link != LinkState::Active {
            self.event(RobotEvent::LinkDown, state);
        }
        let severity = worst(self.faults);
        if severity > Severity::Warn {
            self.event(RobotEvent::Fault(severity), state);
        }
        if self.findings.upright_needed && self.findings.tilt_rad > self.config.tilt_limit_rad {
            self.event(RobotEvent::TiltExceeded, state);
        }
        if self.findings.step_jumped {
            self.event(RobotEvent::LinkDown, state);
            self.arming.want = Want::Disarmed;
        }
    }

    /// What happens by itself: moves that end, the lease that ends, the policy that starts or stops.
    fn watch(&mut self, state: &ActuatorState, now: StepTime, news: PolicyNews) {
        match self.mode {
            RobotMode::Off => self.watch_arming(state),
            RobotMode::StandUp if self.motion.is_done() => self.event(RobotEvent::StandUpDone, state),
            RobotMode::LieDown if self.motion.is_done() => {
                self.event(RobotEvent::LieDownDone, state);
            }
            RobotMode::Stand if self.active_policy.is_some() => self.watch_shadow(state, news),
            RobotMode::Policy => {
                if self.arbiter.holder().is_none() {
                    self.event(RobotEvent::LeaseLost, state);
                } else if self.arbiter.wants_safe_posture(now) {
                    self.event(RobotEvent::Stand, state);
                }
            }
            _ => {}
        }
        if self.stopping {
            match self.mode {
                RobotMode::StandUp | RobotMode::Stand | RobotMode::Policy => self.event(RobotEvent::LieDown, state),
                RobotMode::Damping => self.arming.want = Want::Disarmed,
                RobotMode::Off => self.arming.want = Want::Disarmed,
                _ => {}
            }
        }
    }

    fn watch_arming(&mut self, state: &ActuatorState) {
        match (self.arming.want, state.body.link_state()) {
            (Want::Armed, LinkState::Active) => self.event(RobotEvent::Arm, state),
            (Want::Armed, LinkState::Fault | LinkState::EStop) => self.arming.want = Want::Nothing,
            (Want::Armed, _) => {
                self.arming_ticks += 1;
                if self.arming_ticks > ARMING_PATIENCE {
                    self.arming.want = Want::Nothing;
                    self.arbiter.refuse(LeaseRefusal::Guard);
                }
            }
            (Want::Reset | Want::Disarmed, LinkState::Disabled) => self.arming.want = Want::Nothing,
            _ => {}
        }
    }

    /// A policy runs beside Stand until its first output; it takes over only if that lies where the joints are.
    fn watch_shadow(&mut self, state: &ActuatorState, news: PolicyNews) {
        match news {
            PolicyNews::Fresh => self.event(RobotEvent::Policy, state),
            PolicyNews::Fault => self.end_policy(),
            PolicyNews::Missed if self.slots.is_lost() => self.end_policy(),
            _ => return,
        }
        if self.mode != RobotMode::Policy {
            self.end_policy();
            self.arbiter.refuse(LeaseRefusal::Guard);
        }
    }

    fn carry_out(&mut self, granted: &Granted, state: &ActuatorState) {
        let before = self.mode;
        match granted.request {
            Request::None | Request::Acquire | Request::Release => {}
            Request::EStop => self.event(RobotEvent::EStop, state),
            Request::Damping => self.event(RobotEvent::Damping, state),
            Request::Arm => self.ask_arm(state),
            Request::StandUp if before == RobotMode::Damping => self.event(RobotEvent::StandUp, state),
            Request::Policy if before == RobotMode::Stand => self.begin_policy(granted.argument, state),
            Request::Stand if before == RobotMode::Policy => self.event(RobotEvent::Stand, state),
            Request::LieDown if matches!(before, RobotMode::Stand | RobotMode::Policy | RobotMode::StandUp) => {
                self.event(RobotEvent::LieDown, state);
            }
            Request::ResetStep1 => {
                self.reset_step1 = true;
                self.event(RobotEvent::ResetStep1, state);
            }
            Request::ResetStep2 => self.reset(state),
            // Asking for what already is is no error.
            Request::StandUp if matches!(before, RobotMode::StandUp | RobotMode::Stand | RobotMode::Policy) => {}
            Request::Policy if before == RobotMode::Policy => {}
            Request::Stand if matches!(before, RobotMode::Stand | RobotMode::StandUp) => {}
            Request::LieDown if matches!(before, RobotMode::LieDown | RobotMode::Damping | RobotMode::Off) => {}
            _ => self.arbiter.refuse(LeaseRefusal::State),
        }
    }

    fn ask_arm(&mut self, state: &ActuatorState) {
        match (self.mode, state.body.link_state()) {
            (RobotMode::Off, LinkState::Fault | LinkState::EStop) => self.arbiter.refuse(LeaseRefusal::Guard),
            (RobotMode::Off, _) if self.stopping => self.arbiter.refuse(LeaseRefusal::State),
            (RobotMode::Off, _) => {
                if self.arming.want != Want::Armed {
                    self.arming_ticks = 0;
                }
                self.arming.want = Want::Armed;
            }
            _ => {}
        }
    }

    fn reset(&mut self, state: &ActuatorState) {
        self.event(RobotEvent::ResetStep2, state);
        if !self.reset_step1 {
            self.arbiter.refuse(LeaseRefusal::Guard);
            return;
        }
        self.reset_step1 = false;
        if !self.mode.is_powered() && self.mode != RobotMode::EStop {
            self.latched = FaultSet::default();
            self.arming.want = Want::Reset;
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
        self.slots.activate(self.activation, *timing, state.header.step);
    }

    fn end_policy(&mut self) {
        self.active_policy = None;
        self.slots.deactivate();
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
            (state.body.link_state() == LinkState::Active, Guards::LINK_ACTIVE),
            (self.reset_step1, Guards::RESET_STEP1),
        ];
        holds.into_iter().fold(Guards::NONE, |all, (holds, guard)| all.with_if(holds, guard))
    }

    fn first_action_is_near(&self, state: &ActuatorState) -> bool {
        let targets = self.slots.targets();
        targets.len() == state.joints.len()
            && targets
                .iter()
                .zip(&state.joints)
                .all(|(target, joint)| (target.q_rad - joint.q_rad).abs() <= self.config.first_action_max_rad)
    }

    fn event(&mut self, event: RobotEvent, state: &ActuatorState) {
        let guards = self.guards(state);
        match next_robot(self.mode, event, guards) {
            Outcome::Go(next) if next != self.mode => self.enter(next, state),
            Outcome::Go(_) | Outcome::Stay => {}
            Outcome::Refused(_) => self.arbiter.refuse(LeaseRefusal::Guard),
        }
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
            RobotMode::EStop => {
                self.reset_step1 = false;
                self.arbiter.revoke();
            }
            RobotMode::FaultStop => self.arbiter.revoke(),
            _ if before == RobotMode::Off => self.arming.want = Want::Kept,
            _ => {}
        }
        self.motion.enter(before, next, state, &self.config);
    }

    fn move_joints(&mut self, state: &ActuatorState, estimate: &Estimate, dt_s: f64) {
        let joints = &mut self.command.joints;
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
