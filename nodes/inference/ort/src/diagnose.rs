//! Why a provider does not come up, by name: its file, a library it needs, the driver, or code for other devices.
//!
//! The library's own message names whatever failed last; these causes are looked up on the machine and told first.

use std::path::{Path, PathBuf};

use crate::elf::Elf;
use crate::fatbin::Architectures;
use crate::foreign::{CudaDevice, CudaDriver, DriverError};
use crate::libraries::{LoaderPath, Missing, missing};
use crate::provider::Provider;

/// One cause with its remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Cause {
    /// The provider's own file is not beside the library.
    #[error("{file} is not in {folder}; install a build of ONNX Runtime with this provider and keep its files together", folder = .folder.display())]
    File {
        /// Name of the file.
        file: &'static str,
        /// Where the library looks.
        folder: PathBuf,
    },
    /// Something it needs, directly or not.
    #[error("{0}; install it, or put its folder on LD_LIBRARY_PATH")]
    Library(Missing),
    /// The provider's file cannot be read at all.
    #[error("{file}: {reason}; copy the file again", file = .file.display())]
    Unreadable {
        /// File.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// No device to run on.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A driver, no device.
    #[error("the NVIDIA driver sees no device; check the power, the slot, or CUDA_VISIBLE_DEVICES")]
    NoDevice,
    /// Fewer devices than the configuration counts on.
    #[error(
        "device_id = {wanted}, and the NVIDIA driver sees {count}, numbered from 0; correct the option, or check the slots and CUDA_VISIBLE_DEVICES"
    )]
    NoSuchDevice {
        /// Number asked for.
        wanted: usize,
        /// Devices there are.
        count: usize,
    },
    /// Built for other devices.
    #[error(
        "{file} holds {found}, none of which runs on {device} (sm_{major}{minor}); use a build of ONNX Runtime for sm_{major}{minor}"
    )]
    Architecture {
        /// Provider's file.
        file: String,
        /// What it holds.
        found: Architectures,
        /// Device.
        device: String,
        /// Compute capability.
        major: u32,
        /// Compute capability.
        minor: u32,
    },
}

/// The machine, as far as causes depend on it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where the loader looks.
    pub loader: LoaderPath,
    /// The NVIDIA driver.
    pub driver: Result<CudaDriver, DriverError>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self { loader: LoaderPath::of_process(), driver: CudaDriver::query() }
    }
}

/// The device of that number in the driver's order.
pub(crate) fn device(driver: &CudaDriver, number: usize) -> Result<&CudaDevice, Cause> {
    match (driver.devices.get(number), driver.devices.len()) {
        (Some(device), _) => Ok(device),
        (None, 0) => Err(Cause::NoDevice),
        (None, count) => Err(Cause::NoSuchDevice { wanted: number, count }),
    }
}

/// Every cause found for `provider` of the library at `library`, which is to run on the device of the number `on`
/// (NVIDIA's only, see [`ProviderConfig::device_of`](crate::ProviderConfig::device_of)); none when all that can be checked is in order.
pub fn diagnose(provider: Provider, library: &Path, machine: &Machine, on: usize) -> Vec<Cause> {
    let mut causes = Vec::new();
    let nvidia = matches!(provider, Provider::Cuda | Provider::TensorRt | Provider::NvRtx);
    if let (true, Err(error)) = (nvidia, &machine.driver) {
        causes.push(Cause::Driver(error.clone()));
    }
    if let Some(file) = provider.file() {
        let folder = folder_of(library);
        let path = folder.join(file);
        if !path.is_file() {
            causes.push(Cause::File { file, folder });
            return causes;
        }
        match missing(&path, &machine.loader) {
            Ok(None) => {}
            Ok(Some(found)) => causes.push(Cause::Library(found)),
            Err(error) => causes.push(Cause::Unreadable { file: path.clone(), reason: error.to_string() }),
        }
    }
    causes.extend(wrong_architecture(provider, library, machine, on));
    causes
}

/// The device that `provider`'s file holds no code for. Checked before a session is built: such a library registers,
/// takes all nodes, and fails at the first kernel.
pub fn wrong_architecture(provider: Provider, library: &Path, machine: &Machine, on: usize) -> Option<Cause> {
    if provider != Provider::Cuda {
        return None;
    }
    let driver = machine.driver.as_ref().ok()?;
    let device = match device(driver, on) {
        Ok(device) => device,
        Err(cause) => return Some(cause),
    };
    let file = provider.file()?;
    let found = architectures(&folder_of(library).join(file)).ok()?;
    let (major, minor) = device.capability;
    (found.any() && !found.runs_on(device.capability)).then(|| Cause::Architecture {
        file: file.to_owned(),
        found,
        device: device.name.clone(),
        major,
        minor,
    })
}

/// GPU generations that a library holds code for.
pub fn architectures(library: &Path) -> Result<Architectures, crate::elf::ElfError> {
    let file = std::io::BufReader::new(std::fs::File::open(library)?);
    Architectures::read(&mut Elf::open(file)?)
}

/// Folder that the library takes its providers from: its own, with links followed.
pub fn folder_of(library: &Path) -> PathBuf {
    let real = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    real.parent().unwrap_or(Path::new(".")).to_owned()
}
