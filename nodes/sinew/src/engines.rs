//! The engine a manifest asks for, proven to be where it asks for; or why there is none.
//!
//! `runtime.engine` is an order of preference among equals: the first that this program has. One that it has and
//! that refuses the model is a refusal of the model; the next one is never taken in silence.
//!
//! A robot fetches nothing while it starts: [`make`] opens what is installed. Where the world is simulated, and in the
//! commands that prepare and judge a model, a library that is not there is fetched: [`make_or_fetch`].
use serde_json::json;
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, Model, NativeEngine};
use sinew_inference_ort::{
    EngineCache, GraphBytes, ONNX_RUNTIME, OrtEngine, Placement, Provider, ProviderConfig, Runtime, io_of,
    places,
};
use sinew_pinned::{NotFound, Places};
use sinew_policy::Policy;
use std::path::{Path, PathBuf};

/// An engine and, for one that has providers, the proof of where it runs.
pub struct Made {
    pub engine: Box<dyn Engine>,
    pub placement: Option<Placement>,
}

/// May a library that is not there be fetched from the network?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Where no robot waits for it.
    Allowed,
    /// On the way to a robot's start.
    Never,
}

/// ONNX Runtime is not on this machine, and this is no place to fetch it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{model}: {missing}; a robot fetches nothing while it starts: run `sinew model check {model}` on this machine \
     once, which fetches it and proves the model on it"
)]
struct NotInstalled {
    model: String,
    missing: NotFound,
}

