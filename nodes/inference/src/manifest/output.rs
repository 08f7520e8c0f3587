//! One output tensor: targets of joints, an action to be fed back, or something that is left alone on purpose.

use super::input::{ELEMENTS, bounded_shape};
use super::joints::{Joints, subset};
use super::reader::{Entry, ManifestError, Section};
use crate::engine::ElementType;

/// Hint where a number is too large for an angle.
pub(super) const DEGREES: &str = "this looks like degrees: write radians (degrees * 0.0174533)";

/// One output tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Name in the graph.
    pub tensor: String,
    /// What its values are in the graph.
    pub element: ElementType,
    /// Shape; the leading 1 is the batch.
    pub shape: Vec<usize>,
    /// What it is for.
    pub kind: OutputKind,
    /// Line of the section, for messages.
    pub line: usize,
}

/// What an output is for.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputKind {
    /// Moves joints.
    Target(Target),
    /// Fed back as it is to `feedback/action` terms of stage raw.
    Feedback {
        /// Its joints, positions in the policy's order.
        joints: Vec<usize>,
    },
    /// Left alone.
    Ignore {
        /// Why that is right.
        reason: String,
    },
}

/// What a target is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// rad.
    Position,
    /// rad/s, on top of the position with kd.
    Velocity,
    /// N m, on top of both.
    Effort,
}

impl Quantity {
    /// Largest limit on its change per second, and the unit; no drive follows faster, so more limits nothing.
    fn rate_max(self) -> (f64, &'static str) {
        match self {
            Self::Position => (1e3, "rad/s"),
            Self::Velocity => (1e5, "rad/s^2"),
            Self::Effort => (1e6, "N m/s"),
        }
    }
}

/// Joint targets: `offset + scale * clip_raw(value)`, then clip, then rate limit. Lists are as long as `joints`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is in.
    pub quantity: Quantity,
    /// Its joints, positions in the policy's order.
    pub joints: Vec<usize>,
    /// Limits on the graph's value.
    pub clip_raw: Option<Vec<[f64; 2]>>,
    /// Factor.
    pub scale: Vec<f64>,
    /// Added, in units of the quantity.
    pub offset: Vec<f64>,
    /// Limits in units of the quantity; matches training, is not a safety bound.
    pub clip: Option<Vec<[f64; 2]>>,
    /// Largest change per second.
    pub rate_limit_per_s: Option<Vec<f64>>,
    /// Several targets ahead of time.
    pub chunk: Option<Chunk>,
}

/// How a new chunk takes over from the old one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChunkMode {
    /// Its first step is executed first, whenever that is.
    OpenLoop,
    /// All chunks that speak of a moment are averaged with weights exp(-coeff * i), i = 0 the oldest.
    TemporalEnsemble {
        /// Decay per chunk.
        coeff: f64,
    },
    /// Step k is for the observation's time + k * dt: what is late is dropped.
    ReplaceWithDelay,
    /// As before, fading from the old chunk to the new one.
    Crossfade {
        /// Length of the fade, ms.
        fade_ms: f64,
    },
}

/// What stands between two steps of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The straight line.
    Linear,
    /// The earlier step.
    Hold,
}

/// Several targets ahead of time from one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk {
    /// Steps in the tensor.
    pub steps: usize,
    /// From one step to the next, ms.
    pub dt_ms: f64,
    /// How chunks follow each other.
    pub mode: ChunkMode,
    /// Steps after which the graph runs again.
    pub execute: usize,
    /// Between steps.
    pub interpolation: Interpolation,
}

#[derive(Clone, Copy, Debug)]
enum KindName {
    Target(Quantity),
    Feedback,
    Ignore,
}

