//! The library's own profile of a run: which provider executed which kernel, whatever was planned.
//!
//! The only rung of the ladder that looks at the run itself. It sees the graph after all fusions, so its nodes are
//! not those of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;

use crate::subgraph::{AssignedNode, Subgraph};

/// Largest profile read, bytes.
pub const MAX_PROFILE_BYTES: u64 = 256 << 20;

/// Beginning of the file's name; the library puts the time and `.json` behind it.
const NAME: &str = "profile_";

/// The file of one session's profile, alone in a folder that nobody else may read or write, made for it under a name
/// that nobody knows beforehand. It is removed whatever happens, also when the session was never built.
pub(crate) struct ProfileFile {
    folder: TempDir,
}

impl ProfileFile {
    /// A folder in `parent` that was not there before.
    pub(crate) fn create_in(parent: &Path) -> std::io::Result<Self> {
        let prefix = format!("sinew-profile-{}-", std::process::id());
        let ours = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(&prefix).permissions(ours).tempdir_in(parent)?;
        Ok(Self { folder })
    }

    /// What the library is told.
    pub(crate) fn prefix(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// The profile, once the session has ended it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let entries = std::fs::read_dir(self.folder.path()).map_err(|e| e.to_string())?;
        let file = entries.flatten().map(|e| e.path()).next().ok_or("the library wrote none")?;
        let told = |e: std::io::Error| format!("{}: {e}", file.display());
        match std::fs::metadata(&file).map_err(told)?.len() {
            size if size > MAX_PROFILE_BYTES => Err(format!("{}: {size} bytes", file.display())),
            _ => std::fs::read(&file).map_err(told),
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
    #[serde(default)]
    op_name: String,
}

/// Kernels by provider, of a profile over `runs` runs; `call` gives the configuration's name of a provider.
pub fn parse(bytes: &[u8], runs: u32, call: &dyn Fn(&str) -> String) -> Result<Vec<Kernels>, ProfileError> {
    let mut providers: BTreeMap<String, (BTreeSet<String>, f64)> = BTreeMap::new();
    for event in events(bytes)? {
        let (kernels, us) = providers.entry(event.args.provider).or_default();
        *us += event.dur;
        kernels.insert(format!("{} {}", event.args.node_index, event.name));
    }
    let entry = |(provider, (kernels, us)): (String, (BTreeSet<String>, f64))| Kernels {
        provider: call(&provider),
        kernels: kernels.len(),
        us_per_run: us / f64::from(runs.max(1)),
    };
    Ok(providers.into_iter().map(entry).collect())
}

/// The kernels as if the session had recorded them, for libraries whose interface has no such record: each kernel is
/// a node, one that stands for a compiled piece as well.
pub(crate) fn as_record(bytes: &[u8]) -> Result<Vec<Subgraph>, ProfileError> {
    let mut providers: BTreeMap<String, BTreeMap<String, AssignedNode>> = BTreeMap::new();
    for event in events(bytes)? {
        let name = event.name.strip_suffix("_kernel_time").unwrap_or(&event.name).to_owned();
        let node = AssignedNode { name, domain: String::new(), operator: event.args.op_name };
        let key = format!("{} {}", event.args.node_index, event.name);
        providers.entry(event.args.provider).or_default().insert(key, node);
    }
    let subgraph = |(provider, nodes): (String, BTreeMap<String, AssignedNode>)| Subgraph {
        provider,
        nodes: nodes.into_values().collect(),
    };
    Ok(providers.into_iter().map(subgraph).collect())
}

/// One event per kernel and run.
fn events(bytes: &[u8]) -> Result<Vec<Event>, ProfileError> {
    let mut events: Vec<Event> = serde_json::from_slice(bytes)
        .map_err(|e| ProfileError::Json { line: e.line(), reason: e.to_string() })?;
    events.retain(|event| event.cat == "Node" && !event.args.provider.is_empty());
    if events.is_empty() {
        return Err(ProfileError::Empty);
    }
    Ok(events)
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
    fn the_folder_of_a_profile_is_ours_alone_and_goes_with_it() {
        let parent = tempfile::tempdir().unwrap();
        let left = || std::fs::read_dir(parent.path()).unwrap().count();
        let [one, two] = [(); 2].map(|()| ProfileFile::create_in(parent.path()).unwrap());
        assert_ne!(one.prefix(), two.prefix());
        for file in [&one, &two] {
            let mode = file.folder.path().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{mode:o}");
        }
        assert!(one.read().unwrap_err().contains("wrote none"));
        let written = format!("{}2026.json", one.prefix().display());
        std::fs::write(&written, "[]").unwrap();
        assert_eq!(one.read().unwrap(), b"[]");
        assert_eq!(left(), 2);
        drop((one, two));
        assert_eq!(left(), 0);
        assert!(ProfileFile::create_in(&parent.path().join("nowhere")).is_err());
    }

    #[test]
    fn kernels_are_counted_once_and_timed_per_run() {
        let found = parse(PROFILE.as_bytes(), 2, &|p| key_of(p).to_owned()).unwrap();
        let [cpu, cuda] = found.as_slice() else { unreachable!("{found:?}") };
        assert_eq!((cpu.provider.as_str(), cpu.kernels, cpu.us_per_run), ("cpu", 2, 5.0));
        assert_eq!((cuda.provider.as_str(), cuda.kernels, cuda.us_per_run), ("cuda", 1, 20.0));
    }

    #[test]
    fn kernels_stand_for_nodes_where_nothing_was_recorded() {
        let text = PROFILE.replace(
            r#""name":"_kernel_time","args":{"#,
            r#""name":"/a/Add_kernel_time","args":{"op_name":"Add","#,
        );
        let found = as_record(text.as_bytes()).unwrap();
        let [cpu, cuda] = found.as_slice() else { unreachable!("{found:?}") };
        assert_eq!((cpu.provider.as_str(), cpu.nodes.len()), ("CPUExecutionProvider", 2));
        assert_eq!((cpu.nodes[0].name.as_str(), cpu.nodes[0].operator.as_str()), ("/a/Add", "Add"));
        assert_eq!((cuda.provider.as_str(), cuda.nodes.len()), ("CUDAExecutionProvider", 1), "counted once");
        assert!(matches!(as_record(b"[]"), Err(ProfileError::Empty)));
    }

    #[test]
    fn a_profile_without_kernels_or_cut_short_is_an_error() {
        let key = |p: &str| key_of(p).to_owned();
        assert!(matches!(parse(b"[]", 1, &key), Err(ProfileError::Empty)));
        assert!(matches!(parse(&PROFILE.as_bytes()[..200], 1, &key), Err(ProfileError::Json { .. })));
        assert!(matches!(parse(b"{\"cat\":1}", 1, &key), Err(ProfileError::Json { .. })));
    }
}
