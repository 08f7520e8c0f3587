//! The one builder of engines that nodes accept: the library's own compiler, on the device they will run on.
//!
//! What comes out is a graph whose compiled pieces carry their engine inside. A session of it is told to compile
//! nothing, so that an engine that does not fit is an error at launch and never a build of minutes.
//! Not yet verified on hardware: the calls are made as the library documents them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ort::session::builder::SessionBuilder;

use crate::cache::{CONTEXT, EngineBuilder, EngineKey};
use crate::config::{Choice, ProviderConfig};
use crate::diagnose::{Machine, device, diagnose, folder_of};
use crate::foreign::infer_version;
use crate::libraries::dynamic_of;
use crate::provider::Provider;
use crate::refusal::OrtEngineError;
use crate::runtime::Runtime;
use crate::session::{GraphBytes, Settings, prepare};

/// How often a build says that it is still alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The key of `graph` on this machine, or why there can be no engine here.
pub fn engine_key(
    runtime: &Runtime,
    graph: &GraphBytes,
    config: &ProviderConfig,
    machine: &Machine,
) -> Result<EngineKey, OrtEngineError> {
    let number = config.device_of(Provider::TensorRt)?;
    let refused = |reason: String| OrtEngineError::Provider {
        version: runtime.version(),
        provider: Provider::TensorRt.key().to_owned(),
        causes: diagnose(Provider::TensorRt, runtime.library(), machine, number),
        reason,
    };
    let tensorrt = tensorrt_version(runtime.library(), machine).map_err(&refused)?;
    let driver = machine.driver.as_ref().map_err(|e| refused(e.to_string()))?;
    let device = device(driver, number).map_err(|cause| refused(cause.to_string()))?;
    let mut options = config.tensorrt.key_options();
    // A library counts by what it is, not by where it lies.
    let by_content = |value: &str| {
        config.plugins.iter().fold(value.to_owned(), |value, plugin| {
            value.replace(&plugin.library.path().display().to_string(), plugin.library.sha256())
        })
    };
    options.extend(config.extra_of(Provider::TensorRt.key()).map(|(k, v)| format!("{k}={}", by_content(v))));
    options.sort();
    Ok(EngineKey {
        graph_sha256: EngineKey::hash_graph(graph),
        onnxruntime: runtime.version(),
        tensorrt,
        capability: format!("{}.{}", device.capability.0, device.capability.1),
        options,
    })
}

/// Version of the TensorRT that this library's provider is linked to, on this machine.
pub fn tensorrt_version(library: &Path, machine: &Machine) -> Result<String, String> {
    let provider = folder_of(library).join(Provider::TensorRt.file().unwrap_or_default());
    let needed = dynamic_of(&provider).map_err(|e| format!("{}: {e}", provider.display()))?.needed;
    let name = needed.iter().find(|n| n.starts_with("libnvinfer.so"));
    let name = name.ok_or_else(|| format!("{} is not linked to libnvinfer", provider.display()))?;
    let path = machine.loader.find(name, &[]).ok_or_else(|| format!("{name} is missing"))?;
    infer_version(&path)
}

/// Compiles through the library.
pub struct TensorRtBuilder<'a> {
    runtime: &'a Runtime,
    graph: &'a GraphBytes,
    config: ProviderConfig,
    /// Where kernel timings are kept between builds.
    timings: PathBuf,
}

impl<'a> TensorRtBuilder<'a> {
    /// A builder for `graph`; `state` is where its timings are kept.
    pub fn new(runtime: &'a Runtime, graph: &'a GraphBytes, config: &ProviderConfig, state: &Path) -> Self {
        Self { runtime, graph, config: config.clone(), timings: state.join("timings") }
    }

    fn compile(&self, folder: &Path) -> Result<(), String> {
        let settings = Settings {
            config: &self.config,
            tensorrt: self.config.tensorrt.build_options(Some(&self.timings)),
            profile: None,
            forbid_compiling: false,
        };
        let choices = self.config.check().map_err(|e| e.to_string())?;
        let builtin: Vec<Choice> = choices.into_iter().filter(|c| matches!(c, Choice::Builtin(_))).collect();
        let options = prepare(self.runtime, self.graph, &builtin, &settings).map_err(|e| e.to_string())?;
        compile_to(options, &self.graph.onnx, &folder.join(CONTEXT))
    }
}

#[cfg(feature = "ort-api-24")]
fn compile_to(options: SessionBuilder, graph: &[u8], file: &Path) -> Result<(), String> {
    use ort::compiler::ModelCompiler;
    ModelCompiler::new(options)
        .and_then(|compiler| compiler.with_model_from_memory(graph))
        .and_then(ModelCompiler::with_embed_ep_context)
        .and_then(|compiler| compiler.compile_to_file(file))
        .map_err(|e| e.to_string())
}

/// The interface of 1.20 has no compiler.
#[cfg(not(feature = "ort-api-24"))]
fn compile_to(_options: SessionBuilder, _graph: &[u8], _file: &Path) -> Result<(), String> {
    Err("this program was built with ort-api-20, which cannot prepare engines; use the provider `cuda`, or build with ort-api-24 for a library of 1.24 or newer".to_owned())
}

impl EngineBuilder for TensorRtBuilder<'_> {
    fn name(&self) -> &str {
        "the TensorRT compiler"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn build(
        &mut self,
        _key: &EngineKey,
        folder: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), String> {
        std::fs::create_dir_all(&self.timings).map_err(|e| format!("{}: {e}", self.timings.display()))?;
        progress("compiling; this takes minutes and says nothing by itself");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let builder: &Self = self;
            let compiling =
                std::thread::Builder::new().name("tensorrt-build".to_owned()).spawn_scoped(scope, || {
                    let result = builder.compile(folder);
                    done.store(true, Ordering::Release);
                    result
                });
            let compiling = compiling.map_err(|e| e.to_string())?;
            let began = Instant::now();
            let mut told = Duration::ZERO;
            while !done.load(Ordering::Acquire) && !compiling.is_finished() {
                std::thread::park_timeout(Duration::from_millis(200));
                if began.elapsed() >= told + HEARTBEAT {
                    told = began.elapsed();
                    progress(&format!("compiling, {:.0} s", told.as_secs_f64()));
                }
            }
            compiling.join().unwrap_or_else(|_| Err("the compiler's thread ended abnormally".to_owned()))
        })
    }
}
