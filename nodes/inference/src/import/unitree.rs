//! `deploy.yaml` of Isaac Lab trainings for Unitree robots: `params/deploy.yaml` beside `exported/policy.onnx`.
//!
//! ```text
//! motor order   (the robot's own numbers)   stiffness, damping
//! policy order  (the trainer's)             joint_ids_map, default_joint_pos, action scale and offset, terms
//! joint_ids_map[i] = motor of policy joint i
//! ```
//! Terms stand in file order, each with its whole history, oldest first; a value is clipped, then scaled. Motors have
//! numbers only, so their names must be given (`--set motors=[...]`).

use super::draft::{
    CommandRange, Draft, DraftHistory, DraftInput, DraftNormalize, DraftOutput, DraftPhase, DraftRuntime,
    DraftTerm, OutputWhat, TermWhat,
};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;
use super::graph_file::GraphFile;
use super::overrides::Overrides;
use super::tree::{At, Value};
use super::{Kind, RobotFacts, widths};

pub(super) const FILE: &str = "deploy.yaml";

const KEYS: [&str; 8] = [
    "joint_ids_map",
    "step_dt",
    "stiffness",
    "damping",
    "default_joint_pos",
    "commands",
    "actions",
    "observations",
];

pub(super) fn draft(
    folder: &Folder<'_>,
    robot: &RobotFacts,
    overrides: &Overrides,
) -> Result<Draft, ImportError> {
    let file = folder.one(&folder.called(FILE), FILE, "import the folder of one policy")?;
    let document = folder.document(&file)?;
    let top = document.top();
    top.closed(&KEYS)?;
    let map_at = top.required("joint_ids_map", "the motor of each policy joint")?;
    let map = map_at.indices()?;
    let kp_motor = top.required("stiffness", "N m/rad per motor")?;
    let motors = kp_motor.numbers()?.len();
    permutation(&map_at, &map, motors)?;
    let joints = joint_names(&map, motors, &robot.joints, overrides)?;
    let known_joints = joints.value().cloned().unwrap_or_default();
    let of_policy = |key: &str| -> Result<Fact<Vec<f64>>, ImportError> {
        let at = top.required(key, "a value per motor")?;
        let by_motor = at.numbers_of(motors, "one per motor")?;
        let value = map.iter().filter_map(|&motor| by_motor.get(motor).copied()).collect();
        Ok(Fact::known(value, format!("{}, motor order, reordered by joint_ids_map", at.from())))
    };
    let kp = gains("joints.kp", of_policy("stiffness")?, &known_joints, overrides)?;
    let kd = gains("joints.kd", of_policy("damping")?, &known_joints, overrides)?;
    let default_at = top.required("default_joint_pos", "rad per policy joint")?;
    let default_pos = default_at.numbers_of(map.len(), "one per policy joint")?;
    let step = top.required("step_dt", "s")?;
    let step_s = step.number()?;
    if !(0.001..=1.0).contains(&step_s) {
        return Err(step.error(step_s.to_string(), "0.001 to 1 s", "correct the step"));
    }
    let graph = GraphFile::find(folder, None, overrides)?;
    let ([input], [output]) = (graph.graph.inputs.as_slice(), graph.graph.outputs.as_slice()) else {
        let found = format!("{} inputs and {} outputs", graph.graph.inputs.len(), graph.graph.outputs.len());
        return Err(folder.error(
            found,
            "one input (obs) and one output (actions)",
            "export the actor alone",
        ));
    };
    let (shape, dtype) = graph.port(input)?;
    let (out_shape, _) = graph.port(output)?;
    let observations = top.required("observations", "the terms")?;
    observations.each_key_once()?;
    let terms = observations
        .entries()?
        .into_iter()
        .map(|(name, at)| term(name, &at, map.len(), &known_joints))
        .collect::<Result<Vec<_>, _>>()?;
    widths::check(&observations, &graph, &input.name, &shape, &terms)?;
    let what = action(&top.required("actions", "the actions")?, map.len())?;
    widths::check_output(&graph, &output.name, &out_shape, map.len())?;
    let rate_hz = Fact::known((1e6 / step_s).round() / 1e6, step.from());
    Ok(Draft {
        kind: Kind::Unitree,
        runtime: DraftRuntime::of(&rate_hz, &known_joints, overrides)?,
        rate_hz,
        joints,
        default_pos_rad: Fact::known(default_pos, default_at.from()),
        kp,
        kd,
        unlike_gains: false,
        command_range: command_range(&top, overrides)?,
        inputs: vec![DraftInput {
            tensor: input.name.clone(),
            dtype,
            shape,
            time_major: false,
            normalize: DraftNormalize::None("deploy.yaml has none outside the graph".to_owned()),
            terms,
            from: observations.from(),
        }],
        counters: Vec::new(),
        states: Vec::new(),
        outputs: vec![DraftOutput {
            tensor: output.name.clone(),
            shape: out_shape,
            what,
            chunk: None,
            from: format!("{file} actions"),
        }],
        notes: vec![(
            "description".to_owned(),
            format!("from {file}, whose numbers have three significant digits"),
        )],
        graph: graph.files,
    })
}

