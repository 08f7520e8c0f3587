//! The quadruped's buses with simulated drives and sensors, and a bridge in front of them.
use std::path::Path;

use sinew_bridge::{Bridge, BridgeConfig, FrameList, ReceivedList};
use sinew_bus::{CanFrame, Device, VirtualBus, VirtualBusConfig};
use sinew_devices::damiao::{self, Model, Request};
use sinew_devices::emulator::{
    DamiaoEmulator, DamiaoEmulatorConfig, FootEmulator, FootEmulatorConfig, ImuEmulator, ImuEmulatorConfig,
    JointTruth,
};
use sinew_devices::mit::{MitCommand, decode_command};
use sinew_robot::Robot;
use sinew_wire::{
    ActuatorCommand, ActuatorState, ArmAnswer, Header, Intent, JointCommand, LinkState, MAX_FRAME,
    MotionCommand, Refusal, Request as MotionRequest, Source,
};

pub const PERIOD_NS: u64 = 2_000_000;
pub const CONTROL_BOOT: u32 = 77;

/// What goes over the wire from the host, or not.
pub type Tamper = Box<dyn FnMut(usize, CanFrame) -> Option<CanFrame>>;

pub struct Rig {
    pub config: BridgeConfig,
    pub bridge: Bridge,
    pub drives: Vec<DamiaoEmulator>,
    pub imu: ImuEmulator,
    pub feet: Vec<FootEmulator>,
    pub buses: Vec<VirtualBus>,
    /// Motion of the drives' outputs; nothing moves them but the tests.
    pub truth: Vec<JointTruth>,
    pub gyro_rad_s: [f64; 3],
    pub tamper: Option<Tamper>,
    pub step: u64,
    pub frames: Vec<FrameList>,
    pub replies: Vec<ReceivedList>,
    pub state: ActuatorState,
    seq: u32,
}

pub fn robot() -> Robot {
    Robot::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../launch/robots/quad")).unwrap()
}

pub fn config() -> BridgeConfig {
    BridgeConfig::new(&robot(), "quad", 1)
}

/// Every joint in the middle of what it can do, at rest.
pub fn standing() -> Vec<JointTruth> {
    robot().postures.stand.q_rad.iter().map(|q_rad| JointTruth { q_rad: *q_rad, dq_rad_s: 0.0 }).collect()
}

