//! Control with hand-made actuator states: joints that do at once what they are told, and a link that follows its table.
use std::path::Path;

use sinew_control::{Control, ControlConfig, Degrade, Inputs, MotionSource, PolicyTiming};
use sinew_robot::Robot;
use sinew_wire::{
    ActuatorCommand, ActuatorState, ContactSample, Header, ImuSample, Intent, JointCommand, JointMode,
    JointState, LinkState, MotionCommand, PolicyCommand, PolicyStatus, Request, RobotMode, RobotState,
    Source, robot_id,
};

pub const BOOT: u32 = 7;
pub const TIMING: PolicyTiming = PolicyTiming { decimation: 10, latency_ticks: 2 };
/// Ticks the operator lets pass between two heartbeats.
const HEARTBEAT: u64 = 10;

/// What a policy makes of a step; `None` says nothing.
pub type Thought = fn(step: u64, stand: &[f64]) -> Option<Vec<JointCommand>>;

pub struct Rig {
    pub robot: Robot,
    pub control: Control,
    pub state: ActuatorState,
    pub command: ActuatorCommand,
    pub seen: RobotState,
    /// Specific force, m/s^2.
    pub accel_m_s2: [f32; 3],
    pub gyro_rad_s: [f32; 3],
    pub operator_alive: bool,
    pub velocity: [f32; 3],
    pub thought: Option<Thought>,
    /// Ticks from Disarm or damping to Disabled.
    pub rest_ticks: u64,
    seq: u32,
    epoch: u32,
    since: u64,
    policy: Vec<PolicyCommand>,
}

pub fn config(robot: &Robot) -> ControlConfig {
    let mut config = ControlConfig::new(robot, "quad", BOOT, robot.limits());
    config.policies = vec![TIMING; 2];
    config.sources = [(Source::CMD_VEL, 50), (Source::DRIVE, 100)]
        .map(|(source, priority)| MotionSource { source, priority })
        .to_vec();
    config
}

/// Stands still: targets a little off the posture, so that a hand-over can be seen.
pub fn standing(_: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    Some(stand.iter().map(|q| JointCommand::impedance(*q as f32 + 0.1, 0.0, 0.0, 30.0, 1.0)).collect())
}

impl Rig {
    /// On its belly, link disabled.
    pub fn new() -> Self {
        Self::declaring(Degrade::default())
    }

    /// As [`Self::new`], with what its policies declare for missed outputs.
    pub fn declaring(degrade: Degrade) -> Self {
        let robot =
            Robot::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad")).unwrap();
        let mut state = ActuatorState::default();
        state.header.robot = robot_id("quad");
        state.header.source = Source::BRIDGE.0;
        state.header.boot_id = 3;
        state.header.step = 1000;
        state.body.link_state = LinkState::Disabled as u8;
        state.joints.extend(robot.postures.lie.q_rad.iter().map(|q| JointState {
            q_rad: *q as f32,
            valid: 1,
            temperature_c: 25.0,
            ..JointState::default()
        }));
        Self {
            control: Control::new(ControlConfig { degrades: vec![degrade; 2], ..config(&robot) }).unwrap(),
            robot,
            state,
            command: ActuatorCommand::default(),
            seen: RobotState::default(),
            accel_m_s2: [0.0, 0.0, 9.81],
            gyro_rad_s: [0.0; 3],
            operator_alive: true,
            velocity: [0.0; 3],
            thought: None,
            rest_ticks: 50,
            seq: 0,
            epoch: 0,
            since: 0,
            policy: Vec::new(),
        }
    }

    pub fn mode(&self) -> RobotMode {
        self.control.mode()
    }

    pub fn link(&self) -> LinkState {
        self.state.body.link_state()
    }

    /// One tick with these motion frames, or now and then with the operator's heartbeat.
    pub fn tick_with(&mut self, motion: &[MotionCommand]) {
        self.observe();
        let mut frames = motion.to_vec();
        let step = self.state.header.step;
        if motion.is_empty() && self.operator_alive && step.is_multiple_of(HEARTBEAT) {
            frames.push(self.ask(Request::None, 0));
        }
        let policy = std::mem::take(&mut self.policy);
        let inputs = Inputs { state: &self.state, policy: &policy, motion: &frames };
        let (command, seen) = self.control.tick(&inputs);
        (self.command, self.seen) = (command.clone(), seen.clone());
        self.think();
        self.obey();
    }

    pub fn tick(&mut self) {
        self.tick_with(&[]);
    }

    pub fn ticks(&mut self, n: usize) {
        (0..n).for_each(|_| self.tick());
    }

    /// Makes one request of the operator.
    pub fn request(&mut self, request: Request, argument: u8) {
        let frame = self.ask(request, argument);
        self.tick_with(&[frame]);
    }

    pub fn ask(&mut self, request: Request, argument: u8) -> MotionCommand {
        self.seq += 1;
        let mut frame = MotionCommand::default();
        frame.header.robot = self.state.header.robot;
        frame.header.source = Source::DRIVE.0;
        frame.header.boot_id = 21;
        frame.header.seq = self.seq;
        frame.header.valid_for_us = 200_000;
        frame.header.epoch = self.seen.body.lease_epoch;
        frame.header.set_based_on(self.seen.header.id());
        frame.body.velocity = self.velocity;
        frame.body.request = request as u8;
        frame.body.argument = argument;
        frame
    }

