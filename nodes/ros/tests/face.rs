//! What a ROS user sees of a robot, state by state.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod robot_state;

use robot_state::{quad, standing};
use sinew_robot::Robot;
use sinew_ros::msg::Message;
use sinew_ros::msg::diagnostic_msgs::{DiagnosticArray, DiagnosticStatus};
use sinew_ros::msg::geometry_msgs::TransformStamped;
use sinew_ros::msg::nav_msgs::Odometry;
use sinew_ros::msg::rosgraph_msgs::Clock;
use sinew_ros::msg::sensor_msgs::{Imu, JointState};
use sinew_ros::msg::std_msgs;
use sinew_ros::msg::tf2_msgs::TFMessage;
use sinew_ros::{Face, FaceConfig, FaceError, FaultName, Level, Topic};
use sinew_wire::{EstimatorStatus, RobotMode, RobotState};
use std::collections::BTreeMap;

type Sent = BTreeMap<Topic, Vec<Vec<u8>>>;

struct Viewer {
    robot: Robot,
    face: Face,
}

impl Viewer {
    fn new(change: impl FnOnce(&mut FaceConfig)) -> Self {
        let robot = quad();
        let mut config = FaceConfig::simulated("spot");
        change(&mut config);
        Self { face: Face::new(&robot, config).unwrap(), robot }
    }

    fn step(&mut self, state: &RobotState) -> Sent {
        let mut sent = Sent::new();
        self.face.step(state, &mut |topic, cdr| sent.entry(topic).or_default().push(cdr.to_vec()));
        sent
    }

    fn start(&mut self) -> Sent {
        let mut sent = Sent::new();
        self.face.start(&mut |topic, cdr| sent.entry(topic).or_default().push(cdr.to_vec()));
        sent
    }

    fn silence(&mut self) -> Sent {
        let mut sent = Sent::new();
        self.face.silence(&mut |topic, cdr| sent.entry(topic).or_default().push(cdr.to_vec()));
        sent
    }
}

fn one<M: Message>(sent: &Sent, topic: Topic) -> M {
    let [cdr] = sent[&topic].as_slice() else { panic!("one {topic:?} expected") };
    M::from_cdr(cdr).unwrap()
}

fn status<'a>(array: &'a DiagnosticArray, name: &str) -> &'a DiagnosticStatus {
    array.status.iter().find(|status| status.name == name).unwrap()
}

fn child<'a>(message: &'a TFMessage, name: &str) -> &'a TransformStamped {
    message.transforms.iter().find(|transform| transform.child_frame_id == name).unwrap()
}

#[test]
fn a_state_becomes_messages_in_the_units_and_frames_of_ros() {
    let mut viewer = Viewer::new(|_| {});
    let state = standing(&viewer.robot, 750);
    let sent = viewer.step(&state);

    let clock: Clock = one(&sent, Topic::Clock);
    assert_eq!((clock.clock.sec, clock.clock.nanosec), (1, 500_000_000), "step 750 of 2 ms");

    let joints: JointState = one(&sent, Topic::JointStates);
    assert_eq!(joints.header.stamp, clock.clock);
    assert_eq!(joints.name, viewer.robot.joint_names().collect::<Vec<_>>());
    assert_eq!(joints.velocity, vec![0.5; 12]);
    assert_eq!(joints.effort[3], 3.0);
    assert_eq!(joints.position[1], f64::from(viewer.robot.joints[1].default_q_rad as f32));

    let odometry: Odometry = one(&sent, Topic::Odom);
    assert_eq!(odometry.header.frame_id, "spot/odom");
    assert_eq!(odometry.child_frame_id, "spot/base_link");
    assert_eq!(odometry.pose.pose.position.y, 2.0);
    let orientation = &odometry.pose.pose.orientation;
    assert!((orientation.w - 0.8).abs() < 1e-6 && (orientation.z - 0.6).abs() < 1e-6, "w goes last");
    assert!((odometry.twist.twist.linear.z - 0.3).abs() < 1e-6);

    let imu: Imu = one(&sent, Topic::Imu);
    assert_eq!(imu.header.frame_id, "spot/base_link");
    assert!((imu.angular_velocity.z - 0.6).abs() < 1e-6);
    assert_eq!(imu.linear_acceleration_covariance[0], -1.0, "not measured here");
    assert_eq!(imu.orientation_covariance[0], 0.0);

    let tf: TFMessage = one(&sent, Topic::Tf);
    let base = child(&tf, "spot/base_link");
    assert_eq!(base.header.frame_id, "spot/odom");
    assert_eq!(base.transform.translation.x, 1.0);
    assert_eq!(tf.transforms.len(), 13, "base and twelve links");
}

