//! ONNX files that describe themselves: metadata as whole-body-tracking and its kin write it, and exports without
//! metadata (MuJoCo Playground's) described by the user under the same names.
//!
//! All lists are in the policy's order, with three decimals. A key is read from `--set metadata.KEY=...` first, then
//! from the file. Neither the rate nor the factors of the terms are in the file: the user says them. Terms with a
//! history stand each with their whole history, oldest first.

use super::Kind;
use super::draft::{
    Draft, DraftCounter, DraftHistory, DraftInput, DraftNormalize, DraftOutput, DraftPhase, DraftRuntime,
    DraftTerm, OutputWhat, TermWhat,
};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;
use super::graph_file::GraphFile;
use super::overrides::Overrides;
use super::runtime::counter_end;
use super::tree::{At, Value};

/// The key by which such a file is known.
pub(super) const MARK: &str = "joint_names";

const KEYS: [&str; 11] = [
    "run_path",
    "joint_names",
    "joint_stiffness",
    "joint_damping",
    "default_joint_pos",
    "command_names",
    "observation_names",
    "observation_history_lengths",
    "action_scale",
    "anchor_body_name",
    "body_names",
];

/// Metadata and what the user says instead of it.
struct Metadata<'a> {
    graph: &'a GraphFile,
    overrides: &'a Overrides,
}

impl Metadata<'_> {
    /// The parts of a comma-separated value, or the user's list.
    fn list(&self, key: &str) -> Result<Fact<Vec<String>>, ImportError> {
        if let Some(at) = self.overrides.get(&format!("metadata.{key}")) {
            let item = |at: &At<'_>| match at.value() {
                Value::Number(number) => Ok(number.to_string()),
                _ => at.text().map(str::to_owned),
            };
            let values = match at.value() {
                Value::List(_) => at.list()?.iter().map(item).collect::<Result<Vec<_>, _>>()?,
                _ => vec![item(&at)?],
            };
            return Ok(Fact::known(values, at.from()));
        }
        match self.graph.metadata(key) {
            Some(text) => {
                let parts = text.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
                Ok(Fact::known(parts, format!("{} metadata {key}", self.graph.files.file)))
            }
            None => Ok(Fact::unknown(
                format!("{} has no metadata `{key}`", self.graph.files.file),
                format!("--set 'metadata.{key}=[...]', or the key `{key}` under `metadata:` in a --set-file"),
            )),
        }
    }

    fn refuse(&self, key: &str, found: String, expected: String, hint: &str) -> ImportError {
        ImportError::Content {
            file: self.graph.files.file.as_str().into(),
            line: 1,
            field: format!("metadata {key}").into(),
            found: found.into(),
            expected: expected.into(),
            hint: hint.into(),
        }
    }

    /// One number per joint, or one for all.
    fn numbers(&self, key: &str, count: usize) -> Result<Fact<Vec<f64>>, ImportError> {
        let list = self.list(key)?;
        let Some(parts) = list.value() else { return Ok(list.map(|_| Vec::new())) };
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let value: f64 = part.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(|| {
                self.refuse(key, format!("`{part}`"), "finite numbers".to_owned(), "correct the metadata")
            })?;
            values.push(value);
        }
        if let [one] = values.as_slice() {
            values = vec![*one; count];
        }
        if values.len() != count {
            let hint = "one value per joint; the metadata was cut or is of another robot";
            return Err(self.refuse(key, format!("{} values", values.len()), count.to_string(), hint));
        }
        Ok(list.map(|_| values))
    }
}

