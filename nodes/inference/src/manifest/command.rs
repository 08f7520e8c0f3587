//! What the policy makes of the velocity command before any term sees it.

use super::reader::{Entry, ManifestError, Section};

/// One component of the velocity command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandAxis {
    /// Forward, m/s.
    Vx,
    /// To the left, m/s.
    Vy,
    /// Turning left, rad/s.
    Wz,
}

impl CommandAxis {
    /// All, in the order of the frame.
    pub const ALL: [Self; 3] = [Self::Vx, Self::Vy, Self::Wz];

    /// Position in the frame.
    pub fn index(self) -> usize {
        match self {
            Self::Vx => 0,
            Self::Vy => 1,
            Self::Wz => 2,
        }
    }

    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vx => "vx",
            Self::Vy => "vy",
            Self::Wz => "wz",
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        if self == Self::Wz { "rad/s" } else { "m/s" }
    }
}

/// Limits of the command: the range the policy was trained for, how fast it may change, how old it may become.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandLimits {
    /// Range per axis (m/s, m/s, rad/s); a command beyond it is clamped. Each holds 0; [0, 0] keeps the axis still.
    pub range: [Option<[f64; 2]>; 3],
    /// Largest change per second and axis (m/s^2, m/s^2, rad/s^2). The ramp starts at zero with each activation and
    /// moves after each observation.
    pub slew_per_s: Option<[f64; 3]>,
    /// Step time without a new motion frame after which the goal is zero, ms.
    pub timeout_ms: Option<f64>,
}

/// A range of one axis. Without 0 in it a stop, and a command that timed out, would make the robot walk.
fn range(entry: &Entry<'_>) -> Result<[f64; 2], ManifestError> {
    let expected = "[low, high] with low below high and 0 in between, or [0, 0] for an axis that stays still";
    let [lo, hi] = entry.two(expected)?;
    let hint = match holds_zero([lo, hi]) {
        true => return Ok([lo, hi]),
        false if lo > hi => "put the smaller number first",
        false => "a stop asks for 0: widen the range to it, or leave the axis out, so that it is not clamped",
    };
    Err(entry.error(format!("[{lo}, {hi}]"), expected, hint))
}

/// True for a range of the command that a stop can be asked in.
pub(crate) fn holds_zero([lo, hi]: [f64; 2]) -> bool {
    lo <= 0.0 && 0.0 <= hi
}

impl CommandLimits {
    pub(super) fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let mut limits = Self::default();
        if let Some(entry) = section.optional("range") {
            let ranges = entry.section()?;
            for (slot, axis) in limits.range.iter_mut().zip(CommandAxis::ALL) {
                *slot = ranges.optional(axis.name()).map(|e| range(&e)).transpose()?;
            }
            ranges.finish()?;
        }
        if let Some(entry) = section.optional("slew_per_s") {
            let slew = entry.numbers(3, "vx, vy, wz")?;
            if slew.iter().any(|s| *s <= 0.0) {
                let expected = "a rate above zero for each of vx, vy, wz";
                return Err(entry.error(
                    "a rate that is not above zero",
                    expected,
                    "give the rate of training",
                ));
            }
            if let [x, y, z] = slew.as_slice() {
                limits.slew_per_s = Some([*x, *y, *z]);
            }
        }
        limits.timeout_ms =
            section.optional("timeout_ms").map(|e| e.number_in(20.0, 60_000.0, "ms")).transpose()?;
        section.finish()?;
        Ok(limits)
    }
}
