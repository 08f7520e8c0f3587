//! Which physics engine a run has, by name; who builds it is up to the composition.
use std::fmt;

use serde::Deserialize;
use sinew_robot::Robot;
use sinew_twin::{ModelError, Physics, RapierConfig, Twin};

/// The engines there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Built in.
    #[default]
    Rapier,
    /// A foreign library, opened at run time.
    Mujoco,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Rapier, Self::Mujoco];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rapier => "rapier",
            Self::Mujoco => "mujoco",
        }
    }

    /// The engine of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why there is no physics.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine refuses the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A core opens no library; the program around it must bring the engine.
    #[error("engine {0}: not brought along by this program; use engine rapier")]
    Absent(Engine),
    /// A foreign engine could not be had, or refuses the model.
    #[error("engine {engine}: {reason}")]
    Foreign {
        /// Which one.
        engine: Engine,
        /// What it says.
        reason: String,
    },
}

/// Builds physics for a robot.
pub trait Engines: fmt::Debug + Send + Sync {
    /// `robot` in `engine`, at rest wherever the model puts it; `iterations` of the solver count for rapier alone.
    ///
    /// # Errors
    /// [`EngineError`].
    fn build(
        &self,
        engine: Engine,
        robot: &Robot,
        iterations: usize,
    ) -> Result<Box<dyn Physics>, EngineError>;
}

/// What a core can build without opening a library.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

impl Engines for BuiltIn {
    fn build(
        &self,
        engine: Engine,
        robot: &Robot,
        iterations: usize,
    ) -> Result<Box<dyn Physics>, EngineError> {
        match engine {
            Engine::Rapier => {
                let config = RapierConfig { solver_iterations: iterations, ..RapierConfig::default() };
                Ok(Twin::rapier(robot, &config)?)
            }
            Engine::Mujoco => Err(EngineError::Absent(engine)),
        }
    }
}
