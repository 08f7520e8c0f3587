//! Two clocks, two types: mixing them does not compile.

macro_rules! clock {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            #[must_use]
            pub const fn from_ns(ns: u64) -> Self { Self(ns) }
            #[must_use]
            pub const fn as_ns(self) -> u64 { self.0 }
            #[must_use]
            pub fn as_s(self) -> f64 { self.0 as f64 * 1e-9 }
            /// Nanoseconds since `earlier`, 0 when it lies ahead.
            #[must_use]
            pub const fn since_ns(self, earlier: Self) -> u64 { self.0.saturating_sub(earlier.0) }
            #[must_use]
            pub const fn plus_ns(self, ns: u64) -> Self { Self(self.0.saturating_add(ns)) }
        }
    };
}

clock! {
    /// Time of the robot's data: `n * period`. Ladders and ramps count it; in lockstep it stands still while waiting.
    ///
    /// ```compile_fail
    /// # use sinew_wire::{StepTime, WatchTime};
    /// StepTime::from_ns(5).since_ns(WatchTime::from_ns(3));
    /// ```
    StepTime
}
clock! {
    /// Monotonic wall time of one machine: silence, liveliness, pacing. Never stored in data that a hash covers.
    WatchTime
}
