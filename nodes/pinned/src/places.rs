//! Where a library may lie, in the order it is looked for.

use std::path::{Path, PathBuf};

use crate::Pinned;

/// The places of this process and user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Named by the environment, on the command line or in a configuration; nothing else is tried then.
    pub named: Option<PathBuf>,
    /// Where [`Pinned::fetch`] puts libraries.
    pub runtime_dir: Option<PathBuf>,
    /// Folder of the running program.
    pub program_dir: Option<PathBuf>,
    /// Folders of the system.
    pub system_dirs: Vec<PathBuf>,
    /// `$VIRTUAL_ENV`, whose Python packages hold libraries.
    pub virtual_env: Option<PathBuf>,
}

/// No library anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {file} found in {}; let it be fetched, set {environment} to one, or use {without}", tried.join(", "))]
pub struct NotFound {
    /// Its file, without a version.
    pub file: &'static str,
    /// The variable that names one.
    pub environment: &'static str,
    /// What works without it.
    pub without: &'static str,
    /// Places looked at.
    pub tried: Vec<String>,
}

impl Places {
    /// Of this process, for a library that `environment` may name.
    #[must_use]
    pub fn of_process(environment: &str) -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home_state = || var("HOME").map(|home| home.join(".local/state"));
        let program_dir = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
        let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        Self {
            named: var(environment),
            runtime_dir: var("XDG_STATE_HOME").or_else(home_state).map(|state| state.join("sinew/runtime")),
            program_dir,
            system_dirs: ["/usr/lib", &multiarch, "/usr/local/lib"].map(PathBuf::from).to_vec(),
            virtual_env: var("VIRTUAL_ENV"),
        }
    }
}

impl Pinned {
    /// The library that was named, else the first that will do.
    ///
    /// # Errors
    /// [`NotFound`] with every place looked at.
    pub fn find(&self, places: &Places) -> Result<PathBuf, NotFound> {
        if let Some(named) = &places.named {
            let missing = || self.not_found(vec![named.display().to_string()]);
            return if named.is_file() { Ok(named.clone()) } else { Err(missing()) };
        }
        let python = places.virtual_env.iter().flat_map(|env| {
            let mut versions = sorted_entries(&env.join("lib"), |name| name.starts_with("python"));
            versions.reverse();
            versions.into_iter().map(|v| v.join("site-packages").join(self.folder))
        });
        let folders =
            places.runtime_dir.iter().chain(&places.program_dir).chain(&places.system_dirs).cloned();
        let mut tried = Vec::new();
        for folder in folders.chain(python) {
            if let Some(library) = self.find_in(&folder) {
                return Ok(library);
            }
            tried.push(folder.display().to_string());
        }
        Err(self.not_found(tried))
    }

    /// [`NotFound`] after these places.
    #[must_use]
    pub fn not_found(&self, tried: Vec<String>) -> NotFound {
        NotFound { file: self.file, environment: self.environment, without: self.without, tried }
    }

    /// The library in `folder`: of the pinned version; where others do, the one without a version or the newest.
    fn find_in(&self, folder: &Path) -> Option<PathBuf> {
        if !self.other_versions {
            return Some(folder.join(self.versioned())).filter(|library| library.is_file());
        }
        let plain = folder.join(self.file);
        if plain.is_file() {
            return Some(plain);
        }
        let fits = |name: &str| self.fitting_version(name).is_some();
        let mut found = sorted_entries(folder, fits);
        found.sort_by_key(|path| {
            path.file_name().and_then(|n| n.to_str()).and_then(|n| self.fitting_version(n))
        });
        found.pop()
    }

    /// Numbers behind the file's name, when the first is that of the pinned version.
    fn fitting_version(&self, name: &str) -> Option<Vec<u32>> {
        let numbers = |text: &str| text.split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>();
        let found = numbers(name.strip_prefix(self.file)?.strip_prefix('.')?)?;
        (found.first() == numbers(self.version)?.first()).then_some(found)
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
    use crate::tests::SIX;

    fn touch(path: PathBuf) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"").unwrap();
        path
    }

    #[test]
    fn places_are_tried_in_order_and_the_newest_version_wins() {
        let any = Pinned { other_versions: true, ..SIX };
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        let mut places = Places {
            runtime_dir: Some(at("state")),
            program_dir: Some(at("bin")),
            system_dirs: vec![at("lib")],
            virtual_env: Some(at("venv")),
            ..Places::default()
        };
        let error = any.find(&places).unwrap_err();
        assert_eq!(error.tried.len(), 3);
        assert!(error.to_string().contains("state") && error.to_string().contains("nothing at all"));

        let in_venv = touch(at("venv/lib/python3.11/site-packages/six/inner/libsix.so.1.30.0"));
        assert_eq!(any.find(&places).unwrap(), in_venv);
        touch(at("lib/libsix.so.2.0.0"));
        touch(at("lib/libsix.so.1.9.0"));
        let newest = touch(at("lib/libsix.so.1.24.4"));
        assert_eq!(any.find(&places).unwrap(), newest);
        let fetched = touch(at("state/libsix.so.1.16.0"));
        assert_eq!(any.find(&places).unwrap(), fetched);

        let mine = touch(at("mine.so"));
        places.named = Some(mine.clone());
        assert_eq!(any.find(&places).unwrap(), mine);
        // What was named and is not there is an error, not a reason to take another.
        places.named = Some(at("gone.so"));
        assert!(any.find(&places).unwrap_err().to_string().contains("gone.so"));
    }

    #[test]
    fn where_another_version_would_give_other_results_only_the_pinned_one_counts() {
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        let places =
            Places { runtime_dir: Some(at("state")), virtual_env: Some(at("venv")), ..Places::default() };
        touch(at("venv/lib/python3.11/site-packages/six/inner/libsix.so.1.17.0"));
        touch(at("state/libsix.so"));
        assert!(SIX.find(&places).is_err());
        let in_venv = touch(at("venv/lib/python3.11/site-packages/six/inner/libsix.so.1.16.0"));
        assert_eq!(SIX.find(&places).unwrap(), in_venv);
    }
}
