//! Every number a person may tune, with unit and default, and the ranges they must keep.

/// Standard deviation of a foot position computed from the joints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KinematicsStd {
    /// Per joint angle: encoder noise and zero offset, rad.
    pub joint_rad: f64,
    /// Per axis of the foot position: link lengths, foot shape, compliance, m.
    pub foot_m: f64,
}

/// What one IMU sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImuSampling {
    /// The mean over the time since the last sample, as integrating sensors report it: a shock in it is real.
    Mean,
    /// The value at an instant: the mean of two samples is used (half a sample of lag costs 5 mm/s in a trot), and
    /// whether a shock in it changed the velocity cannot be known.
    Instant,
}

/// Settings of the estimator. `Default` holds the quadruped's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Gyro noise per sample, rad/s (standard deviation).
    pub gyro_std_rad_s: f64,
    /// Accelerometer noise per sample, m/s^2 (standard deviation); includes what the body's vibration adds.
    pub accel_std_m_s2: f64,
    /// Random walk of the gyro bias, (rad/s)/sqrt(s).
    pub gyro_bias_walk: f64,
    /// Random walk of the accelerometer bias, (m/s^2)/sqrt(s).
    pub accel_bias_walk: f64,
    /// Accelerometer bias expected at the start, m/s^2 (standard deviation).
    pub accel_bias_std_m_s2: f64,
    /// Horizontal random walk of a standing foot before the slip meter has read anything, m/sqrt(s).
    pub contact_walk: f64,
    /// Least horizontal walk the slip meter may set, m/sqrt(s). The meter is blind to motion shared by both feet
    /// of a pair, so this stays above zero.
    pub contact_walk_min: f64,
    /// Greatest horizontal walk the slip meter may set, m/sqrt(s).
    pub contact_walk_max: f64,
    /// Vertical random walk of a standing foot, m/sqrt(s).
    pub contact_walk_vertical: f64,
    /// Contact walk = this many times the slip meter's reading.
    pub slip_gain: f64,
    /// Noise of foot positions.
    pub kinematics_std: KinematicsStd,
    /// A contact innovation whose normalised square (3 degrees of freedom) exceeds this is refused;
    /// 16.27 is the 0.999 quantile of chi-square.
    pub gate: f64,
    /// Velocity uncertainty added for each refused contact, m/s: a wrong velocity finds back only this way.
    pub gate_velocity_std_m_s: f64,
    /// Gravity, m/s^2.
    pub gravity_m_s2: f64,
    /// Radius of the ball foot whose centre the kinematics give, m; zero where they give a point of the sole.
    pub foot_radius_m: f64,
    /// Where the IMU sits in the base frame, m.
    pub imu_position_m: [f64; 3],

    /// Foot force at which a foot in the air counts as standing, N (probability one half).
    pub contact_on_n: f64,
    /// Foot force below which a standing foot counts as lifted, N (probability one half). Half the load of a standing
    /// foot, not near zero: a light foot slips (8 N instead of 15 N cost a third of the velocity error in rigid-body
    /// simulation).
    pub contact_off_n: f64,
    /// Force change that takes the contact probability from 0.5 to 0.73, N.
    pub contact_softness_n: f64,
    /// Samples in a row that must show contact before a foot carries the state; touchdown rings.
    pub touchdown_samples: u32,
    /// Without a force sample: a foot slower than this over the ground may be standing, m/s.
    pub contact_speed_m_s: f64,
    /// Without a force sample: a standing foot is at most this far above the lowest foot, m.
    pub contact_height_m: f64,

    /// What one IMU sample is.
    pub imu_sampling: ImuSampling,
    /// An acceleration that jumps by more than this between samples is a shock, m/s^2.
    pub shock_jump_m_s2: f64,
    /// Standard deviation of a shock as a share of its jump.
    pub shock_doubt: f64,
    /// Standard deviation of an acceleration at the end of the sensor's range, m/s^2: what lies beyond is not seen.
    pub saturated_std_m_s2: f64,
    /// Longest shock, s; what lasts longer is motion.
    pub shock_duration_s: f64,
    /// Range of the gyro, rad/s; a rate more than 5 % beyond is refused.
    pub gyro_range_rad_s: f64,
    /// Range of the accelerometer, m/s^2; a force more than 5 % beyond is refused, one at its end distrusted.
    pub accel_range_m_s2: f64,
    /// Longest step, s; a longer one is refused.
    pub max_dt_s: f64,

    /// Still: two running means (50 ms, 250 ms) of the gyro agree within this, rad/s.
    pub still_gyro_rad_s: f64,
    /// Still: the same of the accelerometer, m/s^2.
    pub still_accel_m_s2: f64,
    /// Still: the same of the position of every loaded foot, m. A foot creeping at 0.15 mm/s shows 0.03 mm; one that
    /// slips by 1 cm/sqrt(s) shows 2.6 mm. What it shows widens the zero-velocity update.
    pub still_foot_m: f64,
    /// Still: the mean specific force differs from gravity by at most this, m/s^2.
    pub still_gravity_m_s2: f64,
    /// Stillness this long counts as standstill, s.
    pub still_duration_s: f64,
    /// Least velocity noise of the zero-velocity update, m/s.
    pub still_velocity_std_m_s: f64,
    /// Standstill needed to start, s.
    pub init_duration_s: f64,

    /// Missing IMU samples in a row beyond which the state is degraded.
    pub imu_missing_degraded: u32,
    /// Missing IMU samples in a row beyond which the state is invalid.
    pub imu_missing_invalid: u32,
    /// Cycles without usable feet in a row beyond which the state is degraded and standing feet are dropped.
    pub feet_missing_degraded: u32,
    /// Time without contact and without standstill beyond which the state is degraded, s.
    pub contact_lost_degraded_s: f64,
    /// The same beyond which velocity is no longer known and the state is invalid, s.
    pub contact_lost_invalid_s: f64,
    /// Filtered normalised innovation squared per degree of freedom beyond which the state is degraded (1 is perfect).
    pub nis_degraded: f64,
    /// Gyro bias beyond which the sensor is not believed, rad/s.
    pub gyro_bias_limit_rad_s: f64,
    /// Accelerometer bias beyond which the sensor is not believed, m/s^2. At rest a greater one is a wrong attitude,
    /// and the filter starts anew.
    pub accel_bias_limit_m_s2: f64,
    /// Speed beyond which the state is taken for lost and the filter starts anew, m/s.
    pub speed_limit_m_s: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gyro_std_rad_s: 0.01,
            accel_std_m_s2: 0.15,
            gyro_bias_walk: 4.5e-5,
            accel_bias_walk: 1e-3,
            accel_bias_std_m_s2: 0.1,
            contact_walk: 0.01,
            contact_walk_min: 0.004,
            contact_walk_max: 0.08,
            contact_walk_vertical: 0.002,
            slip_gain: 2.0,
            kinematics_std: KinematicsStd { joint_rad: 0.002, foot_m: 0.0015 },
            gate: 16.27,
            gate_velocity_std_m_s: 0.05,
            gravity_m_s2: 9.81,
            foot_radius_m: 0.022,
            imu_position_m: [0.0; 3],
            contact_on_n: 20.0,
            contact_off_n: 15.0,
            contact_softness_n: 2.0,
            touchdown_samples: 2,
            contact_speed_m_s: 0.25,
            contact_height_m: 0.03,
            imu_sampling: ImuSampling::Mean,
            shock_jump_m_s2: 5.0,
            shock_doubt: 0.25,
            saturated_std_m_s2: 250.0,
            shock_duration_s: 0.024,
            gyro_range_rad_s: 36.4,
            accel_range_m_s2: 163.8,
            max_dt_s: 0.02,
            still_gyro_rad_s: 0.008,
            still_accel_m_s2: 0.1,
            still_foot_m: 0.008,
            still_gravity_m_s2: 1.0,
            still_duration_s: 0.2,
            still_velocity_std_m_s: 0.01,
            init_duration_s: 0.6,
            imu_missing_degraded: 5,
            imu_missing_invalid: 25,
            feet_missing_degraded: 5,
            contact_lost_degraded_s: 0.5,
            contact_lost_invalid_s: 2.0,
            nis_degraded: 5.0,
            gyro_bias_limit_rad_s: 0.1,
            accel_bias_limit_m_s2: 0.5,
            speed_limit_m_s: 10.0,
        }
    }
}

