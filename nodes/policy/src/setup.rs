//! Whether a model and a robot fit together, before anything runs.

use sinew_inference::Model;
use sinew_inference::manifest::{OutputKind, Quantity};
use sinew_wire::latency_ticks_max;

use crate::joint_map::{JointMap, JointMapError};
use crate::verify::GoldenFailure;

/// Least share of the stiffness with which a robot stands that a policy may hold a joint with. Policies are trained
/// with a quarter of it and more; below a twentieth a robot sinks by the length of its legs before it is carried.
const LEAST_STIFFNESS: f64 = 0.05;

/// Where a policy is put to work.
#[derive(Clone, Copy, Debug)]
pub struct PolicyConfig<'a> {
    /// Number by which control calls it.
    pub number: u8,
    /// The robot's joints in the order of its frames.
    pub joints: &'a [String],
    /// The robot's feet in the order of its contact values.
    pub feet: &'a [String],
    /// Largest (kp N m/rad, kd N m s/rad) of each robot joint; a manifest beyond them is refused.
    pub max_gains: Option<&'a [(f64, f64)]>,
    /// Stiffness with which the robot stands, N m/rad; a manifest with a small fraction of it is refused.
    pub stand_kp_nm_per_rad: Option<f64>,
    /// Range of each robot joint, rad; a default position outside is refused.
    pub position_limits: Option<&'a [(f64, f64)]>,
    /// Period of control, ns.
    pub period_ns: u64,
    /// Control ticks from the state of a run to the tick that uses its output, where that is more than the manifest's.
    pub latency_ticks_min: u32,
    /// Random per process start; fixed in tests.
    pub boot_id: u32,
}

/// Why a policy cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its joints are not the robot's.
    #[error("{file}:{line}: `joints.order`: {error}")]
    Joints {
        /// Manifest.
        file: String,
        /// Line of joints.order.
        line: usize,
        /// Why.
        #[source]
        error: JointMapError,
    },
    /// It reads a foot that is not the robot's.
    #[error(
        "{file}: state/contact of foot `{foot}`: found none of that name on the robot; expected one of {}; correct the term or the robot description", robot.join(", ")
    )]
    Foot {
        /// Manifest.
        file: String,
        /// Foot.
        foot: String,
        /// The robot's feet.
        robot: Vec<String>,
    },
    /// Its rate is no whole fraction of the robot's.
    #[error(
        "{file}: `runtime.rate_hz`: found {rate_hz}; expected a whole fraction of control's {control_hz} Hz; correct the rate or the robot's period"
    )]
    Rate {
        /// Manifest.
        file: String,
        /// The policy's rate.
        rate_hz: f64,
        /// Control's rate.
        control_hz: f64,
    },
    /// A latency for which more outputs would be on their way than can wait.
    #[error(
        "{file}: `runtime.latency_ticks`: found {found}; expected at most {most} for runs every {decimation} ticks, of \
         whose outputs no more can wait at once; lower latency_ticks or rate_hz"
    )]
    Latency {
        /// Manifest.
        file: String,
        /// The manifest's, ticks.
        found: u32,
        /// Most, ticks.
        most: u64,
        /// Ticks from run to run.
        decimation: u64,
    },
    /// A gain beyond what the robot allows.
    #[error(
        "{file}: `joints.{gain}` of `{joint}`: found {found}; expected at most {most}; train with lower gains or correct the robot description"
    )]
    Gain {
        /// Manifest.
        file: String,
        /// `kp` or `kd`.
        gain: &'static str,
        /// Joint.
        joint: String,
        /// Manifest's value.
        found: f64,
        /// Robot's limit.
        most: f64,
    },
    /// A joint too soft to carry what this robot weighs.
    #[error(
        "{file}:{line}: `joints.kp` of `{joint}`: found {found} N m/rad; expected at least {least}, {LEAST_STIFFNESS} \
         of the {stand} with which this robot stands; give the stiffness used in training, in N m/rad"
    )]
    Slack {
        /// Manifest.
        file: String,
        /// Line of joints.kp.
        line: usize,
        /// Joint.
        joint: String,
        /// Manifest's value, N m/rad.
        found: f64,
        /// Least allowed, N m/rad.
        least: f64,
        /// The robot's own, N m/rad.
        stand: f64,
    },
    /// A position the joint cannot take.
    #[error(transparent)]
    Position(Box<PositionError>),
    /// The engine was built from another model.
    #[error("{file}: the engine {engine} has no tensor `{tensor}` of {len} values; build it from this model")]
    Engine {
        /// Manifest.
        file: String,
        /// Engine.
        engine: String,
        /// Tensor.
        tensor: String,
        /// Values expected.
        len: usize,
    },
    /// Golden vectors do not come out.
    #[error("{file}: {error}")]
    Golden {
        /// Manifest.
        file: String,
        /// Why.
        #[source]
        error: GoldenFailure,
    },
}

