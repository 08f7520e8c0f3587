//! Where a shell may measure: around each core's share of a step. The core itself has no clock.

/// The cores of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Bridge,
    Control,
    Policy,
    Twin,
}

impl Part {
    /// In the order of [`Part`] as a number.
    pub const ALL: [Self; 4] = [Self::Bridge, Self::Control, Self::Policy, Self::Twin];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Control => "control",
            Self::Policy => "policy",
            Self::Twin => "twin",
        }
    }
}

/// Runs a piece of a step and may look at the clock before and after.
pub trait Meters {
    fn measure<T>(&mut self, part: Part, body: impl FnOnce() -> T) -> T {
        let _ = part;
        body()
    }
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meters for Unmetered {}
