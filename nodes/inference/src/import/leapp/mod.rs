//! LEAPP bundles: one YAML, an ONNX model per node, initial values of what is fed back.
//!
//! The YAML names each tensor's quantity (`kind`) and elements; scales, offsets and histories are inside the graph, so
//! each input becomes one term and each feedback edge one state. `pipeline.feedback_flow` (written by the exporter)
//! and `pipeline.feedback_connections` (read by others) are both taken. Unknown keys are refused: dropping one could
//! drop a recurrent state. One node only; its gains are constants of the graph.

mod bundle;
mod tensors;

use super::draft::{Draft, DraftRuntime};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;
use super::overrides::Overrides;
use super::runtime::standing_posture;
use super::{Kind, RobotFacts};
use bundle::{bundle_file, everything_is_routed, exporter, feedback, graph, rate, same_tensors, state};
use tensors::{gain, input, names_of, output, renamed};

pub(super) fn draft(
    folder: &Folder<'_>,
    robot: &RobotFacts,
    overrides: &Overrides,
) -> Result<Draft, ImportError> {
    let file = bundle_file(folder)?;
    let document = folder.document(&file)?;
    let top = document.top();
    top.closed(&["models", "pipeline", "system information"])?;
    let models = top.required("models", "the nodes")?;
    let nodes = models.entries()?;
    let [(node, at)] = nodes.as_slice() else {
        let names: Vec<&str> = nodes.iter().map(|(name, _)| *name).collect();
        let hint = "annotate the whole policy as one node and export again";
        return Err(models.error(format!("{} nodes: {}", names.len(), names.join(", ")), "one node", hint));
    };
    at.closed(&["inputs", "outputs", "parameters"])?;
    let ignored = overrides.names("leapp.ignore")?.and_then(|f| f.value().cloned()).unwrap_or_default();
    let inputs = bundle::tensors(&at.required("inputs", "the node's inputs")?, &ignored)?;
    let outputs = bundle::tensors(&at.required("outputs", "the node's outputs")?, &ignored)?;
    let graph = graph(folder, &file, &at.required("parameters", "the model's file")?, overrides)?;
    same_tensors(&graph, &inputs, &outputs)?;
    let pipeline = top.required("pipeline", "how the nodes are connected")?;
    pipeline.closed(&[
        "configs",
        "data_flow",
        "feedback_flow",
        "feedback_connections",
        "initial_values",
        "inputs",
        "outputs",
    ])?;
    let feedback = feedback(&pipeline, node, &inputs, &outputs)?;
    everything_is_routed(&pipeline, node, &inputs, &feedback)?;

    let target = outputs.iter().find(|t| t.kind().ok().flatten() == Some("target/joint/position"));
    let Some(target) = target else {
        return Err(at.error(
            "no output of kind target/joint/position",
            "one",
            "annotate the joint targets with their kind",
        ));
    };
    let order = names_of(target, overrides)?;
    let joints = renamed(&order, overrides)?;
    let known = joints.value().cloned().unwrap_or_default();
    let mut states = Vec::new();
    for (source, sink, from) in &feedback {
        states.push(state(folder, &file, &pipeline, node, source, sink, &inputs, from, overrides)?);
    }
    let mut terms = Vec::new();
    for tensor in inputs.iter().filter(|t| !feedback.iter().any(|(_, sink, _)| sink == t.name)) {
        terms.push(input(tensor, &known, overrides)?);
    }
    let mut gains = [None, None];
    let mut drafts = Vec::new();
    for tensor in &outputs {
        if feedback.iter().any(|(source, _, _)| source == tensor.name) && tensor.kind()?.is_none() {
            continue; // it is the other half of a state
        }
        let kind = tensor.kind()?;
        if let Some(index) = ["kp", "kd"].iter().position(|k| Some(*k) == kind)
            && let Some(slot) = gains.get_mut(index)
        {
            *slot = Some(gain(tensor, &graph.graph, &known, overrides)?);
        }
        drafts.push(output(tensor, kind, &known, overrides)?);
    }
    let [kp, kd] = gains;
    let gain_of = |key: &'static str, own: Option<Fact<Vec<f64>>>| -> Result<Fact<Vec<f64>>, ImportError> {
        Ok(overrides.per_name(&format!("joints.{key}"), &known)?.or(own).unwrap_or_else(|| {
            Fact::unknown(format!("{file} has no output of kind `{key}`"), format!("--set joints.{key}=..."))
        }))
    };
    let (kp, kd) = (gain_of("kp", kp)?, gain_of("kd", kd)?);
    let default_pos_rad = match overrides.per_name("joints.default_pos", &known)? {
        Some(given) => given,
        None => standing_posture(robot.stand_of(&known)),
    };
    let rate_hz = rate(&pipeline, &ignored, overrides)?;
    Ok(Draft {
        kind: Kind::Leapp,
        runtime: DraftRuntime::of(&rate_hz, &known, overrides)?,
        rate_hz,
        joints,
        default_pos_rad,
        kp,
        kd,
        unlike_gains: false,
        command_range: None,
        inputs: terms,
        counters: Vec::new(),
        states,
        outputs: drafts,
        notes: exporter(&top),
        graph: graph.files,
    })
}