#[test]
fn tf_and_description_place_every_foot_alike() {
    let mut viewer = Viewer::new(|_| {});
    let fixed: TFMessage = one(&viewer.start(), Topic::TfStatic);
    let tf: TFMessage = one(&viewer.step(&standing(&viewer.robot, 0)), Topic::Tf);
    let all: Vec<&TransformStamped> = fixed.transforms.iter().chain(&tf.transforms).collect();
    for leg in &viewer.robot.legs {
        let foot = &viewer.robot.feet[viewer.robot.leg_index(&leg.name).unwrap()];
        let mut name = format!("spot/{}", foot.site);
        let mut at = [0.0; 3];
        while name != "spot/base_link" {
            let hop = all.iter().find(|t| t.child_frame_id == name).unwrap_or_else(|| panic!("no {name}"));
            let (r, t) = (&hop.transform.rotation, &hop.transform.translation);
            let pose =
                sinew_robot::Pose { position_m: [t.x, t.y, t.z], orientation_wxyz: [r.w, r.x, r.y, r.z] };
            at = pose.transform(at);
            name.clone_from(&hop.header.frame_id);
        }
        let q: Vec<f64> = leg.joints.iter().map(|j| viewer.robot.joints[*j].default_q_rad).collect();
        let expected = leg.foot_position(&q);
        for (found, expected) in at.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{}: {at:?}, expected {expected:?}", leg.name);
        }
    }
}

#[test]
fn what_is_latched_is_said_at_the_start() {
    let mut viewer = Viewer::new(|_| {});
    let sent = viewer.start();
    let text: std_msgs::String = one(&sent, Topic::RobotDescription);
    assert!(text.data.contains("<robot") && text.data.contains("FR_calf"));
    let fixed: TFMessage = one(&sent, Topic::TfStatic);
    assert_eq!(child(&fixed, "spot/imu").header.frame_id, "spot/trunk");
    assert_eq!(child(&fixed, "spot/trunk").header.frame_id, "spot/base_link");
    assert_eq!(sent.len(), 2);
}

#[test]
fn streams_come_at_their_rate_in_step_time() {
    for (rate_hz, every, expected) in [(50.0, 5, 50), (100.0, 5, 100), (50.0, 1, 50), (70.0, 5, 70)] {
        let mut viewer = Viewer::new(|config| config.rate_hz = rate_hz);
        let (mut streams, mut clocks, mut reports) = (0, 0, 0);
        for step in (0..500).step_by(every) {
            let sent = viewer.step(&standing(&viewer.robot, step));
            streams += usize::from(sent.contains_key(&Topic::JointStates));
            clocks += usize::from(sent.contains_key(&Topic::Clock));
            reports += usize::from(sent.contains_key(&Topic::Diagnostics));
        }
        assert!(streams.abs_diff(expected) <= 1, "{rate_hz} Hz of every {every}: {streams} in one second");
        assert_eq!(clocks, 500 / every, "the clock with every state shown");
        assert_eq!(reports, 1);
    }
}

#[test]
fn a_run_that_begins_anew_is_shown_at_once_and_a_state_only_once() {
    let mut viewer = Viewer::new(|_| {});
    let state = standing(&viewer.robot, 5_000);
    assert!(viewer.step(&state).contains_key(&Topic::Odom));
    assert!(viewer.step(&state).is_empty());
    assert_eq!(viewer.face.counters().duplicates, 1);
    assert!(viewer.step(&standing(&viewer.robot, 0)).contains_key(&Topic::Odom));
}

#[test]
fn on_hardware_there_is_no_clock_and_stamps_have_the_offset() {
    let mut viewer = Viewer::new(|config| {
        config.publish_clock = false;
        config.epoch_ns = 1_700_000_000_000_000_000;
    });
    let sent = viewer.step(&standing(&viewer.robot, 500));
    assert!(!sent.contains_key(&Topic::Clock));
    let joints: JointState = one(&sent, Topic::JointStates);
    assert_eq!(joints.header.stamp.sec, 1_700_000_001);
}

