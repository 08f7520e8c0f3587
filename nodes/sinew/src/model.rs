//! `sinew model`: does a policy fit the robot, and what does each of its numbers mean?
use crate::output::out;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use sinew_inference::Directory;
use sinew_inference::manifest::EngineKind;
use sinew_policy::{Check, EngineBuilder, Outcome, Site, check};
use sinew_robot::Robot;
use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, ModelKind};
use crate::engines::Fetch;
use crate::{engines, model_build, model_conformance, model_explain, model_import};

/// # Errors
/// Files that cannot be read; a model that does not fit is a verdict, not an error.
pub fn run(args: &cli::Model) -> Result<ExitCode> {
    match &args.what {
        ModelKind::Import(args) => model_import::run(args),
        ModelKind::Check { file, robot, json } => check_model(file, robot.folder()?.as_deref(), *json),
        ModelKind::Explain { file, robot, live, json } => {
            model_explain::run(file, robot.folder()?.as_deref(), live.as_deref(), *json)
        }
        ModelKind::Build { file, rebuild, json } => model_build::run(file, *rebuild, *json),
        ModelKind::Conformance { engine, json } => model_conformance::run(*engine, *json),
    }
}

/// What a robot's description says to a policy.
#[derive(Debug)]
pub struct RobotSite {
    /// Name of the robot.
    pub name: String,
    joints: Vec<String>,
    feet: Vec<String>,
    gains: Vec<(f64, f64)>,
    stand_kp_nm_per_rad: f64,
    ranges: Vec<(f64, f64)>,
    period_ns: u64,
}

impl RobotSite {
    /// The robot in `folder`, or in the folder above the model `file`'s.
    ///
    /// # Errors
    /// When there is no description, or it is refused.
    pub fn load(folder: Option<&Path>, file: &Path) -> Result<Self> {
        // launch/robots/NAME/models/FILE
        let above = || file.canonicalize().ok()?.ancestors().nth(2).map(Path::to_owned);
        let folder = folder.map(Path::to_owned).or_else(above);
        let folder = folder.context("which robot? pass --robot NAME or --description FOLDER")?;
        let robot = Robot::load(&folder)?;
        Ok(Self {
            joints: robot.joint_names().map(str::to_owned).collect(),
            feet: robot.feet.iter().map(|foot| foot.name.clone()).collect(),
            gains: robot.joints.iter().map(|j| (j.limits.kp_max, j.limits.kd_max)).collect(),
            stand_kp_nm_per_rad: robot.stand.kp,
            ranges: robot.joints.iter().map(|j| (j.limits.q_min_rad, j.limits.q_max_rad)).collect(),
            period_ns: robot.period_ns,
            name: robot.name,
        })
    }

    /// As checks take it.
    #[must_use]
    pub fn site(&self) -> Site<'_> {
        Site {
            joints: &self.joints,
            feet: &self.feet,
            max_gains: Some(&self.gains),
            stand_kp_nm_per_rad: Some(self.stand_kp_nm_per_rad),
            position_limits: Some(&self.ranges),
            period_ns: self.period_ns,
        }
    }
}

fn check_model(file: &Path, robot: Option<&Path>, json: bool) -> Result<ExitCode> {
    ensure!(file.is_file(), "{}: no such file; expected a *.model.toml", file.display());
    let (source, name) = Directory::of_file(file)?;
    let robot = RobotSite::load(robot, file)?;
    let site = robot.site();
    // Where an engine with providers runs, proven while it was built.
    let placement = RefCell::new(None);
    let build = |kind| {
        let placement = &placement;
        move |model: &sinew_inference::Model| {
            let made = engines::make_kind(model, kind, Fetch::Allowed)?;
            if made.placement.is_some() {
                placement.replace(made.placement);
            }
            Ok(made.engine)
        }
    };
    let kinds =
        [EngineKind::Native, EngineKind::OnnxRuntime, EngineKind::Tract].map(|kind| (kind, build(kind)));
    let builders: Vec<EngineBuilder<'_>> = kinds
        .iter()
        .filter(|(kind, _)| engines::has(*kind))
        .map(|(kind, build)| EngineBuilder { kind: *kind, build })
        .collect();
    let mut report = check(&source, &name, &site, &builders);
    let placement = placement.into_inner();
    if let Some(placement) = &placement {
        let text = placement.to_string().replace('\n', "\n                                  ");
        report.checks.push(Check { name: "placement, onnxruntime".into(), outcome: Outcome::Passed(text) });
    }
    if json {
        out!(
            "{}",
            json!({
                "file": file,
                "passed": report.passed(),
                "report": report.to_string(),
                "placement": placement.map(|p| p.to_json()),
            })
        );
    } else {
        out!("{report}");
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
