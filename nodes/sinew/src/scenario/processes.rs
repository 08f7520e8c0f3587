//! A scenario with every core in its own process, on a run directory of its own.
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use sinew_ports::RunDir;
use sinew_rt::clock;
use sinew_rt::fast_path::{FastPath, Publisher};
use sinew_rt::frame_queue::FrameQueue;
use sinew_runner::{ChildSpec, Event, Events, Options, Supervisor};
use sinew_stack::{
    BodyVelocity, LockstepPlan, Outcome, Participant, Participants, PolicyReport, ProcessEvent,
    ScheduledEvent, Scorer, Script, Trace, resolve,
};
use sinew_wire::{ActuatorState, MAX_FRAME, PolicyCommand, RobotMode, RobotState, Stage};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::load::Loaded;
use crate::shells::ctl::{self, Ask, Control, Tell};
use crate::shells::{boot_id, keys, trace_file};

/// A process that was signalled must be confirmed by the kernel within this time.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// The harness listens this long before it looks at the other things.
const LISTEN: Duration = Duration::from_millis(5);

/// Steps for which the last thing heard still stands.
const HEARD_FOR: u64 = 5;

/// What was heard of one step; the twin knows the rest.
#[derive(Clone, Copy, Debug)]
struct HeardStep {
    step: u64,
    mode: RobotMode,
    stage: Stage,
    faults: u64,
}

struct Harness<'a> {
    loaded: &'a Loaded,
    run_dir: RunDir,
    supervisor: Supervisor,
    events: Events,
    ctl: Control,
    session: FastPath,
    motion: Publisher,
    states: FrameQueue,
    others: FrameQueue,
    script: Script,
    plan: LockstepPlan,
    schedule: Vec<(u64, ProcessEvent)>,
    next: usize,
    mask: u32,
    last: Option<(u64, Vec<u8>)>,
    heard: Vec<HeardStep>,
    policy_us: Vec<(u64, u32)>,
    /// Step of the newest robot state.
    control_heard: u64,
    messages: u64,
    saturated_ticks: u64,
    pids: Vec<u32>,
    buffer: [u8; MAX_FRAME],
    free_run: bool,
    /// Step of the twin when a free run's first signal was sent.
    lost_at: Option<u64>,
}

/// Runs `loaded` as processes and judges it.
///
/// # Errors
/// A process that could not start or ended by itself; silence.
pub fn run(file: &Path, loaded: &Loaded, free_run: bool) -> Result<(Outcome, Trace, Vec<u32>)> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let own = format!("sinew-run-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let run_dir = RunDir::create(&std::env::temp_dir().join(own))?;
    let path = run_dir.path().to_owned();
    let result = Harness::start(file, loaded, run_dir, free_run).and_then(Harness::run);
    // Sockets and results of this run only; what cannot be removed is the system's to clean.
    std::fs::remove_dir_all(&path).ok();
    result
}

