//! From a configuration to a session: every provider registered by name, aloud, or none at all.
//!
//! ```text
//! 1 names and numbers   2 compiled in?   3 code for this device?   4 prepared engines?   5 register   6 build
//! ```
//! Each step has a refusal of its own; nothing falls through to the next provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use sinew_inference::{Model, TensorInfo};

use crate::config::{Choice, ProviderConfig};
use crate::diagnose::{Machine, diagnose, wrong_architecture};
use crate::dispatch::{compiled_in, dispatch};
use crate::provider::Provider;
use crate::refusal::OrtEngineError;
use crate::runtime::Runtime;
use crate::weights::Weights;

/// A graph as bytes, with the files it keeps its weights in.
#[derive(Clone, Debug, Default)]
pub struct GraphBytes {
    /// The `.onnx` file.
    pub onnx: Vec<u8>,
    /// External data: name as the graph spells it, and bytes.
    pub external: Vec<(String, Arc<[u8]>)>,
}

impl GraphBytes {
    /// The graph of a checked model.
    pub fn of(model: &Model) -> Self {
        Self { onnx: model.graph_bytes.clone(), external: model.external.clone() }
    }

    /// What its nodes read, from the file itself; the library's refusal when there is no file to speak of.
    pub(crate) fn weights(&self, version: &str) -> Result<Weights, OrtEngineError> {
        Weights::read(&self.onnx).map_err(|e| OrtEngineError::Session {
            version: version.to_owned(),
            reason: format!("not a whole ONNX file: {e}"),
        })
    }

    /// A graph that holds all of its weights itself.
    pub fn whole(onnx: impl Into<Vec<u8>>) -> Self {
        Self { onnx: onnx.into(), external: Vec::new() }
    }
}

/// What a session is built with, beyond the graph.
pub(crate) struct Settings<'a> {
    pub config: &'a ProviderConfig,
    /// TensorRT's options.
    pub tensorrt: Vec<(String, String)>,
    /// Beginning of the profile's file name.
    pub profile: Option<PathBuf>,
    /// The graph holds prepared engines: an engine that does not fit is an error, not a reason to build one.
    pub forbid_compiling: bool,
}

/// Checks everything that can be checked before the library is asked: steps 1 to 3.
pub fn preflight(
    runtime: &Runtime,
    config: &ProviderConfig,
    inputs: &[TensorInfo],
) -> Result<Vec<Choice>, OrtEngineError> {
    let choices = config.check()?;
    let builtin = |c: &Choice| match c {
        Choice::Builtin(provider) => Some(*provider),
        Choice::Plugin(_) => None,
    };
    let providers: Vec<Provider> = choices.iter().filter_map(builtin).collect();
    if providers.contains(&Provider::TensorRt) {
        config.tensorrt.check(inputs)?;
    }
    if let Some(missing) = providers.iter().find(|p| !compiled_in(**p)) {
        return Err(OrtEngineError::NotCompiledIn {
            version: runtime.version(),
            provider: missing.key().to_owned(),
            available: runtime.compiled_in().iter().map(|p| p.key()).collect::<Vec<_>>().join(", "),
        });
    }
    if providers.contains(&Provider::Cuda)
        && let Some(cause) = wrong_architecture(
            Provider::Cuda,
            runtime.library(),
            &Machine::here(),
            config.device_of(Provider::Cuda)?,
        )
    {
        return Err(OrtEngineError::Provider {
            version: runtime.version(),
            provider: Provider::Cuda.key().to_owned(),
            causes: vec![cause],
            reason: String::new(),
        });
    }
    Ok(choices)
}

/// Step 5: everything about a session but its graph.
pub(crate) fn prepare(
    runtime: &Runtime,
    graph: &GraphBytes,
    choices: &[Choice],
    settings: &Settings<'_>,
) -> Result<SessionBuilder, OrtEngineError> {
    let config = settings.config;
    let version = runtime.version();
    let failed = |reason: String| OrtEngineError::Session { version: version.clone(), reason };
    let mut builder = configured(runtime, settings).map_err(|e| failed(e.to_string()))?;
    let forbids_cpu = config.forbids_cpu();
    for choice in choices {
        builder = match choice {
            // Naming the CPU and forbidding it at once is refused by the library; it is there unnamed anyway.
            Choice::Builtin(Provider::Cpu) if forbids_cpu => builder,
            Choice::Builtin(provider) => register(runtime, builder, *provider, settings)?,
            Choice::Plugin(name) => plugin(runtime, builder, name, config)?,
        };
    }
    let weights = graph.weights(&version)?;
    if let Some(file) = weights.external().find(|file| !graph.external.iter().any(|(name, _)| name == file)) {
        return Err(OrtEngineError::External { file: file.to_owned() });
    }
    for (name, bytes) in &graph.external {
        builder = builder
            .with_external_initializer_file_in_memory(name, Arc::clone(bytes))
            .map_err(|e| failed(e.to_string()))?;
    }
    Ok(builder)
}

