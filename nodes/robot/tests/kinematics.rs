//! Legs and tree: closed form, finite differences, and each against the other.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod shipped;

use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use proptest::prelude::*;
use sinew_robot::{Leg, Robot};
use std::sync::LazyLock;

static ROBOT: LazyLock<Robot> = LazyLock::new(shipped::robot);
static BIPED: LazyLock<Robot> = LazyLock::new(shipped::biped);

/// The quadruped's leg written out by hand from its four lengths.
fn by_hand(leg: &Leg, q_leg: &[f64]) -> [f64; 3] {
    let [hip, thigh, calf] = [q_leg[0], q_leg[1], q_leg[2]];
    let front = if leg.name.starts_with('F') { 1.0 } else { -1.0 };
    let left = if leg.name.ends_with('L') { 1.0 } else { -1.0 };
    let along = -0.21 * thigh.sin() - 0.21 * (thigh + calf).sin();
    let down = -0.21 * thigh.cos() - 0.21 * (thigh + calf).cos();
    let out = left * 0.095;
    let (s, c) = hip.sin_cos();
    [front * 0.19 + along, left * 0.047 + out * c - down * s, out * s + down * c]
}

fn largest_gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn joints_of(robot: &Robot) -> BoxedStrategy<Vec<f64>> {
    let each = |joint: &sinew_robot::Joint| joint.limits.q_min_rad..=joint.limits.q_max_rad;
    robot.joints.iter().map(each).collect::<Vec<_>>().boxed()
}

proptest! {
    #[test]
    fn leg_tree_and_hand_agree_anywhere_in_the_limits(q in joints_of(&ROBOT)) {
        let robot = &*ROBOT;
        for (leg, foot) in robot.legs.iter().zip(&robot.feet) {
            let q_leg = leg.select(&q);
            let position = leg.foot_position(&q_leg);
            prop_assert!(largest_gap(&position, &by_hand(leg, &q_leg)) < 1e-12);
            let tree = robot.site_pose(&foot.site, &q).unwrap();
            prop_assert!(largest_gap(&position, &tree.position_m) < 1e-12);
        }
    }

    #[test]
    fn the_jacobian_is_the_derivative_of_position_and_orientation(
        q in joints_of(&ROBOT), dq in prop::collection::vec(-10.0..10.0f64, 6),
    ) {
        derivative_holds(&ROBOT, &q, &dq)?;
    }

    #[test]
    fn a_leg_of_six_hinges_with_a_flat_foot_too(
        q in joints_of(&BIPED), dq in prop::collection::vec(-10.0..10.0f64, 6),
    ) {
        let robot = &*BIPED;
        derivative_holds(robot, &q, &dq)?;
        for (leg, foot) in robot.legs.iter().zip(&robot.feet) {
            let pose = leg.foot_kinematics(&leg.select(&q)).pose;
            let tree = robot.site_pose(&foot.site, &q).unwrap();
            prop_assert!(largest_gap(&pose.position_m, &tree.position_m) < 1e-12);
            prop_assert!(turned(&pose.orientation_wxyz, &tree.orientation_wxyz).norm() < 1e-9);
        }
    }
}

/// Rotation vector from one orientation to another, in the frame both are given in.
fn turned(from: &[f64; 4], to: &[f64; 4]) -> Vector3<f64> {
    let unit = |[w, x, y, z]: [f64; 4]| UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
    (unit(*to) * unit(*from).inverse()).scaled_axis()
}

fn derivative_holds(robot: &Robot, q: &[f64], dq: &[f64]) -> Result<(), TestCaseError> {
    let step = 1e-6;
    for leg in &robot.legs {
        let q_leg = leg.select(q);
        let kinematics = leg.foot_kinematics(&q_leg);
        prop_assert_eq!(kinematics.by_joint.len(), leg.joints.len());
        for (joint, by) in kinematics.by_joint.iter().enumerate() {
            let moved = |by: f64| {
                let mut q = q_leg.clone();
                q[joint] += by;
                leg.foot_kinematics(&q).pose
            };
            let (ahead, behind) = (moved(step), moved(-step));
            let turn = turned(&behind.orientation_wxyz, &ahead.orientation_wxyz) / (2.0 * step);
            for row in 0..3 {
                let slope = (ahead.position_m[row] - behind.position_m[row]) / (2.0 * step);
                prop_assert!((by.linear[row] - slope).abs() < 1e-8, "{} {row} {joint}", leg.name);
                prop_assert!((by.angular[row] - turn[row]).abs() < 1e-8, "{} turn {row} {joint}", leg.name);
            }
        }
        let velocity = leg.foot_velocity(&q_leg, dq);
        let by_columns: Vec<f64> = (0..3)
            .map(|row| kinematics.by_joint.iter().zip(dq).map(|(by, dq)| by.linear[row] * dq).sum())
            .collect();
        prop_assert!(largest_gap(&velocity, &by_columns) < 1e-12);
        let spread = kinematics.spread();
        for (a, row) in spread.iter().enumerate() {
            for (b, cell) in row.iter().enumerate() {
                let product: f64 = kinematics.by_joint.iter().map(|by| by.linear[a] * by.linear[b]).sum();
                prop_assert!((cell - product).abs() < 1e-12);
            }
        }
    }
    Ok(())
}

#[test]
fn left_is_left_and_forward_is_forward() {
    let robot = shipped::robot();
    let foot = |name: &str| robot.foot_position(robot.leg_index(name).unwrap(), &[0.0, 0.8, -1.5]).unwrap();
    let [x, y, z] = foot("FL");
    assert!(x > 0.0 && y > 0.0 && z < 0.0);
    let [x, y, _] = foot("RR");
    assert!(x < 0.0 && y < 0.0);
    assert!(robot.foot_position(4, &[0.0; 3]).is_none());
}

#[test]
fn joint_order_of_the_file_and_the_model_may_differ() {
    // The same robot with the rear legs listed first: other indices, the same feet.
    let (head, rest) = shipped::YAML.split_once("  - {name: FR_hip").unwrap();
    let (listed, tail) = rest.split_once("\n\n").unwrap();
    let listed = format!("  - {{name: FR_hip{listed}");
    let (front, rear) = listed.split_once("\n  - {name: RR_hip").unwrap();
    let yaml = format!("{head}  - {{name: RR_hip{rear}\n{front}\n\n{tail}");
    let turned = Robot::parse(&yaml, shipped::MODEL).unwrap();
    let robot = shipped::robot();
    assert_eq!(turned.joint_names().next(), Some("RR_hip"));
    for (a, b) in robot.legs.iter().zip(&turned.legs) {
        assert_ne!(a.joints, b.joints);
        assert_eq!(a.foot_position(&[0.1, 0.9, -1.4]), b.foot_position(&[0.1, 0.9, -1.4]));
    }
    let q: Vec<f64> = (0..12).map(|i| -0.9 + 0.01 * f64::from(i)).collect();
    let q_turned: Vec<f64> = turned.joint_names().map(|name| q[robot.joint_index(name).unwrap()]).collect();
    assert_eq!(robot.site_pose("RL_foot", &q), turned.site_pose("RL_foot", &q_turned));
    assert_ne!(robot.hash, turned.hash, "joint order is the order of every frame");
}
