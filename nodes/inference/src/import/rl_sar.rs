//! `config.yaml` of rl_sar with the robot's `base.yaml`.
//!
//! ```text
//! robot order   base.yaml joint_names
//! policy order  joint_mapping, rl_kp, rl_kd, action_scale, default_dof_pos, clip_actions
//! joint_mapping[i] = place in joint_names of policy joint i
//! ```
//! `observations_history` lists the runs in the tensor, 0 the newest; laid out by time or by term; its buffer begins
//! with zeros. A value is scaled, then clipped to `clip_obs`; actions are clipped, fed back, then scaled.

use super::draft::{
    Draft, DraftHistory, DraftInput, DraftNormalize, DraftOutput, DraftRuntime, DraftTerm, OutputWhat,
    TermWhat,
};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;
use super::graph_file::GraphFile;
use super::overrides::Overrides;
use super::tree::{At, Document};
use super::{Kind, widths};

pub(super) const CONFIG: &str = "config.yaml";
pub(super) const BASE: &str = "base.yaml";

const KEYS: [&str; 29] = [
    "model_name",
    "num_observations",
    "observations",
    "observations_history",
    "observations_history_priority",
    "clip_obs",
    "clip_actions_lower",
    "clip_actions_upper",
    "rl_kp",
    "rl_kd",
    "fixed_kp",
    "fixed_kd",
    "num_of_dofs",
    "action_scale",
    "wheel_indices",
    "lin_vel_scale",
    "ang_vel_scale",
    "dof_pos_scale",
    "dof_vel_scale",
    "commands_scale",
    "torque_limits",
    "default_dof_pos",
    "joint_mapping",
    "joint_names",
    "joint_controller_names",
    "dt",
    "decimation",
    "framework",
    "hip_scale_reduction_indices",
];

/// The two files, the configuration's keys winning over the base's.
struct Settings {
    config: Document,
    base: Option<Document>,
}

impl Settings {
    fn body(document: &Document) -> Result<At<'_>, ImportError> {
        let entries = document.top().entries()?;
        match entries.as_slice() {
            [(_, body)] => {
                body.closed(&KEYS)?;
                Ok(body.clone())
            }
            _ => Err(document.top().error(
                format!("{} top-level keys", entries.len()),
                "one, `ROBOT/POLICY:` or `ROBOT:`",
                "import the configuration of one policy",
            )),
        }
    }

    fn own(&self, key: &str) -> Option<At<'_>> {
        Self::body(&self.config).ok().and_then(|body| body.get(key))
    }

    fn of_base(&self, key: &str) -> Option<At<'_>> {
        self.base.as_ref().and_then(|base| Self::body(base).ok()).and_then(|body| body.get(key))
    }

    fn get(&self, key: &str) -> Option<At<'_>> {
        self.own(key).or_else(|| self.of_base(key))
    }

    fn required(&self, key: &str, expected: &str) -> Result<At<'_>, ImportError> {
        match self.get(key) {
            Some(at) => Ok(at),
            None => Self::body(&self.config)?.required(key, expected),
        }
    }

    fn number(&self, key: &str, expected: &str) -> Result<Fact<f64>, ImportError> {
        let at = self.required(key, expected)?;
        Ok(Fact::known(at.number()?, at.from()))
    }
}

