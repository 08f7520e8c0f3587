//! The foreign library, opened once per process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use sinew_inference::Library;
use sinew_pinned::{FetchError, NotFound, Places};

use crate::dispatch::compiled_in;
use crate::foreign::library_version;
use crate::pin::ONNX_RUNTIME;
use crate::provider::{Provider, key_of};

/// Oldest minor version whose interface this room is built for: 24, or 20 with the feature `ort-api-20` alone. A
/// program built for 22 ends inside a library of 22, so it would take 23.
pub const OLDEST_MINOR: u32 = match ort::MINOR_VERSION {
    22 => 23,
    minor => minor,
};
/// Longest provider name of a plugin.
#[cfg(feature = "ort-api-24")]
const MAX_PROVIDER_NAME: usize = 120;

/// Why the library could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None anywhere.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// None anywhere, and none could be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Not a library, or not this one.
    #[error(
        "{path}: {reason}; use libonnxruntime 1.{OLDEST_MINOR} or newer, or remove the file so that it is fetched"
    )]
    Load {
        /// Library.
        path: String,
        /// What the loader said.
        reason: String,
    },
    /// Its interface is older than what is called.
    #[error(
        "{path}: version {found}; expected 1.{OLDEST_MINOR} or newer; install a newer ONNX Runtime, or remove the file so that it is fetched"
    )]
    TooOld {
        /// Library.
        path: String,
        /// Its version.
        found: String,
    },
    /// A process opens one library, ever.
    #[error("{wanted}: this process already runs on {opened}; start another process for another library")]
    Another {
        /// Asked for.
        wanted: String,
        /// Open.
        opened: String,
    },
}

/// A plugin library and the providers it brought.
#[derive(Clone, Debug)]
struct Registered {
    name: String,
    library: Library,
    providers: Vec<String>,
}

/// The opened library. Cheap to clone; stays open until the process ends.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    version: String,
    plugins: Arc<Mutex<Vec<Registered>>>,
}

/// The library forbids a second environment in a process, even after the first is gone.
static OPENED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Opens the library at `path`. One that is too old is refused before any of its interface is used: some
    /// versions end the process otherwise.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = opened.as_ref() {
            return if runtime.library == path {
                Ok(runtime.clone())
            } else {
                let shown = |p: &Path| p.display().to_string();
                Err(OpenError::Another { wanted: shown(path), opened: shown(&runtime.library) })
            };
        }
        let load = |reason: String| OpenError::Load { path: path.display().to_string(), reason };
        let full = path.canonicalize().map_err(|e| load(e.to_string()))?;
        let version = library_version(&full).map_err(load)?;
        if !new_enough(&version) {
            return Err(OpenError::TooOld { path: path.display().to_string(), found: version });
        }
        let builder = ort::init_from(&full).map_err(|e| load(e.to_string()))?;
        let environment = builder.with_telemetry(false).build().map_err(|e| load(e.to_string()))?;
        let runtime = Self { environment, library: path.to_owned(), version, plugins: Arc::default() };
        *opened = Some(runtime.clone());
        Ok(runtime)
    }

    /// Opens the first library found in `places`.
    pub fn find(places: &Places) -> Result<Self, OpenError> {
        Self::open(&ONNX_RUNTIME.find(places)?)
    }

    /// As [`Runtime::find`], but fetches the library when there is none and none was named.
    pub fn find_or_fetch(places: &Places) -> Result<Self, OpenError> {
        match (ONNX_RUNTIME.find(places), &places.runtime_dir) {
            (Ok(path), _) => Self::open(&path),
            (Err(_), Some(dir)) if places.named.is_none() => Self::open(&ONNX_RUNTIME.fetch(dir)?),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The library's file.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Version as the library itself says it, e.g. `1.32.0`.
    pub fn version(&self) -> String {
        self.version.clone()
    }

    /// Providers it was built with; whether they work on this machine is another question.
    pub fn compiled_in(&self) -> Vec<Provider> {
        Provider::all().filter(|p| compiled_in(*p)).collect()
    }

    /// Registers a plugin library once and gives the names of the providers it brings.
    pub(crate) fn register_plugin(&self, name: &str, library: &Library) -> Result<Vec<String>, String> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plugins.iter().find(|p| p.name == name) {
            return if known.library == *library {
                Ok(known.providers.clone())
            } else {
                let (taken, hash) = (known.library.path().display(), known.library.sha256());
                Err(format!("the name is taken by {taken} ({hash}) in this process; start it anew"))
            };
        }
        if !library.path().is_file() {
            return Err("there is no such file".to_owned());
        }
        let providers = self.providers_brought_by(name, library.path())?;
        if providers.is_empty() {
            return Err("it registers, and finds no device on this machine".to_owned());
        }
        plugins.push(Registered {
            name: name.to_owned(),
            library: library.clone(),
            providers: providers.clone(),
        });
        Ok(providers)
    }

    /// Registers a plugin library; the providers that are there since.
    #[cfg(feature = "ort-api-24")]
    fn providers_brought_by(&self, name: &str, library: &Path) -> Result<Vec<String>, String> {
        let names = || -> Vec<String> {
            self.environment.devices().filter_map(|d| d.ep().ok().map(str::to_owned)).collect()
        };
        let before = names();
        self.environment.register_ep_library(name, library).map_err(|e| e.to_string())?;
        let mut providers = names();
        providers.retain(|p| !before.contains(p) && p.len() <= MAX_PROVIDER_NAME);
        providers.sort();
        providers.dedup();
        Ok(providers)
    }

    /// The interface of 1.20 has no plugins.
    #[cfg(not(feature = "ort-api-24"))]
    fn providers_brought_by(&self, _name: &str, _library: &Path) -> Result<Vec<String>, String> {
        Err("this program was built with ort-api-20, which has no plugins; build with ort-api-24".to_owned())
    }

    /// How configurations call a provider of the library.
    pub(crate) fn call(&self, library_name: &str) -> String {
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let plugin = plugins.iter().find(|p| p.providers.iter().any(|n| n == library_name));
        plugin.map_or_else(|| key_of(library_name).to_owned(), |p| p.name.clone())
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// Is `1.24.4` at least 1.[`OLDEST_MINOR`]? Another major version is not: nothing is known about it.
fn new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().ok());
    numbers.next().flatten() == Some(1) && numbers.next().flatten().is_some_and(|minor| minor >= OLDEST_MINOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let oldest = if cfg!(feature = "ort-api-24") { 24 } else { 20 };
        assert_eq!(OLDEST_MINOR, oldest);
        for good in [&format!("1.{oldest}.0"), &format!("1.{oldest}.4"), "1.32.0", "1.100.0-dev"] {
            assert!(new_enough(good), "{good}");
        }
        for bad in [&format!("1.{}.2", oldest - 1), "1.9.9", "0.24.0", "2.0.0", "", "1", "x.y"] {
            assert!(!new_enough(bad), "{bad}");
        }
    }
}
