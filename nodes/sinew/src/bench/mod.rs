//! Bench.
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn run(_args: &crate::cli::Bench) -> Result<ExitCode> {
    bail!("under construction")
}
