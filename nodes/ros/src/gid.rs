//! The sixteen bytes that name a publisher.
use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// Identity of an endpoint: XXH3-128 of its liveliness token, low half first, each little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gid(pub [u8; 16]);

impl Gid {
    /// Of an endpoint's or node's liveliness token.
    #[must_use]
    pub fn of_token(token: &str) -> Self {
        Self(xxh3_128(token.as_bytes()).to_le_bytes())
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
