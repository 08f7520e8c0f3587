//! Why results of another machine are not kept.
use super::MAX_AHEAD;

/// Why a result is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteRefusal {
    /// Another robot's, or for another policy.
    #[error("meant for another robot or policy")]
    Foreign,
    /// Another activation, or another start of control: what was in flight at a reset.
    #[error("computed for another activation")]
    Epoch,
    /// From a state that is yet to come.
    #[error("computed from a state that is yet to come")]
    Future,
    /// Too old when it came.
    #[error("older than may be used")]
    Stale,
    /// A newer one is here already.
    #[error("a newer result is here already")]
    Reordered,
    /// It holds no targets.
    #[error("holds no targets")]
    Empty,
    /// A NaN or an infinity.
    #[error("not finite")]
    NonFinite,
    /// Another number of joints, or joints the local policy does not move.
    #[error("other joints than the local policy's")]
    Joints,
    /// More elements than a chunk may have here.
    #[error("more than {MAX_AHEAD} elements in a chunk")]
    Chunk,
    /// Another model computed it.
    #[error("computed by another model than the one expected there")]
    Model,
    /// A joint that moves is not under impedance control.
    #[error("a joint in another mode than impedance control")]
    Mode,
    /// Stiffness or damping of a joint is not the local policy's.
    #[error("other gains than the local policy's")]
    Gains,
    /// Meant for a time at which it may not be used any more.
    #[error("meant for a time beyond the greatest age allowed")]
    Ahead,
    /// Meant for later, and nothing of its chunk is here.
    #[error("a later element of a chunk whose first one has not come")]
    Torn,
}

impl RemoteRefusal {
    /// Every reason, in the order of [`RemoteCounters::refused`](super::RemoteCounters::refused).
    pub const ALL: [Self; 14] = [
        Self::Foreign,
        Self::Epoch,
        Self::Future,
        Self::Stale,
        Self::Reordered,
        Self::Empty,
        Self::NonFinite,
        Self::Joints,
        Self::Chunk,
        Self::Model,
        Self::Mode,
        Self::Gains,
        Self::Ahead,
        Self::Torn,
    ];

    /// One word, for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Epoch => "epoch",
            Self::Future => "future",
            Self::Stale => "stale",
            Self::Reordered => "reordered",
            Self::Empty => "empty",
            Self::NonFinite => "non_finite",
            Self::Joints => "joints",
            Self::Chunk => "chunk",
            Self::Model => "model",
            Self::Mode => "mode",
            Self::Gains => "gains",
            Self::Ahead => "ahead",
            Self::Torn => "torn",
        }
    }
}
