//! How many runs of a term an input holds, in which order, and what stands there at the start.

use super::reader::{ManifestError, Section};

/// Longest memory of one term, runs.
const MAX_RUNS: usize = 10_000;

/// Which end of a history comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryOrder {
    /// Oldest first.
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

/// What the past holds after an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryInit {
    /// The first observation, everywhere.
    RepeatFirst,
    /// Zeros, in the units of the tensor; only the present is real.
    Zeros,
}

/// How many runs of a term stand one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Number of moments, 1 = only the present.
    pub len: usize,
    /// Runs from one moment to the next.
    pub stride: usize,
    /// Their order.
    pub order: HistoryOrder,
    /// What the past holds after an activation.
    pub init: HistoryInit,
}

/// How several terms with histories share a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryLayout {
    /// Each term with its whole history, then the next term.
    TermMajor,
    /// Each moment with all terms, then the next moment; all histories are equal.
    TimeMajor,
}

impl History {
    /// Only the present.
    pub const NONE: Self =
        Self { len: 1, stride: 1, order: HistoryOrder::OldestFirst, init: HistoryInit::RepeatFirst };

    /// Runs to be remembered, the present one included.
    pub fn runs(&self) -> usize {
        (self.len.max(1) - 1) * self.stride + 1
    }

    /// How many runs ago moment `slot` of the tensor was.
    pub fn age(&self, slot: usize) -> usize {
        match self.order {
            HistoryOrder::OldestFirst => self.len.saturating_sub(slot + 1) * self.stride,
            HistoryOrder::NewestFirst => slot * self.stride,
        }
    }

    pub(super) fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let len = section.required("len", "number of moments")?.integer_in(1, 1000)? as usize;
        let stride = match section.optional("stride") {
            Some(entry) => entry.integer_in(1, 1000)? as usize,
            None => 1,
        };
        let order = section.required("order", "\"oldest_first\" or \"newest_first\"")?.choice(&[
            ("oldest_first", HistoryOrder::OldestFirst),
            ("newest_first", HistoryOrder::NewestFirst),
        ])?;
        let init = match section.optional("init") {
            Some(entry) => {
                entry.choice(&[("repeat_first", HistoryInit::RepeatFirst), ("zeros", HistoryInit::Zeros)])?
            }
            None => HistoryInit::RepeatFirst,
        };
        let history = Self { len, stride, order, init };
        if history.runs() > MAX_RUNS {
            let found = format!("{} runs of memory", history.runs());
            return Err(section.error(found, format!("at most {MAX_RUNS}"), "shorten len or stride"));
        }
        section.finish()?;
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_from_the_end_the_order_says() {
        let oldest =
            History { len: 3, stride: 2, order: HistoryOrder::OldestFirst, init: HistoryInit::Zeros };
        assert_eq!(oldest.runs(), 5);
        assert_eq!([0, 1, 2].map(|slot| oldest.age(slot)), [4, 2, 0]);
        let newest = History { order: HistoryOrder::NewestFirst, ..oldest };
        assert_eq!([0, 1, 2].map(|slot| newest.age(slot)), [0, 2, 4]);
        assert_eq!(History::NONE.runs(), 1);
    }
}
