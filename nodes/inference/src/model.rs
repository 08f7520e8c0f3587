//! A whole model: manifest, graph and golden vectors, hashed and checked against each other.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::engine::TensorInfo;
use crate::golden::{Golden, GoldenError, Tolerance};
use crate::manifest::{GraphFile, InputSource, Manifest, ManifestError, Normalize, Precision, StateInit};
use crate::onnx::{Graph, GraphError, Inventory};
use crate::source::{Source, SourceError};
use crate::stats::StatsError;
use crate::tensors::account_for_tensors;

/// Why a model does not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing or unreadable.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The manifest is not text.
    #[error("{file}: byte {at} is not UTF-8 text; save the manifest as UTF-8")]
    Text {
        /// File.
        file: String,
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The manifest says something wrong, or something else than the graph.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A stand-in of Git LFS instead of the file.
    #[error("{file}: found a Git LFS pointer of {bytes} bytes; expected the file itself; run `git lfs pull`")]
    LfsPointer {
        /// File.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// Not the file the manifest was written for.
    #[error(
        "{file}: SHA-256 is {found}; {manifest}:{line} expects {expected}; restore the file, or export both again"
    )]
    Hash {
        /// File.
        file: String,
        /// Its hash.
        found: String,
        /// Manifest.
        manifest: String,
        /// Line of the hash in the manifest.
        line: usize,
        /// Hash written there.
        expected: String,
    },
    /// Not a graph we can read.
    #[error("{file}: {error}")]
    Graph {
        /// File.
        file: String,
        /// Why.
        #[source]
        error: GraphError,
    },
    /// Not golden vectors of this model.
    #[error("{file}: {error}")]
    Golden {
        /// File.
        file: String,
        /// Why.
        #[source]
        error: GoldenError,
    },
    /// Not the numbers the manifest asks for.
    #[error("{file}, named by `{field}`: {error}")]
    Stats {
        /// File.
        file: String,
        /// Key of the manifest.
        field: String,
        /// Why.
        #[source]
        error: StatsError,
    },
}

/// A model that may be built into an engine.
#[derive(Clone, Debug)]
pub struct Model {
    /// How its manifest is called in messages.
    pub file: String,
    /// The manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes, which pins all the other files.
    pub manifest_sha256: [u8; 32],
    /// SHA-256 of the graph file.
    pub graph_sha256: [u8; 32],
    /// The graph file as it is, for other runtimes.
    pub graph_bytes: Vec<u8>,
    /// The graph's external data files: name and bytes.
    pub external: Vec<(String, Arc<[u8]>)>,
    /// The graph.
    pub graph: Graph,
    /// The golden vectors.
    pub golden: Golden,
}

impl Model {
    /// Reads and checks the manifest `name` and everything it names.
    pub fn load(source: &dyn Source, name: &str) -> Result<Self, LoadError> {
        let file = source.describe(name);
        let bytes = source.read(name)?;
        refuse_lfs_pointer(&file, &bytes)?;
        let text = str::from_utf8(&bytes)
            .map_err(|e| LoadError::Text { file: file.clone(), at: e.valid_up_to() })?;
        let mut manifest = Manifest::parse(&file, text)?;
        let manifest_sha256 = Sha256::digest(&bytes).into();
        let (graph_bytes, graph_sha256) = hashed(source, &file, &manifest.graph)?;
        let graph_file = source.describe(&manifest.graph.file);
        let graph_error = |error| LoadError::Graph { file: graph_file.clone(), error };
        let inventory = Inventory::read(&graph_bytes).map_err(graph_error)?;
        let named = Graph::external_files(&graph_bytes).map_err(graph_error)?;
        account_for_external_files(&file, &manifest, &named)?;
        check_precision(&file, &manifest, &inventory)?;
        let external = manifest
            .external
            .iter()
            .map(|named| Ok((named.file.clone(), Arc::from(hashed(source, &file, named)?.0))))
            .collect::<Result<Vec<(String, Arc<[u8]>)>, LoadError>>()?;
        let of_external =
            |name: &str| external.iter().find(|(file, _)| file == name).map(|(_, bytes)| &**bytes);
        let graph = Graph::parse_with(&graph_bytes, &of_external).map_err(graph_error)?;
        account_for_tensors(&file, &manifest, &graph)?;
        resolve_numbers(source, &file, &mut manifest)?;
        let (golden_bytes, _) = hashed(source, &file, &manifest.verify.golden)?;
        let golden_file = source.describe(&manifest.verify.golden.file);
        let golden = Golden::parse(&golden_bytes)
            .and_then(|golden| golden.belonging_to(&manifest))
            .map_err(|error| LoadError::Golden { file: golden_file, error })?;
        Ok(Self { file, manifest, manifest_sha256, graph_sha256, graph_bytes, external, graph, golden })
    }

    /// Every input of the graph, as pinned by the manifest: those made of terms, counted, drawn, and the states.
    pub fn inputs(&self) -> Vec<TensorInfo> {
        let input = |i: &crate::manifest::Input| TensorInfo {
            name: i.tensor.clone(),
            element: i.element,
            shape: i.shape.clone(),
        };
        let state = |s: &crate::manifest::State| TensorInfo {
            name: s.input.clone(),
            element: s.element,
            shape: s.shape.clone(),
        };
        let states = self.manifest.states.iter().map(state);
        self.manifest.inputs.iter().map(input).chain(states).collect()
    }

