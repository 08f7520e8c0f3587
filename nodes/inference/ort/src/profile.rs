//! The library's own profile of a run: which provider executed which kernel, whatever was planned.
//!
//! The only rung of the ladder that looks at the run itself. It sees the graph after all fusions, so its nodes are
//! not those of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;

/// Largest profile read, bytes.
pub const MAX_PROFILE_BYTES: u64 = 256 << 20;

/// The file of one session's profile: a name that no other engine of this machine uses, removed whatever happens,
/// also when the session was never built.
pub(crate) struct ProfileFile {
    folder: PathBuf,
    name: String,
}

impl ProfileFile {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sinew-profile-{}-{count}_", std::process::id());
        Self { folder: std::env::temp_dir(), name }
    }

    /// What the library puts the time and `.json` behind.
    pub(crate) fn prefix(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The profile, once the session has ended it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let file = self.files().pop().ok_or("the library wrote none")?;
        let told = |e: std::io::Error| format!("{}: {e}", file.display());
        match std::fs::metadata(&file).map_err(told)?.len() {
            size if size > MAX_PROFILE_BYTES => Err(format!("{}: {size} bytes", file.display())),
            _ => std::fs::read(&file).map_err(told),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let own =
            |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&self.name));
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(own).collect()
    }
}

impl Drop for ProfileFile {
    fn drop(&mut self) {
        for file in self.files() {
            // Somebody else's clean-up may have been quicker.
            drop(std::fs::remove_file(file));
        }
    }
}

/// Why a profile says nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not the JSON expected.
    #[error("line {line}: {reason}")]
    Json {
        /// Line in the file.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// No kernel at all.
    #[error("no kernel ran")]
    Empty,
}

/// What one provider executed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Kernels {
    /// Provider, as configurations call it.
    pub provider: String,
    /// Distinct kernels.
    pub kernels: usize,
    /// Time in them per run, us.
    pub us_per_run: f64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    node_index: String,
}

/// Kernels by provider, of a profile over `runs` runs; `call` gives the configuration's name of a provider.
pub fn parse(bytes: &[u8], runs: u32, call: &dyn Fn(&str) -> String) -> Result<Vec<Kernels>, ProfileError> {
    let events: Vec<Event> = serde_json::from_slice(bytes)
        .map_err(|e| ProfileError::Json { line: e.line(), reason: e.to_string() })?;
    let mut providers: BTreeMap<String, (BTreeSet<String>, f64)> = BTreeMap::new();
    for event in events {
        if event.cat != "Node" || event.args.provider.is_empty() {
            continue;
        }
        let (kernels, us) = providers.entry(event.args.provider).or_default();
        *us += event.dur;
        kernels.insert(format!("{} {}", event.args.node_index, event.name));
    }
    if providers.is_empty() {
        return Err(ProfileError::Empty);
    }
    let entry = |(provider, (kernels, us)): (String, (BTreeSet<String>, f64))| Kernels {
        provider: call(&provider),
        kernels: kernels.len(),
        us_per_run: us / f64::from(runs.max(1)),
    };
    Ok(providers.into_iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use crate::provider::key_of;

    const PROFILE: &str = r#"[
        {"cat":"Session","dur":900,"name":"session_initialization","args":{}},
        {"cat":"Node","dur":30,"name":"a_kernel_time","args":{"provider":"CUDAExecutionProvider","node_index":"1"}},
        {"cat":"Node","dur":10,"name":"a_kernel_time","args":{"provider":"CUDAExecutionProvider","node_index":"1"}},
        {"cat":"Node","dur":6,"name":"_kernel_time","args":{"provider":"CPUExecutionProvider","node_index":"2"}},
        {"cat":"Node","dur":4,"name":"_kernel_time","args":{"provider":"CPUExecutionProvider","node_index":"3"}}
    ]"#;

    #[test]
    fn kernels_are_counted_once_and_timed_per_run() {
        let found = parse(PROFILE.as_bytes(), 2, &|p| key_of(p).to_owned()).unwrap();
        let [cpu, cuda] = found.as_slice() else { unreachable!("{found:?}") };
        assert_eq!((cpu.provider.as_str(), cpu.kernels, cpu.us_per_run), ("cpu", 2, 5.0));
        assert_eq!((cuda.provider.as_str(), cuda.kernels, cuda.us_per_run), ("cuda", 1, 20.0));
    }

    #[test]
    fn a_profile_without_kernels_or_cut_short_is_an_error() {
        let key = |p: &str| key_of(p).to_owned();
        assert!(matches!(parse(b"[]", 1, &key), Err(ProfileError::Empty)));
        assert!(matches!(parse(&PROFILE.as_bytes()[..200], 1, &key), Err(ProfileError::Json { .. })));
        assert!(matches!(parse(b"{\"cat\":1}", 1, &key), Err(ProfileError::Json { .. })));
    }
}
