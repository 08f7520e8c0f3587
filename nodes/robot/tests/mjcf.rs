//! Another kind of robot, written with the parts of MJCF the quadruped does not use.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod frozen;

use sinew_robot::{JointKind, Robot, Shape, write_urdf};
use std::f64::consts::FRAC_PI_2;

/// A gantry bolted to the world: a slide, then a hinge on a turned frame. Angles in degrees (MJCF's default).
const GANTRY: &str = r#"
<mujoco model="gantry">
  <default>
    <joint damping="0.5"/>
    <default class="rail">
      <joint type="slide" axis="0 2 0" range="-0.5 0.5" actuatorfrcrange="-30 20"/>
      <default class="fine"><joint damping="0.25"/></default>
    </default>
  </default>
  <worldbody>
    <body name="base_link">
      <inertial pos="0 0 0" mass="5" diaginertia="1 1 1"/>
      <body name="cart" pos="1 0 0" childclass="fine">
        <inertial pos="0 0 0" mass="2" fullinertia="0.2 0.3 0.4 0.05 0 0"/>
        <joint name="cart"/>
        <geom type="capsule" size="0.1" fromto="0 0 -1 0 0 1"/>
        <body name="plate" pos="0 0 0.5" axisangle="0 0 1 90">
          <inertial pos="0 0 0" mass="1" diaginertia="0.1 0.1 0.1"/>
          <geom type="box" size="1 2 3"/>
          <site name="mark" pos="0.1 0 0"/>
        </body>
        <body name="arm" pos="0 0 1">
          <inertial pos="0 0 0" mass="1" diaginertia="0.1 0.1 0.1"/>
          <joint name="arm" class="main" axis="1 0 0" range="-90 45"/>
          <site name="tip" pos="0 0 -0.5"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="cart" class="main" forcerange="-5 5" gear="3"/>
    <motor joint="arm" class="main" forcerange="-7 7"/>
  </actuator>
</mujoco>
"#;

fn gantry() -> Robot {
    let section = |from: &str, to: &str| {
        let start = frozen::YAML.find(from).unwrap();
        let end = start + frozen::YAML[start..].find(to).unwrap();
        &frozen::YAML[start..end]
    };
    let yaml = format!(
        "schema: 1\nname: gantry\nmodel: gantry.xml\n{}{}joints:\n  - {{name: arm, bus: can0, id: 2, reply_id: 18}}\n  \
         - {{name: cart, bus: can0, id: 1, reply_id: 17}}\nimus: []\nfeet: []\n{}\
         postures:\n  lie: {{height_m: 0, q_rad: {{cart: 0, arm: 0}}}}\n  stand: {{height_m: 1, q_rad: {{cart: 0.1, arm: 0.2}}}}\n{}",
        section("buses:", "# ---"),
        section("joint_defaults:", "# name      a joint"),
        section("noise:\n", "# ---"),
        section("stand:                          # the", "timing:"),
    );
    Robot::parse(&yaml, GANTRY).unwrap_or_else(|error| unreachable!("{error}\n{yaml}"))
}

#[test]
fn classes_units_and_actuators_follow_mjcf() {
    let robot = gantry();
    let names: Vec<_> = robot.joint_names().collect();
    assert_eq!(names, ["arm", "cart"], "the file's order, not the tree's");
    let [arm, cart] = robot.joints.as_slice() else { unreachable!() };
    assert_eq!((arm.kind, cart.kind), (JointKind::Hinge, JointKind::Slide));
    assert!(
        (arm.limits.q_min_rad + FRAC_PI_2).abs() < 1e-12
            && (arm.limits.q_max_rad - FRAC_PI_2 / 2.0).abs() < 1e-12
    );
    assert_eq!((cart.limits.q_min_rad, cart.limits.q_max_rad), (-0.5, 0.5), "a slide is not in degrees");
    // The tighter of the joint's range (20 the smaller side) and the actuator's 5 times gear 3.
    assert_eq!((arm.limits.tau_max_nm, cart.limits.tau_max_nm), (7.0, 15.0));
    let damping: Vec<_> = robot.model.joints().map(|joint| (joint.name.as_str(), joint.damping)).collect();
    assert_eq!(damping, [("cart", 0.25), ("arm", 0.5)]);
    assert!(!robot.model.floating && robot.legs.is_empty());
    assert_eq!(robot.base_height_m(&[0.0, 0.0]), 0.0);
    assert_eq!(robot.model.bodies[1].geoms[0].shape, Shape::Capsule(0.1, 1.0));
}

#[test]
fn a_full_inertia_keeps_its_tensor() {
    let inertial = gantry().model.bodies[1].inertial;
    // R diag R^T must give back xx 0.2, yy 0.3, xy 0.05.
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| inertial.pose.rotate(axis));
    let entry = |i: usize, j: usize| {
        (0..3).map(|k| axes[k][i] * inertial.diagonal_kg_m2[k] * axes[k][j]).sum::<f64>()
    };
    for (i, j, expected) in [(0, 0, 0.2), (1, 1, 0.3), (2, 2, 0.4), (0, 1, 0.05), (0, 2, 0.0), (1, 2, 0.0)] {
        assert!((entry(i, j) - expected).abs() < 1e-12, "{i}{j}");
    }
}

#[test]
fn slides_turned_frames_and_fixed_bodies_move_as_they_should() {
    let robot = gantry();
    // Order: arm, cart. The slide's axis is (0, 2, 0) made unit; the arm turns its tip from -z towards +y.
    let tip = robot.site_pose("tip", &[FRAC_PI_2 / 2.0, 0.3]).unwrap().position_m;
    let s = 0.5 * (FRAC_PI_2 / 2.0).sin();
    let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(tip, [1.0, 0.3 + s, 1.0 - s]), "{tip:?}");
    let mark = robot.site_pose("mark", &[0.0, 0.3]).unwrap().position_m;
    assert!(close(mark, [1.0, 0.4, 0.5]), "{mark:?}");
}

#[test]
fn the_urdf_of_a_robot_whose_base_is_base_link_has_it_once() {
    let urdf = write_urdf(&gantry());
    assert_eq!(urdf.matches("<link name=\"base_link\"").count(), 1, "{urdf}");
    for part in [
        "<joint name=\"cart\" type=\"prismatic\">",
        "<joint name=\"plate_fixed\" type=\"fixed\">",
        "<box size=\"2 4 6\"/>",
    ] {
        assert!(urdf.contains(part), "{part} in {urdf}");
    }
}
