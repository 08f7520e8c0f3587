//! The description as the other rooms read it: plain data, checked, in SI units.

use crate::error::LoadError;
use crate::kinematics::Leg;
use crate::model::{JointKind, Model};
use crate::pose::Pose;
use crate::{ROBOT_FILE, bus_budget, load};
use std::path::Path;

/// A complete, checked robot.
#[derive(Clone, Debug, PartialEq)]
pub struct Robot {
    /// Name of this kind of robot.
    pub name: String,
    /// SHA-256 over everything that gives the description a meaning (not spelling, comments or key order).
    pub hash: [u8; 32],
    /// First 8 bytes (little endian) of a SHA-256 over joints, limits, drives and timing. Sees joint names, order
    /// and wiring, which [`sinew_guard::Limits::hash`] (from [`Robot::limits`]) does not.
    pub limits_hash: u64,
    /// Bus period P, ns.
    pub period_ns: u64,
    /// The MJCF as `robot.yaml` names it: a file beside it, or in a folder beside its own.
    pub model_file: String,
    /// Text of the MJCF, for the physics engine.
    pub model_text: String,
    /// The mechanical tree.
    pub model: Model,
    /// Joints in file order; every per-joint array of the stack has this order.
    pub joints: Vec<Joint>,
    /// Legs in the order of [`Robot::feet`].
    pub legs: Vec<Leg>,
    /// Buses in file order.
    pub buses: Vec<Bus>,
    /// Inertial measurement units.
    pub imus: Vec<Imu>,
    /// Feet with their force sensors, one per leg.
    pub feet: Vec<Foot>,
    /// Nominal sensor noise.
    pub noise: Noise,
    /// How a run of the twin begins.
    pub start: Start,
    /// Named postures.
    pub postures: Postures,
    /// Gains and durations of standing.
    pub stand: StandControl,
    /// Limits that protect the machine as a whole.
    pub protection: Protection,
    /// Timeouts of the ladder and the bus cycle.
    pub timing: Timing,
    /// What policies are held to.
    pub policy: Policy,
}

/// One actuated joint.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// Name, the same as in the MJCF.
    pub name: String,
    /// Hinge (rad, N m) or slide (m, N; the unit suffixes then read m and N).
    pub kind: JointKind,
    /// What may be asked of it.
    pub limits: JointLimits,
    /// Damping gain of the damping modes, N m s/rad.
    pub kd_safe: f64,
    /// Position in the `stand` posture, rad.
    pub default_q_rad: f64,
    /// The drive behind it.
    pub device: Device,
    /// Body of [`Robot::model`] it moves.
    pub body: usize,
}

/// Limits of one joint, at the joint (output) side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointLimits {
    /// Lowest position, rad.
    pub q_min_rad: f64,
    /// Highest position, rad.
    pub q_max_rad: f64,
    /// Largest speed, rad/s.
    pub dq_max_rad_s: f64,
    /// Deceleration the joint can be counted on for, rad/s^2; sets the braking distance.
    pub ddq_max_rad_s2: f64,
    /// Largest torque, N m.
    pub tau_max_nm: f64,
    /// Largest stiffness, N m/rad.
    pub kp_max: f64,
    /// Largest damping, N m s/rad.
    pub kd_max: f64,
    /// Drive temperature that warns, deg C.
    pub temperature_warn_c: f64,
    /// Drive temperature that is a fault, deg C.
    pub temperature_max_c: f64,
}

/// One motor controller on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Index into [`Robot::buses`].
    pub bus: usize,
    /// CAN id it listens to.
    pub id: u16,
    /// CAN id it answers with.
    pub reply_id: u16,
    /// Protocol family.
    pub family: Family,
    /// Model, in the family's spelling.
    pub model: String,
    /// Motor turns per joint turn as seen at the encoder the drive reports (1 when it reports the output).
    pub gear: f64,
    /// +1 or -1: direction of positive drive angle at the joint.
    pub sign: f64,
    /// Joint angle when the drive reports zero, rad.
    pub offset_rad: f64,
    /// Full scale of the drive's frames; read back at start-up and compared.
    pub scaling: Scaling,
    /// Time without a frame after which the drive acts by itself, ns.
    pub watchdog_ns: u64,
    /// What it then does.
    pub watchdog_action: WatchdogAction,
}

impl Device {
    /// Joint position of a drive position, rad.
    pub fn joint_q_rad(&self, device_q_rad: f64) -> f64 {
        self.sign * device_q_rad / self.gear + self.offset_rad
    }

