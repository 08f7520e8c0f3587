//! The control process: waits for what is due, ticks once, answers.
use anyhow::{Result, bail};
use sinew_control::{Control, Inputs, PolicyTiming};
use sinew_rt::account::{Meter, Usage};
use sinew_rt::clock;
use sinew_rt::fast_path::Publisher;
use sinew_rt::frame_queue::FrameQueue;
use sinew_rt::thread::priority;
use sinew_stack::{Inbox, LockstepPlan, Participants};
use sinew_wire::{
    ActuatorState, MAX_FRAME, MotionCommand, MotionCommandBody, PolicyCommand, PolicyCommandBody, Source,
    WatchTime,
};
use std::collections::VecDeque;
use std::time::Duration;

use super::ctl::{Ask, Control as CtlSocket, twin_path};
use super::keys;
use super::lockstep::{Patience, SILENCE};
use super::site::NodeSite;

/// Own robot states kept for those who lost one, ticks.
const REMEMBERED: usize = 64;
/// Ticks before a free run is metered: everything has been touched once.
const WARM_TICKS: u64 = 500;
/// Wall time a shutdown may take before control gives up, s.
const SHUTDOWN_S: u64 = 30;
/// Step time a shutdown may take, s.
const SHUTDOWN_STEP_S: f64 = 6.0;

struct Loop<'a> {
    site: &'a NodeSite,
    plan: LockstepPlan,
    control: Control,
    states: FrameQueue,
    inputs: FrameQueue,
    commands: Publisher,
    robot_states: Publisher,
    policy_inbox: Inbox<PolicyCommandBody>,
    motion_inbox: Inbox<MotionCommandBody>,
    policy_due: Vec<PolicyCommand>,
    motion_due: Vec<MotionCommand>,
    /// Step, participants and bytes of the last robot states.
    published: VecDeque<(u64, u32, Vec<u8>)>,
    last_command: Vec<u8>,
    last_step: Option<u64>,
    /// Allocations and page faults of the ticks after the first second of a free run.
    usage: Usage,
    metered: u64,
    buffer: [u8; MAX_FRAME],
}

pub fn run(site: &NodeSite) -> Result<()> {
    let session = site.open(Some("control"), &["bridge"])?;
    let commands = session.publisher(keys::ACTUATOR_COMMAND, keys::DEPTH, MAX_FRAME)?;
    let robot_states = session.publisher(keys::ROBOT_STATE, keys::DEPTH, MAX_FRAME)?;
    let (states, _states) = keys::hear(&session, &[keys::ACTUATOR_STATE])?;
    let (inputs, _inputs) = keys::hear(&session, &[keys::POLICY_COMMANDS, keys::MOTION_COMMANDS])?;
    let mut peers = Vec::new();
    for (bit, name) in [(Participants::POLICY, "policy"), (Participants::OPERATOR, "operator")] {
        if site.participants & bit != 0 {
            peers.push(name);
        }
    }
    while session.wait_for_peers(&peers, clock::deadline_in(Duration::from_millis(200))).is_err() {
        if site.stopped() {
            return Ok(());
        }
    }
    session.announce("control")?;
    site.adopt_loop("control", priority::CONTROL_LOOP)?;
    let mut control = Loop {
        plan: site.setup.plan(),
        control: site.setup.control(site.boot_id)?,
        states,
        inputs,
        commands,
        robot_states,
        policy_inbox: Inbox::default(),
        motion_inbox: Inbox::default(),
        policy_due: Vec::new(),
        motion_due: Vec::new(),
        published: VecDeque::with_capacity(REMEMBERED + 1),
        last_command: Vec::new(),
        last_step: None,
        usage: Usage::default(),
        metered: 0,
        buffer: [0; MAX_FRAME],
        site,
    };
    let result = control.run();
    if site.free_run {
        let usage = control.usage;
        site.leave_result(
            "control",
            &serde_json::json!({
                "ticks": control.metered,
                "allocations": usage.allocations,
                "minor_faults": usage.minor_faults,
                "major_faults": usage.major_faults,
            }),
        )?;
    }
    result
}

