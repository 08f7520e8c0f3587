//! Inputs that are not measured: counters and normally distributed numbers.

use sinew_inference::manifest::{Counter, CounterEnd, Gaussian};

/// Runs since the activation.
#[derive(Clone, Debug)]
pub(crate) struct RunCounter {
    counter: Counter,
    run: u32,
}

impl RunCounter {
    pub(crate) fn new(counter: Counter) -> Self {
        Self { counter, run: 0 }
    }

    pub(crate) fn reset(&mut self) {
        self.run = 0;
    }

    /// This run's value; `None` when the count has ended and that is a fault.
    pub(crate) fn value(&self) -> Option<f32> {
        let last = self.counter.length.max(1) - 1;
        let at = match self.counter.on_end {
            CounterEnd::Hold => self.run.min(last),
            CounterEnd::Wrap => self.run % (last + 1),
            CounterEnd::Fault if self.run > last => return None,
            CounterEnd::Fault => self.run,
        };
        Some((self.counter.start + at) as f32)
    }

    pub(crate) fn advance(&mut self, elapsed: u32) {
        self.run = self.run.saturating_add(elapsed);
    }
}

/// The stream of a [`Gaussian`].
#[derive(Clone, Debug)]
pub(crate) struct NoiseStream {
    gaussian: Gaussian,
    state: u64,
    second: Option<f64>,
}

impl NoiseStream {
    pub(crate) fn new(gaussian: Gaussian) -> Self {
        Self { gaussian, state: gaussian.seed, second: None }
    }

    pub(crate) fn reset(&mut self) {
        (self.state, self.second) = (self.gaussian.seed, None);
    }

    pub(crate) fn next_value(&mut self) -> f32 {
        (self.gaussian.mean + self.gaussian.std * self.normal()) as f32
    }

    fn normal(&mut self) -> f64 {
        if let Some(second) = self.second.take() {
            return second;
        }
        let scale = 1.0 / (1u64 << 53) as f64;
        let u1 = (self.bits() + 1) as f64 * scale;
        let u2 = self.bits() as f64 * scale;
        let radius = (-2.0 * libm::log(u1)).sqrt();
        let angle = core::f64::consts::TAU * u2;
        self.second = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Upper 53 bits of the next output of SplitMix64 (Steele, Lea, Flood 2014).
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_end_as_they_say() {
        let values = |on_end| {
            let mut counter = RunCounter::new(Counter { start: 5, length: 3, on_end });
            (0..5)
                .map(|_| {
                    let value = counter.value();
                    counter.advance(1);
                    value
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(values(CounterEnd::Hold), [5.0, 6.0, 7.0, 7.0, 7.0].map(Some));
        assert_eq!(values(CounterEnd::Wrap), [5.0, 6.0, 7.0, 5.0, 6.0].map(Some));
        assert_eq!(values(CounterEnd::Fault), [Some(5.0), Some(6.0), Some(7.0), None, None]);
    }

    /// Outputs of SplitMix64 for seed 0 as published; the rest is arithmetic done by hand once.
    #[test]
    fn the_stream_is_the_documented_one() {
        let mut stream = NoiseStream::new(Gaussian { seed: 0, mean: 0.0, std: 1.0 });
        assert_eq!(stream.bits(), 0xe220_a839_7b1d_cdaf >> 11);
        assert_eq!(stream.bits(), 0x6e78_9e6a_a1b9_65f4 >> 11);
        stream.reset();
        let first: Vec<f32> = (0..1000).map(|_| stream.next_value()).collect();
        let mean = first.iter().sum::<f32>() / 1000.0;
        let variance = first.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.15, "{mean} {variance}");
        stream.reset();
        assert!(first.iter().all(|v| v.to_bits() == stream.next_value().to_bits()));
    }
}
