//! A robot that rests: standing or lying, at any tilt, with creeping or moving feet.

use nalgebra::Rotation3;
use sinew_estimator::{Estimate, Estimator, Imu};

use crate::{
    leg::{CALF, foot, inverse, nominal},
    world::{DT, G, M3, Noise, Sample, V3, step},
};

/// How the legs are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Legs {
    /// Standing, all loaded.
    Standing,
    /// Standing, feet sliding apart at this speed, m/s.
    Creeping(f64),
    /// Lying on the belly, legs folded, feet in the air.
    Folded,
    /// Lying on the belly, legs moving through the air.
    Waving,
}

pub struct Rest {
    pub rotation: M3,
    pub gyro_bias: V3,
    pub accel_bias: V3,
    pub noise_scale: f64,
    pub legs: Legs,
    noise: Noise,
    t: f64,
}

impl Rest {
    pub fn new(roll: f64, pitch: f64, yaw: f64, legs: Legs, seed: u64) -> Self {
        Self {
            rotation: Rotation3::from_euler_angles(roll, pitch, yaw).into_inner(),
            gyro_bias: V3::zeros(),
            accel_bias: V3::zeros(),
            noise_scale: 1.0,
            legs,
            noise: Noise::new(seed),
            t: 0.0,
        }
    }

    pub fn next_sample(&mut self) -> Sample {
        self.t += DT;
        let n = self.noise_scale;
        let feet = std::array::from_fn(|i| {
            let outward = nominal(i).map(f64::signum);
            let (offset, loaded) = match self.legs {
                Legs::Standing => (V3::new(0.0, 0.0, -0.28), true),
                Legs::Creeping(speed) => (V3::new(speed * self.t * outward.x, 0.0, -0.28), true),
                Legs::Folded => (V3::new(0.0, 0.02, -0.10), false),
                Legs::Waving => (V3::new(0.05 * (4.0 * self.t).sin(), 0.0, -0.15), false),
            };
            let q = inverse(i, &(nominal(i) + offset), CALF) + self.noise.vector(0.001 * n);
            let dq = self.noise.vector(0.05 * n);
            foot(i, &q, &dq, if loaded { 35.0 } else { 0.0 } + 2.0 * n * self.noise.normal())
        });
        let gyro = self.gyro_bias + self.noise.vector(0.01 * n);
        let up = self.rotation.transpose() * V3::z();
        let accel = up * G + self.accel_bias + self.noise.vector(0.1 * n);
        Sample {
            imu: Imu { gyro_rad_s: gyro.into(), accel_m_s2: accel.into() },
            feet,
            stands: [matches!(self.legs, Legs::Standing | Legs::Creeping(_)); 4],
            rotation: self.rotation,
            velocity: V3::zeros(),
            position: V3::zeros(),
            travelled: 0.0,
        }
    }

    /// Steps for `seconds`; the last estimate.
    pub fn run(&mut self, estimator: &mut Estimator, seconds: f64) -> Estimate {
        let mut last = Estimate::default();
        for _ in 0..(seconds / DT).round() as usize {
            last = step(estimator, &self.next_sample());
        }
        last
    }

    /// Angle between true and estimated gravity, rad.
    pub fn tilt_error(&self, estimate: &Estimate) -> f64 {
        let g: V3 = estimate.projected_gravity.into();
        (g + self.rotation.transpose() * V3::z()).norm()
    }
}