#[test]
fn values_that_are_not_finite_are_left_out_and_counted() {
    let mut viewer = Viewer::new(|_| {});
    let mut state = standing(&viewer.robot, 0);
    state.joints[2].q_rad = f32::NAN;
    let sent = viewer.step(&state);
    assert!(!sent.contains_key(&Topic::JointStates));
    assert_eq!(one::<TFMessage>(&sent, Topic::Tf).transforms.len(), 1, "base without links");
    assert!(sent.contains_key(&Topic::Odom) && sent.contains_key(&Topic::Imu));
    assert_eq!(viewer.face.counters().not_finite, 1);

    let mut state = standing(&viewer.robot, 100);
    state.body.orientation = [0.0; 4];
    let sent = viewer.step(&state);
    assert!(!sent.contains_key(&Topic::Odom) && !sent.contains_key(&Topic::Imu), "no rotation");
    assert!(sent.contains_key(&Topic::JointStates));

    let mut state = standing(&viewer.robot, 200);
    state.joints.pop();
    assert!(viewer.step(&state).is_empty());
    assert_eq!(viewer.face.counters().wrong_joints, 1);
}

#[test]
fn an_orientation_nobody_has_estimated_is_marked() {
    let mut viewer = Viewer::new(|_| {});
    let mut state = standing(&viewer.robot, 0);
    state.body.estimator_status = EstimatorStatus::Initialising as u8;
    let imu: Imu = one(&viewer.step(&state), Topic::Imu);
    assert_eq!(imu.orientation_covariance[0], -1.0);
}

#[test]
fn health_is_told_every_second_and_at_once_when_it_changes() {
    let mut viewer = Viewer::new(|config| {
        config.faults = vec![FaultName {
            bit: 18,
            code: "tilt_limit".to_owned(),
            level: Level::Error,
            hint: "set the robot on its belly".to_owned(),
        }];
    });
    let array: DiagnosticArray = one(&viewer.step(&standing(&viewer.robot, 0)), Topic::Diagnostics);
    let names: Vec<&str> = array.status.iter().map(|status| status.name.as_str()).collect();
    let expected =
        ["control: mode", "control: estimator", "control: faults", "bridge: link", "bridge: drives"];
    assert_eq!(names, expected);
    for status in &array.status {
        assert_eq!(status.level.0, Level::Ok as u8, "{status:?}");
        assert_eq!(status.hardware_id, "quad/spot");
    }
    assert!(!viewer.step(&standing(&viewer.robot, 60)).contains_key(&Topic::Diagnostics));

    let mut state = standing(&viewer.robot, 65);
    state.body.robot_mode = RobotMode::FaultStop as u8;
    state.body.faults = 1 << 18 | 1 << 40;
    state.joints[4].temperature_c = 80.0;
    let array: DiagnosticArray = one(&viewer.step(&state), Topic::Diagnostics);
    assert_eq!(status(&array, "control: mode").message, "FaultStop");
    assert_eq!(status(&array, "control: mode").level.0, Level::Error as u8);
    let faults = status(&array, "control: faults");
    assert_eq!(faults.message, "tilt_limit, fault_40");
    assert_eq!(faults.values[0].value, "set the robot on its belly");
    let drives = status(&array, "bridge: drives");
    assert_eq!(drives.level.0, Level::Warn as u8);
    assert!(drives.message.contains(&viewer.robot.joints[4].name), "{}", drives.message);
}

#[test]
fn what_flaps_is_told_at_most_ten_times_a_second() {
    let mut viewer = Viewer::new(|_| {});
    let mut reports = 0;
    for step in 0..500 {
        let mut state = standing(&viewer.robot, step);
        state.body.faults = step & 1;
        reports += usize::from(viewer.step(&state).contains_key(&Topic::Diagnostics));
    }
    assert!((9..=11).contains(&reports), "{reports}");
}

#[test]
fn silence_is_told_once_until_a_state_comes() {
    let mut viewer = Viewer::new(|_| {});
    viewer.step(&standing(&viewer.robot, 0));
    let array: DiagnosticArray = one(&viewer.silence(), Topic::Diagnostics);
    assert!(array.status.iter().all(|status| status.level.0 == Level::Stale as u8));
    assert!(viewer.silence().is_empty());
    let back = viewer.step(&standing(&viewer.robot, 10));
    assert!(back.contains_key(&Topic::Diagnostics), "the return of the robot is told at once");
}

#[test]
fn wrong_settings_are_refused() {
    let robot = quad();
    for rate_hz in [0.0, 101.0, f64::NAN, -1.0] {
        let config = FaceConfig { rate_hz, ..FaceConfig::simulated("spot") };
        assert!(matches!(Face::new(&robot, config), Err(FaceError::Rate { .. })), "{rate_hz}");
    }
    for name in ["", "a/b*", "7up", "a b"] {
        assert!(matches!(Face::new(&robot, FaceConfig::simulated(name)), Err(FaceError::Name(_))), "{name}");
    }
}
