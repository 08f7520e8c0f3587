//! The foreign library, opened once per process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use crate::fetch::{FetchError, fetch};
use crate::places::{NotFound, Places};

/// Why the library could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None anywhere.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// None anywhere, and none could be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There, but not usable.
    #[error("{path}: {reason}; use onnxruntime 1.24 or newer, or remove the file so that it is fetched")]
    Load {
        /// Library.
        path: String,
        /// What the loader said.
        reason: String,
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

/// The opened library. Cheap to clone; stays open until the process ends.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

/// The library forbids a second environment in a process, even after the first is gone.
static OPENED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Opens the library at `path`.
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
        let builder = ort::init_from(path).map_err(|e| load(e.to_string()))?;
        let environment = builder.with_telemetry(false).build().map_err(|e| load(e.to_string()))?;
        let runtime = Self { environment, library: path.to_owned() };
        *opened = Some(runtime.clone());
        Ok(runtime)
    }

    /// Opens the first library found in `places`.
    pub fn find(places: &Places) -> Result<Self, OpenError> {
        Self::open(&places.find()?)
    }

    /// As [`Runtime::find`], but fetches the library when there is none and none was named.
    pub fn find_or_fetch(places: &Places) -> Result<Self, OpenError> {
        match (places.find(), &places.runtime_dir) {
            (Ok(path), _) => Self::open(&path),
            (Err(_), Some(dir)) if places.explicit.is_none() && places.ort_dylib_path.is_none() => {
                Self::open(&fetch(dir)?)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The library's file.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Version by the file's name, else the library's own description of its build.
    pub fn version(&self) -> String {
        let name = self.library.file_name().and_then(|n| n.to_str()).unwrap_or("");
        match name.split_once(".so.") {
            Some((_, version)) => version.to_owned(),
            None => ort::info().to_owned(),
        }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}
