//! The processes of a robot: each file gives one core its sockets, its files and its way to end.
pub mod bridge;
mod control;
pub mod ctl;
pub mod keys;
mod lockstep;
pub mod offboard;
mod params;
pub mod policy;
pub mod policy_swap;
mod ros;
mod site;
mod still;
pub mod trace_file;
mod twin;

pub use site::boot_id;

use crate::cli::NodeKind;
use anyhow::{Context, Result};
use std::process::ExitCode;

/// Runs one process until it is asked to end.
///
/// # Errors
/// Why it could not start, or what ended it.
pub fn run(args: &crate::cli::Node) -> Result<ExitCode> {
    let site = site::NodeSite::new(&args.ros).with_context(|| format!("node {:?}", args.kind))?;
    match args.kind {
        NodeKind::Twin => twin::run(&site),
        NodeKind::Bridge => bridge::run(&site),
        NodeKind::Control => control::run(&site),
        NodeKind::Policy => policy::run(&site),
        NodeKind::Ros => ros::run(&site),
    }
    .with_context(|| format!("node {:?}", args.kind))?;
    Ok(ExitCode::SUCCESS)
}
