//! From a complete draft to the text of a manifest and the list of files to copy.
//!
//! Each value carries its origin as a comment. Numbers are written so that they read back the same.

use std::fmt::Write as _;

use super::draft::{
    Draft, DraftHistory, DraftInput, DraftNormalize, DraftOutput, DraftPhase, DraftState, DraftTerm,
    OutputWhat, TermWhat,
};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;

/// Begins the comment that says where a value was read.
const COMMENT: &str = "   # ";

/// What the user decides about the new model.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Name of the model and stem of its files.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Engines in order of preference, as the manifest names them.
    pub engines: &'a [&'a str],
    /// Why an engine is left out, for the comment.
    pub engine_note: &'a str,
}

/// A manifest without `[verify]`, and the files it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Text of the manifest.
    pub manifest: String,
    /// Name beside the manifest and bytes of each file.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Written {
    /// Writes `draft`; refused with the whole list when something is not known.
    pub fn of(draft: &Draft, folder: &Folder<'_>, plan: &Plan<'_>) -> Result<Self, ImportError> {
        let missing = draft.missing();
        if !missing.is_empty() {
            return Err(ImportError::Unknown(missing));
        }
        let mut files = Files { folder, stem: plan.name, list: Vec::new() };
        let mut text = head(draft, plan);
        let graph = files.copy(&draft.graph.file, format!("{}.onnx", plan.name))?;
        line(&mut text, "[[graph]]", "");
        line(&mut text, format!("file = {}", quoted(&graph.0)), &draft.graph.file);
        line(&mut text, format!("sha256 = {}", quoted(&graph.1)), "");
        line(
            &mut text,
            format!("precision = {}", quoted(draft.graph.precision)),
            "element types of the weights",
        );
        let mut external = Vec::new();
        for (file, named) in &draft.graph.external {
            // The graph names its data file, so that name is kept.
            let (name, hash) = files.copy(file, named.clone())?;
            external.push(format!("{{ file = {}, sha256 = {} }}", quoted(&name), quoted(&hash)));
        }
        if !external.is_empty() {
            line(
                &mut text,
                format!("external = [{}]", external.join(", ")),
                "weights kept outside the graph",
            );
        }
        runtime(&mut text, draft, plan);
        safety(&mut text, draft);
        joints(&mut text, draft);
        command(&mut text, draft);
        for input in &draft.inputs {
            write_input(&mut text, input, &mut files)?;
        }
        for counter in &draft.counters {
            line(&mut text, "\n[[input]]", &counter.from);
            line(&mut text, format!("tensor = {}", quoted(&counter.tensor)), "");
            line(&mut text, format!("dtype = {}", quoted(counter.dtype)), "");
            line(&mut text, format!("shape = {:?}", counter.shape), "");
            line(&mut text, "source = \"counter\"", "");
            known(&mut text, "length", &counter.length, |v| v.to_string());
            known(&mut text, "on_end", &counter.on_end, |v| quoted(v));
        }
        for state in &draft.states {
            write_state(&mut text, state, &mut files)?;
        }
        for output in &draft.outputs {
            write_output(&mut text, output);
        }
        Ok(Self { manifest: text, files: files.list })
    }
}

/// Where the value on `line` (from 1) of an imported manifest was read: the line's own comment, or its section's. Empty
/// when neither says it.
fn origin(manifest: &str, line: usize) -> &str {
    let lines: Vec<&str> = manifest.lines().take(line).collect();
    let own = lines.last().map_or("", |line| comment(line));
    if !own.is_empty() {
        return own;
    }
    lines.iter().rev().find(|line| line.starts_with('[')).map_or("", |line| comment(line))
}

fn comment(line: &str) -> &str {
    line.rsplit_once(COMMENT).map_or("", |(_, from)| from)
}

/// What a manifest refuses of what was read, said of the place it was read at instead of the written file's line.
pub fn refused(manifest: &str, error: &crate::manifest::ManifestError) -> ImportError {
    let from = match origin(manifest, error.line) {
        "" => "the source",
        from => from,
    };
    ImportError::Refused {
        from: from.into(),
        field: error.field.clone(),
        found: error.found.clone(),
        expected: error.expected.clone(),
        hint: error.hint.clone(),
    }
}

/// The `[verify]` section for golden vectors in `file`.
pub fn verify_section(file: &str, sha256: &str, made_by: &str) -> String {
    let mut text = String::new();
    line(&mut text, "\n[verify]", made_by);
    line(&mut text, format!("golden = {}", quoted(file)), "");
    line(&mut text, format!("sha256 = {}", quoted(sha256)), "");
    line(&mut text, "atol = 1e-4", "rad");
    line(&mut text, "rtol = 1e-4", "");
    text
}