pub(super) fn draft(folder: &Folder<'_>, overrides: &Overrides) -> Result<Draft, ImportError> {
    let file = folder.one(&folder.called(CONFIG), CONFIG, "import the folder of one policy")?;
    let base = folder.called(BASE);
    let base = match base.as_slice() {
        [] => None,
        several => Some(folder.document(&folder.one(several, BASE, "import the folder of one robot")?)?),
    };
    let settings = Settings { config: folder.document(&file)?, base };
    Settings::body(&settings.config)?;
    if let Some(base) = &settings.base {
        Settings::body(base)?;
    }
    refuse_what_is_not_supported(&settings)?;
    let count_at = settings.required("num_of_dofs", "number of joints")?;
    let count = count_at.index()?;
    let map_at = settings.required("joint_mapping", "place in joint_names of each policy joint")?;
    let map = map_at.indices()?;
    let distinct = (0..count).all(|i| map.contains(&i));
    if map.len() != count || !distinct {
        return Err(map_at.error(
            format!("{map:?}"),
            format!("each of 0 to {} once", count.saturating_sub(1)),
            "correct the mapping",
        ));
    }
    let joints = joint_names(&settings, &map, count, overrides)?;
    let names = joints.value().cloned().unwrap_or_default();
    let named = settings.required("model_name", "the graph's file")?;
    let graph = GraphFile::find(folder, Some(&Folder::beside(&file, named.text()?)), overrides)?;
    let ([input], [output]) = (graph.graph.inputs.as_slice(), graph.graph.outputs.as_slice()) else {
        let found = format!("{} inputs and {} outputs", graph.graph.inputs.len(), graph.graph.outputs.len());
        return Err(folder.error(found, "one input and one output", "export the actor alone"));
    };
    let (shape, dtype) = graph.port(input)?;
    let (out_shape, _) = graph.port(output)?;
    let (history, history_at) = history(&settings)?;
    let observations = settings.required("observations", "the terms")?;
    let mut terms = Vec::new();
    for at in observations.list()? {
        terms.push(term(&settings, &at, count, history, &history_at)?);
    }
    sizes(&settings, &terms)?;
    widths::check(&observations, &graph, &input.name, &shape, &terms)?;
    widths::check_output(&graph, &output.name, &out_shape, count)?;
    let priority = settings.get("observations_history_priority");
    let time_major = match priority.as_ref().map(At::text).transpose()? {
        Some("time") => history.len > 1,
        Some("term") => false,
        None if history.len == 1 => false,
        _ => {
            let at = settings.required("observations_history_priority", "\"time\" or \"term\"")?;
            return Err(at.error(at.found(), "\"time\" or \"term\"", "say how the history is laid out"));
        }
    };
    let rate_hz = rate(&settings, overrides)?;
    let default_pos_rad =
        in_policy_order(&settings, "default_dof_pos", "joints.default_pos", &map, &names, overrides)?;
    let kp = in_policy_order(&settings, "rl_kp", "joints.kp", &map, &names, overrides)?;
    let kd = in_policy_order(&settings, "rl_kd", "joints.kd", &map, &names, overrides)?;
    let scale = settings.required("action_scale", "rad per unit, per joint")?;
    let offset = default_pos_rad.clone();
    Ok(Draft {
        kind: Kind::RlSar,
        runtime: DraftRuntime::of(&rate_hz, &names, overrides)?,
        rate_hz,
        joints,
        default_pos_rad,
        kp,
        kd,
        unlike_gains: false,
        command_range: None,
        inputs: vec![DraftInput {
            tensor: input.name.clone(),
            dtype,
            shape,
            time_major,
            normalize: DraftNormalize::None("rl_sar has none outside the graph".to_owned()),
            terms,
            from: observations.from(),
        }],
        counters: Vec::new(),
        states: Vec::new(),
        outputs: vec![DraftOutput {
            tensor: output.name.clone(),
            shape: out_shape,
            what: OutputWhat::Position {
                joints: None,
                scale: Fact::known(scale.numbers_of(count, "one per policy joint")?, scale.from()),
                offset_rad: offset,
                clip_raw: clip_actions(&settings, count)?,
                clip_rad: None,
            },
            chunk: None,
            from: scale.from(),
        }],
        notes: vec![(
            "description".to_owned(),
            format!(
                "from {file}; its torque_limits and fixed gains are not used: the robot's own limits hold"
            ),
        )],
        graph: graph.files,
    })
}

fn refuse_what_is_not_supported(settings: &Settings) -> Result<(), ImportError> {
    for key in ["wheel_indices", "hip_scale_reduction_indices"] {
        if let Some(at) = settings.get(key)
            && !at.list()?.is_empty()
        {
            return Err(at.error(
                at.found(),
                "an empty list",
                "such joints are not driven by position alone; import it by hand",
            ));
        }
    }
    Ok(())
}

