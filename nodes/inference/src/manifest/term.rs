//! One term of an observation: which numbers of the robot, and what happens to them.

use super::command::CommandAxis;
use super::history::History;
use super::joints::{Joints, names, subset};
use super::phase::{Phase, PhaseForm, Shown};
use super::reader::{Entry, ManifestError, Section};

/// Which action is fed back. Zero after an activation, whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The graph's own output.
    Raw,
    /// After `clip_raw`.
    Clipped,
    /// After `clip_raw` and scale, without the offset; rad.
    Scaled,
    /// The joint target as it left, rad.
    Applied,
}

/// How an orientation is written. All of the base in the odometry frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationForm {
    /// w, x, y, z with w at least 0.
    QuaternionWxyz,
    /// x, y, z, w with w at least 0.
    QuaternionXyzw,
    /// Nine values, row by row.
    Matrix,
    /// First column, then second column.
    Matrix6dColumns,
    /// First two values of each row.
    Matrix6dRows,
    /// Roll, pitch, yaw, rad (rotations about x, y, z in this order, fixed axes).
    Rpy,
}

impl RotationForm {
    const ALL: [(&'static str, Self); 6] = [
        ("quaternion_wxyz", Self::QuaternionWxyz),
        ("quaternion_xyzw", Self::QuaternionXyzw),
        ("matrix", Self::Matrix),
        ("matrix_6d_columns", Self::Matrix6dColumns),
        ("matrix_6d_rows", Self::Matrix6dRows),
        ("rpy", Self::Rpy),
    ];

    /// Names of the values, in order.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::QuaternionWxyz => &["w", "x", "y", "z"],
            Self::QuaternionXyzw => &["x", "y", "z", "w"],
            Self::Matrix => &["r00", "r01", "r02", "r10", "r11", "r12", "r20", "r21", "r22"],
            Self::Matrix6dColumns => &["r00", "r10", "r20", "r01", "r11", "r21"],
            Self::Matrix6dRows => &["r00", "r01", "r10", "r11", "r20", "r21"],
            Self::Rpy => &["roll", "pitch", "yaw"],
        }
    }
}

/// Which numbers a term takes. Frames: base frame by REP 103 (x forward, y left, z up) unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum TermKind {
    /// `state/body/angular_velocity`: rad/s, 3 values.
    AngularVelocity,
    /// `state/body/linear_velocity`: m/s, 3 values, from the estimator.
    LinearVelocity,
    /// `state/body/projected_gravity`: unit vector of gravity in the base frame, (0, 0, -1) upright; 3 values.
    ProjectedGravity,
    /// `state/body/rotation`.
    Rotation(RotationForm),
    /// `state/body/height`: above the support plane, m; 1 value.
    Height,
    /// `state/body/position`: in the odometry frame, m; 3 values. It drifts.
    Position,
    /// `state/joint/position`: rad, one per joint.
    JointPosition,
    /// `state/joint/velocity`: rad/s, one per joint.
    JointVelocity,
    /// `state/joint/effort`: N m, one per joint.
    JointEffort,
    /// `state/contact`: one per foot.
    Contact {
        /// Feet by name.
        feet: Vec<String>,
        /// Probability from which a foot counts as 1; without one the probability itself.
        threshold: Option<f64>,
    },
    /// `command/body/velocity`: the axes asked for; m/s, rad/s.
    VelocityCommand(Vec<CommandAxis>),
    /// `feedback/action`: the last action, one per joint.
    LastAction(Stage),
    /// `phase/…`: a gait clock.
    Phase(Phase),
    /// `constant`: numbers written in the manifest.
    Constant(Vec<f64>),
}

/// One step of a term's pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Subtract `minus`.
    Minus,
    /// Limit to `clip`.
    Clip,
    /// Multiply by `scale`.
    Scale,
}

/// One term.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What it takes.
    pub kind: TermKind,
    /// Positions it takes from its list (joints in the policy's order, the action fed back), in the term's order.
    pub picks: Vec<usize>,
    /// Subtracted per value.
    pub minus: Vec<f64>,
    /// Limits per value.
    pub clip: Option<Vec<[f64; 2]>>,
    /// Factor per value.
    pub scale: Vec<f64>,
    /// Order in which these three are applied.
    pub pipeline: [Operation; 3],
    /// Its history.
    pub history: History,
    /// Line of `kind`, for messages.
    pub line: usize,
}

