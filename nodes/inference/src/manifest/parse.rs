//! The sections of the manifest, one function each.

use toml::de::DeTable;

use super::reader::{Document, Entry, ManifestError, Section};
use super::term::{Stage, Term, TermKind};
use super::{
    DECIMATION_BASE_HZ, EngineKind, GraphFile, Input, Joints, Manifest, Normalize, Output, OutputKind,
    Runtime, Verify,
};

/// Most joints of a policy: as many as one frame carries.
const MAX_JOINTS: usize = 64;
/// Most values of one input tensor.
const MAX_INPUT_LEN: usize = 1 << 20;

pub(super) fn manifest(file: &str, text: &str) -> Result<Manifest, ManifestError> {
    let document = Document { file, text };
    let table = DeTable::parse(text).map_err(|error| {
        let line = document.line(error.span().map_or(0, |s| s.start));
        Manifest::error(file, line, "", error.message().trim(), "TOML", "correct the line")
    })?;
    let root = Section::root(document, &table);
    let schema = root.required("schema", "1")?;
    if schema.integer_in(0, i64::MAX)? != 1 {
        return Err(schema.error(
            "another schema number",
            "1",
            "convert the manifest, or update this program",
        ));
    }
    let (name, version) = model(root.required("model", "a table")?.section()?)?;
    let graph = graph(&root.required("graph", "one [[graph]] section")?)?;
    let runtime = runtime(root.required("runtime", "a table")?.section()?)?;
    let joints = joints(root.required("joints", "a table")?.section()?)?;
    let count = joints.order.len();
    let inputs = sections(&root, "input", "[[input]] sections")?
        .into_iter()
        .map(|section| input(section, count))
        .collect::<Result<Vec<_>, _>>()?;
    let outputs = sections(&root, "output", "[[output]] sections")?
        .into_iter()
        .map(|section| output(section, &joints))
        .collect::<Result<Vec<_>, _>>()?;
    feedback(&root, &inputs, &outputs)?;
    let verify = root.required("verify", "a table: no policy runs without golden vectors")?;
    let verify = verify_section(verify.section()?)?;
    root.finish()?;
    Ok(Manifest { name, version, graph, runtime, joints, inputs, outputs, verify })
}

fn sections<'a>(
    parent: &Section<'a>,
    key: &'static str,
    expected: &str,
) -> Result<Vec<Section<'a>>, ManifestError> {
    let entry = parent.required(key, expected)?;
    let list = entry.list(expected)?;
    if list.is_empty() {
        return Err(entry.error("an empty list", expected, "add at least one"));
    }
    list.iter().map(Entry::section).collect()
}

fn model(section: Section<'_>) -> Result<(String, String), ManifestError> {
    let name = section.required("name", "text")?.text("the model's name")?;
    let version = section.required("version", "text")?.text("the model's version, e.g. \"1.0.0\"")?;
    section.required("task", "\"policy\"")?.choice(&[("policy", ())])?;
    for note in ["license", "description", "trained_with", "exported"] {
        section.optional(note).map(|entry| entry.text("text")).transpose()?;
    }
    section.finish()?;
    Ok((name, version))
}

/// A file and its hash, under the given keys.
fn file_and_hash(section: &Section<'_>, file_key: &'static str) -> Result<GraphFile, ManifestError> {
    let file =
        section.required(file_key, "a file beside the manifest")?.text("a file beside the manifest")?;
    let expected = "the file's SHA-256, 64 hexadecimal digits";
    let entry = section.required("sha256", expected)?;
    let sha256 = entry.text(expected)?.to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(entry.error(format!("\"{sha256}\""), expected, "run sha256sum on the file"));
    }
    Ok(GraphFile { file, sha256, line: entry.line() })
}

fn graph(entry: &Entry<'_>) -> Result<GraphFile, ManifestError> {
    let list = entry.list("one [[graph]] section, in two pairs of brackets")?;
    let [one] = list.as_slice() else {
        let found = format!("{} graphs", list.len());
        return Err(entry.error(found, "exactly one in schema 1", "merge the graphs into one ONNX file"));
    };
    let section = one.section()?;
    let file = file_and_hash(&section, "file")?;
    section.optional("id").map(|e| e.text("text")).transpose()?;
    section.optional("precision").map(|e| e.choice(&[("fp32", ())])).transpose()?;
    section.finish()?;
    Ok(file)
}

