//! Model.
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn run(_args: &crate::cli::Model) -> Result<ExitCode> {
    bail!("under construction")
}
