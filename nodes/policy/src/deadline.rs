//! Deadline accounting: how long runs take, and how often they take too long.
//!
//! Whoever has a clock tells; the core only counts. In lockstep wall time means nothing and is not told.

/// What is known about the time of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTime {
    /// Wall time means nothing here: lockstep.
    Unjudged,
    /// It took so long, microseconds of wall time.
    Took(u32),
    /// A script says that it came too late to be used.
    TooLate,
}

/// Counted since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadlineCounters {
    /// Runs told of.
    pub runs: u64,
    /// Runs beyond the deadline.
    pub missed: u64,
    /// Runs beyond the deadline in a row, up to now.
    pub in_row: u32,
    /// The longest such row.
    pub longest_row: u32,
    /// The longest run, microseconds.
    pub longest_us: u32,
}

/// The deadline of one policy.
#[derive(Clone, Debug)]
pub struct Deadline {
    limit_us: f64,
    counters: DeadlineCounters,
}

impl Deadline {
    /// `limit_ms` of wall time per run.
    #[must_use]
    pub fn new(limit_ms: f64) -> Self {
        Self { limit_us: limit_ms * 1000.0, counters: DeadlineCounters::default() }
    }

    /// Another policy, another deadline; what was counted stays.
    pub fn set_limit_ms(&mut self, limit_ms: f64) {
        self.limit_us = limit_ms * 1000.0;
    }

    /// True when this run missed its deadline.
    pub fn judge(&mut self, time: RunTime) -> bool {
        let counters = &mut self.counters;
        let missed = match time {
            RunTime::Unjudged => false,
            RunTime::TooLate => true,
            RunTime::Took(us) => {
                counters.longest_us = counters.longest_us.max(us);
                f64::from(us) > self.limit_us
            }
        };
        counters.runs += 1;
        if missed {
            counters.missed += 1;
            counters.in_row = counters.in_row.saturating_add(1);
            counters.longest_row = counters.longest_row.max(counters.in_row);
        } else {
            counters.in_row = 0;
        }
        missed
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> DeadlineCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_counted_alone_and_in_a_row() {
        let mut deadline = Deadline::new(4.0);
        let times = [
            (RunTime::Took(3_999), false),
            (RunTime::Took(4_000), false),
            (RunTime::Took(4_001), true),
            (RunTime::TooLate, true),
            (RunTime::Unjudged, false),
            (RunTime::TooLate, true),
        ];
        for (time, missed) in times {
            assert_eq!(deadline.judge(time), missed, "{time:?}");
        }
        let counters = deadline.counters();
        assert_eq!((counters.runs, counters.missed, counters.in_row, counters.longest_row), (6, 3, 1, 2));
        assert_eq!(counters.longest_us, 4_001);
    }
}