pub(super) fn draft(folder: &Folder<'_>, overrides: &Overrides) -> Result<Draft, ImportError> {
    let graph = GraphFile::find(folder, None, overrides)?;
    let meta = Metadata { graph: &graph, overrides };
    refuse_unknown_keys(&meta)?;
    let foreign = meta.list("joint_names")?;
    let mut joints = Vec::new();
    for name in foreign.value().map(Vec::as_slice).unwrap_or_default() {
        joints.push(overrides.renamed(name)?);
    }
    let count = joints.len();
    let mut inputs = Vec::new();
    let mut counters = Vec::new();
    for port in &graph.graph.inputs {
        let (shape, dtype) = graph.port(port)?;
        if port.name == "time_step" {
            let length = match overrides.get("counter.length") {
                Some(at) => Fact::known(at.index()?, at.from()),
                None => Fact::unknown(
                    "the length of the motion is inside the graph",
                    "--set counter.length=FRAMES",
                ),
            };
            let from = format!("{} input time_step", graph.files.file);
            let (tensor, on_end) = (port.name.clone(), counter_end(overrides)?);
            counters.push(DraftCounter { tensor, dtype, shape, length, on_end, from });
            continue;
        }
        let terms = if foreign.value().is_some() { terms(&meta, count)? } else { Vec::new() };
        if !terms.is_empty() {
            sizes(&meta, &port.name, &shape, &terms)?;
        }
        let from = "metadata observation_names".to_owned();
        let normalize =
            DraftNormalize::None("these exporters keep the normaliser inside the graph".to_owned());
        inputs.push(DraftInput {
            tensor: port.name.clone(),
            dtype,
            shape,
            time_major: false,
            normalize,
            terms,
            from,
        });
    }
    if inputs.len() != 1 {
        let names: Vec<&str> = graph.graph.inputs.iter().map(|p| p.name.as_str()).collect();
        return Err(folder.error(
            names.join(", "),
            "one observation, and perhaps time_step",
            "export the actor alone",
        ));
    }
    let observation_names = meta.list("observation_names")?;
    if let (Some(input), Fact::Unknown { why, supply }) = (inputs.first_mut(), &observation_names) {
        // The whole tensor is one unknown: say so instead of writing an input without terms.
        input.terms.push(unknown_term(why, supply));
    }
    let default_pos = meta.numbers("default_joint_pos", count)?;
    let scale = meta.numbers("action_scale", count)?;
    let outputs = outputs(&meta, count, scale, default_pos.clone())?;
    let rate_hz = overrides.number("runtime.rate_hz")?.unwrap_or_else(|| {
        Fact::unknown(
            "such files do not say how often the policy runs",
            "--set runtime.rate_hz=50 (1 / (simulation step * decimation))",
        )
    });
    Ok(Draft {
        kind: Kind::OnnxMetadata,
        runtime: DraftRuntime::of(&rate_hz, &joints, overrides)?,
        rate_hz,
        joints: foreign.map(|_| joints),
        default_pos_rad: default_pos,
        kp: meta.numbers("joint_stiffness", count)?,
        kd: meta.numbers("joint_damping", count)?,
        unlike_gains: false,
        command_range: None,
        inputs,
        counters,
        states: Vec::new(),
        outputs,
        notes: graph
            .metadata("run_path")
            .map(|run| ("checkpoint".to_owned(), run.to_owned()))
            .into_iter()
            .collect(),
        graph: graph.files.clone(),
    })
}

fn unknown_term(why: &str, supply: &str) -> DraftTerm {
    DraftTerm {
        name: "observation".to_owned(),
        what: TermWhat::AngularVelocity,
        width: 0,
        scale: Fact::unknown(why, supply),
        clip: None,
        clip_after_scale: false,
        history: Fact::known(DraftHistory::PRESENT, ""),
        from: String::new(),
    }
}

fn refuse_unknown_keys(meta: &Metadata<'_>) -> Result<(), ImportError> {
    let ignored =
        meta.overrides.names("metadata.ignore")?.and_then(|f| f.value().cloned()).unwrap_or_default();
    for (key, value) in &meta.graph.metadata {
        if !KEYS.contains(&key.as_str()) && !ignored.contains(key) {
            let shown: String = value.chars().take(40).collect();
            let expected = format!("one of {}", KEYS.join(", "));
            let hint = "it may change what the model means; if not: --set 'metadata.ignore=[KEY]'";
            return Err(meta.refuse(key, format!("a key that is not known (`{shown}`)"), expected, hint));
        }
    }
    Ok(())
}

fn terms(meta: &Metadata<'_>, joints: usize) -> Result<Vec<DraftTerm>, ImportError> {
    let names = meta.list("observation_names")?;
    let Some(list) = names.value() else { return Ok(Vec::new()) };
    let histories = histories(meta, list.len())?;
    let mut terms = Vec::new();
    for (name, history) in list.iter().zip(histories) {
        let (what, width) = what(meta, name, joints)?;
        let scale = match meta.overrides.scale(&format!("terms.scale.{name}"), width)? {
            Some(scale) => Some(scale),
            // One number for all terms.
            None => match meta.overrides.peek("terms.scale") {
                Some(at) if !matches!(at.value(), Value::Map(_)) => {
                    meta.overrides.get("terms.scale");
                    Some(Fact::known(vec![at.number()?], at.from()))
                }
                _ => None,
            },
        };
        let scale = scale.unwrap_or_else(|| {
            Fact::unknown(
                "such files do not say by what a term is multiplied",
                format!(
                    "--set terms.scale.{name}=..., or --set terms.scale=1 when no term was scaled in training"
                ),
            )
        });
        terms.push(DraftTerm {
            name: name.clone(),
            what,
            width,
            scale,
            clip: None,
            clip_after_scale: false,
            history,
            from: names.origin().into_owned(),
        });
    }
    Ok(terms)
}