/// The action that terms may read, as the outputs say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FedBack {
    /// Joints (positions in the policy's order) of the raw action; `None`: there is none to read.
    pub(super) raw: Option<Vec<usize>>,
    /// Joints of the scaled target; `None`: there is none to read.
    pub(super) scaled: Option<Vec<usize>>,
}

/// Kinds of the vocabulary that no robot state can feed, and what is missing.
const NOT_FED: [(&str, &str); 14] = [
    ("state/body/acceleration", "RobotState carries no acceleration"),
    ("state/body/linear_acceleration", "RobotState carries no acceleration"),
    ("state/body/angular_acceleration", "RobotState carries no acceleration"),
    ("state/body/pose", "take state/body/position and state/body/rotation as two terms"),
    ("state/body/velocity", "take state/body/linear_velocity and state/body/angular_velocity as two terms"),
    ("state/wrench", "RobotState carries no wrench"),
    ("state/camera", "a policy reads RobotState alone, images go through perception"),
    ("state/height_scan", "RobotState carries no height scan"),
    ("command/joint", "RobotState carries no joint command"),
    ("command/body/rotation", "RobotState carries a velocity command only"),
    ("command/body/pose", "RobotState carries a velocity command only"),
    ("command/body/position", "RobotState carries a velocity command only"),
    ("command/motion", "RobotState carries no reference motion"),
    ("target/body", "RobotState carries no target of a body"),
];

impl TermKind {
    /// The kind as written in a manifest.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AngularVelocity => "state/body/angular_velocity",
            Self::LinearVelocity => "state/body/linear_velocity",
            Self::ProjectedGravity => "state/body/projected_gravity",
            Self::Rotation(_) => "state/body/rotation",
            Self::Height => "state/body/height",
            Self::Position => "state/body/position",
            Self::JointPosition => "state/joint/position",
            Self::JointVelocity => "state/joint/velocity",
            Self::JointEffort => "state/joint/effort",
            Self::Contact { .. } => "state/contact",
            Self::VelocityCommand(_) => "command/body/velocity",
            Self::LastAction(_) => "feedback/action",
            Self::Phase(Phase { form: PhaseForm::SinCos, .. }) => "phase/sin_cos",
            Self::Phase(Phase { form: PhaseForm::CosSin, .. }) => "phase/cos_sin",
            Self::Phase(Phase { form: PhaseForm::Value(_), .. }) => "phase/value",
            Self::Constant(_) => "constant",
        }
    }

    /// All kinds, as manifests write them.
    pub const NAMES: [&'static str; 16] = [
        "state/body/angular_velocity",
        "state/body/linear_velocity",
        "state/body/projected_gravity",
        "state/body/rotation",
        "state/body/height",
        "state/body/position",
        "state/joint/position",
        "state/joint/velocity",
        "state/joint/effort",
        "state/contact",
        "command/body/velocity",
        "feedback/action",
        "phase/sin_cos",
        "phase/cos_sin",
        "phase/value",
        "constant",
    ];
}

impl Term {
    /// Values per run.
    pub fn width(&self) -> usize {
        self.scale.len()
    }

    /// Values in the tensor.
    pub fn len(&self) -> usize {
        self.width() * self.history.len
    }

    /// Never true; for symmetry with `len`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn parse(
        section: Section<'_>,
        joints: &Joints,
        fed_back: &FedBack,
    ) -> Result<Self, ManifestError> {
        let entry = section.required("kind", "what the term takes")?;
        let line = entry.line();
        let (kind, picks, width) = kind(&section, &entry, joints, fed_back)?;
        let of = format!("the width of {}", kind.name());
        let minus =
            section.optional("minus").map(|e| minus(&e, &kind, &picks, joints, width, &of)).transpose()?;
        let scale = section.optional("scale").map(|e| e.numbers(width, &of)).transpose()?;
        let clip = section.optional("clip").map(|e| e.ranges(width, &of)).transpose()?;
        let given = [
            (Operation::Minus, minus.is_some()),
            (Operation::Clip, clip.is_some()),
            (Operation::Scale, scale.is_some()),
        ];
        let pipeline = match section.optional("pipeline") {
            Some(entry) => pipeline(&entry, given)?,
            None => given.map(|(operation, _)| operation),
        };
        let history = match section.optional("history") {
            Some(entry) => History::parse(entry.section()?)?,
            None => History::NONE,
        };
        section.finish()?;
        let (minus, scale) =
            (minus.unwrap_or_else(|| vec![0.0; width]), scale.unwrap_or_else(|| vec![1.0; width]));
        Ok(Self { kind, picks, minus, clip, scale, pipeline, history, line })
    }
}

