//! One random stream per (scenario, device): what one device draws never moves what another draws.

use sinew_bus::SplitMix64;

/// Who owns a stream. The numbers enter the seed, so they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Noise of the drive of joint `n` (robot order).
    Drive(usize),
    /// Noise of IMU `n`.
    Imu(usize),
    /// Noise of foot sensor `n`.
    Foot(usize),
    /// Faults of bus `n`.
    Bus(usize),
    /// Constant biases of the drive of joint `n`.
    DriveBias(usize),
    /// Constant biases of IMU `n`.
    ImuBias(usize),
    /// Constant bias of foot sensor `n`.
    FootBias(usize),
    /// Directions and times of scripted disturbances.
    World,
}

impl Stream {
    const fn key(self) -> (u64, u64) {
        match self {
            Stream::Drive(n) => (1, n as u64),
            Stream::Imu(n) => (2, n as u64),
            Stream::Foot(n) => (3, n as u64),
            Stream::Bus(n) => (4, n as u64),
            Stream::DriveBias(n) => (5, n as u64),
            Stream::ImuBias(n) => (6, n as u64),
            Stream::FootBias(n) => (7, n as u64),
            Stream::World => (8, 0),
        }
    }

    /// Seed of this stream in the scenario with seed `scenario`.
    #[must_use]
    pub const fn seed(self, scenario: u64) -> u64 {
        let (kind, index) = self.key();
        let mut mixer = SplitMix64::new(scenario);
        let a = mixer.next_u64();
        let mut mixer = SplitMix64::new(a ^ kind.wrapping_mul(0xD1B5_4A32_D192_ED03));
        let b = mixer.next_u64();
        let mut mixer = SplitMix64::new(b ^ index.wrapping_mul(0xABC9_8388_FB8F_AC03));
        mixer.next_u64()
    }

    /// The stream itself.
    #[must_use]
    pub const fn open(self, scenario: u64) -> SplitMix64 {
        SplitMix64::new(self.seed(scenario))
    }
}

/// Uniform in `[-bound, bound)`.
pub fn within(stream: &mut SplitMix64, bound: f64) -> f64 {
    (2.0 * stream.unit() - 1.0) * bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_a_scenario_differ_and_repeat() {
        let all: Vec<Stream> = (0..16)
            .flat_map(|n| {
                [
                    Stream::Drive(n),
                    Stream::Imu(n),
                    Stream::Foot(n),
                    Stream::Bus(n),
                    Stream::DriveBias(n),
                    Stream::ImuBias(n),
                    Stream::FootBias(n),
                ]
            })
            .chain([Stream::World])
            .collect();
        let mut seeds: Vec<u64> = (0..4).flat_map(|s| all.iter().map(move |stream| stream.seed(s))).collect();
        let count = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), count, "two streams share a seed");
        assert_eq!(Stream::Drive(3).seed(7), Stream::Drive(3).seed(7));
    }

    #[test]
    fn a_bias_stays_within_its_bound() {
        let mut stream = Stream::DriveBias(0).open(1);
        assert!((0..1000).all(|_| within(&mut stream, 0.002).abs() <= 0.002));
    }
}
