//! What the NVIDIA driver says about itself and its devices, without the CUDA toolkit.

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR` of the driver interface.
const ATTRIBUTE_MAJOR: c_int = 75;
const ATTRIBUTE_MINOR: c_int = 76;
/// Devices asked about at most.
const MAX_DEVICES: c_int = 64;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// Name given by the driver.
    pub name: String,
    /// Compute capability, major and minor: (8, 7) is sm_87.
    pub capability: (u32, u32),
}

/// The driver and its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDriver {
    /// Newest CUDA that the driver serves, major and minor.
    pub cuda: (u32, u32),
    /// Devices in the driver's order.
    pub devices: Vec<CudaDevice>,
}

/// Why the driver says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// Its library cannot be opened.
    #[error(
        "no NVIDIA driver: {reason}; install the driver (on Jetson: JetPack), or start the container with it"
    )]
    NoLibrary {
        /// What the loader said.
        reason: String,
    },
    /// It is there and fails.
    #[error("the NVIDIA driver's {call} failed with CUresult {code}; reload the kernel module or reboot")]
    Call {
        /// Function.
        call: &'static str,
        /// Its result.
        code: i32,
    },
}

impl CudaDriver {
    /// Asks the installed driver.
    pub fn query() -> Result<Self, DriverError> {
        Self::query_library(Path::new("libcuda.so.1"))
    }

    /// Asks the driver library at `path`.
    pub fn query_library(path: &Path) -> Result<Self, DriverError> {
        // SAFETY: running a library's initialisers is what opening it means.
        let opened = unsafe { libloading::Library::new(path) };
        let library = opened.map_err(|e| DriverError::NoLibrary { reason: super::told(&e) })?;
        // The driver starts threads, so it is never closed.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        // SAFETY: each type is that of the driver interface's function of that name.
        unsafe {
            let init = symbol::<unsafe extern "C" fn(u32) -> c_int>(library, b"cuInit\0")?;
            call("cuInit", init(0))?;
            let driver_version =
                symbol::<unsafe extern "C" fn(*mut c_int) -> c_int>(library, b"cuDriverGetVersion\0")?;
            let mut version = 0;
            call("cuDriverGetVersion", driver_version(&raw mut version))?;
            let count_devices =
                symbol::<unsafe extern "C" fn(*mut c_int) -> c_int>(library, b"cuDeviceGetCount\0")?;
            let mut count = 0;
            call("cuDeviceGetCount", count_devices(&raw mut count))?;
            let mut devices = Vec::new();
            for ordinal in 0..count.min(MAX_DEVICES) {
                devices.push(device(library, ordinal)?);
            }
            let version = u32::try_from(version).unwrap_or(0);
            Ok(Self { cuda: (version / 1000, version % 1000 / 10), devices })
        }
    }
}

/// # Safety
/// `library` is the driver's, initialised.
unsafe fn device(library: &'static libloading::Library, ordinal: c_int) -> Result<CudaDevice, DriverError> {
    let mut handle: c_int = 0;
    let mut text = [0 as c_char; 256];
    let mut capability = [0 as c_int; 2];
    // SAFETY: each type is that of the driver interface's function of that name; `text` is told its length.
    unsafe {
        let get = symbol::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(library, b"cuDeviceGet\0")?;
        call("cuDeviceGet", get(&raw mut handle, ordinal))?;
        let name = symbol::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(
            library,
            b"cuDeviceGetName\0",
        )?;
        call("cuDeviceGetName", name(text.as_mut_ptr(), 255, handle))?;
        let attribute = symbol::<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int>(
            library,
            b"cuDeviceGetAttribute\0",
        )?;
        for (value, which) in capability.iter_mut().zip([ATTRIBUTE_MAJOR, ATTRIBUTE_MINOR]) {
            call("cuDeviceGetAttribute", attribute(&raw mut *value, which, handle))?;
        }
        let [major, minor] = capability.map(|v| u32::try_from(v).unwrap_or(0));
        // The last byte was never handed out, so the text ends.
        let name = CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
        Ok(CudaDevice { name, capability: (major, minor) })
    }
}

/// # Safety
/// `T` is the function type of `name` in that library.
unsafe fn symbol<T>(
    library: &'static libloading::Library,
    name: &[u8],
) -> Result<libloading::Symbol<'static, T>, DriverError> {
    // SAFETY: promised by the caller.
    unsafe { library.get(name) }.map_err(|e| DriverError::NoLibrary { reason: super::told(&e) })
}

fn call(call: &'static str, code: c_int) -> Result<(), DriverError> {
    if code == 0 { Ok(()) } else { Err(DriverError::Call { call, code }) }
}
