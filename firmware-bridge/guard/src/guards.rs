//! The conditions that a transition of the robot may ask for.

/// Set of conditions, a bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Guards(u16);

impl Guards {
    pub const NONE: Self = Self(0);
    /// The asking source holds the lease with its present epoch.
    pub const LEASE: Self = Self(1);
    /// Tilt is within the limit for getting up or walking.
    pub const UPRIGHT: Self = Self(1 << 1);
    pub const ESTIMATOR_HEALTHY: Self = Self(1 << 2);
    /// Manifest, joint names, shapes, hash and golden vectors of the policy fit.
    pub const CONTRACT_VERIFIED: Self = Self(1 << 3);
    /// The policy's first targets lie near the measured positions.
    pub const FIRST_ACTION_CONTINUOUS: Self = Self(1 << 4);
    /// The bridge's link is Active under our writer epoch.
    pub const LINK_ACTIVE: Self = Self(1 << 5);
    /// No joint moves and the body does not turn.
    pub const AT_REST: Self = Self(1 << 6);
    /// ResetStep1 was taken from the same lease holder, in this same stop.
    pub const RESET_STEP1: Self = Self(1 << 7);
    pub const ALL: Self = Self((1 << 8) - 1);

    const NAMES: [&'static str; 8] = [
        "lease",
        "upright",
        "estimator healthy",
        "contract verified",
        "first action continuous",
        "link active",
        "at rest",
        "reset step 1",
    ];

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// `other` when `condition`, else unchanged.
    #[must_use]
    pub const fn with_if(self, condition: bool, other: Self) -> Self {
        if condition { self.with(other) } else { self }
    }
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
    /// Bits without a condition are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
    /// Names of the conditions in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }
}

impl core::ops::BitOr for Guards {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl core::fmt::Display for Guards {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (i, name) in self.names().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

impl core::fmt::Debug for Guards {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Guards({self})")
    }
}
