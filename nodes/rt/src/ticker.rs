//! A fixed period on the monotonic clock, with overruns skipped and counted.
//!
//! ```text
//!  start      +P        +2P       +3P       +4P
//!    |---------|---------|---------|---------|
//!    0         1         work too long  ^ woken here: tick 4 next, 2 periods skipped
//! ```
//! Deadlines stay on the grid `start + index * period`; a long cycle costs whole periods, it never shifts them.
use crate::clock;
use sinew_wire::WatchTime;

/// One wake-up of a [`Ticker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Periods since the start; grows by `1 + skipped`.
    pub index: u64,
    /// Where on the grid this tick belongs.
    pub scheduled: WatchTime,
    /// Wake-up error, ns.
    pub late_ns: u64,
    /// Whole periods that passed unserved before this tick.
    pub skipped: u64,
}

/// Periodic absolute sleep.
#[derive(Clone, Debug)]
pub struct Ticker {
    start: WatchTime,
    period_ns: u64,
    last_index: u64,
    overruns: u64,
}

impl Ticker {
    /// First tick one period after `start`. A period of 0 is taken as 1 ns.
    #[must_use]
    pub fn new(start: WatchTime, period_ns: u64) -> Self {
        Self { start, period_ns: period_ns.max(1), last_index: 0, overruns: 0 }
    }

    /// Sleeps until the next grid point that has not passed.
    pub fn wait(&mut self) -> Tick {
        let (index, skipped) = self.advance(clock::now());
        let scheduled = self.at(index);
        let late_ns = clock::sleep_until(scheduled);
        Tick { index, scheduled, late_ns, skipped }
    }

    /// Periods skipped so far.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Where the next tick lies if nothing overruns.
    #[must_use]
    pub fn next_deadline(&self) -> WatchTime {
        self.at(self.last_index.saturating_add(1))
    }

    fn at(&self, index: u64) -> WatchTime {
        self.start.plus_ns(index.saturating_mul(self.period_ns))
    }

    /// Moves to the tick to wait for, seen from `now`; returns it and the number of periods lost.
    fn advance(&mut self, now: WatchTime) -> (u64, u64) {
        let next = self.last_index.saturating_add(1);
        // A deadline just missed is still served, late: only when a whole further period has passed is it lost.
        let elapsed = now.since_ns(self.start) / self.period_ns;
        let index = next.max(elapsed);
        let skipped = index - next;
        self.last_index = index;
        self.overruns += skipped;
        (index, skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticker() -> Ticker {
        Ticker::new(WatchTime::from_ns(1_000), 100)
    }

    #[test]
    fn ticks_stay_on_the_grid() {
        let mut ticker = ticker();
        assert_eq!(ticker.advance(WatchTime::from_ns(1_010)), (1, 0));
        assert_eq!(ticker.advance(WatchTime::from_ns(1_190)), (2, 0));
        assert_eq!(ticker.at(2), WatchTime::from_ns(1_200));
        assert_eq!(ticker.overruns(), 0);
    }

    #[test]
    fn a_deadline_just_missed_is_served_late() {
        let mut ticker = ticker();
        assert_eq!(ticker.advance(WatchTime::from_ns(1_150)), (1, 0));
    }

    #[test]
    fn whole_periods_lost_are_skipped_and_counted() {
        let mut ticker = ticker();
        assert_eq!(ticker.advance(WatchTime::from_ns(1_010)), (1, 0));
        assert_eq!(ticker.advance(WatchTime::from_ns(1_450)), (4, 2));
        assert_eq!(ticker.advance(WatchTime::from_ns(1_460)), (5, 0));
        assert_eq!(ticker.overruns(), 2);
    }

    #[test]
    fn waiting_returns_the_tick_that_was_due() {
        let mut ticker = Ticker::new(clock::now(), 200_000);
        let first = ticker.wait();
        let second = ticker.wait();
        assert_eq!(second.index, first.index + 1 + second.skipped);
        assert!(clock::now() >= second.scheduled);
    }
}
