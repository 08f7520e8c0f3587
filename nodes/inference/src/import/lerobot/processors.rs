//! The processors around a LeRobot network: how what it reads is normalised, and what it gives is undone.
use crate::import::draft::{DraftNormalize, Numbers};
use crate::import::error::ImportError;
use crate::import::fact::Fact;
use crate::import::folder::Folder;
use crate::import::graph_file::GraphFile;
use crate::import::tree::Value;
use crate::onnx::{Constant, ConstantData};
use crate::stats::Stats;

use super::{ACTION, STATE};

/// Steps that do not change numbers.
const NEUTRAL: [&str; 4] =
    ["device_processor", "to_batch_processor", "rename_observations_processor", "tokenizer_processor"];

/// One step of a processor that normalises.
pub(super) struct Norm {
    mode: String,
    eps: f64,
    file: String,
    from: String,
}

/// The normalising step of a processor file: mode of `feature`, eps, statistics.
pub(super) fn norm(folder: &Folder<'_>, name: &str, step: &str, feature: &str) -> Result<Norm, ImportError> {
    let found = folder.called(name);
    if found.is_empty() {
        let hint = "older policies keep statistics among the weights; convert them with LeRobot's own migration first";
        return Err(folder.error(format!("no {name}"), "the processors saved with the policy", hint));
    }
    let file = folder.one(&found, name, "import the folder of one policy")?;
    let document = folder.document(&file)?;
    let mut norm = None;
    for at in document.top().required("steps", "the processor's steps")?.list()? {
        let kind = at.required("registry_name", "the step's name")?;
        let kind = kind.text()?;
        if NEUTRAL.contains(&kind) {
            continue;
        }
        if kind == "absolute_actions_processor" || kind == "relative_actions_processor" {
            let enabled = at.get("config").and_then(|c| c.get("enabled"));
            if enabled.is_some_and(|e| matches!(e.value(), Value::Bool(false))) {
                continue;
            }
        }
        if kind != step || norm.is_some() {
            return Err(at.error(
                format!("the step `{kind}`"),
                format!("{step} once, and {}", NEUTRAL.join(", ")),
                "this step changes numbers in a way the manifest cannot; import it by hand",
            ));
        }
        let config = at.required("config", "the step's configuration")?;
        let map = config.required("norm_map", "a mode per type of feature")?;
        let mode_at = map.required(feature, "a mode")?;
        let mode = mode_at.text()?.to_owned();
        if !["IDENTITY", "MEAN_STD", "MIN_MAX", "QUANTILES"].contains(&mode.as_str()) {
            return Err(mode_at.error(
                mode_at.found(),
                "IDENTITY, MEAN_STD, MIN_MAX or QUANTILES",
                "train with one of these",
            ));
        }
        let eps = config.get("eps").map(|e| e.number()).transpose()?.unwrap_or(1e-8);
        let stats = match at.get("state_file") {
            Some(state) => Folder::beside(&file, state.text()?),
            None if mode == "IDENTITY" => String::new(),
            None => {
                return Err(at.error(
                    "no state_file",
                    "the statistics of this mode",
                    "save the processors again",
                ));
            }
        };
        norm = Some(Norm { mode, eps, file: stats, from: mode_at.from() });
    }
    norm.ok_or_else(|| {
        folder.error(format!("no step {step} in {file}"), "one", "say in training how values are normalised")
    })
}

fn statistics(folder: &Folder<'_>, norm: &Norm) -> Result<Stats, ImportError> {
    if !folder.files.contains(&norm.file) {
        return Err(folder.error(
            format!("no `{}`", norm.file),
            "the statistics the processor names",
            "copy the whole policy folder",
        ));
    }
    Stats::parse(&folder.read(&norm.file)?).map_err(|e| ImportError::Content {
        file: norm.file.as_str().into(),
        line: 1,
        field: "statistics".into(),
        found: e.to_string().into(),
        expected: "safetensors".into(),
        hint: "copy the file again".into(),
    })
}

