//! The engine a manifest asks for, proven to be where it asks for; or why there is none.
//!
//! `runtime.engine` is an order of preference among equals: the first that this program has. One that it has and
//! that refuses the model is a refusal of the model; the next one is never taken in silence.
use serde_json::json;
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, Model, NativeEngine};
use sinew_inference_ort::{
    EngineCache, GraphBytes, OrtEngine, Placement, Places, ProviderConfig, Runtime, io_of,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An engine and, for one that has providers, the proof of where it runs.
pub struct Made {
    pub engine: Box<dyn Engine>,
    pub placement: Option<Placement>,
}

/// Folder of prepared engines.
pub fn prepared_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = var("XDG_STATE_HOME").or_else(|| var("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("sinew/engines")
}

/// Proofs of the engines made in this process, by model, for its reports.
static PLACEMENTS: Mutex<BTreeMap<String, serde_json::Value>> = Mutex::new(BTreeMap::new());

/// Where the engines made in this process run: one proof per model that has one.
pub fn placements() -> serde_json::Value {
    json!(*PLACEMENTS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The first engine that the manifest names and this program has.
///
/// # Errors
/// Why it does not run this model.
pub fn make(model: &Model) -> Result<Box<dyn Engine>, String> {
    let kinds = &model.manifest.runtime.engines;
    let Some(kind) = kinds.iter().find(|k| has(**k)) else {
        let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
        return Err(format!(
            "runtime.engine asks for {}, which this program was built without; add \"native\" or \"onnxruntime\"",
            names.join(", ")
        ));
    };
    let made = make_kind(model, *kind)?;
    if let Some(placement) = &made.placement {
        if placement.is_mixed() {
            // Frames have room for one provider.
            eprintln!("{}: runs on several providers: {placement}", model.manifest.name);
        }
        if let Some(warning) = &placement.warning {
            eprintln!("{}: warning: {warning}", model.manifest.name);
        }
        let mut known = PLACEMENTS.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(model.manifest.name.clone(), placement.to_json());
    }
    Ok(made.engine)
}

/// The engine of one kind.
///
/// # Errors
/// Why it does not run this model.
pub fn make_kind(model: &Model, kind: EngineKind) -> Result<Made, String> {
    match kind {
        EngineKind::Native => {
            let engine = NativeEngine::new(model).map_err(|e| e.to_string())?;
            Ok(Made { engine: Box::new(engine), placement: None })
        }
        EngineKind::OnnxRuntime => onnxruntime(model),
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

fn onnxruntime(model: &Model) -> Result<Made, String> {
    let folder = Path::new(&model.file).parent().unwrap_or(Path::new("."));
    let config = ProviderConfig::of_manifest(&model.manifest, folder).map_err(|e| e.to_string())?;
    let runtime = Runtime::find_or_fetch(&Places::of_process()).map_err(|e| e.to_string())?;
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