    /// Drive position of a joint position, rad.
    pub fn device_q_rad(&self, joint_q_rad: f64) -> f64 {
        self.sign * (joint_q_rad - self.offset_rad) * self.gear
    }

    /// Joint speed of a drive speed, rad/s.
    pub fn joint_dq_rad_s(&self, device_dq_rad_s: f64) -> f64 {
        self.sign * device_dq_rad_s / self.gear
    }

    /// Drive speed of a joint speed, rad/s.
    pub fn device_dq_rad_s(&self, joint_dq_rad_s: f64) -> f64 {
        self.sign * joint_dq_rad_s * self.gear
    }

    /// Joint torque of a drive torque, N m.
    pub fn joint_tau_nm(&self, device_tau_nm: f64) -> f64 {
        self.sign * device_tau_nm * self.gear
    }

    /// Drive torque of a joint torque, N m.
    pub fn device_tau_nm(&self, joint_tau_nm: f64) -> f64 {
        self.sign * joint_tau_nm / self.gear
    }

    /// Drive-side gain (kp or kd) of a joint-side gain.
    pub fn device_gain(&self, joint_gain: f64) -> f64 {
        joint_gain / (self.gear * self.gear)
    }
}

/// Protocol family of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// MIT mini-cheetah frames with Damiao's ids, faults and registers.
    Damiao,
}

/// Full scale of the packed fields of a drive's frames, at the drive's output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Position, rad.
    pub p_max_rad: f64,
    /// Speed, rad/s.
    pub v_max_rad_s: f64,
    /// Torque, N m.
    pub t_max_nm: f64,
}

/// What a drive does when its own watchdog fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogAction {
    /// Torque off, fault latched.
    Off,
}

/// What is wired to a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// Motor controllers, each polled once per period.
    Drives,
    /// Sensors that answer one SYNC frame per period.
    Sensors {
        /// CAN id of the SYNC.
        sync_id: u16,
    },
}

/// One CAN bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Bus {
    /// Name; on hardware the name of the CAN interface.
    pub name: String,
    /// What is wired to it.
    pub kind: BusKind,
    /// Bit rate.
    pub bitrate_bps: u32,
}

/// One inertial measurement unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Imu {
    /// Name.
    pub name: String,
    /// Index into [`Robot::buses`].
    pub bus: usize,
    /// CAN id of the gyroscope frame.
    pub gyro_id: u16,
    /// CAN id of the accelerometer frame.
    pub accel_id: u16,
    /// Site of the model it sits at.
    pub site: String,
    /// The sensor's frame in the base frame: rotates a measured vector into the base.
    pub base_from_imu: Pose,
}

/// One foot and its force sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Foot {
    /// Name, also the name of its leg.
    pub name: String,
    /// Index into [`Robot::buses`].
    pub bus: usize,
    /// CAN id of its force frame.
    pub id: u16,
    /// Site of the model at the centre of a ball foot, or in the sole of a flat one.
    pub site: String,
    /// Radius of a ball foot, m: the ground is this far below the site. Zero for a flat foot: the site lies in the sole.
    pub radius_m: f64,
    /// What touches the ground, in the site's frame, from the collision shapes of the site's body.
    pub contacts: Vec<ContactPoint>,
}

/// A ball that may touch the ground; a corner or a point has radius zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContactPoint {
    /// Centre in the frame of the foot's site, m.
    pub position_m: [f64; 3],
    /// Radius, m.
    pub radius_m: f64,
}

/// What carries the robot while it is not powered, at the start of a run of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// It lies on the ground.
    Ground,
    /// A harness holds the base upright at the height of the `lie` posture, and is taken off once the legs carry.
    Harness,
}

/// How a run of the twin begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// What carries the robot before it stands.
    pub held_by: HeldBy,
}

/// What follows when a policy that moves the robot dies, fails or falls silent: declared for the robot (robot.yaml's
/// `policy.on_loss`) and for each policy (its manifest's `safety.fallback`); either may ask for Damping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Stand takes over from whatever posture the robot is in, and catches it.
    Stand,
    /// The joints are damped at once; the robot sinks down.
    Damping,
}

/// Nominal sensor noise: standard deviations per sample, and bounds of constant biases.
///
/// A simulated bias is drawn once per run, per axis or joint, uniformly within plus and minus its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Gyroscope, rad/s.
    pub gyro_std_rad_s: f64,
    /// Accelerometer, m/s^2.
    pub accel_std_m_s2: f64,
    /// Joint position, rad.
    pub q_std_rad: f64,
    /// Joint speed, rad/s.
    pub dq_std_rad_s: f64,
    /// Foot force, N.
    pub force_std_n: f64,
    /// Gyroscope bias bound, rad/s.
    pub gyro_bias_max_rad_s: f64,
    /// Accelerometer bias bound, m/s^2.
    pub accel_bias_max_m_s2: f64,
    /// Joint position bias bound, rad.
    pub q_bias_max_rad: f64,
    /// Foot force bias bound, N.
    pub force_bias_max_n: f64,
}

