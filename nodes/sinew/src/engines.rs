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
use std::sync::{Mutex, PoisonError};

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

/// A proof of where an engine made in this process runs.
#[derive(Debug)]
struct Proof {
    /// The model's number on the wire, and the engine's own name.
    of: (u32, String),
    model: String,
    placement: serde_json::Value,
}

static PROOFS: Mutex<Vec<Proof>> = Mutex::new(Vec::new());

/// Where `policy` runs, by the name of its model; empty for an engine without providers. An engine that was made for a
/// policy that is not in use, as for a swap that is refused, is not among it.
pub fn placement_of(policy: &Policy) -> serde_json::Value {
    placement_in_use(policy.model_hash(), policy.engine_name())
}

fn placement_in_use(model_hash: u32, engine: &str) -> serde_json::Value {
    let proofs = PROOFS.lock().unwrap_or_else(PoisonError::into_inner);
    match proofs.iter().find(|proof| proof.of.0 == model_hash && proof.of.1 == engine) {
        Some(proof) => json!({ proof.model.as_str(): proof.placement }),
        None => json!({}),
    }
}

fn remember(model: &Model, engine: &str, placement: serde_json::Value) {
    let of = (model.wire_hash(), engine.to_owned());
    let proof = Proof { of, model: model.manifest.name.clone(), placement };
    let mut proofs = PROOFS.lock().unwrap_or_else(PoisonError::into_inner);
    proofs.retain(|known| known.of != proof.of);
    proofs.push(proof);
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
        remember(model, made.engine.name(), placement.to_json());
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
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use sinew_inference::Directory;

    fn model() -> Model {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("launch/robots/quad/models");
        Model::load(&Directory::new(folder), "quad_walk.model.toml").unwrap()
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

    #[test]
    fn an_engine_made_for_another_policy_is_not_said_to_be_in_use() {
        let model = model();
        let hash = model.wire_hash();
        remember(&model, "onnxruntime 1 (cpu)", json!({ "share": 1.0 }));
        remember(&model, "onnxruntime 1 (cuda)", json!({ "share": 0.5 }));
        assert_eq!(placement_in_use(hash, "native"), json!({}));
        assert_eq!(placement_in_use(hash ^ 1, "onnxruntime 1 (cpu)"), json!({}));
        let cpu = json!({ "quad_walk": { "share": 1.0 } });
        assert_eq!(placement_in_use(hash, "onnxruntime 1 (cpu)"), cpu);
        // Made anew for the same: the newer proof counts.
        remember(&model, "onnxruntime 1 (cpu)", json!({ "share": 0.9 }));
        assert_eq!(placement_in_use(hash, "onnxruntime 1 (cpu)"), json!({ "quad_walk": { "share": 0.9 } }));
    }
}
