//! ONNX Runtime behind the [`Engine`](sinew_inference::Engine) seam, opened at run time.
//!
//! [`Places`] says where a library may lie, [`fetch()`] gets the one version this room is tested with by pip,
//! [`Runtime`] opens it once per process, [`OrtEngine`] runs a model on it: one thread, no spinning, every
//! provider named, so that nothing falls back to another in silence.
//! A run allocates inside the foreign library (some 25 times), so it stays off the real-time thread.
//!
//! May be touched: pinned version and hashes (together), providers, session settings.
//! This and the MuJoCo room are the only two that open foreign libraries.
//! Invariant: an engine is named after the library and provider it really runs on.

mod engine;
mod fetch;
mod places;
mod runtime;

pub use engine::{OrtEngine, OrtEngineError, Provider};
pub use fetch::{FetchError, VERSION, fetch};
pub use places::{NotFound, Places};
pub use runtime::{OpenError, Runtime};
