//! Progress of long commands, on a terminal only.
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` parts called `what`; draws nothing when standard error is no terminal.
#[must_use]
pub fn bar(what: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}
