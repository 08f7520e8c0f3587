//! Normal deviates from a SplitMix64 stream by the method of Box and Muller (1958), on `libm`, so that
//! the same seed gives the same bits on every machine.

use sinew_bus::SplitMix64;

/// One device's stream of noise.
#[derive(Clone, Debug)]
pub struct Noise {
    stream: SplitMix64,
    spare: Option<f64>,
}

impl Noise {
    /// A stream. Derive the seed from scenario and device, one per device.
    pub const fn new(seed: u64) -> Self {
        Noise { stream: SplitMix64::new(seed), spare: None }
    }

    /// A deviate of mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // In (0, 1], so that the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.stream.unit()));
        let (sine, cosine) = libm::sincos(core::f64::consts::TAU * self.stream.unit());
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        let mut noise = Noise::new(42);
        let n = 100_000;
        let (mut mean, mut square, mut beyond_two) = (0.0, 0.0, 0);
        for _ in 0..n {
            let x = noise.normal();
            mean += x;
            square += x * x;
            beyond_two += i32::from(x.abs() > 2.0);
        }
        let n = f64::from(n);
        assert!((mean / n).abs() < 0.02);
        assert!((square / n - 1.0).abs() < 0.02);
        assert!((f64::from(beyond_two) / n - 0.0455).abs() < 0.005);
    }
}
