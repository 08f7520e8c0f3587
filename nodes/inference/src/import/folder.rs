//! The files of a foreign model: their names, and their bytes through a [`Source`].

use crate::source::Source;

use super::error::ImportError;
use super::tree::Document;

/// A folder to import from.
pub struct Folder<'a> {
    /// How to call it in messages.
    pub name: String,
    /// Names of all files below it, sorted, with `/`.
    pub files: Vec<String>,
    /// Gives their bytes.
    pub source: &'a dyn Source,
}

impl std::fmt::Debug for Folder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").field("name", &self.name).field("files", &self.files).finish_non_exhaustive()
    }
}

impl Folder<'_> {
    /// Bytes of a file; a Git LFS pointer is refused.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, ImportError> {
        let bytes = self.source.read(file)?;
        if bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs") {
            return Err(ImportError::LfsPointer { file: file.to_owned(), bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// A YAML or JSON file as a tree.
    pub fn document(&self, file: &str) -> Result<Document, ImportError> {
        Document::parse(file, &self.read(file)?)
    }

    /// Files whose name ends in one of `endings`.
    pub fn ending(&self, endings: &[&str]) -> Vec<&str> {
        let fits = |f: &&String| endings.iter().any(|e| f.ends_with(e));
        self.files.iter().filter(fits).map(String::as_str).collect()
    }

    /// Files called `name`, in any folder.
    pub fn called(&self, name: &str) -> Vec<&str> {
        let fits = |f: &&String| f.rsplit('/').next() == Some(name);
        self.files.iter().filter(fits).map(String::as_str).collect()
    }

    /// `name`, which the file `beside` refers to, as a name in this folder.
    pub fn beside(beside: &str, name: &str) -> String {
        match beside.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.to_owned(),
        }
    }

    /// The one file of `candidates`, else a refusal.
    pub fn one(&self, candidates: &[&str], what: &str, hint: &str) -> Result<String, ImportError> {
        match candidates {
            [one] => Ok((*one).to_owned()),
            [] => {
                let all: Vec<&str> = self.files.iter().map(String::as_str).take(12).collect();
                let found = if all.is_empty() { "no files".to_owned() } else { all.join(", ") };
                Err(self.error(found, format!("one {what}"), hint))
            }
            several => Err(self.error(several.join(", "), format!("one {what}"), hint)),
        }
    }

    /// A refusal about the folder's files.
    pub fn error(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> ImportError {
        ImportError::Files {
            folder: self.name.as_str().into(),
            found: found.into().into(),
            expected: expected.into().into(),
            hint: hint.into().into(),
        }
    }
}
