//! A value together with where it came from, or with why it is not known.

use super::error::Missing;

/// A value of the draft: known with its origin, or unknown with a reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<T> {
    /// Said by the source or by the user.
    Known {
        /// The value.
        value: T,
        /// Where it was read, e.g. `params/deploy.yaml:4 stiffness`.
        from: String,
    },
    /// Said by nobody.
    Unknown {
        /// Why the source does not say it.
        why: String,
        /// Option or file that would supply it.
        supply: String,
    },
}

impl<T> Fact<T> {
    /// A value read at `from`.
    pub fn known(value: T, from: impl Into<String>) -> Self {
        Self::Known { value, from: from.into() }
    }

    /// A value nobody says.
    pub fn unknown(why: impl Into<String>, supply: impl Into<String>) -> Self {
        Self::Unknown { why: why.into(), supply: supply.into() }
    }

    /// The value, when known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Where the value came from; empty when unknown.
    pub fn origin(&self) -> &str {
        match self {
            Self::Known { from, .. } => from,
            Self::Unknown { .. } => "",
        }
    }

    /// This fact, or `other` when this one is unknown.
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Known { .. } => self,
            Self::Unknown { .. } => other(),
        }
    }

    /// The same origin with a value made from this one.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, from } => Fact::Known { value: make(value), from },
            Self::Unknown { why, supply } => Fact::Unknown { why, supply },
        }
    }

    /// Adds this to `list` as `what` when it is unknown.
    pub fn missing(&self, what: impl Into<String>, list: &mut Vec<Missing>) {
        if let Self::Unknown { why, supply } = self {
            list.push(Missing { what: what.into(), why: why.clone(), supply: supply.clone() });
        }
    }
}