/// A named set of joint positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Posture {
    /// Height of the base origin above level ground, m, as it settles under load.
    pub height_m: f64,
    /// Joint positions in the order of [`Robot::joints`], rad.
    pub q_rad: Vec<f64>,
}

/// The postures every robot has.
#[derive(Clone, Debug, PartialEq)]
pub struct Postures {
    /// Low, where standing up begins and lying down ends; unpowered it rests there on the ground or in its harness.
    pub lie: Posture,
    /// Upright; the default pose of policies.
    pub stand: Posture,
}

/// Gains and durations of standing up, standing and lying down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandControl {
    /// Stiffness, N m/rad.
    pub kp: f64,
    /// Damping, N m s/rad.
    pub kd: f64,
    /// Time to stand up, s.
    pub stand_up_s: f64,
    /// Time to lie down, s.
    pub lie_down_s: f64,
    /// Shortest time in which Stand takes over from a policy, s.
    pub catch_s: f64,
}

/// Limits that protect the machine as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protection {
    /// Angle between base z and up beyond which the robot goes to damping, rad.
    pub tilt_limit_rad: f64,
    /// The supply.
    pub battery: Battery,
}

/// Limits of the supply, where the robot measures it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Battery {
    /// Below this: fault, V.
    pub voltage_min_v: f64,
    /// Below this: warning, V.
    pub voltage_warn_v: f64,
    /// Above this: fault, V.
    pub voltage_max_v: f64,
    /// Above this: fault, A.
    pub current_max_a: f64,
}

/// Timeouts of the command ladder and the bus cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Age up to which a command is fresh, ns.
    pub valid_for_ns: u64,
    /// Age at which holding ends and the ramp begins (T1), ns.
    pub t1_ns: u64,
    /// Age at which damping begins (T2), ns.
    pub t2_ns: u64,
    /// Time at rest after which drives are disabled (T3), ns.
    pub t3_ns: u64,
    /// Joint speed below which a joint is at rest, rad/s.
    pub rest_dq_rad_s: f64,
    /// Body rate below which the base is at rest, rad/s.
    pub rest_gyro_rad_s: f64,
    /// Fraction of the period after which a reply counts as missing.
    pub reply_cutoff: f64,
    /// Replies missing in a row that make a fault.
    pub reply_misses_max: u32,
}

/// What policies are held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Floor of a manifest's `latency_ticks`.
    pub latency_ticks_min: u32,
    /// Time the policy is given to stop at zero velocity before it is left on request, ns.
    pub stop_first_ns: u64,
    /// What follows when it is lost.
    pub on_loss: OnLoss,
}

impl Robot {
    /// Reads `robot.yaml` in `dir` and the MJCF it names.
    ///
    /// # Errors
    /// A file that cannot be read, or every refused value at once.
    pub fn load(dir: &Path) -> Result<Robot, LoadError> {
        load::from_dir(dir)
    }

    /// The same from text, without touching files; messages name `robot.yaml` and the MJCF as the text does.
    ///
    /// # Errors
    /// Every refused value at once.
    pub fn parse(yaml: &str, model: &str) -> Result<Robot, LoadError> {
        load::from_text(ROBOT_FILE, yaml, |name| Ok((name.to_owned(), model.to_owned())))
    }

    /// Index of a joint by name.
    pub fn joint_index(&self, name: &str) -> Option<usize> {
        self.joints.iter().position(|joint| joint.name == name)
    }

    /// Index of a leg (and foot) by name.
    pub fn leg_index(&self, name: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.name == name)
    }

    /// Joint names in order.
    pub fn joint_names(&self) -> impl Iterator<Item = &str> {
        self.joints.iter().map(|joint| joint.name.as_str())
    }

    /// Sum of all masses, kg.
    pub fn total_mass_kg(&self) -> f64 {
        self.model.total_mass_kg()
    }

    /// Worst-case load of each bus, in the order of [`Robot::buses`].
    pub fn bus_loads(&self) -> Vec<bus_budget::BusLoad> {
        bus_budget::loads(&self.buses, &self.joints, &self.imus, &self.feet, self.period_ns)
    }
}
