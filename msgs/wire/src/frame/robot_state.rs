//! From control to everybody: what it knows after its tick.
use super::codec::{Body, Frame};
use crate::enums::{EstimatorStatus, FrameKind, LeaseRefusal, LinkState, RobotMode, Stage, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};

wire_struct! {
    /// One joint as control sees it.
    pub struct RobotJoint[16] {
        /// Position, rad.
        pub q_rad: f32,
        /// Velocity, rad/s.
        pub dq_rad_s: f32,
        /// Torque, N m.
        pub tau_nm: f32,
        /// Degrees Celsius.
        pub temperature_c: f32,
    }
}
wire_struct! {
    /// Pose, twist, health, state, lease and command after one tick of control.
    pub struct RobotStateBody[184] {
        /// Base in the odometry frame, m.
        pub position_m: [f64; 3],
        /// Active faults, a bit per row of the fault table.
        pub faults: u64,
        /// Base in the odometry frame, quaternion (w, x, y, z).
        pub orientation: [f32; 4],
        /// Base velocity in the body frame, m/s.
        pub velocity_m_s: [f32; 3],
        /// Angular velocity in the body frame, rad/s.
        pub angular_velocity_rad_s: [f32; 3],
        /// Direction of gravity in the body frame, unit vector; (0, 0, -1) when upright.
        pub projected_gravity: [f32; 3],
        /// Base above the support plane, m.
        pub height_m: f32,
        /// Per foot, in the order of the robot description, 0 to 1.
        pub contact_probability: [f32; 8],
        /// Arbitrated velocity command after ramps: vx, vy m/s, wz rad/s, body frame.
        pub command: [f32; 3],
        /// Normalised innovation squared of the estimator per degree of freedom; about 1 when consistent.
        pub nis: f32,
        /// Battery voltage, V; 0 when not measured.
        pub bus_voltage_v: f32,
        /// Grows with every activation of a policy.
        pub activation: u32,
        /// Fencing number of the lease.
        pub lease_epoch: u32,
        /// Estimator resets since start.
        pub estimator_resets: u32,
        /// Late or missing policy outputs since start.
        pub policy_misses: u32,
        /// Joint values saturated by control's guard since start.
        pub saturated: u32,
        /// As in the actuator state this tick answered.
        pub participants: u32,
        /// Frame of a motion source last heard: source, so that it can tell what was taken.
        pub last_motion_source: u16,
        /// [`crate::Source`] that holds the lease, 0 = nobody.
        pub lease_holder: u16,
        /// [`RobotMode`].
        pub robot_mode: u8,
        /// Number of the active policy, 255 = none.
        pub active_policy: u8,
        /// [`EstimatorStatus`].
        pub estimator_status: u8,
        /// [`LeaseRefusal`] of the last request not carried out.
        pub lease_refusal: u8,
        /// [`LinkState`] of the bridge.
        pub link_state: u8,
        /// [`Stage`] of the bridge.
        pub stage: u8,
        pub contact_count: u8,
        pub reserved: u8,
        pub last_motion_seq: u32,
        /// Ticks since start in which control's guard changed a command.
        pub saturated_ticks: u32,
    }
}

/// What everybody else may know about the robot, once per tick.
pub type RobotState = Frame<RobotStateBody>;

/// [`RobotStateBody::active_policy`] when no policy is active.
pub const NO_POLICY: u8 = u8::MAX;

impl Body for RobotStateBody {
    type Joint = RobotJoint;
    const KIND: FrameKind = FrameKind::RobotState;
    const SCHEMA: u32 = fnv1a(RobotJoint::LAYOUT, fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET)));
    fn check(&self) -> Result<(), UnknownVariant> {
        RobotMode::try_from(self.robot_mode)?;
        EstimatorStatus::try_from(self.estimator_status)?;
        LeaseRefusal::try_from(self.lease_refusal)?;
        LinkState::try_from(self.link_state)?;
        Stage::try_from(self.stage)?;
        if self.contact_count > 8 {
            return Err(UnknownVariant { enumeration: "contact_count", found: self.contact_count });
        }
        Ok(())
    }
}

impl RobotStateBody {
    #[must_use]
    pub fn robot_mode(&self) -> RobotMode {
        RobotMode::try_from(self.robot_mode).unwrap_or_default()
    }
    #[must_use]
    pub fn estimator_status(&self) -> EstimatorStatus {
        EstimatorStatus::try_from(self.estimator_status).unwrap_or_default()
    }
    #[must_use]
    pub fn lease_refusal(&self) -> LeaseRefusal {
        LeaseRefusal::try_from(self.lease_refusal).unwrap_or_default()
    }
    #[must_use]
    pub fn link_state(&self) -> LinkState {
        LinkState::try_from(self.link_state).unwrap_or_default()
    }
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage::try_from(self.stage).unwrap_or_default()
    }
}
