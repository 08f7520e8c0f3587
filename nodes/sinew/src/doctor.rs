//! `sinew doctor`: what of this machine works, and what to do about the rest.
use crate::output::out;
use anyhow::Result;
use sinew_inference::{Directory, Model};
use sinew_inference_ort::doctor::{Facts, Trial, examine};
use sinew_inference_ort::{OpenError, ProviderConfig, Runtime, places};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, DoctorKind};
use crate::engines;

/// # Errors
/// A model that cannot be read; a machine that does not work is a verdict, not an error.
pub fn run(args: &cli::Doctor) -> Result<ExitCode> {
    let DoctorKind::Gpu { model, provider, json } = &args.what;
    let trial = match model {
        Some(file) => of_model(file)?,
        None if provider.is_empty() => Trial::of_providers(&["cuda".to_owned()]),
        None => Trial::of_providers(provider),
    };
    let places = places();
    let facts = Facts::gather(&places);
    let outcome = Runtime::find(&places)
        .map_err(|e: OpenError| e.to_string())
        .and_then(|runtime| trial.run(&runtime, &engines::prepared_dir()));
    let report = examine(&facts, &trial.config, outcome);
    if *json {
        out!("{}", serde_json::to_string(&report)?);
    } else {
        out!("{report}");
    }
    Ok(if report.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_model(file: &Path) -> Result<Trial> {
    let (source, name) = Directory::of_file(file)?;
    let model = Model::load(&source, &name)?;
    let config = ProviderConfig::of_manifest(&model.manifest, file.parent().unwrap_or(Path::new(".")))?;
    Ok(Trial::of_model(&model, config))
}
