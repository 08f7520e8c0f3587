//! TensorRT's own version.

use std::path::Path;

/// Opens libnvinfer and asks; 100 * (100 * major + minor) + patch since TensorRT 10, 1000 and 100 before.
pub(crate) fn infer_version(path: &Path) -> Result<String, String> {
    // SAFETY: running a library's initialisers is what opening it means.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| super::told(&e))?;
    // It starts threads, so it is never closed.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the type is that of the exported function in every release.
    let ask = unsafe { library.get::<unsafe extern "C" fn() -> i32>(b"getInferLibVersion\0") };
    let ask = ask.map_err(|e| super::told(&e))?;
    // SAFETY: takes nothing, touches nothing.
    let number = unsafe { ask() };
    let (major, minor, patch) = if number >= 10_000 {
        (number / 10_000, number / 100 % 100, number % 100)
    } else {
        (number / 1000, number / 100 % 10, number % 100)
    };
    Ok(format!("{major}.{minor}.{patch}"))
}
