//! Forward kinematics of the tree and of the legs.
//!
//! A leg is folded at load into three joints and the fixed transforms between them, so the per-tick code
//! is a short product without allocation. Base frame: REP 103.

use crate::model::{JointKind, Model, ModelJoint};
use crate::pose::{Pose, isometry, pose};
use crate::robot::Robot;
use nalgebra::{Isometry3, Point3, Translation3, Unit, UnitQuaternion, Vector3};

/// One leg: the chain of three hinges from the base to a foot.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// Name, the same as its foot's.
    pub name: String,
    /// Indices of its joints in [`Robot::joints`], from the base outwards.
    pub joints: [usize; 3],
    links: [Link; 3],
    /// Foot centre in the frame of the last joint.
    tip: Point3<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    /// Frame of this joint at zero in the frame of the one before it (the base for the first).
    at_zero: Isometry3<f64>,
    axis: Unit<Vector3<f64>>,
}

impl Leg {
    /// Folds the chain from the base to a site. `Err` is the number of joints found when it is not three hinges.
    pub(crate) fn fold(model: &Model, name: &str, site: &str) -> Result<Leg, usize> {
        let Some((body, site)) = model.site(site) else { return Err(0) };
        let mut links = Vec::new();
        let mut joints = Vec::new();
        let mut fixed = Isometry3::identity();
        // The base's own pose is where it stands in the world, not part of the leg.
        for body in model.chain(body).into_iter().skip(1).filter_map(|index| model.bodies.get(index)) {
            fixed *= isometry(&body.pose);
            if let Some(joint) = &body.joint {
                if joint.kind == JointKind::Hinge {
                    links.push(Link { at_zero: fixed, axis: Unit::new_unchecked(Vector3::from(joint.axis)) });
                }
                joints.push(joint.index);
                fixed = Isometry3::identity();
            }
        }
        let found = joints.len();
        let (Ok(links), Ok(joints)) = (links.try_into(), joints.try_into()) else { return Err(found) };
        let tip = fixed * Point3::from(site.pose.position_m);
        Ok(Leg { name: name.to_owned(), joints, links, tip })
    }

    /// Foot centre in the base frame, m, for the leg's three joint angles, rad.
    pub fn foot_position(&self, q_leg_rad: [f64; 3]) -> [f64; 3] {
        self.foot_kinematics(q_leg_rad).0
    }

    /// Derivative of [`Leg::foot_position`] by the joint angles, m/rad: `jacobian[row][joint]`.
    pub fn foot_jacobian(&self, q_leg_rad: [f64; 3]) -> [[f64; 3]; 3] {
        self.foot_kinematics(q_leg_rad).1
    }

    /// Foot position and Jacobian together.
    pub fn foot_kinematics(&self, q_leg_rad: [f64; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
        let [hip, thigh, calf] = self.links;
        let [q0, q1, q2] = q_leg_rad;
        let hip_frame = hip.at_zero;
        let thigh_frame = hip_frame * turn(&hip.axis, q0) * thigh.at_zero;
        let calf_frame = thigh_frame * turn(&thigh.axis, q1) * calf.at_zero;
        let foot = calf_frame * turn(&calf.axis, q2) * self.tip;
        // A hinge moves the foot by axis x lever; turning about an axis does not move that axis.
        let column = |frame: &Isometry3<f64>, axis: &Unit<Vector3<f64>>| {
            let lever = foot.coords - frame.translation.vector;
            (frame.rotation * axis.into_inner()).cross(&lever)
        };
        let by_hip = column(&hip_frame, &hip.axis);
        let by_thigh = column(&thigh_frame, &thigh.axis);
        let by_calf = column(&calf_frame, &calf.axis);
        let rows = [
            [by_hip.x, by_thigh.x, by_calf.x],
            [by_hip.y, by_thigh.y, by_calf.y],
            [by_hip.z, by_thigh.z, by_calf.z],
        ];
        (foot.coords.into(), rows)
    }

    /// Foot velocity in the base frame, m/s: Jacobian times joint speeds, rad/s.
    pub fn foot_velocity(&self, q_leg_rad: [f64; 3], dq_leg_rad_s: [f64; 3]) -> [f64; 3] {
        let [a, b, c] = dq_leg_rad_s;
        self.foot_jacobian(q_leg_rad).map(|[by_a, by_b, by_c]| by_a * a + by_b * b + by_c * c)
    }

    /// The leg's three values out of an array in robot order; a short array gives zeros.
    pub fn select(&self, all: &[f64]) -> [f64; 3] {
        self.joints.map(|index| all.get(index).copied().unwrap_or(0.0))
    }
}

fn turn(axis: &Unit<Vector3<f64>>, angle_rad: f64) -> UnitQuaternion<f64> {
    UnitQuaternion::from_axis_angle(axis, angle_rad)
}

fn motion(joint: &ModelJoint, q: f64) -> Isometry3<f64> {
    let axis = Unit::new_unchecked(Vector3::from(joint.axis));
    match joint.kind {
        JointKind::Hinge => Isometry3::from_parts(Translation3::identity(), turn(&axis, q)),
        JointKind::Slide => {
            Isometry3::from_parts(Translation3::from(axis.into_inner() * q), UnitQuaternion::identity())
        }
    }
}

impl Robot {
    /// Pose of every body in the base frame, in the order of [`Model::bodies`], for joint positions in
    /// robot order (missing ones count as zero). Clears and fills `out`; no allocation once it has room.
    pub fn body_poses(&self, q: &[f64], out: &mut Vec<Pose>) {
        out.clear();
        for body in &self.model.bodies {
            let in_base = match body.parent.and_then(|parent| out.get(parent)) {
                None => Isometry3::identity(),
                Some(parent) => {
                    let moved = body.joint.as_ref().map_or_else(Isometry3::identity, |joint| {
                        motion(joint, q.get(joint.index).copied().unwrap_or(0.0))
                    });
                    isometry(parent) * isometry(&body.pose) * moved
                }
            };
            out.push(pose(&in_base));
        }
    }

    /// Pose of a site in the base frame for joint positions in robot order; `None` for an unknown site.
    pub fn site_pose(&self, site: &str, q: &[f64]) -> Option<Pose> {
        let (body, site) = self.model.site(site)?;
        let mut poses = Vec::with_capacity(self.model.bodies.len());
        self.body_poses(q, &mut poses);
        Some(pose(&(isometry(poses.get(body)?) * isometry(&site.pose))))
    }

    /// Foot centre of one leg in the base frame, m; `None` for a leg the robot does not have.
    pub fn foot_position(&self, leg: usize, q_leg_rad: [f64; 3]) -> Option<[f64; 3]> {
        self.legs.get(leg).map(|leg| leg.foot_position(q_leg_rad))
    }

    /// Height of the base origin above level ground when it stands on its lowest foot with the base level, m.
    /// Zero for a robot without feet.
    pub fn base_height_m(&self, q: &[f64]) -> f64 {
        let below = |(leg, foot): (&Leg, &crate::robot::Foot)| {
            let [_, _, z] = leg.foot_position(leg.select(q));
            foot.radius_m - z
        };
        self.legs.iter().zip(&self.feet).map(below).reduce(f64::max).unwrap_or(0.0)
    }
}
