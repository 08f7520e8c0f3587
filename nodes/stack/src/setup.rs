//! One robot, one scenario, and the cores that belong to them, built the same way in every composition.
use sinew_bridge::{Bridge, BridgeConfig};
use sinew_control::{Control, ControlConfig, Degrade, MotionSource, OnMiss, PolicyTiming};
use sinew_inference::{Model, Source as ModelSource, manifest};
use sinew_policy::{Policy, PolicyConfig, Remote, RemoteConfig, SlotConfig};
use sinew_robot::{OnLoss, Robot};
use sinew_twin::{Twin, TwinConfig};
use sinew_wire::{Source, robot_id};
use std::sync::Arc;

use crate::engine::{BuiltIn, Engine, EngineError, Engines};
use crate::offboard::LatencyMismatch;
use crate::policy_engine::{MakeEngine, native_engine};
use crate::scenario::{Event, Scenario};

/// Ticks from one motion frame to the next, and from the state it was computed from to the tick it enters.
const MOTION_DECIMATION: u64 = 10;
const MOTION_LATENCY: u64 = 2;

/// Who takes part in a lockstep run, and when each one's input is due: a static table of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockstepPlan {
    pub policy: PolicyTiming,
    pub motion: PolicyTiming,
}

/// Bits of the participants' mask.
#[derive(Clone, Copy, Debug)]
pub struct Participants;

impl Participants {
    pub const BRIDGE: u32 = 1;
    pub const CONTROL: u32 = 2;
    pub const POLICY: u32 = 4;
    pub const OPERATOR: u32 = 8;
}

/// What every composition of a run is built from.
#[derive(Debug)]
pub struct Setup {
    pub robot: Robot,
    /// The robot's name in frames, keys and namespaces.
    pub name: String,
    /// Verified models, by policy number.
    pub models: Vec<Model>,
    /// Models that a scenario swaps in, in the order of its events; or why one cannot be read.
    pub incoming: Vec<Result<Model, String>>,
    /// The model that runs on another machine.
    pub offboard: Option<Model>,
    pub seed: u64,
    pub noise_scale: f64,
    pub latency_ticks: u64,
    pub engine: Engine,
    /// Solver iterations of rapier.
    pub solver_iterations: usize,
    /// Who builds the engine; without help only what a core can build.
    pub engines: Arc<dyn Engines>,
    /// Who makes a policy's engine; without help the native one only.
    pub make_engine: MakeEngine,
}

