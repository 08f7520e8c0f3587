//! `sinew model conformance`: do the engines of this program keep their promises on this machine?
use crate::output::out;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use sinew_inference::conformance::{BAR, Builder, Case, Report, run as run_case};
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, EngineIo, Kernels};
use sinew_inference_ort::{GraphBytes, OrtEngine, ProviderConfig, Runtime, places};
use std::process::ExitCode;

use crate::cli::ConformanceEngine;
use crate::engines;

/// # Errors
/// When an engine's library cannot be opened, or the program was built without it; a broken promise is a verdict, not an error.
pub fn run(engine: ConformanceEngine, as_json: bool) -> Result<ExitCode> {
    let has_tract = engines::has(EngineKind::Tract);
    if engine == ConformanceEngine::Tract && !has_tract {
        bail!("--engine tract: {}", engines::WITHOUT_TRACT);
    }
    let cases = Case::all()?;
    let wants = |kind| engine == ConformanceEngine::All || engine == kind;
    let mut verdicts = Vec::new();
    if wants(ConformanceEngine::Native) {
        verdicts.push(judge("native", format!("native ({})", Kernels::best().name()), &cases, &native));
    }
    if wants(ConformanceEngine::OnnxRuntime) {
        let runtime = Runtime::find_or_fetch(&places()).context("--engine native needs no library")?;
        let build: &Builder<'_> = &|case, io| {
            let file = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), (*bytes).into());
            let external = case.external.iter().map(file).collect();
            let graph = GraphBytes { onnx: case.graph.to_vec(), external };
            OrtEngine::build(&runtime, &graph, io, &ProviderConfig::default(), None)
                .map(|engine| Box::new(engine) as Box<dyn Engine>)
                .map_err(|e| e.to_string())
        };
        let shown = format!("onnxruntime {} (CPU)", runtime.version());
        verdicts.push(judge("onnxruntime", shown, &cases, build));
    }
    if wants(ConformanceEngine::Tract) && has_tract {
        verdicts.push(judge("tract", "tract".to_owned(), &cases, &tract));
    }
    let passed = verdicts.iter().all(Verdict::passed);
    if as_json {
        out!("{}", to_json(&verdicts, passed));
    } else {
        print_all(&cases, &verdicts);
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Verdict {
    key: &'static str,
    shown: String,
    reports: Vec<Report>,
}

impl Verdict {
    fn passed(&self) -> bool {
        self.reports.iter().all(Report::passed)
    }

    fn max_abs_error(&self) -> f64 {
        self.reports.iter().map(|r| r.max_abs_error).fold(0.0, f64::max)
    }
}

fn judge(key: &'static str, shown: String, cases: &[Case], build: &Builder<'_>) -> Verdict {
    Verdict { key, shown, reports: cases.iter().map(|case| run_case(case, build)).collect() }
}

fn native(case: &Case, io: &EngineIo) -> std::result::Result<Box<dyn Engine>, String> {
    case.native(io).map(|engine| Box::new(engine) as Box<dyn Engine>).map_err(|e| e.to_string())
}

#[cfg(feature = "tract")]
fn tract(case: &Case, io: &EngineIo) -> std::result::Result<Box<dyn Engine>, String> {
    let file = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), (*bytes).into());
    let external: Vec<_> = case.external.iter().map(file).collect();
    sinew_inference_tract::TractEngine::new(case.graph, &external, io)
        .map(|engine| Box::new(engine) as Box<dyn Engine>)
        .map_err(|e| e.to_string())
}

#[cfg(not(feature = "tract"))]
fn tract(_case: &Case, _io: &EngineIo) -> std::result::Result<Box<dyn Engine>, String> {
    Err(engines::WITHOUT_TRACT.to_owned())
}

fn to_json(verdicts: &[Verdict], passed: bool) -> Value {
    // JSON knows no infinity; an error that could not be measured is null, and such a case has not passed.
    let engine = |verdict: &Verdict| {
        let case = |report: &Report| {
            json!({
                "case": report.case,
                "max_abs_error": report.max_abs_error,
                "passed": report.passed(),
                "violations": report.violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        };
        json!({
            "engine": verdict.shown,
            "max_abs_error": verdict.max_abs_error(),
            "passed": verdict.passed(),
            "cases": verdict.reports.iter().map(case).collect::<Vec<_>>(),
        })
    };
    let engines: Map<String, Value> = verdicts.iter().map(|v| (v.key.to_owned(), engine(v))).collect();
    let worst = verdicts.iter().map(Verdict::max_abs_error).fold(0.0, f64::max);
    json!({ "max_abs_error": worst, "bar": BAR, "passed": passed, "engines": engines })
}

fn print_all(cases: &[Case], verdicts: &[Verdict]) {
    for verdict in verdicts {
        out!("{}", verdict.shown);
        for (case, report) in cases.iter().zip(&verdict.reports) {
            let mark = if report.passed() { "ok  " } else { "FAIL" };
            out!("  {mark} {:18} {:8.1e}  {}", case.name, report.max_abs_error, case.shows);
            for violation in &report.violations {
                out!("       {violation}");
            }
        }
    }
    out!("largest differences from known outputs; at most {BAR:e} is allowed");
}
