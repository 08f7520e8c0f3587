//! The policy process: robot states in, joint targets out; beside that, swaps asked for and another machine's results.
use anyhow::{Context, Result};
use sinew_rt::clock;
use sinew_rt::fast_path::Publisher;
use sinew_stack::{Participants, PolicyHost};
use sinew_wire::{MAX_FRAME, PolicyCommand, RobotState, StepTime};
use std::time::Duration;

use super::keys;
use super::offboard::OffboardLink;
use super::policy_swap::SwapDesk;
use super::site::NodeSite;

/// The policy of this process; a process has one.
pub const NUMBER: usize = 0;

struct Loop<'a> {
    site: &'a NodeSite,
    host: PolicyHost,
    output: Publisher,
    link: Option<OffboardLink>,
    /// A state whose frame waits for another machine's result.
    held: Option<RobotState>,
    /// Step of the newest state a frame was begun for.
    begun: Option<u64>,
    /// Step and bytes of the last frame.
    last: (Option<u64>, Vec<u8>),
    buffer: [u8; MAX_FRAME],
}

pub fn run(site: &NodeSite) -> Result<()> {
    let scenario = site.scenario.as_ref().map(|(scenario, _)| scenario);
    let mut host = PolicyHost::new(&site.setup, scenario, NUMBER, site.boot_id).context("policy refused")?;
    let link = OffboardLink::of(site, &mut host)?;
    let session = site.open(Some("policy"), &["control"])?;
    let output = session.publisher(&format!("policy/{NUMBER}"), keys::DEPTH, MAX_FRAME)?;
    let (mut states, _subscriptions) = keys::hear(&session, &[keys::ROBOT_STATE])?;
    std::thread::scope(|scope| {
        let mut desk = SwapDesk::open(scope, site, &session)?;
        session.announce("policy")?;
        let last = (None, Vec::with_capacity(MAX_FRAME));
        let mut policy =
            Loop { site, host, output, link, held: None, begun: None, last, buffer: [0; MAX_FRAME] };
        while !site.stopped() {
            let heard = states.recv(Some(clock::deadline_in(Duration::from_millis(100))));
            if let Some(Ok(state)) = heard.map(RobotState::decode) {
                policy.hear(state)?;
            }
            desk.attend(&mut policy.host);
            desk.tell(|| policy.report());
        }
        desk.close();
        policy.leave()
    })
}

impl Loop<'_> {
    fn hear(&mut self, state: RobotState) -> Result<()> {
        let step = state.header.step;
        if let Some(link) = &mut self.link {
            link.receive(step, self.host.slot());
        }
        if let Some(held) = &self.held {
            let wait = self.link.as_ref().map_or(0, OffboardLink::wait_ticks);
            // Control asks again with the state it waits on: then nothing more is waited for.
            let asked_again = step == held.header.step;
            if asked_again || step >= held.header.step + wait {
                if let Some(held) = self.held.take() {
                    self.answer(&held)?;
                }
                if asked_again {
                    return Ok(());
                }
            }
        }
        if self.begun.is_some_and(|begun| step <= begun) {
            // The same bytes answer the same state.
            if self.last.0 == Some(step) {
                self.output.publish(&self.last.1)?;
            }
            return Ok(());
        }
        let present = self.site.free_run || state.body.participants & Participants::POLICY != 0;
        if !present || !self.host.slot().policy().due(step) {
            return Ok(());
        }
        self.begun = Some(step);
        let active = state.body.active_policy == self.host.slot().policy().number();
        match &mut self.link {
            Some(link) if active => {
                link.send(&state, self.host.slot());
                if link.wait_ticks() == 0 {
                    return self.answer(&state);
                }
                self.held = Some(state);
                Ok(())
            }
            _ => self.answer(&state),
        }
    }

    fn answer(&mut self, state: &RobotState) -> Result<()> {
        let step = state.header.step;
        let began = clock::now();
        let mut frame: PolicyCommand =
            self.host.step(state, StepTime::from_ns(step * self.site.setup.robot.period_ns));
        let took_us = (clock::now().since_ns(began) / 1000) as u32;
        frame.body.run_us = took_us;
        // In lockstep the world waits, so wall time misses nothing.
        self.host.judge(&mut frame, self.site.free_run.then_some(took_us));
        let bytes = frame.encode(&mut self.buffer)?;
        self.output.publish(bytes)?;
        self.last.0 = Some(step);
        self.last.1.clear();
        self.last.1.extend_from_slice(bytes);
        Ok(())
    }

    fn leave(&self) -> Result<()> {
        self.site.leave_result("policy", &self.report()?)
    }

    fn report(&self) -> Result<serde_json::Value> {
        let mut report = serde_json::to_value(self.host.report())?;
        if let Some(fields) = report.as_object_mut() {
            if let Some(link) = &self.link {
                fields.insert("link".into(), link.report());
            }
            let policy = self.host.policy();
            fields.insert("placement".into(), crate::engines::placement_of(policy));
        }
        Ok(report)
    }
}