/// One list of a feature's statistics.
fn listed(
    stats: &Stats,
    norm: &Norm,
    feature: &str,
    list: &str,
    count: usize,
) -> Result<Vec<f64>, ImportError> {
    stats.list(&format!("{feature}.{list}"), count).map_err(|e| ImportError::Content {
        file: norm.file.as_str().into(),
        line: 1,
        field: format!("{feature}.{list}").into(),
        found: e.to_string().into(),
        expected: format!("{count} numbers, for mode {}", norm.mode).into(),
        hint: "save the processors with statistics of this mode".into(),
    })
}

pub(super) fn input_normalisation(
    folder: &Folder<'_>,
    norm: &Norm,
    count: usize,
) -> Result<(DraftNormalize, Option<Stats>), ImportError> {
    let mode = match norm.mode.as_str() {
        "MEAN_STD" => "mean_std",
        "MIN_MAX" => "min_max",
        "QUANTILES" => "quantile",
        _ => return Ok((DraftNormalize::None(norm.from.clone()), None)),
    };
    let stats = statistics(folder, norm)?;
    let lists = match mode {
        "mean_std" => ["mean", "std"],
        "min_max" => ["min", "max"],
        _ => ["q01", "q99"],
    };
    for list in lists {
        listed(&stats, norm, STATE, list, count)?;
    }
    let draft = DraftNormalize::Stats {
        mode,
        file: norm.file.clone(),
        prefix: format!("{STATE}."),
        eps: norm.eps,
        from: norm.from.clone(),
    };
    Ok((draft, Some(stats)))
}

/// A graph that holds the same mean as the processor would normalise a second time.
pub(super) fn not_twice(
    folder: &Folder<'_>,
    graph: &GraphFile,
    stats: &Stats,
    len: usize,
) -> Result<(), ImportError> {
    let Ok(mean) = stats.list(&format!("{STATE}.mean"), len) else { return Ok(()) };
    let same = |c: &&Constant| match &c.data {
        ConstantData::F32(values) => {
            let near = |(v, m): (&f32, &f64)| (f64::from(*v) - m).abs() < 1e-6;
            len > 1 && values.len() == len && values.iter().zip(&mean).all(near)
        }
        ConstantData::I64(_) => false,
    };
    match graph.graph.constants.iter().find(same).filter(|_| mean.iter().any(|m| *m != 0.0)) {
        None => Ok(()),
        Some(constant) => Err(folder.error(
            format!("{}: constant `{}` is the mean of the processor's statistics", graph.files.file, constant.name),
            "a graph without the normaliser",
            "values would be normalised twice; export the network alone, or set the processor's mode to IDENTITY",
        )),
    }
}

/// rad = offset + scale * value, from the unnormaliser.
pub(super) fn output_scaling(
    folder: &Folder<'_>,
    norm: &Norm,
    count: usize,
    rad: f64,
) -> Result<(Numbers, Numbers), ImportError> {
    let from = norm.from.clone();
    if norm.mode == "IDENTITY" {
        return Ok((Fact::known(vec![rad; count], from.clone()), Fact::known(vec![0.0; count], from)));
    }
    let stats = statistics(folder, norm)?;
    let list = |name: &str| listed(&stats, norm, ACTION, name, count);
    let (low, high) = match norm.mode.as_str() {
        "MEAN_STD" => {
            let scale = list("std")?.into_iter().map(|s| s * rad).collect();
            let offset = list("mean")?.into_iter().map(|m| m * rad).collect();
            return Ok((Fact::known(scale, from.clone()), Fact::known(offset, from)));
        }
        "MIN_MAX" => (list("min")?, list("max")?),
        _ => (list("q01")?, list("q99")?),
    };
    // From [-1, 1] back to [low, high]; a width of 0 becomes eps.
    let half = |(lo, hi): (&f64, &f64)| if hi == lo { norm.eps / 2.0 } else { (hi - lo) / 2.0 };
    let halves: Vec<f64> = low.iter().zip(&high).map(half).collect();
    let offset = low.iter().zip(&halves).map(|(lo, h)| (lo + h) * rad).collect();
    Ok((Fact::known(halves.iter().map(|h| h * rad).collect(), from.clone()), Fact::known(offset, from)))
}
