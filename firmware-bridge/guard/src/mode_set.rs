//! Which joint modes a device can do.
use sinew_wire::JointMode;

/// Set of [`JointMode`], one bit per mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeSet(u8);

impl ModeSet {
    /// No mode at all.
    pub const EMPTY: Self = Self(0);

    /// The set of these modes.
    #[must_use]
    pub const fn of(modes: &[JointMode]) -> Self {
        let mut bits = 0;
        let mut rest = modes;
        while let [mode, tail @ ..] = rest {
            bits |= 1 << *mode as u8;
            rest = tail;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn contains(self, mode: JointMode) -> bool {
        self.0 & (1 << mode as u8) != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Bit per mode, in the order of the wire's numbers.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The least harmful mode of the set: a joint that can resist motion does so, one that cannot brakes, else it
    /// is switched off.
    #[must_use]
    pub const fn safest(self) -> JointMode {
        if self.contains(JointMode::Damping) {
            JointMode::Damping
        } else if self.contains(JointMode::Brake) {
            JointMode::Brake
        } else {
            JointMode::Disabled
        }
    }
}