/// `joint_ids_map` names distinct motors that exist.
fn permutation(at: &At<'_>, map: &[usize], motors: usize) -> Result<(), ImportError> {
    for (index, motor) in map.iter().enumerate() {
        if *motor >= motors {
            let hint = "joint_ids_map numbers motors from 0; stiffness has one value per motor";
            return Err(at.error(
                format!("motor {motor} at {index}"),
                format!("0 to {}", motors.saturating_sub(1)),
                hint,
            ));
        }
        if map.iter().take(index).any(|m| m == motor) {
            return Err(at.error(format!("motor {motor} twice"), "each motor once", "export again"));
        }
    }
    Ok(())
}

/// Policy joint i is motor `map[i]`; the motors' names come from the user.
fn joint_names(
    map: &[usize],
    motors: usize,
    robot: &[String],
    overrides: &Overrides,
) -> Result<Fact<Vec<String>>, ImportError> {
    let Some(given) = overrides.names("motors")? else {
        return Ok(Fact::unknown(
            format!("{FILE} numbers the motors 0 to {} and names none", motors.saturating_sub(1)),
            format!(
                "--set 'motors=[NAME, ...]' in motor order (the robot's own joint order, if its motors are numbered so: {})",
                robot.join(", ")
            ),
        ));
    };
    let names = given.value().cloned().unwrap_or_default();
    if names.len() != motors {
        let reason = format!("{} names; {FILE} has {motors} motors", names.len());
        return Err(ImportError::Override { key: "motors".to_owned(), reason });
    }
    Ok(given.map(|_| map.iter().filter_map(|&motor| names.get(motor).cloned()).collect()))
}

fn gains(
    key: &str,
    own: Fact<Vec<f64>>,
    joints: &[String],
    overrides: &Overrides,
) -> Result<Fact<Vec<f64>>, ImportError> {
    Ok(overrides.per_name(key, joints)?.unwrap_or(own))
}

fn term(name: &str, at: &At<'_>, joints: usize, names: &[String]) -> Result<DraftTerm, ImportError> {
    at.closed(&["params", "clip", "scale", "history_length"])?;
    let params = at.get("params").filter(|p| !matches!(p.value(), Value::Map(e) if e.is_empty()));
    let subset = joint_subset(params.as_ref(), joints)?;
    let names_of = |ids: &Option<Vec<usize>>| {
        ids.as_ref().map(|ids| ids.iter().filter_map(|i| names.get(*i).cloned()).collect::<Vec<_>>())
    };
    let width = subset.as_ref().map_or(joints, Vec::len);
    let no_params = |what: TermWhat, width: usize| match &params {
        Some(params) if name != "velocity_commands" => Err(params.error(
            params.found(),
            "no parameters",
            "this parameter may change the term's meaning; import it by hand",
        )),
        _ => Ok((what, width)),
    };
    let (what, width) = match name {
        "base_ang_vel" => no_params(TermWhat::AngularVelocity, 3)?,
        "base_lin_vel" => no_params(TermWhat::LinearVelocity, 3)?,
        "projected_gravity" => no_params(TermWhat::ProjectedGravity, 3)?,
        "velocity_commands" => no_params(TermWhat::Command(vec!["vx", "vy", "wz"]), 3)?,
        "joint_pos_rel" => {
            (TermWhat::JointPosition { minus_default: true, joints: names_of(&subset) }, width)
        }
        "joint_pos" => (TermWhat::JointPosition { minus_default: false, joints: names_of(&subset) }, width),
        "joint_vel_rel" | "joint_vel" => (TermWhat::JointVelocity { joints: names_of(&subset) }, width),
        "last_action" => no_params(TermWhat::LastAction("raw"), joints)?,
        "gait_phase" => {
            let period = at.required("params", "params.period")?.required("period", "s per gait cycle")?;
            let period_s = period.number()?;
            if period_s <= 0.0 {
                let hint = "write the seconds of one gait cycle, as in training";
                return Err(period.error(period.found(), "s, above zero", hint));
            }
            let phase = DraftPhase {
                cos_first: false,
                period_s,
                freeze_below: None,
                offsets_turns: vec![0.0],
                start_turns: 0.0,
                rest_at_pi: false,
                by_function: false,
            };
            (TermWhat::Phase(Fact::known(phase, period.from())), 2)
        }
        _ => {
            let expected = "base_ang_vel, base_lin_vel, projected_gravity, velocity_commands, joint_pos_rel, joint_pos, joint_vel_rel, joint_vel, last_action or gait_phase";
            return Err(at.error(
                format!("the term `{name}`"),
                expected,
                "train without it, or write the manifest by hand",
            ));
        }
    };
    let scale = match at.get("scale") {
        Some(scale) => Fact::known(scale.numbers_of(width, "one per value of the term")?, scale.from()),
        None => Fact::known(vec![1.0], format!("{}: no scale", at.from())),
    };
    let clip = at
        .get("clip")
        .map(|clip| Ok::<_, ImportError>(Fact::known(clip.pair()?, clip.from())))
        .transpose()?;
    let history = match at.get("history_length") {
        Some(length) => {
            let len = length.index()?.max(1);
            Fact::known(DraftHistory { len, ..DraftHistory::PRESENT }, length.from())
        }
        None => Fact::known(DraftHistory::PRESENT, format!("{}: no history_length", at.from())),
    };
    Ok(DraftTerm {
        name: name.to_owned(),
        what,
        width,
        scale,
        clip,
        clip_after_scale: false,
        history,
        from: at.from(),
    })
}

