//! The manifest `<name>.model.toml`, schema 1: the only place that knows how a graph's tensors relate to a robot.
//!
//! ```toml
//! schema = 1
//! [model]                 # what it is; notes: license, description, trained_with, checkpoint, exported
//! name = "quad_walk"
//! version = "1.0.0"
//! task = "policy"         # the only task of schema 1
//! [[graph]]               # exactly one
//! file = "quad_walk.onnx"
//! sha256 = "…"
//! precision = "fp32"      # checked against the initialisers: fp32, fp16, int8
//! external = [{ file = "quad_walk.onnx.data", sha256 = "…" }]     # every data file the graph names
//! [runtime]               # when it runs and on what, see Runtime and Placement
//! rate_hz = 50            # or decimation = 10, of a robot of 500 Hz: how often a frame leaves
//! deadline_ms = 4.0       # longer runs are misses; at most one period
//! latency_ticks = 2       # observation tick to the tick that uses the output; at most seven runs
//! on_miss = "hold"        # or damp, fault: what one miss does
//! misses_max = 2          # that many in a row end the policy
//! engine = ["native", "onnxruntime"]   # in order of preference
//! providers = ["cuda", "cpu"]          # likewise, for engines that have them
//! require = "cpu"         # the weakest provider allowed; to be said where there are several
//! [[runtime.plugin]]      # a library that is opened into the engine: a provider, or operators that `extra` names
//! name = "MusaEP"
//! library = "libonnxruntime_providers_musa.so"    # in this folder or below it
//! sha256 = "…"
//! [safety]                # see Safety
//! max_action_jump = 0.6   # rad per run, at most 2 pi
//! fallback = "stand"      # or damp
//! [[safety.obs_range]]    # as seen in training
//! tensor = "obs"
//! min = -5.0              # and max; or q01 and q99
//! max = 5.0
//! policy = "warn"         # or fault
//! [command]               # see CommandLimits
//! range = { vx = [-0.6, 1.2], vy = [-0.5, 0.5], wz = [-1.0, 1.0] }     # each with 0 in it, or [0, 0]
//! slew_per_s = [1.0, 0.6, 2.0]
//! timeout_ms = 300
//! [joints]
//! order = ["FR_hip", "…"] # the policy's own order; mapped by name
//! default_pos = [0.0, …]  # rad; one number, or one per joint; likewise kp (N m/rad; above 0 at position targets) and kd (N m s/rad)
//! kp = 40.0
//! kd = 1.0
//! gain_order = "policy"   # or the names in the order of kp and kd
//! [[input]]
//! tensor = "obs"
//! dtype = "f32"           # the graph's own; f32, f16, i64, i32, bool
//! shape = [1, 47]
//! source = "terms"        # or counter (start, length, on_end), gaussian (seed, mean, std)
//! history_layout = "term_major"        # or time_major
//! normalize = { mode = "none" }        # or mean_std, min_max, quantile: numbers here or in a stats file
//! [[input.term]]          # in the order of the tensor
//! kind = "state/body/angular_velocity" # see TermKind
//! scale = 0.25            # minus, clip, scale: in this order, or as pipeline = ["…"] says
//! history = { len = 5, stride = 1, order = "oldest_first", init = "repeat_first" }
//! [[state]]               # recurrent pairs, see State
//! input = "h_in"
//! output = "h_out"
//! shape = [1, 1, 64]
//! reset_on = ["activate", "gap>40ms"]
//! [[output]]
//! tensor = "joint_targets"
//! kind = "target/joint/position"       # rad = offset + scale (not 0) * clip_raw(value), then clip, then rate_limit (per second; at most 1000 rad/s)
//! joints = "@joints"      # or a list of names
//! chunk = { steps = 50, dt_ms = 20.0, mode = "crossfade", fade_ms = 100.0, execute = 25 }
//! [verify]
//! golden = "quad_walk.golden.json"
//! sha256 = "…"
//! atol = 1e-4
//! rtol = 1e-3
//! ```
//! Closed: an unknown key is refused, not ignored.

