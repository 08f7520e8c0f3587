//! The YAML of a bundle: its tensors, its graph file, and the edges between them.

use sha2::Digest;

use crate::model::{hex, sha256_hex};
use crate::stats::Stats;

use super::super::draft::DraftState;
use super::super::error::ImportError;
use super::super::fact::Fact;
use super::super::folder::Folder;
use super::super::graph_file::GraphFile;
use super::super::overrides::Overrides;
use super::super::runtime::state_gap;
use super::super::tree::{At, Value};

pub(super) const TENSOR_KEYS: [&str; 8] =
    ["name", "dtype", "shape", "type", "kind", "element_names", "temporal_period_ms", "isaaclab_connection"];

/// One tensor of a node.
pub(super) struct Tensor<'a> {
    pub(super) at: At<'a>,
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: &'static str,
}

impl Tensor<'_> {
    pub(super) fn kind(&self) -> Result<Option<&'static str>, ImportError> {
        self.at.get("kind").map(|k| k.text().map(known_kind)).transpose()
    }
}

/// Kinds are a closed set, so a text becomes one of these or `other`.
pub(super) fn known_kind(kind: &str) -> &'static str {
    KINDS.iter().find(|k| **k == kind).copied().unwrap_or("other")
}

pub(super) const KINDS: [&str; 12] = [
    "state/joint/position",
    "state/joint/velocity",
    "state/joint/effort",
    "state/body/angular_velocity",
    "state/body/linear_velocity",
    "state/body/rotation",
    "state/vector3d",
    "command/body/velocity",
    "target/joint/position",
    "kp",
    "kd",
    "feedback",
];

/// The YAML that describes a bundle.
pub(super) fn bundle_file(folder: &Folder<'_>) -> Result<String, ImportError> {
    let fits = |file: &&str| {
        folder
            .document(file)
            .is_ok_and(|d| d.top().get("models").is_some() && d.top().get("pipeline").is_some())
    };
    let yaml = folder.ending(&[".yaml", ".yml"]);
    for file in &yaml {
        folder.read(file)?; // a pointer is refused here
    }
    let found: Vec<&str> = yaml.iter().filter(|f| fits(f)).copied().collect();
    folder.one(&found, "LEAPP YAML with models and pipeline", "import the folder of one bundle")
}

pub(super) fn exporter(top: &At<'_>) -> Vec<(String, String)> {
    let version =
        top.get("system information").and_then(|s| s.get("leapp version")).and_then(|v| v.text().ok());
    version.map(|v| ("description".to_owned(), format!("exported by leapp {v}"))).into_iter().collect()
}

pub(super) fn tensors<'a>(list: &At<'a>, ignored: &[String]) -> Result<Vec<Tensor<'a>>, ImportError> {
    let known: Vec<&str> = TENSOR_KEYS.iter().copied().chain(ignored.iter().map(String::as_str)).collect();
    let mut tensors = Vec::new();
    for at in list.list()? {
        closed(&at, &known)?;
        let name = match at.required("name", "the tensor's name")?.value() {
            Value::Text(name) => name.as_str(),
            _ => return Err(at.error("a name that is no text", "text", "export again")),
        };
        let dtype_at = at.required("dtype", "the element type")?;
        let dtype = match dtype_at.text()? {
            "float32" => "f32",
            "float16" => "f16",
            "int64" => "i64",
            "int32" => "i32",
            "bool" => "bool",
            other => {
                return Err(dtype_at.error(
                    format!("`{other}`"),
                    "float32, float16, int64, int32 or bool",
                    "export again",
                ));
            }
        };
        let shape = at.required("shape", "the shape")?.indices()?;
        tensors.push(Tensor { at, name, shape, dtype });
    }
    Ok(tensors)
}

pub(super) fn closed(at: &At<'_>, known: &[&str]) -> Result<(), ImportError> {
    for (key, value) in at.entries()? {
        if !known.contains(&key) {
            let hint = "it may change what the model means; if not: --set 'leapp.ignore=[KEY]'";
            return Err(value.error("a key that is not known", format!("one of {}", known.join(", ")), hint));
        }
    }
    at.closed(known)
}

