//! The core: one state in, the messages that are due out, as CDR.
//!
//! Times are step times plus the offset of the clock; this core has no clock of its own. Messages and their buffer
//! are kept between calls; only diagnostics, once a second, allocate.
use super::diagnostics::{FaultName, Reporter, Situation};
use super::frames::{BASE, Frames, link};
use super::topic::Topic;
use crate::msg::Message;
use crate::msg::builtin_interfaces::Time;
use crate::msg::diagnostic_msgs::DiagnosticArray;
use crate::msg::geometry_msgs::{Quaternion, TransformStamped, Twist};
use crate::msg::nav_msgs::Odometry;
use crate::msg::rosgraph_msgs::Clock;
use crate::msg::sensor_msgs::{Imu, JointState};
use crate::msg::std_msgs;
use crate::msg::tf2_msgs::TFMessage;
use crate::name::{NameError, NodeName};
use sinew_robot::{Pose, Robot, write_urdf};
use sinew_wire::{EstimatorStatus, FrameId, RobotState};

/// Fixed frame in which the estimator counts.
const ODOM: &str = "odom";
/// Shortest time between two reports, however much changes.
const LEAST_REPORT_GAP_NS: u64 = 100_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// How far from one the norm of an orientation may be.
const NORM_TOLERANCE: f64 = 1e-2;

/// What may vary.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceConfig {
    /// Name of the robot: ROS namespace and tf prefix.
    pub robot: String,
    /// Joint states, IMU, odometry and tf, Hz of step time; 1 to 100.
    pub rate_hz: f64,
    /// ROS time of step 0, ns: 0 in simulation, wall time of the start on hardware.
    pub epoch_ns: u64,
    /// Publish /clock, for nodes with `use_sim_time`.
    pub publish_clock: bool,
    /// Publish the moving links on /tf; false where a robot_state_publisher does.
    pub link_frames: bool,
    /// Names of the bits of the fault set.
    pub faults: Vec<FaultName>,
}

impl FaceConfig {
    /// A simulated robot of this name at 50 Hz.
    #[must_use]
    pub fn simulated(robot: &str) -> Self {
        Self {
            robot: robot.to_owned(),
            rate_hz: 50.0,
            epoch_ns: 0,
            publish_clock: true,
            link_frames: true,
            faults: Vec::new(),
        }
    }
}

/// Why a face is not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaceError {
    #[error("robot name: {0}")]
    Name(#[from] NameError),
    #[error("rate_hz: found {found}; expected 1 to 100")]
    Rate { found: f64 },
}

/// What was not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaceCounters {
    /// States seen.
    pub states: u64,
    /// The same state again.
    pub duplicates: u64,
    /// States with another number of joints than the description.
    pub wrong_joints: u64,
    /// Messages left out because a value was not finite, or an orientation no rotation.
    pub not_finite: u64,
    /// Messages that could not be written.
    pub unwritable: u64,
}

/// The messages of one robot.
#[derive(Clone, Debug)]
pub struct Face {
    period_ns: u64,
    epoch_ns: u64,
    publish_clock: bool,
    link_frames: bool,
    joint_count: usize,
    stream: Due,
    heartbeat: Due,
    last: Option<FrameId>,
    reported: Option<(Situation, u64)>,
    silent: bool,
    description: String,
    frames: Frames,
    base: TransformStamped,
    joint_state: JointState,
    imu: Imu,
    odometry: Odometry,
    tf: TFMessage,
    reporter: Reporter,
    diagnostics: DiagnosticArray,
    cdr: Vec<u8>,
    counters: FaceCounters,
}

