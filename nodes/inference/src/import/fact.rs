//! A value together with where it came from, or with why it is not known.

use std::borrow::Cow;

use super::error::{Assumed, Missing};

/// A value of the draft: known with its origin, assumed with a reason, or unknown with a reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<T> {
    /// Said by the source or by the user.
    Known {
        /// The value.
        value: T,
        /// Where it was read, e.g. `params/deploy.yaml:4 stiffness`.
        from: String,
    },
    /// Said by nobody; a model does not run without it, so a cautious value is taken and said to be taken.
    Assumed {
        /// The value.
        value: T,
        /// Why the source does not say it, and why this value.
        why: String,
        /// Option that replaces it.
        supply: String,
    },
    /// Said by nobody, and not to be guessed.
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

    /// A value nobody says, taken all the same.
    pub fn assumed(value: T, why: impl Into<String>, supply: impl Into<String>) -> Self {
        Self::Assumed { value, why: why.into(), supply: supply.into() }
    }

    /// A value nobody says.
    pub fn unknown(why: impl Into<String>, supply: impl Into<String>) -> Self {
        Self::Unknown { why: why.into(), supply: supply.into() }
    }

    /// The value, when known or assumed.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } | Self::Assumed { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Where the value came from, or why it is assumed and what replaces it; empty when unknown.
    pub fn origin(&self) -> Cow<'_, str> {
        match self {
            Self::Known { from, .. } => Cow::Borrowed(from),
            Self::Assumed { why, supply, .. } => Cow::Owned(format!("assumed: {why}; {supply}")),
            Self::Unknown { .. } => Cow::Borrowed(""),
        }
    }

    /// This fact, or `other` when this one is unknown.
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Known { .. } | Self::Assumed { .. } => self,
            Self::Unknown { .. } => other(),
        }
    }

    /// The same origin with a value made from this one.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, from } => Fact::Known { value: make(value), from },
            Self::Assumed { value, why, supply } => Fact::Assumed { value: make(value), why, supply },
            Self::Unknown { why, supply } => Fact::Unknown { why, supply },
        }
    }

    /// Adds this to `list` as `what` when it is unknown.
    pub fn missing(&self, what: impl Into<String>, list: &mut Vec<Missing>) {
        if let Self::Unknown { why, supply } = self {
            list.push(Missing { what: what.into(), why: why.clone(), supply: supply.clone() });
        }
    }

    /// Adds this to `list` as `what`, its value shown by `show`, when it is assumed.
    pub fn assumption(&self, what: impl Into<String>, show: impl Fn(&T) -> String, list: &mut Vec<Assumed>) {
        if let Self::Assumed { value, why, supply } = self {
            let (what, value) = (what.into(), show(value));
            list.push(Assumed { what, value, why: why.clone(), supply: supply.clone() });
        }
    }
}
