//! Forward kinematics of the tree and of the legs.
//!
//! A leg is folded at load into its joints and the fixed transforms between them, so the per-tick code
//! is a short product without allocation. Base frame: REP 103.

use crate::model::{JointKind, Model, ModelJoint};
use crate::pose::{Pose, isometry, pose};
use crate::robot::Robot;
use arrayvec::ArrayVec;
use nalgebra::{Isometry3, Point3, Translation3, Unit, UnitQuaternion, Vector3};

/// Most joints between the base and one foot.
pub const LEG_JOINTS_MAX: usize = 8;

/// One value per joint of a leg, from the base outwards.
pub type LegVector<T> = ArrayVec<T, LEG_JOINTS_MAX>;

/// One leg: the chain of hinges from the base to a foot.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// Name, the same as its foot's.
    pub name: String,
    /// Indices of its joints in [`Robot::joints`], from the base outwards.
    pub joints: LegVector<usize>,
    links: LegVector<Link>,
    /// The foot's site in the frame of the last joint.
    tip: Isometry3<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    /// Frame of this joint at zero in the frame of the one before it (the base for the first).
    at_zero: Isometry3<f64>,
    axis: Unit<Vector3<f64>>,
}

/// How a foot moves against the base when one joint turns at 1 rad/s, base frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FootMotion {
    /// Velocity of the foot's site, m/s.
    pub linear: [f64; 3],
    /// Angular velocity of the foot, rad/s.
    pub angular: [f64; 3],
}

/// Where a foot is, and its derivative by the joints of its leg.
#[derive(Clone, Debug, PartialEq)]
pub struct FootKinematics {
    /// The foot's site in the base frame.
    pub pose: Pose,
    /// By joint, from the base outwards.
    pub by_joint: LegVector<FootMotion>,
}

impl FootKinematics {
    /// Motion of the foot against the base for joint speeds, rad/s; missing ones count as zero.
    pub fn motion(&self, dq_leg_rad_s: &[f64]) -> FootMotion {
        let mut sum = FootMotion::default();
        for (by, dq) in self.by_joint.iter().zip(dq_leg_rad_s) {
            for k in 0..3 {
                add(&mut sum.linear, &by.linear, k, *dq);
                add(&mut sum.angular, &by.angular, k, *dq);
            }
        }
        sum
    }

    /// Linear Jacobian times its transpose, m^2/rad^2: how equal errors of all joints spread the position.
    pub fn spread(&self) -> [[f64; 3]; 3] {
        let mut spread = [[0.0; 3]; 3];
        for by in &self.by_joint {
            for (row, a) in spread.iter_mut().zip(by.linear) {
                for (cell, b) in row.iter_mut().zip(by.linear) {
                    *cell += a * b;
                }
            }
        }
        spread
    }
}

fn add(sum: &mut [f64; 3], by: &[f64; 3], k: usize, factor: f64) {
    if let (Some(sum), Some(by)) = (sum.get_mut(k), by.get(k)) {
        *sum += by * factor;
    }
}

impl Leg {
    /// Folds the chain from the base to a site. `Err` says what was found between them when it is not 1 to
    /// [`LEG_JOINTS_MAX`] hinges.
    pub(crate) fn fold(model: &Model, name: &str, site: &str) -> Result<Leg, String> {
        let Some((body, site)) = model.site(site) else { return Err("no site".to_owned()) };
        let mut links = LegVector::new();
        let mut joints = LegVector::new();
        let (mut count, mut slides) = (0, 0);
        let mut fixed = Isometry3::identity();
        // The base's own pose is where it stands in the world, not part of the leg.
        for body in model.chain(body).into_iter().skip(1).filter_map(|index| model.bodies.get(index)) {
            fixed *= isometry(&body.pose);
            let Some(joint) = &body.joint else { continue };
            count += 1;
            slides += usize::from(joint.kind == JointKind::Slide);
            let link = Link { at_zero: fixed, axis: Unit::new_unchecked(Vector3::from(joint.axis)) };
            if links.try_push(link).is_ok() {
                joints.push(joint.index);
            }
            fixed = Isometry3::identity();
        }
        if slides > 0 || !(1..=LEG_JOINTS_MAX).contains(&count) {
            return Err(format!("{count} joints, {slides} of them slides,"));
        }
        let tip = fixed * isometry(&site.pose);
        Ok(Leg { name: name.to_owned(), joints, links, tip })
    }

