//! What a publisher promises and a subscription asks for, and how a token spells it.

/// Whether samples may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    Reliable,
    BestEffort,
}

/// Whether who comes later gets what was said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Volatile,
    TransientLocal,
}

/// How many samples are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Last(usize),
    All,
}

/// The part of a ROS 2 quality of service that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qos {
    pub reliability: Reliability,
    pub durability: Durability,
    pub depth: Depth,
}

/// Depth that a token leaves out.
const DEFAULT_DEPTH: usize = 42;
/// Most samples a queue or cache of ours holds, whatever the depth says.
const MOST_KEPT: usize = 1000;

impl Qos {
    /// Reliable, volatile.
    #[must_use]
    pub const fn reliable(depth: usize) -> Self {
        Self {
            reliability: Reliability::Reliable,
            durability: Durability::Volatile,
            depth: Depth::Last(depth),
        }
    }

    /// Best effort, volatile: for readers of fast streams.
    #[must_use]
    pub const fn best_effort(depth: usize) -> Self {
        Self { reliability: Reliability::BestEffort, ..Self::reliable(depth) }
    }

    /// Reliable, and the last `depth` samples for those who come later.
    #[must_use]
    pub const fn latched(depth: usize) -> Self {
        Self { durability: Durability::TransientLocal, ..Self::reliable(depth) }
    }

    /// Samples a queue or cache of this quality holds.
    #[must_use]
    pub fn kept(&self) -> usize {
        match self.depth {
            Depth::Last(0) => DEFAULT_DEPTH,
            Depth::Last(depth) => depth.min(MOST_KEPT),
            Depth::All => MOST_KEPT,
        }
    }

    /// Last chunk of an endpoint's token:
    /// `reliability:durability:history,depth:deadline:lifespan:liveliness`, defaults left empty.
    #[must_use]
    pub fn token(&self) -> String {
        let reliability = match self.reliability {
            Reliability::Reliable => "",
            Reliability::BestEffort => "2",
        };
        let durability = match self.durability {
            Durability::TransientLocal => "1",
            Durability::Volatile => "",
        };
        let kept = match self.depth {
            Depth::Last(0 | DEFAULT_DEPTH) => ",".to_owned(),
            Depth::Last(depth) => format!(",{depth}"),
            Depth::All => "2,".to_owned(),
        };
        format!("{reliability}:{durability}:{kept}:,:,:,,")
    }
}
