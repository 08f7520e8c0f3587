//! Here be foreign pointers: all `unsafe` of this room is in this module, behind safe functions.
//!
//! `bound` runs a session, `assignment` reads back which provider a session gave its nodes to, `version` asks a library for its version
//! before anything else is called, `driver` asks the NVIDIA driver what it drives, `infer`
//! asks TensorRT for its version, `raw` is the plain C interface that benches compare engines with.
#![allow(unsafe_code)] // the only module of this crate that may

mod assignment;
mod bound;
mod driver;
mod infer;
mod raw;
mod version;

pub use assignment::{AssignedNode, Subgraph};
pub use driver::{CudaDevice, CudaDriver, DriverError};
pub use raw::RawSession;

pub(crate) use assignment::assignment;
use assignment::check;
pub(crate) use bound::BoundSession;
pub(crate) use infer::infer_version;
pub(crate) use version::library_version;

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