/// Files to copy, each once.
struct Files<'a> {
    folder: &'a Folder<'a>,
    stem: &'a str,
    list: Vec<(String, Vec<u8>)>,
}

impl Files<'_> {
    /// Takes `source` as `name`; gives the name and the SHA-256.
    fn copy(&mut self, source: &str, name: String) -> Result<(String, String), ImportError> {
        let bytes = self.folder.read(source)?;
        let hash = crate::model::sha256_hex(&bytes);
        if !self.list.iter().any(|(known, _)| *known == name) {
            self.list.push((name.clone(), bytes));
        }
        Ok((name, hash))
    }

    /// The same with a name made of the model's and the file's own.
    fn beside(&mut self, source: &str) -> Result<(String, String), ImportError> {
        let own = source.rsplit('/').next().unwrap_or(source);
        let name = if own.starts_with(self.stem) { own.to_owned() } else { format!("{}.{own}", self.stem) };
        self.copy(source, name)
    }
}

fn line(text: &mut String, content: impl AsRef<str>, from: &str) {
    text.push_str(content.as_ref());
    if !from.is_empty() {
        text.push_str(COMMENT);
        text.push_str(&from.replace(['\n', '\r'], " "));
    }
    text.push('\n');
}

fn known<T>(text: &mut String, key: &str, fact: &Fact<T>, show: impl Fn(&T) -> String) {
    if let Some(value) = fact.value() {
        line(text, format!("{key} = {}", show(value)), &fact.origin());
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn quoted_list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|n| quoted(n.as_ref())).collect();
    format!("[{}]", names.join(", "))
}

/// One number when all are equal, else the list.
fn numbers(values: &Vec<f64>) -> String {
    match values.split_first() {
        Some((first, rest)) if rest.iter().all(|v| v == first) => format!("{first:?}"),
        _ => format!("{values:?}"),
    }
}

fn pairs(values: &Vec<[f64; 2]>) -> String {
    match values.split_first() {
        Some((first, rest)) if rest.iter().all(|v| v == first) => format!("{first:?}"),
        _ => format!("{values:?}"),
    }
}

fn head(draft: &Draft, plan: &Plan<'_>) -> String {
    let mut text = format!(
        "# Imported from {}; each comment says where its value came from. Gains and all lists per joint are in the\n\
         # order of joints.order. Keys: nodes/inference/src/manifest/mod.rs.\nschema = 1\n\n[model]\n",
        draft.kind.name()
    );
    line(&mut text, format!("name = {}", quoted(plan.name)), "");
    line(&mut text, format!("version = {}", quoted(plan.version)), "");
    line(&mut text, "task = \"policy\"", "");
    for (key, value) in &draft.notes {
        line(&mut text, format!("{key} = {}", quoted(value)), "");
    }
    text.push('\n');
    text
}

fn runtime(text: &mut String, draft: &Draft, plan: &Plan<'_>) {
    line(text, "\n[runtime]", "");
    known(text, "rate_hz", &draft.rate_hz, |v| format!("{v:?}"));
    let values = &draft.runtime;
    known(text, "deadline_ms", &values.deadline_ms, |v| format!("{v:?}"));
    known(text, "latency_ticks", &values.latency_ticks, |v| v.to_string());
    known(text, "on_miss", &values.on_miss, |v| quoted(v));
    known(text, "misses_max", &values.misses_max, |v| v.to_string());
    line(text, format!("engine = {}", quoted_list(plan.engines)), plan.engine_note);
}

fn safety(text: &mut String, draft: &Draft) {
    line(text, "\n[safety]", "");
    known(text, "fallback", &draft.runtime.fallback, |v| quoted(v));
    match draft.runtime.max_action_jump_rad.value() {
        Some(Some(rad)) => {
            let jump = format!("max_action_jump = {}", numbers(rad));
            line(text, jump, &draft.runtime.max_action_jump_rad.origin());
        }
        _ => line(text, "# no max_action_jump", &draft.runtime.max_action_jump_rad.origin()),
    }
}

fn joints(text: &mut String, draft: &Draft) {
    line(text, "\n[joints]", "");
    known(text, "order", &draft.joints, |v| quoted_list(v));
    known(text, "default_pos", &draft.default_pos_rad, |v| format!("{v:?}"));
    known(text, "kp", &draft.kp, |v| format!("{v:?}"));
    known(text, "kd", &draft.kd, |v| format!("{v:?}"));
    if draft.unlike_gains {
        line(text, "gain_order = \"policy\"", "--set joints.gain_order: left and right differ on purpose");
    } else {
        line(text, "# kp and kd stand in the order of joints.order.", "");
    }
}

