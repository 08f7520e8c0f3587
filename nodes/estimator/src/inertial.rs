//! Conditioning of IMU samples: what a sample stands for, shocks, and the end of the range.
//!
//! A touchdown shows in the accelerometer as one or a few samples of tens of m/s^2. An integrating sensor saw all of
//! it, so the sample is used as it is with some doubt. Of a sensor sampled at an instant nobody knows whether the
//! velocity really jumped or the mount just rang: the sample is given half-way between the last calm one and itself,
//! so that either truth is equally far, and the feet decide. At the end of the range the sample is nearly worthless.

use nalgebra::Vector3;

use crate::{Config, ImuSampling, input::CleanImu};

/// Doubt about the acceleration of a missing sample, m/s^2.
const COASTING_STD_M_S2: f64 = 20.0;
/// Share of the range from which on a sample counts as clipped.
const RANGE_END: f64 = 0.98;

/// One sample as the filter takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditioned {
    pub gyro: Vector3<f64>,
    pub accel: Vector3<f64>,
    /// Standard deviation of the acceleration, m/s^2.
    pub accel_std: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Inertial {
    last: Option<CleanImu>,
    /// Last acceleration that was no shock.
    calm: Option<Vector3<f64>>,
    shock_s: f64,
    shocks: u64,
}

impl Inertial {
    pub fn shocks(&self) -> u64 {
        self.shocks
    }

    /// Forgets the samples, not the count.
    pub fn restart(&mut self) {
        *self = Self { shocks: self.shocks, ..Self::default() };
    }

    pub fn last(&self) -> Option<&CleanImu> {
        self.last.as_ref()
    }

    /// Takes the sample of this step; without one the last goes on. `None` before the first sample.
    pub fn condition(&mut self, sample: Option<&CleanImu>, dt: f64, config: &Config) -> Option<Conditioned> {
        let Some(sample) = sample else {
            let gyro = self.last?.gyro;
            return Some(Conditioned { gyro, accel: self.calm?, accel_std: COASTING_STD_M_S2 });
        };
        let last = self.last.replace(*sample).unwrap_or(*sample);
        let instant = config.imu_sampling == ImuSampling::Instant;
        let gyro = if instant { (sample.gyro + last.gyro) * 0.5 } else { sample.gyro };
        if sample.accel.amax() > RANGE_END * config.accel_range_m_s2 {
            self.shocks += 1;
            return Some(Conditioned { gyro, accel: sample.accel, accel_std: config.saturated_std_m_s2 });
        }
        let calm = *self.calm.get_or_insert(sample.accel);
        let jump = (sample.accel - calm).norm();
        if jump > config.shock_jump_m_s2 && self.shock_s < config.shock_duration_s {
            self.shock_s += dt;
            self.shocks += 1;
            let accel = if instant { (sample.accel + calm) * 0.5 } else { sample.accel };
            let accel_std = config.accel_std_m_s2.max(config.shock_doubt * jump);
            return Some(Conditioned { gyro, accel, accel_std });
        }
        let before = if self.shock_s > 0.0 { sample.accel } else { calm };
        self.shock_s = 0.0;
        self.calm = Some(sample.accel);
        let accel = if instant { (sample.accel + before) * 0.5 } else { sample.accel };
        Some(Conditioned { gyro, accel, accel_std: config.accel_std_m_s2 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sample(z: f64) -> CleanImu {
        CleanImu { gyro: Vector3::zeros(), accel: Vector3::new(0.0, 0.0, z) }
    }

    fn fed(config: &Config) -> Inertial {
        let mut inertial = Inertial::default();
        assert!(inertial.condition(None, 0.002, config).is_none());
        for _ in 0..10 {
            inertial.condition(Some(&sample(10.0)), 0.002, config);
        }
        inertial
    }

    #[test]
    fn an_integrating_sensor_is_believed_with_doubt() {
        let config = Config::default();
        let mut inertial = fed(&config);
        let spike = inertial.condition(Some(&sample(50.0)), 0.002, &config).unwrap();
        assert_eq!((spike.accel.z, spike.accel_std), (50.0, config.shock_doubt * 40.0));
        let calm = inertial.condition(Some(&sample(10.5)), 0.002, &config).unwrap();
        assert_eq!((calm.accel.z, calm.accel_std), (10.5, config.accel_std_m_s2));
        let clipped = inertial.condition(Some(&sample(163.8)), 0.002, &config).unwrap();
        assert_eq!(clipped.accel_std, config.saturated_std_m_s2);
        let coasting = inertial.condition(None, 0.002, &config).unwrap();
        assert_eq!(coasting.accel.z, 10.5, "not by the shock");
    }

    #[test]
    fn an_instant_spike_is_halved_and_a_lasting_change_believed() {
        let config = Config { imu_sampling: ImuSampling::Instant, shock_doubt: 0.5, ..Config::default() };
        let mut inertial = fed(&config);
        let spike = inertial.condition(Some(&sample(50.0)), 0.002, &config).unwrap();
        assert_eq!((spike.accel.z, spike.accel_std), (30.0, 20.0));
        let calm = inertial.condition(Some(&sample(10.0)), 0.002, &config).unwrap();
        assert_eq!((calm.accel.z, calm.accel_std), (10.0, config.accel_std_m_s2));
        let mut last = calm;
        for _ in 0..20 {
            last = inertial.condition(Some(&sample(30.0)), 0.002, &config).unwrap();
        }
        assert_eq!((last.accel.z, last.accel_std), (30.0, config.accel_std_m_s2));
        assert_eq!(inertial.shocks(), 13);
    }
}