impl Face {
    /// Of the robot described.
    ///
    /// # Errors
    /// [`FaceError`].
    pub fn new(description: &Robot, config: FaceConfig) -> Result<Self, FaceError> {
        // One token: it is a namespace, a tf prefix and part of names alike.
        NodeName::new("", &config.robot)?;
        // Written so that a NaN is refused.
        if !(config.rate_hz >= 1.0 && config.rate_hz <= 100.0) {
            return Err(FaceError::Rate { found: config.rate_hz });
        }
        let prefix = format!("{}/", config.robot);
        let base = format!("{prefix}{BASE}");
        let joints = description.joints.len();
        let mut imu = Imu::default();
        imu.header.frame_id.clone_from(&base);
        // The state says nothing about acceleration.
        set_first(&mut imu.linear_acceleration_covariance, -1.0);
        let mut odometry = Odometry { child_frame_id: base, ..Odometry::default() };
        odometry.header.frame_id = format!("{prefix}{ODOM}");
        let hardware_id = format!("{}/{}", description.name, config.robot);
        Ok(Self {
            period_ns: description.period_ns,
            epoch_ns: config.epoch_ns,
            publish_clock: config.publish_clock,
            link_frames: config.link_frames,
            joint_count: joints,
            stream: Due::every((SECOND_NS as f64 / config.rate_hz) as u64),
            heartbeat: Due::every(SECOND_NS),
            last: None,
            reported: None,
            silent: false,
            description: write_urdf(description),
            frames: Frames::new(description, &prefix),
            base: link(&prefix, ODOM, BASE, &Pose::IDENTITY),
            joint_state: JointState {
                name: description.joint_names().map(str::to_owned).collect(),
                position: vec![0.0; joints],
                velocity: vec![0.0; joints],
                effort: vec![0.0; joints],
                ..JointState::default()
            },
            imu,
            odometry,
            tf: TFMessage { transforms: Vec::with_capacity(joints + 1) },
            reporter: Reporter::new(description, hardware_id, config.faults),
            diagnostics: DiagnosticArray::default(),
            cdr: Vec::with_capacity(16 * 1024),
            counters: FaceCounters::default(),
        })
    }

    /// What is said once and kept for those who come later: the fixed frames and the description.
    pub fn start(&mut self, out: &mut dyn FnMut(Topic, &[u8])) {
        let stamp = Time::from_ns(self.epoch_ns);
        let mut fixed = TFMessage { transforms: self.frames.fixed.clone() };
        for transform in &mut fixed.transforms {
            transform.header.stamp = stamp.clone();
        }
        send(&fixed, Topic::TfStatic, &mut self.cdr, &mut self.counters, out);
        let text = std_msgs::String { data: self.description.clone() };
        send(&text, Topic::RobotDescription, &mut self.cdr, &mut self.counters, out);
    }

    /// Sends the messages that are due at this state; the clock first, so that readers know the time of the rest.
    pub fn step(&mut self, state: &RobotState, out: &mut dyn FnMut(Topic, &[u8])) {
        let id = state.header.id();
        if self.last == Some(id) {
            self.counters.duplicates += 1;
            return;
        }
        if state.joints.len() != self.joint_count {
            self.counters.wrong_joints += 1;
            return;
        }
        self.last = Some(id);
        self.counters.states += 1;
        self.silent = false;
        let now_ns = state.header.step.saturating_mul(self.period_ns);
        let stamp = Time::from_ns(self.epoch_ns.saturating_add(now_ns));
        if self.publish_clock {
            let clock = Clock { clock: stamp.clone() };
            send(&clock, Topic::Clock, &mut self.cdr, &mut self.counters, out);
        }
        if self.stream.at(now_ns) {
            self.send_stream(state, &stamp, out);
        }
        let situation = Situation::of(state);
        let changed = self
            .reported
            .is_none_or(|(old, at_ns)| old != situation && now_ns.abs_diff(at_ns) >= LEAST_REPORT_GAP_NS);
        if self.heartbeat.at(now_ns) || changed {
            self.reported = Some((situation, now_ns));
            self.diagnostics.header.stamp = stamp;
            self.diagnostics.status = self.reporter.report(state);
            send(&self.diagnostics, Topic::Diagnostics, &mut self.cdr, &mut self.counters, out);
        }
    }

    /// Tells, once, that no state comes any more; the next state ends the silence.
    pub fn silence(&mut self, out: &mut dyn FnMut(Topic, &[u8])) {
        if !self.silent {
            self.silent = true;
            self.reported = None;
            self.diagnostics.status = self.reporter.silence();
            send(&self.diagnostics, Topic::Diagnostics, &mut self.cdr, &mut self.counters, out);
        }
    }

    /// What was not shown, and how much was seen.
    #[must_use]
    pub fn counters(&self) -> FaceCounters {
        self.counters
    }

