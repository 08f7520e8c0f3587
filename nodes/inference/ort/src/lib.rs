//! ONNX Runtime behind the [`Engine`](sinew_inference::Engine) seam, opened at run time.
//!
//! [`ONNX_RUNTIME`] is the library and the version this room is tested with, [`Runtime`] opens it once per process,
//! [`OrtEngine`] runs a model on it. [`ProviderConfig`] says on which
//! [`Provider`]s, and [`OrtEngine::proven`] proves it: a [`Placement`] or a refusal that names what is missing.
//! [`EngineCache`] keeps TensorRT's prepared engines; [`doctor`] looks at the machine.
//! A run allocates inside the foreign library (some 25 times), so it stays off the real-time thread.
//!
//! May be touched: pinned version and hashes (together), rows of providers, session settings.
//! This and the MuJoCo room are the only two that open foreign libraries; all `unsafe` is in `foreign/`.
//! Invariant: an engine is named after the library and provider it really runs on.

#[cfg(not(any(feature = "ort-api-24", feature = "ort-api-20")))]
compile_error!("choose an interface of ONNX Runtime: the feature `ort-api-24` (default) or `ort-api-20`");

mod builder;
mod cache;
mod config;
mod diagnose;
mod dispatch;
pub mod doctor;
mod elf;
mod engine;
mod fatbin;
mod foreign;
mod libraries;
mod pin;
mod placement;
mod profile;
mod provider;
mod refusal;
mod runtime;
mod session;
mod subgraph;
mod tensorrt;
mod tensors;
mod weights;

pub use builder::{TensorRtBuilder, engine_key, tensorrt_version};
pub use cache::{Built, CONTEXT, CacheError, EngineBuilder, EngineCache, EngineKey, Prepared};
pub use config::{Choice, ConfigError, Plugin, ProviderConfig};
pub use diagnose::{Cause, Machine, architectures, diagnose};
pub use elf::{Dynamic, ElfError};
pub use engine::{OrtEngine, io_of};
pub use fatbin::Architectures;
pub use foreign::{CudaDevice, CudaDriver, DriverError, RawSession};
pub use libraries::{LoaderPath, Missing, missing};
pub use pin::{ONNX_RUNTIME, places};
pub use placement::{Evidence, Placement, PlacementError, Share, Timing};
pub use profile::Kernels;
pub use provider::{NameError, Provider};
pub use refusal::OrtEngineError;
pub use runtime::{OLDEST_MINOR, OpenError, Runtime};
pub use session::{GraphBytes, preflight};
pub use subgraph::{AssignedNode, Subgraph};
pub use tensorrt::{Profile, TensorRt, TensorRtError};