/// Steps 5 and 6.
pub(crate) fn build(
    runtime: &Runtime,
    graph: &GraphBytes,
    choices: &[Choice],
    settings: &Settings<'_>,
) -> Result<Session, OrtEngineError> {
    let config = settings.config;
    let forbids_cpu = config.forbids_cpu();
    let version = runtime.version();
    let mut builder = prepare(runtime, graph, choices, settings)?;
    builder.commit_from_memory(&graph.onnx).map_err(|error| {
        let reason = error.to_string();
        if forbids_cpu && reason.contains("default CPU EP") {
            return OrtEngineError::CpuFallback {
                version: version.clone(),
                require: config.require.clone(),
                reason,
            };
        }
        OrtEngineError::Session { version: version.clone(), reason }
    })
}

/// Threads and records. A spinning pool starves the control loop; `Sequential` execution needs one inter-op thread.
fn configured(runtime: &Runtime, settings: &Settings<'_>) -> Result<SessionBuilder, ort::Error> {
    let config = settings.config;
    let mut builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(config.threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(config.spin)?
        .with_inter_op_spinning(false)?
        .with_no_environment_execution_providers()?
        .with_config_entry("session.record_ep_graph_assignment_info", "1")?
        // Left alone, the library quantises the inputs of layers whose weights alone have 8 bits: 1 is f32.
        .with_config_entry("session.qdq_matmulnbits_accuracy_level", "1")?;
    if config.forbids_cpu() {
        builder = builder.with_disable_cpu_fallback()?;
    }
    if settings.forbid_compiling {
        builder = builder.with_config_entry("session.disable_model_compile", "1")?;
    }
    if let Some(prefix) = &settings.profile {
        builder = builder.with_profiling(prefix)?;
    }
    Ok(builder)
}

fn register(
    runtime: &Runtime,
    builder: SessionBuilder,
    provider: Provider,
    settings: &Settings<'_>,
) -> Result<SessionBuilder, OrtEngineError> {
    let mut options = Vec::new();
    if provider == Provider::TensorRt {
        options.extend(settings.tensorrt.iter().cloned());
    }
    let extra = settings.config.extra_of(provider.key());
    options.extend(extra.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let device = settings.config.device_of(provider).unwrap_or(0); // others than NVIDIA's count in their own way
    let dispatch = dispatch(provider, &options)?;
    builder.with_execution_providers([dispatch]).map_err(|error| OrtEngineError::Provider {
        version: runtime.version(),
        provider: provider.key().to_owned(),
        causes: diagnose(provider, runtime.library(), &Machine::here(), device),
        reason: format!("the library says: {error}"),
    })
}

fn plugin(
    runtime: &Runtime,
    builder: SessionBuilder,
    name: &str,
    config: &ProviderConfig,
) -> Result<SessionBuilder, OrtEngineError> {
    let plugin = config.plugins.iter().find(|p| p.name == name);
    let library = plugin.map_or(Path::new(""), |p| p.library.path());
    let refused = |reason: String| OrtEngineError::Plugin {
        name: name.to_owned(),
        library: library.display().to_string(),
        reason,
        version: runtime.version(),
    };
    let plugin = plugin.ok_or_else(|| refused("no [[runtime.plugin]] has this name".to_owned()))?;
    let providers = runtime.register_plugin(name, &plugin.library).map_err(&refused)?;
    let options: Vec<(String, String)> = config
        .extra_of(name)
        .flat_map(|(key, value)| providers.iter().map(move |p| (format!("{p}.{key}"), value.to_owned())))
        .collect();
    on_devices_of(runtime, builder, &providers, &options).map_err(|e| refused(e.to_string()))
}

/// The session on every device that `providers` of a plugin found.
#[cfg(feature = "ort-api-24")]
fn on_devices_of(
    runtime: &Runtime,
    builder: SessionBuilder,
    providers: &[String],
    options: &[(String, String)],
) -> Result<SessionBuilder, ort::Error> {
    let environment = runtime.environment().clone();
    let of_plugin = |d: &ort::device::Device<'_>| d.ep().is_ok_and(|ep| providers.iter().any(|p| p == ep));
    let devices: Vec<_> = environment.devices().filter(of_plugin).collect();
    Ok(builder.with_devices(devices, Some(options))?)
}

/// No plugin registers with this interface, so none gets here.
#[cfg(not(feature = "ort-api-24"))]
fn on_devices_of(
    _runtime: &Runtime,
    _builder: SessionBuilder,
    _providers: &[String],
    _options: &[(String, String)],
) -> Result<SessionBuilder, ort::Error> {
    Err(ort::Error::new("no plugins with ort-api-20"))
}
