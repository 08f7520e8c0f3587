//! The order of one step.
//!
//! ```text
//!             standstill lasted (1)
//!  Aligning ───────────────────────▶ Running
//!     ▲  ▲                              │ IMU silent, covariance broken, speed absurd (2)
//!     │  └──────────────────────────────┘
//!     └── reset() (3), from anywhere
//! ```
//! 1 `begin`, 2 `lose` (yaw and place are kept, status is Invalid until 1), 3 `reset` (everything is forgotten).

use std::array::from_fn;

use nalgebra::{Matrix3, Vector3};

use crate::{
    Config, ConfigError, Diagnostics, Estimate, Health, Input, MAX_FEET, Reason, Status,
    alignment::Alignment,
    contact::{BaseMotion, Contacts},
    covariance::{ATTITUDE, VELOCITY},
    filter::{Filter, Outcome},
    health::Monitor,
    inertial::Inertial,
    input::{Clean, CleanFoot},
    rotation::quaternion,
    slip::SlipMeter,
    standstill::Standstill,
};

/// Step assumed before a usable one has come, s.
const NOMINAL_DT_S: f64 = 0.002;
/// Samples per standstill correction.
const STILL_BATCH: u32 = 10;
/// Steps between full covariance checks.
const CHECK_EVERY: u64 = 256;

#[derive(Clone, Debug)]
// one estimator holds one mode; boxing would only add an allocation
#[allow(clippy::large_enum_variant)]
enum Mode {
    Aligning { alignment: Alignment, lost: Option<Reason> },
    Running(Filter),
}

/// The state estimator of one robot.
#[derive(Clone, Debug)]
pub struct Estimator {
    config: Config,
    mode: Mode,
    inertial: Inertial,
    contacts: Contacts,
    standstill: Standstill,
    slip: SlipMeter,
    monitor: Monitor,
    last_dt: f64,
    steps: u64,
    resets: u32,
    refused: u64,
    standstills: u64,
    /// Where the sensor sits in the base frame, m.
    lever: Vector3<f64>,
    /// Last place of the sensor known, and the height of the ground there.
    position: Vector3<f64>,
    ground_z: f64,
    gyro_sum: Vector3<f64>,
    gyro_count: u32,
}

