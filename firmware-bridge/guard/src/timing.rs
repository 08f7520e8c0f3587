//! The numbers of the timeout ladder, with maxima that no parameter file can lift.

const MS: u64 = 1_000_000;
/// Longest bus period.
pub const MAX_PERIOD_NS: u64 = 10 * MS;
/// Oldest command that may ever be accepted.
pub const MAX_VALID_FOR_NS: u64 = 20 * MS;
/// Latest start of the ramp.
pub const MAX_T1_NS: u64 = 25 * MS;
/// Latest start of damping.
pub const MAX_T2_NS: u64 = 100 * MS;
/// Longest rest asked for before drives are switched off.
pub const MAX_REST_NS: u64 = 5_000 * MS;
/// Fastest joint that may pass for resting, rad/s.
const MAX_REST_DQ_RAD_S: f32 = 0.5;
/// Fastest body rotation that may pass for resting, rad/s.
const MAX_REST_GYRO_RAD_S: f32 = 1.0;

/// Bus period and the rungs of the ladder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Bus period P, ns.
    pub period_ns: u64,
    /// From this age on an accepted command is ramped down, ns.
    pub t1_ns: u64,
    /// From this age on there is only damping, ns.
    pub t2_ns: u64,
    /// Resting this long in damping switches the drives off, ns.
    pub rest_ns: u64,
    /// A command older than this is refused, and one in force older than this is no longer fresh, ns.
    pub valid_for_ns: u64,
    /// Every joint slower than this counts as resting, rad/s.
    pub rest_dq_rad_s: f32,
    /// A body turning slower than this counts as resting, rad/s.
    pub rest_gyro_rad_s: f32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            period_ns: 2 * MS,
            t1_ns: 10 * MS,
            t2_ns: 50 * MS,
            rest_ns: 500 * MS,
            valid_for_ns: 8 * MS,
            rest_dq_rad_s: 0.05,
            rest_gyro_rad_s: 0.1,
        }
    }
}

/// A time that the ladder cannot work with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimingError {
    /// Must lie in `least..=most`.
    Range { field: &'static str, found_ns: u64, least_ns: u64, most_ns: u64 },
    /// A rest threshold must be finite, above 0 and at most `most`.
    Rest { field: &'static str, found: f32, most: f32 },
}

impl core::fmt::Display for TimingError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Range { field, found_ns, least_ns, most_ns } => {
                write!(
                    f,
                    "timing.{field}: expected {least_ns} to {most_ns} ns, found {found_ns}; rungs grow in the order period, valid_for, t1, t2"
                )
            }
            Self::Rest { field, found, most } => {
                write!(f, "timing.{field}: expected above 0 to {most} rad/s, found {found}")
            }
        }
    }
}

impl core::error::Error for TimingError {}

impl Timing {
    /// Checks order and maxima: period <= valid_for < T1 < T2.
    ///
    /// # Errors
    /// The first value out of its range.
    pub fn check(&self) -> Result<(), TimingError> {
        let range = |field, found_ns, least_ns, most_ns| {
            if (least_ns..=most_ns).contains(&found_ns) {
                Ok(())
            } else {
                Err(TimingError::Range { field, found_ns, least_ns, most_ns })
            }
        };
        range("period_ns", self.period_ns, MS / 10, MAX_PERIOD_NS)?;
        range("valid_for_ns", self.valid_for_ns, self.period_ns, MAX_VALID_FOR_NS)?;
        range("t1_ns", self.t1_ns, self.valid_for_ns + 1, MAX_T1_NS)?;
        range("t2_ns", self.t2_ns, self.t1_ns + 1, MAX_T2_NS)?;
        range("rest_ns", self.rest_ns, self.period_ns, MAX_REST_NS)?;
        let rest = |field, found: f32, most| {
            if found > 0.0 && found <= most { Ok(()) } else { Err(TimingError::Rest { field, found, most }) }
        };
        rest("rest_dq_rad_s", self.rest_dq_rad_s, MAX_REST_DQ_RAD_S)?;
        rest("rest_gyro_rad_s", self.rest_gyro_rad_s, MAX_REST_GYRO_RAD_S)
    }

    /// Bus period in seconds.
    #[must_use]
    pub fn period_s(&self) -> f32 {
        self.period_ns as f32 * 1e-9
    }
}