fn joint_names(
    settings: &Settings,
    map: &[usize],
    count: usize,
    overrides: &Overrides,
) -> Result<Fact<Vec<String>>, ImportError> {
    if let Some(given) = overrides.names("joints.order")? {
        return Ok(given);
    }
    let Some(at) = settings.get("joint_names") else {
        return Ok(Fact::unknown(
            "joint_names is in the robot's base.yaml, which is not here",
            "put base.yaml into the folder, or --set 'joints.order=[NAME, ...]' in the policy's order",
        ));
    };
    let names = at.texts()?;
    if names.len() != count {
        return Err(at.error(
            format!("{} names", names.len()),
            format!("{count}"),
            "the files are of different robots",
        ));
    }
    let mut order = Vec::with_capacity(count);
    for place in map {
        if let Some(name) = names.get(*place) {
            order.push(overrides.renamed(name)?);
        }
    }
    Ok(Fact::known(order, format!("{}, reordered by joint_mapping", at.from())))
}

/// A per-joint list in the policy's order. A list that only the base has was written for the base's own mapping.
fn in_policy_order(
    settings: &Settings,
    key: &str,
    ours: &str,
    map: &[usize],
    names: &[String],
    overrides: &Overrides,
) -> Result<Fact<Vec<f64>>, ImportError> {
    if let Some(given) = overrides.per_name(ours, names)? {
        return Ok(given);
    }
    if let Some(at) = settings.own(key) {
        return Ok(Fact::known(at.numbers_of(map.len(), "one per policy joint")?, at.from()));
    }
    let Some(at) = settings.of_base(key) else {
        return Ok(Fact::unknown(format!("{key} is in none of the files"), format!("--set {ours}=...")));
    };
    let values = at.numbers_of(map.len(), "one per joint")?;
    let base_map = match settings.of_base("joint_mapping") {
        Some(at) => at.indices()?,
        None => (0..map.len()).collect(),
    };
    let by_robot = |map: &[usize]| {
        let mut by_robot = vec![f64::NAN; map.len()];
        for (value, place) in values.iter().zip(map) {
            if let Some(slot) = by_robot.get_mut(*place) {
                *slot = *value;
            }
        }
        by_robot
    };
    if by_robot(map) == by_robot(&base_map) {
        return Ok(Fact::known(values, at.from()));
    }
    Ok(Fact::unknown(
        format!(
            "{key} stands only in {}, while config.yaml has another joint_mapping: the order of its values is not certain",
            at.from()
        ),
        format!("copy {key} into config.yaml in the policy's order, or --set {ours}={{JOINT: VALUE, ...}}"),
    ))
}

fn rate(settings: &Settings, overrides: &Overrides) -> Result<Fact<f64>, ImportError> {
    if let Some(given) = overrides.number("runtime.rate_hz")? {
        return Ok(given);
    }
    let (Some(dt), Some(decimation)) = (settings.get("dt"), settings.get("decimation")) else {
        return Ok(Fact::unknown(
            "dt and decimation are in the robot's base.yaml, which is not here",
            "put base.yaml into the folder, or --set runtime.rate_hz=50",
        ));
    };
    let period_s = dt.number()? * decimation.number()?;
    if !(0.001..=1.0).contains(&period_s) {
        return Err(dt.error(
            format!("a period of {period_s} s"),
            "0.001 to 1 s",
            "correct dt and decimation",
        ));
    }
    Ok(Fact::known((1e6 / period_s).round() / 1e6, format!("1 / ({} * decimation)", dt.from())))
}

/// The runs of the history, and where they are listed.
fn history(settings: &Settings) -> Result<(DraftHistory, String), ImportError> {
    let Some(at) = settings.get("observations_history") else {
        return Ok((DraftHistory::PRESENT, "no observations_history".to_owned()));
    };
    let runs = at.indices()?;
    let refuse = || {
        at.error(
            format!("{runs:?}"),
            "0, n, 2n, ... (newest first) or the reverse",
            "0 is the newest; other selections are not supported",
        )
    };
    let newest_first = runs.first() == Some(&0);
    let mut ascending = runs.clone();
    if !newest_first {
        ascending.reverse();
    }
    let (len, stride) = match ascending.as_slice() {
        [] | [0] => return Ok((DraftHistory::PRESENT, at.from())),
        [0, stride, ..] => (ascending.len(), *stride),
        _ => return Err(refuse()),
    };
    if stride == 0 || !ascending.iter().enumerate().all(|(i, run)| *run == i * stride) {
        return Err(refuse());
    }
    Ok((
        DraftHistory { len, stride, newest_first, zeros: true },
        format!("{}; rl_sar's buffer begins with zeros", at.from()),
    ))
}

