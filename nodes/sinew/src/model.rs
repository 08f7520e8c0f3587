//! `sinew model`: does a policy fit the robot?
use anyhow::{Context, Result};
use serde_json::json;
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Directory, NativeEngine};
use sinew_inference_ort::{OrtEngine, Places, Provider, Runtime};
use sinew_policy::{EngineBuilder, Site, check};
use sinew_robot::Robot;
use std::process::ExitCode;

use crate::cli::{self, ModelKind};

/// # Errors
/// Files that cannot be read; a model that does not fit is a verdict, not an error.
pub fn run(args: &cli::Model) -> Result<ExitCode> {
    let ModelKind::Check { file, robot, json } = &args.what;
    let (source, name) = Directory::of_file(file)?;
    let above = file.parent().and_then(std::path::Path::parent).map(std::path::Path::to_owned);
    let folder = robot.clone().or(above).context("which robot? pass --robot FOLDER")?;
    let robot = Robot::load(&folder)?;
    let joints: Vec<String> = robot.joint_names().map(str::to_owned).collect();
    let gains: Vec<(f64, f64)> = robot.joints.iter().map(|j| (j.limits.kp_max, j.limits.kd_max)).collect();
    let site = Site { joints: &joints, max_gains: Some(&gains), period_ns: robot.period_ns };
    let runtime = Runtime::find_or_fetch(&Places::of_process()).map_err(|e| e.to_string());
    let native: &dyn Fn(&sinew_inference::Model) -> std::result::Result<_, String> = &|model| {
        NativeEngine::new(model)
            .map(|engine| Box::new(engine) as Box<dyn sinew_inference::Engine>)
            .map_err(|e| e.to_string())
    };
    let onnxruntime: &dyn Fn(&sinew_inference::Model) -> std::result::Result<_, String> = &|model| {
        let runtime = runtime.as_ref().map_err(Clone::clone)?;
        OrtEngine::new(runtime, model, &[Provider::Cpu])
            .map(|engine| Box::new(engine) as Box<dyn sinew_inference::Engine>)
            .map_err(|e| e.to_string())
    };
    let report = check(
        &source,
        &name,
        &site,
        &[
            EngineBuilder { kind: EngineKind::Native, build: native },
            EngineBuilder { kind: EngineKind::OnnxRuntime, build: onnxruntime },
        ],
    );
    if *json {
        println!("{}", json!({ "file": file, "passed": report.passed(), "report": report.to_string() }));
    } else {
        println!("{report}");
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
