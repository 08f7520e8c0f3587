//! `sinew policy swap`: asks a running policy process for another model, and says how it went.
use crate::output::out;
use anyhow::{Context, Result, anyhow, bail};
use sinew_stack::SwapReport;
use std::process::ExitCode;
use std::time::Duration;
use zenoh::Wait;

use crate::cli;
use crate::shells::keys;
use crate::shells::policy_swap::{SWAP, SwapAsk};

/// Loading, verifying and building on top of shadow run and blend.
const LOAD_S: f64 = 60.0;
/// How long the policy process may take to be found.
const FIND: Duration = Duration::from_secs(3);

/// # Errors
/// When there is no such robot, or it does not answer.
pub fn run(args: &cli::PolicySwap) -> Result<ExitCode> {
    let model = args.model.canonicalize().with_context(|| args.model.display().to_string())?;
    let run_dir = crate::run_dir::of_robot(&args.robot)?;
    let session = keys::open(&args.robot, run_dir.path(), None, &["policy"], None)?;
    if session.wait_for_peers(&["policy"], sinew_rt::clock::deadline_in(FIND)).is_err() {
        bail!(
            "robot {:?} has no running policy in {}; start it with `sinew up`",
            args.robot,
            run_dir.path().display()
        );
    }
    let ask = SwapAsk {
        model,
        shadow_ticks: args.shadow_ticks,
        blend_s: args.blend_s,
        max_difference_rad: args.max_difference_rad,
    };
    ask.check()?;
    // A robot that is slower than real time takes longer; it is asked to be no slower than a tenth.
    let patience_s = LOAD_S + 10.0 * (args.shadow_ticks as f64 * 2e-3 + args.blend_s);
    let replies = session
        .session()
        .get(format!("{}/{SWAP}", args.robot))
        .payload(serde_json::to_vec(&ask)?)
        .timeout(Duration::from_secs_f64(patience_s))
        .wait()
        .map_err(|error| anyhow!("query {SWAP}: {error}"))?;
    let reply =
        replies.recv().map_err(|_| anyhow!("the policy process gave no answer within {patience_s:.0} s"))?;
    let sample =
        reply.into_result().map_err(|error| anyhow!("the policy process gave no answer: {error}"))?;
    let report: SwapReport = serde_json::from_slice(&sample.payload().to_bytes()).context("answer")?;
    let done = report.outcome == "done";
    if args.json {
        out!("{}", serde_json::to_string(&report)?);
    } else if done && report.shadow_runs == 0 {
        out!("done; nothing was compared, since the old policy was not moving the robot");
    } else if done {
        out!(
            "done: compared in {} runs, largest difference of a joint target {:.3} rad",
            report.shadow_runs,
            report.max_difference_rad
        );
    } else {
        out!("refused, the old policy goes on: {}", report.reason.unwrap_or_default());
    }
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