pub(super) fn graph(
    folder: &Folder<'_>,
    file: &str,
    parameters: &At<'_>,
    overrides: &Overrides,
) -> Result<GraphFile, ImportError> {
    parameters.closed(&[
        "model_path",
        "md5sum",
        "sha256sum",
        "backend",
        "warp_segments",
        "opset_version",
        "device",
    ])?;
    let backend = parameters.required("backend", "onnx")?;
    if backend.text()? != "onnx" {
        return Err(backend.error(backend.found(), "onnx", "export the node with export_with=\"onnx\""));
    }
    if let Some(warp) = parameters.get("warp_segments")
        && warp.index()? > 0
    {
        return Err(warp.error(
            warp.found(),
            "0",
            "such segments run on one maker's devices only; export without them",
        ));
    }
    let path = parameters.required("model_path", "the model's file")?;
    let graph = GraphFile::find(folder, Some(&Folder::beside(file, path.text()?)), overrides)?;
    let model = folder.read(&graph.files.file)?;
    let md5 = |bytes: &[u8]| hex(&md5::Md5::digest(bytes));
    unchanged(parameters, "sha256sum", "SHA-256", &sha256_hex(&model))?;
    unchanged(parameters, "md5sum", "MD5", &md5(&model))?;
    Ok(graph)
}

/// The sum under `key`, where the bundle has one, is the model's own.
fn unchanged(parameters: &At<'_>, key: &str, sum: &str, found: &str) -> Result<(), ImportError> {
    let Some(at) = parameters.get(key) else { return Ok(()) };
    let expected = at.text()?.to_ascii_lowercase();
    if found == expected {
        return Ok(());
    }
    let hint = "the model was changed after the export; copy both files again";
    Err(at.error(format!("a model whose {sum} is {found}"), expected, hint))
}

