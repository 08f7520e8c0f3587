//! What every node of a robot needs before its loop: parameters, description, sockets, a way to be stopped.
use anyhow::{Context, Result, bail, ensure};
use sinew_inference::Directory;
use sinew_ports::RunDir;
use sinew_robot::Robot;
use sinew_rt::fast_path::FastPath;
use sinew_rt::thread::{Mode, ThreadConfig, adopt};
use sinew_runner::StopSignals;
use sinew_stack::{BodyVelocity, Choice, Engine, Models, Participants, Scenario, Setup};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::keys;
use super::params::Params;
use crate::physics_engines::AllEngines;

/// Value of the parameter `engine` for a robot that stands still by itself, in no physics.
pub const NO_ENGINE: &str = "none";

/// Largest value of the parameter `latency_ticks`, as in a scenario file.
const LATENCY_TICKS_MAX: u64 = 100;

/// A node's surroundings.
#[derive(Debug)]
pub struct NodeSite {
    pub params: Params,
    pub setup: Setup,
    pub run_dir: RunDir,
    pub scenario: Option<(Scenario, String)>,
    /// Who takes part from the start.
    pub participants: u32,
    pub free_run: bool,
    /// Core for the real-time threads of a free run.
    pub core: Option<usize>,
    pub boot_id: u32,
    stop: Arc<AtomicBool>,
}

impl NodeSite {
    /// Reads everything; call before any other thread exists.
    ///
    /// # Errors
    /// What is missing or does not fit.
    pub fn new(words: &[String]) -> Result<Self> {
        let stop = watch_signals()?;
        let params = Params::parse(words)?;
        let name = params.text("robot")?.to_owned();
        let folder = params.path("description").with_context(|| "parameter description: missing")?;
        let robot = Robot::load(&folder)?;
        let run_dir = match params.path("run_dir") {
            Some(path) => RunDir::create(&path)?,
            None => crate::run_dir::of_robot(&name)?,
        };
        let scenario = match params.optional("scenario") {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("scenario {file}"))?;
                let scenario = Scenario::parse(file, &text)?.choose(&choice(&params)?, file)?;
                ensure!(
                    scenario.policy_body_velocity == BodyVelocity::Estimator,
                    "scenario {file}: policy_body_velocity: truth is an aid of the inline composition"
                );
                Some((scenario, file.to_owned()))
            }
        };
        let setup = setup(robot, &name, &folder, &params, scenario.as_ref())?;
        let all = Participants::BRIDGE | Participants::CONTROL | Participants::POLICY;
        Ok(Self {
            participants: params.number("participants", all)?,
            free_run: params.flag("free_run")?,
            core: params.optional("core").map(|_| params.number("core", 0)).transpose()?,
            boot_id: boot_id(),
            params,
            setup,
            run_dir,
            scenario,
            stop,
        })
    }

    /// The process was asked to end.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A session of this node: real-time scheduling in a free run, ordinary in lockstep.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, own: Option<&str>, others: &[&str]) -> Result<FastPath> {
        keys::open(&self.setup.name, self.run_dir.path(), own, others, self.free_run.then_some(self.core))
    }

    /// Gives the calling thread the scheduling of a real-time loop in a free run, and says what took effect.
    ///
    /// # Errors
    /// Never in simulation, where it reports and goes on.
    pub fn adopt_loop(&self, name: &str, priority: u8) -> Result<()> {
        if self.free_run {
            eprintln!("{}", adopt(&ThreadConfig::real_time(name, priority, self.core, Mode::Soft))?);
        }
        Ok(())
    }

    /// Where bridge and twin meet.
    #[must_use]
    pub fn bus_path(&self) -> std::path::PathBuf {
        self.run_dir.path().join("bus")
    }

    /// Keeps a result for whoever started this node.
    ///
    /// # Errors
    /// When the run directory cannot be written.
    pub fn leave_result(&self, node: &str, result: &serde_json::Value) -> Result<()> {
        let path = self.run_dir.path().join(format!("{node}.json"));
        std::fs::write(&path, result.to_string()).with_context(|| path.display().to_string())
    }
}

fn setup(
    robot: Robot,
    name: &str,
    folder: &Path,
    params: &Params,
    scenario: Option<&(Scenario, String)>,
) -> Result<Setup> {
    if let Some((scenario, file)) = scenario {
        let models = Models::of(Path::new(file), folder);
        // A scenario is always simulated.
        let mut setup = Setup::of_with(scenario, robot, &models, crate::engines::make_or_fetch)?;
        setup.name = name.to_owned();
        setup.engines = Arc::new(AllEngines::default());
        return Ok(setup);
    }
    let walk = || folder.join(format!("models/{}_walk.model.toml", robot.name));
    let model = params.path("model").unwrap_or_else(walk);
    let (source, manifest) = Directory::of_file(&model)?;
    let mut setup = Setup::new(robot, name, &source, &[manifest])?;
    // In lockstep the twin is the clock, so the world is simulated. With its own timing this may be the robot itself.
    setup.make_engine =
        if params.flag("free_run")? { crate::engines::make } else { crate::engines::make_or_fetch };
    let choice = choice(params)?;
    setup.seed = choice.seed.unwrap_or(setup.seed);
    setup.latency_ticks = choice.latency_ticks.unwrap_or(setup.latency_ticks);
    setup.engine = choice.engine.unwrap_or(setup.engine);
    setup.solver_iterations = choice.solver_iterations.unwrap_or(setup.solver_iterations);
    setup.engines = Arc::new(AllEngines::default());
    Ok(setup)
}

/// What the parameters want over the scenario file or the defaults.
fn choice(params: &Params) -> Result<Choice> {
    let some = |name| params.optional(name).map(|_| params.number(name, 0)).transpose();
    let engine = match params.optional("engine") {
        None | Some(NO_ENGINE) => None,
        Some(name) => match Engine::from_name(name) {
            Some(engine) => Some(engine),
            None => bail!(
                "parameter engine: expected {} or {NO_ENGINE}, found {name:?}",
                Engine::ALL.map(Engine::name).join(", ")
            ),
        },
    };
    let latency_ticks: Option<u64> = some("latency_ticks")?;
    if let Some(found) = latency_ticks {
        ensure!(
            found <= LATENCY_TICKS_MAX,
            "parameter latency_ticks: expected 0 to {LATENCY_TICKS_MAX}, found {found}"
        );
    }
    Ok(Choice {
        robot: params.optional("scenario_robot").map(str::to_owned),
        engine,
        seed: some("seed")?,
        latency_ticks,
        solver_iterations: some("solver_iterations")?.map(|n| n as usize),
    })
}

/// Unique enough to tell two starts of one process apart.
pub fn boot_id() -> u32 {
    let time = sinew_rt::clock::now().as_ns();
    let mixed = (time ^ u64::from(std::process::id()).rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) as u32).max(1)
}

fn watch_signals() -> Result<Arc<AtomicBool>> {
    let signals = StopSignals::take().context("signals")?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            while !matches!(signals.next(Duration::from_secs(3600)), Ok(Some(_)) | Err(_)) {}
            told.store(true, Ordering::Relaxed);
        })
        .context("signal thread")?;
    Ok(stop)
}
