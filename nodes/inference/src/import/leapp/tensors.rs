//! What each tensor of a bundle means: quantities, element names, frames, gains.

use crate::onnx::{AttributeValue, Constant, ConstantData, Graph};

use super::super::draft::{
    DraftChunk, DraftHistory, DraftInput, DraftNormalize, DraftOutput, DraftTerm, Numbers, OutputWhat,
    TermWhat,
};
use super::super::error::ImportError;
use super::super::fact::Fact;
use super::super::overrides::Overrides;
use super::super::runtime::interpolation;
use super::super::tree::Value;
use super::bundle::Tensor;

/// How a temporal axis is written among the element names.
pub(super) const TEMPORAL: &str = "__temporal_axis__";

/// Names of the elements of the last axis, from the YAML or from `elements.TENSOR`.
pub(super) fn elements(
    tensor: &Tensor<'_>,
    overrides: &Overrides,
) -> Result<Option<Fact<Vec<String>>>, ImportError> {
    if let Some(given) = overrides.names(&format!("elements.{}", tensor.name))? {
        return Ok(Some(given));
    }
    let Some(at) = tensor.at.get("element_names") else { return Ok(None) };
    let axes = at.list()?;
    let named = axes.iter().rev().find(|axis| matches!(axis.value(), Value::List(_)));
    let Some(names) = named else { return Ok(None) };
    let names = names.texts()?;
    let last = tensor.shape.last().copied().unwrap_or(0);
    if names.len() != last {
        let hint = "the names and the tensor are not of the same export";
        return Err(at.error(
            format!("{} names", names.len()),
            format!("{last}, the size of the last axis"),
            hint,
        ));
    }
    Ok(Some(Fact::known(names, at.from())))
}

/// Joint names of a tensor of joint values.
pub(super) fn names_of(tensor: &Tensor<'_>, overrides: &Overrides) -> Result<Fact<Vec<String>>, ImportError> {
    Ok(elements(tensor, overrides)?.unwrap_or_else(|| {
        Fact::unknown(
            format!("`{}` has no element_names", tensor.name),
            format!("--set 'elements.{}=[JOINT, ...]' in the tensor's order", tensor.name),
        )
    }))
}

pub(super) fn renamed(
    names: &Fact<Vec<String>>,
    overrides: &Overrides,
) -> Result<Fact<Vec<String>>, ImportError> {
    let mut robot = Vec::new();
    for name in names.value().map(Vec::as_slice).unwrap_or_default() {
        robot.push(overrides.renamed(name)?);
    }
    Ok(names.clone().map(|_| robot))
}