impl Output {
    pub(super) fn parse(section: Section<'_>, joints: &Joints) -> Result<Self, ManifestError> {
        let tensor = section.required("tensor", "name of a graph output")?;
        let line = tensor.line();
        let tensor = tensor.text("name of a graph output")?;
        let element = match section.optional("dtype") {
            Some(entry) => entry.choice(&ELEMENTS)?,
            None => ElementType::F32,
        };
        let kind = kind_name(&section.required("kind", "what the output is for")?)?;
        let (kind, expected) = match kind {
            KindName::Target(quantity) => {
                let target = Target::parse(&section, quantity, joints)?;
                let mut shape = vec![1, target.joints.len()];
                if let Some(chunk) = target.chunk {
                    shape.insert(1, chunk.steps);
                }
                (OutputKind::Target(target), Some(shape))
            }
            KindName::Feedback => {
                let fed_back = match section.optional("joints") {
                    Some(entry) => joint_list(&entry, joints)?,
                    None => (0..joints.order.len()).collect(),
                };
                let shape = vec![1, fed_back.len()];
                (OutputKind::Feedback { joints: fed_back }, Some(shape))
            }
            KindName::Ignore => {
                let reason =
                    section.required("reason", "why it is left alone")?.text("why it is left alone")?;
                (OutputKind::Ignore { reason }, None)
            }
        };
        let shape = match (section.optional("shape"), expected) {
            (None, Some(expected)) => expected,
            (None, None) => section.required("shape", "the tensor's shape")?.shape()?,
            (Some(entry), expected) => {
                let (shape, len) = bounded_shape(&entry)?;
                let wanted: usize = expected.iter().flatten().product();
                if expected.is_some() && len != wanted {
                    let found = format!("shape {shape:?}");
                    return Err(entry.error(
                        found,
                        format!("{wanted} values"),
                        "correct the shape or the joints",
                    ));
                }
                shape
            }
        };
        section.finish()?;
        Ok(Self { tensor, element, shape, kind, line })
    }

    /// The target, when it is one.
    pub fn target(&self) -> Option<&Target> {
        match &self.kind {
            OutputKind::Target(target) => Some(target),
            OutputKind::Feedback { .. } | OutputKind::Ignore { .. } => None,
        }
    }
}

fn kind_name(entry: &Entry<'_>) -> Result<KindName, ManifestError> {
    let kinds = [
        ("target/joint/position", KindName::Target(Quantity::Position)),
        ("target/joint/velocity", KindName::Target(Quantity::Velocity)),
        ("target/joint/effort", KindName::Target(Quantity::Effort)),
        ("feedback/action", KindName::Feedback),
        ("ignore", KindName::Ignore),
    ];
    let text = entry.text("what the output is for")?;
    let hint = match text.as_str() {
        "kp" | "kd" => "gains are those of [joints]; a policy that changes them cannot run here",
        other if other.starts_with("target/body") => {
            "only joints can be moved; a policy that needs it cannot run here"
        }
        _ => return entry.choice(&kinds),
    };
    let names = kinds.map(|(name, _)| format!("\"{name}\"")).join(", ");
    Err(entry.error(format!("the text \"{text}\""), format!("one of {names}"), hint))
}

fn joint_list(entry: &Entry<'_>, joints: &Joints) -> Result<Vec<usize>, ManifestError> {
    if entry.is_list() {
        return subset(entry, &joints.order);
    }
    entry.choice(&[("@joints", ())])?;
    Ok((0..joints.order.len()).collect())
}

impl Target {
    fn parse(section: &Section<'_>, quantity: Quantity, joints: &Joints) -> Result<Self, ManifestError> {
        let picks = joint_list(&section.required("joints", "\"@joints\", or a list of names")?, joints)?;
        let count = picks.len();
        let angles = quantity == Quantity::Position;
        let numbers = |key| section.optional(key).map(|e| e.numbers(count, "one per joint")).transpose();
        let scale = numbers("scale")?.unwrap_or_else(|| vec![1.0; count]);
        if let Some(entry) = section.optional("scale") {
            refuse_dead_joints(&entry, &scale, &picks, joints)?;
            if angles {
                refuse_turns(&entry, &scale)?;
            }
        }
        let offset = match section.optional("offset") {
            None => vec![0.0; count],
            Some(entry) if entry.is_text() => {
                entry.choice(&[("default_pos", ())])?;
                if !angles {
                    let expected = "it at target/joint/position only";
                    return Err(entry.error("\"default_pos\"", expected, "remove it"));
                }
                picks.iter().filter_map(|at| joints.default_pos_rad.get(*at).copied()).collect()
            }
            Some(entry) => {
                let offset = entry.numbers(count, "one per joint, or \"default_pos\"")?;
                if angles {
                    refuse_turns(&entry, &offset)?;
                }
                offset
            }
        };
        let ranges = |key| section.optional(key).map(|e| e.ranges(count, "one per joint")).transpose();
        let clip_raw = ranges("clip_raw")?;
        let clip = ranges("clip")?;
        if let (true, Some(clip), Some(entry)) = (angles, &clip, section.optional("clip")) {
            let hint = "this looks like degrees, or like the clip of the graph's own value: write radians, or clip_raw";
            let bounds: Vec<f64> = clip.iter().flatten().copied().collect();
            refuse_beyond_a_turn(&entry, &bounds, hint)?;
        }
        let rate_limit_per_s = numbers("rate_limit")?;
        if let (Some(limits), Some(entry)) = (&rate_limit_per_s, section.optional("rate_limit"))
            && limits.iter().any(|v| *v <= 0.0)
        {
            return Err(entry.error("a limit that is not above zero", "above zero per second", "raise it"));
        }
        let (most, unit) = quantity.rate_max();
        if let (Some(limits), Some(entry)) = (&rate_limit_per_s, section.optional("rate_limit"))
            && let Some(value) = limits.iter().find(|v| **v > most)
        {
            let expected =
                format!("at most {most} {unit}: no drive follows faster, so that more limits nothing");
            let hint = "write the limit of training, or leave the key out where there is none";
            return Err(entry.error(value.to_string(), expected, hint));
        }
        let chunk = match section.optional("chunk") {
            Some(entry) => Chunk::parse(entry.section()?)?,
            None => None,
        };
        Ok(Self { quantity, joints: picks, clip_raw, scale, offset, clip, rate_limit_per_s, chunk })
    }
}

