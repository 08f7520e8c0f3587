//! The twin: physics, the device side of every bus, scripted disturbances and the record of what really happened.
//!
//! ```text
//!            ┌────────────── exchange(n) ──────────────┐   ┌───── integrate() ─────┐
//!  truth ──▶ │ sensors and encoders latch the state at │ ─▶│ drives' PD and physics │ ─▶ truth at t_(n+1),
//!  at t_n    │ t_n; buses carry host frames in, replies │   │ at 1 ms; watchdogs run │    hash advanced
//!            │ out; drives take their commands          │   └───────────────────────┘
//!            └─────────────────────────────────────────┘
//! ```
//! `exchange` and `integrate` alternate; the step number is the twin's, and a caller that disagrees is refused.
//! Neither allocates, apart from what the physics engine does inside its own step.

use crate::event::{EventError, WorldEvent};
use crate::harness::Harness;
use crate::imu::ImuDifferentiator;
use crate::physics::{BasePose, FootTruth, Physics, StateError};
use crate::rapier::{ModelError, RapierConfig, RapierPhysics, RobotNames};
use crate::record::Record;
use crate::seed::Stream;
use crate::settings::{ExchangeError, TwinConfig, TwinError, check};
use crate::start::{hang, lie_down};
use crate::truth::{PushMark, Truth};
use crate::wiring::{BusSide, Place, Wiring};
use arrayvec::ArrayVec;
use sinew_bus::{BusCounters, CanFrame, Received, SplitMix64, TO_HOST};
use sinew_devices::damiao::{Register, RegisterValue};
use sinew_devices::emulator::{DriveStatus, JointTruth};
use sinew_robot::{Device, HeldBy, Robot};

/// Host frames of one bus in one cycle.
pub type HostFrames = ArrayVec<CanFrame, TO_HOST>;
/// Replies of one bus in one cycle, stamped with the bus time (ns of step time) of their end.
pub type Replies = ArrayVec<Received, TO_HOST>;

/// A robot that has risen to this share of its standing height stands by itself.
const STOOD_SHARE: f64 = 0.9;

/// A push under way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Push {
    per_step_m_s: [f64; 3],
    steps_left: u64,
}

/// The simulated robot, seen from its buses.
pub struct Twin {
    physics: Box<dyn Physics>,
    config: TwinConfig,
    period_ns: u64,
    substeps: u64,
    buses: Vec<BusSide>,
    drive_at: Vec<Place>,
    imu_at: Vec<Place>,
    foot_at: Vec<Place>,
    drives: Vec<Device>,
    differentiators: Vec<ImuDifferentiator>,
    torques_nm: Vec<f64>,
    push: Option<Push>,
    harness: Option<Harness>,
    world: SplitMix64,
    truth: Truth,
    record: Record,
    /// Replies of a cycle in which no host listened.
    unheard: Box<Replies>,
    step: u64,
    exchanged: bool,
}

impl Twin {
    /// Build the twin of `robot` in `physics` (see [`Twin::rapier`]); at step 0 it lies on its belly or hangs in its
    /// harness, as `robot.yaml` says, at rest.
    ///
    /// # Errors
    /// [`TwinError`]; nothing of the robot is guessed.
    pub fn new(robot: &Robot, physics: Box<dyn Physics>, config: TwinConfig) -> Result<Self, TwinError> {
        let substeps = check(robot, physics.as_ref(), &config)?;
        let mut physics = physics;
        let lie = &robot.postures.lie;
        let harness = match robot.start.held_by {
            HeldBy::Ground => {
                let radii: Vec<f64> = robot.feet.iter().map(|foot| foot.radius_m).collect();
                lie_down(physics.as_mut(), &lie.q_rad, lie.height_m, &radii)?;
                None
            }
            HeldBy::Harness => {
                let stood_m = STOOD_SHARE * robot.postures.stand.height_m;
                let mut harness = Harness::new(lie.height_m, stood_m, physics.mass_kg());
                hang(physics.as_mut(), &mut harness, &lie.q_rad, lie.height_m)?;
                Some(harness)
            }
        };
        let Wiring { buses, drive_at, imu_at, foot_at } = Wiring::of(robot, &config)?;
        let base = physics.base();
        let differentiators = robot
            .imus
            .iter()
            .map(|imu| {
                let mounting = &imu.base_from_imu;
                ImuDifferentiator::new(mounting.position_m, mounting.orientation_wxyz, &base)
            })
            .collect();
        let mut twin = Self {
            truth: Truth::new(physics.as_ref(), robot.imus.len()),
            physics,
            config,
            period_ns: robot.period_ns,
            substeps,
            buses,
            drive_at,
            imu_at,
            foot_at,
            drives: robot.joints.iter().map(|joint| joint.device.clone()).collect(),
            differentiators,
            torques_nm: vec![0.0; robot.joints.len()],
            push: None,
            harness,
            world: Stream::World.open(config.seed),
            record: Record::new(),
            unheard: Box::default(),
            step: 0,
            exchanged: false,
        };
        twin.truth.held = twin.is_held();
        twin.read_imus();
        Ok(twin)
    }

