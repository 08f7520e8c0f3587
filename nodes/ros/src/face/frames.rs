//! Coordinate frames: the links of the robot description as tf transforms, fixed and moving.
//!
//! Names and geometry are those of the URDF that [`sinew_robot::write_urdf`] writes, under the robot's prefix.
use crate::msg::builtin_interfaces::Time;
use crate::msg::geometry_msgs::{Quaternion, Transform, TransformStamped};
use sinew_robot::{JointKind, Pose, Robot};

/// Name of the base frame in every description.
pub(super) const BASE: &str = "base_link";

/// A link that a joint moves.
#[derive(Clone, Debug)]
struct Moving {
    /// Index of its joint.
    joint: usize,
    kind: JointKind,
    axis: [f64; 3],
    at_zero: Pose,
}

/// Transforms between the links of one robot.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// Never change.
    pub(super) fixed: Vec<TransformStamped>,
    /// One per joint, in the order of `moving`.
    links: Vec<TransformStamped>,
    moving: Vec<Moving>,
}

impl Frames {
    pub(super) fn new(robot: &Robot, prefix: &str) -> Self {
        let mut frames = Self { fixed: Vec::new(), links: Vec::new(), moving: Vec::new() };
        let named_root = robot.model.body(BASE).is_some();
        for body in &robot.model.bodies {
            let parent = body.parent.and_then(|parent| robot.model.bodies.get(parent));
            match (parent, &body.joint) {
                (None, _) if named_root => {}
                (None, _) => frames.fixed.push(link(prefix, BASE, &body.name, &Pose::IDENTITY)),
                (Some(parent), None) => frames.fixed.push(link(prefix, &parent.name, &body.name, &body.pose)),
                (Some(parent), Some(joint)) => {
                    frames.links.push(link(prefix, &parent.name, &body.name, &body.pose));
                    frames.moving.push(Moving {
                        joint: joint.index,
                        kind: joint.kind,
                        axis: joint.axis,
                        at_zero: body.pose,
                    });
                }
            }
            for site in &body.sites {
                let taken = robot.model.body(&site.name).is_some();
                let name = if taken { format!("{}_site", site.name) } else { site.name.clone() };
                frames.fixed.push(link(prefix, &body.name, &name, &site.pose));
            }
        }
        frames
    }

    /// Transforms of the moving links at `stamp`, in the place of the last ones. `q` is by joint index.
    pub(super) fn moved(&mut self, stamp: &Time, q: impl Fn(usize) -> Option<f64>) -> &[TransformStamped] {
        for (transform, moving) in self.links.iter_mut().zip(&self.moving) {
            transform.header.stamp = stamp.clone();
            if let Some(q) = q(moving.joint) {
                transform.transform = moving.at(q);
            }
        }
        &self.links
    }
}

impl Moving {
    fn at(&self, q: f64) -> Transform {
        let Pose { mut position_m, orientation_wxyz } = self.at_zero;
        let mut rotation = orientation_wxyz;
        match self.kind {
            JointKind::Hinge => {
                let (sin, cos) = (q / 2.0).sin_cos();
                let [x, y, z] = self.axis;
                rotation = multiply(rotation, [cos, x * sin, y * sin, z * sin]);
            }
            JointKind::Slide => {
                let along = self.at_zero.rotate(self.axis.map(|axis| axis * q));
                position_m = std::array::from_fn(|i| {
                    position_m.get(i).copied().unwrap_or_default() + along.get(i).copied().unwrap_or_default()
                });
            }
        }
        Transform { translation: position_m.into(), rotation: Quaternion::from_wxyz(rotation) }
    }
}

/// A transform of this crate: `child` in `parent`, both prefixed.
pub(super) fn link(prefix: &str, parent: &str, child: &str, at: &Pose) -> TransformStamped {
    let mut transform = TransformStamped::default();
    transform.header.frame_id = format!("{prefix}{parent}");
    transform.child_frame_id = format!("{prefix}{child}");
    transform.transform.translation = at.position_m.into();
    transform.transform.rotation = Quaternion::from_wxyz(at.orientation_wxyz);
    transform
}

/// Hamilton product, (w, x, y, z).
fn multiply([aw, ax, ay, az]: [f64; 4], [bw, bx, by, bz]: [f64; 4]) -> [f64; 4] {
    [
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ]
}
