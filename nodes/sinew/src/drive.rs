//! Drive.
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn run(_args: &crate::cli::Drive) -> Result<ExitCode> {
    bail!("under construction")
}
