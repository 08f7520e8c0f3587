//! What every number of every input means: tensor, place, term, joint, unit, pipeline, value.

use sinew_inference::Model;
use sinew_inference::manifest::{
    CommandAxis, HistoryLayout, Input, InputSource, Joints, Normalize, Observed, Operation, Phase, PhaseForm,
    PhaseRange, Stage, State, Term, TermKind,
};

/// One number of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Graph input.
    pub tensor: String,
    /// Place in it, row-major.
    pub index: usize,
    /// Kind of term, `counter`, `gaussian` or `state`.
    pub term: String,
    /// Joint, axis, foot or position it speaks of.
    pub item: String,
    /// Unit of what is taken, before the pipeline.
    pub unit: &'static str,
    /// Runs ago.
    pub ago: usize,
    /// What happens to it, in order, as in `- 0.8, x 0.05`; empty: nothing.
    pub pipeline: String,
    /// Factor of the pipeline.
    pub scale: f64,
    /// What is taken, in `unit`, before the pipeline and the normalisation, when one was looked at.
    pub measured: Option<f32>,
    /// Value in the tensor, when one was looked at.
    pub value: Option<f32>,
}

/// One row per number of every input, in the order of the manifest.
pub fn explain(model: &Model) -> Vec<Row> {
    let manifest = &model.manifest;
    let inputs = manifest.inputs.iter().flat_map(|input| of_input(input, &manifest.joints));
    inputs.chain(manifest.states.iter().flat_map(of_state)).collect()
}

fn of_input(input: &Input, joints: &Joints) -> Vec<Row> {
    let row = |index, term: &str| Row {
        tensor: input.tensor.clone(),
        index,
        term: term.to_owned(),
        item: String::new(),
        unit: "",
        ago: 0,
        pipeline: String::new(),
        scale: 1.0,
        measured: None,
        value: None,
    };
    match &input.source {
        InputSource::Counter(counter) => {
            let last = counter.start + counter.length.max(1) - 1;
            let item = format!("{} to {last}", counter.start);
            (0..input.len()).map(|i| Row { item: item.clone(), unit: "runs", ..row(i, "counter") }).collect()
        }
        InputSource::Gaussian(noise) => {
            let item = format!("seed {}, mean {}, std {}", noise.seed, noise.mean, noise.std);
            (0..input.len()).map(|i| Row { item: item.clone(), ..row(i, "gaussian") }).collect()
        }
        InputSource::Terms(observed) => {
            let mut rows = Vec::with_capacity(input.len());
            for (term, slot) in places(observed) {
                for value in 0..term.width() {
                    let index = rows.len();
                    rows.push(Row {
                        item: item(term, value, joints),
                        unit: unit(&term.kind, value),
                        ago: term.history.age(slot),
                        pipeline: pipeline(term, value, &observed.normalize, index),
                        scale: term.scale.get(value).copied().unwrap_or(1.0),
                        ..row(index, term.kind.name())
                    });
                }
            }
            rows
        }
    }
}

/// Terms and moments in the order of the tensor.
fn places(observed: &Observed) -> Vec<(&Term, usize)> {
    let terms = &observed.terms;
    match observed.layout {
        HistoryLayout::TermMajor => {
            terms.iter().flat_map(|term| (0..term.history.len).map(move |slot| (term, slot))).collect()
        }
        HistoryLayout::TimeMajor => {
            let moments = terms.first().map_or(0, |term| term.history.len);
            (0..moments).flat_map(|slot| terms.iter().map(move |term| (term, slot))).collect()
        }
    }
}

fn of_state(state: &State) -> Vec<Row> {
    let slots = state.ring.map_or(1, |ring| ring.slots);
    let stride = state.ring.map_or(1, |ring| ring.stride);
    let per_run = (state.len() / slots.max(1)).max(1);
    let row = |index: usize| Row {
        tensor: state.input.clone(),
        index,
        term: "state".to_owned(),
        item: format!("{}[{}]", state.output, index % per_run),
        unit: "",
        // The newest one is what the run before left.
        ago: (slots.saturating_sub(index / per_run + 1)) * stride + 1,
        pipeline: String::new(),
        scale: 1.0,
        measured: None,
        value: None,
    };
    (0..state.len()).map(row).collect()
}

