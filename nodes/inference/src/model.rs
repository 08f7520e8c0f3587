//! A whole model: manifest, graph and golden vectors, hashed and checked against each other.

use sha2::{Digest, Sha256};

use crate::engine::TensorInfo;
use crate::golden::{Golden, GoldenError, Tolerance};
use crate::manifest::{GraphFile, Manifest, ManifestError, OutputKind};
use crate::onnx::{Dimension, Graph, GraphError, Port};
use crate::source::{Source, SourceError};

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
        let manifest = Manifest::parse(&file, text)?;
        let manifest_sha256 = Sha256::digest(&bytes).into();
        let (graph_bytes, graph_sha256) = hashed(source, &file, &manifest.graph)?;
        let graph_file = source.describe(&manifest.graph.file);
        let graph =
            Graph::parse(&graph_bytes).map_err(|error| LoadError::Graph { file: graph_file, error })?;
        account_for_tensors(&file, &manifest, &graph)?;
        let (golden_bytes, _) = hashed(source, &file, &manifest.verify.golden)?;
        let golden_file = source.describe(&manifest.verify.golden.file);
        let golden = Golden::parse(&golden_bytes)
            .and_then(|golden| belongs(golden, &manifest))
            .map_err(|error| LoadError::Golden { file: golden_file, error })?;
        Ok(Self { file, manifest, manifest_sha256, graph_sha256, graph_bytes, graph, golden })
    }

    /// Shapes of all graph inputs, as pinned by the manifest.
    pub fn inputs(&self) -> Vec<TensorInfo> {
        let pinned = |i: &crate::manifest::Input| TensorInfo::f32(i.tensor.clone(), i.shape.clone());
        self.manifest.inputs.iter().map(pinned).collect()
    }

    /// Tolerance of the golden vectors.
    pub fn tolerance(&self) -> Tolerance {
        Tolerance { atol: self.manifest.verify.atol, rtol: self.manifest.verify.rtol }
    }

    /// The number frames carry for this model: the first four bytes of the graph's SHA-256, little endian.
    pub fn wire_hash(&self) -> u32 {
        let [a, b, c, d, ..] = self.graph_sha256;
        u32::from_le_bytes([a, b, c, d])
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(hash: &[u8]) -> String {
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

fn belongs(golden: Golden, manifest: &Manifest) -> Result<Golden, GoldenError> {
    let content = |field: &str, found: String, expected: String| {
        Err(GoldenError::Content { field: field.to_owned(), found, expected })
    };
    if golden.graph_sha256 != manifest.graph.sha256 {
        return content(
            "graph_sha256",
            golden.graph_sha256,
            format!("{}, the graph's", manifest.graph.sha256),
        );
    }
    if (golden.rate_hz - manifest.runtime.rate_hz).abs() > 1e-9 {
        return content(
            "rate_hz",
            golden.rate_hz.to_string(),
            format!("{}, the manifest's", manifest.runtime.rate_hz),
        );
    }
    let mut names = golden.joints.clone();
    let mut wanted = manifest.joints.order.clone();
    names.sort_unstable();
    wanted.sort_unstable();
    if names != wanted {
        return content("joints", golden.joints.join(", "), format!("in any order {}", wanted.join(", ")));
    }
    Ok(golden)
}

/// Every tensor of the graph stands in the manifest with a shape that fits, and the other way round.
fn account_for_tensors(file: &str, manifest: &Manifest, graph: &Graph) -> Result<(), ManifestError> {
    let names = |ports: &[Port]| ports.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut seen: Vec<&str> = Vec::new();
    for (index, input) in manifest.inputs.iter().enumerate() {
        let field = format!("input[{index}]");
        let port = find(file, input.line, &field, &input.tensor, &graph.inputs, &mut seen)?;
        fits(file, input.line, &format!("{field}.shape"), port, &input.shape)?;
    }
    for (index, output) in manifest.outputs.iter().enumerate() {
        let field = format!("output[{index}]");
        let port = find(file, output.line, &field, &output.tensor, &graph.outputs, &mut seen)?;
        let shape = [1, manifest.joints.order.len()];
        let what = match output.kind {
            OutputKind::JointTarget { .. } => "kind",
            OutputKind::Feedback => "tensor",
        };
        fits(file, output.line, &format!("{field}.{what}"), port, &shape)?;
    }
    for (key, ports) in [("input", &graph.inputs), ("output", &graph.outputs)] {
        let listed = |p: &&Port| !seen.contains(&p.name.as_str());
        if let Some(port) = ports.iter().find(listed) {
            let found = format!("nothing for `{}`; the graph's {key}s are {}", port.name, names(ports));
            let expected = format!("an [[{key}]] section for each {key} of the graph");
            return Err(Manifest::error(file, 1, key, found, expected, "account for every tensor"));
        }
    }
    Ok(())
}

fn find<'a>(
    file: &str,
    line: usize,
    field: &str,
    tensor: &str,
    ports: &'a [Port],
    seen: &mut Vec<&'a str>,
) -> Result<&'a Port, ManifestError> {
    let field = format!("{field}.tensor");
    let Some(port) = ports.iter().find(|p| p.name == tensor) else {
        let names: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
        let expected = format!("one of {}", names.join(", "));
        return Err(Manifest::error(
            file,
            line,
            &field,
            format!("`{tensor}`"),
            expected,
            "use the graph's own name",
        ));
    };
    if seen.contains(&port.name.as_str()) {
        let found = format!("`{tensor}` a second time");
        return Err(Manifest::error(
            file,
            line,
            &field,
            found,
            "each tensor once",
            "remove one of the sections",
        ));
    }
    seen.push(&port.name);
    Ok(port)
}

fn fits(file: &str, line: usize, field: &str, port: &Port, shape: &[usize]) -> Result<(), ManifestError> {
    let error = |found: String, expected: String, hint: &str| {
        Err(Manifest::error(file, line, field, found, expected, hint))
    };
    if port.element_type != 1 {
        let found = format!("element type {} of `{}`", port.element_type, port.name);
        return error(found, "f32 (1)".to_owned(), "export with f32 inputs and outputs");
    }
    let Some(dimensions) = &port.shape else {
        let found = format!("`{}` without a shape in the graph", port.name);
        return error(found, format!("{shape:?}"), "export with shapes");
    };
    let same = dimensions.len() == shape.len()
        && dimensions
            .iter()
            .zip(shape)
            .all(|(d, s)| matches!(d, Dimension::Open(_)) || *d == Dimension::Fixed(*s));
    if same {
        return Ok(());
    }
    let shown: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
    let found = format!("{shape:?} in the manifest, [{}] of `{}` in the graph", shown.join(", "), port.name);
    error(found, "equal shapes".to_owned(), "correct the manifest's shape, terms or joints")
}