fn term(
    settings: &Settings,
    at: &At<'_>,
    joints: usize,
    history: DraftHistory,
    history_at: &str,
) -> Result<DraftTerm, ImportError> {
    let name = at.text()?;
    let one = || Fact::known(vec![1.0], format!("{}: never scaled", at.from()));
    let scaled = |key: &str| Ok::<_, ImportError>(settings.number(key, "a factor")?.map(|v| vec![v]));
    let (what, width, scale) = match name {
        "lin_vel" => (TermWhat::LinearVelocity, 3, scaled("lin_vel_scale")?),
        "ang_vel" => (TermWhat::AngularVelocity, 3, scaled("ang_vel_scale")?),
        "gravity_vec" => (TermWhat::ProjectedGravity, 3, one()),
        "commands" => {
            let at = settings.required("commands_scale", "three factors")?;
            let scale = Fact::known(at.numbers_of(3, "vx, vy, wz")?, at.from());
            (TermWhat::Command(vec!["vx", "vy", "wz"]), 3, scale)
        }
        "dof_pos" => {
            (TermWhat::JointPosition { minus_default: true, joints: None }, joints, scaled("dof_pos_scale")?)
        }
        "dof_vel" => (TermWhat::JointVelocity { joints: None }, joints, scaled("dof_vel_scale")?),
        "actions" => (TermWhat::LastAction("clipped"), joints, one()),
        other => {
            let expected = "lin_vel, ang_vel, gravity_vec, commands, dof_pos, dof_vel or actions";
            return Err(at.error(
                format!("the term `{other}`"),
                expected,
                "train without it, or write the manifest by hand",
            ));
        }
    };
    let clip = settings.get("clip_obs").map(|at| {
        let limit = at.number()?;
        if limit > 0.0 {
            return Ok(Fact::known([-limit, limit], at.from()));
        }
        Err(at.error(limit.to_string(), "a limit above 0", "correct it"))
    });
    Ok(DraftTerm {
        name: name.to_owned(),
        what,
        width,
        scale,
        clip: clip.transpose()?,
        clip_after_scale: true,
        history: Fact::known(history, history_at),
        from: at.from(),
    })
}

/// `num_observations` is what one run of all terms takes.
fn sizes(settings: &Settings, terms: &[DraftTerm]) -> Result<(), ImportError> {
    let at = settings.required("num_observations", "values of one run")?;
    let total: usize = terms.iter().map(|t| t.width).sum();
    if at.index()? == total {
        return Ok(());
    }
    Err(at.error(
        at.found(),
        format!("{total}, the sum of the terms"),
        "a term is missing, or the number is wrong",
    ))
}

fn clip_actions(settings: &Settings, count: usize) -> Result<Option<Fact<Vec<[f64; 2]>>>, ImportError> {
    let (lower, upper) = match (settings.get("clip_actions_lower"), settings.get("clip_actions_upper")) {
        (None, None) => return Ok(None),
        (Some(lower), Some(upper)) => (lower, upper),
        (Some(one), None) | (None, Some(one)) => {
            return Err(one.error(
                "one limit without the other",
                "clip_actions_lower and clip_actions_upper",
                "give both",
            ));
        }
    };
    if lower.list()?.is_empty() || upper.list()?.is_empty() {
        return Ok(None);
    }
    let (lo, hi) =
        (lower.numbers_of(count, "one per policy joint")?, upper.numbers_of(count, "one per policy joint")?);
    if let Some((lo, hi)) = lo.iter().zip(&hi).find(|(lo, hi)| lo >= hi) {
        return Err(lower.error(format!("{lo} below {hi}"), "lower below upper", "correct the limits"));
    }
    Ok(Some(Fact::known(lo.into_iter().zip(hi).map(|(lo, hi)| [lo, hi]).collect(), lower.from())))
}