impl<'a> Harness<'a> {
    fn start(file: &Path, loaded: &'a Loaded, run_dir: RunDir, free_run: bool) -> Result<Self> {
        let (setup, scenario) = (&loaded.setup, &loaded.scenario);
        ensure!(
            scenario.policy_body_velocity == BodyVelocity::Estimator,
            "{}: policy_body_velocity: truth is an aid of the inline composition; processes have no truth to read",
            file.display()
        );
        let mut mask = Participants::BRIDGE | Participants::CONTROL | Participants::OPERATOR;
        if !setup.models.is_empty() {
            mask |= Participants::POLICY;
        }
        let ctl = Control::bind(ctl::harness_path(run_dir.path()))?;
        let mut kinds = vec!["bridge", "control", "twin"];
        if mask & Participants::POLICY != 0 {
            kinds.insert(0, "policy");
        }
        let specs = kinds
            .iter()
            .map(|kind| child(kind, file, loaded, run_dir.path(), mask, free_run))
            .collect::<Result<Vec<_>>>()?;
        let (supervisor, events) = Supervisor::start(specs, Options::default())?;
        let session = keys::open(&setup.name, run_dir.path(), None, &["control", "bridge", "policy"], None)?;
        let motion = session.publisher("motion/scenario", keys::DEPTH, MAX_FRAME)?;
        let (states, states_subscription) = keys::hear(&session, &[keys::ROBOT_STATE])?;
        let (others, others_subscription) =
            keys::hear(&session, &[keys::ACTUATOR_STATE, keys::POLICY_COMMANDS])?;
        // They live as long as the session, which this run owns.
        std::mem::forget(states_subscription);
        std::mem::forget(others_subscription);
        session.announce("operator")?;
        let schedule = resolve(scenario, &setup.robot, &file.display().to_string())?
            .into_iter()
            .filter_map(|(step, event)| match event {
                ScheduledEvent::Process(event) => Some((step, event)),
                ScheduledEvent::World(_) => None,
            })
            .collect();
        Ok(Self {
            script: Script::new(scenario, &setup.name, boot_id(), setup.robot.period_ns),
            plan: setup.plan(),
            schedule,
            next: 0,
            mask,
            last: None,
            heard: Vec::new(),
            policy_us: Vec::new(),
            control_heard: 0,
            messages: 0,
            saturated_ticks: 0,
            pids: Vec::new(),
            buffer: [0; MAX_FRAME],
            loaded,
            run_dir,
            supervisor,
            events,
            ctl,
            session,
            motion,
            states,
            others,
            free_run,
            lost_at: None,
        })
    }

    fn run(mut self) -> Result<(Outcome, Trace, Vec<u32>)> {
        loop {
            if let Some(bytes) = self.states.recv(Some(clock::deadline_in(LISTEN)))
                && let Ok(state) = RobotState::decode(bytes)
            {
                self.answer(&state)?;
            }
            self.listen_to_others();
            if let Some((Tell::Hold { step }, _)) = self.ctl.receive(Duration::ZERO)? {
                self.act(step)?;
            }
            if self.free_run
                && let Some((at, _)) = self.schedule.get(self.next).copied()
                && self.heard.last().is_some_and(|heard| heard.step >= at)
            {
                let step = ctl::ask_truth(&self.ctl, self.run_dir.path())?.step;
                self.lost_at.get_or_insert(step);
                self.act(at)?;
            }
            if self.twin_has_ended()? {
                break;
            }
        }
        self.supervisor.signal_all(Signal::SIGCONT);
        self.supervisor.signal_all(Signal::SIGTERM);
        self.wait_for_result("bridge")?;
        if !self.loaded.setup.models.is_empty() {
            self.wait_for_result("policy")?;
        }
        self.judge()
    }

    /// Answers a robot state as the table of the run says; a repeated state gets the same bytes again.
    fn answer(&mut self, state: &RobotState) -> Result<()> {
        let step = state.header.step;
        self.saturated_ticks = u64::from(state.body.saturated_ticks);
        let body = &state.body;
        self.control_heard = step;
        self.heard.push(HeardStep {
            step,
            mode: body.robot_mode(),
            stage: body.stage(),
            faults: body.faults,
        });
        let due = if self.free_run {
            // States may be lost; the script answers the first one of each interval.
            self.last.as_ref().is_none_or(|(last, _)| step >= last + self.plan.motion.decimation)
        } else {
            body.participants & Participants::OPERATOR != 0
                && step.is_multiple_of(self.plan.motion.decimation)
        };
        if !due {
            return Ok(());
        }
        match &self.last {
            Some((last, bytes)) if step == *last => self.motion.publish(bytes)?,
            Some((last, _)) if step < *last => {}
            _ => {
                let frame = self.script.step(state);
                let bytes = frame.encode(&mut self.buffer)?.to_vec();
                self.motion.publish(&bytes)?;
                self.messages += 1;
                self.last = Some((step, bytes));
            }
        }
        Ok(())
    }