impl Rig {
    /// Powered up, nothing said yet.
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: BridgeConfig) -> Self {
        let drive = |plan: &sinew_bridge::DrivePlan| {
            let made = DamiaoEmulatorConfig::of(Model::Dm8009, plan.id);
            DamiaoEmulator::new(DamiaoEmulatorConfig { master_id: plan.master_id, ..made }, 1)
        };
        let foot = |index| FootEmulator::new(FootEmulatorConfig { index, ..Default::default() }, 1);
        Self {
            bridge: Bridge::new(config.clone()).unwrap(),
            drives: config.drives.iter().map(drive).collect(),
            imu: ImuEmulator::new(ImuEmulatorConfig::default(), 1),
            feet: (0..4).map(foot).collect(),
            buses: config.buses.iter().map(|_| VirtualBus::new(VirtualBusConfig::CLASSIC_1M, 1)).collect(),
            truth: standing(),
            gyro_rad_s: [0.0; 3],
            tamper: None,
            step: 0,
            frames: config.buses.iter().map(|_| FrameList::new()).collect(),
            replies: config.buses.iter().map(|_| ReceivedList::new()).collect(),
            state: ActuatorState::default(),
            seq: 0,
            config,
        }
    }

    /// A bridge whose start-up check has passed.
    pub fn disabled() -> Self {
        let mut rig = Self::new();
        rig.until(LinkState::Disabled);
        rig.cycles(100);
        rig
    }

    /// A bridge that has armed this commander.
    pub fn active() -> Self {
        Self::disabled().armed()
    }

    pub fn armed(mut self) -> Self {
        assert_eq!(self.arm(), ArmAnswer::Granted);
        self.until(LinkState::Active);
        self
    }

    /// One bus period.
    pub fn cycle(&mut self) {
        let step = self.step;
        self.bridge.begin(step, u32::MAX, &mut self.frames);
        self.exchange(step);
        for (bus, replies) in self.replies.iter().enumerate() {
            self.bridge.collect(bus, replies);
        }
        self.state = self.bridge.finish().clone();
        self.step += 1;
    }

    /// The buses and what is on them, for one period.
    pub fn exchange(&mut self, step: u64) {
        let (start_ns, end_ns) = (step * PERIOD_NS, (step + 1) * PERIOD_NS);
        self.drives.iter_mut().zip(&self.truth).for_each(|(drive, truth)| drive.observe(*truth));
        self.imu.observe(self.gyro_rad_s, [0.0, 0.0, 9.81]);
        self.feet.iter_mut().for_each(|foot| foot.observe(30.0));
        for (bus, wire) in self.buses.iter_mut().enumerate() {
            let mut devices: Vec<&mut dyn Device> = Vec::new();
            for (drive, plan) in self.drives.iter_mut().zip(&self.config.drives) {
                if plan.bus == bus {
                    devices.push(drive);
                }
            }
            if self.config.buses[bus].sync_id.is_some() {
                devices.push(&mut self.imu);
                devices.extend(self.feet.iter_mut().map(|foot| foot as &mut dyn Device));
            }
            let mut frames: Vec<CanFrame> = self.frames[bus].iter().copied().collect();
            if let Some(tamper) = &mut self.tamper {
                frames = frames.into_iter().filter_map(|frame| tamper(bus, frame)).collect();
            }
            self.replies[bus].clear();
            wire.cycle(start_ns, end_ns, &frames, &mut devices, &mut self.replies[bus]);
        }
        for (drive, truth) in self.drives.iter_mut().zip(&self.truth) {
            drive.substep(*truth, start_ns, PERIOD_NS);
        }
    }

    pub fn cycles(&mut self, n: usize) {
        (0..n).for_each(|_| self.cycle());
    }

    pub fn until(&mut self, link: LinkState) {
        for _ in 0..2000 {
            if self.bridge.link() == link {
                return;
            }
            self.cycle();
        }
        panic!("never came to {link}, stays in {}", self.bridge.link());
    }

    /// A command of this commander, based on the state published last.
    pub fn frame(&mut self, intent: Intent, joints: &[JointCommand]) -> ActuatorCommand {
        self.seq += 1;
        let mut frame = ActuatorCommand::default();
        frame.header.robot = self.config.robot;
        frame.header.source = Source::CONTROL.0;
        frame.header.boot_id = CONTROL_BOOT;
        frame.header.seq = self.seq;
        frame.header.step = self.state.header.step;
        frame.header.valid_for_us = 8_000;
        frame.header.epoch = match intent {
            Intent::Run | Intent::Disarm => self.state.body.writer_epoch,
            Intent::Observe | Intent::Arm => 0,
        };
        frame.header.set_based_on(self.state.header.id());
        frame.body.intent = intent as u8;
        frame.body.limits_hash = self.config.limits_hash;
        frame.body.calibration_id = self.config.calibration_id;
        frame.joints.extend(joints.iter().copied());
        frame
    }

    pub fn send(&mut self, frame: &ActuatorCommand) -> Result<(), Refusal> {
        let mut buffer = [0; MAX_FRAME];
        let bytes = frame.encode(&mut buffer).unwrap();
        self.bridge.take(bytes)
    }

    pub fn say(&mut self, intent: Intent, joints: &[JointCommand]) -> Result<(), Refusal> {
        let frame = self.frame(intent, joints);
        self.send(&frame)
    }

    /// Asks to be armed; the answer is published by the next cycle.
    pub fn arm(&mut self) -> ArmAnswer {
        self.say(Intent::Arm, &[]).unwrap();
        self.cycle();
        self.state.body.arm_answer()
    }

    /// Holds every joint where it is.
    pub fn hold(&mut self) -> Result<(), Refusal> {
        let joints = self.holding();
        self.say(Intent::Run, &joints)
    }

    pub fn holding(&self) -> Vec<JointCommand> {
        self.truth.iter().map(|t| JointCommand::impedance(t.q_rad as f32, 0.0, 0.0, 60.0, 2.0)).collect()
    }

    /// Armed, and holding with all its stiffness.
    pub fn stiff() -> Self {
        let mut rig = Self::active();
        for _ in 0..120 {
            rig.hold().unwrap();
            rig.cycle();
        }
        assert!(rig.mit().all(|c| c.unwrap().kp > 59.0));
        rig
    }

    /// What the last cycle asked of a drive.
    pub fn told(&self, joint: usize) -> Option<Request> {
        let plan = &self.config.drives[joint];
        self.frames[plan.bus].iter().find_map(|frame| damiao::decode_request(plan.id, frame))
    }

    /// The MIT commands of the last cycle, by joint; `None` where there was another request.
    pub fn mit(&self) -> impl Iterator<Item = Option<MitCommand>> + '_ {
        (0..self.drives.len()).map(|joint| match self.told(joint) {
            Some(Request::Mit(bytes)) => Some(decode_command(&self.config.drives[joint].scaling, &bytes)),
            _ => None,
        })
    }

    /// No drive was sent any stiffness or feed-forward in the last cycle.
    pub fn is_limp(&self) -> bool {
        self.mit().flatten().all(|c| c.kp == 0.0 && c.tau_nm.abs() < 0.02)
    }

    pub fn drives_on(&self) -> usize {
        self.drives.iter().filter(|d| d.status().enabled).count()
    }

    pub fn refused(&self, reason: Refusal) -> u32 {
        self.bridge.refusals()[reason as usize]
    }

    /// An emergency stop from a motion source.
    pub fn estop_frame(&self) -> MotionCommand {
        let mut frame = MotionCommand::default();
        frame.header.robot = self.config.robot;
        frame.header.source = Source::DRIVE.0;
        frame.body.request = MotionRequest::EStop as u8;
        frame
    }

    /// A command with the flag that every bridge hears.
    pub fn estop_flag(&mut self) -> ActuatorCommand {
        let mut frame = self.frame(Intent::Observe, &[]);
        frame.header.flags = Header::ESTOP;
        frame
    }
}
