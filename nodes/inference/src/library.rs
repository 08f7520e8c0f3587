//! A shared library that a manifest names: inside the manifest's folder and hashed, before anybody opens it.
//!
//! Opening a library runs its code, so whoever opens one takes a [`Library`], which only [`Library::verify`] makes.
//! Between that and the opening somebody who may write in the folder could still exchange the file; such a person could
//! write the manifest, too.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::GraphFile;
use crate::model::hex;

/// Why a library is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// It lies elsewhere.
    #[error(
        "library `{file}` (hash on line {line}): found {found}; expected a file inside the manifest's folder; copy it there, without `..`, a leading `/` or a link that leads out"
    )]
    Outside {
        /// As written.
        file: String,
        /// Line of its hash in the manifest.
        line: usize,
        /// Where it leads.
        found: String,
    },
    /// The operating system said no.
    #[error(
        "library `{file}` (hash on line {line}): {reason}; check that it was copied along with its manifest"
    )]
    Unreadable {
        /// As written.
        file: String,
        /// Line of its hash in the manifest.
        line: usize,
        /// What the operating system said.
        reason: String,
    },
    /// Not the library the manifest was written for.
    #[error(
        "library `{file}`: SHA-256 is {found}; line {line} of the manifest expects {expected}; restore the file, or write the hash of the one you trust"
    )]
    Hash {
        /// As written.
        file: String,
        /// Line of its hash in the manifest.
        line: usize,
        /// Its hash.
        found: String,
        /// Hash in the manifest.
        expected: String,
    },
}

/// The full path of a library that is what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    path: PathBuf,
    sha256: String,
}

impl Library {
    /// Finds `named` in `folder` and reads it to its end.
    pub fn verify(folder: &Path, named: &GraphFile) -> Result<Self, LibraryError> {
        let (file, line) = (named.file.clone(), named.line);
        if !is_inside(&named.file) {
            let found = format!("`{file}`");
            return Err(LibraryError::Outside { file, line, found });
        }
        let unreadable = |e: std::io::Error| LibraryError::Unreadable {
            file: named.file.clone(),
            line,
            reason: e.to_string(),
        };
        // An empty folder is how a manifest beside us is written.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let root = folder.canonicalize().map_err(unreadable)?;
        let path = root.join(&named.file).canonicalize().map_err(unreadable)?;
        if !path.starts_with(&root) {
            return Err(LibraryError::Outside { file, line, found: path.display().to_string() });
        }
        let found = hash_of(&path).map_err(unreadable)?;
        if found != named.sha256 {
            return Err(LibraryError::Hash { file, line, found, expected: named.sha256.clone() });
        }
        Ok(Self { path, sha256: found })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of its content, as the manifest has it.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Does a name stay below the folder it is taken relative to, links aside?
pub(crate) fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn hash_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => hash.update(bytes),
            _ => return Ok(hex(&hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use crate::model::sha256_hex;

    fn named(file: &str, content: &[u8]) -> GraphFile {
        GraphFile { file: file.to_owned(), sha256: sha256_hex(content), line: 7 }
    }

    #[test]
    fn a_library_below_the_folder_with_its_hash_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("lib")).unwrap();
        std::fs::write(dir.path().join("lib/a.so"), b"code").unwrap();
        let library = Library::verify(dir.path(), &named("lib/a.so", b"code")).unwrap();
        assert_eq!(library.path(), dir.path().canonicalize().unwrap().join("lib/a.so"));
        std::os::unix::fs::symlink("lib/a.so", dir.path().join("b.so")).unwrap();
        Library::verify(dir.path(), &named("b.so", b"code")).unwrap();
    }

    #[test]
    fn another_content_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.so"), b"other code").unwrap();
        let error = Library::verify(dir.path(), &named("a.so", b"code")).unwrap_err();
        assert!(matches!(error, LibraryError::Hash { line: 7, .. }), "{error}");
        assert!(error.to_string().contains(&sha256_hex(b"other code")), "{error}");
    }

    #[test]
    fn no_way_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("model"), dir.path().join("a.so"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&outside, b"code").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link.so")).unwrap();
        std::os::unix::fs::symlink(dir.path(), inside.join("up")).unwrap();
        let absolute = outside.display().to_string();
        for file in ["../a.so", &absolute, "x/../../a.so", "./../a.so", "", "link.so", "up/a.so"] {
            let error = Library::verify(&inside, &named(file, b"code")).unwrap_err();
            assert!(matches!(error, LibraryError::Outside { .. }), "{file}: {error}");
        }
        let error = Library::verify(&inside, &named("gone.so", b"code")).unwrap_err();
        assert!(matches!(error, LibraryError::Unreadable { .. }), "{error}");
    }
}