/// The kind with its own keys, the positions it takes, and its width.
fn kind(
    section: &Section<'_>,
    entry: &Entry<'_>,
    joints: &Joints,
    fed_back: &FedBack,
) -> Result<(TermKind, Vec<usize>, usize), ManifestError> {
    let name = entry.text("what the term takes")?;
    let plain = |kind, width| Ok((kind, Vec::new(), width));
    let by_joint = |kind| {
        let picks = match section.optional("joints") {
            Some(entry) if entry.is_list() => subset(&entry, &joints.order)?,
            Some(entry) => {
                entry.choice(&[("@joints", ())])?;
                (0..joints.order.len()).collect()
            }
            None => (0..joints.order.len()).collect(),
        };
        let width = picks.len();
        Ok((kind, picks, width))
    };
    let phase = |shown| {
        let phase = Phase::parse(section, shown)?;
        let width = phase.width();
        Ok((TermKind::Phase(phase), Vec::new(), width))
    };
    match name.as_str() {
        "state/body/angular_velocity" => plain(TermKind::AngularVelocity, 3),
        "state/body/linear_velocity" => plain(TermKind::LinearVelocity, 3),
        "state/body/projected_gravity" => plain(TermKind::ProjectedGravity, 3),
        "state/body/height" => plain(TermKind::Height, 1),
        "state/body/position" => plain(TermKind::Position, 3),
        "state/body/rotation" => {
            let form = section.required("as", "how the rotation is written")?.choice(&RotationForm::ALL)?;
            plain(TermKind::Rotation(form), form.labels().len())
        }
        "state/joint/position" => by_joint(TermKind::JointPosition),
        "state/joint/velocity" => by_joint(TermKind::JointVelocity),
        "state/joint/effort" => by_joint(TermKind::JointEffort),
        "state/contact" => {
            let feet = names(&section.required("feet", "a list of feet by name")?, "foot")?;
            let threshold = section.optional("threshold").map(|e| e.number_in(0.0, 1.0, "")).transpose()?;
            let width = feet.len();
            plain(TermKind::Contact { feet, threshold }, width)
        }
        "command/body/velocity" => {
            let axes = match section.optional("axes") {
                Some(entry) => axes(&entry)?,
                None => CommandAxis::ALL.to_vec(),
            };
            let width = axes.len();
            plain(TermKind::VelocityCommand(axes), width)
        }
        "feedback/action" => feedback(section, entry, joints, fed_back),
        "phase/sin_cos" => phase(Shown::Circle(PhaseForm::SinCos)),
        "phase/cos_sin" => phase(Shown::Circle(PhaseForm::CosSin)),
        "phase/value" => phase(Shown::Value),
        "constant" => {
            let entry = section.required("values", "a list of numbers")?;
            let list = entry.list("a list of numbers")?;
            let values = list.iter().map(|e| e.number("a finite number")).collect::<Result<Vec<_>, _>>()?;
            if values.is_empty() {
                return Err(entry.error("an empty list", "at least one number", "remove the term"));
            }
            let width = values.len();
            plain(TermKind::Constant(values), width)
        }
        other => {
            let missing = NOT_FED.iter().find(|(prefix, _)| other.starts_with(prefix));
            let hint = missing.map_or("correct the spelling".to_owned(), |(_, why)| {
                format!("{why}; a policy that needs it cannot run here")
            });
            let names = TermKind::NAMES.map(|n| format!("\"{n}\"")).join(", ");
            Err(entry.error(format!("the text \"{other}\""), format!("one of {names}"), &hint))
        }
    }
}

