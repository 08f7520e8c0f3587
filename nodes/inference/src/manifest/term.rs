//! One term of an observation: which numbers of the robot, and what happens to them.

use super::reader::{ManifestError, Section};

/// Which action is fed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The graph's own output, before scale and offset.
    Raw,
    /// The joint target, rad.
    Applied,
}

/// Which numbers a term takes. Frames: base frame by REP 103 (x forward, y left, z up).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TermKind {
    /// `state/body/angular_velocity`: rad/s, 3 values.
    AngularVelocity,
    /// `state/body/projected_gravity`: unit vector of gravity in the base frame, (0, 0, -1) upright; 3 values.
    ProjectedGravity,
    /// `command/body/velocity`: vx, vy (m/s), wz (rad/s); 3 values.
    VelocityCommand,
    /// `state/joint/position`: rad, one per joint; with `minus = "default_pos"` the distance from it.
    JointPosition {
        /// Subtract the default position.
        minus_default: bool,
    },
    /// `state/joint/velocity`: rad/s, one per joint.
    JointVelocity,
    /// `feedback/action`: the last action, one per joint; zero after an activation.
    LastAction {
        /// Which one.
        stage: Stage,
    },
    /// `phase/sin_cos`: sine and cosine of a gait clock; 2 values. The clock starts at 0 and advances after each
    /// observation by one run's share of `rate_hz`; while |command| is at most `freeze_below` it stands at 0.
    Phase {
        /// Turns per second.
        rate_hz: f64,
        /// Norm of the velocity command (m/s, rad/s taken as equals).
        freeze_below: f64,
    },
}

/// Which end of a history comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryOrder {
    /// Oldest first.
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

/// How many runs of a term stand one behind the other. After an activation all hold the first observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Number of runs, 1 = only the present.
    pub len: usize,
    /// Their order.
    pub order: HistoryOrder,
}

/// One term.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What it takes.
    pub kind: TermKind,
    /// Limits per value, before scaling.
    pub clip: Option<Vec<[f64; 2]>>,
    /// Factor per value.
    pub scale: Vec<f64>,
    /// Its history.
    pub history: History,
}

impl TermKind {
    /// The kind as written in a manifest.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AngularVelocity => "state/body/angular_velocity",
            Self::ProjectedGravity => "state/body/projected_gravity",
            Self::VelocityCommand => "command/body/velocity",
            Self::JointPosition { .. } => "state/joint/position",
            Self::JointVelocity => "state/joint/velocity",
            Self::LastAction { .. } => "feedback/action",
            Self::Phase { .. } => "phase/sin_cos",
        }
    }

    /// Values per run for a policy of `joints` joints.
    pub fn width(&self, joints: usize) -> usize {
        match self {
            Self::AngularVelocity | Self::ProjectedGravity | Self::VelocityCommand => 3,
            Self::JointPosition { .. } | Self::JointVelocity | Self::LastAction { .. } => joints,
            Self::Phase { .. } => 2,
        }
    }
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

    pub(super) fn parse(section: Section<'_>, joints: usize) -> Result<Self, ManifestError> {
        let minus_default = TermKind::JointPosition { minus_default: false };
        let last_action = TermKind::LastAction { stage: Stage::Raw };
        let phase = TermKind::Phase { rate_hz: 0.0, freeze_below: 0.0 };
        let kinds = [
            TermKind::AngularVelocity,
            TermKind::ProjectedGravity,
            TermKind::VelocityCommand,
            minus_default,
            TermKind::JointVelocity,
            last_action,
            phase,
        ]
        .map(|kind| (kind.name(), kind));
        let kind = match section.required("kind", "what the term takes")?.choice(&kinds)? {
            TermKind::JointPosition { .. } => {
                let minus =
                    section.optional("minus").map(|e| e.choice(&[("default_pos", true)])).transpose()?;
                TermKind::JointPosition { minus_default: minus.unwrap_or(false) }
            }
            TermKind::LastAction { .. } => {
                let stage = section.required("stage", "\"raw\" or \"applied\"")?;
                TermKind::LastAction {
                    stage: stage.choice(&[("raw", Stage::Raw), ("applied", Stage::Applied)])?,
                }
            }
            TermKind::Phase { .. } => TermKind::Phase {
                rate_hz: section.required("rate_hz", "turns per second")?.number_in(0.01, 100.0, "Hz")?,
                freeze_below: section
                    .required(
                        "freeze_below",
                        "norm of the velocity command below which the clock stands at 0",
                    )?
                    .number_in(0.0, 10.0, "m/s, rad/s")?,
            },
            other => other,
        };
        let width = kind.width(joints);
        let of = format!("the width of {}", kind.name());
        let scale = match section.optional("scale") {
            Some(entry) => entry.numbers(width, &of)?,
            None => vec![1.0; width],
        };
        let clip = section.optional("clip").map(|e| e.ranges(width, &of)).transpose()?;
        let history = match section.optional("history") {
            Some(entry) => History::parse(entry.section()?)?,
            None => History { len: 1, order: HistoryOrder::OldestFirst },
        };
        section.finish()?;
        Ok(Self { kind, clip, scale, history })
    }
}

impl History {
    fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let len = section.required("len", "number of runs")?.integer_in(1, 1000)?;
        let order = section.required("order", "\"oldest_first\" or \"newest_first\"")?;
        let order = order.choice(&[
            ("oldest_first", HistoryOrder::OldestFirst),
            ("newest_first", HistoryOrder::NewestFirst),
        ])?;
        section.finish()?;
        Ok(Self { len: len as usize, order })
    }
}