    /// The default engine for `robot`, its joints and feet mapped by name.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn rapier(robot: &Robot, config: &RapierConfig) -> Result<Box<dyn Physics>, ModelError> {
        let joints: Vec<&str> = robot.joint_names().collect();
        let feet: Vec<&str> = robot.feet.iter().map(|foot| foot.site.as_str()).collect();
        let names = RobotNames { joints: &joints, feet: &feet };
        Ok(Box::new(RapierPhysics::new(&robot.model_text, &names, config)?))
    }

    /// The devices' side of bus cycle `step`: one list of host frames and one of replies per bus of the robot.
    /// Replies are appended with their stamps; which of them came too late is the host's judgement.
    ///
    /// # Errors
    /// [`ExchangeError`] when the caller's idea of the step or of the buses is wrong.
    pub fn exchange(
        &mut self,
        step: u64,
        host: &[HostFrames],
        replies: &mut [Replies],
    ) -> Result<(), ExchangeError> {
        if step != self.step || self.exchanged {
            return Err(ExchangeError::Step { found: step, expected: self.step + u64::from(self.exchanged) });
        }
        let buses = self.buses.len();
        for found in [host.len(), replies.len()] {
            if found != buses {
                return Err(ExchangeError::Buses { found, expected: buses });
            }
        }
        self.observe();
        let (start_ns, end_ns) = (self.now_ns(), self.now_ns() + self.period_ns);
        for ((bus, host), replies) in self.buses.iter_mut().zip(host).zip(replies) {
            bus.cycle(start_ns, end_ns, host, replies);
        }
        self.exchanged = true;
        Ok(())
    }

    /// Advance one bus period under what the drives were told. Without an `exchange` before it, the host was
    /// silent in this cycle: devices hear nothing and what they may still have to say is lost.
    pub fn integrate(&mut self) {
        if !self.exchanged {
            self.observe();
            let (start_ns, end_ns) = (self.now_ns(), self.now_ns() + self.period_ns);
            for bus in &mut self.buses {
                self.unheard.clear();
                bus.cycle(start_ns, end_ns, &[], &mut self.unheard);
            }
        }
        let (dt_ns, start_ns) = (self.config.physics_dt_ns, self.now_ns());
        let dt_s = dt_ns as f64 * 1e-9;
        self.truth.joints.iter_mut().for_each(|j| (j.torque_nm, j.torque_peak_nm) = (0.0, 0.0));
        self.truth.feet.iter_mut().for_each(|f| *f = FootTruth::default());
        let share = 1.0 / self.substeps as f64;
        for k in 0..self.substeps {
            self.drive(start_ns + k * dt_ns, dt_ns, share);
            self.advance_push();
            if let Some(harness) = &mut self.harness {
                harness.step(self.physics.as_mut(), dt_s);
            }
            self.physics.step(&self.torques_nm, dt_s);
            let base = self.physics.base();
            self.differentiators.iter_mut().for_each(|d| d.step(&base, dt_s));
            for (i, foot) in self.truth.feet.iter_mut().enumerate() {
                let now = self.physics.foot(i);
                foot.force_n += now.force_n * share;
                (foot.position_m, foot.contact) = (now.position_m, now.contact);
            }
        }
        self.step += 1;
        self.exchanged = false;
        self.truth.step = self.step;
        self.truth.take_motion(self.physics.as_ref());
        self.truth.held = self.is_held();
        self.read_imus();
        self.advance_record();
    }

    /// Make something happen at the start of the coming cycle.
    ///
    /// # Errors
    /// [`EventError`]; nothing changes then.
    pub fn apply(&mut self, event: &WorldEvent) -> Result<(), EventError> {
        event.check_numbers()?;
        let place = |places: &[Place], part, found| {
            places.get(found).copied().ok_or(EventError::NoSuchPart { part, found, count: places.len() })
        };
        match *event {
            WorldEvent::Drive { joint, fault } => {
                let at = place(&self.drive_at, "joint", joint)?;
                if let Some(drive) = self.buses.get_mut(at.bus).and_then(|b| b.drives.get_mut(at.slot)) {
                    drive.inject(fault);
                }
            }
            WorldEvent::Imu { imu, fault } => {
                let at = place(&self.imu_at, "imu", imu)?;
                if let Some(imu) = self.buses.get_mut(at.bus).and_then(|b| b.imus.get_mut(at.slot)) {
                    imu.inject(fault);
                }
            }
            WorldEvent::Foot { foot, fault } => {
                let at = place(&self.foot_at, "foot", foot)?;
                if let Some(foot) = self.buses.get_mut(at.bus).and_then(|b| b.feet.get_mut(at.slot)) {
                    foot.inject(fault);
                }
            }
            WorldEvent::Bus { bus, faults } => {
                let count = self.buses.len();
                let side = self.buses.get_mut(bus).ok_or(EventError::NoSuchPart {
                    part: "bus",
                    found: bus,
                    count,
                })?;
                side.bus.set_faults(faults);
            }
            WorldEvent::Push { delta_v_m_s, over_s } => self.begin_push(delta_v_m_s, over_s),
            WorldEvent::PushAnywhere { delta_v_m_s, over_s } => {
                let [x, y] = self.draw_direction();
                self.begin_push([x * delta_v_m_s, y * delta_v_m_s, 0.0], over_s);
            }
            WorldEvent::Payload { kg } => self.physics.set_payload(kg),
            WorldEvent::Friction { mu } => self.physics.set_friction(mu),
        }
        Ok(())
    }

    /// Give a drive another register value than its description says, as a wrong spare part would have.
    /// False when there is no such joint or the drive does not take the value.
    pub fn store_register(&mut self, joint: usize, register: Register, value: RegisterValue) -> bool {
        let drive =
            self.drive_at.get(joint).and_then(|at| self.buses.get_mut(at.bus)?.drives.get_mut(at.slot));
        drive.is_some_and(|drive| drive.store_register(register, value))
    }

    /// Put the robot somewhere else, at rest; drives and buses keep their state.
    ///
    /// # Errors
    /// [`StateError`]; nothing changes then.
    pub fn place(&mut self, pose: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        self.physics.set_state(pose, q_rad)?;
        let base = self.physics.base();
        self.differentiators.iter_mut().for_each(|d| d.restart(&base));
        self.truth.take_motion(self.physics.as_ref());
        self.read_imus();
        Ok(())
    }

    /// What really is, at the start of cycle [`Truth::step`].
    #[must_use]
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// SHA-256 over truth and applied commands of every step so far.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.record.digest()
    }

    /// The drive behind a joint, as it really is; `None` for a joint that does not exist.
    #[must_use]
    pub fn drive_status(&self, joint: usize) -> Option<DriveStatus> {
        let at = self.drive_at.get(joint)?;
        self.buses.get(at.bus)?.drives.get(at.slot).map(|drive| drive.status())
    }

    /// Counters of a bus; `None` for a bus that does not exist.
    #[must_use]
    pub fn bus_counters(&self, bus: usize) -> Option<BusCounters> {
        self.buses.get(bus).map(|side| side.bus.counters())
    }

    /// Share of the last cycle in which a bus was busy.
    #[must_use]
    pub fn bus_load(&self, bus: usize) -> Option<f32> {
        self.buses.get(bus).map(|side| side.bus.load())
    }

    /// Step time of the coming cycle, ns.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.step * self.period_ns
    }

    /// The stream for scripted disturbances: directions and times of pushes are drawn here.
    pub fn world_stream(&mut self) -> &mut SplitMix64 {
        &mut self.world
    }

    /// Mass of the robot with its payload, kg.
    #[must_use]
    pub fn mass_kg(&self) -> f64 {
        self.physics.mass_kg()
    }

    fn is_held(&self) -> bool {
        self.harness.as_ref().is_some_and(Harness::holds)
    }

    /// Sensors and encoders latch what is true now.
    fn observe(&mut self) {
        for ((at, device), joint) in self.drive_at.iter().zip(&self.drives).zip(&self.truth.joints) {
            if let Some(drive) = self.buses.get_mut(at.bus).and_then(|b| b.drives.get_mut(at.slot)) {
                drive.observe(drive_truth(device, joint.q_rad, joint.dq_rad_s));
            }
        }
        for (at, imu) in self.imu_at.iter().zip(&self.truth.imus) {
            if let Some(emulator) = self.buses.get_mut(at.bus).and_then(|b| b.imus.get_mut(at.slot)) {
                emulator.observe(imu.gyro_rad_s, imu.accel_m_s2);
            }
        }
        for (at, foot) in self.foot_at.iter().zip(&self.truth.feet) {
            if let Some(emulator) = self.buses.get_mut(at.bus).and_then(|b| b.feet.get_mut(at.slot)) {
                emulator.observe(foot.force_n);
            }
        }
    }

    /// Every drive runs its inner loop once on the true joint and says what torque comes out.
    fn drive(&mut self, now_ns: u64, dt_ns: u64, share: f64) {
        let drives = self.drive_at.iter().zip(&self.drives);
        for (i, (at, device)) in drives.enumerate() {
            let (q_rad, dq_rad_s) = self.physics.joint_state(i);
            let torque = match self.buses.get_mut(at.bus).and_then(|b| b.drives.get_mut(at.slot)) {
                Some(drive) => {
                    let truth = drive_truth(device, q_rad, dq_rad_s);
                    device.joint_tau_nm(drive.substep(truth, now_ns, dt_ns))
                }
                None => 0.0,
            };
            if let Some(slot) = self.torques_nm.get_mut(i) {
                *slot = torque;
            }
            if let Some(record) = self.truth.joints.get_mut(i) {
                record.torque_nm += torque * share;
                record.torque_peak_nm = record.torque_peak_nm.max(torque.abs());
            }
        }
    }

    fn read_imus(&mut self) {
        for (differentiator, imu) in self.differentiators.iter_mut().zip(&mut self.truth.imus) {
            *imu = differentiator.read(&self.truth.base);
        }
    }

    fn begin_push(&mut self, delta_v_m_s: [f64; 3], over_s: f64) {
        let steps = ((over_s * 1e9 / self.config.physics_dt_ns as f64).round() as u64).max(1);
        self.push = Some(Push { per_step_m_s: delta_v_m_s.map(|v| v / steps as f64), steps_left: steps });
        self.truth.last_push = Some(PushMark { step: self.step, delta_v_m_s });
        self.truth.pushes += 1;
    }

    fn advance_push(&mut self) {
        if let Some(push) = &mut self.push {
            self.physics.push(push.per_step_m_s);
            push.steps_left -= 1;
            if push.steps_left == 0 {
                self.push = None;
            }
        }
    }

    /// Uniform direction in the plane, by rejection: no trigonometry, the same bits everywhere.
    fn draw_direction(&mut self) -> [f64; 2] {
        loop {
            let (x, y) = (2.0 * self.world.unit() - 1.0, 2.0 * self.world.unit() - 1.0);
            let square = x * x + y * y;
            if (1e-4..=1.0).contains(&square) {
                let length = square.sqrt();
                return [x / length, y / length];
            }
        }
    }

    fn advance_record(&mut self) {
        self.record.number(self.step);
        self.physics.state_bits(&mut |bytes| self.record.bytes(bytes));
        for (at, joint) in self.drive_at.iter().zip(&self.truth.joints) {
            self.record.float(joint.torque_nm);
            if let Some(drive) = self.buses.get(at.bus).and_then(|b| b.drives.get(at.slot)) {
                let status = drive.status();
                self.record.bytes(&[u8::from(status.enabled), status.fault]);
                let applied = status.applied;
                for x in [applied.q_rad, applied.dq_rad_s, applied.kp, applied.kd, applied.tau_nm] {
                    self.record.float(x);
                }
            }
        }
        for foot in &self.truth.feet {
            self.record.float(foot.force_n);
        }
    }
}

fn drive_truth(device: &Device, q_rad: f64, dq_rad_s: f64) -> JointTruth {
    JointTruth { q_rad: device.device_q_rad(q_rad), dq_rad_s: device.device_dq_rad_s(dq_rad_s) }
}
