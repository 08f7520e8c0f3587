//! Prepared TensorRT engines on disk: built once and aloud, found or refused at launch, never built there.
//!
//! ```text
//!   <state>/engines/<key>/        key = SHA-256 over graph, weights, both versions, device, options
//!       index.json                the key in words, and every file with size and SHA-256
//!       context.onnx              what the node loads instead of the graph: no node in it can be compiled again
//! ```
//! An entry appears whole or not at all (written beside, flushed, renamed). One that is damaged, or that says of
//! itself something else than what is asked for, is refused; only `sinew model build --rebuild` replaces it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sinew_inference::sha256_hex;

use crate::session::GraphBytes;

/// Name of the file a node loads.
pub const CONTEXT: &str = "context.onnx";
const INDEX: &str = "index.json";
const SCHEMA: u32 = 1;
/// Largest prepared file.
const MAX_FILE_BYTES: u64 = 1 << 31;

/// Everything that a prepared engine depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineKey {
    /// SHA-256 of the graph and its external data.
    pub graph_sha256: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Version of TensorRT.
    pub tensorrt: String,
    /// Compute capability of the device, e.g. `8.7`.
    pub capability: String,
    /// Options the engine is built with, `key=value`, sorted.
    pub options: Vec<String>,
}

impl EngineKey {
    /// SHA-256 of a graph with its external data.
    pub fn hash_graph(graph: &GraphBytes) -> String {
        let mut text = sha256_hex(&graph.onnx);
        for (name, bytes) in &graph.external {
            text.push_str(&format!("\n{name} {}", sha256_hex(bytes)));
        }
        sha256_hex(text.as_bytes())
    }

    /// Name of the entry.
    pub fn id(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.fields() {
            // Writing to a String cannot fail.
            _ = writeln!(text, "{name}={value}");
        }
        sha256_hex(text.as_bytes())
    }

    fn fields(&self) -> [(&'static str, String); 5] {
        [
            ("graph_sha256", self.graph_sha256.clone()),
            ("onnxruntime", self.onnxruntime.clone()),
            ("tensorrt", self.tensorrt.clone()),
            ("capability", self.capability.clone()),
            ("options", self.options.join(" ")),
        ]
    }
}

/// A file of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    schema: u32,
    key: EngineKey,
    /// Who built it; a simulated builder says so here, and its entries are refused by nodes.
    builder: String,
    simulated: bool,
    build_s: f64,
    files: Vec<FileEntry>,
}

/// Why there is no engine to run.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// None was built for this graph, library, device and options.
    #[error(
        "no TensorRT engine is prepared for this graph on TensorRT {tensorrt}, onnxruntime {onnxruntime}, sm {capability} ({entry} does not exist); run `sinew model build FILE` once; a node never builds", entry = .entry.display())]
    NotBuilt {
        /// Folder looked for.
        entry: PathBuf,
        /// Version.
        tensorrt: String,
        /// Version.
        onnxruntime: String,
        /// Device.
        capability: String,
    },
    /// Damaged.
    #[error("{entry}: {problem}; run `sinew model build FILE --rebuild`; nothing was loaded from it", entry = .entry.display())]
    Corrupt {
        /// Folder.
        entry: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Of another graph, library, device or option.
    #[error(
        "{entry}: was built with {field} {found}; expected {expected}; run `sinew model build FILE --rebuild`; nothing was loaded from it", entry = .entry.display())]
    Foreign {
        /// Folder.
        entry: PathBuf,
        /// What differs.
        field: &'static str,
        /// In the entry.
        found: String,
        /// Asked for.
        expected: String,
    },
    /// Built by a stand-in.
    #[error("{entry}: was written by {builder}, which only simulates a build; run `sinew model build FILE --rebuild`", entry = .entry.display())]
    Simulated {
        /// Folder.
        entry: PathBuf,
        /// Builder.
        builder: String,
    },
    /// The state folder does not take files.
    #[error("cannot write {path}: {reason}; set XDG_STATE_HOME to a folder that can be written, or free space", path = .path.display())]
    Write {
        /// Path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The builder failed.
    #[error("{builder} failed after {seconds:.1} s: {reason}")]
    Build {
        /// Builder.
        builder: String,
        /// Time spent.
        seconds: f64,
        /// Why.
        reason: String,
    },
}

/// An entry that was found whole and is for what was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The file to load instead of the graph.
    pub context: Vec<u8>,
    /// What it was built for.
    pub key: EngineKey,
    /// How long that took, s.
    pub build_s: f64,
}

