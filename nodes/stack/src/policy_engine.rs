//! Who makes the engine of a policy.
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, Model, NativeEngine};

/// Makes the engine that a model's manifest asks for, or says why there is none. A core can make the native one only;
/// the executable hands in one that opens libraries, too.
pub type MakeEngine = fn(&Model) -> Result<Box<dyn Engine>, String>;

/// The native engine, when the manifest names it at all: a model that asks for another never gets this one in silence.
pub fn native_engine(model: &Model) -> Result<Box<dyn Engine>, String> {
    let kinds = &model.manifest.runtime.engines;
    if !kinds.contains(&EngineKind::Native) {
        let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
        return Err(format!(
            "runtime.engine asks for {}; here there is only native; add \"native\", or run it by `sinew`",
            names.join(", ")
        ));
    }
    let engine = NativeEngine::new(model).map_err(|e| e.to_string())?;
    Ok(Box::new(engine))
}
