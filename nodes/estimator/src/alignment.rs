//! The start: attitude by gravity while nothing else is known, then roll, pitch and gyro bias from a standstill.
//!
//! Until the standstill has lasted, a complementary filter (gyro, pulled towards the accelerometer) keeps the
//! attitude usable; after a loss it goes on from the last attitude, so that yaw is carried over.

use nalgebra::{Matrix3, Vector3};

use crate::{
    Config,
    input::CleanImu,
    rotation::{exp, from_up, levelling, orthonormalised},
};

/// Time constant of the pull towards the accelerometer, s.
const PULL_S: f64 = 0.3;
/// The accelerometer says nothing about gravity when it is this far off, m/s^2.
const PULL_WINDOW_M_S2: f64 = 3.0;

/// What a finished alignment hands to the filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aligned {
    pub rotation: Matrix3<f64>,
    pub gyro_bias: Vector3<f64>,
    /// Samples averaged.
    pub samples: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Alignment {
    rotation: Matrix3<f64>,
    /// Attitude known from before (yaw is kept) or from a first sample.
    known: bool,
    keep_yaw: bool,
    /// Gyro bias known from before, rad/s.
    bias: Vector3<f64>,
    gyro_sum: Vector3<f64>,
    accel_sum: Vector3<f64>,
    samples: f64,
}

impl Alignment {
    /// Nothing is known.
    pub fn cold() -> Self {
        Self {
            rotation: Matrix3::identity(),
            known: false,
            keep_yaw: false,
            bias: Vector3::zeros(),
            gyro_sum: Vector3::zeros(),
            accel_sum: Vector3::zeros(),
            samples: 0.0,
        }
    }

    /// The state was lost; its attitude and gyro bias are still the best guess.
    pub fn after_loss(rotation: Matrix3<f64>, bias: Vector3<f64>) -> Self {
        Self { rotation, known: true, keep_yaw: true, bias, ..Self::cold() }
    }

    pub fn rotation(&self) -> &Matrix3<f64> {
        &self.rotation
    }

    /// Takes one sample and the time the body has been still; returns the start when that is long enough.
    pub fn update(&mut self, imu: &CleanImu, body_still_s: f64, dt: f64, config: &Config) -> Option<Aligned> {
        let force = imu.accel.norm();
        if self.known {
            self.rotation *= exp(&((imu.gyro - self.bias) * dt));
            if (force - config.gravity_m_s2).abs() < PULL_WINDOW_M_S2 {
                let off = (self.rotation * imu.accel / force).cross(&Vector3::z());
                self.rotation = exp(&(off * (dt / (PULL_S + dt)))) * self.rotation;
            }
            self.rotation = orthonormalised(&self.rotation);
        } else if force > 1.0 {
            self.rotation = from_up(&imu.accel);
            self.known = true;
        }
        if body_still_s <= 0.0 {
            self.samples = 0.0;
            self.gyro_sum = Vector3::zeros();
            self.accel_sum = Vector3::zeros();
            return None;
        }
        self.samples += 1.0;
        self.gyro_sum += imu.gyro;
        self.accel_sum += imu.accel;
        if body_still_s < config.init_duration_s {
            return None;
        }
        let up = self.accel_sum / self.samples;
        let rotation = if self.keep_yaw {
            levelling(&(self.rotation * up / up.norm())) * self.rotation
        } else {
            from_up(&up)
        };
        Some(Aligned { rotation, gyro_bias: self.gyro_sum / self.samples, samples: self.samples })
    }
}
