//! Whether the robot stands or lies still: two running means of each sensor that agree.
//!
//! Means of 50 ms and 250 ms see motion far below the noise of one sample, and bear touchdown spikes that a rule
//! on raw magnitudes does not. Feet that carry no load may move: legs of a lying robot fold while the body rests.

use nalgebra::Vector3;

use crate::{
    Config, MAX_FEET,
    input::{CleanFoot, CleanImu},
};

const FAST_S: f64 = 0.05;
const SLOW_S: f64 = 0.25;

/// Running means of one vector.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    started: bool,
    fast: Vector3<f64>,
    slow: Vector3<f64>,
}

impl Means {
    fn take(&mut self, value: &Vector3<f64>, fast: f64, slow: f64) {
        if self.started {
            self.fast += (value - self.fast) * fast;
            self.slow += (value - self.slow) * slow;
        } else {
            *self = Self { started: true, fast: *value, slow: *value };
        }
    }

    fn apart(&self) -> f64 {
        (self.fast - self.slow).amax()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Standstill {
    gyro: Means,
    accel: Means,
    feet: [Means; MAX_FEET],
    body_s: f64,
    whole_s: f64,
    /// Fastest loaded foot against the body, m/s.
    foot_speed: f64,
}

impl Standstill {
    /// Takes one cycle. Without an IMU sample nothing is still.
    pub fn update(
        &mut self,
        imu: Option<&CleanImu>,
        feet: &[Option<CleanFoot>; MAX_FEET],
        stands: &[bool; MAX_FEET],
        dt: f64,
        config: &Config,
    ) {
        let (fast, slow) = (1.0 - (-dt / FAST_S).exp(), 1.0 - (-dt / SLOW_S).exp());
        let mut apart: f64 = 0.0;
        for ((means, foot), stands) in self.feet.iter_mut().zip(feet).zip(stands) {
            if let Some(foot) = foot {
                means.take(&foot.position, fast, slow);
            }
            if *stands {
                apart = apart.max(means.apart());
            }
        }
        let feet_still = apart < config.still_foot_m;
        self.foot_speed = apart / (SLOW_S - FAST_S);
        let Some(imu) = imu else {
            self.body_s = 0.0;
            self.whole_s = 0.0;
            return;
        };
        self.gyro.take(&imu.gyro, fast, slow);
        self.accel.take(&imu.accel, fast, slow);
        let body_still = self.gyro.apart() < config.still_gyro_rad_s
            && self.gyro.slow.amax() < config.gyro_bias_limit_rad_s
            && self.accel.apart() < config.still_accel_m_s2
            && (self.accel.slow.norm() - config.gravity_m_s2).abs() < config.still_gravity_m_s2;
        self.body_s = if body_still { self.body_s + dt } else { 0.0 };
        // a foot that creeps slows the decision down, the body moving ends it
        self.whole_s = match (body_still, feet_still) {
            (true, true) => (self.whole_s + dt).min(config.still_duration_s + SLOW_S),
            (true, false) => (self.whole_s - 4.0 * dt).max(0.0),
            _ => 0.0,
        };
    }

    /// Time for which the body has been still, s, whatever the legs do.
    pub fn body_still_s(&self) -> f64 {
        self.body_s
    }

    /// How far the feet leave the velocity in doubt, m/s.
    pub fn foot_speed_m_s(&self) -> f64 {
        self.foot_speed
    }

    /// Body and loaded feet have been still for long enough to say that the velocity is zero.
    pub fn still(&self, config: &Config) -> bool {
        self.whole_s >= config.still_duration_s
    }
}
