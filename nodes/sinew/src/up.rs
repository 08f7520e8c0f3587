//! Up.
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn run(_args: &crate::cli::Up) -> Result<ExitCode> {
    bail!("under construction")
}
