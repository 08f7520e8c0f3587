//! Getting a library by pip, pinned by version and SHA-256, for machines that have none.
//!
//! The wheel is named completely (interpreter, platform), so any Python 3 with pip gets the same bytes; pip checks
//! the wheel's hash, we check the library's. Only the library is unpacked, and it appears under its final name
//! at once or not at all, so two processes may fetch at the same time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::{Build, Pinned, python};

/// Unpacks one member of an archive: archive, member, destination.
const UNPACK: &str = "import shutil, sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as src, open(sys.argv[3], 'wb') as dst:\n    \
    shutil.copyfileobj(src, dst)\n";

/// Threads of one process share a work folder; other processes have their own.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Why the library could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No build for this machine.
    #[error(
        "no pinned {name} for {arch}; expected x86_64 or aarch64 on Linux; install {file} and set {environment} to it"
    )]
    Platform {
        /// Library.
        name: &'static str,
        /// Architecture and system.
        arch: String,
        /// Its file.
        file: &'static str,
        /// The variable that names it.
        environment: &'static str,
    },
    /// A file of ours could not be written.
    #[error("cannot write {path}: {reason}; set XDG_STATE_HOME to a folder that can be written")]
    Write {
        /// Path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A command is missing or failed.
    #[error("`{command}` failed: {reason}; install Python 3 with pip, or set {environment} to a {file}")]
    Command {
        /// Command line.
        command: String,
        /// Its last words.
        reason: String,
        /// The library's file.
        file: &'static str,
        /// The variable that names it.
        environment: &'static str,
    },
    /// Other bytes than pinned.
    #[error("{path}: SHA-256 is {found}; expected {expected}; the file was removed")]
    Hash {
        /// File.
        path: String,
        /// Found.
        found: String,
        /// Pinned.
        expected: String,
    },
}

impl Pinned {
    /// Fetches the library into `dir` and gives its path; says on stderr what it does, since it takes a while.
    ///
    /// # Errors
    /// [`FetchError`]; nothing is left behind then.
    pub fn fetch(&self, dir: &Path) -> Result<PathBuf, FetchError> {
        let build = self.build().ok_or_else(|| FetchError::Platform {
            name: self.name,
            arch: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
            file: self.file,
            environment: self.environment,
        })?;
        let library = dir.join(self.versioned());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if library.is_file() && check_hash(&library, build.library).is_ok() {
            return Ok(library);
        }
        let work = dir.join(format!(".fetch-{}-{}", self.package, std::process::id()));
        std::fs::create_dir_all(&work).map_err(write_error(&work))?;
        eprintln!("sinew: fetching {} {} by pip into {} (once)", self.name, self.version, dir.display());
        let result = self.fetch_into(&work, build).and_then(|unpacked| {
            std::fs::rename(unpacked, &library).map_err(write_error(&library))?;
            Ok(library)
        });
        let cleared = std::fs::remove_dir_all(&work).map_err(write_error(&work));
        let library = result?;
        cleared?;
        Ok(library)
    }

    /// Whether these are the bytes of the pinned version.
    #[must_use]
    pub fn is_pinned(&self, library: &Path) -> bool {
        self.build().is_some_and(|build| check_hash(library, build.library).is_ok())
    }

    fn fetch_into(&self, work: &Path, build: &Build) -> Result<PathBuf, FetchError> {
        let (package, version) = (self.package, self.version);
        let requirements = work.join("requirements.txt");
        let text = format!("{package}=={version} --hash=sha256:{}\n", build.wheel);
        std::fs::write(&requirements, text).map_err(write_error(&requirements))?;
        let mut pip = python::pip("download");
        pip.args(["--implementation", "cp", "--python-version", "3.11"]);
        pip.args(["--platform", &format!("manylinux_2_28_{}", build.arch), "--require-hashes", "--dest"]);
        pip.arg(work).arg("-r").arg(&requirements);
        self.run(pip)?;
        let wheel = work.join(format!("{package}-{version}-cp311-cp311-{}.whl", build.platform));
        check_hash(&wheel, build.wheel)?;
        let unpacked = work.join(self.file);
        let mut unpack = Command::new("python3");
        let member = format!("{}/{}", self.folder, self.versioned());
        unpack.args(["-c", UNPACK]).arg(&wheel).arg(member).arg(&unpacked);
        self.run(unpack)?;
        check_hash(&unpacked, build.library)?;
        Ok(unpacked)
    }

    fn run(&self, command: Command) -> Result<(), FetchError> {
        python::run(command).map(drop).map_err(|failed| FetchError::Command {
            command: failed.command,
            reason: failed.reason,
            file: self.file,
            environment: self.environment,
        })
    }
}

fn write_error(path: &Path) -> impl Fn(std::io::Error) -> FetchError {
    let path = path.display().to_string();
    move |e| FetchError::Write { path: path.clone(), reason: e.to_string() }
}

fn check_hash(file: &Path, expected: &str) -> Result<(), FetchError> {
    let bytes = std::fs::read(file).map_err(write_error(file))?;
    let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    if found == expected {
        return Ok(());
    }
    Err(FetchError::Hash { path: file.display().to_string(), found, expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test
    use super::*;
    use crate::tests::SIX;

    #[test]
    fn other_bytes_than_pinned_are_refused_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = SIX.fetch(dir.path()).unwrap_err();
        let FetchError::Command { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains("sha256") && reason.contains(SIX.builds[0].wheel), "pip compares: {error}");
        assert!(error.to_string().contains("SIX_LIBRARY"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let forged = dir.path().join(SIX.versioned());
        std::fs::write(&forged, b"not the library").unwrap();
        assert!(!SIX.is_pinned(&forged));
        assert!(matches!(check_hash(&forged, SIX.builds[0].library), Err(FetchError::Hash { .. })));
    }

    #[test]
    fn a_command_that_fails_says_so() {
        let mut command = Command::new("python3");
        command.args(["-c", "import sys; sys.exit('no wheel today')"]);
        let error = SIX.run(command).unwrap_err().to_string();
        assert!(error.contains("no wheel today") && error.contains("SIX_LIBRARY"), "{error}");
    }
}