fn item(term: &Term, value: usize, joints: &Joints) -> String {
    const XYZ: [&str; 3] = ["x", "y", "z"];
    let name = |names: &[&str]| names.get(value).copied().unwrap_or("?").to_owned();
    let pick = term.picks.get(value).copied().unwrap_or(value);
    match &term.kind {
        TermKind::AngularVelocity
        | TermKind::LinearVelocity
        | TermKind::ProjectedGravity
        | TermKind::Position => name(&XYZ),
        TermKind::Rotation(form) => name(form.labels()),
        TermKind::Height => "height".to_owned(),
        TermKind::JointPosition
        | TermKind::JointVelocity
        | TermKind::JointEffort
        | TermKind::LastAction(_) => joints.order.get(pick).cloned().unwrap_or_default(),
        TermKind::Contact { feet, .. } => feet.get(value).cloned().unwrap_or_default(),
        TermKind::VelocityCommand(axes) => axes.get(value).map_or("?", |a| a.name()).to_owned(),
        TermKind::Phase(phase) => phase_item(phase, value),
        TermKind::Constant(_) => format!("number {value}"),
    }
}

fn phase_item(phase: &Phase, value: usize) -> String {
    let (foot, function) = phase.place(value);
    let shown = match (phase.form, function) {
        (PhaseForm::SinCos, 0) | (PhaseForm::CosSin, 1) => "sin",
        (PhaseForm::SinCos | PhaseForm::CosSin, _) => "cos",
        (PhaseForm::Value(_), _) => "phase",
    };
    if phase.offsets_turns.len() > 1 { format!("{shown} of foot {foot}") } else { shown.to_owned() }
}

fn unit(kind: &TermKind, value: usize) -> &'static str {
    match kind {
        TermKind::AngularVelocity | TermKind::JointVelocity => "rad/s",
        TermKind::LinearVelocity => "m/s",
        TermKind::Height | TermKind::Position => "m",
        TermKind::JointPosition | TermKind::LastAction(Stage::Scaled | Stage::Applied) => "rad",
        TermKind::JointEffort => "N m",
        TermKind::VelocityCommand(axes) => axes.get(value).map_or("", |axis: &CommandAxis| axis.unit()),
        TermKind::Phase(Phase { form: PhaseForm::Value(PhaseRange::Turns), .. }) => "turns",
        TermKind::Phase(Phase { form: PhaseForm::Value(_), .. }) => "rad",
        TermKind::Rotation(form) if form.labels().first() == Some(&"roll") => "rad",
        TermKind::ProjectedGravity
        | TermKind::Rotation(_)
        | TermKind::Contact { .. }
        | TermKind::LastAction(Stage::Raw | Stage::Clipped)
        | TermKind::Phase(_)
        | TermKind::Constant(_) => "1",
    }
}

/// The limit of a normalised value.
fn limit(clip: &Option<f64>) -> Option<String> {
    clip.map(|limit| format!("clip {} .. {limit}", -limit))
}

fn pipeline(term: &Term, value: usize, normalize: &Normalize, index: usize) -> String {
    let of = |list: &[f64], at: usize| list.get(at).copied().unwrap_or(f64::NAN);
    let mut steps = Vec::new();
    for operation in term.pipeline {
        match operation {
            Operation::Minus if of(&term.minus, value) != 0.0 => {
                steps.push(format!("- {}", of(&term.minus, value)));
            }
            Operation::Scale if of(&term.scale, value) != 1.0 => {
                steps.push(format!("x {}", of(&term.scale, value)));
            }
            Operation::Clip => {
                if let Some([lo, hi]) = term.clip.as_ref().and_then(|clip| clip.get(value)) {
                    steps.push(format!("clip {lo} .. {hi}"));
                }
            }
            Operation::Minus | Operation::Scale => {}
        }
    }
    match normalize {
        Normalize::None => {}
        Normalize::MeanStd { mean, std, eps, clip } => {
            steps.push(format!("- {}", of(mean, index)));
            steps.push(format!("/ {}", of(std, index) + eps));
            steps.extend(limit(clip));
        }
        Normalize::Range { lo, hi, eps, to: [from, until], clip } => {
            let (lo, hi) = (of(lo, index), of(hi, index));
            // A width of nothing is eps.
            let hi = if hi > lo { hi } else { lo + eps };
            steps.push(format!("{lo} .. {hi} to {from} .. {until}"));
            steps.extend(limit(clip));
        }
        Normalize::Stats(stats) => steps.push(format!("by {}", stats.file.file)),
    }
    steps.join(", ")
}
