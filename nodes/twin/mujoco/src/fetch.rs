//! Getting the library by pip, pinned by version and SHA-256, for machines that have none.
//!
//! The wheel is named completely (interpreter, platform), so any Python 3 with pip gets the same bytes; pip checks
//! the wheel's hash, we check the library's. Only the library is unpacked, and it appears under its final name
//! at once or not at all, so two processes may fetch at the same time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Version fetched; the one the conformance suite was run with.
pub const VERSION: &str = "3.17.0";

/// SHA-256 of the wheel and of the library in it.
struct Pin {
    arch: &'static str,
    wheel: &'static str,
    library: &'static str,
}

const PINS: [Pin; 2] = [
    Pin {
        arch: "x86_64",
        wheel: "d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874",
        library: "23496b023ee80fb61ab71167e94bc649f9941710fde96b18bb8204fb332523ad",
    },
    Pin {
        arch: "aarch64",
        wheel: "91a70ed9979c383ff1f5c03f25cc2e1280a8254c1a8e558d5dd7f4184f01efc9",
        library: "e2edd0204fb9229f75f332a4fcd1a32345bb9f90651dc0fddfa20ec0670db789",
    },
];

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
        "no pinned MuJoCo for {arch}; expected x86_64 or aarch64 on Linux; install MuJoCo and set SINEW_MUJOCO to its libmujoco.so"
    )]
    Platform {
        /// Architecture and system.
        arch: String,
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
    #[error("`{command}` failed: {reason}; install Python 3 with pip, or set SINEW_MUJOCO to a libmujoco.so")]
    Command {
        /// Command line.
        command: String,
        /// Its last words.
        reason: String,
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

/// Fetches the library into `dir` and gives its path; says on stderr what it does, since it takes a while.
pub fn fetch(dir: &Path) -> Result<PathBuf, FetchError> {
    let arch = std::env::consts::ARCH;
    let pin = PINS.iter().find(|p| p.arch == arch && cfg!(target_os = "linux"));
    let pin = pin.ok_or_else(|| FetchError::Platform { arch: format!("{arch} {}", std::env::consts::OS) })?;
    let library = dir.join(format!("libmujoco.so.{VERSION}"));
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if library.is_file() && check_hash(&library, pin.library).is_ok() {
        return Ok(library);
    }
    let work = dir.join(format!(".fetch-{}", std::process::id()));
    let write = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| FetchError::Write { path, reason: e.to_string() }
    };
    std::fs::create_dir_all(&work).map_err(write(&work))?;
    eprintln!("sinew: fetching MuJoCo {VERSION} by pip into {} (once)", dir.display());
    let result = fetch_into(&work, pin).and_then(|unpacked| {
        std::fs::rename(unpacked, &library).map_err(write(&library))?;
        Ok(library)
    });
    let cleared = std::fs::remove_dir_all(&work).map_err(write(&work));
    let library = result?;
    cleared?;
    Ok(library)
}

/// Whether these are the bytes of the version this room is tested with.
pub(crate) fn is_pinned(library: &Path) -> bool {
    let pin = PINS.iter().find(|p| p.arch == std::env::consts::ARCH);
    pin.is_some_and(|pin| check_hash(library, pin.library).is_ok())
}

fn fetch_into(work: &Path, pin: &Pin) -> Result<PathBuf, FetchError> {
    let requirements = work.join("requirements.txt");
    let text = format!("mujoco=={VERSION} --hash=sha256:{}\n", pin.wheel);
    let path = requirements.display().to_string();
    std::fs::write(&requirements, text).map_err(|e| FetchError::Write { path, reason: e.to_string() })?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"]);
    pip.args(["--platform", &format!("manylinux_2_28_{}", pin.arch), "--require-hashes", "--dest"]);
    pip.arg(work).arg("-r").arg(&requirements);
    run(pip)?;
    let wheel = work
        .join(format!("mujoco-{VERSION}-cp311-cp311-manylinux_2_27_{0}.manylinux_2_28_{0}.whl", pin.arch));
    check_hash(&wheel, pin.wheel)?;
    let unpacked = work.join("libmujoco.so");
    let mut unpack = Command::new("python3");
    unpack.args(["-c", UNPACK]).arg(&wheel).arg(format!("mujoco/libmujoco.so.{VERSION}")).arg(&unpacked);
    run(unpack)?;
    check_hash(&unpacked, pin.library)?;
    Ok(unpacked)
}

fn run(mut command: Command) -> Result<(), FetchError> {
    let arguments = command.get_args().filter_map(|a| a.to_str()).take_while(|a| !a.contains('\n'));
    let shown: Vec<&str> = std::iter::once("python3").chain(arguments).collect();
    let shown = shown.join(" ");
    let failed = |reason: String| FetchError::Command { command: shown.clone(), reason };
    let output = command.output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = words.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    Err(failed(last.into_iter().rev().take(3).rev().collect::<Vec<_>>().join(" | ")))
}

fn check_hash(file: &Path, expected: &str) -> Result<(), FetchError> {
    let path = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|e| FetchError::Write { path: path.clone(), reason: e.to_string() })?;
    let found = sha256_hex(&bytes);
    if found == expected {
        return Ok(());
    }
    Err(FetchError::Hash { path, found, expected: expected.to_owned() })
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn other_bytes_than_pinned_are_refused_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pin = Pin { arch: std::env::consts::ARCH, wheel: PINS[0].library, library: "" };
        let error = fetch_into(dir.path(), &pin).unwrap_err().to_string();
        assert!(error.contains("hash") || error.contains("HASH"), "{error}");
        let forged = dir.path().join("libmujoco.so.3.17.0");
        std::fs::write(&forged, b"not the library").unwrap();
        assert!(matches!(check_hash(&forged, PINS[0].library), Err(FetchError::Hash { .. })));
    }

    #[test]
    fn a_command_that_fails_says_so() {
        let mut command = Command::new("python3");
        command.args(["-c", "import sys; sys.exit('no wheel today')"]);
        let error = run(command).unwrap_err().to_string();
        assert!(error.contains("no wheel today") && error.contains("SINEW_MUJOCO"), "{error}");
    }
}
