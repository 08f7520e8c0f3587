//! `sinew status`: a running robot on one page, or as one JSON object.
use crate::output::out;
use anyhow::Result;
use serde_json::{Value, json};
use sinew_wire::{NO_POLICY, PolicyCommandBody, PolicyFlags, Source};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli;
use crate::client::{Client, faults};

/// How long a robot may take to say something.
const WAIT: Duration = Duration::from_secs(3);

/// How long an active policy may take.
const POLICY_WAIT: Duration = Duration::from_millis(300);

/// # Errors
/// When there is no such robot.
pub fn run(args: &cli::Status) -> Result<ExitCode> {
    let mut client = Client::connect(&args.robot, Source::NONE, WAIT)?;
    let deadline = sinew_rt::clock::deadline_in(WAIT);
    while client.robot_state.is_none() || client.actuator_state.is_none() {
        client.listen(Duration::from_millis(100));
        anyhow::ensure!(
            !sinew_rt::clock::remaining(deadline).is_zero(),
            "robot {:?} is there but says nothing: see the terminal of `sinew up`",
            args.robot
        );
    }
    // An active policy speaks several times in this time.
    let policy_deadline = sinew_rt::clock::deadline_in(POLICY_WAIT);
    while client.policy.is_none()
        && client.robot_state.as_ref().is_some_and(|s| s.body.active_policy != NO_POLICY)
        && !sinew_rt::clock::remaining(policy_deadline).is_zero()
    {
        client.listen(Duration::from_millis(20));
    }
    let status = describe(&client, &args.robot);
    if args.json {
        out!("{status}");
    } else {
        print(&status);
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything a person asks first.
pub fn describe(client: &Client, robot: &str) -> Value {
    let (Some(state), Some(actuators)) = (&client.robot_state, &client.actuator_state) else {
        return json!({ "robot": robot, "running": false });
    };
    let body = &state.body;
    let hottest = state.joints.iter().map(|j| j.temperature_c).fold(f32::MIN, f32::max);
    let truth = client.truth().ok();
    json!({
        "robot": robot,
        "running": true,
        "mode": body.robot_mode().name(),
        "link": body.link_state().name(),
        "stage": body.stage().name(),
        "policy": (body.active_policy != NO_POLICY).then_some(body.active_policy),
        "time_s": client.time_s(),
        "step": state.header.step,
        "height_m": body.height_m,
        "velocity_m_s": body.velocity_m_s,
        "command": body.command,
        "position_m": body.position_m,
        "estimator": body.estimator_status().name(),
        "nis": body.nis,
        "lease_holder": source_name(body.lease_holder),
        "lease_epoch": body.lease_epoch,
        "last_refusal": body.lease_refusal().name(),
        "faults": faults(body.faults),
        "hottest_c": hottest,
        "policy_misses": body.policy_misses,
        "policy_report": client.policy_report(),
        "policy_output": client.policy.as_ref().map(policy_output),
        "saturated_ticks": body.saturated_ticks,
        "replies_missing": actuators.body.missing,
        "commands_refused": actuators.body.refused,
        "rtf": truth.as_ref().map(|t| t.rtf),
        "truth_height_m": truth.as_ref().map(|t| t.position_m[2]),
    })
}

/// What the newest targets say about themselves.
fn policy_output(body: &PolicyCommandBody) -> Value {
    json!({
        "model_hash": format!("{:08x}", body.model_hash),
        "provider": body.provider().name(),
        "flags": PolicyFlags::names(body.flags).collect::<Vec<_>>(),
        "run_us": body.run_us,
        "age_us": body.age_us,
    })
}

fn source_name(source: u16) -> &'static str {
    match Source(source) {
        Source::NONE => "nobody",
        Source::AUTOSTART => "autostart",
        Source::DRIVE => "drive",
        Source::CMD_VEL => "cmd_vel",
        Source::SCENARIO => "scenario",
        _ => "another source",
    }
}

fn print(status: &Value) {
    if let Value::Object(fields) = status {
        for (name, value) in fields {
            out!("{name:18} {value}");
        }
    }
}

/// Rates as the terminal's own process sees them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Robot states heard per second of wall time.
    pub state_hz: f64,
    /// Robot time over wall time.
    pub rtf: f64,
}

/// Three short lines, refreshed in place: who and what, how fast, how it moves.
pub fn lines(client: &Client, rates: Rates) -> [String; 3] {
    let Some(state) = &client.robot_state else {
        return ["waiting for the processes to find each other ...".into(), String::new(), String::new()];
    };
    let body = &state.body;
    let [vx, vy, _] = body.velocity_m_s;
    let wz = body.angular_velocity_rad_s[2];
    let [cx, cy, cz] = body.command;
    let hottest = state.joints.iter().map(|j| j.temperature_c).fold(f32::MIN, f32::max);
    let faults = faults(body.faults);
    let faults = if faults.is_empty() { "none" } else { &faults };
    let missing = client.actuator_state.as_ref().map_or(0, |s| s.body.missing);
    let policy = client.policy.map_or_else(|| "idle".to_owned(), |p| format!("{} us", p.run_us));
    [
        format!(
            "{:9} link {:8} ladder {:7} lease {:9} faults {faults}",
            body.robot_mode().name(),
            body.link_state().name(),
            body.stage().name(),
            source_name(body.lease_holder)
        ),
        format!(
            "{:4.0} Hz  {:4.2}x real time  policy {policy}  late {}  replies missing {missing}",
            rates.state_hz, rates.rtf, body.policy_misses
        ),
        format!(
            "height {:.2} m  v {vx:+.2} {vy:+.2} {wz:+.2}  asked {cx:+.2} {cy:+.2} {cz:+.2}  {hottest:.0} C",
            body.height_m
        ),
    ]
}

/// Draws `lines` over the ones drawn before.
///
/// # Errors
/// When the terminal is gone.
pub fn draw(lines: &[String; 3]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        write!(out, "\r\x1b[K{line}\r\n")?;
    }
    write!(out, "\x1b[3A")?;
    out.flush()
}

/// Leaves what was drawn standing and goes below it.
pub fn below() {
    out!("\n\n\r");
}
