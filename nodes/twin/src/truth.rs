//! Ground truth of one step: what really happened, for scores and verdicts. Nothing in the stack reads it.

use crate::imu::ImuTruth;
use crate::physics::{BaseTruth, FootTruth, Physics};
use crate::rotation::{body_from_world, tilt_rad};

/// One joint as it really is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct JointTruthRecord {
    /// Angle, rad.
    pub q_rad: f64,
    /// Rate, rad/s.
    pub dq_rad_s: f64,
    /// Mean torque of the drive over the last period, at the joint, N m; friction of the joint not included.
    pub torque_nm: f64,
    /// Largest torque within the last period by magnitude, N m.
    pub torque_peak_nm: f64,
}

/// A push that was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PushMark {
    /// Step in which it began.
    pub step: u64,
    /// Change of velocity, world frame, m/s.
    pub delta_v_m_s: [f64; 3],
}

/// Truth at the start of bus cycle `step`.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Bus cycle that begins with this state.
    pub step: u64,
    /// Pose and twist of the base (linear: world frame; angular: body frame).
    pub base: BaseTruth,
    /// Velocity of the base's origin in the body frame, m/s.
    pub velocity_body_m_s: [f64; 3],
    /// Angle between the body's z axis and up, rad.
    pub tilt_rad: f64,
    /// Height of the base's origin, m.
    pub height_m: f64,
    /// Joints in robot order.
    pub joints: Vec<JointTruthRecord>,
    /// Feet in robot order; `force_n` is the mean over the last period.
    pub feet: Vec<FootTruth>,
    /// IMUs in robot order, without noise, in their own frames.
    pub imus: Vec<ImuTruth>,
    /// The trunk touches the ground.
    pub trunk_contact: bool,
    /// A harness still holds the robot.
    pub held: bool,
    /// Sum of all contact forces at the end of the last period, N.
    pub contact_force_n: f64,
    /// The newest push, if any.
    pub last_push: Option<PushMark>,
    /// Pushes given so far.
    pub pushes: u64,
    /// False once any part of the state is not a finite number; such a run proves nothing.
    pub finite: bool,
}

impl Truth {
    pub(crate) fn new(physics: &dyn Physics, imus: usize) -> Self {
        let mut truth = Self {
            step: 0,
            base: physics.base(),
            velocity_body_m_s: [0.0; 3],
            tilt_rad: 0.0,
            height_m: 0.0,
            joints: vec![JointTruthRecord::default(); physics.joint_count()],
            feet: vec![FootTruth::default(); physics.foot_count()],
            imus: vec![ImuTruth::default(); imus],
            trunk_contact: false,
            held: false,
            contact_force_n: 0.0,
            last_push: None,
            pushes: 0,
            finite: true,
        };
        truth.take_motion(physics);
        for (i, foot) in truth.feet.iter_mut().enumerate() {
            *foot = physics.foot(i);
        }
        truth
    }

    /// Base, joints and contact flags as they are now; forces and torques are means and come from the caller.
    pub(crate) fn take_motion(&mut self, physics: &dyn Physics) {
        self.base = physics.base();
        self.velocity_body_m_s = body_from_world(self.base.orientation, self.base.linear_velocity_m_s);
        self.tilt_rad = tilt_rad(self.base.orientation);
        self.height_m = self.base.position_m[2];
        self.trunk_contact = physics.trunk_contact();
        self.contact_force_n = physics.contact_force_n();
        let mut finite = self.base.position_m.iter().chain(&self.base.orientation).all(|x| x.is_finite())
            && self.velocity_body_m_s.iter().chain(&self.base.angular_velocity_rad_s).all(|x| x.is_finite());
        for (i, joint) in self.joints.iter_mut().enumerate() {
            (joint.q_rad, joint.dq_rad_s) = physics.joint_state(i);
            finite &= joint.q_rad.is_finite() && joint.dq_rad_s.is_finite();
        }
        self.finite &= finite;
    }

    /// Mechanical power of the drives, W: sum of |torque x rate|.
    #[must_use]
    pub fn power_w(&self) -> f64 {
        self.joints.iter().map(|j| (j.torque_nm * j.dq_rad_s).abs()).sum()
    }
}