fn command(text: &mut String, draft: &Draft) {
    let Some(range) = &draft.command_range else { return };
    let Some(value) = range.value() else { return };
    let axes: Vec<String> = ["vx", "vy", "wz"]
        .iter()
        .zip(value)
        .filter_map(|(axis, range)| range.map(|r| format!("{axis} = {r:?}")))
        .collect();
    line(text, "\n[command]", "");
    let range_of = |axes: &[String]| format!("range = {{ {} }}", axes.join(", "));
    line(text, if axes.is_empty() { "# no range".to_owned() } else { range_of(&axes) }, &range.origin());
}

fn write_input(text: &mut String, input: &DraftInput, files: &mut Files<'_>) -> Result<(), ImportError> {
    line(text, "\n[[input]]", &input.from);
    line(text, format!("tensor = {}", quoted(&input.tensor)), "");
    line(text, format!("dtype = {}", quoted(input.dtype)), "");
    line(text, format!("shape = {:?}", input.shape), "");
    let layout = if input.time_major { "time_major" } else { "term_major" };
    line(text, format!("history_layout = {}", quoted(layout)), "");
    match &input.normalize {
        DraftNormalize::None(from) => line(text, "normalize = { mode = \"none\" }", from),
        DraftNormalize::Stats { mode, file, prefix, eps, from } => {
            let (name, hash) = files.beside(file)?;
            let stats = format!(
                "{{ file = {}, sha256 = {}, prefix = {} }}",
                quoted(&name),
                quoted(&hash),
                quoted(prefix)
            );
            line(
                text,
                format!("normalize = {{ mode = {}, eps = {eps:?}, stats = {stats} }}", quoted(mode)),
                from,
            );
        }
    }
    for term in &input.terms {
        write_term(text, term);
    }
    Ok(())
}

fn write_term(text: &mut String, term: &DraftTerm) {
    line(text, "\n[[input.term]]", &format!("{}: {}", term.name, term.from));
    let kind = |text: &mut String, kind: &str| line(text, format!("kind = {}", quoted(kind)), "");
    let of = |text: &mut String, joints: &Option<Vec<String>>| {
        if let Some(joints) = joints {
            line(text, format!("joints = {}", quoted_list(joints)), "the tensor's own order");
        }
    };
    let mut minus = false;
    match &term.what {
        TermWhat::AngularVelocity => kind(text, "state/body/angular_velocity"),
        TermWhat::LinearVelocity => kind(text, "state/body/linear_velocity"),
        TermWhat::ProjectedGravity => kind(text, "state/body/projected_gravity"),
        TermWhat::Height => kind(text, "state/body/height"),
        TermWhat::Rotation(form) => {
            kind(text, "state/body/rotation");
            line(text, format!("as = {}", quoted(form)), "");
        }
        TermWhat::JointPosition { minus_default, joints } => {
            kind(text, "state/joint/position");
            of(text, joints);
            minus = *minus_default;
        }
        TermWhat::JointVelocity { joints } => {
            kind(text, "state/joint/velocity");
            of(text, joints);
        }
        TermWhat::JointEffort { joints } => {
            kind(text, "state/joint/effort");
            of(text, joints);
        }
        TermWhat::Command(axes) => {
            kind(text, "command/body/velocity");
            line(text, format!("axes = {}", quoted_list(axes)), "");
        }
        TermWhat::LastAction(stage) => {
            kind(text, "feedback/action");
            line(text, format!("stage = {}", quoted(stage)), "");
        }
        TermWhat::Phase(phase) => {
            if let Fact::Known { value, from } = phase {
                write_phase(text, value, from);
            }
        }
    }
    if minus {
        line(text, "minus = \"default_pos\"", "");
    }
    if let Some(clip) = &term.clip {
        known(text, "clip", clip, |v| format!("{v:?}"));
    }
    known(text, "scale", &term.scale, numbers);
    let mut steps = if minus { vec!["minus"] } else { Vec::new() };
    match (term.clip.is_some(), term.clip_after_scale) {
        (true, true) => steps.extend(["scale", "clip"]),
        (true, false) => steps.extend(["clip", "scale"]),
        (false, _) => steps.push("scale"),
    }
    line(text, format!("pipeline = {}", quoted_list(&steps)), "");
    if let Fact::Known { value, from } = &term.history
        && *value != DraftHistory::PRESENT
    {
        let order = if value.newest_first { "newest_first" } else { "oldest_first" };
        let init = if value.zeros { "zeros" } else { "repeat_first" };
        let history = format!(
            "history = {{ len = {}, stride = {}, order = {}, init = {} }}",
            value.len,
            value.stride,
            quoted(order),
            quoted(init)
        );
        line(text, history, from);
    }
}

