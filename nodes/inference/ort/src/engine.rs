//! One model on ONNX Runtime: f32 inputs written in place, outputs allocated once, the rest converted at the seam.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ort::value::Outlet;
use sinew_inference::{Engine, EngineIo, Model, RunError, TensorInfo};

use crate::builder::engine_key;
use crate::cache::EngineCache;
use crate::config::ProviderConfig;
use crate::diagnose::Machine;
use crate::foreign::{BoundSession, recorded};
use crate::placement::{Placement, PlacementError};
use crate::profile::{self, ProfileFile};
use crate::provider::Provider;
use crate::refusal::OrtEngineError;
use crate::runtime::Runtime;
use crate::session::{GraphBytes, Settings, build, preflight};
use crate::tensors::{element, takes};

/// Runs measured after warm-up at most, and for how long at most.
const MEASURED_RUNS: usize = 200;
const MEASURED_TIME: Duration = Duration::from_secs(2);

/// A session with its tensors.
pub struct OrtEngine {
    name: String,
    io: EngineIo,
    bound: BoundSession,
    /// What [`OrtEngine::proven`] has proven.
    placement: Option<serde_json::Value>,
}

impl OrtEngine {
    /// Builds the engine of a checked model; `providers` in order of preference, the last is the weakest allowed.
    pub fn new(runtime: &Runtime, model: &Model, providers: &[Provider]) -> Result<Self, OrtEngineError> {
        let config = ProviderConfig::of(providers);
        Self::build(runtime, &GraphBytes::of(model), &io_of(model), &config, None)
    }

    /// Builds the engine of any graph whose tensors all have the types and shapes in `io`.
    pub fn with_io(
        runtime: &Runtime,
        graph: &[u8],
        io: &EngineIo,
        providers: &[Provider],
    ) -> Result<Self, OrtEngineError> {
        Self::build(runtime, &GraphBytes::whole(graph), io, &ProviderConfig::of(providers), None)
    }

    /// Builds the engine by configuration, its providers registered and unproven; TensorRT's engines are taken from
    /// `engines`, never built.
    pub fn build(
        runtime: &Runtime,
        graph: &GraphBytes,
        io: &EngineIo,
        config: &ProviderConfig,
        engines: Option<&EngineCache>,
    ) -> Result<Self, OrtEngineError> {
        Self::build_with(runtime, graph, io, config, engines, None)
    }

    /// Builds the engine and proves where it runs: record of the session, profile of the warm-up, time per run. What
    /// is not as the configuration wants it is an error, never a slower engine.
    pub fn proven(
        runtime: &Runtime,
        graph: &GraphBytes,
        io: &EngineIo,
        config: &ProviderConfig,
        engines: Option<&EngineCache>,
    ) -> Result<(Self, Placement), OrtEngineError> {
        let version = runtime.version();
        let folder = std::env::temp_dir();
        let misplaced = |error: PlacementError| OrtEngineError::Placement { version: version.clone(), error };
        let unread = |reason: String| OrtEngineError::Profile {
            version: version.clone(),
            folder: folder.display().to_string(),
            reason,
        };
        let file = ProfileFile::create_in(&folder).map_err(|e| unread(e.to_string()))?;
        let mut engine = Self::build_with(runtime, graph, io, config, engines, Some(file.prefix()))?;
        let call = |name: &str| runtime.call(name);
        let weights = graph.weights(&version)?;
        let recorded = recorded(engine.bound.session())
            .map_err(|reason| OrtEngineError::Session { version: version.clone(), reason })?;
        let recorded = recorded.map(|s| Placement::of_assignment(&version, config, &s, &weights, &call));
        if let Some(placement) = &recorded {
            placement.judge_assignment().map_err(misplaced)?;
        }
        let runs = config.warmup.max(1);
        let first_us = engine.warm_up(runs, &version)?;
        engine.bound.session().end_profiling().map_err(|e| unread(e.to_string()))?;
        let profile = file.read().map_err(unread)?;
        let kernels = profile::parse(&profile, runs, &call).map_err(|e| unread(e.to_string()))?;
        let mut placement = match recorded {
            Some(placement) => placement,
            None => {
                // An interface without a record: the profile has to answer for the shares, too.
                let ran = profile::as_record(&profile).map_err(|e| unread(e.to_string()))?;
                let placement = Placement::of_profile(&version, config, &ran, &weights, &call);
                placement.judge_assignment().map_err(misplaced)?;
                placement
            }
        };
        placement.judge_kernels(kernels).map_err(misplaced)?;
        let times = engine.measure(&version)?;
        placement.judge_times(first_us, times).map_err(misplaced)?;
        engine.name = format!("onnxruntime {version} ({})", placement.summary());
        engine.placement = Some(placement.to_json());
        Ok((engine, placement))
    }