fn runtime(section: Section<'_>) -> Result<Runtime, ManifestError> {
    let rate_hz = match (section.optional("rate_hz"), section.optional("decimation")) {
        (Some(rate), None) => rate.number_in(1.0, 1000.0, "Hz")?,
        (None, Some(every)) => DECIMATION_BASE_HZ / every.integer_in(1, 500)? as f64,
        (None, None) => {
            return Err(section.error("neither", "`rate_hz` or `decimation`", "add one of them"));
        }
        (Some(_), Some(_)) => {
            return Err(section.error("both", "`rate_hz` or `decimation`", "remove one of them"));
        }
    };
    let deadline_ms = section.required("deadline_ms", "ms")?.number_in(0.01, 1000.0, "ms")?;
    let latency_ticks = match section.optional("latency_ticks") {
        Some(entry) => entry.integer_in(1, 100)? as u32,
        None => 2,
    };
    let engine = section.required("engine", "a list of engines in order of preference")?;
    let engines = engine
        .list("a list of engines in order of preference")?
        .iter()
        .map(|e| e.choice(&[("native", EngineKind::Native), ("onnxruntime", EngineKind::OnnxRuntime)]))
        .collect::<Result<Vec<_>, _>>()?;
    if engines.is_empty() {
        return Err(engine.error("an empty list", "at least one engine", "write engine = [\"native\"]"));
    }
    section.finish()?;
    Ok(Runtime { rate_hz, deadline_ms, latency_ticks, engines })
}

fn joints(section: Section<'_>) -> Result<Joints, ManifestError> {
    let entry = section.required("order", "the joint names in the policy's order")?;
    let names = entry.list("a list of joint names in the policy's order")?;
    if names.is_empty() || names.len() > MAX_JOINTS {
        let found = format!("{} joints", names.len());
        return Err(entry.error(found, format!("1 to {MAX_JOINTS}"), "list the joints the policy moves"));
    }
    let mut order = Vec::with_capacity(names.len());
    for name in &names {
        let text = name.text("a joint name")?;
        if order.contains(&text) {
            return Err(name.error(format!("\"{text}\" again"), "each joint once", "remove the repetition"));
        }
        order.push(text);
    }
    let per_joint =
        |key, expected: &str| section.required(key, expected)?.numbers(order.len(), "one per joint");
    let default_pos_rad = per_joint("default_pos", "rad")?;
    let gain = |key: &'static str, unit: &str| {
        let values = per_joint(key, unit)?;
        if values.iter().all(|v| *v >= 0.0) {
            return Ok(values);
        }
        let entry = section.required(key, unit)?;
        Err(entry.error("a negative gain", format!("at least 0 {unit}"), "give the gain used in training"))
    };
    let kp_nm_per_rad = gain("kp", "N m/rad")?;
    let kd_nm_s_per_rad = gain("kd", "N m s/rad")?;
    let line = entry.line();
    section.finish()?;
    Ok(Joints { order, default_pos_rad, kp_nm_per_rad, kd_nm_s_per_rad, line })
}

fn input(section: Section<'_>, joints: usize) -> Result<Input, ManifestError> {
    let tensor = section.required("tensor", "name of a graph input")?.text("name of a graph input")?;
    section.required("dtype", "\"f32\"")?.choice(&[("f32", ())])?;
    let entry = section.required("shape", "the tensor's shape, e.g. [1, 47]")?;
    let sizes = entry
        .list("a list of sizes")?
        .iter()
        .map(|e| e.integer_in(1, MAX_INPUT_LEN as i64))
        .collect::<Result<Vec<_>, _>>()?;
    let shape: Vec<usize> = sizes.iter().map(|n| *n as usize).collect();
    let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= MAX_INPUT_LEN);
    let terms = sections(&section, "term", "[[input.term]] sections")?
        .into_iter()
        .map(|term| Term::parse(term, joints))
        .collect::<Result<Vec<_>, _>>()?;
    let total: usize = terms.iter().map(Term::len).sum();
    if len != Some(total) {
        let widths: Vec<String> = terms.iter().map(|t| format!("{} {}", t.len(), t.kind.name())).collect();
        let found = format!("shape {shape:?}");
        let expected = format!("{total} values, the sum of its terms ({})", widths.join(", "));
        return Err(entry.error(found, expected, "add the missing term or correct the shape"));
    }
    let normalize = match section.optional("normalize") {
        None => Normalize::None,
        Some(entry) => normalize(entry.section()?, total)?,
    };
    let line = entry.line();
    section.finish()?;
    Ok(Input { tensor, shape, normalize, terms, line })
}

