//! tract behind the [`Engine`](sinew_inference::Engine) seam: pure Rust, no library to install, off by default.
//!
//! A second opinion that is no foreign library, and a way for graphs beyond the native operators on machines without
//! ONNX Runtime. It allocates in each run, so it stays off the real-time thread. Without the feature `tract` this crate
//! is empty, since tract brings some fifty crates and minutes of building.
//!
//! May be touched: the version of tract, with the conformance suite.
//! Invariant: a session whose tensors are not those of the manifest is not built.
#![cfg(feature = "tract")]

mod engine;

pub use engine::{TractEngine, TractError};