    fn send_stream(&mut self, state: &RobotState, stamp: &Time, out: &mut dyn FnMut(Topic, &[u8])) {
        let body = &state.body;
        let orientation = body.orientation.map(f64::from);
        let angular = body.angular_velocity_rad_s.map(f64::from);
        let linear = body.velocity_m_s.map(f64::from);
        let rotation = is_rotation(&orientation).then(|| Quaternion::from_wxyz(orientation));
        let joints_finite = state
            .joints
            .iter()
            .all(|joint| joint.q_rad.is_finite() && joint.dq_rad_s.is_finite() && joint.tau_nm.is_finite());

        self.tf.transforms.clear();
        match &rotation {
            Some(rotation) if all_finite(&body.position_m) => {
                self.base.header.stamp = stamp.clone();
                self.base.transform.translation = body.position_m.into();
                self.base.transform.rotation = rotation.clone();
                self.tf.transforms.push(self.base.clone());
            }
            _ => self.counters.not_finite += 1,
        }
        if self.link_frames && joints_finite {
            let q = |joint: usize| state.joints.get(joint).map(|joint| f64::from(joint.q_rad));
            self.tf.transforms.extend_from_slice(self.frames.moved(stamp, q));
        }
        if !self.tf.transforms.is_empty() {
            send(&self.tf, Topic::Tf, &mut self.cdr, &mut self.counters, out);
        }

        if joints_finite {
            let message = &mut self.joint_state;
            message.header.stamp = stamp.clone();
            for (value, joint) in message.position.iter_mut().zip(&state.joints) {
                *value = f64::from(joint.q_rad);
            }
            for (value, joint) in message.velocity.iter_mut().zip(&state.joints) {
                *value = f64::from(joint.dq_rad_s);
            }
            for (value, joint) in message.effort.iter_mut().zip(&state.joints) {
                *value = f64::from(joint.tau_nm);
            }
            send(message, Topic::JointStates, &mut self.cdr, &mut self.counters, out);
        } else {
            self.counters.not_finite += 1;
        }

        if let (Some(rotation), true) = (&rotation, all_finite(&angular)) {
            let message = &mut self.imu;
            message.header.stamp = stamp.clone();
            message.orientation = rotation.clone();
            let known =
                matches!(body.estimator_status(), EstimatorStatus::Healthy | EstimatorStatus::Degraded);
            set_first(&mut message.orientation_covariance, if known { 0.0 } else { -1.0 });
            message.angular_velocity = angular.into();
            send(message, Topic::Imu, &mut self.cdr, &mut self.counters, out);
        } else {
            self.counters.not_finite += 1;
        }

        let finite = all_finite(&body.position_m) && all_finite(&linear) && all_finite(&angular);
        if let (Some(rotation), true) = (rotation, finite) {
            let message = &mut self.odometry;
            message.header.stamp = stamp.clone();
            message.pose.pose.position = body.position_m.into();
            message.pose.pose.orientation = rotation;
            message.twist.twist = Twist { linear: linear.into(), angular: angular.into() };
            send(message, Topic::Odom, &mut self.cdr, &mut self.counters, out);
        } else {
            self.counters.not_finite += 1;
        }
    }
}

fn send<M: Message>(
    message: &M,
    topic: Topic,
    cdr: &mut Vec<u8>,
    counters: &mut FaceCounters,
    out: &mut dyn FnMut(Topic, &[u8]),
) {
    match message.to_cdr(cdr) {
        Ok(()) => out(topic, cdr),
        Err(_) => counters.unwritable += 1,
    }
}

fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

fn is_rotation(wxyz: &[f64; 4]) -> bool {
    let norm = wxyz.iter().map(|value| value * value).sum::<f64>().sqrt();
    (norm - 1.0).abs() < NORM_TOLERANCE
}

fn set_first(covariance: &mut [f64], value: f64) {
    if let Some(first) = covariance.first_mut() {
        *first = value;
    }
}

/// Says when something periodic is due, in step time; keeps to its grid when steps are left out.
#[derive(Clone, Copy, Debug)]
struct Due {
    interval_ns: u64,
    next_ns: u64,
    last_ns: u64,
}

impl Due {
    fn every(interval_ns: u64) -> Self {
        Self { interval_ns: interval_ns.max(1), next_ns: 0, last_ns: 0 }
    }

    fn at(&mut self, now_ns: u64) -> bool {
        // A step count that went back is another run: begin anew.
        let began = now_ns < self.last_ns;
        self.last_ns = now_ns;
        if !began && now_ns < self.next_ns {
            return false;
        }
        let late = began || now_ns >= self.next_ns.saturating_add(self.interval_ns);
        let from = if late { now_ns } else { self.next_ns };
        self.next_ns = from.saturating_add(self.interval_ns);
        true
    }
}
