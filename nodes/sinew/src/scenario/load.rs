//! From a scenario file to the cores of its robot.
use anyhow::{Context, Result};
use sinew_inference::Directory;
use sinew_robot::Robot;
use sinew_stack::{Scenario, Setup};
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
    let name = robot.name.clone();
    let manifests: Vec<String> = scenario.policies.iter().map(|p| format!("{p}.model.toml")).collect();
    // Manifests beside the scenario come first: negative controls bring their own.
    let beside = file.parent().unwrap_or(Path::new(".")).join("models");
    let here = manifests.first().is_some_and(|m| beside.join(m).is_file());
    let source = Directory::new(if here { beside } else { folder.join("models") });
    let setup = Setup::new(robot, &name, &source, &manifests).and_then(|mut setup| {
        setup.seed = scenario.seed;
        setup.noise_scale = scenario.noise_scale;
        setup.latency_ticks = scenario.latency_ticks;
        for number in 0..setup.models.len() {
            setup.policy(number, 1)?;
        }
        Ok(setup)
    });
    Ok(match setup {
        Ok(setup) => Ok(Loaded { scenario, setup }),
        Err(error) => Err(Row::refused(&scenario, &error.to_string())),
    })
}
