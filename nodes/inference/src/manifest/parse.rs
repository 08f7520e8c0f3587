//! The sections of the manifest in the order in which they depend on each other.

use toml::de::DeTable;

use super::command::CommandLimits;
use super::input::{Input, InputSource};
use super::joints::Joints;
use super::output::{Output, OutputKind, Quantity};
use super::reader::{Document, Entry, ManifestError, Section};
use super::runtime::Runtime;
use super::safety::Safety;
use super::state::State;
use super::term::{FedBack, Stage, TermKind};
use super::{Graph, GraphFile, Manifest, Notes, Precision, Verify};

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
    let (name, version, notes) = model(root.required("model", "a table")?.section()?)?;
    let Graph { file: graph, external, precision } =
        graph(&root.required("graph", "one [[graph]] section")?)?;
    let runtime = Runtime::parse(root.required("runtime", "a table")?.section()?)?;
    let joints = Joints::parse(root.required("joints", "a table")?.section()?)?;
    let outputs = sections(&root, "output", "[[output]] sections")?
        .into_iter()
        .map(|section| Output::parse(section, &joints))
        .collect::<Result<Vec<_>, _>>()?;
    refuse_slack_joints(&root, &joints, &outputs)?;
    let fed_back = fed_back(&root, &outputs)?;
    let inputs = sections(&root, "input", "[[input]] sections")?
        .into_iter()
        .map(|section| Input::parse(section, &joints, &fed_back))
        .collect::<Result<Vec<_>, _>>()?;
    refuse_unread_feedback(&root, &inputs, &outputs)?;
    let states = match root.optional("state") {
        None => Vec::new(),
        Some(_) => sections(&root, "state", "[[state]] sections")?
            .into_iter()
            .map(State::parse)
            .collect::<Result<Vec<_>, _>>()?,
    };
    let command = match root.optional("command") {
        Some(entry) => CommandLimits::parse(entry.section()?)?,
        None => CommandLimits::default(),
    };
    let measured: Vec<(&str, usize)> = inputs
        .iter()
        .filter(|i| matches!(i.source, InputSource::Terms(_)))
        .map(|i| (i.tensor.as_str(), i.len()))
        .collect();
    let safety = match root.optional("safety") {
        Some(entry) => Safety::parse(entry.section()?, joints.order.len(), &measured)?,
        None => Safety::DEFAULT,
    };
    refuse_unknown_profiles(&root, &runtime, &inputs, &states)?;
    let verify = root.required("verify", "a table: no policy runs without golden vectors")?;
    let verify = Verify::parse(verify.section()?)?;
    root.finish()?;
    Ok(Manifest {
        name,
        version,
        notes,
        graph,
        external,
        precision,
        runtime,
        safety,
        command,
        joints,
        inputs,
        states,
        outputs,
        verify,
    })
}

pub(super) fn sections<'a>(
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

fn model(section: Section<'_>) -> Result<(String, String, Notes), ManifestError> {
    let name = section.required("name", "text")?.text("the model's name")?;
    let version = section.required("version", "text")?.text("the model's version, e.g. \"1.0.0\"")?;
    section.required("task", "\"policy\"")?.choice(&[("policy", ())])?;
    let note = |key| section.optional(key).map(|entry| entry.prose()).transpose();
    let notes = Notes {
        license: note("license")?,
        description: note("description")?,
        trained_with: note("trained_with")?,
        checkpoint: note("checkpoint")?,
        exported: note("exported")?,
    };
    section.finish()?;
    Ok((name, version, notes))
}