impl Estimator {
    /// Checks the settings and waits for the first samples. All memory is in the value itself.
    ///
    /// # Errors
    /// A setting that is out of its range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            mode: Mode::Aligning { alignment: Alignment::cold(), lost: None },
            inertial: Inertial::default(),
            contacts: Contacts::default(),
            standstill: Standstill::default(),
            slip: SlipMeter::new(&config),
            monitor: Monitor::new(),
            last_dt: NOMINAL_DT_S,
            steps: 0,
            resets: 0,
            refused: 0,
            standstills: 0,
            lever: config.imu_position_m.into(),
            position: Vector3::zeros(),
            ground_z: 0.0,
            gyro_sum: Vector3::zeros(),
            gyro_count: 0,
            config,
        })
    }

    /// Forgets everything but the counters and starts from the next standstill, at x y 0 and yaw 0.
    pub fn reset(&mut self) {
        self.mode = Mode::Aligning { alignment: Alignment::cold(), lost: None };
        self.inertial.restart();
        self.contacts = Contacts::default();
        self.standstill = Standstill::default();
        self.slip = SlipMeter::new(&self.config);
        self.monitor.restart();
        self.position = Vector3::zeros();
        self.ground_z = 0.0;
        self.forget_gyro();
        self.resets = self.resets.saturating_add(1);
    }

    /// Takes the samples of one cycle and says what is known at their instant.
    ///
    /// What is missing, not finite or implausible is left out and counted, never an error: the estimate goes on and
    /// its health tells.
    pub fn step(&mut self, input: &Input<'_>) -> Estimate {
        let clean = Clean::of(input, &self.config);
        self.refused += u64::from(clean.refused);
        self.steps += 1;
        let dt = clean.dt.unwrap_or(self.last_dt);
        self.last_dt = dt;
        let usable_feet = clean.feet.iter().any(Option::is_some);
        self.monitor.begin(clean.imu.is_some(), usable_feet, dt);

        let motion = self.motion();
        self.contacts.update(&clean.feet, motion.as_ref(), &self.config);
        let stands = from_fn(|i| self.contacts.get()[i].stands);
        self.standstill.update(clean.imu.as_ref(), &clean.feet, &stands, dt, &self.config);

        let loss = match self.mode {
            Mode::Aligning { .. } => {
                self.align(&clean, dt);
                None
            }
            Mode::Running(_) => self.run(&clean, dt).err(),
        };
        if let Some(reason) = loss {
            self.lose(reason);
        }
        self.monitor.end(dt);
        self.estimate(&clean)
    }

    /// Inside figures.
    pub fn diagnostics(&self) -> Diagnostics {
        let mut d = Diagnostics {
            contact_walk: self.slip.walk(),
            updates: self.monitor.updates(),
            standstills: self.standstills,
            shocks: self.inertial.shocks(),
            refused: self.refused,
            still: self.standstill.still(&self.config),
            ..Diagnostics::default()
        };
        if let Mode::Running(filter) = &self.mode {
            let std =
                |row: usize| filter.covariance.block(row, row).diagonal().map(|v| v.max(0.0).sqrt()).into();
            d.gyro_bias_rad_s = filter.gyro_bias.into();
            d.accel_bias_m_s2 = filter.accel_bias.into();
            d.velocity_std_m_s = std(VELOCITY);
            d.attitude_std_rad = std(ATTITUDE);
            d.anchor_shifts = filter.anchor_shifts();
        }
        d
    }

    /// Full check of the covariance, now: symmetric and positive definite. True before the filter runs.
    pub fn covariance_is_sound(&self) -> bool {
        match &self.mode {
            Mode::Aligning { .. } => true,
            Mode::Running(filter) => filter.covariance.sound(),
        }
    }

    fn motion(&self) -> Option<BaseMotion> {
        let Mode::Running(filter) = &self.mode else { return None };
        let to_body = filter.rotation.transpose();
        let gyro = self.inertial.last().map_or(filter.gyro_bias, |imu| imu.gyro);
        Some(BaseMotion {
            velocity_body: to_body * filter.velocity,
            angular_velocity: gyro - filter.gyro_bias,
            up: to_body * Vector3::z(),
        })
    }

    fn align(&mut self, clean: &Clean, dt: f64) {
        self.inertial.condition(clean.imu.as_ref(), dt, &self.config);
        let Mode::Aligning { alignment, lost } = &mut self.mode else { return };
        let Some(imu) = &clean.imu else { return };
        let aligned = alignment.update(imu, self.standstill.body_still_s(), dt, &self.config);
        let Some(aligned) = aligned else { return };
        let loaded = lost.is_some().then(|| self.contacts.get().map(|c| c.stands));
        if let Some(height) = height_over_feet(&clean.feet, loaded, &aligned.rotation, &self.config) {
            if lost.is_some() {
                self.resets = self.resets.saturating_add(1);
            } else {
                let above = aligned.rotation * self.lever;
                (self.position.x, self.position.y) = (above.x, above.y);
            }
            self.begin(Vector3::new(self.position.x, self.position.y, self.ground_z + height), &aligned);
        }
    }

    fn begin(&mut self, position: Vector3<f64>, aligned: &crate::alignment::Aligned) {
        self.position = position;
        self.mode = Mode::Running(Filter::start(aligned, position, &self.config));
        self.monitor.restart();
        self.monitor.covariance(true);
        self.forget_gyro();
    }

    fn lose(&mut self, reason: Reason) {
        let alignment = match &self.mode {
            Mode::Running(filter) if filter.finite() => {
                let limit = self.config.gyro_bias_limit_rad_s;
                Alignment::after_loss(filter.rotation, filter.gyro_bias.map(|b| b.clamp(-limit, limit)))
            }
            _ => Alignment::cold(),
        };
        self.mode = Mode::Aligning { alignment, lost: Some(reason) };
        self.resets = self.resets.saturating_add(1);
    }

    fn run(&mut self, clean: &Clean, dt: f64) -> Result<(), Reason> {
        let Mode::Running(filter) = &mut self.mode else { return Ok(()) };
        let config = &self.config;
        if self.monitor.imu_missing() > config.imu_missing_invalid {
            return Err(Reason::ImuMissing);
        }
        let sample = self.inertial.condition(clean.imu.as_ref(), dt, config).ok_or(Reason::ImuMissing)?;
        filter.predict(&sample, dt, self.slip.walk(), config);

        let carrying = self.contacts.carrying(config);
        let rate = sample.gyro - filter.gyro_bias;
        for (i, (carries, foot)) in carrying.into_iter().zip(&clean.feet).enumerate() {
            if !carries {
                filter.lift_foot(i);
                continue;
            }
            let Some(foot) = foot else { continue };
            if !filter.standing[i] {
                filter.place_foot(i, foot, config);
                continue;
            }
            if let Some(by) = rolling(foot, &rate, &filter.rotation, dt, config) {
                filter.roll_foot(i, &by);
            }
            let outcome = filter.correct_by_foot(i, foot, config);
            if !self.monitor.contact(outcome) {
                self.monitor.covariance(false);
                return Err(Reason::Covariance);
            }
        }

        let still = self.standstill.still(config);
        if let (true, Some(imu)) = (still, &clean.imu) {
            self.gyro_sum += imu.gyro;
            self.gyro_count += 1;
            if self.gyro_count >= STILL_BATCH {
                let count = f64::from(self.gyro_count);
                let mean = self.gyro_sum / count;
                self.gyro_sum = Vector3::zeros();
                self.gyro_count = 0;
                let gyro_std = config.gyro_std_rad_s / count.sqrt();
                let velocity_std = config.still_velocity_std_m_s.max(self.standstill.foot_speed_m_s());
                if filter.correct_by_standstill(&mean, gyro_std, velocity_std) == Outcome::Singular {
                    self.monitor.covariance(false);
                    return Err(Reason::Covariance);
                }
                self.monitor.standstill();
                self.standstills += 1;
                if filter.accel_bias.amax() > config.accel_bias_limit_m_s2 {
                    // at rest, tilt and accelerometer bias are one: this is an attitude gone wrong
                    return Err(Reason::BiasLimit);
                }
            }
        } else {
            self.gyro_sum = Vector3::zeros();
            self.gyro_count = 0;
        }
        self.slip.update(&clean.feet, &carrying, &filter.rotation, still, dt, config);

        let full = self.steps.is_multiple_of(CHECK_EVERY);
        let sound = filter.covariance.diagonal_sound() && (!full || filter.covariance.sound());
        self.monitor.covariance(sound);
        if !sound || !filter.finite() {
            return Err(Reason::Covariance);
        }
        if filter.velocity.norm() > config.speed_limit_m_s {
            return Err(Reason::SpeedLimit);
        }
        Ok(())
    }

    fn forget_gyro(&mut self) {
        self.gyro_sum = Vector3::zeros();
        self.gyro_count = 0;
    }

    fn estimate(&mut self, clean: &Clean) -> Estimate {
        let contacts = self.contacts.get();
        let mut out = Estimate {
            contact_probability: from_fn(|i| contacts[i].probability),
            resets: self.resets,
            ..Estimate::default()
        };
        let rotation = match &self.mode {
            Mode::Running(filter) => {
                let heights = filter.footholds.iter().zip(&filter.standing).filter(|(_, stands)| **stands);
                let (sum, count) = heights.fold((0.0, 0.0), |(s, n), (d, _)| (s + d.z, n + 1.0));
                if count > 0.0 {
                    self.ground_z = sum / count - self.config.foot_radius_m;
                }
                self.position = filter.position;
                let gyro = self.inertial.last().map_or(filter.gyro_bias, |imu| imu.gyro);
                let rate = gyro - filter.gyro_bias;
                out.velocity_body_m_s =
                    (filter.rotation.transpose() * filter.velocity - rate.cross(&self.lever)).into();
                out.angular_velocity_rad_s = rate.into();
                out.health = self.monitor.running(&filter.gyro_bias, &filter.accel_bias, &self.config);
                filter.rotation
            }
            Mode::Aligning { alignment, lost } => {
                let rotation = *alignment.rotation();
                let loaded = lost.is_some().then(|| contacts.map(|c| c.stands));
                if let Some(height) = height_over_feet(&clean.feet, loaded, &rotation, &self.config) {
                    self.position.z = self.ground_z + height;
                }
                if lost.is_none() {
                    // The world begins under the base.
                    let above = rotation * self.lever;
                    (self.position.x, self.position.y) = (above.x, above.y);
                }
                if self.monitor.imu_missing() <= self.config.imu_missing_invalid {
                    out.angular_velocity_rad_s = self.inertial.last().map_or([0.0; 3], |imu| imu.gyro.into());
                }
                out.health = self.waiting(*lost);
                rotation
            }
        };
        // The filter's point is the sensor's; what is told is the base.
        let base = self.position - rotation * self.lever;
        out.position_m = base.into();
        out.height_above_support_m = base.z - self.ground_z;
        out.orientation = quaternion(&rotation);
        out.projected_gravity = [-rotation[(2, 0)], -rotation[(2, 1)], -rotation[(2, 2)]];
        out
    }

    /// Health while aligning.
    fn waiting(&self, lost: Option<Reason>) -> Health {
        let silent = self.monitor.imu_missing() > self.config.imu_missing_invalid;
        let (status, reason) = match lost {
            Some(reason) => (Status::Invalid, reason),
            None if silent => (Status::Invalid, Reason::ImuMissing),
            None if self.inertial.last().is_none() => (Status::Initialising, Reason::NoInput),
            None if self.monitor.feet_missing() > self.config.feet_missing_degraded => {
                (Status::Initialising, Reason::KinematicsMissing)
            }
            None => (Status::Initialising, Reason::NotStill),
        };
        self.monitor.health(status, reason)
    }
}

