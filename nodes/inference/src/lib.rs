//! Inference: from a model manifest and an ONNX file to numbers, with nothing left to guess.
//!
//! `Model::load` reads `<name>.model.toml`, the graph and the golden file through a [`Source`], checks every
//! hash, tensor and dimension, and hands back a [`Model`]. An [`Engine`] runs it: [`NativeEngine`] here (no
//! library, no allocation per run, the same bits every time); ONNX Runtime in `sinew-inference-ort`.
//! What the numbers *mean* (joints, history, phase) is written in the manifest and carried out by the policy.
//!
//! May be touched: operators (`native/`), manifest keys (`manifest/`, with a schema number), golden format.
//! This room opens no library, keeps no clock and reads files only through a `Source`, or to hash a `Library`, before the robot runs.
//! Invariant: a model whose every tensor, dimension, joint list and hash is not accounted for does not load.

pub mod conformance;
pub mod engine;
pub mod golden;
pub mod import;
pub mod library;
pub mod manifest;
pub mod model;
pub mod native;
pub mod onnx;
pub mod source;
pub mod stats;
mod tensors;

pub use engine::{ElementType, Engine, EngineIo, RunError, TensorInfo, check_values};
pub use golden::{Golden, GoldenError, Tolerance};
pub use library::{Library, LibraryError};
pub use manifest::{Manifest, ManifestError};
pub use model::{LoadError, Model, sha256_hex};
pub use native::{CompileError, Kernels, NativeEngine};
pub use source::{Directory, Source, SourceError};
pub use stats::{Stats, StatsError};