/// Builds the engine of one key into a folder.
pub trait EngineBuilder {
    /// Who builds, for the index and for messages.
    fn name(&self) -> &str;
    /// True for a stand-in that builds nothing; nodes refuse what it wrote.
    fn simulated(&self) -> bool;
    /// Writes [`CONTEXT`], and what it needs, into `folder`; tells its progress in words.
    fn build(&mut self, key: &EngineKey, folder: &Path, progress: &mut dyn FnMut(&str))
    -> Result<(), String>;
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Built {
    /// Folder of the entry.
    pub entry: PathBuf,
    /// False when a valid entry was there already.
    pub built: bool,
    /// Seconds it took, now or then.
    pub build_s: f64,
    /// Size of all files.
    pub bytes: u64,
    /// Written by a stand-in.
    pub simulated: bool,
}

/// The folder of all entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineCache {
    root: PathBuf,
}

impl EngineCache {
    /// Entries lie in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Folder of the entry of `key`.
    pub fn entry(&self, key: &EngineKey) -> PathBuf {
        self.root.join(key.id())
    }

    /// The prepared engine of `key`, every byte checked; never builds.
    pub fn prepared(&self, key: &EngineKey) -> Result<Prepared, CacheError> {
        let (index, context) = self.read(key)?;
        if index.simulated {
            return Err(CacheError::Simulated { entry: self.entry(key), builder: index.builder });
        }
        Ok(Prepared { context, key: index.key, build_s: index.build_s })
    }

    /// Builds the entry of `key` unless a valid one is there; an invalid one is replaced only with `rebuild`.
    pub fn build(
        &self,
        key: &EngineKey,
        builder: &mut dyn EngineBuilder,
        rebuild: bool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Built, CacheError> {
        let entry = self.entry(key);
        match self.read(key) {
            Ok((index, _)) if !rebuild => return Ok(built(entry, &index, false)),
            Err(CacheError::NotBuilt { .. }) => {}
            Err(error) if !rebuild => return Err(error),
            Ok(_) | Err(_) => progress("replacing the entry that is there"),
        }
        let work = self.root.join(format!(".building-{}-{}", std::process::id(), key.id()));
        clear(&work)?;
        std::fs::create_dir_all(&work).map_err(|e| write_error(&work, &e))?;
        let result = self.build_into(&work, &entry, key, builder, progress);
        if result.is_err() {
            clear(&work)?;
        }
        result
    }

    fn build_into(
        &self,
        work: &Path,
        entry: &Path,
        key: &EngineKey,
        builder: &mut dyn EngineBuilder,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Built, CacheError> {
        let began = std::time::Instant::now();
        let result = builder.build(key, work, progress);
        let build_s = began.elapsed().as_secs_f64();
        let failed = |reason: String| CacheError::Build {
            builder: builder.name().to_owned(),
            seconds: build_s,
            reason,
        };
        result.map_err(failed)?;
        let files = list(work).map_err(failed)?;
        if !files.iter().any(|f| f.name == CONTEXT) {
            return Err(failed(format!("it wrote no {CONTEXT}")));
        }
        let index = Index {
            schema: SCHEMA,
            key: key.clone(),
            builder: builder.name().to_owned(),
            simulated: builder.simulated(),
            build_s,
            files,
        };
        for file in &index.files {
            sync(&work.join(&file.name))?;
        }
        let text = serde_json::to_vec_pretty(&index).map_err(|e| failed(e.to_string()))?;
        let path = work.join(INDEX);
        let written = File::create(&path).and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all()));
        written.map_err(|e| write_error(&path, &e))?;
        sync(work)?;
        let old = self.root.join(format!(".replaced-{}-{}", std::process::id(), key.id()));
        if entry.exists() {
            clear(&old)?;
            std::fs::rename(entry, &old).map_err(|e| write_error(entry, &e))?;
        }
        std::fs::rename(work, entry).map_err(|e| write_error(entry, &e))?;
        sync(&self.root)?;
        clear(&old)?;
        progress(&format!("prepared in {build_s:.1} s"));
        Ok(built(entry.to_owned(), &index, true))
    }

