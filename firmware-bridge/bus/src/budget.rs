//! Will the traffic of one period fit on the bus? Asked once, before anything is enabled.
//!
//! A bus is refused above 80 % of worst-case load: the rest is for error frames, retransmission and the
//! turn-around of the devices.

use crate::bit_time::{BitRates, FrameShape};
use core::fmt;

/// Highest admitted load of a bus.
pub const LOAD_LIMIT: f64 = 0.80;

/// A command and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Host to device.
    pub command: FrameShape,
    /// Device to host.
    pub reply: FrameShape,
}

impl Pair {
    /// MIT family on classic CAN: 8 bytes each way, standard identifiers.
    pub const MIT_CLASSIC: Pair = Pair { command: FrameShape::classic(8), reply: FrameShape::classic(8) };

    /// Longest time both frames occupy the bus, in nanoseconds.
    pub const fn worst_case_ns(&self, rates: BitRates) -> u64 {
        self.command.worst_case_ns(rates) + self.reply.worst_case_ns(rates)
    }
}

/// Worst-case occupation of one bus per period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    busy_ns: u64,
    period_ns: u64,
    rates: BitRates,
}

impl Budget {
    /// The budget of command and reply pairs, each once per `period_ns`.
    pub fn of(pairs: &[Pair], rates: BitRates, period_ns: u64) -> Self {
        let busy_ns = pairs.iter().map(|pair| pair.worst_case_ns(rates)).sum();
        Budget { busy_ns, period_ns, rates }
    }

    /// Adds frames that are no pair (a broadcast, a sensor), each once per period.
    pub fn plus(mut self, frames: &[FrameShape]) -> Self {
        self.busy_ns += frames.iter().map(|shape| shape.worst_case_ns(self.rates)).sum::<u64>();
        self
    }

    /// Worst-case occupation per period, in nanoseconds.
    pub const fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    /// Occupied share of the period; 1 is a full bus. A period of zero is an infinite load.
    pub fn load(&self) -> f64 {
        if self.period_ns == 0 {
            return f64::INFINITY;
        }
        self.busy_ns as f64 / self.period_ns as f64
    }

    /// Refuses a bus above the limit; `bus` is its name in the robot description.
    pub fn check<'a>(&self, bus: &'a str) -> Result<f64, OverBudget<'a>> {
        let load = self.load();
        if load > LOAD_LIMIT {
            return Err(OverBudget { bus, load, busy_ns: self.busy_ns, period_ns: self.period_ns });
        }
        Ok(load)
    }
}

/// A bus that cannot carry its traffic. Move devices to another bus, lengthen the period or use FD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverBudget<'a> {
    /// Name of the bus.
    pub bus: &'a str,
    /// Its worst-case load.
    pub load: f64,
    /// Worst-case occupation per period, in nanoseconds.
    pub busy_ns: u64,
    /// The period, in nanoseconds.
    pub period_ns: u64,
}

impl fmt::Display for OverBudget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bus {}: load {:.1} % ({} us of {} us worst case), expected at most {:.0} %: move devices to \
             another bus or lengthen the period",
            self.bus,
            100.0 * self.load,
            self.busy_ns / 1000,
            self.period_ns / 1000,
            100.0 * LOAD_LIMIT
        )
    }
}

impl core::error::Error for OverBudget<'_> {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a refusal here is a failed test")]
    extern crate std;
    use super::*;
    use std::string::ToString;

    const P_500_HZ: u64 = 2_000_000;

    #[test]
    fn a_leg_bus_and_a_sensor_bus_fit() {
        let leg = Budget::of(&[Pair::MIT_CLASSIC; 4], BitRates::CLASSIC_1M, P_500_HZ);
        assert_eq!(leg.busy_ns(), 1_080_000);
        assert_eq!(leg.check("can0").unwrap(), 0.54);
        let sensors = Budget::of(&[], BitRates::CLASSIC_1M, P_500_HZ).plus(&[FrameShape::classic(8); 7]);
        assert_eq!(sensors.busy_ns(), 945_000);
    }

    #[test]
    fn joints_per_bus_are_the_published_ones() {
        let most = |pair: Pair, rates, period_ns| {
            (0..100)
                .take_while(|n| Budget::of(&[pair; 100][..*n], rates, period_ns).check("x").is_ok())
                .last()
        };
        let fd = |shape: fn(u8) -> FrameShape, c, r| Pair { command: shape(c), reply: shape(r) };
        let table = [
            (Pair::MIT_CLASSIC, BitRates::CLASSIC_1M, [2, 5, 14]),
            (fd(FrameShape::classic_extended, 8, 8), BitRates::CLASSIC_1M, [2, 5, 12]),
            (fd(FrameShape::fd_extended, 32, 24), BitRates::FD_1M_5M, [3, 6, 16]),
            (fd(FrameShape::fd_extended, 20, 24), BitRates::FD_1M_5M, [3, 7, 18]),
            (fd(FrameShape::fd, 8, 8), BitRates::FD_1M_5M, [7, 14, 35]),
        ];
        for (pair, rates, expected) in table {
            let found = [1_000_000, 2_000_000, 5_000_000].map(|period| most(pair, rates, period).unwrap());
            assert_eq!(found, expected, "{pair:?}");
        }
    }

    #[test]
    fn a_refusal_names_bus_load_and_limit() {
        let error = Budget::of(&[Pair::MIT_CLASSIC; 6], BitRates::CLASSIC_1M, P_500_HZ)
            .check("can_left")
            .unwrap_err();
        let text = error.to_string();
        for part in ["can_left", "81.0 %", "1620 us of 2000 us", "80 %"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(Budget::of(&[], BitRates::CLASSIC_1M, 0).check("x").is_err());
    }
}