    fn build_with(
        runtime: &Runtime,
        graph: &GraphBytes,
        io: &EngineIo,
        config: &ProviderConfig,
        engines: Option<&EngineCache>,
        profile: Option<PathBuf>,
    ) -> Result<Self, OrtEngineError> {
        let version = runtime.version();
        let choices = preflight(runtime, config, &io.inputs)?;
        let prepared = match (config.providers.iter().any(|p| p == Provider::TensorRt.key()), engines) {
            (false, _) => None,
            (true, None) => return Err(OrtEngineError::NoCache),
            (true, Some(cache)) => {
                let key = engine_key(runtime, graph, config, &Machine::here())?;
                Some(cache.prepared(&key)?)
            }
        };
        let settings = Settings {
            config,
            tensorrt: config.tensorrt.run_options(),
            profile,
            forbid_compiling: prepared.is_some(),
        };
        let session = match &prepared {
            Some(prepared) => {
                build(runtime, &GraphBytes::whole(prepared.context.as_slice()), &choices, &settings)?
            }
            None => build(runtime, graph, &choices, &settings)?,
        };
        let failed =
            |e: ort::Error| OrtEngineError::Session { version: version.clone(), reason: e.to_string() };
        let inputs = in_session_order("input", &version, session.inputs(), &io.inputs)?;
        let outputs = in_session_order("output", &version, session.outputs(), &io.outputs)?;
        let io = EngineIo { inputs, outputs };
        // Nothing but the CPU was asked for: that needs no proof. Anything else gets its name by `proven`.
        let asked: Vec<&str> = choices.iter().map(|c| c.key()).collect();
        let shown =
            if asked == ["cpu"] { "cpu".to_owned() } else { format!("unproven: {}", asked.join(", ")) };
        Ok(Self {
            name: format!("onnxruntime {version} ({shown})"),
            bound: BoundSession::new(session, &io).map_err(&failed)?,
            io,
            placement: None,
        })
    }

    /// The first run's time, us, after `runs` runs on zeros.
    fn warm_up(&mut self, runs: u32, version: &str) -> Result<f64, OrtEngineError> {
        let mut first_us = f64::NAN;
        for run in 0..runs {
            let began = Instant::now();
            self.run().map_err(|error| OrtEngineError::WarmUp {
                version: version.to_owned(),
                run: run + 1,
                runs,
                reason: error.to_string(),
            })?;
            if run == 0 {
                first_us = began.elapsed().as_secs_f64() * 1e6;
            }
        }
        Ok(first_us)
    }

    fn measure(&mut self, version: &str) -> Result<Vec<f64>, OrtEngineError> {
        let until = Instant::now() + MEASURED_TIME;
        let mut times_us = Vec::with_capacity(MEASURED_RUNS);
        while times_us.is_empty() || (times_us.len() < MEASURED_RUNS && Instant::now() < until) {
            times_us.push(self.warm_up(1, version)?);
        }
        Ok(times_us)
    }

    fn failure(&self, reason: String) -> RunError {
        RunError::Engine { engine: self.name.clone(), reason }
    }
}

/// Tensors of a model as its manifest pins them.
pub fn io_of(model: &Model) -> EngineIo {
    EngineIo { inputs: model.inputs(), outputs: model.outputs() }
}

/// The tensors in the session's own order; both sides must have the same names, types and shapes.
fn in_session_order(
    direction: &'static str,
    version: &str,
    session: &[Outlet],
    wanted: &[TensorInfo],
) -> Result<Vec<TensorInfo>, OrtEngineError> {
    let find = |o: &Outlet| wanted.iter().find(|info| info.name == o.name()).cloned();
    let ordered: Vec<TensorInfo> = session.iter().filter_map(find).collect();
    if ordered.len() != session.len() || session.len() != wanted.len() {
        let found: Vec<&str> = session.iter().map(Outlet::name).collect();
        let expected: Vec<&str> = wanted.iter().map(|info| info.name.as_str()).collect();
        return Err(OrtEngineError::Tensors {
            version: version.to_owned(),
            direction,
            found: found.join(", "),
            expected: expected.join(", "),
        });
    }
    for (outlet, info) in session.iter().zip(&ordered) {
        let (element, found) = element(outlet.dtype());
        if element != Some(info.element) || !takes(outlet.dtype(), &info.shape) {
            return Err(OrtEngineError::Tensor {
                version: version.to_owned(),
                direction,
                tensor: info.name.clone(),
                found,
                expected: format!("{} {:?}", info.element, info.shape),
            });
        }
    }
    Ok(ordered)
}

impl Engine for OrtEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn io(&self) -> &EngineIo {
        &self.io
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.bound.input_mut(index)
    }

    fn run(&mut self) -> Result<(), RunError> {
        self.bound.run(&self.io).map_err(|wrong| wrong.unwrap_or_else(|reason| self.failure(reason)))
    }

    fn output(&self, index: usize) -> &[f32] {
        self.bound.output(index)
    }

    fn placement(&self) -> Option<&serde_json::Value> {
        self.placement.as_ref()
    }
}
