//! Importers: from the files of a foreign policy format to a manifest of ours, with nothing guessed.
//!
//! ```text
//!  folder ──▶ detect ──▶ one of leapp, unitree, rl_sar, onnx_metadata, lerobot ──▶ Draft ──▶ writer ──▶ model.toml
//!             (content)     each value with its origin, or why it is not known       │
//!  --set, --set-file ───────────────────────────────────────────────────────────────┘
//! ```
//! An importer reads one format and nothing else; what its files do not say stays [`Fact::Unknown`] until the user
//! says it, and a [`Draft`] with unknowns is refused with the whole list. How a model is run and watched is in no file
//! of any format: those values are [`Fact::Assumed`], each with a key of its own, and [`Draft::assumptions`] lists them. Orders (joints, gains, history) come out in
//! the policy's own order and are written down. The golden vectors are not made here: a reader that shares no code
//! with this one makes them, so that a mistake on either side is found.
//!
//! May be touched: one file per format. Invariant: no value of a written manifest lacks its origin.

mod detect;
mod draft;
mod error;
mod fact;
mod folder;
mod graph_file;
mod leapp;
mod lerobot;
mod onnx_metadata;
mod overrides;
mod rl_sar;
mod runtime;
mod tree;
mod unitree;
mod widths;
mod writer;

pub use draft::{
    CommandRange, Draft, DraftChunk, DraftCounter, DraftHistory, DraftInput, DraftNormalize, DraftOutput,
    DraftPhase, DraftRuntime, DraftState, DraftTerm, GraphFiles, Numbers, OutputWhat, TermWhat,
};
pub use error::{Assumed, ImportError, Missing};
pub use fact::Fact;
pub use folder::Folder;
pub use overrides::Overrides;
pub use writer::{Plan, Written, refused, verify_section};

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A LEAPP bundle: one YAML, a model per node, initial values.
    Leapp,
    /// `deploy.yaml` of Isaac Lab trainings for Unitree robots.
    Unitree,
    /// rl_sar's `config.yaml` and `base.yaml`.
    RlSar,
    /// An ONNX file that describes itself in its metadata.
    OnnxMetadata,
    /// A LeRobot policy: `config.json` and its processors.
    Lerobot,
}

impl Kind {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Leapp, Self::Unitree, Self::RlSar, Self::OnnxMetadata, Self::Lerobot];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leapp => "leapp",
            Self::Unitree => "unitree",
            Self::RlSar => "rl-sar",
            Self::OnnxMetadata => "onnx-metadata",
            Self::Lerobot => "lerobot",
        }
    }
}

/// What an importer may know of the robot a model is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RobotFacts {
    /// Its joints in the order of its frames.
    pub joints: Vec<String>,
    /// Its standing posture, rad per joint.
    pub stand_rad: Vec<f64>,
}

impl RobotFacts {
    /// Standing posture of `joints`; for models whose tensors use no default position.
    fn stand_of(&self, joints: &[String]) -> Vec<f64> {
        let of = |name: &String| {
            let at = self.joints.iter().position(|joint| joint == name);
            at.and_then(|i| self.stand_rad.get(i).copied()).unwrap_or(0.0)
        };
        joints.iter().map(of).collect()
    }
}

/// Reads a folder: as `kind`, or as what its content shows it to be. The draft may hold unknowns; its joints are the
/// robot's.
pub fn read(
    folder: &Folder<'_>,
    kind: Option<Kind>,
    robot: &RobotFacts,
    overrides: &Overrides,
) -> Result<Draft, ImportError> {
    let kind = match kind {
        Some(kind) => kind,
        None => detect::detect(folder)?,
    };
    let mut draft = match kind {
        Kind::Leapp => leapp::draft(folder, robot, overrides),
        Kind::Unitree => unitree::draft(folder, robot, overrides),
        Kind::RlSar => rl_sar::draft(folder, overrides),
        Kind::OnnxMetadata => onnx_metadata::draft(folder, overrides),
        Kind::Lerobot => lerobot::draft(folder, robot, overrides),
    }?;
    draft.unlike_gains = match overrides.text("joints.gain_order")?.as_deref() {
        None => false,
        Some("policy") => true,
        Some(other) => {
            let reason = format!("found {other}; expected policy: lists come out in the policy's order");
            return Err(ImportError::Override { key: "joints.gain_order".to_owned(), reason });
        }
    };
    draft.command_range = runtime::command_range(draft.command_range.take(), &draft.inputs, overrides)?;
    joints_of_robot(folder, &draft, robot)?;
    // While something is missing, a key may only seem to have no use: what would have asked for it is not there.
    if draft.missing().is_empty() {
        overrides.all_used()?;
    }
    Ok(draft)
}

/// Every joint of the draft is a joint of the robot.
fn joints_of_robot(folder: &Folder<'_>, draft: &Draft, robot: &RobotFacts) -> Result<(), ImportError> {
    let joints = draft.joints.value().map(Vec::as_slice).unwrap_or_default();
    if let Some(twice) = joints.iter().enumerate().find(|(i, n)| joints.iter().take(*i).any(|m| m == *n)) {
        let expected = "each joint once";
        return Err(folder.error(
            format!("joint `{}` twice", twice.1),
            expected,
            "correct the names or the renaming",
        ));
    }
    let strangers: Vec<&String> = joints.iter().filter(|name| !robot.joints.contains(name)).collect();
    if strangers.is_empty() {
        return Ok(());
    }
    // A suggestion only where exactly one of the robot's joints begins the foreign name or ends it.
    let like = |name: &str| {
        let mut fits =
            robot.joints.iter().filter(|j| name.starts_with(j.as_str()) || name.ends_with(j.as_str()));
        match (fits.next(), fits.next()) {
            (Some(one), None) => Some(one.clone()),
            _ => None,
        }
    };
    let renames: Vec<String> = strangers
        .iter()
        .map(|name| format!("{name}: {}", like(name).unwrap_or_else(|| "JOINT".to_owned())))
        .collect();
    let shown: Vec<&str> = strangers.iter().map(|s| s.as_str()).collect();
    Err(folder.error(
        format!("joints {}", shown.join(", ")),
        format!("joints of this robot: {}", robot.joints.join(", ")),
        format!("if they are the same joints by other names: --set 'rename={{{}}}'", renames.join(", ")),
    ))
}
