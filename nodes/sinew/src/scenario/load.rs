//! From a scenario file to the cores of its robot.
use anyhow::{Context, Result};
use sinew_robot::Robot;
use sinew_stack::{Models, Scenario, Setup};
use std::path::Path;

use super::report::Row;

/// A scenario and what it runs on.
#[derive(Debug)]
pub struct Loaded {
    pub scenario: Scenario,
    pub setup: Setup,
}

/// Reads a scenario with its robot and models. A policy that is refused is a verdict (`Err` inside): some scenarios
/// expect just that.
///
/// # Errors
/// Files that cannot be read or do not fit.
pub fn load(file: &Path, seed: Option<u64>) -> Result<std::result::Result<Loaded, Row>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("scenario {}", file.display()))?;
    let mut scenario = Scenario::parse(&file.display().to_string(), &text)?;
    if let Some(seed) = seed {
        scenario.seed = seed;
    }
    let folder = crate::site::robot_folder(&scenario.robot)?;
    let robot = Robot::load(&folder)?;
    let setup = Setup::of(&scenario, robot, &Models::of(file, &folder));
    Ok(match setup {
        Ok(setup) => Ok(Loaded { scenario, setup }),
        Err(error) => Err(Row::refused(&scenario, &error)),
    })
}