pub(super) fn input(
    tensor: &Tensor<'_>,
    joints: &[String],
    overrides: &Overrides,
) -> Result<DraftInput, ImportError> {
    if tensor.at.get("temporal_period_ms").is_some() {
        return Err(tensor.at.error(
            "an input with a temporal axis",
            "one moment",
            "keep the history inside the graph as a state",
        ));
    }
    let width: usize = tensor.shape.iter().product();
    let mut scale = Fact::known(vec![1.0], "scaled inside the graph");
    let of_joints = || -> Result<(Option<Vec<String>>, Option<Numbers>), ImportError> {
        let names = renamed(&names_of(tensor, overrides)?, overrides)?;
        let unknown = match names.clone() {
            Fact::Unknown { why, supply } => Some(Fact::Unknown { why, supply }),
            Fact::Known { .. } | Fact::Assumed { .. } => None,
        };
        Ok((names.value().filter(|n| n.as_slice() != joints).cloned(), unknown))
    };
    let property =
        tensor.at.get("isaaclab_connection").and_then(|c| c.text().ok()).and_then(|c| c.rsplit(':').next());
    let what = match (tensor.kind()?, property) {
        (_, Some("projected_gravity_b")) => TermWhat::ProjectedGravity,
        (Some("state/joint/position"), _) => {
            let (joints, unknown) = of_joints()?;
            scale = unknown.unwrap_or(scale);
            TermWhat::JointPosition { minus_default: false, joints }
        }
        (Some("state/joint/velocity"), _) => {
            let (joints, unknown) = of_joints()?;
            scale = unknown.unwrap_or(scale);
            TermWhat::JointVelocity { joints }
        }
        (Some("state/joint/effort"), _) => {
            let (joints, unknown) = of_joints()?;
            scale = unknown.unwrap_or(scale);
            TermWhat::JointEffort { joints }
        }
        (Some(kind @ ("state/body/angular_velocity" | "state/body/linear_velocity")), property) => {
            if let Some(unknown) = body_frame(tensor, property, overrides)? {
                scale = unknown;
            }
            if kind.ends_with("angular_velocity") {
                TermWhat::AngularVelocity
            } else {
                TermWhat::LinearVelocity
            }
        }
        (Some("state/body/rotation"), _) => match rotation(tensor, overrides)? {
            Fact::Known { value, .. } | Fact::Assumed { value, .. } => TermWhat::Rotation(value),
            Fact::Unknown { why, supply } => {
                scale = Fact::Unknown { why, supply };
                TermWhat::Rotation("quaternion_wxyz")
            }
        },
        (Some("command/body/velocity"), _) => match axes(tensor, overrides)? {
            Fact::Known { value, .. } | Fact::Assumed { value, .. } => TermWhat::Command(value),
            Fact::Unknown { why, supply } => {
                scale = Fact::Unknown { why, supply };
                TermWhat::Command(vec!["vx", "vy", "wz"])
            }
        },
        _ => {
            let found = tensor.at.get("kind").map_or("no kind".to_owned(), |k| k.found());
            let expected = "state/joint/position, velocity or effort, state/body/angular_velocity, linear_velocity or rotation, or command/body/velocity";
            return Err(tensor.at.error(
                format!("{found} of `{}`", tensor.name),
                expected,
                "annotate it, keep it inside the graph, or write the manifest by hand",
            ));
        }
    };
    let term = DraftTerm {
        name: tensor.name.to_owned(),
        what,
        width,
        scale,
        clip: None,
        clip_after_scale: false,
        history: Fact::known(DraftHistory::PRESENT, "history is inside the graph"),
        from: tensor.at.from(),
    };
    Ok(DraftInput {
        tensor: tensor.name.to_owned(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        time_major: false,
        normalize: DraftNormalize::None("inside the graph".to_owned()),
        terms: vec![term],
        from: tensor.at.from(),
    })
}

/// A body vector must be in the base frame: by Isaac Lab's suffix `_b`, or said by the user. `Some` when unknown.
pub(super) fn body_frame(
    tensor: &Tensor<'_>,
    property: Option<&str>,
    overrides: &Overrides,
) -> Result<Option<Fact<Vec<f64>>>, ImportError> {
    let key = format!("frame.{}", tensor.name);
    let said = overrides.text(&key)?;
    match (said.as_deref(), property) {
        (Some("base"), _) => {}
        (Some(other), _) => {
            return Err(ImportError::Override {
                key,
                reason: format!("found {other}; expected base: other frames are not supported"),
            });
        }
        (None, Some(p)) if p.ends_with("_b") => {}
        (None, Some(p)) if p.ends_with("_w") => {
            let hint = "use the velocity in the base frame in training";
            return Err(tensor.at.error(
                format!("`{p}`, a vector in the world frame"),
                "the base frame (_b)",
                hint,
            ));
        }
        (None, _) => {
            let why = format!("`{}` does not say its frame", tensor.name);
            return Ok(Some(Fact::unknown(why, format!("--set {key}=base, when it is in the base frame"))));
        }
    }
    if let Some(names) = elements(tensor, overrides)?
        && let Some(names) = names.value()
        && !["x", "y", "z"].iter().zip(names).all(|(axis, name)| name.ends_with(axis))
    {
        return Err(tensor.at.error(names.join(", "), "x, y, z", "reorder it in training"));
    }
    Ok(None)
}

pub(super) fn rotation(
    tensor: &Tensor<'_>,
    overrides: &Overrides,
) -> Result<Fact<&'static str>, ImportError> {
    let Some(names) = elements(tensor, overrides)? else {
        return Ok(Fact::unknown(
            format!("`{}` does not say the order of its elements", tensor.name),
            format!("--set 'elements.{}=[qw, qx, qy, qz]' or [qx, qy, qz, qw]", tensor.name),
        ));
    };
    let last: String = names.value().into_iter().flatten().filter_map(|n| n.chars().last()).collect();
    match last.as_str() {
        "wxyz" => Ok(names.map(|_| "quaternion_wxyz")),
        "xyzw" => Ok(names.map(|_| "quaternion_xyzw")),
        _ => {
            let found = names.value().map(|n| n.join(", ")).unwrap_or_default();
            Err(tensor.at.error(found, "qw, qx, qy, qz or qx, qy, qz, qw", "export a quaternion"))
        }
    }
}