fn write_phase(text: &mut String, phase: &DraftPhase, from: &str) {
    let kind = if phase.cos_first { "phase/cos_sin" } else { "phase/sin_cos" };
    line(text, format!("kind = {}", quoted(kind)), from);
    line(text, format!("period_s = {:?}", phase.period_s), "");
    let freeze = phase.freeze_below.map_or_else(|| quoted("never"), |v| format!("{v:?}"));
    line(text, format!("freeze_below = {freeze}"), "");
    line(text, format!("offsets_turns = {:?}", phase.offsets_turns), "");
    line(text, format!("start_turns = {:?}", phase.start_turns), "");
    line(text, format!("rest = {}", quoted(if phase.rest_at_pi { "pi" } else { "zero" })), "");
    line(text, format!("layout = {}", quoted(if phase.by_function { "by_function" } else { "by_foot" })), "");
}

fn write_state(text: &mut String, state: &DraftState, files: &mut Files<'_>) -> Result<(), ImportError> {
    line(text, "\n[[state]]", &state.from);
    line(text, format!("input = {}", quoted(&state.input)), "");
    line(text, format!("output = {}", quoted(&state.output)), "");
    line(text, format!("shape = {:?}", state.shape), "");
    line(text, format!("dtype = {}", quoted(state.dtype)), "");
    if let Fact::Known { value, from } = &state.init {
        match value {
            None => line(text, "init = \"zeros\"", from),
            Some((file, key)) => {
                let (name, hash) = files.beside(file)?;
                let init = format!(
                    "{{ file = {}, sha256 = {}, key = {} }}",
                    quoted(&name),
                    quoted(&hash),
                    quoted(key)
                );
                line(text, format!("init = {init}"), from);
            }
        }
    }
    let gap = state.gap_ms.value().copied().flatten().map(|ms| format!("gap>{ms}ms"));
    let events: Vec<String> = std::iter::once("activate".to_owned()).chain(gap).collect();
    line(text, format!("reset_on = {}", quoted_list(&events)), &state.gap_ms.origin());
    Ok(())
}

fn write_output(text: &mut String, output: &DraftOutput) {
    line(text, "\n[[output]]", &output.from);
    line(text, format!("tensor = {}", quoted(&output.tensor)), "");
    match &output.what {
        OutputWhat::Feedback => line(text, "kind = \"feedback/action\"", ""),
        OutputWhat::Ignore(reason) => {
            line(text, "kind = \"ignore\"", "");
            line(text, format!("reason = {}", quoted(reason)), "");
        }
        OutputWhat::Position { joints, scale, offset_rad, clip_raw, clip_rad } => {
            line(text, "kind = \"target/joint/position\"", "");
            match joints {
                None => line(text, "joints = \"@joints\"", ""),
                Some(joints) => {
                    line(text, format!("joints = {}", quoted_list(joints)), "the tensor's own order")
                }
            }
            known(text, "scale", scale, numbers);
            known(text, "offset", offset_rad, numbers);
            if let Some(clip) = clip_raw {
                known(text, "clip_raw", clip, pairs);
            }
            if let Some(clip) = clip_rad {
                known(text, "clip", clip, pairs);
            }
        }
    }
    line(text, format!("shape = {:?}", output.shape), "");
    if let Some(chunk) = &output.chunk {
        let mut keys = format!("steps = {}", chunk.steps);
        if let Some(dt_s) = chunk.dt_s.value() {
            write_to(&mut keys, format_args!(", dt_ms = {:?}", (dt_s * 1e6).round() / 1e3));
        }
        let mut mode = "open_loop";
        if let Some(coefficient) = chunk.ensemble {
            mode = "temporal_ensemble";
            write_to(&mut keys, format_args!(", coeff = {coefficient:?}"));
        }
        if let Some(execute) = chunk.execute.value() {
            write_to(&mut keys, format_args!(", execute = {execute}"));
        }
        write_to(&mut keys, format_args!(", mode = {}", quoted(mode)));
        if let Some(interpolation) = chunk.interpolation.value() {
            write_to(&mut keys, format_args!(", interp = {}", quoted(interpolation)));
        }
        let from = format!("{}; interp: {}", chunk.execute.origin(), chunk.interpolation.origin());
        line(text, format!("chunk = {{ {keys} }}"), &from);
    }
}

fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    text.write_fmt(arguments).unwrap_or_default();
}