impl Loop<'_> {
    fn run(&mut self) -> Result<()> {
        let mut stop_asked: Option<(WatchTime, Option<u64>)> = None;
        loop {
            if self.site.stopped() && stop_asked.is_none() {
                if self.site.scenario.is_some() {
                    return Ok(());
                }
                self.control.request_stop();
                stop_asked = Some((clock::now(), self.last_step));
            }
            if let Some((since, at_step)) = stop_asked {
                let period_s = self.site.setup.robot.period_ns as f64 * 1e-9;
                let stepped =
                    self.last_step.zip(at_step).map_or(0.0, |(now, then)| (now - then) as f64 * period_s);
                let waited_s = clock::now().since_ns(since) / 1_000_000_000;
                let never_ticked = self.last_step.is_none();
                if never_ticked
                    || self.control.is_released()
                    || waited_s > SHUTDOWN_S
                    || stepped > SHUTDOWN_STEP_S
                {
                    return self.leave();
                }
            }
            let Some(state) = self.next_state()? else { continue };
            if self.is_lockstep() {
                if state.body.participants & Participants::CONTROL == 0 {
                    continue;
                }
                let Some(state) = self.wait_for_inputs(state)? else { continue };
                self.tick(&state)?;
            } else {
                let meter = (self.control.counters().ticks > WARM_TICKS).then(Meter::start);
                self.drain_inputs();
                self.tick(&state)?;
                if let Some(meter) = meter {
                    self.usage.add(meter.stop());
                    self.metered += 1;
                }
            }
        }
    }

    fn is_lockstep(&self) -> bool {
        !self.site.free_run
    }

    /// The next state that is newer than the last; a repeated one is answered with the last command.
    fn next_state(&mut self) -> Result<Option<ActuatorState>> {
        let Some(bytes) = self.states.recv(Some(clock::deadline_in(Duration::from_millis(100)))) else {
            return Ok(None);
        };
        // What does not decode comes from no bridge of ours; the schema was compared when it was met.
        let Ok(mut state) = ActuatorState::decode(bytes) else { return Ok(None) };
        if !self.is_lockstep() {
            // Only the newest counts: a process that was held up must not answer the past.
            while let Some(bytes) = self.states.try_recv() {
                state = ActuatorState::decode(bytes).unwrap_or(state);
            }
        }
        let step = state.header.step;
        match self.last_step {
            Some(last) if step == last && self.is_lockstep() => {
                self.commands.publish(&self.last_command)?;
                Ok(None)
            }
            Some(last) if step <= last && self.is_lockstep() => Ok(None),
            _ => Ok(Some(state)),
        }
    }

    fn drain_inputs(&mut self) {
        while let Some(bytes) = self.inputs.try_recv() {
            take_input(bytes, &mut self.policy_inbox, &mut self.motion_inbox);
        }
    }

    /// True when `source` was present in the robot state that its input of tick `step` is computed from.
    fn is_due(&self, timing: PolicyTiming, participant: u32, step: u64) -> Option<u64> {
        let from = step.checked_sub(timing.latency_ticks)?;
        if !from.is_multiple_of(timing.decimation) {
            return None;
        }
        let (_, participants, _) = self.published.iter().find(|(at, _, _)| *at == from)?;
        (participants & participant != 0).then_some(from)
    }

    /// Blocks until every declared input of this step is there, or its sender is no longer part of the run.
    fn wait_for_inputs(&mut self, mut state: ActuatorState) -> Result<Option<ActuatorState>> {
        let step = state.header.step;
        let mut patience = Patience::new();
        loop {
            self.drain_inputs();
            let present = state.body.participants;
            let needed = [
                (self.plan.policy, Participants::POLICY, Source::POLICY),
                (self.plan.motion, Participants::OPERATOR, Source::SCENARIO),
            ];
            let missing = needed.into_iter().find_map(|(timing, participant, source)| {
                let from = self.is_due(timing, participant, step)?;
                let here = match source {
                    Source::POLICY => self.policy_inbox.has(source.0, from),
                    _ => self.motion_inbox.has(source.0, from),
                };
                (present & participant != 0 && !here).then_some(from)
            });
            let Some(from) = missing else { return Ok(Some(state)) };
            if let Some(bytes) = self.inputs.recv(Some(patience.deadline())) {
                take_input(bytes, &mut self.policy_inbox, &mut self.motion_inbox);
                continue;
            }
            if self.site.stopped() && self.site.scenario.is_some() {
                return Ok(None);
            }
            if patience.is_over() {
                bail!("step {step}: an input has been missing for {} s", SILENCE.as_secs());
            }
            if patience.resend()
                && let Some((_, _, bytes)) = self.published.iter().find(|(at, _, _)| *at == from)
            {
                self.robot_states.publish(bytes)?;
            }
            while let Some(bytes) = self.states.try_recv() {
                if let Ok(again) = ActuatorState::decode(bytes)
                    && again.header.step == step
                {
                    state = again;
                }
            }
        }
    }

    fn tick(&mut self, state: &ActuatorState) -> Result<()> {
        let step = state.header.step;
        let (lockstep, present) = (self.is_lockstep(), state.body.participants);
        let due = |timing: PolicyTiming, from: u64| !lockstep || from + timing.latency_ticks <= step;
        let plan = self.plan;
        self.policy_inbox.take_due(|f| due(plan.policy, f.header.step), &mut self.policy_due);
        // People are taken as they come; only the scripted operator keeps to the table.
        let scripted = |f: &MotionCommand| f.header.source == Source::SCENARIO.0;
        self.motion_inbox.take_due(|f| !scripted(f) || due(plan.motion, f.header.step), &mut self.motion_due);
        if lockstep {
            if present & Participants::POLICY == 0 {
                self.policy_due.clear();
            }
            if self.site.scenario.is_some() {
                // A scenario accepts no undeclared motion source.
                self.motion_due.retain(scripted);
            }
            if present & Participants::OPERATOR == 0 {
                self.motion_due.retain(|f| !scripted(f));
            }
        }
        let inputs = Inputs { state, policy: &self.policy_due, motion: &self.motion_due };
        let (command, robot_state) = self.control.tick(&inputs);
        let bytes = command.encode(&mut self.buffer)?;
        self.commands.publish(bytes)?;
        self.last_command.clear();
        self.last_command.extend_from_slice(bytes);
        let bytes = robot_state.encode(&mut self.buffer)?;
        self.robot_states.publish(bytes)?;
        if lockstep {
            let mut kept = if self.published.len() >= REMEMBERED {
                self.published.pop_front().map(|(_, _, bytes)| bytes).unwrap_or_default()
            } else {
                Vec::with_capacity(MAX_FRAME)
            };
            kept.clear();
            kept.extend_from_slice(bytes);
            self.published.push_back((step, present, kept));
        }
        self.last_step = Some(step);
        Ok(())
    }

    /// Leaves the run: the twin clears our bit, so that nobody waits for a command that will not come.
    fn leave(&mut self) -> Result<()> {
        let socket = CtlSocket::bind(self.site.run_dir.path().join("control.ctl"))?;
        let clear = Ask::Mask { set: 0, clear: Participants::CONTROL };
        let twin = twin_path(self.site.run_dir.path());
        if socket.send(&twin, &clear).is_err() {
            return Ok(()); // no twin: a robot with real buses, or one that is already gone
        }
        // Answer repeated states until the mask has changed, at most half a second.
        let deadline = clock::deadline_in(Duration::from_millis(500));
        while let Some(bytes) = self.states.recv(Some(deadline)) {
            let Ok(state) = ActuatorState::decode(bytes) else { continue };
            if state.body.participants & Participants::CONTROL == 0 {
                break;
            }
            if Some(state.header.step) == self.last_step {
                self.commands.publish(&self.last_command)?;
            }
        }
        Ok(())
    }
}

fn take_input(bytes: &[u8], policy: &mut Inbox<PolicyCommandBody>, motion: &mut Inbox<MotionCommandBody>) {
    // The kind decides; what is neither is nobody's input and is dropped.
    if let Ok(frame) = PolicyCommand::decode(bytes) {
        policy.push(frame);
    } else if let Ok(frame) = MotionCommand::decode(bytes) {
        motion.push(frame);
    }
}