/// Why a configuration is refused, by the name of the field.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigError {
    /// A number outside its range.
    OutOfRange {
        /// Field of `Config`.
        field: &'static str,
        /// What was found.
        found: f64,
        /// Least value allowed.
        least: f64,
        /// Greatest value allowed.
        greatest: f64,
    },
    /// Two fields whose order is wrong.
    Order {
        /// Field that must be the smaller.
        smaller: &'static str,
        /// Its value.
        smaller_value: f64,
        /// Field that must be the greater.
        greater: &'static str,
        /// Its value.
        greater_value: f64,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfRange { field, found, least, greatest } => write!(
                f,
                "estimator.{field}: found {found}, expected {least} to {greatest}; see the unit in the field's description"
            ),
            Self::Order { smaller, smaller_value, greater, greater_value } => write!(
                f,
                "estimator.{smaller}: found {smaller_value}, expected at most estimator.{greater} = {greater_value}"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Checks every number against its range.
    ///
    /// # Errors
    /// The first field that is out of range, not finite, or out of order with another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let count = |n: u32| f64::from(n);
        // (field, value, least, greatest)
        let ranges = [
            ("gyro_std_rad_s", self.gyro_std_rad_s, 1e-5, 1.0),
            ("accel_std_m_s2", self.accel_std_m_s2, 1e-4, 10.0),
            ("gyro_bias_walk", self.gyro_bias_walk, 1e-9, 0.1),
            ("accel_bias_walk", self.accel_bias_walk, 1e-9, 1.0),
            ("accel_bias_std_m_s2", self.accel_bias_std_m_s2, 1e-4, 2.0),
            ("contact_walk", self.contact_walk, 1e-5, 1.0),
            ("contact_walk_min", self.contact_walk_min, 1e-5, 1.0),
            ("contact_walk_max", self.contact_walk_max, 1e-5, 1.0),
            ("contact_walk_vertical", self.contact_walk_vertical, 1e-5, 1.0),
            ("slip_gain", self.slip_gain, 0.1, 10.0),
            ("kinematics_std.joint_rad", self.kinematics_std.joint_rad, 0.0, 0.1),
            ("kinematics_std.foot_m", self.kinematics_std.foot_m, 1e-4, 0.1),
            ("gate", self.gate, 1.0, 1e3),
            ("gate_velocity_std_m_s", self.gate_velocity_std_m_s, 0.0, 1.0),
            ("gravity_m_s2", self.gravity_m_s2, 1.0, 30.0),
            ("foot_radius_m", self.foot_radius_m, 0.0, 0.2),
            ("imu_position_m.x", self.imu_position_m[0], -5.0, 5.0),
            ("imu_position_m.y", self.imu_position_m[1], -5.0, 5.0),
            ("imu_position_m.z", self.imu_position_m[2], -5.0, 5.0),
            ("contact_on_n", self.contact_on_n, 0.1, 1e4),
            ("contact_off_n", self.contact_off_n, 0.1, 1e4),
            ("contact_softness_n", self.contact_softness_n, 0.01, 1e3),
            ("touchdown_samples", count(self.touchdown_samples), 1.0, 100.0),
            ("contact_speed_m_s", self.contact_speed_m_s, 0.01, 2.0),
            ("contact_height_m", self.contact_height_m, 0.001, 0.5),
            ("shock_jump_m_s2", self.shock_jump_m_s2, 0.5, 500.0),
            ("shock_doubt", self.shock_doubt, 0.0, 2.0),
            ("saturated_std_m_s2", self.saturated_std_m_s2, 0.1, 1e4),
            ("shock_duration_s", self.shock_duration_s, 0.0, 0.2),
            ("gyro_range_rad_s", self.gyro_range_rad_s, 1.0, 200.0),
            ("accel_range_m_s2", self.accel_range_m_s2, 15.0, 5e3),
            ("max_dt_s", self.max_dt_s, 1e-4, 0.1),
            ("still_gyro_rad_s", self.still_gyro_rad_s, 1e-4, 0.1),
            ("still_accel_m_s2", self.still_accel_m_s2, 1e-3, 2.0),
            ("still_foot_m", self.still_foot_m, 1e-5, 0.1),
            ("still_gravity_m_s2", self.still_gravity_m_s2, 0.05, 5.0),
            ("still_duration_s", self.still_duration_s, 0.02, 5.0),
            ("still_velocity_std_m_s", self.still_velocity_std_m_s, 1e-4, 0.2),
            ("init_duration_s", self.init_duration_s, 0.05, 10.0),
            ("imu_missing_degraded", count(self.imu_missing_degraded), 0.0, 1e3),
            ("imu_missing_invalid", count(self.imu_missing_invalid), 1.0, 1e3),
            ("feet_missing_degraded", count(self.feet_missing_degraded), 0.0, 1e3),
            ("contact_lost_degraded_s", self.contact_lost_degraded_s, 0.05, 10.0),
            ("contact_lost_invalid_s", self.contact_lost_invalid_s, 0.05, 60.0),
            ("nis_degraded", self.nis_degraded, 1.5, 100.0),
            ("gyro_bias_limit_rad_s", self.gyro_bias_limit_rad_s, 1e-3, 1.0),
            ("accel_bias_limit_m_s2", self.accel_bias_limit_m_s2, 1e-2, 5.0),
            ("speed_limit_m_s", self.speed_limit_m_s, 1.0, 50.0),
        ];
        for (field, found, least, greatest) in ranges {
            if !(found >= least && found <= greatest) {
                return Err(ConfigError::OutOfRange { field, found, least, greatest });
            }
        }
        let orders = [
            ("contact_off_n", self.contact_off_n, "contact_on_n", self.contact_on_n),
            ("contact_walk_min", self.contact_walk_min, "contact_walk_max", self.contact_walk_max),
            (
                "imu_missing_degraded",
                count(self.imu_missing_degraded),
                "imu_missing_invalid",
                count(self.imu_missing_invalid),
            ),
            (
                "contact_lost_degraded_s",
                self.contact_lost_degraded_s,
                "contact_lost_invalid_s",
                self.contact_lost_invalid_s,
            ),
        ];
        for (smaller, smaller_value, greater, greater_value) in orders {
            if smaller_value > greater_value {
                return Err(ConfigError::Order { smaller, smaller_value, greater, greater_value });
            }
        }
        Ok(())
    }
}
