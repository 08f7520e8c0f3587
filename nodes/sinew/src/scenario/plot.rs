//! A run as a picture.
use sinew_stack::{Scenario, Trace};

/// SVG of `trace`.
#[must_use]
pub fn draw(_scenario: &Scenario, _trace: &Trace, _period_ns: u64) -> String {
    String::new()
}
