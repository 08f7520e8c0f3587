//! A library's version, asked in the one way that every version of it answers.

use std::ffi::{CStr, c_char};
use std::path::Path;

/// The first two entries of what `OrtGetApiBase` returns; unchanged since the first release.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const std::ffi::c_void,
    version: unsafe extern "C" fn() -> *const c_char,
}

/// Opens the library and asks; it stays open, since a library that may have started threads is not safe to close.
pub(crate) fn library_version(path: &Path) -> Result<String, String> {
    // SAFETY: running a library's initialisers is what opening it means; the path was named by the user or found
    // where libonnxruntime is installed.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| super::told(&e))?;
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the type is that of the exported function in every release of the library.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| "it exports no `OrtGetApiBase`, so it is not an ONNX Runtime".to_owned())?;
    // SAFETY: takes nothing, returns a pointer to a static.
    let base = unsafe { base() };
    if base.is_null() {
        return Err("its `OrtGetApiBase` gave nothing".to_owned());
    }
    // SAFETY: not null, and a static of the library, which is never closed.
    let version = unsafe { ((*base).version)() };
    if version.is_null() {
        return Err("it does not say its version".to_owned());
    }
    // SAFETY: a static C string of the library.
    Ok(unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned())
}