/// `observation_history_lengths`: "1.000,5.000,..."; absent means no history.
fn histories(meta: &Metadata<'_>, terms: usize) -> Result<Vec<Fact<DraftHistory>>, ImportError> {
    let key = "observation_history_lengths";
    let list = meta.list(key)?;
    let Some(parts) = list.value() else {
        return Ok(vec![Fact::known(DraftHistory::PRESENT, format!("no {key}")); terms]);
    };
    if parts.len() != terms {
        let hint = "one length per observation name";
        return Err(meta.refuse(key, format!("{} lengths", parts.len()), terms.to_string(), hint));
    }
    let mut lens = Vec::with_capacity(terms);
    for part in parts {
        let value = part.parse::<f64>().ok().filter(|v| (1.0..=1000.0).contains(v) && v.fract() == 0.0);
        let len = value.ok_or_else(|| {
            meta.refuse(key, format!("`{part}`"), "whole numbers from 1".to_owned(), "correct the metadata")
        })? as usize;
        lens.push(Fact::known(
            DraftHistory { len, ..DraftHistory::PRESENT },
            format!("{}, oldest first", list.origin()),
        ));
    }
    Ok(lens)
}

/// What an observation name means. Position terms of these exporters are relative to the default position.
fn what(meta: &Metadata<'_>, name: &str, joints: usize) -> Result<(TermWhat, usize), ImportError> {
    let velocity = || TermWhat::Command(vec!["vx", "vy", "wz"]);
    Ok(match name {
        "base_ang_vel" | "gyro" => (TermWhat::AngularVelocity, 3),
        "base_lin_vel" | "linvel" => (TermWhat::LinearVelocity, 3),
        "projected_gravity" | "gravity" => (TermWhat::ProjectedGravity, 3),
        "velocity_commands" | "twist" => (velocity(), 3),
        "command" => {
            let commands = meta.list("command_names")?;
            let motion = commands.value().is_some_and(|names| names.iter().any(|n| n == "motion"));
            if motion {
                return Err(unsupported(meta, name, "the reference motion's joint positions and velocities"));
            }
            (velocity(), 3)
        }
        "joint_pos" | "joint_pos_rel" => {
            (TermWhat::JointPosition { minus_default: true, joints: None }, joints)
        }
        "joint_vel" | "joint_vel_rel" => (TermWhat::JointVelocity { joints: None }, joints),
        "actions" | "last_action" | "last_act" => (TermWhat::LastAction("raw"), joints),
        "phase" => {
            let phase = phase(meta)?;
            let feet = phase.value().map_or(1, |p| p.offsets_turns.len());
            (TermWhat::Phase(phase), 2 * feet)
        }
        "motion_anchor_pos_b" | "motion_anchor_ori_b" => {
            return Err(unsupported(
                meta,
                name,
                "the pose of the reference motion's anchor body relative to the robot's",
            ));
        }
        _ => return Err(unsupported(meta, name, "a term this importer does not know")),
    })
}

fn unsupported(meta: &Metadata<'_>, name: &str, what: &str) -> ImportError {
    meta.refuse(
        "observation_names",
        format!("`{name}`: {what}"),
        "base_ang_vel, base_lin_vel, projected_gravity, command (of velocity), joint_pos, joint_vel, actions or phase, or gyro, linvel, gravity, last_act".to_owned(),
        "the robot state cannot feed it; train without it, or write the manifest by hand",
    )
}

