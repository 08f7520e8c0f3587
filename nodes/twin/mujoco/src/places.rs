//! Where libmujoco may lie, in the order it is looked for.

use std::path::{Path, PathBuf};

use crate::fetch::VERSION;

/// Environment variable that names a library; nothing else is tried then.
pub const ENVIRONMENT: &str = "SINEW_MUJOCO";

/// File name without a version.
const LIBRARY: &str = "libmujoco.so";

/// The places of this process and user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Named on the command line or in a configuration; nothing else is tried then.
    pub explicit: Option<PathBuf>,
    /// `$SINEW_MUJOCO`; nothing behind it is tried then.
    pub environment: Option<PathBuf>,
    /// Where [`crate::fetch()`] puts the library.
    pub runtime_dir: Option<PathBuf>,
    /// `$VIRTUAL_ENV`, whose Python package `mujoco` holds a library.
    pub virtual_env: Option<PathBuf>,
}

/// No library anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no libmujoco found in {}; let it be fetched, set {ENVIRONMENT} to a libmujoco.so, or use engine rapier", tried.join(", "))]
pub struct NotFound {
    /// Places looked at.
    pub tried: Vec<String>,
}

impl Places {
    /// Of this process, from its environment.
    #[must_use]
    pub fn of_process() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home_state = || var("HOME").map(|home| home.join(".local/state"));
        Self {
            explicit: None,
            environment: var(ENVIRONMENT),
            runtime_dir: var("XDG_STATE_HOME").or_else(home_state).map(|state| state.join("sinew/runtime")),
            virtual_env: var("VIRTUAL_ENV"),
        }
    }

    /// A library that somebody named; it must be that one.
    #[must_use]
    pub fn named(&self) -> Option<&Path> {
        self.explicit.as_deref().or(self.environment.as_deref())
    }

    /// The library that was named; else the first of the pinned version.
    ///
    /// # Errors
    /// [`NotFound`] with every place looked at.
    pub fn find(&self) -> Result<PathBuf, NotFound> {
        if let Some(named) = self.named() {
            let tried = || NotFound { tried: vec![named.display().to_string()] };
            return if named.is_file() { Ok(named.to_owned()) } else { Err(tried()) };
        }
        let python = self.virtual_env.iter().flat_map(|env| {
            let mut versions = sorted_entries(&env.join("lib"), |name| name.starts_with("python"));
            versions.reverse();
            versions.into_iter().map(|v| v.join("site-packages/mujoco"))
        });
        let mut tried = Vec::new();
        for folder in self.runtime_dir.iter().cloned().chain(python) {
            let library = folder.join(format!("{LIBRARY}.{VERSION}"));
            if library.is_file() {
                return Ok(library);
            }
            tried.push(folder.display().to_string());
        }
        Err(NotFound { tried })
    }
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
    fn places_are_tried_in_order_and_only_the_pinned_version_counts() {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        let mut places =
            Places { runtime_dir: Some(at("state")), virtual_env: Some(at("venv")), ..Places::default() };
        let error = places.find().unwrap_err();
        assert_eq!(error.tried.len(), 1);
        // Another version changes what a run gives: it is taken only when named.
        touch(at("venv/lib/python3.11/site-packages/mujoco/libmujoco.so.3.9.0"));
        touch(at("state/libmujoco.so"));
        assert!(places.find().is_err());
        let in_venv = touch(at("venv/lib/python3.11/site-packages/mujoco/libmujoco.so.3.17.0"));
        assert_eq!(places.find().unwrap(), in_venv);
        let fetched = touch(at("state/libmujoco.so.3.17.0"));
        assert_eq!(places.find().unwrap(), fetched);
        let mine = touch(at("mine.so"));
        places.environment = Some(mine.clone());
        assert_eq!(places.find().unwrap(), mine);
        // What was named and is not there is an error, not a reason to take another.
        places.explicit = Some(at("gone.so"));
        assert!(places.find().unwrap_err().to_string().contains("gone.so"));
    }
}
