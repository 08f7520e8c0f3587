//! Every way in which a model does not come to run on this library.

use crate::cache::CacheError;
use crate::config::ConfigError;
use crate::diagnose::Cause;
use crate::placement::PlacementError;
use crate::provider::NameError;
use crate::tensorrt::TensorRtError;

/// Why a model does not run on this library.
#[derive(Debug, thiserror::Error)]
pub enum OrtEngineError {
    /// The configuration asks for something that does not exist.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// TensorRT's section asks for something that does not exist.
    #[error(transparent)]
    TensorRt(#[from] TensorRtError),
    /// The library has no such provider in it.
    #[error(
        "onnxruntime {version} was built without the provider `{provider}`; it has {available}; use a build that has it, or take it out of runtime.providers"
    )]
    NotCompiledIn {
        /// Version of the library.
        version: String,
        /// Provider asked for.
        provider: String,
        /// Providers it has.
        available: String,
    },
    /// The provider is in the library and does not come up on this machine.
    #[error("provider `{provider}` of onnxruntime {version} does not come up: {}", told(.causes, reason))]
    Provider {
        /// Version of the library.
        version: String,
        /// Provider asked for.
        provider: String,
        /// Causes found on the machine.
        causes: Vec<Cause>,
        /// What else was said, by the library or by the check that failed.
        reason: String,
    },
    /// A plugin library does not register, or brings no device.
    #[error("plugin `{name}` ({library}): {reason}; check that it was built for onnxruntime {version}")]
    Plugin {
        /// Name.
        name: String,
        /// File.
        library: String,
        /// What went wrong.
        reason: String,
        /// Version of the library.
        version: String,
    },
    /// The library would run nodes on its CPU kernels, which the manifest does not allow.
    #[error(
        "onnxruntime {version} would run nodes on the CPU, runtime.require = \"{require}\" forbids it: {reason}; use operators that the provider has, or lower runtime.min_node_share"
    )]
    CpuFallback {
        /// Version of the library.
        version: String,
        /// Weakest provider allowed.
        require: String,
        /// What the library said.
        reason: String,
    },
    /// The library refused the graph or a setting.
    #[error(
        "onnxruntime {version}: {reason}; check the graph with `sinew model check`, or use engine = [\"native\"]"
    )]
    Session {
        /// Version of the library.
        version: String,
        /// What it said.
        reason: String,
    },
    /// A file of weights that the graph names was not handed over.
    #[error(
        "the graph keeps weights in `{file}`, which was not given; copy it beside the graph and list it in graph.external of the manifest"
    )]
    External {
        /// File as the graph names it.
        file: String,
    },
    /// The library sees other tensors than the manifest.
    #[error(
        "onnxruntime {version}: the session has the {direction}s {found}; expected {expected}; export the model again"
    )]
    Tensors {
        /// Version of the library.
        version: String,
        /// `input` or `output`.
        direction: &'static str,
        /// Names found.
        found: String,
        /// Names expected.
        expected: String,
    },
    /// A tensor of another type or shape.
    #[error(
        "onnxruntime {version}: {direction} `{tensor}` is {found}; expected {expected}; correct the manifest or export the model again"
    )]
    Tensor {
        /// Version of the library.
        version: String,
        /// `input` or `output`.
        direction: &'static str,
        /// Tensor.
        tensor: String,
        /// Its type and shape in the session.
        found: String,
        /// Those of the manifest.
        expected: String,
    },
    /// Prepared engines are missing or not to be trusted.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// TensorRT without a folder of prepared engines.
    #[error(
        "provider `tensorrt` needs the folder of prepared engines, and none was given; a node never builds"
    )]
    NoCache,
    /// It runs, and not where it should.
    #[error("onnxruntime {version}: {error}")]
    Placement {
        /// Version of the library.
        version: String,
        /// Why.
        #[source]
        error: PlacementError,
    },
    /// The warm-up failed.
    #[error("onnxruntime {version}: warm-up run {run} of {runs} failed: {reason}")]
    WarmUp {
        /// Version of the library.
        version: String,
        /// Run.
        run: u32,
        /// Runs.
        runs: u32,
        /// What the library said.
        reason: String,
    },
    /// The profile of the warm-up cannot be read, so nothing is proven.
    #[error("onnxruntime {version}: no profile of the warm-up: {reason}; check that {folder} can be written")]
    Profile {
        /// Version of the library.
        version: String,
        /// Where it should be.
        folder: String,
        /// Why not.
        reason: String,
    },
}

impl From<NameError> for OrtEngineError {
    fn from(error: NameError) -> Self {
        Self::Config(error.into())
    }
}

/// Causes first, since they say what to do; the first line of what else was said behind them.
fn told(causes: &[Cause], reason: &str) -> String {
    let first_line = reason.lines().next().unwrap_or("").trim();
    let mut parts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    if !first_line.is_empty() {
        parts.push(first_line.to_owned());
    }
    parts.join("; ")
}