fn normalize(section: Section<'_>, len: usize) -> Result<Normalize, ManifestError> {
    let mode = section.required("mode", "\"none\" or \"mean_std\"")?;
    let normalize = if mode.choice(&[("none", false), ("mean_std", true)])? {
        let mean = section.required("mean", "one number, or one per value")?.numbers(len, "one per value")?;
        let std_entry = section.required("std", "one number, or one per value")?;
        let std = std_entry.numbers(len, "one per value")?;
        let eps = match section.optional("eps") {
            Some(entry) => entry.number_in(0.0, 1.0, "")?,
            None => 0.0,
        };
        if std.iter().any(|s| *s < 0.0 || s + eps <= 0.0) {
            return Err(std_entry.error(
                "a value that is not above zero",
                "std + eps above zero",
                "check the export",
            ));
        }
        let clip = section.optional("clip").map(|e| e.number_in(1e-6, 1e6, "")).transpose()?;
        Normalize::MeanStd { mean, std, eps, clip }
    } else {
        Normalize::None
    };
    section.finish()?;
    Ok(normalize)
}

fn output(section: Section<'_>, joints: &Joints) -> Result<Output, ManifestError> {
    let tensor = section.required("tensor", "name of a graph output")?;
    let line = tensor.line();
    let tensor = tensor.text("name of a graph output")?;
    let count = joints.order.len();
    let kind = section.required("kind", "what the output is for")?;
    let kind = if kind.choice(&[("target/joint/position", true), ("feedback/action", false)])? {
        section.required("joints", "\"@joints\"")?.choice(&[("@joints", ())])?;
        let scale = match section.optional("scale") {
            Some(entry) => entry.numbers(count, "one per joint")?,
            None => vec![1.0; count],
        };
        let offset_rad = match section.optional("offset") {
            None => vec![0.0; count],
            Some(entry) => match entry.choice(&[("default_pos", ())]) {
                Ok(()) => joints.default_pos_rad.clone(),
                Err(_) => entry.numbers(count, "one per joint, or \"default_pos\"")?,
            },
        };
        let clip_rad = section.optional("clip").map(|e| e.ranges(count, "one per joint")).transpose()?;
        OutputKind::JointTarget { scale, offset_rad, clip_rad }
    } else {
        OutputKind::Feedback
    };
    section.finish()?;
    Ok(Output { tensor, kind, line })
}

/// One target; at most one feedback output, and a term that reads it.
fn feedback(root: &Section<'_>, inputs: &[Input], outputs: &[Output]) -> Result<(), ManifestError> {
    let targets = outputs.iter().filter(|o| matches!(o.kind, OutputKind::JointTarget { .. })).count();
    let fed_back = outputs.len() - targets;
    if targets != 1 || fed_back > 1 {
        let found = format!("{targets} of kind target/joint/position and {fed_back} of kind feedback/action");
        let hint = "one output moves the joints, one may be fed back";
        return Err(root.error(found, "[[output]]: exactly one and at most one", hint));
    }
    let raw = TermKind::LastAction { stage: Stage::Raw };
    let read = inputs.iter().flat_map(|i| &i.terms).any(|t| t.kind == raw);
    if fed_back == 1 && !read {
        let expected = "a term of kind feedback/action, stage raw, that reads it";
        return Err(root.error(
            "an [[output]] of kind feedback/action that no term reads",
            expected,
            "add the term",
        ));
    }
    Ok(())
}

fn verify_section(section: Section<'_>) -> Result<Verify, ManifestError> {
    let golden = file_and_hash(&section, "golden")?;
    let atol = section.required("atol", "absolute tolerance, rad")?.number_in(0.0, 0.1, "rad")?;
    let rtol = section.required("rtol", "relative tolerance")?.number_in(0.0, 0.1, "")?;
    section.finish()?;
    Ok(Verify { golden, atol, rtol })
}