/// YAML and graph name the same tensors with the same shapes and types.
pub(super) fn same_tensors(
    graph: &GraphFile,
    inputs: &[Tensor<'_>],
    outputs: &[Tensor<'_>],
) -> Result<(), ImportError> {
    for (ports, tensors) in [(&graph.graph.inputs, inputs), (&graph.graph.outputs, outputs)] {
        for port in ports {
            let (shape, dtype) = graph.port(port)?;
            let Some(tensor) = tensors.iter().find(|t| t.name == port.name) else {
                return Err(ImportError::Content {
                    file: graph.files.file.as_str().into(),
                    line: 1,
                    field: port.name.as_str().into(),
                    found: "a tensor that the YAML does not name".into(),
                    expected: tensors.iter().map(|t| t.name).collect::<Vec<_>>().join(", ").into(),
                    hint: "YAML and model are not of the same export".into(),
                });
            };
            if tensor.shape != shape || tensor.dtype != dtype {
                let found = format!("{} {:?}", tensor.dtype, tensor.shape);
                return Err(tensor.at.error(
                    found,
                    format!("{dtype} {shape:?} as in the graph"),
                    "export again",
                ));
            }
        }
        if let Some(extra) = tensors.iter().find(|t| !ports.iter().any(|p| p.name == t.name)) {
            return Err(extra.at.error(
                format!("`{}`, which is not in the graph", extra.name),
                "tensors of the graph",
                "export again",
            ));
        }
    }
    Ok(())
}

/// Feedback edges as (output, input, where read).
pub(super) fn feedback(
    pipeline: &At<'_>,
    node: &str,
    inputs: &[Tensor<'_>],
    outputs: &[Tensor<'_>],
) -> Result<Vec<(String, String, String)>, ImportError> {
    let mut edges: Vec<(String, String, String)> = Vec::new();
    for key in ["feedback_flow", "feedback_connections"] {
        let Some(at) = pipeline.get(key) else { continue };
        for (source, targets) in connections(&at)? {
            for target in targets {
                let from = at.from();
                let output = port_of(&at, node, &source, outputs)?;
                let input = port_of(&at, node, &target, inputs)?;
                match edges.iter().find(|(_, sink, _)| *sink == input) {
                    Some((other, _, _)) if *other != output => {
                        let found = format!("`{input}` fed by both `{other}` and `{output}`");
                        return Err(at.error(found, "one source for each input", "correct the pipeline"));
                    }
                    Some(_) => {}
                    None => edges.push((output, input, from)),
                }
            }
        }
    }
    if let Some(flow) = pipeline.get("data_flow")
        && !connections(&flow)?.is_empty()
    {
        return Err(flow.error(flow.found(), "no edges within one node", "export the policy as one node"));
    }
    Ok(edges)
}

/// `source: [targets]`, or a list of `{source, target}` or `{source, targets}`.
pub(super) fn connections(at: &At<'_>) -> Result<Vec<(String, Vec<String>)>, ImportError> {
    let targets = |at: &At<'_>| match at.value() {
        Value::List(_) => at.texts(),
        _ => Ok(vec![at.text()?.to_owned()]),
    };
    match at.value() {
        Value::Map(_) => {
            at.entries()?.into_iter().map(|(source, t)| Ok((source.to_owned(), targets(&t)?))).collect()
        }
        _ => {
            let one = |edge: &At<'_>| {
                edge.closed(&["source", "target", "targets"])?;
                let to = edge.get("targets").or_else(|| edge.get("target"));
                let to =
                    to.ok_or_else(|| edge.error("no target", "target or targets", "complete the edge"))?;
                Ok((edge.required("source", "NODE/TENSOR")?.text()?.to_owned(), targets(&to)?))
            };
            at.list()?.iter().map(one).collect()
        }
    }
}

pub(super) fn port_of(
    at: &At<'_>,
    node: &str,
    port: &str,
    tensors: &[Tensor<'_>],
) -> Result<String, ImportError> {
    let found = port.split_once('/').filter(|(n, t)| *n == node && tensors.iter().any(|x| x.name == *t));
    found.map(|(_, tensor)| tensor.to_owned()).ok_or_else(|| {
        let names: Vec<String> = tensors.iter().map(|t| format!("{node}/{}", t.name)).collect();
        at.error(
            format!("`{port}`"),
            format!("one of {}", names.join(", ")),
            "correct the edge, or export again",
        )
    })
}

/// Each input is either fed from outside or fed back, and the pipeline says which.
pub(super) fn everything_is_routed(
    pipeline: &At<'_>,
    node: &str,
    inputs: &[Tensor<'_>],
    feedback: &[(String, String, String)],
) -> Result<(), ImportError> {
    let at = pipeline.required("inputs", "the inputs from outside, by node")?;
    let outside = at.required(node, "the node's inputs from outside")?.texts()?;
    for tensor in inputs {
        let fed_back = feedback.iter().any(|(_, sink, _)| sink == tensor.name);
        let from_outside = outside.iter().any(|name| name == tensor.name);
        if fed_back == from_outside {
            let found = if fed_back {
                "fed from outside and fed back"
            } else {
                "neither fed from outside nor fed back"
            };
            let hint = "the pipeline lost an edge; export again (feedback_flow or feedback_connections)";
            return Err(at.error(format!("`{}` {found}", tensor.name), "one of both for each input", hint));
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "an edge and the three places that describe it")]
pub(super) fn state(
    folder: &Folder<'_>,
    file: &str,
    pipeline: &At<'_>,
    node: &str,
    output: &str,
    input: &str,
    inputs: &[Tensor<'_>],
    from: &str,
    overrides: &Overrides,
) -> Result<DraftState, ImportError> {
    let tensor = inputs.iter().find(|t| t.name == input);
    let (shape, dtype) = tensor.map_or((Vec::new(), "f32"), |t| (t.shape.clone(), t.dtype));
    let init = match pipeline.get("initial_values") {
        None => Fact::known(None, format!("{} has no initial_values: zeros", pipeline.from())),
        Some(at) => {
            let values = Folder::beside(file, at.text()?);
            if !folder.files.contains(&values) {
                return Err(at.error(
                    format!("no file `{values}`"),
                    "the initial values beside the YAML",
                    "copy the whole bundle",
                ));
            }
            let key = format!("{node}/{input}");
            let stats = Stats::parse(&folder.read(&values)?)
                .map_err(|e| at.error(e.to_string(), "safetensors", "copy the file again"))?;
            stats
                .list(&key, shape.iter().product())
                .map_err(|e| at.error(e.to_string(), format!("`{key}` in {values}"), "export again"))?;
            Fact::known(Some((values, key)), at.from())
        }
    };
    Ok(DraftState {
        input: input.to_owned(),
        output: output.to_owned(),
        shape,
        dtype,
        init,
        gap_ms: state_gap(overrides)?,
        from: from.to_owned(),
    })
}

pub(super) fn rate(
    pipeline: &At<'_>,
    ignored: &[String],
    overrides: &Overrides,
) -> Result<Fact<f64>, ImportError> {
    let own = match pipeline.get("configs") {
        None => None,
        Some(configs) => {
            let known: Vec<&str> =
                std::iter::once("frequency").chain(ignored.iter().map(String::as_str)).collect();
            closed(&configs, &known)?;
            configs
                .get("frequency")
                .map(|f| Ok::<_, ImportError>(Fact::known(f.number()?, f.from())))
                .transpose()?
        }
    };
    Ok(overrides.number("runtime.rate_hz")?.or(own).unwrap_or_else(|| {
        Fact::unknown("pipeline.configs.frequency is not in the bundle", "--set runtime.rate_hz=50")
    }))
}
