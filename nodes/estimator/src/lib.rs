//! Where the robot is, how it moves and whether that can be trusted: a right-invariant,
//! contact-aided extended Kalman filter over one IMU and the legs.
//!
//! `Estimator::step` takes the samples of one bus cycle (IMU, foot positions with Jacobians, foot
//! forces) and returns pose, body velocity, gravity direction, contacts and health of that instant.
//! Foot kinematics come in as numbers: this room knows no robot description, no joint names, no bus.
//! What may be touched: the noise figures and thresholds of `Config`; new measurements go beside
//! `filter::Filter::correct`. One concept per file: `inertial` (IMU conditioning), `contact`, `slip`,
//! `standstill`, `alignment` (start), `covariance`, `filter` (the state), `health`, `estimator` (the order).
//! The one invariant: whatever comes in, what goes out is finite, and the covariance is symmetric and
//! positive definite or the filter starts anew and says so in the same step.
//!
//! Method: Hartley, Ghaffari, Eustice, Grizzle, "Contact-aided invariant extended Kalman filtering for
//! robot state estimation", IJRR 2020; Barrau and Bonnabel, "The invariant extended Kalman filter as a
//! stable observer", IEEE TAC 2017. World frame: z up; body frame: x forward, y left, z up (REP 103).

mod alignment;
mod config;
mod contact;
mod covariance;
mod estimate;
mod estimator;
mod filter;
mod health;
mod inertial;
mod input;
mod rotation;
mod slip;
mod standstill;

pub use config::{Config, ConfigError, ImuSampling, KinematicsStd};
pub use estimate::{Diagnostics, Estimate, Health, Reason, Status};
pub use estimator::Estimator;
pub use input::{Foot, Imu, Input};

/// Most feet one estimator follows; the quadruped uses 4.
pub const MAX_FEET: usize = 8;