fn feedback(
    section: &Section<'_>,
    entry: &Entry<'_>,
    joints: &Joints,
    fed_back: &FedBack,
) -> Result<(TermKind, Vec<usize>, usize), ManifestError> {
    let stage = section.required("stage", "\"raw\", \"clipped\", \"scaled\" or \"applied\"")?.choice(&[
        ("raw", Stage::Raw),
        ("clipped", Stage::Clipped),
        ("scaled", Stage::Scaled),
        ("applied", Stage::Applied),
        ("target", Stage::Applied),
    ])?;
    let all: Vec<usize> = (0..joints.order.len()).collect();
    let available = match stage {
        Stage::Applied => Some(&all),
        Stage::Raw => fed_back.raw.as_ref(),
        Stage::Clipped | Stage::Scaled => fed_back.scaled.as_ref(),
    };
    let Some(available) = available else {
        let expected =
            "an [[output]] to read it from: of kind feedback/action, or one target without a chunk";
        let hint = "name what is fed back, or use stage = \"applied\"";
        return Err(entry.error("a feedback/action without an output that gives it", expected, hint));
    };
    let wanted = match section.optional("joints") {
        Some(entry) => {
            let wanted = subset(&entry, &joints.order)?;
            if let Some(joint) = wanted.iter().find(|joint| !available.contains(joint)) {
                let name = joints.order.get(*joint).cloned().unwrap_or_default();
                let expected = "joints of the output that is fed back";
                return Err(entry.error(format!("\"{name}\""), expected, "leave it out"));
            }
            wanted
        }
        None => available.clone(),
    };
    let picks: Vec<usize> =
        wanted.iter().filter_map(|joint| available.iter().position(|a| a == joint)).collect();
    let width = picks.len();
    Ok((TermKind::LastAction(stage), picks, width))
}

fn axes(entry: &Entry<'_>) -> Result<Vec<CommandAxis>, ManifestError> {
    let choices = CommandAxis::ALL.map(|axis| (axis.name(), axis));
    let mut axes = Vec::new();
    for item in entry.list("a list of \"vx\", \"vy\", \"wz\"")? {
        let axis = item.choice(&choices)?;
        if axes.contains(&axis) {
            return Err(item.error(format!("\"{}\" again", axis.name()), "each axis once", "remove it"));
        }
        axes.push(axis);
    }
    if axes.is_empty() {
        return Err(entry.error("an empty list", "at least one axis", "remove the term"));
    }
    Ok(axes)
}

fn minus(
    entry: &Entry<'_>,
    kind: &TermKind,
    picks: &[usize],
    joints: &Joints,
    width: usize,
    of: &str,
) -> Result<Vec<f64>, ManifestError> {
    if !entry.is_text() {
        return entry.numbers(width, of);
    }
    entry.choice(&[("default_pos", ())])?;
    if *kind != TermKind::JointPosition {
        let found = format!("\"default_pos\" at {}", kind.name());
        return Err(entry.error(found, "it at state/joint/position only", "remove it"));
    }
    Ok(picks.iter().filter_map(|at| joints.default_pos_rad.get(*at).copied()).collect())
}

/// The order written, followed by the operations that do nothing.
fn pipeline(entry: &Entry<'_>, given: [(Operation, bool); 3]) -> Result<[Operation; 3], ManifestError> {
    let choices = [("minus", Operation::Minus), ("clip", Operation::Clip), ("scale", Operation::Scale)];
    let name = |wanted| choices.iter().find(|(_, o)| *o == wanted).map_or("", |(name, _)| name);
    let mut order: Vec<Operation> = Vec::with_capacity(3);
    for item in entry.list("a list of \"minus\", \"clip\", \"scale\"")? {
        let operation = item.choice(&choices)?;
        if order.contains(&operation) {
            return Err(item.error(format!("\"{}\" again", name(operation)), "each once", "remove it"));
        }
        order.push(operation);
    }
    for (operation, is_given) in given {
        if order.contains(&operation) != is_given {
            let (found, hint) = if is_given {
                (format!("no \"{}\" although it is given", name(operation)), "say when it is applied")
            } else {
                (format!("\"{}\" although it is not given", name(operation)), "give it, or remove it here")
            };
            return Err(entry.error(found, "each operation the term has, once", hint));
        }
    }
    for (operation, _) in given {
        if !order.contains(&operation) {
            order.push(operation);
        }
    }
    <[Operation; 3]>::try_from(order)
        .map_err(|_| entry.error("a list", "each operation once", "write it anew"))
}
