//! `sinew policy --connect`: the policy of a robot that is elsewhere, met at a Zenoh router.
use anyhow::{Context, Result};
use sinew_inference::{Directory, Model};
use sinew_policy::remote::MAX_AHEAD;
use sinew_policy::{Policy, PolicyCounters, RunTime};
use sinew_robot::Robot;
use sinew_rt::clock;
use sinew_runner::StopSignals;
use sinew_stack::{MAX_OFFBOARD_MESSAGE, Setup, StatesMessage, answer, encode_results};
use sinew_wire::{PolicyFlags, Source};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use zenoh::Wait;

use crate::cli;
use crate::shells::boot_id;
use crate::shells::offboard::{open, publisher, results_key, states_key, subscribe};
use crate::shells::policy::NUMBER;

/// # Errors
/// A model that does not fit the robot, or an endpoint that is none.
pub fn run(args: &cli::Policy, endpoint: &str) -> Result<ExitCode> {
    let signals = StopSignals::take().context("signals")?;
    let model = args.model.as_deref().context("--connect needs --model FILE")?;
    let mut policy = verified(args, model)?;
    let session = open(endpoint)?;
    let (mut states, _subscriber) = subscribe(&session, states_key(&args.robot))?;
    let results = publisher(&session, results_key(&args.robot))?;
    eprintln!(
        "policy {} on {}, waiting for robot {} at {endpoint}",
        model.display(),
        policy.engine_name(),
        args.robot
    );
    let mut deadline = sinew_policy::Deadline::new(policy.deadline_ms());
    let (mut messages, mut malformed, mut answered) = (0_u64, 0_u64, 0_u64);
    let mut seq = 0_u32;
    let boot = boot_id();
    let mut frames = Vec::with_capacity(MAX_AHEAD);
    let mut buffer = Vec::with_capacity(MAX_OFFBOARD_MESSAGE);
    while signals.next(Duration::ZERO)?.is_none() {
        let Some(bytes) = states.recv(Some(clock::deadline_in(Duration::from_millis(100)))) else { continue };
        messages += 1;
        let Ok(message) = StatesMessage::decode(bytes) else {
            malformed += 1;
            continue;
        };
        let began = clock::now();
        answer(&mut policy, &message, &mut frames);
        if frames.is_empty() {
            continue;
        }
        let run_us = (clock::now().since_ns(began) / 1000) as u32;
        let missed = deadline.judge(RunTime::Took(run_us));
        for frame in &mut frames {
            seq = seq.wrapping_add(1);
            (frame.header.seq, frame.header.boot_id, frame.header.source) = (seq, boot, Source::POLICY.0);
            frame.body.run_us = run_us;
            frame.body.flags |= if missed { PolicyFlags::DEADLINE_MISSED } else { 0 };
        }
        answered += 1;
        // A router that is away loses results; the robot goes on with its fallback.
        encode_results(&frames, &mut buffer, |message| drop(results.put(message).wait()));
    }
    let PolicyCounters { runs, resets, .. } = policy.counters();
    let report = serde_json::json!({
        "messages": messages,
        "malformed": malformed,
        "answered": answered,
        "runs": runs,
        "resets": resets,
        "deadline_missed": deadline.counters().missed,
        "longest_run_us": deadline.counters().longest_us,
    });
    if args.json {
        println!("{report}");
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
    setup.latency_ticks = args.latency_ticks;
    setup.models.push(Model::load(&source, &manifest)?);
    Ok(setup.policy(NUMBER, boot_id())?)
}
