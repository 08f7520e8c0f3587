//! The policy process: robot states in, joint targets out, nothing else.
use anyhow::{Context, Result};
use sinew_rt::clock;
use sinew_stack::Participants;
use sinew_wire::{MAX_FRAME, RobotState, StepTime};
use std::time::Duration;

use super::keys;
use super::site::NodeSite;

pub fn run(site: &NodeSite) -> Result<()> {
    let number = 0;
    let mut policy = site.setup.policy(number, site.boot_id).context("policy refused")?;
    let session = site.open(Some("policy"), &["control"])?;
    let mut output = session.publisher(&format!("policy/{number}"), keys::DEPTH, MAX_FRAME)?;
    let (mut states, _subscriptions) = keys::hear(&session, &[keys::ROBOT_STATE])?;
    session.announce("policy")?;
    let mut buffer = [0; MAX_FRAME];
    let mut last: Option<(u64, Vec<u8>)> = None;
    while !site.stopped() {
        let Some(bytes) = states.recv(Some(clock::deadline_in(Duration::from_millis(100)))) else { continue };
        let Ok(state) = RobotState::decode(bytes) else { continue };
        let step = state.header.step;
        if let Some((last_step, frame)) = &last
            && step <= *last_step
        {
            // Control waits and asks again with the state it waits on: the same bytes answer it.
            if step == *last_step {
                output.publish(frame)?;
            }
            continue;
        }
        let present = site.free_run || state.body.participants & Participants::POLICY != 0;
        if !present || !policy.due(step) {
            continue;
        }
        let began = clock::now();
        let mut frame = policy.step(&state, StepTime::from_ns(step * site.setup.robot.period_ns));
        frame.body.run_us = (clock::now().since_ns(began) / 1000) as u32;
        let bytes = frame.encode(&mut buffer)?.to_vec();
        output.publish(&bytes)?;
        last = Some((step, bytes));
    }
    Ok(())
}