/// Why the cores cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Model(#[from] sinew_inference::LoadError),
    #[error("{file}: {error}")]
    Compile { file: String, error: String },
    #[error(transparent)]
    Policy(Box<sinew_policy::SetupError>),
    #[error(transparent)]
    Bridge(#[from] sinew_bridge::ConfigError),
    #[error(transparent)]
    Control(#[from] sinew_control::ConfigError),
    #[error(transparent)]
    Physics(#[from] EngineError),
    #[error(transparent)]
    Twin(#[from] sinew_twin::TwinError),
    #[error(transparent)]
    Offboard(#[from] LatencyMismatch),
    #[error("policy {number} does not exist, there are {count}")]
    NoPolicy { number: usize, count: usize },
}

impl From<sinew_policy::SetupError> for SetupError {
    fn from(error: sinew_policy::SetupError) -> Self {
        Self::Policy(Box::new(error))
    }
}

impl SetupError {
    /// A model was read whole and judged unfit: what a negative control waits for. A file that is missing or damaged is
    /// no such verdict.
    #[must_use]
    pub fn is_policy_refusal(&self) -> bool {
        matches!(self, Self::Policy(_))
    }
}

/// What control does when outputs of `model` do not come, as its manifest declares.
fn degrade(model: &Model) -> Degrade {
    Degrade {
        on_miss: match model.manifest.runtime.on_miss {
            manifest::OnMiss::Hold => OnMiss::Hold,
            manifest::OnMiss::Damp => OnMiss::Damp,
            manifest::OnMiss::Fault => OnMiss::Fault,
        },
        misses_max: model.manifest.runtime.misses_max,
        on_loss: match model.manifest.safety.fallback {
            manifest::Fallback::Stand => OnLoss::Stand,
            manifest::Fallback::Damp => OnLoss::Damping,
        },
    }
}

impl Setup {
    /// Reads the named manifests; nothing is built yet.
    ///
    /// # Errors
    /// The first model that does not load.
    pub fn new(
        robot: Robot,
        name: &str,
        source: &dyn ModelSource,
        manifests: &[String],
    ) -> Result<Self, SetupError> {
        let models = manifests.iter().map(|m| Model::load(source, m)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            robot,
            name: name.into(),
            models,
            incoming: Vec::new(),
            offboard: None,
            seed: 1,
            noise_scale: 1.0,
            latency_ticks: 0,
            engine: Engine::default(),
            solver_iterations: 1,
            engines: Arc::new(BuiltIn),
            make_engine: native_engine,
        })
    }

    /// What `scenario` runs on, every policy verified once.
    ///
    /// # Errors
    /// The first model that does not load or does not fit the robot.
    pub fn of(scenario: &Scenario, robot: Robot, source: &dyn ModelSource) -> Result<Self, SetupError> {
        Self::of_with(scenario, robot, source, native_engine)
    }

    /// As [`Setup::of`], the policies on engines made by `make_engine`.
    ///
    /// # Errors
    /// As [`Setup::of`].
    pub fn of_with(
        scenario: &Scenario,
        robot: Robot,
        source: &dyn ModelSource,
        make_engine: MakeEngine,
    ) -> Result<Self, SetupError> {
        let manifests: Vec<String> = scenario.policies.iter().map(|p| format!("{p}.model.toml")).collect();
        let name = robot.name.clone();
        let mut setup = Self::new(robot, &name, source, &manifests)?;
        setup.make_engine = make_engine;
        setup.seed = scenario.seed;
        setup.noise_scale = scenario.noise_scale;
        setup.latency_ticks = scenario.latency_ticks;
        for event in &scenario.events {
            if let Event::Swap { model, .. } = event {
                let model = Model::load(source, &format!("{model}.model.toml"));
                setup.incoming.push(model.map_err(|e| e.to_string()));
            }
        }
        if let Some(plan) = &scenario.offboard {
            setup.offboard = Some(Model::load(source, &format!("{}.model.toml", plan.model))?);
        }
        setup.engine = scenario.engine;
        setup.solver_iterations = scenario.solver_iterations;
        for number in 0..setup.models.len() {
            setup.policy(number, 1)?;
        }
        Ok(setup)
    }

    /// # Errors
    /// What in the description does not fit.
    pub fn bridge(&self, boot_id: u32) -> Result<Bridge, SetupError> {
        Ok(Bridge::new(BridgeConfig::new(&self.robot, &self.name, boot_id))?)
    }

    /// # Errors
    /// What in the description does not fit.
    pub fn control(&self, boot_id: u32) -> Result<Control, SetupError> {
        let mut config = ControlConfig::new(&self.robot, &self.name, boot_id, self.robot.limits());
        config.policies = (0..self.models.len()).map(|i| self.policy_timing(i)).collect();
        config.degrades = self.models.iter().map(degrade).collect();
        config.sources =
            [(Source::AUTOSTART, 10), (Source::CMD_VEL, 50), (Source::SCENARIO, 90), (Source::DRIVE, 100)]
                .map(|(source, priority)| MotionSource { source, priority })
                .to_vec();
        Ok(Control::new(config)?)
    }

    /// # Errors
    /// What the physics or an emulator cannot represent.
    pub fn twin(&self) -> Result<Twin, SetupError> {
        let physics = self.engines.build(self.engine, &self.robot, self.solver_iterations)?;
        let config = TwinConfig { seed: self.seed, noise_scale: self.noise_scale, ..TwinConfig::default() };
        Ok(Twin::new(&self.robot, physics, config)?)
    }

    /// Policy `number` on the engine its manifest asks for, its golden vectors run.
    ///
    /// # Errors
    /// Why the policy does not fit this robot.
    pub fn policy(&self, number: usize, boot_id: u32) -> Result<Policy, SetupError> {
        let count = self.models.len();
        let model = self.models.get(number).ok_or(SetupError::NoPolicy { number, count })?;
        self.policy_of(model, number, boot_id)
    }

    /// `model` as policy `number`, its golden vectors run.
    ///
    /// # Errors
    /// Why it does not fit this robot.
    pub fn policy_of(&self, model: &Model, number: usize, boot_id: u32) -> Result<Policy, SetupError> {
        let engine = (self.make_engine)(model)
            .map_err(|error| SetupError::Compile { file: model.file.clone(), error })?;
        let joints: Vec<String> = self.robot.joint_names().map(str::to_owned).collect();
        let gains: Vec<(f64, f64)> =
            self.robot.joints.iter().map(|j| (j.limits.kp_max, j.limits.kd_max)).collect();
        let feet: Vec<String> = self.robot.feet.iter().map(|foot| foot.name.clone()).collect();
        let ranges: Vec<(f64, f64)> =
            self.robot.joints.iter().map(|j| (j.limits.q_min_rad, j.limits.q_max_rad)).collect();
        let config = PolicyConfig {
            number: number as u8,
            joints: &joints,
            feet: &feet,
            max_gains: Some(&gains),
            stand_kp_nm_per_rad: Some(self.robot.stand.kp),
            position_limits: Some(&ranges),
            period_ns: self.robot.period_ns,
            latency_ticks_min: u32::try_from(self.policy_timing(number).latency_ticks).unwrap_or(u32::MAX),
            boot_id,
        };
        Ok(Policy::verified(model, engine, &config)?.0)
    }

    /// The robot's side of a policy slot: in a hand-over no target moves further in one run than its joint could.
    #[must_use]
    pub fn slot_config(&self, number: usize, decimation: u64) -> SlotConfig {
        let run_s = decimation as f64 * self.robot.period_ns as f64 * 1e-9;
        let most = |joint: &sinew_robot::Joint| (joint.limits.dq_max_rad_s * run_s) as f32;
        let latency = self.policy_timing(number).latency_ticks;
        SlotConfig {
            transition_rad: self.robot.joints.iter().map(most).collect(),
            latency_ticks: u32::try_from(latency).unwrap_or(u32::MAX),
        }
    }

    /// Another machine as policy `number` of this robot.
    #[must_use]
    pub fn remote(&self, config: RemoteConfig, number: usize) -> Remote {
        Remote::new(config, robot_id(&self.name), number as u8, self.robot.period_ns)
    }

    fn policy_timing(&self, number: usize) -> PolicyTiming {
        let Some(model) = self.models.get(number) else {
            return PolicyTiming { decimation: 1, latency_ticks: 1 };
        };
        let runtime = &model.manifest.runtime;
        let ticks = 1e9 / (runtime.rate_hz * self.robot.period_ns as f64);
        PolicyTiming {
            decimation: (ticks.round() as u64).max(1),
            // The description and the scenario may only raise what the manifest declares.
            latency_ticks: u64::from(runtime.latency_ticks)
                .max(u64::from(self.robot.policy.latency_ticks_min))
                .max(self.latency_ticks),
        }
    }

    /// When inputs are due. All policies of a run share the slowest timing, so that one table serves them.
    #[must_use]
    pub fn plan(&self) -> LockstepPlan {
        LockstepPlan {
            policy: self.policy_timing(0),
            motion: PolicyTiming { decimation: MOTION_DECIMATION, latency_ticks: MOTION_LATENCY },
        }
    }
}
