//! `sinew policy`: a running robot's policy from outside: another model in its place, or its work on another machine.
mod offboard;
mod swap;

use anyhow::{Result, bail};
use std::process::ExitCode;

use crate::cli::{self, PolicyKind};

/// # Errors
/// What could not be done.
pub fn run(args: &cli::Policy) -> Result<ExitCode> {
    match (&args.what, &args.connect) {
        (Some(PolicyKind::Swap(args)), _) => swap::run(args),
        (None, Some(endpoint)) => offboard::run(args, endpoint),
        (None, None) => bail!("expected `policy swap MODEL`, or --connect tcp/HOST:PORT --model FILE"),
    }
}