    fn listen_to_others(&mut self) {
        while let Some(bytes) = self.others.try_recv() {
            if let Ok(state) = ActuatorState::decode(bytes) {
                let body = &state.body;
                // When control is silent nobody else says what is wrong.
                if self.control_heard + HEARD_FOR < state.header.step {
                    self.heard.push(HeardStep {
                        step: state.header.step,
                        mode: RobotMode::default(),
                        stage: body.stage(),
                        faults: body.faults,
                    });
                }
            } else if let Ok(frame) = PolicyCommand::decode(bytes) {
                self.policy_us.push((frame.header.step, frame.body.run_us));
            }
        }
    }

    /// The twin holds before `step`: do to the processes what the script says, then let it go on.
    fn act(&mut self, step: u64) -> Result<()> {
        while let Some((at, event)) = self.schedule.get(self.next).copied() {
            if at > step {
                break;
            }
            self.next += 1;
            let (who, signal, present) = match event {
                ProcessEvent::Kill(who) => (who, Signal::SIGKILL, false),
                ProcessEvent::Stop(who) => (who, Signal::SIGSTOP, false),
                ProcessEvent::Continue(who) => (who, Signal::SIGCONT, true),
            };
            let (bit, name) = match who {
                Participant::Bridge => (Participants::BRIDGE, Some("bridge")),
                Participant::Control => (Participants::CONTROL, Some("control")),
                Participant::Policy => (Participants::POLICY, Some("policy")),
                // The operator is this process: its absence is the mask alone.
                Participant::Operator => (Participants::OPERATOR, None),
            };
            if let Some(name) = name {
                self.supervisor
                    .signal_confirmed(name, signal, CONFIRM_WITHIN)
                    .with_context(|| format!("step {step}: {signal} to {name}"))?;
            }
            self.mask = if present { self.mask | bit } else { self.mask & !bit };
        }
        if self.free_run {
            return Ok(());
        }
        self.ctl.send(&ctl::twin_path(self.run_dir.path()), &Ask::Proceed { mask: self.mask })
    }

