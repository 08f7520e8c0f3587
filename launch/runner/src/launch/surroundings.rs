//! What evaluating a launch file may ask of the world, and the world itself.

use std::path::{Path, PathBuf};

/// The answers an evaluation depends on. Tests answer from maps, [`Host`] from this machine.
pub trait Surroundings {
    /// The text of a launch file.
    ///
    /// # Errors
    /// The operating system's reason, as text.
    fn read(&self, file: &Path) -> Result<String, String>;
    /// Whether a file exists (parameter files are looked for, not read).
    fn is_file(&self, file: &Path) -> bool;
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// The share folder of an installed ROS package.
    fn package_share(&self, package: &str) -> Option<PathBuf>;
}

/// This machine: its files, this process's environment, the packages under `AMENT_PREFIX_PATH`.
#[derive(Clone, Debug, Default)]
pub struct Host {
    shares: Vec<(String, PathBuf)>,
}

impl Host {
    /// This machine as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `$(find-pkg-share package)` with `folder` where `AMENT_PREFIX_PATH` knows no such package
    /// (an executable run from its build folder, without any ROS).
    #[must_use]
    pub fn with_package(mut self, package: &str, folder: &Path) -> Self {
        self.shares.push((package.to_owned(), folder.to_owned()));
        self
    }
}

impl Surroundings for Host {
    fn read(&self, file: &Path) -> Result<String, String> {
        let limit = super::document::MAX_FILE_BYTES as u64;
        let size = std::fs::metadata(file).map_err(|e| e.to_string())?.len();
        if size > limit {
            return Err(format!("{size} bytes; a launch file has at most {limit}"));
        }
        std::fs::read_to_string(file).map_err(|e| e.to_string())
    }

    fn is_file(&self, file: &Path) -> bool {
        file.is_file()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn package_share(&self, package: &str) -> Option<PathBuf> {
        let installed = ament_prefixes()
            .find(|prefix| prefix.join("share/ament_index/resource_index/packages").join(package).is_file())
            .map(|prefix| prefix.join("share").join(package));
        installed.or_else(|| self.shares.iter().find(|(p, _)| p == package).map(|(_, folder)| folder.clone()))
    }
}

/// The installation prefixes of ROS packages, first found first taken.
pub(crate) fn ament_prefixes() -> impl Iterator<Item = PathBuf> {
    let list = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect::<Vec<_>>().into_iter()
}
