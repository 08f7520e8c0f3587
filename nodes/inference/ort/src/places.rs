//! Where libonnxruntime may lie, in the order it is looked for.

use std::path::{Path, PathBuf};

/// File name without a version.
const LIBRARY: &str = "libonnxruntime.so";

/// The places of this process and user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Named on the command line or in a configuration; nothing else is tried then.
    pub explicit: Option<PathBuf>,
    /// `$ORT_DYLIB_PATH`; nothing behind it is tried then.
    pub ort_dylib_path: Option<PathBuf>,
    /// Where [`crate::fetch()`] puts the library.
    pub runtime_dir: Option<PathBuf>,
    /// Folder of the running program.
    pub program_dir: Option<PathBuf>,
    /// Folders of the system.
    pub system_dirs: Vec<PathBuf>,
    /// `$VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
}

/// No library anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no libonnxruntime found in {}; let it be fetched, set ORT_DYLIB_PATH, or use engine = [\"native\"]", tried.join(", "))]
pub struct NotFound {
    /// Places looked at.
    pub tried: Vec<String>,
}

impl Places {
    /// Of this process, from its environment.
    pub fn of_process() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home_state = || var("HOME").map(|home| home.join(".local/state"));
        let program_dir = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
        let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        Self {
            explicit: None,
            ort_dylib_path: var("ORT_DYLIB_PATH"),
            runtime_dir: var("XDG_STATE_HOME").or_else(home_state).map(|state| state.join("sinew/runtime")),
            program_dir,
            system_dirs: ["/usr/lib", &multiarch, "/usr/local/lib"].map(PathBuf::from).to_vec(),
            virtual_env: var("VIRTUAL_ENV"),
        }
    }

    /// The first library found.
    pub fn find(&self) -> Result<PathBuf, NotFound> {
        if let Some(named) = self.explicit.as_ref().or(self.ort_dylib_path.as_ref()) {
            let tried = || NotFound { tried: vec![named.display().to_string()] };
            return if named.is_file() { Ok(named.clone()) } else { Err(tried()) };
        }
        let python = self.virtual_env.iter().flat_map(|env| {
            let mut versions = sorted_entries(&env.join("lib"), |name| name.starts_with("python"));
            versions.reverse();
            versions.into_iter().map(|v| v.join("site-packages/onnxruntime/capi"))
        });
        let folders = self.runtime_dir.iter().chain(&self.program_dir).chain(&self.system_dirs).cloned();
        let mut tried = Vec::new();
        for folder in folders.chain(python) {
            if let Some(library) = newest_in(&folder) {
                return Ok(library);
            }
            tried.push(folder.display().to_string());
        }
        Err(NotFound { tried })
    }
}

/// The library in `folder`: the one without a version, else the newest version 1.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(LIBRARY);
    if plain.is_file() {
        return Some(plain);
    }
    let versions = |name: &str| version(name).is_some();
    let mut found = sorted_entries(folder, versions);
    found.sort_by_key(|path| path.file_name().and_then(|n| n.to_str()).and_then(version));
    found.pop()
}

/// Numbers behind `libonnxruntime.so.`, when the first is 1.
fn version(name: &str) -> Option<Vec<u32>> {
    let numbers = name.strip_prefix(LIBRARY)?.strip_prefix('.')?;
    let numbers: Option<Vec<u32>> = numbers.split('.').map(|n| n.parse().ok()).collect();
    numbers.filter(|n| n.first() == Some(&1))
}

/// Entries of a folder whose name fits, sorted by name.
fn sorted_entries(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let named = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(&fits);
    let mut found: Vec<PathBuf> = entries.filter(named).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn touch(path: PathBuf) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"").unwrap();
        path
    }

    #[test]
    fn places_are_tried_in_order_and_the_newest_version_wins() {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        let mut places = Places {
            runtime_dir: Some(at("state")),
            program_dir: Some(at("bin")),
            system_dirs: vec![at("lib")],
            virtual_env: Some(at("venv")),
            ..Places::default()
        };
        let error = places.find().unwrap_err();
        assert_eq!(error.tried.len(), 3);
        assert!(error.to_string().contains("state"));

        let capi = "lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0";
        let in_venv = touch(at("venv").join(capi));
        assert_eq!(places.find().unwrap(), in_venv);
        touch(at("lib/libonnxruntime.so.2.0.0"));
        touch(at("lib/libonnxruntime.so.1.9.0"));
        let newest = touch(at("lib/libonnxruntime.so.1.24.4"));
        assert_eq!(places.find().unwrap(), newest);
        let fetched = touch(at("state/libonnxruntime.so.1.32.0"));
        assert_eq!(places.find().unwrap(), fetched);

        let mine = touch(at("mine.so"));
        places.ort_dylib_path = Some(mine.clone());
        assert_eq!(places.find().unwrap(), mine);
        // What was named and is not there is an error, not a reason to take another.
        places.explicit = Some(at("gone.so"));
        assert!(places.find().unwrap_err().to_string().contains("gone.so"));
    }
}
