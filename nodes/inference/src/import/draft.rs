//! What an importer found out, before it becomes a manifest: a closed structure, each value with its origin.
//!
//! Nothing here has a default that could change what the model computes: what the source does not say is
//! [`Fact::Unknown`], and a draft with unknowns is not written. How a model is run and watched is in no source; it is
//! [`Fact::Assumed`] until the user says it, and listed.

use super::Kind;
use super::error::{Assumed, Missing};
use super::fact::Fact;

/// Range of vx, vy (m/s) and wz (rad/s) of a command; an axis without one is not clamped.
pub type CommandRange = [Option<[f64; 2]>; 3];
/// One value per joint or per element.
pub type Numbers = Fact<Vec<f64>>;

/// A model as far as its source describes it. All lists per joint are in the order of `joints`.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Format it came in.
    pub kind: Kind,
    /// The graph and the files that belong to it.
    pub graph: GraphFiles,
    /// Runs per second.
    pub rate_hz: Fact<f64>,
    /// How it is run and watched.
    pub runtime: DraftRuntime,
    /// The policy's joints in its own order, by the robot's names.
    pub joints: Fact<Vec<String>>,
    /// Default position, rad.
    pub default_pos_rad: Fact<Vec<f64>>,
    /// Stiffness, N m/rad, in the policy's order whatever order the source had.
    pub kp: Fact<Vec<f64>>,
    /// Damping, N m s/rad, in the policy's order.
    pub kd: Fact<Vec<f64>>,
    /// The user says that left and right have different gains on purpose; otherwise that is refused as a wrong order.
    pub unlike_gains: bool,
    /// Range of the velocity command: vx, vy (m/s), wz (rad/s); `None` when no term reads the command.
    pub command_range: Option<Fact<CommandRange>>,
    /// Inputs made of measurements.
    pub inputs: Vec<DraftInput>,
    /// Inputs that count runs.
    pub counters: Vec<DraftCounter>,
    /// Outputs that come back as inputs.
    pub states: Vec<DraftState>,
    /// Outputs.
    pub outputs: Vec<DraftOutput>,
    /// Free text about where it came from.
    pub notes: Vec<(String, String)>,
}

/// How a model is run, and what follows when a run fails or comes late.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftRuntime {
    /// A longer run is a miss, ms.
    pub deadline_ms: Fact<f64>,
    /// From an observation to the tick of control that uses it.
    pub latency_ticks: Fact<usize>,
    /// What one missed run does: `hold`, `damp` or `fault`.
    pub on_miss: Fact<&'static str>,
    /// Missed runs in a row that end the policy.
    pub misses_max: Fact<usize>,
    /// What follows a policy that is lost: `stand` or `damp`.
    pub fallback: Fact<&'static str>,
    /// Largest change of a target from run to run, rad per joint; `None`: not watched.
    pub max_action_jump_rad: Fact<Option<Vec<f64>>>,
}

/// The graph file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFiles {
    /// Name in the source folder.
    pub file: String,
    /// External data: name in the source folder, name the graph uses.
    pub external: Vec<(String, String)>,
    /// `fp32`, `fp16` or `int8`.
    pub precision: &'static str,
}

/// One input tensor made of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftInput {
    /// Name in the graph.
    pub tensor: String,
    /// Element type as the manifest names it.
    pub dtype: &'static str,
    /// Shape.
    pub shape: Vec<usize>,
    /// Each moment with all terms, instead of each term with its whole history.
    pub time_major: bool,
    /// Normalisation outside the graph.
    pub normalize: DraftNormalize,
    /// What it is made of, in order.
    pub terms: Vec<DraftTerm>,
    /// Where this was read.
    pub from: String,
}

/// Normalisation of an input outside the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum DraftNormalize {
    /// None, and where that is said.
    None(String),
    /// From statistics in a file: mode, file in the source folder, prefix, eps, where this was read.
    Stats {
        /// `mean_std`, `min_max` or `quantile`.
        mode: &'static str,
        /// File in the source folder.
        file: String,
        /// Prefix of the lists in it.
        prefix: String,
        /// Added to the deviation, or used for a width of 0.
        eps: f64,
        /// Where this was read.
        from: String,
    },
}