    /// Every output of the graph, as pinned by the manifest, each once.
    pub fn outputs(&self) -> Vec<TensorInfo> {
        let output = |o: &crate::manifest::Output| TensorInfo {
            name: o.tensor.clone(),
            element: o.element,
            shape: o.shape.clone(),
        };
        let mut outputs: Vec<TensorInfo> = self.manifest.outputs.iter().map(output).collect();
        for state in &self.manifest.states {
            if !outputs.iter().any(|o| o.name == state.output) {
                outputs.push(TensorInfo {
                    name: state.output.clone(),
                    element: state.element,
                    shape: state.output_shape.clone(),
                });
            }
        }
        outputs
    }

    /// Bytes of an external data file.
    pub fn external(&self, name: &str) -> Option<&[u8]> {
        self.external.iter().find(|(file, _)| file == name).map(|(_, bytes)| &**bytes)
    }

    /// Tolerance of the golden vectors.
    pub fn tolerance(&self) -> Tolerance {
        let verify = &self.manifest.verify;
        let coarse = !matches!(self.manifest.precision, None | Some(Precision::Fp32));
        let atol = verify.fp16_atol.filter(|_| coarse).unwrap_or(verify.atol);
        Tolerance { atol, rtol: verify.rtol }
    }

    /// SHA-256 over everything that makes the weights: of the graph file itself, or, where it has external data, of
    /// the graph's hash followed by those of the data files in the manifest's order.
    pub fn weights_sha256(&self) -> [u8; 32] {
        if self.external.is_empty() {
            return self.graph_sha256;
        }
        let mut hash = Sha256::new();
        hash.update(self.graph_sha256);
        for (_, bytes) in &self.external {
            hash.update(Sha256::digest(bytes));
        }
        hash.finalize().into()
    }

    /// The number frames carry for this model: the first four bytes of [`Model::weights_sha256`], little endian.
    pub fn wire_hash(&self) -> u32 {
        let [a, b, c, d, ..] = self.weights_sha256();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn refuse_lfs_pointer(file: &str, bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs") {
        return Err(LoadError::LfsPointer { file: file.to_owned(), bytes: bytes.len() });
    }
    Ok(())
}

fn hashed(source: &dyn Source, manifest: &str, wanted: &GraphFile) -> Result<(Vec<u8>, [u8; 32]), LoadError> {
    let bytes = source.read(&wanted.file)?;
    let file = source.describe(&wanted.file);
    refuse_lfs_pointer(&file, &bytes)?;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    let found = hex(&hash);
    if found != wanted.sha256 {
        return Err(LoadError::Hash {
            file,
            found,
            manifest: manifest.to_owned(),
            line: wanted.line,
            expected: wanted.sha256.clone(),
        });
    }
    Ok((bytes, hash))
}

/// The graph names exactly the data files that the manifest hashes.
fn account_for_external_files(
    file: &str,
    manifest: &Manifest,
    named: &[String],
) -> Result<(), ManifestError> {
    let listed: Vec<&str> = manifest.external.iter().map(|e| e.file.as_str()).collect();
    let error = |line, found: String, hint: &str| {
        let expected = format!("graph[0].external to list exactly {named:?}");
        Err(Manifest::error(file, line, "graph[0].external", found, expected, hint))
    };
    if let Some(name) = named.iter().find(|name| !listed.contains(&name.as_str())) {
        let found = format!("no entry for `{name}`, in which {} keeps weights", manifest.graph.file);
        return error(
            manifest.graph.line,
            found,
            "add { file, sha256 } for it, and ship it beside the graph",
        );
    }
    if let Some(extra) = manifest.external.iter().find(|e| !named.contains(&e.file)) {
        let found = format!("`{}`, which {} does not name", extra.file, manifest.graph.file);
        return error(extra.line, found, "remove the entry");
    }
    Ok(())
}

/// The weights are in what the manifest says. Element types by their ONNX numbers: 1 f32, 2 and 3 the 8-bit integers,
/// 10 f16, 16 bf16.
fn check_precision(file: &str, manifest: &Manifest, inventory: &Inventory) -> Result<(), ManifestError> {
    let Some(precision) = manifest.precision else { return Ok(()) };
    let has = |types: &[i64]| inventory.element_types.iter().any(|t| types.contains(t));
    let (half, byte) = (has(&[10, 16]), has(&[2, 3]) || inventory.quantised);
    let fits = match precision {
        Precision::Fp32 => !half && !byte,
        Precision::Fp16 => half && !byte,
        Precision::Int8 => byte,
    };
    if fits {
        return Ok(());
    }
    let found = format!(
        "\"{}\", but the initialisers of {} are {}",
        precision.name(),
        manifest.graph.file,
        match (half, byte) {
            (_, true) => "8-bit integers",
            (true, false) => "16-bit floats",
            (false, false) => "32-bit floats",
        }
    );
    let hint = "precision is what the graph holds: correct it here, or export the graph in that precision";
    Err(Manifest::error(file, manifest.graph.line, "graph[0].precision", found, "what the graph holds", hint))
}

/// Numbers that stand in files of their own take their places in the manifest.
fn resolve_numbers(source: &dyn Source, file: &str, manifest: &mut Manifest) -> Result<(), LoadError> {
    for input in &mut manifest.inputs {
        if let InputSource::Terms(observed) = &mut input.source
            && let Normalize::Stats(stats) = &observed.normalize
        {
            let (bytes, _) = hashed(source, file, &stats.file)?;
            let failed = |error| LoadError::Stats {
                file: source.describe(&stats.file.file),
                field: stats.field().to_owned(),
                error,
            };
            observed.normalize = stats.resolve(&bytes).map_err(failed)?;
        }
    }
    for state in &mut manifest.states {
        if let StateInit::File { file: named, key, field } = &state.init {
            let (bytes, _) = hashed(source, file, named)?;
            let failed =
                |error| LoadError::Stats { file: source.describe(&named.file), field: field.clone(), error };
            state.init = state.initial(key, &bytes).map_err(failed)?;
        }
    }
    Ok(())
}