/// `params.asset_cfg.joint_ids`: policy joints of a term; `None` for all.
fn joint_subset(params: Option<&At<'_>>, joints: usize) -> Result<Option<Vec<usize>>, ImportError> {
    let Some(ids) = params.and_then(|p| p.get("asset_cfg")).and_then(|c| c.get("joint_ids")) else {
        return Ok(None);
    };
    if whole_slice(&ids) {
        return Ok(None);
    }
    let list = ids.indices()?;
    if let Some(bad) = list.iter().find(|i| **i >= joints) {
        return Err(ids.error(
            format!("joint {bad}"),
            format!("0 to {}", joints.saturating_sub(1)),
            "correct the list",
        ));
    }
    Ok(Some(list))
}

/// A Python `slice(None)`, written as a tagged list of three nulls.
fn whole_slice(at: &At<'_>) -> bool {
    matches!(at.value(), Value::List(items) if items.len() == 3 && items.iter().all(|i| i.value == Value::Null))
}

/// `joint_names` are expressions: `.*` fits every name, and as many plain names as joints are all of them.
fn every_name(at: &At<'_>, joints: usize) -> Result<(), ImportError> {
    let texts = at.texts()?;
    let plain = |text: &String| text.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    let distinct = texts.iter().enumerate().all(|(i, text)| !texts.iter().take(i).any(|other| other == text));
    if texts.iter().any(|text| text == ".*") || (texts.len() == joints && distinct && texts.iter().all(plain))
    {
        return Ok(());
    }
    let hint = "a policy of some joints must be imported by hand; write [.*] if these are all";
    Err(at.error(format!("[{}]", texts.join(", ")), format!("[.*], all {joints} joints"), hint))
}

fn action(actions: &At<'_>, joints: usize) -> Result<OutputWhat, ImportError> {
    let entries = actions.entries()?;
    let [("JointPositionAction", at)] = entries.as_slice() else {
        let found: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        return Err(actions.error(
            found.join(", "),
            "JointPositionAction alone",
            "other actions are not supported",
        ));
    };
    at.closed(&["clip", "joint_names", "scale", "offset", "joint_ids"])?;
    if let Some(names) = at.get("joint_names") {
        every_name(&names, joints)?;
    }
    if let Some(ids) = at.get("joint_ids")
        && !whole_slice(&ids)
    {
        let all = ids.indices()?.into_iter().eq(0..joints);
        if !all {
            let hint = "a policy of some joints, or of joints in another order, must be imported by hand";
            return Err(ids.error(ids.found(), format!("all {joints} joints in order"), hint));
        }
    }
    let scale = at.required("scale", "rad per unit, per joint")?;
    let offset = at.required("offset", "rad per joint")?;
    let clip_rad = match at.get("clip") {
        None => None,
        Some(clip) => {
            let pairs = clip.list()?;
            if pairs.len() != joints {
                return Err(clip.error(
                    format!("{} pairs", pairs.len()),
                    format!("{joints}"),
                    "one pair per joint",
                ));
            }
            let pairs = pairs.iter().map(At::pair).collect::<Result<Vec<_>, _>>()?;
            Some(Fact::known(pairs, clip.from()))
        }
    };
    Ok(OutputWhat::Position {
        joints: None,
        scale: Fact::known(scale.numbers_of(joints, "one per policy joint")?, scale.from()),
        offset_rad: Fact::known(offset.numbers_of(joints, "one per policy joint")?, offset.from()),
        clip_raw: None,
        clip_rad,
    })
}

/// `commands.base_velocity.ranges`, to which the velocity command is clamped.
fn command_range(top: &At<'_>, overrides: &Overrides) -> Result<Option<Fact<CommandRange>>, ImportError> {
    let Some(commands) = top.get("commands") else { return Ok(None) };
    commands.closed(&["base_velocity"])?;
    let Some(velocity) = commands.get("base_velocity") else { return Ok(None) };
    velocity.closed(&["ranges"])?;
    let ranges = velocity.required("ranges", "the ranges of the command")?;
    ranges.closed(&["lin_vel_x", "lin_vel_y", "ang_vel_z", "heading"])?;
    if overrides.peek("command.range").is_some() {
        return Ok(None);
    }
    let axis = |key| ranges.get(key).map(|at: At<'_>| at.command_range()).transpose();
    let value = [axis("lin_vel_x")?, axis("lin_vel_y")?, axis("ang_vel_z")?];
    Ok(Some(Fact::known(value, ranges.from())))
}
