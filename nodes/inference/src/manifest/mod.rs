//! The manifest `<name>.model.toml`, schema 1: the only place that knows how a graph's tensors relate to a robot.
//!
//! ```toml
//! schema = 1
//! [model]                 # what it is
//! name = "quad_walk"
//! version = "1.0.0"
//! task = "policy"         # the only task of schema 1
//! [[graph]]               # exactly one
//! file = "quad_walk.onnx"
//! sha256 = "…"
//! [runtime]
//! rate_hz = 50            # or decimation = 10, of a robot of 500 Hz
//! deadline_ms = 4.0       # longer runs are marked
//! latency_ticks = 2       # observation tick to the tick that uses the output
//! engine = ["native", "onnxruntime"]   # in order of preference
//! [joints]
//! order = ["FR_hip", "…"] # the policy's own order; mapped by name
//! default_pos = [0.0, …]  # rad; one number, or one per joint; likewise kp (N m/rad) and kd (N m s/rad)
//! kp = 40.0
//! kd = 1.0
//! [[input]]
//! tensor = "obs"
//! dtype = "f32"
//! shape = [1, 47]
//! normalize = { mode = "none" }        # or mean_std with mean, std, eps, clip
//! [[input.term]]          # in the order of the tensor; per value: minus, then clip, then scale
//! kind = "state/body/angular_velocity" # see TermKind
//! scale = 0.25
//! [[output]]
//! tensor = "joint_targets"
//! kind = "target/joint/position"       # rad = offset + scale * value, then clip
//! joints = "@joints"
//! [verify]
//! golden = "quad_walk.golden.json"
//! sha256 = "…"
//! atol = 1e-4
//! rtol = 1e-3
//! ```
//! Closed: an unknown key is refused, not ignored.

mod parse;
mod reader;
mod term;

pub use reader::ManifestError;
pub use term::{History, HistoryOrder, Stage, Term, TermKind};

/// Cycles per second of the robot that `decimation` counts in.
pub const DECIMATION_BASE_HZ: f64 = 500.0;

/// A checked manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Name of the model.
    pub name: String,
    /// Its version, free text.
    pub version: String,
    /// Graph file, beside the manifest.
    pub graph: GraphFile,
    /// When it runs and on what.
    pub runtime: Runtime,
    /// The policy's joints.
    pub joints: Joints,
    /// Every input tensor.
    pub inputs: Vec<Input>,
    /// Every output tensor.
    pub outputs: Vec<Output>,
    /// How it is verified.
    pub verify: Verify,
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

/// An engine a manifest may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The executor of this room.
    Native,
    /// ONNX Runtime, opened at run time.
    OnnxRuntime,
}

/// Rate, deadline, latency, engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// Runs per second.
    pub rate_hz: f64,
    /// A run longer than this is marked, ms of wall time.
    pub deadline_ms: f64,
    /// Control ticks from the observation to the tick that uses the output.
    pub latency_ticks: u32,
    /// Engines in order of preference; never empty.
    pub engines: Vec<EngineKind>,
}

/// The policy's joints in its own order; all lists are equally long.
#[derive(Clone, Debug, PartialEq)]
pub struct Joints {
    /// Names, mapped to the robot's.
    pub order: Vec<String>,
    /// Default position, rad.
    pub default_pos_rad: Vec<f64>,
    /// Stiffness, N m/rad.
    pub kp_nm_per_rad: Vec<f64>,
    /// Damping, N m s/rad.
    pub kd_nm_s_per_rad: Vec<f64>,
    /// Line of `order`, for messages.
    pub line: usize,
}

/// Normalisation of a whole input tensor, after its terms.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalize {
    /// As it is (or done inside the graph).
    None,
    /// (x - mean) / (std + eps), then clip.
    MeanStd {
        /// Per value.
        mean: Vec<f64>,
        /// Per value, above zero.
        std: Vec<f64>,
        /// Added to std.
        eps: f64,
        /// Limit on the result, both sides.
        clip: Option<f64>,
    },
}

/// One input tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name in the graph.
    pub tensor: String,
    /// Shape; the leading 1 is the batch.
    pub shape: Vec<usize>,
    /// Normalisation.
    pub normalize: Normalize,
    /// What it is made of, in order.
    pub terms: Vec<Term>,
    /// Line of `shape`, for messages.
    pub line: usize,
}

/// What an output is for.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputKind {
    /// Joint positions in the order of `joints`: `offset + scale * value`, then clip.
    JointTarget {
        /// Per joint.
        scale: Vec<f64>,
        /// Per joint, rad.
        offset_rad: Vec<f64>,
        /// Per joint, rad; matches training, is not a safety bound.
        clip_rad: Option<Vec<[f64; 2]>>,
    },
    /// Fed back as it is to `feedback/action` terms of stage raw.
    Feedback,
}

/// One output tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Name in the graph.
    pub tensor: String,
    /// What it is for.
    pub kind: OutputKind,
    /// Line of the section, for messages.
    pub line: usize,
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
}

impl Manifest {
    /// Reads a manifest; `file` is how to call it in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        parse::manifest(file, text)
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