/// A file and its hash, under the given keys.
pub(super) fn file_and_hash(
    section: &Section<'_>,
    file_key: &'static str,
) -> Result<GraphFile, ManifestError> {
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

fn graph(entry: &Entry<'_>) -> Result<Graph, ManifestError> {
    let list = entry.list("one [[graph]] section, in two pairs of brackets")?;
    let [one] = list.as_slice() else {
        let found = format!("{} graphs", list.len());
        return Err(entry.error(found, "exactly one in schema 1", "merge the graphs into one ONNX file"));
    };
    let section = one.section()?;
    let file = file_and_hash(&section, "file")?;
    section.optional("id").map(|e| e.text("text")).transpose()?;
    let precision = match section.optional("precision") {
        Some(entry) => Some(entry.choice(&Precision::ALL.map(|p| (p.name(), p)))?),
        None => None,
    };
    let mut external: Vec<GraphFile> = Vec::new();
    if let Some(entry) = section.optional("external") {
        for item in entry.list("a list of { file, sha256 }")? {
            let table = item.section()?;
            let named = file_and_hash(&table, "file")?;
            table.finish()?;
            if named.file == file.file || external.iter().any(|e| e.file == named.file) {
                let found = format!("\"{}\" again", named.file);
                return Err(item.error(found, "each file once", "remove the repetition"));
            }
            external.push(named);
        }
    }
    section.finish()?;
    Ok(Graph { file, external, precision })
}

/// What the outputs give terms to read; and whether they move each joint in one way only.
fn fed_back(root: &Section<'_>, outputs: &[Output]) -> Result<FedBack, ManifestError> {
    let mut moved: Vec<(Quantity, usize)> = Vec::new();
    let mut feedback = None;
    for output in outputs {
        match &output.kind {
            OutputKind::Target(target) => {
                for joint in &target.joints {
                    let how = (target.quantity, *joint);
                    if moved.contains(&how) {
                        let found = format!("a joint of `{}` that another output moves, too", output.tensor);
                        return Err(root.error(
                            found,
                            "[[output]]: one target per joint",
                            "give disjoint joints",
                        ));
                    }
                    moved.push(how);
                }
            }
            OutputKind::Feedback { joints } if feedback.is_none() => feedback = Some(joints.clone()),
            OutputKind::Feedback { .. } => {
                let found = "two outputs of kind feedback/action";
                return Err(root.error(found, "[[output]]: at most one", "use [[state]] for the other"));
            }
            OutputKind::Ignore { .. } => {}
        }
    }
    let targets: Vec<_> = outputs.iter().filter_map(Output::target).collect();
    if targets.is_empty() {
        let found = "no [[output]] that moves joints";
        return Err(root.error(found, "one of kind target/joint/position", "name the graph's action"));
    }
    if targets.len() > 1 && targets.iter().any(|t| t.chunk.is_some()) {
        let found = format!("a chunk beside {} other targets", targets.len() - 1);
        return Err(root.error(found, "[[output]]: one target only where it is a chunk", "merge them"));
    }
    let single = match targets.as_slice() {
        [one] if one.chunk.is_none() => Some(one.joints.clone()),
        _ => {
            let mut positions =
                targets.iter().filter(|t| t.quantity == Quantity::Position && t.chunk.is_none());
            let first = positions.next().map(|t| t.joints.clone());
            if positions.next().is_some() { None } else { first }
        }
    };
    Ok(FedBack { raw: feedback.or_else(|| single.clone()), scaled: single })
}

/// A drive moves to a position by its stiffness: with none the target changes nothing and the robot sinks.
fn refuse_slack_joints(root: &Section<'_>, joints: &Joints, outputs: &[Output]) -> Result<(), ManifestError> {
    for (index, (name, kp)) in joints.order.iter().zip(&joints.kp_nm_per_rad).enumerate() {
        if *kp > 0.0 || !is_held_by_stiffness(outputs, index) {
            continue;
        }
        let entry = root.required("joints", "a table")?.section()?.required("kp", "N m/rad")?;
        let found = format!("{kp} for `{name}`, which has a position target");
        let hint = "give the stiffness used in training, or take the joint out of the position target; where the \
                    policy computes torques, add an output of kind target/joint/effort";
        return Err(entry.error(found, "above 0 N m/rad", hint));
    }
    Ok(())
}

/// True when `joint` has a position target that nothing but its stiffness carries out.
pub(super) fn is_held_by_stiffness(outputs: &[Output], joint: usize) -> bool {
    let moved = |quantity| {
        let mut targets = outputs.iter().filter_map(Output::target).filter(|t| t.quantity == quantity);
        targets.any(|t| t.joints.contains(&joint))
    };
    moved(Quantity::Position) && !moved(Quantity::Effort)
}

fn refuse_unread_feedback(
    root: &Section<'_>,
    inputs: &[Input],
    outputs: &[Output],
) -> Result<(), ManifestError> {
    let feedback = outputs.iter().find(|o| matches!(o.kind, OutputKind::Feedback { .. }));
    let read = inputs.iter().flat_map(Input::terms).any(|t| t.kind == TermKind::LastAction(Stage::Raw));
    match feedback {
        Some(output) if !read => Err(root.error(
            format!("output `{}` of kind feedback/action that no term reads", output.tensor),
            "a term of kind feedback/action, stage raw, that reads it",
            "add the term, or declare the output kind = \"ignore\" with a reason",
        )),
        _ => Ok(()),
    }
}

fn refuse_unknown_profiles(
    root: &Section<'_>,
    runtime: &Runtime,
    inputs: &[Input],
    states: &[State],
) -> Result<(), ManifestError> {
    let names: Vec<&str> =
        inputs.iter().map(|i| i.tensor.as_str()).chain(states.iter().map(|s| s.input.as_str())).collect();
    match runtime.placement.tensorrt.profiles.iter().find(|p| !names.contains(&p.tensor.as_str())) {
        Some(profile) => Err(root.error(
            format!("runtime.tensorrt.profiles of `{}`", profile.tensor),
            format!("inputs of the graph: {}", names.join(", ")),
            "use the graph's own name",
        )),
        None => Ok(()),
    }
}

impl Verify {
    fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let golden = file_and_hash(&section, "golden")?;
        let atol = section.required("atol", "absolute tolerance, rad")?.number_in(0.0, 0.1, "rad")?;
        let rtol = section.required("rtol", "relative tolerance")?.number_in(0.0, 0.1, "")?;
        let fp16_atol = section.optional("fp16_atol").map(|e| e.number_in(0.0, 0.5, "rad")).transpose()?;
        let p99_ms = section.optional("p99_ms").map(|e| e.number_in(0.001, 10_000.0, "ms")).transpose()?;
        section.finish()?;
        Ok(Self { golden, atol, rtol, fp16_atol, p99_ms })
    }
}