    fn twin_has_ended(&mut self) -> Result<bool> {
        while let Some(event) = self.events.try_next() {
            match event {
                Event::Started { pid, .. } => self.pids.push(pid),
                Event::Exited { name, status, .. } if &*name == "twin" => {
                    if !status.success() {
                        bail!("twin ended: {status:?}\n{}", self.supervisor.last_lines("twin").join("\n"));
                    }
                    return Ok(true);
                }
                // The bridge leaves when the twin says so, a moment before the twin itself ends.
                Event::Exited { name, status, .. } if !status.success() && !self.was_killed(&name) => {
                    let lines = self.supervisor.last_lines(&name).join("\n");
                    bail!("{name} ended by itself: {status:?}\n{lines}");
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn was_killed(&self, name: &str) -> bool {
        self.schedule.iter().take(self.next).any(|(_, event)| {
            matches!(
                (event, name),
                (ProcessEvent::Kill(Participant::Bridge), "bridge")
                    | (ProcessEvent::Kill(Participant::Control), "control")
                    | (ProcessEvent::Kill(Participant::Policy), "policy")
            )
        })
    }

    fn wait_for_result(&self, node: &str) -> Result<()> {
        let killed = self.was_killed(node);
        let deadline = clock::deadline_in(Duration::from_secs(10));
        while !killed && !clock::remaining(deadline).is_zero() {
            match self.events.next_within(Duration::from_millis(200)) {
                Some(Event::Exited { name, .. }) if &*name == node => return Ok(()),
                _ if self.result(node).is_some() => return Ok(()),
                _ => {}
            }
        }
        if killed { Ok(()) } else { bail!("{node} left no result") }
    }

    fn result(&self, node: &str) -> Option<serde_json::Value> {
        let text = std::fs::read_to_string(self.run_dir.path().join(format!("{node}.json"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn judge(mut self) -> Result<(Outcome, Trace, Vec<u32>)> {
        let mut trace = trace_file::read(&self.run_dir.path().join("trace.bin"))?;
        let robot = &self.loaded.setup.robot;
        let scorer = Scorer::new(&self.loaded.scenario, robot.period_ns, robot.postures.stand.height_m)
            .lost_at(self.lost_at);
        self.heard.sort_by_key(|h| h.step);
        let mut heard = self.heard.iter().peekable();
        let mut timed = self.policy_us.iter().peekable();
        let (mut known, mut policy_us) = (None::<HeardStep>, 0);
        for step in &mut trace.steps {
            while let Some(next) = heard.next_if(|h| h.step <= step.step) {
                known = Some(*next);
            }
            while let Some((_, us)) = timed.next_if(|(at, _)| *at <= step.step) {
                policy_us = *us;
            }
            step.command = scorer.command(step.step);
            step.policy_us = policy_us;
            // A view is lost now and then; what has not been heard for longer is not known.
            let Some(known) = known.filter(|h| h.step + HEARD_FOR >= step.step) else { continue };
            step.mode = known.mode;
            step.stage = known.stage;
            step.faults = known.faults;
        }
        let twin = self.result("twin").context("twin left no result")?;
        let report: PolicyReport = match self.result("policy") {
            Some(report) => serde_json::from_value(report).context("the policy's result")?,
            None if self.was_killed("policy") || self.loaded.scenario.policies.is_empty() => {
                PolicyReport::default()
            }
            None => bail!("policy left no result"),
        };
        let scorer = scorer.policy(report);
        let bridge = self.result("bridge").unwrap_or_default();
        let refusals: Vec<String> = bridge["refusals"]
            .as_array()
            .map(|names| names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let stale = bridge["stale_accepted"].as_u64().unwrap_or(0);
        let outcome = Outcome {
            score: scorer.judge(&trace, stale, &refusals),
            hash: twin["hash"].as_str().unwrap_or_default().to_owned(),
            steps: twin["steps"].as_u64().unwrap_or(0),
            messages: self.messages + bridge["messages"].as_u64().unwrap_or(0),
            saturated_ticks: self.saturated_ticks,
        };
        let pids = std::mem::take(&mut self.pids);
        drop(self.session);
        self.supervisor.kill_all();
        let stuck = self.supervisor.wait().stuck;
        ensure!(stuck.is_empty(), "processes that do not end: {}", stuck.join(", "));
        Ok((outcome, trace, pids))
    }
}

fn child(
    kind: &str,
    file: &Path,
    loaded: &Loaded,
    run_dir: &Path,
    mask: u32,
    free_run: bool,
) -> Result<ChildSpec> {
    let exe = std::env::current_exe().context("own executable")?;
    let description: PathBuf = crate::site::robot_folder(&loaded.scenario.robot)?;
    let absolute = file.canonicalize().with_context(|| file.display().to_string())?;
    let mut words = vec![exe.into_os_string(), "node".into(), kind.into(), "--ros-args".into()];
    for (name, value) in [
        ("robot", loaded.setup.name.clone()),
        ("description", description.display().to_string()),
        ("run_dir", run_dir.display().to_string()),
        ("scenario", absolute.display().to_string()),
        ("scenario_robot", loaded.scenario.robot.clone()),
        ("engine", loaded.scenario.engine.name().to_owned()),
        ("solver_iterations", loaded.scenario.solver_iterations.to_string()),
        ("latency_ticks", loaded.scenario.latency_ticks.to_string()),
        ("seed", loaded.setup.seed.to_string()),
        ("participants", mask.to_string()),
        ("free_run", free_run.to_string()),
    ] {
        words.push("-p".into());
        words.push(format!("{name}:={value}").into());
    }
    Ok(ChildSpec::new(kind, words))
}