pub(super) fn axes(
    tensor: &Tensor<'_>,
    overrides: &Overrides,
) -> Result<Fact<Vec<&'static str>>, ImportError> {
    let Some(names) = elements(tensor, overrides)? else {
        return Ok(Fact::unknown(
            format!("`{}` does not name its elements", tensor.name),
            format!("--set 'elements.{}=[vx, vy, wz]' in the tensor's order", tensor.name),
        ));
    };
    let axis = |name: &String| match name.as_str() {
        "vx" | "lin_vel_x" | "linear_x" | "linear.x" | "x" => Some("vx"),
        "vy" | "lin_vel_y" | "linear_y" | "linear.y" | "y" => Some("vy"),
        "wz" | "ang_vel_z" | "angular_z" | "angular.z" | "yaw_rate" => Some("wz"),
        _ => None,
    };
    let axes: Option<Vec<&'static str>> = names.value().and_then(|n| n.iter().map(axis).collect());
    match axes {
        Some(axes) => Ok(names.map(|_| axes)),
        None => {
            let found = names.value().map(|n| n.join(", ")).unwrap_or_default();
            let hint = format!("say which is which: --set 'elements.{}=[vx, vy, wz]'", tensor.name);
            Err(tensor.at.error(found, "lin_vel_x, lin_vel_y, ang_vel_z in some order", hint))
        }
    }
}

pub(super) fn output(
    tensor: &Tensor<'_>,
    kind: Option<&str>,
    joints: &[String],
    overrides: &Overrides,
) -> Result<DraftOutput, ImportError> {
    let what = match kind {
        Some("target/joint/position") => {
            let names = renamed(&names_of(tensor, overrides)?, overrides)?;
            let subset = names.value().filter(|n| n.as_slice() != joints).cloned();
            OutputWhat::Position {
                joints: subset,
                scale: Fact::known(vec![1.0], "scaled inside the graph"),
                offset_rad: Fact::known(vec![0.0], "offset inside the graph"),
                clip_raw: None,
                clip_rad: None,
            }
        }
        Some(gain @ ("kp" | "kd")) => {
            OutputWhat::Ignore(format!("a constant of the graph, in joints.{gain}"))
        }
        _ => {
            let found = tensor.at.get("kind").map_or("no kind".to_owned(), |k| k.found());
            let expected = "target/joint/position, kp or kd, or a source of feedback";
            return Err(tensor.at.error(
                format!("{found} of `{}`", tensor.name),
                expected,
                "this stack cannot carry out such an output; export without it",
            ));
        }
    };
    Ok(DraftOutput {
        tensor: tensor.name.to_owned(),
        shape: tensor.shape.clone(),
        what,
        chunk: chunk(tensor, overrides)?,
        from: tensor.at.from(),
    })
}

