//! From a scenario file to the cores of its robot.
use anyhow::{Context, Result};
use sinew_robot::Robot;
use sinew_stack::{Choice, Models, Scenario, Setup};
use std::path::Path;
use std::sync::Arc;

use super::report::Row;
use crate::physics_engines::AllEngines;

/// A scenario and what it runs on.
#[derive(Debug)]
pub struct Loaded {
    pub scenario: Scenario,
    pub setup: Setup,
    pub engines: Arc<AllEngines>,
}

/// Reads a scenario with its robot and models, as `choice` wants it. A policy that is refused is a verdict (`Err` inside): some scenarios
/// expect just that.
///
/// # Errors
/// Files that cannot be read or do not fit.
pub fn load(file: &Path, choice: &Choice) -> Result<std::result::Result<Loaded, Row>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("scenario {}", file.display()))?;
    let name = file.display().to_string();
    let scenario = Scenario::parse(&name, &text)?.choose(choice, &name)?;
    let folder = crate::site::robot_folder(&scenario.robot)?;
    let robot = Robot::load(&folder)?;
    let setup = Setup::of_with(&scenario, robot, &Models::of(file, &folder), crate::engines::make_or_fetch);
    Ok(match setup {
        Ok(mut setup) => {
            let engines = Arc::new(AllEngines::default());
            setup.engines = Arc::clone(&engines) as _;
            Ok(Loaded { scenario, setup, engines })
        }
        Err(error) => Err(Row::refused(&scenario, &error)),
    })
}
