//! What a caller may choose over a scenario file: another robot, engine, seed, latency.
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::check::check;
use crate::engine::Engine;
use crate::scenario::{Expect, GoalAt, Pushes, Scenario, ScenarioError, Segments};

/// The same scenario for another robot: what is absent is as for the file's own.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RobotEntry {
    /// Manifests in that robot's `models` folder; the first is policy 0.
    pub policies: Vec<String>,
    #[serde(default)]
    pub duration_s: Option<f64>,
    #[serde(default)]
    pub goals: Option<Vec<GoalAt>>,
    #[serde(default)]
    pub segments: Option<Segments>,
    #[serde(default)]
    pub pushes: Option<Pushes>,
    #[serde(default)]
    pub expect: Option<Expect>,
}

/// Robots by folder.
pub type RobotEntries = BTreeMap<String, RobotEntry>;

/// Chosen on the command line or by a parameter; `None` leaves what the file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Folder of the robot.
    pub robot: Option<String>,
    pub engine: Option<Engine>,
    pub seed: Option<u64>,
    /// Latency of the policies, ticks; may only raise what their manifests declare.
    pub latency_ticks: Option<u64>,
    pub solver_iterations: Option<usize>,
}

impl Scenario {
    /// This scenario with what was chosen, checked again; `file` names it in errors.
    ///
    /// # Errors
    /// A robot the file has no entry for, or a number out of its range.
    pub fn choose(mut self, choice: &Choice, file: &str) -> Result<Self, ScenarioError> {
        if let Some(robot) = &choice.robot {
            self = self.for_robot(robot, file)?;
        }
        self.engine = choice.engine.unwrap_or(self.engine);
        self.seed = choice.seed.unwrap_or(self.seed);
        self.latency_ticks = choice.latency_ticks.unwrap_or(self.latency_ticks);
        self.solver_iterations = choice.solver_iterations.unwrap_or(self.solver_iterations);
        check(&self, file)?;
        Ok(self)
    }

    /// Every robot this file has an entry for, its own first.
    #[must_use]
    pub fn robots(&self) -> Vec<&str> {
        std::iter::once(self.robot.as_str()).chain(self.robots.keys().map(String::as_str)).collect()
    }

    fn for_robot(mut self, robot: &str, file: &str) -> Result<Self, ScenarioError> {
        if robot == self.robot {
            return Ok(self);
        }
        let known = self.robots().join(", ");
        let Some(entry) = self.robots.remove(robot) else {
            return Err(ScenarioError::Value {
                file: file.into(),
                field: format!("robots.{robot}"),
                expected: format!("an entry for this robot; the file has {known}"),
                found: "none".into(),
            });
        };
        self.robot = robot.to_owned();
        self.policies = entry.policies;
        self.duration_s = entry.duration_s.unwrap_or(self.duration_s);
        self.goals = entry.goals.unwrap_or(self.goals);
        self.segments = entry.segments.unwrap_or(self.segments);
        self.pushes = entry.pushes.or(self.pushes);
        self.expect = entry.expect.unwrap_or(self.expect);
        self.robots.clear();
        Ok(self)
    }
}