/// Height of the base over the ground: the mean of the loaded feet stands on it if they are given (as the ground under
/// a walk is reckoned), else the lowest foot does.
fn height_over_feet(
    feet: &[Option<CleanFoot>; MAX_FEET],
    loaded: Option<[bool; MAX_FEET]>,
    rotation: &Matrix3<f64>,
    config: &Config,
) -> Option<f64> {
    let (mut lowest, mut sum, mut count) = (f64::INFINITY, 0.0, 0.0);
    for (foot, loaded) in feet.iter().zip(loaded.unwrap_or([false; MAX_FEET])) {
        let Some(foot) = foot else { continue };
        let z = (rotation * foot.position).z;
        lowest = lowest.min(z);
        if loaded {
            sum += z;
            count += 1.0;
        }
    }
    let z = if count > 0.0 { sum / count } else { lowest };
    z.is_finite().then_some(config.foot_radius_m - z)
}

/// How far a ball foot rolls in `dt`, m: its angular rate crossed with the radius from ground to centre.
fn rolling(
    foot: &CleanFoot,
    rate: &Vector3<f64>,
    rotation: &Matrix3<f64>,
    dt: f64,
    config: &Config,
) -> Option<Vector3<f64>> {
    let turn = rate + foot.turn;
    (config.foot_radius_m > 0.0 && turn.norm() <= config.gyro_range_rad_s)
        .then(|| (rotation * turn).cross(&Vector3::z()) * (config.foot_radius_m * dt))
}
