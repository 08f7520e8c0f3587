//! `sinew scenario`: one file or a folder of them, inline or as processes, one verdict.
mod load;
mod plot;
mod processes;
mod report;

use crate::cli::{self, Compose, PhysicsEngine};
use crate::output::out;
use anyhow::{Context, Result, bail};
pub use load::load;
use nix::time::{ClockId, clock_gettime};
use report::Row;
use sinew_stack::{Choice, Engine, Stack};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Runs what `args` name.
///
/// # Errors
/// A file that cannot be read or run; a run that merely fails is a verdict, not an error.
pub fn run(args: &cli::Scenario) -> Result<ExitCode> {
    let files = files(&args.path)?;
    let seeds: Vec<Option<u64>> = match (args.seeds, args.seed) {
        (Some(n), _) => (1..=n).map(Some).collect(),
        (None, seed) => vec![seed],
    };
    let progress = crate::progress::bar("scenarios", (files.len() * seeds.len()) as u64);
    let mut rows = Vec::new();
    for file in &files {
        for seed in &seeds {
            let row = one(file, &choice(args, *seed), args)?;
            progress.suspend(|| {
                if !args.json {
                    out!("{row}");
                }
            });
            rows.push(row);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let passed = rows.iter().all(|row| row.passed);
    if args.json {
        out!("{}", report::json(&rows, args.path.is_dir())?);
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the command line wants over the file.
fn choice(args: &cli::Scenario, seed: Option<u64>) -> Choice {
    Choice {
        robot: args.robot.clone(),
        engine: args.engine.map(|engine| match engine {
            PhysicsEngine::Rapier => Engine::Rapier,
            PhysicsEngine::Mujoco => Engine::Mujoco,
        }),
        seed,
        latency_ticks: args.latency_ticks,
        solver_iterations: args.solver_iterations,
    }
}

fn one(file: &Path, choice: &Choice, args: &cli::Scenario) -> Result<Row> {
    let loaded = match load(file, choice)? {
        Ok(loaded) => loaded,
        Err(refused) => return Ok(refused),
    };
    let (began, cpu_began) = (Instant::now(), cpu_s());
    let (outcome, trace, pids) = match args.compose {
        _ if args.free_run => processes::run(file, &loaded, true)?,
        Compose::Inline => {
            let name = file.display().to_string();
            let (outcome, trace) = Stack::run(&loaded.setup, &loaded.scenario, &name)?;
            (outcome, trace, vec![std::process::id()])
        }
        Compose::Processes => processes::run(file, &loaded, false)?,
    };
    let (wall_s, cpu_s) = (began.elapsed().as_secs_f64(), cpu_s() - cpu_began);
    if let Some(plot) = &args.plot {
        let svg = plot::draw(&loaded.scenario, &trace, loaded.setup.robot.period_ns);
        std::fs::write(plot, svg).with_context(|| format!("plot {}", plot.display()))?;
    }
    let mut row = Row::new(&loaded.scenario, outcome, pids, wall_s, loaded.setup.robot.period_ns);
    // Processes have their engine elsewhere.
    let inline = args.compose == Compose::Inline && !args.free_run;
    row.physics_share = inline.then(|| loaded.engines.spent_s() / wall_s.max(1e-9));
    row.rtf_cpu = inline.then(|| row.rtf * wall_s / cpu_s.max(1e-9));
    Ok(row)
}

/// Processor time of this thread, s; NaN where the kernel does not count it.
fn cpu_s() -> f64 {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    spent.map_or(f64::NAN, |spent| std::time::Duration::from(spent).as_secs_f64())
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("folder {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("folder {}: no scenario files (*.yaml)", path.display());
    }
    Ok(files)
}
