//! What the estimator says after each step.

use crate::MAX_FEET;

/// How far the estimate can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Waiting for a standstill after the start or a reset: attitude by gravity only, velocity zero.
    #[default]
    Initialising,
    /// All well.
    Healthy,
    /// Usable, with a reason to slow down.
    Degraded,
    /// Not usable for motion.
    Invalid,
}

/// Why the state is not healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// It is healthy.
    None,
    /// No IMU sample has come yet, or the feet are not known yet.
    #[default]
    NoInput,
    /// The robot has not yet stood still for long enough.
    NotStill,
    /// IMU samples are missing or refused.
    ImuMissing,
    /// Foot positions are missing or refused.
    KinematicsMissing,
    /// Neither foot contact nor standstill has bounded the velocity for a while.
    NoContact,
    /// Contacts disagree with the inertial prediction more than their noise allows.
    Innovations,
    /// A sensor bias has left its plausible range.
    BiasLimit,
    /// The speed estimate left its plausible range: the state was lost.
    SpeedLimit,
    /// The covariance was no longer positive definite: the state was lost.
    Covariance,
}

/// Health of the estimate; an input of the fault table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Worst of all that follows.
    pub status: Status,
    /// Normalised innovation squared per degree of freedom, filtered over half a second; 1 is consistent.
    pub nis: f64,
    /// Innovations refused by the gate since construction.
    pub gated: u32,
    /// IMU samples missing or refused in a row, up to now.
    pub imu_missing: u32,
    /// Time since a contact or a standstill last bounded the velocity, s.
    pub time_since_contact_s: f64,
    /// The last covariance check passed.
    pub covariance_ok: bool,
    /// Why not healthy.
    pub reason: Reason,
}

/// State of the base at the instant of the newest sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Base in the world, m. The world begins under the robot: x y 0, ground at z 0, yaw 0.
    pub position_m: [f64; 3],
    /// Rotation from base to world, unit quaternion w x y z with w >= 0.
    pub orientation: [f64; 4],
    /// Velocity of the base against the world, in the base frame, m/s.
    pub velocity_body_m_s: [f64; 3],
    /// Angular rate, base frame, bias removed, rad/s.
    pub angular_velocity_rad_s: [f64; 3],
    /// Direction of gravity in the base frame, unit; (0, 0, -1) when level.
    pub projected_gravity: [f64; 3],
    /// Probability that each foot stands, in the order of the input; 0 beyond the feet given.
    pub contact_probability: [f64; MAX_FEET],
    /// Height of the base above the ground under the standing feet, m.
    pub height_above_support_m: f64,
    /// Health.
    pub health: Health,
    /// Times the state has been started anew since construction (the first start does not count). When this
    /// changes, pose may have jumped in this very step.
    pub resets: u32,
}

impl Default for Estimate {
    fn default() -> Self {
        Self {
            position_m: [0.0; 3],
            orientation: [1.0, 0.0, 0.0, 0.0],
            velocity_body_m_s: [0.0; 3],
            angular_velocity_rad_s: [0.0; 3],
            projected_gravity: [0.0, 0.0, -1.0],
            contact_probability: [0.0; MAX_FEET],
            height_above_support_m: 0.0,
            health: Health::default(),
            resets: 0,
        }
    }
}

/// Inside figures for the black box and for tests; no decision may hang on them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diagnostics {
    /// Gyro bias estimate, rad/s.
    pub gyro_bias_rad_s: [f64; 3],
    /// Accelerometer bias estimate, m/s^2.
    pub accel_bias_m_s2: [f64; 3],
    /// Standard deviation of the velocity, world axes, m/s.
    pub velocity_std_m_s: [f64; 3],
    /// Standard deviation of the attitude error, world axes, rad.
    pub attitude_std_rad: [f64; 3],
    /// Contact walk the slip meter has set, m/sqrt(s).
    pub contact_walk: f64,
    /// Contact innovations used.
    pub updates: u64,
    /// Zero-velocity updates made.
    pub standstills: u64,
    /// Accelerometer samples taken for shocks.
    pub shocks: u64,
    /// Inputs (steps, IMU samples, feet) refused as not finite or implausible.
    pub refused: u64,
    /// Shifts of the anchor.
    pub anchor_shifts: u32,
    /// Whether the robot stands still now.
    pub still: bool,
}
