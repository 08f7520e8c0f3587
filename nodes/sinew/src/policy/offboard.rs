//! `sinew policy --connect`: the policy of a robot that is elsewhere, met at a Zenoh router.
use crate::output::out;
use anyhow::{Context, Result};
use sinew_inference::{Directory, Model};
use sinew_policy::{Policy, PolicyCounters, RunTime};
use sinew_robot::Robot;
use sinew_rt::clock;
use sinew_runner::StopSignals;
use sinew_stack::{OffboardPolicy, Setup, Unheard};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use zenoh::Wait;

use crate::cli;
use crate::shells::boot_id;
use crate::shells::offboard::{open, publisher, results_key, states_key, subscribe};
use crate::shells::policy::NUMBER;

/// # Errors
/// A model that does not fit the robot, an endpoint that is none, or a robot that uses results too early.
pub fn run(args: &cli::Policy, endpoint: &str) -> Result<ExitCode> {
    let signals = StopSignals::take().context("signals")?;
    let model = args.model.as_deref().context("--connect needs --model FILE")?;
    let mut there = OffboardPolicy::new(verified(args, model)?);
    let session = open(endpoint)?;
    let (mut states, _subscriber) = subscribe(&session, states_key(&args.robot))?;
    let results = publisher(&session, results_key(&args.robot))?;
    eprintln!(
        "policy {} on {}, waiting for robot {} at {endpoint}",
        model.display(),
        there.policy().engine_name(),
        args.robot
    );
    let (mut messages, mut malformed, mut answered) = (0_u64, 0_u64, 0_u64);
    let mut used = None;
    while signals.next(Duration::ZERO)?.is_none() {
        let Some(bytes) = states.recv(Some(clock::deadline_in(Duration::from_millis(100)))) else { continue };
        messages += 1;
        let began = clock::now();
        match there.hear(bytes) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(Unheard::Message(error)) => {
                if malformed == 0 {
                    eprintln!("states of robot {}: {error}; more of these are counted only", args.robot);
                }
                malformed += 1;
                continue;
            }
            Err(Unheard::Latency(error)) => {
                return Err(error).with_context(|| format!("robot {} at {endpoint}", args.robot));
            }
        }
        let took_us = (clock::now().since_ns(began) / 1000) as u32;
        if there.latency_ticks() != used {
            used = there.latency_ticks();
            eprintln!(
                "robot {} uses results {} ticks after their state",
                args.robot,
                used.unwrap_or_default()
            );
        }
        answered += 1;
        // A router that is away loses results; the robot goes on with its fallback.
        there.answer(RunTime::Took(took_us), |message| drop(results.put(message).wait()));
    }
    let PolicyCounters { runs, resets, .. } = there.policy().counters();
    let report = serde_json::json!({
        "messages": messages,
        "latency_ticks": there.latency_ticks(),
        "malformed": malformed,
        "answered": answered,
        "runs": runs,
        "resets": resets,
        "deadline_missed": there.deadline().missed,
        "longest_run_us": there.deadline().longest_us,
    });
    if args.json {
        out!("{report}");
    } else {
        eprintln!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

fn verified(args: &cli::Policy, model: &Path) -> Result<Policy> {
    let folder = match &args.description {
        Some(folder) => folder.clone(),
        // launch/robots/NAME/models/FILE
        None => {
            let absolute = model.canonicalize().with_context(|| model.display().to_string())?;
            absolute.ancestors().nth(2).context("--description: no folder above the model's")?.to_owned()
        }
    };
    let robot = Robot::load(&folder)?;
    let (source, manifest) = Directory::of_file(model)?;
    let mut setup = Setup::new(robot, &args.robot, &source, &[])?;
    setup.make_engine = crate::engines::make;
    setup.models.push(Model::load(&source, &manifest)?);
    Ok(setup.policy(NUMBER, boot_id())?)
}