/// One term of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftTerm {
    /// What the source calls it.
    pub name: String,
    /// What it takes.
    pub what: TermWhat,
    /// Values per run.
    pub width: usize,
    /// Factor: one for all, or one per value.
    pub scale: Fact<Vec<f64>>,
    /// Limits on each value.
    pub clip: Option<Fact<[f64; 2]>>,
    /// Whether the limits hold for the scaled value.
    pub clip_after_scale: bool,
    /// Its history.
    pub history: Fact<DraftHistory>,
    /// Where this was read.
    pub from: String,
}

/// Runs of a term in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DraftHistory {
    /// How many.
    pub len: usize,
    /// Distance of two, in runs.
    pub stride: usize,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// Filled with zeros at the start instead of with the first observation.
    pub zeros: bool,
}

impl DraftHistory {
    /// Only the present.
    pub const PRESENT: Self = Self { len: 1, stride: 1, newest_first: false, zeros: false };
}

/// What a term takes.
#[derive(Clone, Debug, PartialEq)]
pub enum TermWhat {
    /// rad/s, base frame.
    AngularVelocity,
    /// m/s, base frame.
    LinearVelocity,
    /// Unit vector of gravity in the base frame.
    ProjectedGravity,
    /// m above the ground.
    Height,
    /// Rotation of the base, as the manifest's `as` names it.
    Rotation(&'static str),
    /// rad; less the default position or not; of some joints or all.
    JointPosition {
        /// Less the default position.
        minus_default: bool,
        /// Robot joints, when not all in the policy's order.
        joints: Option<Vec<String>>,
    },
    /// rad/s.
    JointVelocity {
        /// Robot joints, when not all in the policy's order.
        joints: Option<Vec<String>>,
    },
    /// N m.
    JointEffort {
        /// Robot joints, when not all in the policy's order.
        joints: Option<Vec<String>>,
    },
    /// vx, vy m/s, wz rad/s, or some of them.
    Command(Vec<&'static str>),
    /// The last action: `raw`, `clipped`, `scaled` or `applied`.
    LastAction(&'static str),
    /// A gait clock.
    Phase(Fact<DraftPhase>),
}

/// A gait clock.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftPhase {
    /// Cosine before sine.
    pub cos_first: bool,
    /// s per turn.
    pub period_s: f64,
    /// Norm of the command at or below which the clock stands; `None`: never.
    pub freeze_below: Option<f64>,
    /// Turns of each foot ahead of the clock.
    pub offsets_turns: Vec<f64>,
    /// Where the clock starts, turns.
    pub start_turns: f64,
    /// All feet stand at pi while frozen, instead of at their start.
    pub rest_at_pi: bool,
    /// All sines, then all cosines (or the other way round), instead of foot by foot.
    pub by_function: bool,
}

/// An input that counts runs.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftCounter {
    /// Name in the graph.
    pub tensor: String,
    /// Element type.
    pub dtype: &'static str,
    /// Shape.
    pub shape: Vec<usize>,
    /// Number of values it takes.
    pub length: Fact<usize>,
    /// What it does at its end: `hold` or `wrap`.
    pub on_end: Fact<&'static str>,
    /// Where this was read.
    pub from: String,
}

/// An output that comes back as an input.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftState {
    /// Input in the graph.
    pub input: String,
    /// Output in the graph.
    pub output: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: &'static str,
    /// File in the source folder and key of the first value; `None`: zeros.
    pub init: Fact<Option<(String, String)>>,
    /// ms without a run beyond which it starts anew; `None`: any run left out does.
    pub gap_ms: Fact<Option<f64>>,
    /// Where this was read.
    pub from: String,
}

/// What an output is for.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a draft has a handful of outputs")]
pub enum OutputWhat {
    /// Joint positions: `offset + scale * clip_raw(value)`, then clip; rad.
    Position {
        /// Robot joints, when not all in the policy's order.
        joints: Option<Vec<String>>,
        /// Per joint.
        scale: Fact<Vec<f64>>,
        /// Per joint, rad.
        offset_rad: Fact<Vec<f64>>,
        /// Per joint, on the graph's value.
        clip_raw: Option<Fact<Vec<[f64; 2]>>>,
        /// Per joint, rad.
        clip_rad: Option<Fact<Vec<[f64; 2]>>>,
    },
    /// Fed back to `feedback/action` terms.
    Feedback,
    /// Accounted for, not used; why.
    Ignore(String),
}