    fn read(&self, key: &EngineKey) -> Result<(Index, Vec<u8>), CacheError> {
        let entry = self.entry(key);
        if !entry.is_dir() {
            return Err(CacheError::NotBuilt {
                entry,
                tensorrt: key.tensorrt.clone(),
                onnxruntime: key.onnxruntime.clone(),
                capability: key.capability.clone(),
            });
        }
        let corrupt = |problem: String| CacheError::Corrupt { entry: entry.clone(), problem };
        let text = std::fs::read(entry.join(INDEX)).map_err(|e| corrupt(format!("{INDEX}: {e}")))?;
        let index: Index = serde_json::from_slice(&text).map_err(|e| corrupt(format!("{INDEX}: {e}")))?;
        if index.schema != SCHEMA {
            return Err(corrupt(format!("{INDEX}: schema {}; expected {SCHEMA}", index.schema)));
        }
        for ((field, found), (_, expected)) in index.key.fields().into_iter().zip(key.fields()) {
            if found != expected {
                return Err(CacheError::Foreign { entry: entry.clone(), field, found, expected });
            }
        }
        let mut context = None;
        for file in &index.files {
            let bytes = read_file(&entry, file).map_err(&corrupt)?;
            if file.name == CONTEXT {
                context = Some(bytes);
            }
        }
        let there = list(&entry).map_err(&corrupt)?;
        let unlisted = |f: &&FileEntry| f.name != INDEX && !index.files.iter().any(|i| i.name == f.name);
        if let Some(extra) = there.iter().find(unlisted) {
            return Err(corrupt(format!("{} stands there and not in {INDEX}", extra.name)));
        }
        let context = context.ok_or_else(|| corrupt(format!("no {CONTEXT}")))?;
        Ok((index, context))
    }
}

fn built(entry: PathBuf, index: &Index, built: bool) -> Built {
    let bytes = index.files.iter().map(|f| f.bytes).sum();
    Built { entry, built, build_s: index.build_s, bytes, simulated: index.simulated }
}

fn read_file(entry: &Path, file: &FileEntry) -> Result<Vec<u8>, String> {
    let name = &file.name;
    if name.contains('/') || name == ".." {
        return Err(format!("{INDEX}: file `{name}` leaves the entry"));
    }
    let path = entry.join(name);
    let size = std::fs::metadata(&path).map_err(|e| format!("{name}: {e}"))?.len();
    if size != file.bytes || size > MAX_FILE_BYTES {
        return Err(format!("{name}: {size} bytes; {INDEX} says {}", file.bytes));
    }
    let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
    let found = sha256_hex(&bytes);
    if found != file.sha256 {
        return Err(format!("{name}: SHA-256 is {found}; {INDEX} says {}", file.sha256));
    }
    Ok(bytes)
}

/// The files of a folder, sorted by name; a folder in it is an error.
fn list(folder: &Path) -> Result<Vec<FileEntry>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("").to_owned();
        if !path.is_file() {
            return Err(format!("{name} is not a file"));
        }
        let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
        files.push(FileEntry { name, bytes: bytes.len() as u64, sha256: sha256_hex(&bytes) });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn sync(path: &Path) -> Result<(), CacheError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| write_error(path, &e))
}

fn clear(folder: &Path) -> Result<(), CacheError> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(write_error(folder, &e)),
        _ => Ok(()),
    }
}

