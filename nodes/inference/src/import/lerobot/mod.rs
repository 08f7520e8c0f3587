//! LeRobot policies: `config.json`, `policy_preprocessor.json` and `policy_postprocessor.json` with their statistics,
//! an ONNX export of the network beside them, and the data set's `info.json` for names and rate.
//!
//! The network sees normalised values; statistics and modes are outside of it (a graph that holds the same statistics
//! again is refused). Units are the data set's own and often degrees, so the user says them. Gains are nowhere.

mod processors;

use super::draft::{
    Draft, DraftChunk, DraftHistory, DraftInput, DraftOutput, DraftRuntime, DraftTerm, OutputWhat, TermWhat,
};
use super::error::ImportError;
use super::fact::Fact;
use super::folder::Folder;
use super::graph_file::GraphFile;
use super::overrides::Overrides;
use super::runtime::{interpolation, standing_posture};
use super::tree::{At, Document};
use super::{Kind, RobotFacts};
use processors::{input_normalisation, norm, not_twice, output_scaling};

pub(super) const CONFIG: &str = "config.json";
const STATE: &str = "observation.state";
const ACTION: &str = "action";

pub(super) fn draft(
    folder: &Folder<'_>,
    robot: &RobotFacts,
    overrides: &Overrides,
) -> Result<Draft, ImportError> {
    let file = folder.one(&folder.called(CONFIG), CONFIG, "import the folder of one policy")?;
    let document = folder.document(&file)?;
    let config = document.top();
    let (state_len, action_len) = features(&config)?;
    let info = folder.called("info.json");
    let info = match info.as_slice() {
        [] => None,
        several => Some(folder.document(&folder.one(several, "info.json", "keep one data set's")?)?),
    };
    let joints = names(info.as_ref(), ACTION, action_len, "joints.order", overrides)?;
    let state_names = names(info.as_ref(), STATE, state_len, "features.state", overrides)?;
    let known = joints.value().cloned().unwrap_or_default();
    let graph = GraphFile::find(folder, None, overrides)?;
    let ([input], [output]) = (graph.graph.inputs.as_slice(), graph.graph.outputs.as_slice()) else {
        let found = format!("{} inputs and {} outputs", graph.graph.inputs.len(), graph.graph.outputs.len());
        return Err(folder.error(
            found,
            "the state in and the actions out",
            "export the network for the state alone",
        ));
    };
    let (shape, dtype) = graph.port(input)?;
    if shape.iter().product::<usize>() != state_len {
        let at = config.required("input_features", "the inputs")?;
        return Err(at.error(
            format!("{state_len} values"),
            format!("{shape:?} of `{}`", input.name),
            "config.json and graph are not of the same export",
        ));
    }
    let (out_shape, _) = graph.port(output)?;
    let before = norm(folder, "policy_preprocessor.json", "normalizer_processor", "STATE")?;
    let after = norm(folder, "policy_postprocessor.json", "unnormalizer_processor", "ACTION")?;
    let (normalize, in_stats) = input_normalisation(folder, &before, state_len)?;
    if let Some(stats) = &in_stats {
        not_twice(folder, &graph, stats, state_len)?;
    }
    let units = units(overrides)?;
    let rad_per_unit = units.value().copied().unwrap_or(1.0);
    let (scale, offset) = output_scaling(folder, &after, action_len, rad_per_unit)?;
    let terms = state_terms(&state_names, &known, state_len, &units)?;
    let chunk = chunk(&config, &out_shape, action_len, info.as_ref(), overrides)?;
    let fps = info.as_ref().and_then(fps);
    let rate_hz = match (overrides.number("runtime.rate_hz")?, fps) {
        (Some(given), _) => given,
        (None, Some((fps, from))) => Fact::known(fps?, from),
        (None, None) => Fact::unknown(
            "config.json does not say the rate; the data set's meta/info.json (fps) is not here",
            "copy info.json into the folder, or --set runtime.rate_hz=30",
        ),
    };
    let gain = |key: &str| -> Result<Fact<Vec<f64>>, ImportError> {
        let key = format!("joints.{key}");
        Ok(overrides.per_name(&key, &known)?.unwrap_or_else(|| {
            Fact::unknown(
                "LeRobot leaves the gains to the servos and does not record them",
                format!("--set {key}=..."),
            )
        }))
    };
    let (kp, kd) = (gain("kp")?, gain("kd")?);
    let default_pos_rad = match overrides.per_name("joints.default_pos", &known)? {
        Some(given) => given,
        None => standing_posture(robot.stand_of(&known)),
    };
    let what =
        OutputWhat::Position { joints: None, scale, offset_rad: offset, clip_raw: None, clip_rad: None };
    let kind = config.required("type", "the policy's type")?.text()?;
    Ok(Draft {
        kind: Kind::Lerobot,
        runtime: DraftRuntime::of(&rate_hz, &known, overrides)?,
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
            time_major: false,
            normalize,
            terms,
            from: format!("{file} input_features"),
        }],
        counters: Vec::new(),
        states: Vec::new(),
        outputs: vec![DraftOutput {
            tensor: output.name.clone(),
            shape: out_shape,
            what,
            chunk,
            from: format!("{file} output_features"),
        }],
        notes: vec![("description".to_owned(), format!("LeRobot policy of type {kind}"))],
        graph: graph.files,
    })
}

