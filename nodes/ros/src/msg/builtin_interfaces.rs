//! Time.
message! {
    /// A point in time, since the epoch of the clock in use.
    Time = "builtin_interfaces/msg/Time" {
        sec: i32,
        nanosec: u32,
    }
}

impl Time {
    /// Of nanoseconds; stops at the last second an `i32` can hold (year 2038).
    #[must_use]
    pub fn from_ns(ns: u64) -> Self {
        match i32::try_from(ns / 1_000_000_000) {
            Ok(sec) => Self { sec, nanosec: (ns % 1_000_000_000) as u32 },
            Err(_) => Self { sec: i32::MAX, nanosec: 999_999_999 },
        }
    }

    /// Nanoseconds; negative before the epoch.
    #[must_use]
    pub fn as_ns(&self) -> i64 {
        i64::from(self.sec) * 1_000_000_000 + i64::from(self.nanosec)
    }
}
