//! Writes the robot as URDF for ROS tools: same links, joints and limits, sites as fixed links.
//!
//! The root is `base_link` (REP 105 names it; some readers refuse inertia on a root), fixed to the base body.
//! URDF has no capsule: its cylinder and, where it collides, its two end balls are written. Ellipsoids and
//! meshes are left to the MJCF and named in a comment.

use crate::model::{Body, Geom, JointKind, Shape};
use crate::pose::{Pose, isometry};
use crate::robot::{Joint, Robot};
use nalgebra::Matrix3;
use std::fmt::{self, Write};

/// Name of the root link.
const ROOT: &str = "base_link";

/// The robot as URDF. Fixed joints are named `<link>_fixed`; a site that shares a body's name becomes `<site>_site`.
pub fn write_urdf(robot: &Robot) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail; an empty result would show in any reader.
    match write_robot(&mut out, robot) {
        Ok(()) => out,
        Err(fmt::Error) => String::new(),
    }
}

fn write_robot(out: &mut String, robot: &Robot) -> fmt::Result {
    writeln!(out, "<?xml version=\"1.0\"?>")?;
    writeln!(out, "<robot name=\"{}\">", escape(&robot.name))?;
    let named_root = robot.model.body(ROOT).is_some();
    if !named_root {
        writeln!(out, "  <link name=\"{ROOT}\"/>")?;
    }
    for body in &robot.model.bodies {
        write_link(out, body)?;
        let parent = body.parent.and_then(|parent| robot.model.bodies.get(parent));
        match (parent, &body.joint) {
            (None, _) if named_root => {}
            (None, _) => write_fixed(out, &body.name, ROOT, &Pose::IDENTITY)?,
            (Some(parent), None) => write_fixed(out, &body.name, &parent.name, &body.pose)?,
            (Some(parent), Some(of_model)) => {
                if let Some(joint) = robot.joints.get(of_model.index) {
                    write_joint(out, joint, body, &parent.name, of_model.axis)?;
                }
            }
        }
        for site in &body.sites {
            let taken = robot.model.body(&site.name).is_some();
            let link = if taken { format!("{}_site", site.name) } else { site.name.clone() };
            writeln!(out, "  <link name=\"{}\"/>", escape(&link))?;
            write_fixed(out, &link, &body.name, &site.pose)?;
        }
    }
    writeln!(out, "</robot>")
}

fn write_link(out: &mut String, body: &Body) -> fmt::Result {
    writeln!(out, "  <link name=\"{}\">", escape(&body.name))?;
    let [a, b, c] = body.inertial.diagonal_kg_m2;
    writeln!(out, "    <inertial>")?;
    writeln!(out, "      {}", origin(&body.inertial.pose))?;
    writeln!(out, "      <mass value=\"{}\"/>", body.inertial.mass_kg)?;
    writeln!(out, "      <inertia ixx=\"{a}\" ixy=\"0\" ixz=\"0\" iyy=\"{b}\" iyz=\"0\" izz=\"{c}\"/>")?;
    writeln!(out, "    </inertial>")?;
    for geom in &body.geoms {
        write_geom(out, geom)?;
    }
    writeln!(out, "  </link>")
}

fn write_geom(out: &mut String, geom: &Geom) -> fmt::Result {
    let tag = if geom.collides { "collision" } else { "visual" };
    let mut shape = |pose: &Pose, shape: String| {
        writeln!(out, "    <{tag}>{}<geometry>{shape}</geometry></{tag}>", origin(pose))
    };
    match &geom.shape {
        Shape::Sphere(radius) => shape(&geom.pose, format!("<sphere radius=\"{radius}\"/>")),
        Shape::Box([x, y, z]) => {
            shape(&geom.pose, format!("<box size=\"{} {} {}\"/>", 2.0 * x, 2.0 * y, 2.0 * z))
        }
        Shape::Cylinder(radius, half) => shape(&geom.pose, cylinder(*radius, *half)),
        Shape::Capsule(radius, half) => {
            shape(&geom.pose, cylinder(*radius, *half))?;
            if geom.collides {
                for end in [-*half, *half] {
                    let at = Pose { position_m: geom.pose.transform([0.0, 0.0, end]), ..geom.pose };
                    shape(&at, format!("<sphere radius=\"{radius}\"/>"))?;
                }
            }
            Ok(())
        }
        Shape::Ellipsoid(_) => writeln!(out, "    <!-- an ellipsoid of the MJCF is not drawn -->"),
        Shape::Mesh(_) => writeln!(out, "    <!-- a mesh of the MJCF is not drawn -->"),
    }
}

fn cylinder(radius: f64, half: f64) -> String {
    format!("<cylinder radius=\"{radius}\" length=\"{}\"/>", 2.0 * half)
}

fn write_joint(out: &mut String, joint: &Joint, body: &Body, parent: &str, axis: [f64; 3]) -> fmt::Result {
    let kind = match joint.kind {
        JointKind::Hinge => "revolute",
        JointKind::Slide => "prismatic",
    };
    let limits = &joint.limits;
    let [x, y, z] = axis;
    writeln!(out, "  <joint name=\"{}\" type=\"{kind}\">", escape(&joint.name))?;
    writeln!(out, "    {}", origin(&body.pose))?;
    writeln!(out, "    <parent link=\"{}\"/>", escape(parent))?;
    writeln!(out, "    <child link=\"{}\"/>", escape(&body.name))?;
    writeln!(out, "    <axis xyz=\"{x} {y} {z}\"/>")?;
    writeln!(
        out,
        "    <limit lower=\"{}\" upper=\"{}\" effort=\"{}\" velocity=\"{}\"/>",
        limits.q_min_rad, limits.q_max_rad, limits.tau_max_nm, limits.dq_max_rad_s
    )?;
    if let Some(of_model) = &body.joint {
        writeln!(
            out,
            "    <dynamics damping=\"{}\" friction=\"{}\"/>",
            of_model.damping, of_model.friction_loss
        )?;
    }
    writeln!(out, "  </joint>")
}

fn write_fixed(out: &mut String, link: &str, parent: &str, at: &Pose) -> fmt::Result {
    let (link, parent) = (escape(link), escape(parent));
    writeln!(out, "  <joint name=\"{link}_fixed\" type=\"fixed\">")?;
    writeln!(out, "    {}", origin(at))?;
    writeln!(out, "    <parent link=\"{parent}\"/>\n    <child link=\"{link}\"/>")?;
    writeln!(out, "  </joint>")
}

/// URDF's roll, pitch, yaw turn about the fixed axes x, y, z in that order.
fn origin(pose: &Pose) -> String {
    let [x, y, z] = pose.position_m;
    let rotation: Matrix3<f64> = isometry(pose).rotation.to_rotation_matrix().into_inner();
    let (roll, pitch, yaw) = nalgebra::Rotation3::from_matrix_unchecked(rotation).euler_angles();
    format!("<origin xyz=\"{x} {y} {z}\" rpy=\"{roll} {pitch} {yaw}\"/>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