/// Sizes of the state and the action; anything else that goes in or out is refused.
fn features(config: &At<'_>) -> Result<(usize, usize), ImportError> {
    let steps = config.get("n_obs_steps").map(|n| n.index()).transpose()?.unwrap_or(1);
    if steps != 1 {
        let at = config.required("n_obs_steps", "1")?;
        return Err(at.error(at.found(), "1", "policies that look at several moments are not supported"));
    }
    let size = |section: &str, wanted: &str| -> Result<usize, ImportError> {
        let all = config.required(section, "the features")?;
        let mut size = None;
        for (name, at) in all.entries()? {
            if name != wanted {
                let kind = at.get("type").map(|t| t.found()).unwrap_or_default();
                let hint = "this policy node has joints only, no cameras or other inputs; run it elsewhere and send its actions";
                return Err(at.error(format!("`{name}` of type {kind}"), format!("{wanted} alone"), hint));
            }
            let shape = at.required("shape", "the shape")?;
            match shape.indices()?.as_slice() {
                [n] if *n > 0 => size = Some(*n),
                _ => return Err(shape.error(shape.found(), "one dimension", "flatten it")),
            }
        }
        size.ok_or_else(|| all.error("nothing", wanted, "export a policy with joint states"))
    };
    Ok((size("input_features", STATE)?, size("output_features", ACTION)?))
}

/// Names of a feature's values: the user's, or the data set's, `.pos` being a joint's position.
fn names(
    info: Option<&Document>,
    feature: &str,
    count: usize,
    key: &str,
    overrides: &Overrides,
) -> Result<Fact<Vec<String>>, ImportError> {
    let named = match overrides.names(key)? {
        Some(given) => given,
        None => {
            // Feature names hold dots, so they are looked for as one key.
            let at = info
                .and_then(|i| i.top().get("features"))
                .and_then(|f| f.get(feature))
                .and_then(|f| f.get("names"));
            match at {
                Some(at) => Fact::known(at.texts()?, at.from()),
                None => {
                    let why = format!(
                        "config.json gives only the size of {feature} ({count}); the data set's meta/info.json with its names is not here"
                    );
                    return Ok(Fact::unknown(
                        why,
                        format!("copy info.json into the folder, or --set '{key}=[NAME, ...]'"),
                    ));
                }
            }
        }
    };
    let list = named.value().cloned().unwrap_or_default();
    if list.len() != count {
        let reason = format!("{} names for the {count} values of {feature}", list.len());
        return Err(ImportError::Override { key: key.to_owned(), reason });
    }
    let mut robot = Vec::with_capacity(count);
    for name in &list {
        let (joint, quantity) = match name.rsplit_once('.') {
            Some((joint, quantity @ ("pos" | "vel"))) => (joint, quantity),
            _ => (name.as_str(), "pos"),
        };
        let renamed = overrides.renamed(joint)?;
        robot.push(if feature == ACTION { renamed } else { format!("{renamed}.{quantity}") });
    }
    Ok(named.map(|_| robot))
}

/// rad per unit of the data set.
fn units(overrides: &Overrides) -> Result<Fact<f64>, ImportError> {
    let Some(at) = overrides.get("units") else {
        return Ok(Fact::unknown(
            "the data set's units are not recorded: LeRobot arms use degrees or percent of the range, others radians",
            "--set units=rad or --set units=deg (percent of the range: convert in training)",
        ));
    };
    match at.text()? {
        "rad" => Ok(Fact::known(1.0, at.from())),
        "deg" => Ok(Fact::known(core::f64::consts::PI / 180.0, at.from())),
        _ => Err(at.error(at.found(), "rad or deg", "other units must be converted in training")),
    }
}

