//! Where the bytes of a model come from: a folder, an archive, a test.
//!
//! The rooms above take a `Source`, so a manifest can only name files beside itself and a test can hand over
//! altered bytes without touching a disk.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// Largest file a model may consist of; larger ones are refused before they are read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why a file of a model could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The name leaves the folder of the manifest.
    #[error(
        "`{name}` leaves the folder of the manifest; name a file beside the manifest, without `..` or a leading `/`"
    )]
    Outside {
        /// The name as written.
        name: String,
    },
    /// The operating system said no.
    #[error("cannot read `{path}`: {reason}; check that the file was copied along with its manifest")]
    Unreadable {
        /// Full path tried.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// A folder, a pipe or a device.
    #[error("`{path}` is no regular file; expected a file that was copied along with its manifest")]
    NoFile {
        /// Full path.
        path: String,
    },
    /// Larger than [`MAX_FILE_BYTES`].
    #[error(
        "`{path}` has {bytes} bytes, more than the {MAX_FILE_BYTES} allowed; a model file is not that large"
    )]
    TooLarge {
        /// Full path.
        path: String,
        /// Size found.
        bytes: u64,
    },
}

/// Gives the bytes of a file named relative to the manifest's folder.
pub trait Source {
    /// All bytes of `name`.
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError>;
    /// How to call `name` in a message, e.g. its full path.
    fn describe(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// A folder on disk; used while a robot is being set up, never while it runs.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Files are taken relative to `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Splits the path of a manifest into its folder and its name.
    pub fn of_file(path: &Path) -> Result<(Self, String), SourceError> {
        let unnamed = || SourceError::Unreadable {
            path: path.display().to_string(),
            reason: "the path names no file".to_owned(),
        };
        let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(unnamed)?.to_owned();
        let root = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Ok((Self::new(root), name))
    }
}

impl Source for Directory {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let relative = Path::new(name);
        let inside = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || !inside {
            return Err(SourceError::Outside { name: name.to_owned() });
        }
        let path = self.root.join(relative);
        let shown = path.display().to_string();
        let unreadable =
            |e: std::io::Error| SourceError::Unreadable { path: shown.clone(), reason: e.to_string() };
        // Before it is opened: a pipe that nobody writes to would be waited for.
        let about = std::fs::metadata(&path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(SourceError::NoFile { path: shown });
        }
        // A file that grows, or whose size is not what it says, is read no further than the limit either.
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        let mut bytes = Vec::with_capacity(about.len().min(MAX_FILE_BYTES) as usize);
        let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)? as u64;
        if read > MAX_FILE_BYTES {
            return Err(SourceError::TooLarge { path: shown, bytes: about.len().max(read) });
        }
        Ok(bytes)
    }

    fn describe(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn a_manifest_cannot_reach_outside_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.onnx"), b"x").unwrap();
        let source = Directory::new(dir.path());
        assert_eq!(source.read("a.onnx").unwrap(), b"x");
        for name in ["../a.onnx", "/etc/hostname", "", "sub/../../a.onnx"] {
            assert!(matches!(source.read(name), Err(SourceError::Outside { .. })), "{name}");
        }
        assert!(source.read("missing.onnx").unwrap_err().to_string().contains("missing.onnx"));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe.onnx")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero.onnx")).unwrap();
        std::fs::create_dir(dir.path().join("folder.onnx")).unwrap();
        let source = Directory::new(dir.path());
        for name in ["pipe.onnx", "zero.onnx", "folder.onnx"] {
            assert!(matches!(source.read(name), Err(SourceError::NoFile { .. })), "{name}");
        }
    }
}
