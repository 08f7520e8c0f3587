//! `sinew bench`: measurements that anybody can repeat, each beside a peer or a judge of the same run.
mod commands;
mod guard;
mod latency;
mod policy;
mod policy_model;
mod record;
mod tick;
mod wander;

use crate::cli::{self, BenchKind};
use anyhow::Result;
pub use latency::echo;
use std::process::ExitCode;

/// Runs the bench that `args` name.
///
/// # Errors
/// What kept it from running; a broken promise is a verdict, not an error.
pub fn run(args: &cli::Bench) -> Result<ExitCode> {
    match args.what {
        BenchKind::Latency { seconds, json } => latency::run(seconds, json),
        BenchKind::Guard { n, seed, json } => guard::run(n, seed, json),
        BenchKind::Policy { seconds, json } => policy::run(seconds, json),
        BenchKind::Tick { seconds, json } => tick::run(seconds, json),
    }
}
