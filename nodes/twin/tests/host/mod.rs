//! A minimal host: speaks MIT frames and SYNC to the twin, as a bridge would, and reads what comes back.
#![allow(dead_code)] // each test file uses its own part

pub mod statue;

use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Feedback};
use sinew_devices::mit::{MitCommand, MitScaling};
use sinew_devices::{foot, imu};
use sinew_robot::{BusKind, Robot};
use sinew_twin::{HostFrames, RapierConfig, Replies, Twin, TwinConfig};

pub const KP: f64 = 60.0;
pub const KD: f64 = 2.0;

pub fn quad() -> Robot {
    let yaml = include_str!("../../../../launch/robots/quad/robot.yaml");
    let model = include_str!("../../../../launch/robots/quad/quad.xml");
    Robot::parse(yaml, model).unwrap_or_else(|e| panic!("{e}"))
}

pub struct Host {
    pub robot: Robot,
    pub twin: Twin,
    pub frames: Vec<HostFrames>,
    pub replies: Vec<Replies>,
    /// Newest feedback per joint, and in which step it came.
    pub feedback: Vec<Option<(u64, Feedback)>>,
    pub gyro: Option<(u64, imu::Sample)>,
    pub accel: Option<(u64, imu::Sample)>,
    pub force: Vec<Option<(u64, foot::Force)>>,
    pub replies_in_step: usize,
    pub latest_reply_ns: u64,
    pub step: u64,
}

impl Host {
    pub fn new(config: TwinConfig) -> Self {
        Self::with(quad(), config)
    }

    pub fn with(robot: Robot, config: TwinConfig) -> Self {
        let physics = Twin::rapier(&robot, &RapierConfig::default()).unwrap();
        let twin = Twin::new(&robot, physics, config).unwrap_or_else(|e| panic!("{e}"));
        let buses = robot.buses.len();
        Self {
            frames: vec![HostFrames::new(); buses],
            replies: vec![Replies::new(); buses],
            feedback: vec![None; robot.joints.len()],
            force: vec![None; robot.feet.len()],
            gyro: None,
            accel: None,
            replies_in_step: 0,
            latest_reply_ns: 0,
            step: 0,
            robot,
            twin,
        }
    }

    pub fn seeded(seed: u64) -> Self {
        Self::new(TwinConfig { seed, ..TwinConfig::default() })
    }

    pub fn scaling(&self, joint: usize) -> MitScaling {
        let scaling = self.robot.joints[joint].device.scaling;
        let shipped = damiao::scaling(damiao::Model::Dm8009);
        MitScaling {
            p_max_rad: scaling.p_max_rad,
            v_max_rad_s: scaling.v_max_rad_s,
            t_max_nm: scaling.t_max_nm,
            ..shipped
        }
    }

    pub fn queue(&mut self, joint: usize, frame: CanFrame) {
        self.frames[self.robot.joints[joint].device.bus].push(frame);
    }

    pub fn send_all(&mut self, make: impl Fn(u16) -> CanFrame) {
        for joint in 0..self.robot.joints.len() {
            let id = self.robot.joints[joint].device.id;
            self.queue(joint, make(id));
        }
    }

    pub fn enable_all(&mut self) {
        self.send_all(|id| damiao::enable(id).unwrap());
    }

    pub fn command_all(&mut self, q_rad: &[f64], kp: f64, kd: f64) {
        for (joint, q_rad) in q_rad.iter().enumerate() {
            let command = MitCommand { q_rad: *q_rad, dq_rad_s: 0.0, kp, kd, tau_nm: 0.0 };
            let id = self.robot.joints[joint].device.id;
            let frame = damiao::command(id, &self.scaling(joint), &command).unwrap();
            self.queue(joint, frame);
        }
    }

    pub fn sync(&mut self) {
        for (bus, frames) in self.robot.buses.iter().zip(&mut self.frames) {
            if matches!(bus.kind, BusKind::Sensors { .. }) {
                frames.push(imu::encode_sync(self.step as u8).unwrap());
            }
        }
    }

    /// One whole cycle with what has been queued, SYNC included.
    pub fn cycle(&mut self) {
        self.sync();
        self.exchange();
        self.twin.integrate();
        self.step += 1;
    }

    pub fn exchange(&mut self) {
        self.replies.iter_mut().for_each(|r| r.clear());
        self.twin.exchange(self.step, &self.frames, &mut self.replies).unwrap();
        self.frames.iter_mut().for_each(|f| f.clear());
        self.read();
    }

    fn read(&mut self) {
        self.replies_in_step = 0;
        self.latest_reply_ns = 0;
        for (bus, replies) in self.replies.iter().enumerate() {
            for received in replies {
                self.replies_in_step += 1;
                let since = received.at_ns - self.step * self.robot.period_ns;
                self.latest_reply_ns = self.latest_reply_ns.max(since);
                let CanId::Standard(id) = received.frame.id() else { panic!("extended id") };
                let joint =
                    self.robot.joints.iter().position(|j| j.device.bus == bus && j.device.reply_id == id);
                if let Some(joint) = joint {
                    let payload = received.frame.payload();
                    let feedback = damiao::decode_feedback(&self.scaling(joint), payload).unwrap();
                    self.feedback[joint] = Some((self.step, feedback));
                } else if let Ok(force) = foot::decode(&received.frame) {
                    let foot = self.robot.feet.iter().position(|f| f.id == id).unwrap();
                    self.force[foot] = Some((self.step, force));
                } else {
                    match imu::decode(&received.frame).unwrap() {
                        imu::Message::Gyro(sample) => self.gyro = Some((self.step, sample)),
                        imu::Message::Accel(sample) => self.accel = Some((self.step, sample)),
                        imu::Message::Sync { .. } => panic!("a SYNC from a device"),
                    }
                }
            }
        }
    }

    pub fn measured_q(&self) -> Vec<f64> {
        self.feedback.iter().map(|f| f.as_ref().expect("feedback of every joint").1.q_rad).collect()
    }

    /// Poll limp, enable, then follow a quintic from the measured to the standing posture.
    pub fn stand_up(&mut self, seconds: f64) {
        let zero = vec![0.0; self.robot.joints.len()];
        for _ in 0..5 {
            self.command_all(&zero, 0.0, 0.0);
            self.cycle();
        }
        self.enable_all();
        self.cycle();
        let (from, to) = (self.measured_q(), self.robot.postures.stand.q_rad.clone());
        let steps = (seconds / (self.robot.period_ns as f64 * 1e-9)) as usize;
        for k in 1..=steps {
            let t = k as f64 / steps as f64;
            let s = t * t * t * (10.0 + t * (6.0 * t - 15.0));
            let q: Vec<f64> = from.iter().zip(&to).map(|(a, b)| a + s * (b - a)).collect();
            self.command_all(&q, KP, KD);
            self.cycle();
        }
    }

    pub fn hold(&mut self, steps: usize) {
        let q = self.robot.postures.stand.q_rad.clone();
        for _ in 0..steps {
            self.command_all(&q, KP, KD);
            self.cycle();
        }
    }
}