/// With a scale of 0 the graph moves nothing and the joint rests at its offset, whatever the policy wants.
fn refuse_dead_joints(
    entry: &Entry<'_>,
    scale: &[f64],
    picks: &[usize],
    joints: &Joints,
) -> Result<(), ManifestError> {
    let dead = scale.iter().zip(picks).find(|(scale, _)| **scale == 0.0);
    let Some((_, at)) = dead else { return Ok(()) };
    let name = joints.order.get(*at).map_or("", String::as_str);
    let hint =
        "give the scale of training; an output that shall move nothing is of kind \"ignore\", with a reason";
    Err(entry.error(
        format!("0 for `{name}`"),
        "a scale other than 0 for each joint that the output moves",
        hint,
    ))
}

fn refuse_turns(entry: &Entry<'_>, values_rad: &[f64]) -> Result<(), ManifestError> {
    refuse_beyond_a_turn(entry, values_rad, DEGREES)
}

fn refuse_beyond_a_turn(entry: &Entry<'_>, values_rad: &[f64], hint: &str) -> Result<(), ManifestError> {
    match values_rad.iter().find(|v| v.abs() > std::f64::consts::TAU) {
        Some(value) => Err(entry.error(value.to_string(), "rad, within one turn", hint)),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, Debug)]
enum ModeName {
    OpenLoop,
    TemporalEnsemble,
    ReplaceWithDelay,
    Crossfade,
}

impl Chunk {
    /// `None` for a chunk of one step, which is a plain target.
    fn parse(section: Section<'_>) -> Result<Option<Self>, ManifestError> {
        let steps = section.required("steps", "steps in the tensor")?.integer_in(1, 1000)? as usize;
        if steps == 1 {
            section.finish()?;
            return Ok(None);
        }
        let dt_ms = section.required("dt_ms", "ms from step to step")?.number_in(1.0, 10_000.0, "ms")?;
        let mode = section.required("mode", "how chunks follow each other")?;
        if mode.is("rtc_prefix") {
            let hint = "the graph would have to read the chunk before; use replace_with_delay or crossfade";
            let expected = "open_loop, temporal_ensemble, replace_with_delay or crossfade";
            return Err(mode.error("\"rtc_prefix\"", expected, hint));
        }
        let name = mode.choice(&[
            ("open_loop", ModeName::OpenLoop),
            ("temporal_ensemble", ModeName::TemporalEnsemble),
            ("replace_with_delay", ModeName::ReplaceWithDelay),
            ("crossfade", ModeName::Crossfade),
        ])?;
        let mode = match name {
            ModeName::OpenLoop => ChunkMode::OpenLoop,
            ModeName::ReplaceWithDelay => ChunkMode::ReplaceWithDelay,
            ModeName::TemporalEnsemble => ChunkMode::TemporalEnsemble {
                coeff: section.required("coeff", "decay per chunk, e.g. 0.01")?.number_in(-10.0, 10.0, "")?,
            },
            ModeName::Crossfade => ChunkMode::Crossfade {
                fade_ms: section.required("fade_ms", "ms of the fade")?.number_in(0.0, 10_000.0, "ms")?,
            },
        };
        let execute = match section.optional("execute") {
            Some(entry) => entry.integer_in(1, steps as i64)? as usize,
            None if matches!(mode, ChunkMode::TemporalEnsemble { .. }) => 1,
            None => steps,
        };
        let interpolation = match section.optional("interp") {
            Some(entry) => {
                entry.choice(&[("linear", Interpolation::Linear), ("hold", Interpolation::Hold)])?
            }
            None => Interpolation::Linear,
        };
        section.finish()?;
        Ok(Some(Self { steps, dt_ms, mode, execute, interpolation }))
    }
}