/// A position that a joint of the robot cannot take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{file}:{line}: `{field}` of `{joint}`: found {found_rad} rad; expected {lo_rad} to {hi_rad} rad, the joint's range; {hint}"
)]
pub struct PositionError {
    /// Manifest.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Key.
    pub field: &'static str,
    /// Joint.
    pub joint: String,
    /// Manifest's value.
    pub found_rad: f64,
    /// Lower end of the joint's range.
    pub lo_rad: f64,
    /// Upper end.
    pub hi_rad: f64,
    /// How to mend it.
    pub hint: &'static str,
}

/// Control ticks from one frame of the policy to the next.
pub(crate) fn decimation(model: &Model, period_ns: u64) -> Result<u64, SetupError> {
    let rate_hz = model.manifest.runtime.rate_hz;
    let ticks = 1e9 / (rate_hz * period_ns as f64);
    let whole = ticks.round();
    if whole >= 1.0 && (ticks - whole).abs() < 1e-6 {
        return Ok(whole as u64);
    }
    Err(SetupError::Rate { file: model.file.clone(), rate_hz, control_hz: 1e9 / period_ns as f64 })
}

/// As many outputs are on their way as control lets wait, or fewer.
pub(crate) fn check_latency(model: &Model, decimation: u64) -> Result<(), SetupError> {
    let (found, most) = (model.manifest.runtime.latency_ticks, latency_ticks_max(decimation));
    if u64::from(found) <= most {
        return Ok(());
    }
    Err(SetupError::Latency { file: model.file.clone(), found, most, decimation })
}

pub(crate) fn check_gains(
    model: &Model,
    map: &JointMap,
    config: &PolicyConfig<'_>,
) -> Result<(), SetupError> {
    let Some(limits) = config.max_gains else { return Ok(()) };
    let joints = &model.manifest.joints;
    let gains = joints.kp_nm_per_rad.iter().zip(&joints.kd_nm_s_per_rad);
    for ((name, (kp, kd)), index) in joints.order.iter().zip(gains).zip(map.robot_indices()) {
        let (kp_max, kd_max) = limits.get(index).copied().unwrap_or((0.0, 0.0));
        for (gain, found, most) in [("kp", *kp, kp_max), ("kd", *kd, kd_max)] {
            if found > most {
                let (file, joint) = (model.file.clone(), name.clone());
                return Err(SetupError::Gain { file, gain, joint, found, most });
            }
        }
    }
    Ok(())
}

/// Joints that only their stiffness holds are stiff enough for this robot.
pub(crate) fn check_stiffness(model: &Model, config: &PolicyConfig<'_>) -> Result<(), SetupError> {
    let Some(stand) = config.stand_kp_nm_per_rad else { return Ok(()) };
    let (manifest, least) = (&model.manifest, LEAST_STIFFNESS * stand);
    let joints = &manifest.joints;
    for (index, (name, found)) in joints.order.iter().zip(&joints.kp_nm_per_rad).enumerate() {
        if *found < least && manifest.is_held_by_stiffness(index) {
            let (file, line, joint) = (model.file.clone(), joints.kp_line, name.clone());
            return Err(SetupError::Slack { file, line, joint, found: *found, least, stand });
        }
    }
    Ok(())
}

/// Default positions are ones the joints can take, and clips leave something of their range.
pub(crate) fn check_positions(
    model: &Model,
    map: &JointMap,
    config: &PolicyConfig<'_>,
) -> Result<(), SetupError> {
    let Some(limits) = config.position_limits else { return Ok(()) };
    let limits: Vec<(f64, f64)> =
        map.robot_indices().map(|index| limits.get(index).copied().unwrap_or((0.0, 0.0))).collect();
    let joints = &model.manifest.joints;
    let refuse = |line, field, joint: usize, found_rad: f64, (lo_rad, hi_rad): (f64, f64)| {
        // Half a degree of slack: what was in degrees need not come out exactly.
        let in_degrees = (lo_rad - 0.01..=hi_rad + 0.01).contains(&found_rad.to_radians());
        let hint = if in_degrees {
            "this looks like degrees: write radians (degrees * 0.0174533)"
        } else {
            "correct the manifest, the joint order or the robot description"
        };
        let (file, joint) = (model.file.clone(), joints.order.get(joint).cloned().unwrap_or_default());
        let error = PositionError { file, line, field, joint, found_rad, lo_rad, hi_rad, hint };
        Err(SetupError::Position(Box::new(error)))
    };
    for (joint, (found, range)) in joints.default_pos_rad.iter().zip(&limits).enumerate() {
        if !(range.0 - 1e-6..=range.1 + 1e-6).contains(found) {
            return refuse(joints.default_pos_line, "joints.default_pos", joint, *found, *range);
        }
    }
    for output in &model.manifest.outputs {
        let OutputKind::Target(target) = &output.kind else { continue };
        let Some(clip) = target.clip.as_ref().filter(|_| target.quantity == Quantity::Position) else {
            continue;
        };
        for (joint, [lo, hi]) in target.joints.iter().zip(clip) {
            let range = limits.get(*joint).copied().unwrap_or((0.0, 0.0));
            if *lo > range.1 || *hi < range.0 {
                let found = if *lo > range.1 { *lo } else { *hi };
                return refuse(output.line, "output.clip", *joint, found, range);
            }
        }
    }
    Ok(())
}