/// A chunk of future actions in one output.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftChunk {
    /// Actions per run.
    pub steps: usize,
    /// Actions used before the graph runs again.
    pub execute: Fact<usize>,
    /// s from one action to the next.
    pub dt_s: Fact<f64>,
    /// Coefficient of temporal ensembling; `None`: open loop.
    pub ensemble: Option<f64>,
    /// Between two actions: `linear` or `hold`.
    pub interpolation: Fact<&'static str>,
}

/// One output tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftOutput {
    /// Name in the graph.
    pub tensor: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub what: OutputWhat,
    /// Actions in advance.
    pub chunk: Option<DraftChunk>,
    /// Where this was read.
    pub from: String,
}

impl Draft {
    /// Everything that is not known, in the order of the manifest.
    pub fn missing(&self) -> Vec<Missing> {
        let mut list = Vec::new();
        self.rate_hz.missing("runtime.rate_hz", &mut list);
        self.joints.missing("joints.order", &mut list);
        self.default_pos_rad.missing("joints.default_pos", &mut list);
        self.kp.missing("joints.kp", &mut list);
        self.kd.missing("joints.kd", &mut list);
        if let Some(range) = &self.command_range {
            range.missing("command.range", &mut list);
        }
        for term in self.inputs.iter().flat_map(|i| &i.terms) {
            let of = |key: &str| format!("term {} {key}", term.name);
            if let TermWhat::Phase(phase) = &term.what {
                phase.missing(of("phase"), &mut list);
            }
            term.scale.missing(of("scale"), &mut list);
            if let Some(clip) = &term.clip {
                clip.missing(of("clip"), &mut list);
            }
            term.history.missing(of("history"), &mut list);
        }
        for counter in &self.counters {
            counter.length.missing(format!("counter {} length", counter.tensor), &mut list);
        }
        for state in &self.states {
            state.init.missing(format!("state {} init", state.input), &mut list);
        }
        for output in &self.outputs {
            if let Some(chunk) = &output.chunk {
                chunk.execute.missing(format!("output {} chunk.execute", output.tensor), &mut list);
                chunk.dt_s.missing(format!("output {} chunk.dt_ms", output.tensor), &mut list);
            }
            if let OutputWhat::Position { scale, offset_rad, clip_raw, clip_rad, .. } = &output.what {
                let of = |key: &str| format!("output {} {key}", output.tensor);
                scale.missing(of("scale"), &mut list);
                offset_rad.missing(of("offset"), &mut list);
                if let Some(clip) = clip_raw {
                    clip.missing(of("clip_raw"), &mut list);
                }
                if let Some(clip) = clip_rad {
                    clip.missing(of("clip"), &mut list);
                }
            }
        }
        list.dedup();
        list
    }

    /// Everything that no source says and that was taken all the same, in the order of the manifest.
    pub fn assumptions(&self) -> Vec<Assumed> {
        let mut list = Vec::new();
        let runtime = &self.runtime;
        runtime.deadline_ms.assumption("runtime.deadline_ms", |ms| format!("{ms}"), &mut list);
        runtime.latency_ticks.assumption("runtime.latency_ticks", |n| format!("{n}"), &mut list);
        runtime.on_miss.assumption("runtime.on_miss", |word| (*word).to_owned(), &mut list);
        runtime.misses_max.assumption("runtime.misses_max", |n| format!("{n}"), &mut list);
        runtime.fallback.assumption("safety.fallback", |word| (*word).to_owned(), &mut list);
        let none = |_: &Option<Vec<f64>>| "none".to_owned();
        runtime.max_action_jump_rad.assumption("safety.max_action_jump", none, &mut list);
        self.default_pos_rad.assumption("joints.default_pos", |rad| format!("{rad:?}"), &mut list);
        if let Some(range) = &self.command_range {
            range.assumption("command.range", |_| "none".to_owned(), &mut list);
        }
        for counter in &self.counters {
            let what = format!("counter {} on_end", counter.tensor);
            counter.on_end.assumption(what, |word| (*word).to_owned(), &mut list);
        }
        for state in &self.states {
            let what = format!("state {} reset_on", state.input);
            state.gap_ms.assumption(what, |_| "any run left out".to_owned(), &mut list);
        }
        for output in &self.outputs {
            if let Some(chunk) = &output.chunk {
                let what = format!("output {} chunk.interp", output.tensor);
                chunk.interpolation.assumption(what, |word| (*word).to_owned(), &mut list);
            }
        }
        list
    }
}
