//! The directory of a robot's sockets: nobody but the robot's user may enter it, because whoever opens a socket
//! there can move the robot.
use nix::unistd::geteuid;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    #[error("run directory {}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("run directory {}: found {found}, expected {expected}", .path.display())]
    Unsafe { path: PathBuf, found: String, expected: &'static str },
}

/// A directory that was checked: ours, mode 0700, no link. The path is absolute and free of links, so that two
/// processes spell it alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory (and what lies above it) or takes an existing one, after checking it.
    ///
    /// # Errors
    /// [`RunDirError`], naming what was found and how to mend it.
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Io { path: path.to_owned(), source };
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            std::fs::create_dir_all(above).map_err(failed)?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Self::open(path),
        }
    }

    /// Takes an existing directory after checking it.
    ///
    /// # Errors
    /// [`RunDirError`], naming what was found and how to mend it.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Io { path: path.to_owned(), source };
        let meta = path.symlink_metadata().map_err(failed)?;
        if let Some((found, expected)) = complaint(&meta) {
            return Err(RunDirError::Unsafe { path: path.to_owned(), found, expected });
        }
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self { path })
    }

    /// Absolute, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn complaint(meta: &Metadata) -> Option<(String, &'static str)> {
    if !meta.is_dir() {
        return Some(("something that is no directory".into(), "a directory, not a link to one"));
    }
    if meta.uid() != geteuid().as_raw() {
        return Some((format!("owner uid {}", meta.uid()), "a directory of the user who runs the robot"));
    }
    (meta.mode() & 0o077 != 0)
        .then(|| (format!("mode {:o}", meta.mode() & 0o777), "mode 700: `chmod 700` it"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_new_directory_is_private_and_may_be_taken_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("sinew").join("quad");
        let made = RunDir::create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(RunDir::create(&path).unwrap(), made);
    }

    #[test]
    fn open_doors_links_and_files_are_refused_with_what_was_found() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        RunDir::create(&path).unwrap();
        let link = parent.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(RunDir::open(&link).unwrap_err().to_string().contains("not a link"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(RunDir::create(&path).unwrap_err().to_string().contains("found mode 750"));
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(RunDir::create(&file), Err(RunDirError::Unsafe { .. })));
        assert!(matches!(RunDir::open(&parent.path().join("none")), Err(RunDirError::Io { .. })));
    }
}