mod command;
mod history;
mod input;
mod joints;
mod normalize;
mod output;
mod parse;
mod phase;
mod reader;
mod runtime;
mod safety;
mod state;
mod term;

pub(crate) use command::holds_zero;
pub use command::{CommandAxis, CommandLimits};
pub use history::{History, HistoryInit, HistoryLayout, HistoryOrder};
pub use input::{Counter, CounterEnd, Gaussian, Input, InputSource, Observed};
pub use joints::Joints;
pub use normalize::{Normalize, StatsRef};
pub use output::{Chunk, ChunkMode, Interpolation, Output, OutputKind, Quantity, Target};
pub use phase::{Phase, PhaseForm, PhaseLayout, PhaseRange, PhaseRest};
pub use reader::ManifestError;
pub use runtime::{BuildTime, EngineKind, OnMiss, Placement, Plugin, Profile, Runtime, TensorRt};
pub(crate) use safety::MAX_JUMP_RAD;
pub use safety::{Fallback, ObservationRange, RangePolicy, Safety};
pub use state::{Ring, State, StateInit};
pub use term::{Operation, RotationForm, Stage, Term, TermKind};

/// Cycles per second of the robot that `decimation` counts in.
pub const DECIMATION_BASE_HZ: f64 = 500.0;

/// A checked manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the model.
    pub name: String,
    /// Its version, free text.
    pub version: String,
    /// What is said about it.
    pub notes: Notes,
    /// Graph file, beside the manifest.
    pub graph: GraphFile,
    /// Data files of the graph, beside the manifest.
    pub external: Vec<GraphFile>,
    /// What its weights are in, when the manifest says so.
    pub precision: Option<Precision>,
    /// When it runs and on what.
    pub runtime: Runtime,
    /// What it watches itself.
    pub safety: Safety,
    /// What it makes of the velocity command.
    pub command: CommandLimits,
    /// The policy's joints.
    pub joints: Joints,
    /// Every input tensor that is no recurrent state.
    pub inputs: Vec<Input>,
    /// Recurrent pairs.
    pub states: Vec<State>,
    /// Every output tensor that is no recurrent state, and those that are both.
    pub outputs: Vec<Output>,
    /// How it is verified.
    pub verify: Verify,
}

/// Free texts about a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Licence of the weights.
    pub license: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Programs it was trained with.
    pub trained_with: Option<String>,
    /// Checkpoint it was exported from.
    pub checkpoint: Option<String>,
    /// Date of the export.
    pub exported: Option<String>,
}

/// A file and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFile {
    /// Name beside the manifest.
    pub file: String,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Line of the hash in the manifest, for messages.
    pub line: usize,
}

/// What a graph's weights are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers.
    Int8,
}

impl Precision {
    const ALL: [Self; 3] = [Self::Fp32, Self::Fp16, Self::Int8];

    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }
}

/// The [[graph]] section.
#[derive(Debug)]
struct Graph {
    file: GraphFile,
    external: Vec<GraphFile>,
    precision: Option<Precision>,
}

/// Golden vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Verify {
    /// Golden file, beside the manifest.
    pub golden: GraphFile,
    /// Absolute tolerance, rad.
    pub atol: f64,
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance instead of `atol` for a graph that is not in fp32, rad.
    pub fp16_atol: Option<f64>,
    /// Bound on the measured 99th percentile of a run, ms; `None`: the deadline.
    pub p99_ms: Option<f64>,
}

impl Manifest {
    /// Reads a manifest; `file` is how to call it in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        parse::manifest(file, text)
    }

    /// True when joint `index` of the policy's order has a position target that nothing but its stiffness carries out.
    pub fn is_held_by_stiffness(&self, index: usize) -> bool {
        parse::is_held_by_stiffness(&self.outputs, index)
    }

    /// A refusal found later, about a line of this manifest.
    pub fn error(
        file: &str,
        line: usize,
        field: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: &str,
    ) -> ManifestError {
        ManifestError {
            file: file.into(),
            line,
            field: field.into(),
            found: found.into().into(),
            expected: expected.into().into(),
            hint: hint.into(),
        }
    }
}