    /// The foot's site in the base frame, m, for the leg's joint angles, rad; missing ones count as zero.
    pub fn foot_position(&self, q_leg_rad: &[f64]) -> [f64; 3] {
        self.foot_kinematics(q_leg_rad).pose.position_m
    }

    /// Pose of the foot and its derivative by the joints.
    pub fn foot_kinematics(&self, q_leg_rad: &[f64]) -> FootKinematics {
        let mut frames: LegVector<Isometry3<f64>> = LegVector::new();
        let mut at = Isometry3::identity();
        for (i, link) in self.links.iter().enumerate() {
            let frame = at * link.at_zero;
            frames.push(frame);
            at = frame * turn(&link.axis, q_leg_rad.get(i).copied().unwrap_or(0.0));
        }
        let foot = at * self.tip;
        // A hinge moves the foot by axis x lever; turning about an axis does not move that axis.
        let by_joint = frames
            .iter()
            .zip(&self.links)
            .map(|(frame, link)| {
                let axis = frame.rotation * link.axis.into_inner();
                let lever = foot.translation.vector - frame.translation.vector;
                FootMotion { linear: axis.cross(&lever).into(), angular: axis.into() }
            })
            .collect();
        FootKinematics { pose: pose(&foot), by_joint }
    }

    /// Foot velocity in the base frame, m/s, at joint speeds, rad/s.
    pub fn foot_velocity(&self, q_leg_rad: &[f64], dq_leg_rad_s: &[f64]) -> [f64; 3] {
        self.foot_kinematics(q_leg_rad).motion(dq_leg_rad_s).linear
    }

    /// The leg's values out of an array in robot order; a short array gives zeros.
    pub fn select(&self, all: &[f64]) -> LegVector<f64> {
        self.joints.iter().map(|index| all.get(*index).copied().unwrap_or(0.0)).collect()
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

    /// Centre of all masses in the base frame, m, for joint positions in robot order.
    pub fn centre_of_mass_m(&self, q: &[f64]) -> [f64; 3] {
        let mut poses = Vec::with_capacity(self.model.bodies.len());
        self.body_poses(q, &mut poses);
        let moment = self.model.bodies.iter().zip(&poses).map(|(body, pose)| {
            let centre = isometry(pose) * Point3::from(body.inertial.pose.position_m);
            centre.coords * body.inertial.mass_kg
        });
        (moment.sum::<Vector3<f64>>() / self.total_mass_kg().max(f64::MIN_POSITIVE)).into()
    }

    /// Foot centre of one leg in the base frame, m; `None` for a leg the robot does not have.
    pub fn foot_position(&self, leg: usize, q_leg_rad: &[f64]) -> Option<[f64; 3]> {
        self.legs.get(leg).map(|leg| leg.foot_position(q_leg_rad))
    }

    /// Height of the base origin above level ground when it stands on its lowest foot with the base level, m.
    /// Zero for a robot without feet.
    pub fn base_height_m(&self, q: &[f64]) -> f64 {
        let below = |(leg, foot): (&Leg, &crate::robot::Foot)| {
            let site = isometry(&leg.foot_kinematics(&leg.select(q)).pose);
            let depth = |contact: &crate::robot::ContactPoint| {
                contact.radius_m - (site * Point3::from(contact.position_m)).z
            };
            foot.contacts.iter().map(depth).fold(f64::NEG_INFINITY, f64::max)
        };
        self.legs.iter().zip(&self.feet).map(below).reduce(f64::max).unwrap_or(0.0)
    }
}