/// The gait clock, which only the training code knows.
fn phase(meta: &Metadata<'_>) -> Result<Fact<DraftPhase>, ImportError> {
    let Some(at) = meta.overrides.get("terms.phase") else {
        return Ok(Fact::unknown(
            "the gait clock is in the training code only",
            "--set 'terms.phase={period_s: 0.5, functions: sin_cos, freeze_below: 0.05}'; for several feet offsets_turns, layout (by_foot|by_function), start_turns and rest (zero|pi)",
        ));
    };
    at.closed(&["period_s", "functions", "freeze_below", "offsets_turns", "start_turns", "rest", "layout"])?;
    let word = |key: &str, words: [&str; 2]| match at.get(key) {
        None => Ok(false),
        Some(at) => match words.iter().position(|w| at.text().is_ok_and(|t| t == *w)) {
            Some(index) => Ok(index == 1),
            None => Err(at.error(at.found(), format!("{} or {}", words[0], words[1]), "choose one")),
        },
    };
    let freeze = at.required("freeze_below", "a norm of the command, or never")?;
    let freeze_below = if freeze.text().is_ok_and(|t| t == "never") { None } else { Some(freeze.number()?) };
    let offsets_turns =
        at.get("offsets_turns").map(|o| o.numbers()).transpose()?.unwrap_or_else(|| vec![0.0]);
    if offsets_turns.len() > 1 {
        at.required("layout", "by_foot or by_function")?;
    }
    at.required("functions", "sin_cos or cos_sin")?;
    let phase = DraftPhase {
        cos_first: word("functions", ["sin_cos", "cos_sin"])?,
        period_s: at.required("period_s", "s per gait cycle")?.number()?,
        freeze_below,
        offsets_turns,
        start_turns: at.get("start_turns").map(|s| s.number()).transpose()?.unwrap_or(0.0),
        rest_at_pi: word("rest", ["zero", "pi"])?,
        by_function: word("layout", ["by_foot", "by_function"])?,
    };
    Ok(Fact::known(phase, at.from()))
}

fn sizes(meta: &Metadata<'_>, tensor: &str, shape: &[usize], terms: &[DraftTerm]) -> Result<(), ImportError> {
    if terms.iter().any(|t| matches!(&t.what, TermWhat::Phase(p) if p.value().is_none())) {
        return Ok(());
    }
    let len = |t: &DraftTerm| t.width * t.history.value().map_or(1, |h| h.len);
    let (total, expected) = (terms.iter().map(len).sum::<usize>(), shape.iter().product::<usize>());
    if total == expected {
        return Ok(());
    }
    let listed: Vec<String> = terms.iter().map(|t| format!("{} {}", t.name, len(t))).collect();
    Err(meta.refuse(
        "observation_names",
        format!("{total} values ({})", listed.join(", ")),
        format!("{expected}, the size of `{tensor}`"),
        "a term or its history is missing, or means something else here",
    ))
}

fn outputs(
    meta: &Metadata<'_>,
    joints: usize,
    scale: Fact<Vec<f64>>,
    offset: Fact<Vec<f64>>,
) -> Result<Vec<DraftOutput>, ImportError> {
    let ports = &meta.graph.graph.outputs;
    let action = match ports.as_slice() {
        [one] => one.name.clone(),
        several => match several.iter().find(|p| p.name == "actions" || p.name == "continuous_actions") {
            Some(port) => port.name.clone(),
            None => {
                let names: Vec<&str> = several.iter().map(|p| p.name.as_str()).collect();
                return Err(meta.refuse(
                    "outputs",
                    names.join(", "),
                    "one output, or one called actions".to_owned(),
                    "export the actor alone",
                ));
            }
        },
    };
    let mut outputs = Vec::new();
    for port in ports {
        let (shape, _) = meta.graph.port(port)?;
        let from = format!("{} output {}", meta.graph.files.file, port.name);
        let what = if port.name == action {
            if joints > 0 && shape.iter().product::<usize>() != joints {
                let found = format!("{shape:?} of output `{action}`");
                return Err(meta.refuse(
                    "joint_names",
                    format!("{joints} joints"),
                    found,
                    "the metadata is of another model",
                ));
            }
            OutputWhat::Position {
                joints: None,
                scale: scale.clone(),
                offset_rad: offset.clone(),
                clip_raw: None,
                clip_rad: None,
            }
        } else if ["joint_pos", "joint_vel"].contains(&port.name.as_str()) || port.name.starts_with("body_") {
            OutputWhat::Ignore(
                "the reference motion, which only terms not in this model would read".to_owned(),
            )
        } else {
            return Err(meta.refuse(
                "outputs",
                format!("`{}`", port.name),
                format!("`{action}` and the reference motion"),
                "export the actor alone",
            ));
        };
        outputs.push(DraftOutput { tensor: port.name.clone(), shape, what, chunk: None, from });
    }
    Ok(outputs)
}
