//! Everything that can be known about a model without a robot under power, one line each.

use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, LoadError, Model, Source};

use crate::joint_map::JointMap;
use crate::policy::Policy;
use crate::setup::{PolicyConfig, SetupError};

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be; what was found.
    Passed(String),
    /// Not as it should be; what, where, how to mend it.
    Failed(String),
    /// Not looked at; why.
    Skipped(String),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// All checks of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The manifest.
    pub file: String,
    /// Name and version, when the manifest could be read.
    pub model: Option<String>,
    /// The checks in the order they were made.
    pub checks: Vec<Check>,
}

/// The robot a model is checked for.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its joints in the order of its frames.
    pub joints: &'a [String],
    /// Its feet in the order of its contact values.
    pub feet: &'a [String],
    /// Largest (kp, kd) per joint.
    pub max_gains: Option<&'a [(f64, f64)]>,
    /// Stiffness with which it stands, N m/rad.
    pub stand_kp_nm_per_rad: Option<f64>,
    /// Range per joint, rad.
    pub position_limits: Option<&'a [(f64, f64)]>,
    /// Period of control, ns.
    pub period_ns: u64,
}

impl<'a> Site<'a> {
    /// For a policy that is looked at, not put to work.
    pub fn config(&self) -> PolicyConfig<'a> {
        let Self { joints, feet, max_gains, stand_kp_nm_per_rad, position_limits, period_ns } = *self;
        PolicyConfig {
            number: 0,
            joints,
            feet,
            max_gains,
            stand_kp_nm_per_rad,
            position_limits,
            period_ns,
            latency_ticks_min: 0,
            boot_id: 0,
        }
    }
}

/// An engine, or why there is none.
pub type Built = Result<Box<dyn Engine>, String>;

/// Builds one kind of engine from a model.
pub struct EngineBuilder<'a> {
    /// Kind, as manifests name it.
    pub kind: EngineKind,
    /// Builds it.
    pub build: &'a dyn Fn(&Model) -> Built,
}

impl CheckReport {
    /// True when nothing failed and at least one engine ran the golden vectors.
    pub fn passed(&self) -> bool {
        let failed = self.checks.iter().any(|c| matches!(c.outcome, Outcome::Failed(_)));
        let proven = |c: &Check| c.name.starts_with("golden run") && matches!(c.outcome, Outcome::Passed(_));
        !failed && self.checks.iter().any(proven)
    }

    fn push(&mut self, name: impl Into<String>, outcome: Outcome) {
        self.checks.push(Check { name: name.into(), outcome });
    }
}

impl std::fmt::Display for CheckReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} {}", self.file, self.model.as_deref().unwrap_or(""))?;
        for check in &self.checks {
            let (mark, text) = match &check.outcome {
                Outcome::Passed(text) => ("ok", text),
                Outcome::Failed(text) => ("FAILED", text),
                Outcome::Skipped(text) => ("skipped", text),
            };
            writeln!(f, "  {mark:<8} {:<24} {text}", check.name)?;
        }
        f.write_str(if self.passed() { "passed" } else { "refused" })
    }
}

/// The checks that loading consists of, in their order.
const LOADING: [&str; 4] = ["manifest", "file hashes", "graph", "golden file"];

/// Checks the manifest `name` of `source` for a robot, on every engine offered that it names.
pub fn check(source: &dyn Source, name: &str, site: &Site<'_>, engines: &[EngineBuilder<'_>]) -> CheckReport {
    let mut report = CheckReport { file: source.describe(name), model: None, checks: Vec::new() };
    let model = match Model::load(source, name) {
        Ok(model) => model,
        Err(error) => {
            loading_failed(&mut report, &error);
            return report;
        }
    };
    let manifest = &model.manifest;
    report.model = Some(format!("{} {}", manifest.name, manifest.version));
    let terms: usize = manifest.inputs.iter().map(|i| i.terms().len()).sum();
    let details = [
        format!(
            "schema 1, {terms} terms, {} joints, {} Hz",
            manifest.joints.order.len(),
            manifest.runtime.rate_hz
        ),
        "graph and golden vectors are the files it was written for".to_owned(),
        format!("{} nodes, opset {}, all tensors accounted for", model.graph.nodes.len(), model.graph.opset),
        format!("{} cases, {} ticks", model.golden.cases.len(), model.golden.ticks()),
    ];
    for (name, detail) in LOADING.into_iter().zip(details) {
        report.push(name, Outcome::Passed(detail));
    }
    match JointMap::new(&manifest.joints.order, site.joints) {
        Ok(_) => {
            let detail = format!("all found by name among the robot's {}", site.joints.len());
            report.push("joints", Outcome::Passed(detail));
        }
        Err(error) => report.push("joints", Outcome::Failed(error.to_string())),
    }
    for kind in &manifest.runtime.engines {
        let label = kind.name();
        let check = format!("golden run, {label}");
        let outcome = match engines.iter().find(|e| e.kind == *kind) {
            None => Outcome::Skipped("this engine was not offered".to_owned()),
            Some(builder) => golden_run(&model, site, builder),
        };
        report.push(check, outcome);
    }
    report
}

fn golden_run(model: &Model, site: &Site<'_>, builder: &EngineBuilder<'_>) -> Outcome {
    let engine = match (builder.build)(model) {
        Ok(engine) => engine,
        Err(reason) => return Outcome::Failed(reason),
    };
    match Policy::verified(model, engine, &site.config()) {
        Ok((policy, golden)) => Outcome::Passed(format!(
            "{}: {} ticks, worst difference {:.1e} rad; every {} ticks of control",
            policy.engine_name(),
            golden.ticks,
            golden.worst_rad,
            policy.decimation()
        )),
        Err(SetupError::Golden { error, .. }) => Outcome::Failed(error.to_string()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn loading_failed(report: &mut CheckReport, error: &LoadError) {
    let failed = match error {
        LoadError::Text { .. } | LoadError::Manifest(_) => 0,
        LoadError::Source(_)
        | LoadError::LfsPointer { .. }
        | LoadError::Hash { .. }
        | LoadError::Stats { .. } => 1,
        LoadError::Graph { .. } => 2,
        LoadError::Golden { .. } => 3,
    };
    for (index, name) in LOADING.into_iter().enumerate() {
        let outcome = match index.cmp(&failed) {
            std::cmp::Ordering::Less => Outcome::Passed(String::new()),
            std::cmp::Ordering::Equal => Outcome::Failed(error.to_string()),
            std::cmp::Ordering::Greater => Outcome::Skipped("not reached".to_owned()),
        };
        report.push(name, outcome);
    }
    report.push("joints", Outcome::Skipped("not reached".to_owned()));
}