    fn observe(&mut self) {
        self.state.header.seq += 1;
        self.state.header.step += 1;
        self.state.body.imu_count = 1;
        self.state.body.imus[0] = ImuSample {
            gyro_rad_s: self.gyro_rad_s,
            accel_m_s2: self.accel_m_s2,
            valid: 1,
            ..ImuSample::default()
        };
        self.state.body.contact_count = 4;
        for contact in self.state.body.contacts.iter_mut().take(4) {
            *contact = ContactSample { force_n: 35.0, valid: 1, ..ContactSample::default() };
        }
    }

    fn think(&mut self) {
        let step = self.seen.header.step;
        let Some(thought) = self.thought else { return };
        if !step.is_multiple_of(TIMING.decimation) || self.seen.body.active_policy == sinew_wire::NO_POLICY {
            return;
        }
        let Some(joints) = thought(step, &self.robot.postures.stand.q_rad) else { return };
        let mut frame = PolicyCommand::default();
        frame.header.robot = self.state.header.robot;
        frame.header.step = step;
        frame.body.activation = self.seen.body.activation;
        frame.body.policy = self.seen.body.active_policy;
        frame.body.status = PolicyStatus::Targets as u8;
        frame.joints.extend(joints);
        self.policy.push(frame);
    }

    /// What bridge and joints make of the command.
    fn obey(&mut self) {
        let body = &mut self.state.body;
        let step = self.state.header.step;
        let intent = self.command.body.intent();
        let estop = self.command.header.flags & Header::ESTOP != 0;
        let next = match body.link_state() {
            _ if estop => LinkState::EStop,
            LinkState::Disabled if intent == Intent::Arm => {
                self.epoch += 1;
                (body.writer_epoch, body.writer_boot, body.writer_source) =
                    (self.epoch, BOOT, Source::CONTROL.0);
                LinkState::Arming
            }
            LinkState::Arming if intent != Intent::Disarm => LinkState::Active,
            LinkState::Arming => LinkState::Disabled,
            LinkState::Active if intent == Intent::Disarm => LinkState::Damping,
            LinkState::Damping if step > self.since + self.rest_ticks => LinkState::Disabled,
            LinkState::EStop if intent == Intent::Disarm => LinkState::Fault,
            LinkState::Fault if intent == Intent::Disarm => LinkState::Disabled,
            same => same,
        };
        self.set_link(next);
        let run = intent == Intent::Run && self.link() == LinkState::Active;
        for (joint, told) in self.state.joints.iter_mut().zip(&self.command.joints) {
            let q_rad = if run && told.mode() == JointMode::Impedance { told.q_rad } else { joint.q_rad };
            joint.dq_rad_s = (q_rad - joint.q_rad) / 0.002;
            joint.q_rad = q_rad;
        }
    }

    pub fn set_link(&mut self, link: LinkState) {
        if link != self.link() {
            self.since = self.state.header.step;
        }
        let body = &mut self.state.body;
        body.link_state = link as u8;
        if !matches!(link, LinkState::Arming | LinkState::Active | LinkState::Damping) {
            (body.writer_epoch, body.writer_boot, body.writer_source) = (0, 0, 0);
        }
    }

    pub fn until(&mut self, mode: RobotMode) {
        for _ in 0..5000 {
            if self.mode() == mode {
                return;
            }
            self.tick();
        }
        panic!("never came to {mode}, stays in {}, faults {:?}", self.mode(), self.control.faults());
    }

    /// Armed, damping, the estimator settled.
    pub fn damping() -> Self {
        Self::new().into_damping()
    }

    fn into_damping(mut self) -> Self {
        self.ticks(600);
        self.request(Request::Acquire, 0);
        self.request(Request::Arm, 0);
        self.until(RobotMode::Damping);
        self
    }

    pub fn stand() -> Self {
        Self::new().into_stand()
    }

    fn into_stand(self) -> Self {
        let mut rig = self.into_damping();
        rig.request(Request::StandUp, 0);
        rig.until(RobotMode::Stand);
        rig.ticks(300);
        rig
    }

    pub fn policy() -> Self {
        Self::policy_of(standing)
    }

    pub fn policy_of(thought: Thought) -> Self {
        Self::new().into_policy(thought)
    }

    /// Follows a policy that declares `degrade`.
    pub fn policy_declaring(degrade: Degrade) -> Self {
        Self::declaring(degrade).into_policy(standing)
    }

    pub fn into_policy(self, thought: Thought) -> Self {
        let mut rig = self.into_stand();
        rig.thought = Some(thought);
        rig.request(Request::Policy, 0);
        rig.until(RobotMode::Policy);
        rig
    }

    /// Turns gravity as the sensor feels it, rad of pitch; the estimator follows within its own time.
    pub fn tilt(&mut self, pitch_rad: f32) {
        self.accel_m_s2 = [-9.81 * pitch_rad.sin(), 0.0, 9.81 * pitch_rad.cos()];
    }

    /// Every joint is damped, none is pulled or pushed.
    pub fn is_damped(&self) -> bool {
        self.command.body.intent() != Intent::Run
            || self.command.joints.iter().all(|j| j.kp == 0.0 && j.tau_nm == 0.0)
    }
}
