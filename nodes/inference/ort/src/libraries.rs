//! Which library a provider lacks: the loader's search walked by hand, so that the answer has a name.
//!
//! Nothing is opened for execution here. A provider that fails to load usually says so about itself, although what is
//! missing lies three libraries deeper; [`missing`] names that one, and who needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::elf::{Dynamic, Elf, ElfError};

/// Files followed at most, for libraries that need each other without end.
const MAX_FILES: usize = 2000;
/// Nested `include` of loader configurations followed at most.
const MAX_INCLUDES: usize = 4;

/// Where the loader looks, besides what a library says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoaderPath {
    /// `$LD_LIBRARY_PATH`.
    pub environment: Vec<PathBuf>,
    /// `/etc/ld.so.conf` and the folders built into the loader.
    pub system: Vec<PathBuf>,
}

/// A library that cannot be found or read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Its name.
    pub library: String,
    /// The file that needs it.
    pub needed_by: PathBuf,
    /// What is wrong with it, when it is there.
    pub problem: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = self.needed_by.file_name().and_then(|n| n.to_str()).unwrap_or("?");
        match &self.problem {
            None => write!(f, "{} is missing, needed by {by}", self.library),
            Some(problem) => write!(f, "{}, needed by {by}: {problem}", self.library),
        }
    }
}

impl LoaderPath {
    /// Of this process and machine.
    pub fn of_process() -> Self {
        let variable = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let environment = std::env::split_paths(&variable).filter(|p| !p.as_os_str().is_empty()).collect();
        let mut system = configured(Path::new("/etc/ld.so.conf"), MAX_INCLUDES);
        let arch = std::env::consts::ARCH;
        for folder in ["/lib", "/usr/lib", "/lib64", "/usr/lib64"] {
            system.push(folder.into());
            system.push(format!("{folder}/{arch}-linux-gnu").into());
        }
        Self { environment, system }
    }

    /// The file that a library with these search folders of its own would get for `name`.
    pub fn find(&self, name: &str, own: &[PathBuf]) -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|p| p.is_file());
        }
        let folders = self.environment.iter().chain(own).chain(&self.system);
        folders.map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// The first file whose name begins with `stem` followed by a version, e.g. `libnvinfer.so.`, in any folder.
    pub fn find_any_version(&self, stem: &str) -> Vec<PathBuf> {
        let mut found = BTreeSet::new();
        for folder in self.environment.iter().chain(&self.system) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(stem)) {
                    found.insert(entry.path());
                }
            }
        }
        found.into_iter().collect()
    }
}

/// Folders of a loader configuration and of those it includes.
fn configured(file: &Path, includes: usize) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut folders = Vec::new();
    for line in text.lines().map(|l| l.split('#').next().unwrap_or("").trim()) {
        match line.strip_prefix("include ") {
            Some(pattern) if includes > 0 => {
                let (folder, suffix) = pattern.trim().rsplit_once("/*").unwrap_or((pattern.trim(), ""));
                let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.path())
                    .filter(|p| p.to_str().is_some_and(|p| p.ends_with(suffix)))
                    .collect();
                files.sort();
                folders.extend(files.iter().flat_map(|f| configured(f, includes - 1)));
            }
            Some(_) => {}
            None if line.starts_with('/') => folders.push(line.into()),
            None => {}
        }
    }
    folders
}

/// The first library, depth first in the loader's order, that `library` needs and the loader would not get.
///
/// # Errors
/// When `library` itself cannot be read.
pub fn missing(library: &Path, path: &LoaderPath) -> Result<Option<Missing>, ElfError> {
    let dynamic = dynamic_of(library)?;
    let mut seen = BTreeMap::new();
    Ok(search(library, &dynamic, path, &mut seen))
}

fn search(
    library: &Path,
    dynamic: &Dynamic,
    path: &LoaderPath,
    seen: &mut BTreeMap<PathBuf, ()>,
) -> Option<Missing> {
    let origin = library.parent().unwrap_or(Path::new("."));
    let own: Vec<PathBuf> = dynamic
        .search
        .iter()
        .map(|folder| match folder.replace("${ORIGIN}", "$ORIGIN").strip_prefix("$ORIGIN") {
            Some(rest) => origin.join(rest.trim_start_matches('/')),
            None => PathBuf::from(folder),
        })
        .collect();
    for name in &dynamic.needed {
        let gone = |problem: Option<String>| {
            Some(Missing { library: name.clone(), needed_by: library.to_owned(), problem })
        };
        let Some(found) = path.find(name, &own) else { return gone(None) };
        if seen.len() >= MAX_FILES || seen.insert(found.clone(), ()).is_some() {
            continue;
        }
        match dynamic_of(&found) {
            Err(error) => return gone(Some(error.to_string())),
            Ok(dynamic) => {
                if let Some(deeper) = search(&found, &dynamic, path, seen) {
                    return Some(deeper);
                }
            }
        }
    }
    None
}

/// What the loader is told about the library at `path`.
pub fn dynamic_of(path: &Path) -> Result<Dynamic, ElfError> {
    Elf::open(std::io::BufReader::new(File::open(path)?))?.dynamic()
}