fn write_error(path: &Path, error: &std::io::Error) -> CacheError {
    CacheError::Write { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn key() -> EngineKey {
        EngineKey {
            graph_sha256: EngineKey::hash_graph(&GraphBytes::whole(*b"graph")),
            onnxruntime: "1.32.0".into(),
            tensorrt: "10.16.2".into(),
            capability: "8.7".into(),
            options: vec!["trt_builder_optimization_level=3".into()],
        }
    }

    /// Stands in for a GPU: writes bytes that say so.
    struct Fake {
        simulated: bool,
        fails: bool,
        builds: u32,
    }

    fn fake() -> Fake {
        Fake { simulated: false, fails: false, builds: 0 }
    }

    impl EngineBuilder for Fake {
        fn name(&self) -> &str {
            "test builder"
        }
        fn simulated(&self) -> bool {
            self.simulated
        }
        fn build(
            &mut self,
            key: &EngineKey,
            folder: &Path,
            progress: &mut dyn FnMut(&str),
        ) -> Result<(), String> {
            self.builds += 1;
            progress("kernel 1 of 1");
            std::fs::write(folder.join(CONTEXT), format!("engine {}", key.id()))
                .map_err(|e| e.to_string())?;
            std::fs::write(folder.join("a.profile"), b"shapes").map_err(|e| e.to_string())?;
            if self.fails { Err("out of memory".into()) } else { Ok(()) }
        }
    }

    fn filled() -> (tempfile::TempDir, EngineCache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = EngineCache::new(dir.path().join("engines"));
        cache.build(&key(), &mut fake(), false, &mut |_| {}).unwrap();
        (dir, cache)
    }

    #[test]
    fn built_once_then_found() {
        let dir = tempfile::tempdir().unwrap();
        let cache = EngineCache::new(dir.path().join("engines"));
        let error = cache.prepared(&key()).unwrap_err();
        assert!(matches!(error, CacheError::NotBuilt { .. }));
        let told = error.to_string();
        assert!(told.contains("sinew model build FILE") && told.contains("TensorRT 10.16.2"), "{told}");
        let (mut builder, mut words) = (fake(), Vec::new());
        let first = cache.build(&key(), &mut builder, false, &mut |w| words.push(w.to_owned())).unwrap();
        assert!(first.built && words.iter().any(|w| w.contains("kernel")), "{words:?}");
        let again = cache.build(&key(), &mut builder, false, &mut |_| {}).unwrap();
        assert!(!again.built && builder.builds == 1);
        assert_eq!(cache.prepared(&key()).unwrap().context, format!("engine {}", key().id()).into_bytes());
        // Nothing but the entry is left behind.
        let names: Vec<_> = std::fs::read_dir(dir.path().join("engines")).unwrap().collect();
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn everything_the_engine_depends_on_is_in_the_key() {
        let (_dir, cache) = filled();
        let changes: [fn(&mut EngineKey); 5] = [
            |k| k.graph_sha256 = "0".repeat(64),
            |k| k.onnxruntime = "1.33.0".into(),
            |k| k.tensorrt = "10.16.3".into(),
            |k| k.capability = "11.0".into(),
            |k| k.options.push("trt_fp16_enable=1".into()),
        ];
        for change in changes {
            let mut other = key();
            change(&mut other);
            assert!(matches!(cache.prepared(&other), Err(CacheError::NotBuilt { .. })));
        }
        let mut weights = GraphBytes::whole(*b"graph");
        weights.external.push(("w.data".into(), b"1".as_slice().into()));
        assert_ne!(EngineKey::hash_graph(&weights), key().graph_sha256);
    }

    #[test]
    fn damage_is_refused_and_mended_only_on_request() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 6] = [
            ("SHA-256", |e| {
                let mut bytes = std::fs::read(e.join(CONTEXT)).unwrap();
                bytes[3] ^= 1;
                std::fs::write(e.join(CONTEXT), bytes).unwrap();
            }),
            ("bytes; index.json says", |e| std::fs::write(e.join(CONTEXT), b"engine").unwrap()),
            ("a.profile", |e| std::fs::remove_file(e.join("a.profile")).unwrap()),
            ("index.json", |e| std::fs::remove_file(e.join(INDEX)).unwrap()),
            ("index.json", |e| std::fs::write(e.join(INDEX), b"{").unwrap()),
            ("stands there and not", |e| std::fs::write(e.join("b.engine"), b"rebuilt in flight").unwrap()),
        ];
        for (expected, damage) in damages {
            let (_dir, cache) = filled();
            damage(&cache.entry(&key()));
            let error = cache.prepared(&key()).unwrap_err();
            assert!(matches!(error, CacheError::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{expected}: {error}");
            let mut builder = fake();
            assert!(cache.build(&key(), &mut builder, false, &mut |_| {}).is_err());
            assert_eq!(builder.builds, 0, "nothing is rebuilt unasked");
            assert!(cache.build(&key(), &mut builder, true, &mut |_| {}).unwrap().built);
            cache.prepared(&key()).unwrap();
        }
    }

    #[test]
    fn an_entry_of_another_device_under_this_name_is_refused() {
        let (_dir, cache) = filled();
        let path = cache.entry(&key()).join(INDEX);
        let text = std::fs::read_to_string(&path).unwrap().replace("8.7", "9.0");
        std::fs::write(&path, text).unwrap();
        let error = cache.prepared(&key()).unwrap_err();
        assert!(matches!(&error, CacheError::Foreign { field: "capability", .. }), "{error}");
        assert!(error.to_string().contains("capability 9.0; expected 8.7"), "{error}");
    }

    #[test]
    fn a_simulated_engine_never_reaches_a_node() {
        let dir = tempfile::tempdir().unwrap();
        let cache = EngineCache::new(dir.path());
        let mut builder = Fake { simulated: true, ..fake() };
        assert!(cache.build(&key(), &mut builder, false, &mut |_| {}).unwrap().simulated);
        assert!(matches!(cache.prepared(&key()), Err(CacheError::Simulated { .. })));
    }

    #[test]
    fn a_build_that_fails_leaves_what_was_there() {
        let (_dir, cache) = filled();
        let mut builder = Fake { fails: true, ..fake() };
        let error = cache.build(&key(), &mut builder, true, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("test builder failed") && error.contains("out of memory"), "{error}");
        cache.prepared(&key()).unwrap();
        let mut other = key();
        other.tensorrt = "10.17".into();
        cache.build(&other, &mut builder, false, &mut |_| {}).unwrap_err();
        assert!(matches!(cache.prepared(&other), Err(CacheError::NotBuilt { .. })));
    }
}
