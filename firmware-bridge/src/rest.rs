//! Is the robot at rest? Sensor noise is larger than the thresholds, so the samples are low-passed first.
use sinew_guard::Timing;

/// First-order low-pass of every joint rate and of the angular rate, compared with the thresholds of [`Timing`].
#[derive(Clone, Debug)]
pub struct RestDetector {
    dq_rad_s: [f32; sinew_wire::MAX_JOINTS],
    gyro_rad_s: [f32; 3],
    gain: f32,
    samples: u32,
}

/// Time constant of the filter, s: long enough to bring 0.05 rad/s of white noise at 500 Hz below 0.01.
const TIME_CONSTANT_S: f32 = 0.05;
/// Samples before the filter may say "at rest", in time constants.
const SETTLE: f32 = 3.0;

impl RestDetector {
    /// For samples every `period_ns`.
    #[must_use]
    pub fn new(period_ns: u64) -> Self {
        let gain = (period_ns as f32 * 1e-9 / TIME_CONSTANT_S).clamp(1e-3, 1.0);
        Self { dq_rad_s: [0.0; sinew_wire::MAX_JOINTS], gyro_rad_s: [0.0; 3], gain, samples: 0 }
    }

    /// Takes one cycle's joint rates (rad/s) and, where there is an IMU, its angular rate (rad/s).
    pub fn observe(&mut self, dq_rad_s: impl Iterator<Item = f32>, gyro_rad_s: Option<[f32; 3]>) {
        for (filtered, dq) in self.dq_rad_s.iter_mut().zip(dq_rad_s) {
            *filtered += self.gain * (dq - *filtered);
        }
        if let Some(gyro) = gyro_rad_s {
            for (filtered, rate) in self.gyro_rad_s.iter_mut().zip(gyro) {
                *filtered += self.gain * (rate - *filtered);
            }
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// True when every filtered rate is below its threshold.
    #[must_use]
    pub fn at_rest(&self, timing: &Timing) -> bool {
        self.samples as f32 * self.gain > SETTLE
            && self.dq_rad_s.iter().all(|dq| dq.abs() < timing.rest_dq_rad_s)
            && self.gyro_rad_s.iter().all(|w| w.abs() < timing.rest_gyro_rad_s)
    }
}
