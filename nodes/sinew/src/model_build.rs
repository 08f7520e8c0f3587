//! `sinew model build`: TensorRT's engine of a model, once, aloud, before any robot waits for it.
use crate::output::out;
use anyhow::{Context, Result};
use serde_json::json;
use sinew_inference::{Directory, Model};
use sinew_inference_ort::{
    EngineCache, GraphBytes, Machine, Provider, ProviderConfig, Runtime, TensorRtBuilder, engine_key, io_of,
    places, preflight,
};
use std::path::Path;
use std::process::ExitCode;

use crate::engines;

/// # Errors
/// Why there is no engine: the provider, the machine, the cache or the build.
pub fn run(file: &Path, rebuild: bool, json: bool) -> Result<ExitCode> {
    let (source, name) = Directory::of_file(file)?;
    let model = Model::load(&source, &name)?;
    let config = ProviderConfig::of_manifest(&model.manifest, file.parent().unwrap_or(Path::new(".")))?;
    if !config.providers.iter().any(|p| p == Provider::TensorRt.key()) {
        anyhow::bail!(
            "{}: runtime.providers is {}; only `tensorrt` needs an engine built beforehand; nothing to do",
            model.file,
            config.providers.join(", ")
        );
    }
    let runtime = Runtime::find_or_fetch(&places())?;
    let graph = GraphBytes::of(&model);
    let refused = || format!("{}: no TensorRT engine can be built here", model.file);
    preflight(&runtime, &config, &io_of(&model).inputs).with_context(refused)?;
    let key = engine_key(&runtime, &graph, &config, &Machine::here()).with_context(refused)?;
    let folder = engines::prepared_dir();
    let mut builder = TensorRtBuilder::new(&runtime, &graph, &config, &folder);
    let mut progress = |words: &str| eprintln!("sinew: {}: {words}", model.manifest.name);
    let built = EngineCache::new(&folder).build(&key, &mut builder, rebuild, &mut progress)?;
    if json {
        out!("{}", json!({ "file": file, "key": key, "built": built }));
    } else {
        let (what, megabytes) =
            (if built.built { "built" } else { "already there" }, built.bytes as f64 / 1e6);
        out!("{}: {what}, {megabytes:.1} MB, {:.1} s to build", built.entry.display(), built.build_s);
    }
    Ok(ExitCode::SUCCESS)
}