/// The state as terms: runs of positions, then of velocities, each of named joints.
fn state_terms(
    names: &Fact<Vec<String>>,
    joints: &[String],
    count: usize,
    units: &Fact<f64>,
) -> Result<Vec<DraftTerm>, ImportError> {
    let unit_scale = || units.clone().map(|rad| vec![1.0 / rad]);
    let term = |name: &str, what: TermWhat, width: usize, scale: Fact<Vec<f64>>| DraftTerm {
        name: name.to_owned(),
        what,
        width,
        scale,
        clip: None,
        clip_after_scale: false,
        history: Fact::known(DraftHistory::PRESENT, "n_obs_steps 1"),
        from: names.origin().into_owned(),
    };
    let Some(list) = names.value() else {
        let Fact::Unknown { why, supply } = names else { return Ok(Vec::new()) };
        let what = TermWhat::JointPosition { minus_default: false, joints: None };
        return Ok(vec![term(STATE, what, count, Fact::unknown(why.clone(), supply.clone()))]);
    };
    let mut runs: Vec<(&str, Vec<String>)> = Vec::new();
    for name in list {
        let (joint, quantity) = name.rsplit_once('.').unwrap_or((name, "pos"));
        match runs.last_mut() {
            Some((last, run)) if *last == quantity => run.push(joint.to_owned()),
            _ => runs.push((quantity, vec![joint.to_owned()])),
        }
    }
    let one = |(quantity, run): (&str, Vec<String>)| {
        let width = run.len();
        let subset = (run != joints).then_some(run);
        match quantity {
            "vel" => term(
                "observation.state velocities",
                TermWhat::JointVelocity { joints: subset },
                width,
                unit_scale(),
            ),
            _ => {
                let what = TermWhat::JointPosition { minus_default: false, joints: subset };
                term("observation.state positions", what, width, unit_scale())
            }
        }
    };
    Ok(runs.into_iter().map(one).collect())
}

/// Weight of a chunk against the one before it is exp(-coefficient).
fn coefficient(at: &At<'_>) -> Result<f64, ImportError> {
    let value = at.number()?;
    if (-10.0..=10.0).contains(&value) {
        return Ok(value);
    }
    Err(at.error(
        at.found(),
        "-10 to 10, e.g. 0.01",
        "correct it, or set it to null for one chunk after the other",
    ))
}

/// The data set's frames per second, within what a policy may run at, and where it stands.
fn fps(info: &Document) -> Option<(Result<f64, ImportError>, String)> {
    let at = info.top().get("fps")?;
    let rate_hz = at.number().and_then(|fps| match fps {
        fps if (1.0..=1000.0).contains(&fps) => Ok(fps),
        _ => Err(at.error(at.found(), "1 to 1000 frames/s", "copy the data set's own info.json again")),
    });
    Some((rate_hz, at.from()))
}

/// `chunk_size`, `n_action_steps` and the ensembling of `config.json`.
fn chunk(
    config: &At<'_>,
    shape: &[usize],
    actions: usize,
    info: Option<&Document>,
    overrides: &Overrides,
) -> Result<Option<DraftChunk>, ImportError> {
    let total: usize = shape.iter().product();
    let Some(size) = config.get("chunk_size").or_else(|| config.get("horizon")) else {
        if total == actions {
            return Ok(None);
        }
        return Err(config.error(
            "no chunk_size",
            format!("the chunk of the graph's {shape:?}"),
            "complete config.json",
        ));
    };
    let steps = size.index()?;
    if total != steps * actions {
        return Err(size.error(
            size.found(),
            format!("{shape:?} as in the graph"),
            "config.json and graph are not of the same export",
        ));
    }
    if steps <= 1 {
        return Ok(None);
    }
    let used = config.required("n_action_steps", "actions used of a chunk")?;
    let fps = info.and_then(fps);
    let dt_s = match (overrides.number("chunk.dt_s")?, fps) {
        (Some(given), _) => given,
        (None, Some((fps, from))) => Fact::known(1.0 / fps?, from),
        (None, None) => match overrides.number("runtime.rate_hz")? {
            Some(rate) => rate.map(|r| 1.0 / r),
            None => Fact::unknown(
                "the time between two actions is 1/fps of the data set, whose info.json is not here",
                "copy info.json into the folder, or --set chunk.dt_s=0.0333",
            ),
        },
    };
    let ensemble = config.get("temporal_ensemble_coeff").map(|c| coefficient(&c)).transpose()?;
    let execute = used.index()?;
    if !(1..=steps).contains(&execute) {
        let hint = "write how many actions of a chunk are used before the network runs again";
        return Err(used.error(used.found(), format!("1 to {steps}, the chunk's size"), hint));
    }
    if ensemble.is_some() && execute != 1 {
        let hint =
            "an ensemble runs the network for every action: set it to 1, or temporal_ensemble_coeff to null";
        return Err(used.error(used.found(), "1, as temporal_ensemble_coeff is set", hint));
    }
    let execute = Fact::known(execute, used.from());
    Ok(Some(DraftChunk { steps, execute, dt_s, ensemble, interpolation: interpolation(overrides)? }))
}
