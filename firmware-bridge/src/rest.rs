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
/// Multiple of the thresholds of rest below which nothing moves fast.
const SETTLED: f32 = 10.0;

impl RestDetector {
    /// For samples every `period_ns`.
    #[must_use]
    pub fn new(period_ns: u64) -> Self {
        let gain = (period_ns as f32 * 1e-9 / TIME_CONSTANT_S).clamp(1e-3, 1.0);
        Self { dq_rad_s: [0.0; sinew_wire::MAX_JOINTS], gyro_rad_s: [0.0; 3], gain, samples: 0 }
    }

    /// Takes one cycle's joint rates (rad/s) and the body's angular rate (rad/s). What was not heard keeps its last
    /// value; a cycle in which a joint was not heard does not help to settle.
    pub fn observe(&mut self, dq_rad_s: impl Iterator<Item = Option<f32>>, gyro_rad_s: Option<[f32; 3]>) {
        let mut heard_all = true;
        for (filtered, dq) in self.dq_rad_s.iter_mut().zip(dq_rad_s) {
            match dq {
                Some(dq) => *filtered += self.gain * (dq - *filtered),
                None => heard_all = false,
            }
        }
        if let Some(gyro) = gyro_rad_s {
            for (filtered, rate) in self.gyro_rad_s.iter_mut().zip(gyro) {
                *filtered += self.gain * (rate - *filtered);
            }
        }
        self.samples = self.samples.saturating_add(u32::from(heard_all));
    }

    /// The bridge has not listened for a while: rest has to be seen anew.
    pub fn forget(&mut self) {
        self.samples = 0;
    }

    /// True when every filtered rate is below its threshold.
    #[must_use]
    pub fn at_rest(&self, timing: &Timing) -> bool {
        self.within(1.0, timing)
    }

    /// True when nothing moves fast: the robot lies, though a leg may still be sinking against its damping.
    #[must_use]
    pub fn is_settled(&self, timing: &Timing) -> bool {
        self.within(SETTLED, timing)
    }

    fn within(&self, factor: f32, timing: &Timing) -> bool {
        self.samples as f32 * self.gain > SETTLE
            && self.dq_rad_s.iter().all(|dq| dq.abs() < factor * timing.rest_dq_rad_s)
            && self.gyro_rad_s.iter().all(|w| w.abs() < factor * timing.rest_gyro_rad_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD_NS: u64 = 2_000_000;

    fn after(cycles: u32, dq: Option<f32>, gyro: Option<[f32; 3]>) -> bool {
        let mut rest = RestDetector::new(PERIOD_NS);
        for _ in 0..cycles {
            rest.observe([dq; 12].into_iter(), gyro);
        }
        rest.at_rest(&Timing::default())
    }

    #[test]
    fn rest_needs_samples_and_small_rates() {
        assert!(!after(0, Some(0.0), None), "nothing heard is not rest");
        assert!(!after(60, Some(0.0), Some([0.0; 3])));
        assert!(after(80, Some(0.0), Some([0.0; 3])));
        assert!(after(200, Some(0.045), Some([0.09; 3])));
        assert!(!after(200, Some(0.06), Some([0.0; 3])));
        assert!(!after(200, Some(0.0), Some([0.0, 0.0, -0.12])));
        let mut sinking = RestDetector::new(PERIOD_NS);
        for _ in 0..200 {
            sinking.observe([Some(0.3); 12].into_iter(), Some([0.3; 3]));
        }
        assert!(sinking.is_settled(&Timing::default()) && !sinking.at_rest(&Timing::default()));
        assert!(!after(200, None, Some([0.0; 3])), "silent joints do not rest");
    }

    #[test]
    fn alternating_noise_above_the_threshold_still_rests() {
        let mut rest = RestDetector::new(PERIOD_NS);
        for n in 0..500 {
            rest.observe([Some(if n % 2 == 0 { 0.15 } else { -0.15 }); 12].into_iter(), Some([0.0; 3]));
        }
        assert!(rest.at_rest(&Timing::default()));
        rest.forget();
        assert!(!rest.at_rest(&Timing::default()), "rest has to be seen anew");
    }
}
