//! Here be foreign pointers: all `unsafe` of this room is in this module, behind safe functions.
//!
//! `bound` runs a session, `assignment` reads back which provider a session gave its nodes to, `version` asks a library for its version
//! before anything else is called, `driver` asks the NVIDIA driver what it drives, `infer`
//! asks TensorRT for its version, `raw` is the plain C interface that benches compare engines with.
#![allow(unsafe_code)] // the only module of this crate that may

use ort::session::Session;

use crate::subgraph::Subgraph;

#[cfg(feature = "ort-api-24")]
mod assignment;
mod bound;
mod driver;
mod infer;
mod raw;
mod version;

pub use driver::{CudaDevice, CudaDriver, DriverError};
pub use raw::RawSession;

pub(crate) use bound::BoundSession;
pub(crate) use infer::infer_version;
pub(crate) use version::library_version;

/// What a session recorded of its own assignment; `None` when the interface that this program was built with does not
/// tell.
#[cfg(feature = "ort-api-24")]
pub(crate) fn recorded(session: &Session) -> Result<Option<Vec<Subgraph>>, String> {
    assignment::assignment(session).map(Some)
}

/// That of 1.20 does not.
#[cfg(not(feature = "ort-api-24"))]
pub(crate) fn recorded(_session: &Session) -> Result<Option<Vec<Subgraph>>, String> {
    Ok(None)
}

/// The library's own error type takes the status and frees it.
fn check(status: ort::sys::OrtStatusPtr) -> Result<(), String> {
    // SAFETY: a status comes fresh from the library and is handed on once.
    unsafe { ort::Error::result_from_status(status) }.map_err(|e| e.to_string())
}

/// All that the loader said: the message of `libloading` alone leaves out the file and the reason.
fn told(error: &libloading::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
