//! `sinew status`: a running robot on one page, or as one JSON object.
use anyhow::Result;
use serde_json::{Value, json};
use sinew_wire::{NO_POLICY, RobotState, Source};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli;
use crate::client::{Client, faults};

/// How long a robot may take to say something.
const WAIT: Duration = Duration::from_secs(3);

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
    let status = describe(&client, &args.robot);
    if args.json {
        println!("{status}");
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
        "saturated_ticks": body.saturated_ticks,
        "replies_missing": actuators.body.missing,
        "commands_refused": actuators.body.refused,
        "rtf": truth.as_ref().map(|t| t.rtf),
        "truth_height_m": truth.as_ref().map(|t| t.position_m[2]),
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
            println!("{name:18} {value}");
        }
    }
}

/// One line for a terminal that is refreshed in place.
pub fn line(state: &RobotState, rate_hz: f64, rtf: f64) -> String {
    let body = &state.body;
    let [vx, vy, _] = body.velocity_m_s;
    let wz = body.angular_velocity_rad_s[2];
    let [cx, cy, cz] = body.command;
    let hottest = state.joints.iter().map(|j| j.temperature_c).fold(f32::MIN, f32::max);
    let faults = faults(body.faults);
    let faults = if faults.is_empty() { "none" } else { &faults };
    format!(
        "{:9} link {:8} {:5}  {rate_hz:4.0} Hz  {rtf:4.2}x real time  height {:.2} m  v {vx:+.2} {vy:+.2} {wz:+.2} for {cx:+.2} {cy:+.2} {cz:+.2}  {hottest:.0} C  lease {}  faults {faults}",
        body.robot_mode().name(),
        body.link_state().name(),
        body.stage().name(),
        body.height_m,
        source_name(body.lease_holder),
    )
}
