//! The robot's description: what the machine is, read once before anything moves.
//!
//! `robot.yaml` says buses, drives, sensors, limits, postures and timing; the MJCF it names says
//! kinematics and inertia. [`Robot::load`] joins the two by **name**, checks every number against
//! [`range::TABLE`] and refuses with file, line, field, found, expected and a hint.
//! From the result come leg kinematics ([`Leg`]), forward kinematics of the tree
//! ([`Robot::body_poses`]), two hashes ([`Robot::hash`], [`Robot::limits_hash`]) and a URDF ([`write_urdf`]).
//! Frames follow REP 103 (x forward, y left, z up); quaternions are (w, x, y, z); everything is SI.
//! Safe to touch: any file here; a new field needs a range, a reader, a hash line and a wrong-input test.
//! Invariant: a `Robot` that exists is complete, finite and no wider than its model.

mod bus_budget;
mod error;
mod guard_limits;
mod hash;
mod kinematics;
mod load;
mod mjcf;
mod model;
mod pose;
pub mod range;
mod robot;
mod urdf;
mod yaml;

pub use bus_budget::{BusLoad, DRIVE_PAIR_US, MAX_BUS_LOAD, SENSOR_FRAME_US};
pub use error::{LoadError, Refusal, RefusalKind};
pub use kinematics::{FootKinematics, FootMotion, LEG_JOINTS_MAX, Leg, LegVector};
pub use model::{Body, Geom, Inertial, JointKind, Model, ModelJoint, Shape, Site};
pub use pose::Pose;
pub use robot::{
    Battery, Bus, BusKind, ContactPoint, Device, Family, Foot, HeldBy, Imu, Joint, JointLimits, Noise,
    OnLoss, Policy, Posture, Postures, Protection, Robot, Scaling, StandControl, Start, Timing,
    WatchdogAction,
};
pub use urdf::write_urdf;

/// File name of the description inside a robot's folder.
pub const ROBOT_FILE: &str = "robot.yaml";
