//! The monotonic clock as [`WatchTime`], and waiting for a point on it.
//!
//! Absolute waiting (`TIMER_ABSTIME`) does not drift: a late wake-up shortens the next wait instead of shifting
//! every later one.
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use sinew_wire::WatchTime;
use std::time::Duration;

const NS_PER_S: u64 = 1_000_000_000;

/// Now on `CLOCK_MONOTONIC`. Served by the vDSO, so no system call on the usual kernels.
#[must_use]
pub fn now() -> WatchTime {
    // CLOCK_MONOTONIC with a valid pointer has no failure on Linux; zero would make every deadline lie ahead,
    // so a caller waits instead of acting on a wrong time.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(WatchTime::from_ns(0), |t| {
        WatchTime::from_ns(t.tv_sec() as u64 * NS_PER_S + t.tv_nsec() as u64)
    })
}

/// The point `after` from now.
#[must_use]
pub fn deadline_in(after: Duration) -> WatchTime {
    now().plus_ns(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX))
}

/// What is left until `deadline`; zero when it has passed.
#[must_use]
pub fn remaining(deadline: WatchTime) -> Duration {
    Duration::from_nanos(deadline.since_ns(now()))
}

/// Sleeps until `deadline` and says how late it woke, ns. Signals do not cut it short.
pub fn sleep_until(deadline: WatchTime) -> u64 {
    let request = timespec(deadline.as_ns());
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &request)
        == Err(Errno::EINTR)
    {}
    now().since_ns(deadline)
}

/// Nanoseconds as the kernel's structure; saturates far beyond any run.
pub(crate) fn timespec(ns: u64) -> TimeSpec {
    let seconds = i64::try_from(ns / NS_PER_S).unwrap_or(i64::MAX);
    TimeSpec::new(seconds, (ns % NS_PER_S) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_ends_after_the_deadline_and_never_before() {
        let deadline = deadline_in(Duration::from_millis(2));
        let late_ns = sleep_until(deadline);
        assert!(now() >= deadline);
        assert!(now().since_ns(deadline) >= late_ns);
    }

    #[test]
    fn a_passed_deadline_returns_at_once_and_leaves_nothing() {
        let start = now();
        sleep_until(WatchTime::from_ns(1));
        assert!(now() >= start);
        assert_eq!(remaining(WatchTime::from_ns(1)), Duration::ZERO);
    }
}
