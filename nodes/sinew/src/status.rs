//! Status.
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn run(_args: &crate::cli::Status) -> Result<ExitCode> {
    bail!("under construction")
}
