//! Here be foreign pointers: all `unsafe` of this room is in this module, behind safe functions.
//!
//! `assignment` reads back which provider a session gave its nodes to, `version` asks a library for its version
//! before anything else is called, `driver` asks the NVIDIA driver what it drives, `infer`
//! asks TensorRT for its version.
#![allow(unsafe_code)] // the only module of this crate that may

mod assignment;
mod driver;
mod infer;
mod version;

pub use assignment::{AssignedNode, Subgraph};
pub use driver::{CudaDevice, CudaDriver, DriverError};

pub(crate) use assignment::assignment;
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
