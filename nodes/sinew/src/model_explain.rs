//! `sinew model explain`: every number of every input of a policy, by name.
use anyhow::{Context, Result, ensure};
use serde_json::json;
use sinew_inference::{Directory, Model, NativeEngine};
use sinew_policy::{Policy, Row, explain};
use sinew_wire::{PolicyStatus, Source, StepTime};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::client::Client;
use crate::model::RobotSite;

/// How long a robot may take to say something.
const WAIT: Duration = Duration::from_secs(3);

/// # Errors
/// A model that does not load or fit, or no running robot.
pub fn run(file: &Path, robot: Option<&Path>, live: Option<&str>, json: bool) -> Result<ExitCode> {
    let (source, name) = Directory::of_file(file)?;
    let model = Model::load(&source, &name)?;
    let robot = RobotSite::load(robot, file)?;
    let engine = NativeEngine::new(&model)
        .with_context(|| format!("{}: the values shown come from the native engine", model.file))?;
    let mut policy = Policy::new(&model, Box::new(engine), &robot.site().config())?;
    let mut rows = explain(&model);
    let from = if let Some(name) = live {
        let name = if name.is_empty() { &robot.name } else { name };
        follow(&mut policy, name, runs_remembered(&model))?;
        explain::fill(&mut rows, &mut policy);
        format!("robot {name:?}")
    } else {
        explain::fill_from_golden(&mut rows, &model, &mut policy)?;
        "first golden tick".to_owned()
    };
    let text = if json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        format!("{}\n", json!({ "file": file, "values_from": from, "rows": rows }))
    } else {
        table(&rows, &from)
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => Ok(other.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Runs until the longest history is full of measured values.
fn runs_remembered(model: &Model) -> usize {
    let terms = model.manifest.inputs.iter().flat_map(|input| input.terms());
    terms.map(|term| term.history.runs()).max().unwrap_or(1)
}

/// Shows the policy `runs` states of the running robot at its own rate. What it answers goes nowhere.
fn follow(policy: &mut Policy, name: &str, runs: usize) -> Result<()> {
    let mut client = Client::connect(name, Source::NONE, WAIT)?;
    let mut deadline = sinew_rt::clock::deadline_in(WAIT);
    let (mut next, mut fed) = (0, 0u64);
    while fed < runs as u64 {
        client.listen(Duration::from_millis(100));
        let Some(state) = client.robot_state.as_ref().filter(|state| state.header.step >= next) else {
            ensure!(
                !sinew_rt::clock::remaining(deadline).is_zero(),
                "robot {name:?} is there but says nothing: see the terminal of `sinew up`"
            );
            continue;
        };
        deadline = sinew_rt::clock::deadline_in(WAIT);
        next = state.header.step + policy.decimation();
        let mut state = state.clone();
        state.header.step = fed * policy.decimation();
        (state.body.active_policy, state.body.activation) = (policy.number(), 1);
        fed += 1;
        let status = policy.step(&state, StepTime::default()).body.status();
        let reason = policy.fault().map_or_else(|| "no targets".to_owned(), ToString::to_string);
        ensure!(
            status == PolicyStatus::Targets,
            "the policy cannot run on what robot {name:?} says: {reason}"
        );
    }
    Ok(())
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "tensor": row.tensor, "index": row.index, "term": row.term, "joint": row.item, "unit": row.unit,
        "ago": row.ago, "pipeline": row.pipeline, "scale": row.scale, "value": row.value,
    })
}

fn table(rows: &[Row], from: &str) -> String {
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (term, item) = (width(&|r| r.term.len()), width(&|r| r.item.len()));
    let head =
        format!("values from the {from}; pipeline: what happens to a value on its way into the tensor");
    let mut lines = vec![head];
    let mut tensor = "";
    for row in rows {
        if row.tensor != tensor {
            tensor = &row.tensor;
            lines.push(tensor.to_owned());
            lines.push(format!(
                "  {:>5}  {:term$}  {:item$}  unit   ago  {:>12}  pipeline",
                "index", "term", "of", "value"
            ));
        }
        let value = row.value.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
        lines.push(format!(
            "  {:>5}  {:term$}  {:item$}  {:5}  {:>3}  {value:>12}  {}",
            row.index, row.term, row.item, row.unit, row.ago, row.pipeline
        ));
    }
    lines.join("\n") + "\n"
}
