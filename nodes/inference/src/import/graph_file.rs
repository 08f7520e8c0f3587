//! The ONNX file of a source: which one it is, what it names, and what is written in its metadata.

use crate::onnx::protobuf::{Fields, WireError};
use crate::onnx::{Dimension, Graph, Inventory, Port};

use super::draft::GraphFiles;
use super::error::ImportError;
use super::folder::Folder;
use super::overrides::Overrides;

/// Weights that are no graph, and what to do with them.
const WEIGHTS: [(&str, &str); 6] = [
    (
        ".pt",
        "TorchScript or a PyTorch checkpoint; in the training environment run torch.onnx.export(policy, ...)",
    ),
    (".pth", "a PyTorch checkpoint; in the training environment run torch.onnx.export(policy, ...)"),
    (".pt2", "an exported PyTorch program; in the training environment run torch.onnx.export(policy, ...)"),
    (
        ".safetensors",
        "weights without a graph; in the training environment run torch.onnx.export(policy, ...)",
    ),
    (
        ".engine",
        "a TensorRT engine, which runs on one kind of device only; export the ONNX file it was built from",
    ),
    (".rknn", "a graph compiled for one chip; export the ONNX file it was built from"),
];

/// A graph with its file.
#[derive(Clone, Debug)]
pub struct GraphFile {
    /// Its files.
    pub files: GraphFiles,
    /// The graph.
    pub graph: Graph,
    /// Metadata of the file: key, value, in its order.
    pub metadata: Vec<(String, String)>,
}

impl GraphFile {
    /// Finds and reads the one graph of `folder`: `named` by a configuration, `--set graph=`, or the only ONNX file.
    pub fn find(
        folder: &Folder<'_>,
        named: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Self, ImportError> {
        let file = match (overrides.text("graph")?, named) {
            (Some(file), _) => file,
            (None, Some(file)) => file.to_owned(),
            (None, None) => {
                let graphs = folder.ending(&[".onnx"]);
                if graphs.is_empty()
                    && let Some(weights) = folder.files.iter().find(|f| weights_hint(f).is_some())
                {
                    return Err(no_graph(folder, weights));
                }
                folder.one(&graphs, "ONNX file", "name it with --set graph=FILE")?
            }
        };
        if weights_hint(&file).is_some() {
            return Err(no_graph(folder, &file));
        }
        if !folder.files.contains(&file) {
            let graphs = folder.ending(&[".onnx"]).join(", ");
            let found =
                format!("no `{file}`; ONNX files here: {}", if graphs.is_empty() { "none" } else { &graphs });
            return Err(folder.error(
                found,
                "the graph that the configuration names",
                "copy it, or name it with --set graph=FILE",
            ));
        }
        Self::read(folder, file)
    }

    fn read(folder: &Folder<'_>, file: String) -> Result<Self, ImportError> {
        let bytes = folder.read(&file)?;
        let broken = |error| ImportError::Graph { file: file.clone(), error };
        let wire = |error: WireError| broken(error.into());
        let names = Graph::external_files(&bytes).map_err(broken)?;
        let inventory = Inventory::read(&bytes).map_err(broken)?;
        let metadata = metadata(&bytes).map_err(wire)?;
        let mut external = Vec::new();
        let mut data = Vec::new();
        for name in names {
            let beside = Folder::beside(&file, &name);
            if !folder.files.contains(&beside) {
                let found = format!("no `{beside}`, which `{file}` keeps its weights in");
                return Err(folder.error(
                    found,
                    "the external data beside the graph",
                    "copy both files of the export",
                ));
            }
            data.push((name.clone(), folder.read(&beside)?));
            external.push((beside, name));
        }
        let of_data =
            |name: &str| data.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.as_slice());
        let graph = Graph::parse_with(&bytes, &of_data).map_err(broken)?;
        let files = GraphFiles { file: file.clone(), external, precision: precision(&inventory) };
        Ok(Self { files, graph, metadata })
    }

    /// A metadata value.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// A fixed shape of a port with an open batch of 1, and its element type.
    pub fn port(&self, port: &Port) -> Result<(Vec<usize>, &'static str), ImportError> {
        let refuse = |found: String, expected: &str, hint: &str| ImportError::Content {
            file: self.files.file.as_str().into(),
            line: 1,
            field: port.name.as_str().into(),
            found: found.into(),
            expected: expected.into(),
            hint: hint.into(),
        };
        let dtype = match port.element_type {
            1 => "f32",
            10 => "f16",
            7 => "i64",
            6 => "i32",
            9 => "bool",
            other => {
                return Err(refuse(
                    format!("element type {other}"),
                    "f32, f16, i64, i32 or bool",
                    "export again",
                ));
            }
        };
        let dimensions = port.shape.as_deref().unwrap_or_default();
        let mut shape = Vec::with_capacity(dimensions.len());
        for (index, dimension) in dimensions.iter().enumerate() {
            match dimension {
                Dimension::Fixed(size) => shape.push(*size),
                Dimension::Open(_) if index == 0 => shape.push(1),
                Dimension::Open(name) => {
                    let found = format!("an open dimension `{name}` at {index}");
                    return Err(refuse(found, "fixed dimensions", "export with fixed shapes"));
                }
            }
        }
        if shape.is_empty() {
            return Err(refuse("no shape".to_owned(), "a fixed shape", "export with shapes"));
        }
        Ok((shape, dtype))
    }
}

fn weights_hint(file: &str) -> Option<&'static str> {
    WEIGHTS.iter().find(|(ending, _)| file.ends_with(ending)).map(|(_, hint)| *hint)
}

fn no_graph(folder: &Folder<'_>, file: &str) -> ImportError {
    let what = weights_hint(file).unwrap_or("not a graph");
    folder.error(
        format!("`{file}`: {what}"),
        "an ONNX file",
        "put the ONNX file beside the configuration and name it with --set graph=FILE",
    )
}

/// What the weights are made of, as the manifest names it.
fn precision(inventory: &Inventory) -> &'static str {
    let has = |types: &[i64]| inventory.element_types.iter().any(|t| types.contains(t));
    match (has(&[2, 3]) || inventory.quantised, has(&[10, 16])) {
        (true, _) => "int8",
        (false, true) => "fp16",
        (false, false) => "fp32",
    }
}

fn metadata(bytes: &[u8]) -> Result<Vec<(String, String)>, WireError> {
    let mut found = Vec::new();
    let mut model = Fields::new(bytes, 0);
    while let Some(field) = model.next_field()? {
        if field.number == 14 {
            found.push(entry(field.message()?)?);
        }
    }
    Ok(found)
}

/// A StringStringEntryProto.
fn entry(mut fields: Fields<'_>) -> Result<(String, String), WireError> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => key = field.text()?.to_owned(),
            2 => value = field.text()?.to_owned(),
            _ => {}
        }
    }
    Ok((key, value))
}
