//! Python packages of our own programs: pinned by a hashed list, installed once into a folder of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::python;

/// Packages that a Python program of ours needs, apart from those of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Packages {
    /// Start of the folder's name.
    pub name: &'static str,
    /// What a person is told is being fetched.
    pub said: &'static str,
    /// A requirements file with a hash for every line.
    pub requirements: &'static str,
    /// Versions of Python that the list has wheels for.
    pub pythons: &'static str,
}

/// Why the packages could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// Python or pip is missing, or failed.
    #[error("`{command}` failed: {reason}; install Python {pythons} with pip")]
    Command {
        /// Command line.
        command: String,
        /// Its last words.
        reason: String,
        /// Versions that will do.
        pythons: &'static str,
    },
    /// A file of ours could not be written.
    #[error("cannot write {path}: {reason}; set XDG_STATE_HOME to a folder that can be written")]
    Write {
        /// Path.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Packages {
    /// The folder to put on `PYTHONPATH`, below `dir`, for this machine's `python3`; fetched when it is not there,
    /// which is said on stderr. It appears whole or not at all.
    ///
    /// # Errors
    /// [`PackagesError`].
    pub fn folder(&self, dir: &Path) -> Result<PathBuf, PackagesError> {
        let failed = |failed: python::Failed| PackagesError::Command {
            command: failed.command,
            reason: failed.reason,
            pythons: self.pythons,
        };
        let folder = dir.join(self.folder_name(&python_version().map_err(failed)?));
        if folder.is_dir() {
            return Ok(folder);
        }
        let work = dir.join(format!(".{}-{}", self.name, std::process::id()));
        std::fs::create_dir_all(&work).map_err(write_error(&work))?;
        eprintln!("sinew: fetching {} by pip into {} (once)", self.said, dir.display());
        let requirements = work.join("requirements.txt");
        let target = work.join("packages");
        let made = std::fs::write(&requirements, self.requirements)
            .map_err(write_error(&requirements))
            .and_then(|()| python::run(install(&target, &requirements)).map_err(failed));
        let moved = made.and_then(|_| match std::fs::rename(&target, &folder) {
            Err(error) if !folder.is_dir() => Err(write_error(&folder)(error)),
            _ => Ok(folder.clone()), // or another process was quicker
        });
        let cleared = std::fs::remove_dir_all(&work).map_err(write_error(&work));
        moved.and_then(|folder| cleared.map(|()| folder))
    }

    /// Other packages or another Python are another folder.
    fn folder_name(&self, python: &str) -> String {
        let pins: String =
            Sha256::digest(self.requirements).iter().take(6).map(|b| format!("{b:02x}")).collect();
        format!("{}{python}-{pins}", self.name)
    }
}

/// Of `python3`: `311`.
fn python_version() -> Result<String, python::Failed> {
    let mut version = Command::new("python3");
    version.args(["-c", "import sys; print('%d%d' % sys.version_info[:2])"]);
    python::run(version)
}

fn install(target: &Path, requirements: &Path) -> Command {
    let mut pip = python::pip("install");
    pip.args(["--no-compile", "--require-hashes", "--target"]).arg(target).arg("-r").arg(requirements);
    pip
}

fn write_error(path: &Path) -> impl Fn(std::io::Error) -> PackagesError {
    let path = path.display().to_string();
    move |e| PackagesError::Write { path: path.clone(), reason: e.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test
    use super::*;

    const NO_HASH: &str = "six==1.16.0 \
        --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n";
    const SIX: Packages = Packages { name: "six", said: "six", requirements: NO_HASH, pythons: "3" };

    #[test]
    fn a_package_of_other_bytes_than_pinned_is_refused_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = SIX.folder(dir.path()).unwrap_err();
        let PackagesError::Command { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains("sha256"), "pip compares: {error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn packages_that_are_there_are_taken_until_the_list_changes() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join(SIX.folder_name(&python_version().unwrap()));
        std::fs::create_dir(&there).unwrap();
        assert_eq!(SIX.folder(dir.path()).unwrap(), there);
        let changed = Packages { requirements: "six==1.17.0\n", ..SIX };
        assert!(changed.folder(dir.path()).is_err(), "a line without a hash is not installed");
    }
}