/// A temporal axis of an output: actions in advance.
pub(super) fn chunk(tensor: &Tensor<'_>, overrides: &Overrides) -> Result<Option<DraftChunk>, ImportError> {
    let axes = tensor.at.get("element_names").map(|a| a.list()).transpose()?.unwrap_or_default();
    let temporal = axes.iter().any(|a| a.text().is_ok_and(|t| t == TEMPORAL));
    if !temporal {
        return Ok(None);
    }
    let period = tensor.at.required("temporal_period_ms", "ms from one action to the next")?;
    let [1, steps, _] = tensor.shape.as_slice() else {
        return Err(tensor.at.error(
            format!("{:?}", tensor.shape),
            "[1, steps, joints]",
            "export the chunk in this layout",
        ));
    };
    let execute = match overrides.get("chunk.execute") {
        Some(at) => Fact::known(at.index()?, at.from()),
        None => Fact::unknown(
            "the bundle does not say how many actions of a chunk are used",
            "--set chunk.execute=N",
        ),
    };
    let dt_s = Fact::known(period.number()? / 1000.0, period.from());
    let interpolation = interpolation(overrides)?;
    Ok(Some(DraftChunk { steps: *steps, execute, dt_s, ensemble: None, interpolation }))
}

/// The values of a gain output, which must be a constant of the graph, in the policy's order.
pub(super) fn gain(
    tensor: &Tensor<'_>,
    graph: &Graph,
    joints: &[String],
    overrides: &Overrides,
) -> Result<Fact<Vec<f64>>, ImportError> {
    let kind = tensor.at.get("kind").map(|k| k.found()).unwrap_or_default();
    let supply = format!("--set joints.{}=...", kind.trim_matches('`'));
    let Some(values) = constant(graph, tensor.name) else {
        return Ok(Fact::unknown(
            format!("output `{}` depends on the inputs; this stack keeps gains fixed", tensor.name),
            supply,
        ));
    };
    if values.iter().all(|v| *v == 0.0) {
        return Ok(Fact::unknown(
            format!(
                "output `{}` is zero for all joints, as exports of explicit actuators have it: the gains were lost",
                tensor.name
            ),
            supply,
        ));
    }
    let names = renamed(&names_of(tensor, overrides)?, overrides)?;
    let Some(order) = names.value() else { return Ok(names.map(|_| Vec::new())) };
    let of = |joint: &String| order.iter().position(|n| n == joint).and_then(|i| values.get(i).copied());
    match joints.iter().map(of).collect::<Option<Vec<f64>>>() {
        Some(reordered) => Ok(Fact::known(reordered, format!("{}, by name", tensor.at.from()))),
        None => Err(tensor.at.error(
            order.join(", "),
            joints.join(", "),
            "gains and targets name different joints",
        )),
    }
}

/// The value of a tensor that no input reaches: an initialiser, perhaps through nodes that only rename it.
pub(super) fn constant(graph: &Graph, tensor: &str) -> Option<Vec<f64>> {
    let values = |c: &Constant| match &c.data {
        ConstantData::F32(values) => Some(values.iter().map(|v| f64::from(*v)).collect()),
        ConstantData::I64(_) => None,
    };
    let mut tensor = tensor;
    // A file may hold a ring of nodes: no chain is longer than there are nodes.
    for _ in 0..=graph.nodes.len() {
        if let Some(found) = graph.constants.iter().find(|c| c.name == tensor) {
            return values(found);
        }
        let node = graph.nodes.iter().find(|n| n.outputs.iter().any(|o| o == tensor))?;
        match node.op.as_str() {
            "Constant" => {
                return node.attributes.iter().find_map(|a| match &a.value {
                    AttributeValue::Tensor(c) => values(c),
                    _ => None,
                });
            }
            "Identity" | "Reshape" | "Unsqueeze" | "Squeeze" | "Flatten" => tensor = node.inputs.first()?,
            _ => return None,
        }
    }
    None
}