/// Folder of prepared engines.
pub fn prepared_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = var("XDG_STATE_HOME").or_else(|| var("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("sinew/engines")
}

/// Where `policy` runs, by the name of its model; empty for an engine without providers. Each policy's engine bears its
/// own proof: what is made for another one, as for a swap that is refused, says nothing about this one.
pub fn placement_of(policy: &Policy) -> serde_json::Value {
    match policy.engine().placement() {
        Some(placement) => json!({ policy.model_name(): placement }),
        None => json!({}),
    }
}

/// The first engine that the manifest names and this program has, of what is installed.
///
/// # Errors
/// Why it does not run this model.
pub fn make(model: &Model) -> Result<Box<dyn Engine>, String> {
    first(model, Fetch::Never)
}

/// As [`make`]; a library that is not there is fetched.
///
/// # Errors
/// Why it does not run this model.
pub fn make_or_fetch(model: &Model) -> Result<Box<dyn Engine>, String> {
    first(model, Fetch::Allowed)
}

fn first(model: &Model, fetch: Fetch) -> Result<Box<dyn Engine>, String> {
    let kinds = &model.manifest.runtime.engines;
    let Some(kind) = kinds.iter().find(|k| has(**k)) else { return Err(none_of(model)) };
    let made = make_kind(model, *kind, fetch)?;
    if let Some(placement) = &made.placement {
        if placement.is_mixed() {
            // Frames have room for one provider.
            eprintln!("{}: runs on several providers: {placement}", model.manifest.name);
        }
        if let Some(warning) = &placement.warning {
            eprintln!("{}: warning: {warning}", model.manifest.name);
        }
    }
    Ok(made.engine)
}

/// An engine to look into the model with: the first of those the manifest names that takes it, ONNX Runtime on the CPU
/// wherever the manifest wants it, with nothing proven about its speed.
///
/// # Errors
/// Why none of them does.
pub fn make_to_look_into(model: &Model) -> Result<Box<dyn Engine>, String> {
    let mut refusals = Vec::new();
    for kind in model.manifest.runtime.engines.iter().filter(|k| has(**k)) {
        let made = match kind {
            EngineKind::OnnxRuntime => Runtime::find_or_fetch(&places())
                .map_err(|e| e.to_string())
                .and_then(|r| OrtEngine::new(&r, model, &[Provider::Cpu]).map_err(|e| e.to_string()))
                .map(|engine| Box::new(engine) as Box<dyn Engine>),
            other => make_kind(model, *other, Fetch::Allowed).map(|made| made.engine),
        };
        match made {
            Ok(engine) => return Ok(engine),
            Err(reason) => refusals.push(format!("{}: {reason}", kind.name())),
        }
    }
    if refusals.is_empty() { Err(none_of(model)) } else { Err(refusals.join("; ")) }
}

fn none_of(model: &Model) -> String {
    let names: Vec<&str> = model.manifest.runtime.engines.iter().map(|k| k.name()).collect();
    format!(
        "runtime.engine asks for {}, which this program was built without; add \"native\" or \"onnxruntime\"",
        names.join(", ")
    )
}

/// The engine of one kind.
///
/// # Errors
/// Why it does not run this model.
pub fn make_kind(model: &Model, kind: EngineKind, fetch: Fetch) -> Result<Made, String> {
    match kind {
        EngineKind::Native => {
            let engine = NativeEngine::new(model).map_err(|e| e.to_string())?;
            Ok(Made { engine: Box::new(engine), placement: None })
        }
        EngineKind::OnnxRuntime => onnxruntime(model, &places(), fetch),
        EngineKind::Tract => tract(model),
    }
}

/// Why an engine that the cargo feature `tract` brings is not there.
pub const WITHOUT_TRACT: &str =
    "this program was built without it; build it with `cargo build --release --features tract`";

/// Was this program built with that engine?
pub fn has(kind: EngineKind) -> bool {
    match kind {
        EngineKind::Native | EngineKind::OnnxRuntime => true,
        EngineKind::Tract => cfg!(feature = "tract"),
    }
}

fn onnxruntime(model: &Model, places: &Places, fetch: Fetch) -> Result<Made, String> {
    let folder = Path::new(&model.file).parent().unwrap_or(Path::new("."));
    let config = ProviderConfig::of_manifest(&model.manifest, folder).map_err(|e| e.to_string())?;
    let runtime = match (fetch, ONNX_RUNTIME.find(places)) {
        (Fetch::Never, Err(missing)) => {
            return Err(NotInstalled { model: model.file.clone(), missing }.to_string());
        }
        _ => Runtime::find_or_fetch(places).map_err(|e| e.to_string())?,
    };
    let cache = EngineCache::new(prepared_dir());
    let (engine, placement) =
        OrtEngine::proven(&runtime, &GraphBytes::of(model), &io_of(model), &config, Some(&cache))
            .map_err(|e| e.to_string())?;
    Ok(Made { engine: Box::new(engine), placement: Some(placement) })
}

#[cfg(feature = "tract")]
fn tract(model: &Model) -> Result<Made, String> {
    let io = io_of(model);
    let engine = sinew_inference_tract::TractEngine::new(&model.graph_bytes, &model.external, &io)
        .map_err(|e| e.to_string())?;
    Ok(Made { engine: Box::new(engine), placement: None })
}

#[cfg(not(feature = "tract"))]
fn tract(model: &Model) -> Result<Made, String> {
    Err(format!("{}: engine tract: {WITHOUT_TRACT}", model.file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
    use super::*;
    use sinew_inference::{Directory, EngineIo, RunError};
    use sinew_policy::{Slot, SwapRequest, SwapStage};
    use sinew_robot::Robot;
    use sinew_stack::Setup;
    use sinew_wire::{RobotJoint, RobotState, StepTime};

    const MANIFEST: &str = "quad_walk.model.toml";

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("launch/robots/quad/models")
    }

    fn model() -> Model {
        Model::load(&Directory::new(models()), MANIFEST).unwrap()
    }

    /// A fetch would fill the folder, or fail with what pip says; neither happens.
    #[test]
    fn a_library_that_is_not_there_is_not_fetched_on_the_way_to_a_robots_start() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { runtime_dir: Some(dir.path().join("runtime")), ..Places::default() };
        let error = onnxruntime(&model(), &places, Fetch::Never).err().unwrap();
        for part in [
            "no libonnxruntime.so found",
            "fetches nothing while it starts",
            "sinew model check",
            "quad_walk",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(!dir.path().join("runtime").exists());
    }

    /// The native engine, with a proof as if it had providers.
    struct Placed {
        inner: NativeEngine,
        proof: serde_json::Value,
    }

    impl Engine for Placed {
        fn name(&self) -> &str {
            "onnxruntime 1 (cpu)"
        }
        fn io(&self) -> &EngineIo {
            self.inner.io()
        }
        fn input_mut(&mut self, index: usize) -> &mut [f32] {
            self.inner.input_mut(index)
        }
        fn run(&mut self) -> Result<(), RunError> {
            self.inner.run()
        }
        fn output(&self, index: usize) -> &[f32] {
            self.inner.output(index)
        }
        fn placement(&self) -> Option<&serde_json::Value> {
            Some(&self.proof)
        }
    }

    fn placed(model: &Model) -> Result<Box<dyn Engine>, String> {
        let inner = NativeEngine::new(model).map_err(|e| e.to_string())?;
        Ok(Box::new(Placed { inner, proof: json!({ "made_for": model.manifest.version }) }))
    }

    /// The walking policy of other manifests, of the same weights on the same engine.
    fn edited(edits: &[(&str, &str)]) -> Model {
        let dir = tempfile::tempdir().unwrap();
        for file in ["quad_walk.onnx", "quad_walk.golden.json"] {
            std::fs::copy(models().join(file), dir.path().join(file)).unwrap();
        }
        let mut text = std::fs::read_to_string(models().join(MANIFEST)).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "{from} in {text}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(dir.path().join(MANIFEST), text).unwrap();
        Model::load(&Directory::new(dir.path()), MANIFEST).unwrap()
    }

    #[test]
    fn what_is_said_of_the_running_policys_placement_is_its_own_until_another_is_in_its_place() {
        let robot = Robot::load(models().parent().unwrap()).unwrap();
        let mut setup = Setup::new(robot, "quad", &Directory::new(models()), &[MANIFEST.to_owned()]).unwrap();
        setup.make_engine = placed;
        let running = setup.policy(0, 1).unwrap();
        let own = json!({ "quad_walk": { "made_for": setup.models[0].manifest.version } });
        let config = setup.slot_config(0, running.decimation());
        let mut slot = Slot::new(running, config);
        let request = SwapRequest { shadow_runs: 3, blend_runs: 2, max_difference_rad: 0.5 };
        assert_eq!(placement_of(slot.policy()), own);

        let name = ("name = \"quad_walk\"", "name = \"renamed\"");
        let version = ("version = \"1.1.0\"", "version = \"9\"");
        let unfit = edited(&[name, version, ("latency_ticks = 2", "latency_ticks = 2\non_miss = \"damp\"")]);
        assert_eq!(unfit.wire_hash(), setup.models[0].wire_hash());
        let unfit = setup.policy_of(&unfit, 0, 1).unwrap();
        assert!(slot.begin_swap(unfit, request).is_err());
        assert_eq!(placement_of(slot.policy()), own, "a refused one");

        let fit = setup.policy_of(&edited(&[name, version]), 0, 1).unwrap();
        slot.begin_swap(fit, request).unwrap();
        let mut state = RobotState::default();
        state.joints.extend(setup.robot.joint_names().map(|_| RobotJoint::default()));
        state.body.projected_gravity = [0.0, 0.0, -1.0];
        state.body.orientation = [1.0, 0.0, 0.0, 0.0];
        let mut stages = Vec::new();
        while let Some(stage) = slot.swap_stage() {
            assert_eq!(placement_of(slot.policy()), own, "beside it: {stage:?}");
            stages.push(stage);
            slot.step(&state, StepTime::from_ns(state.header.step * setup.robot.period_ns));
            state.header.step += slot.policy().decimation();
        }
        let shadow = [SwapStage::Shadow; 3];
        assert_eq!(stages, [&shadow[..], &[SwapStage::Blend; 2]].concat());
        assert_eq!(placement_of(slot.policy()), json!({ "renamed": { "made_for": "9" } }));
        // An engine with one place only has nothing to say.
        setup.make_engine = sinew_stack::native_engine;
        assert_eq!(placement_of(&setup.policy(0, 1).unwrap()), json!({}));
    }
}
