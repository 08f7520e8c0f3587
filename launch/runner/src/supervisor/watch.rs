//! The thread that owns the children.

use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::child::Process;
use super::confirm::SignalError;
use super::events::Outbox;
use super::kernel;
use super::report::{ChildState, Event, ExitStatus, ShutdownReport};
use super::spec::{ChildSpec, Options, Stage};
use super::{Request, Shared, StartError};

/// Shortest time between two starts of one child, whatever its respawn delay: a program that fails at
/// once must not take a processor.
const MIN_START_INTERVAL: Duration = Duration::from_millis(100);
/// After SIGKILL a child that the kernel cannot end is given up.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// One child and where it stands (the picture is in `supervisor.rs`).
struct Slot {
    spec: ChildSpec,
    name: Arc<str>,
    process: Option<Process>,
    runs: u32,
    retries: u32,
    started_at: Instant,
    start_at: Option<Instant>,
    stop: Stop,
    last: Option<ExitStatus>,
    was_killed: bool,
}

/// How far stopping a running child has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Not asked to.
    No,
    /// SIGTERM sent; SIGKILL follows.
    Asked { kill_at: Instant },
    /// SIGKILL sent; given up if it does not end.
    Killed { give_up_at: Instant },
    /// Given up.
    Stuck,
}

impl Slot {
    fn alive(&self) -> bool {
        self.process.is_some() && self.stop != Stop::Stuck
    }

    fn deadline(&self) -> Option<Instant> {
        let stop = match self.stop {
            Stop::Asked { kill_at } => Some(kill_at),
            Stop::Killed { give_up_at } => Some(give_up_at),
            Stop::No | Stop::Stuck => None,
        };
        stop.filter(|_| self.process.is_some()).into_iter().chain(self.start_at).min()
    }
}

/// The thread's whole state.
pub(super) struct Watch {
    slots: Vec<Slot>,
    options: Options,
    shared: Arc<Shared>,
    inbox: Receiver<Request>,
    outbox: Outbox,
    /// Stages still to be begun, as indices of slots; `None` while nothing is being shut down.
    stages: Option<Vec<Vec<usize>>>,
}

impl Watch {
    pub(super) fn new(
        specs: Vec<ChildSpec>,
        options: Options,
        shared: Arc<Shared>,
        inbox: Receiver<Request>,
        outbox: Outbox,
    ) -> Self {
        let now = Instant::now();
        let slots = specs.into_iter().map(|spec| Slot {
            name: Arc::from(spec.name.as_str()),
            spec,
            process: None,
            runs: 0,
            retries: 0,
            started_at: now,
            start_at: None,
            stop: Stop::No,
            last: None,
            was_killed: false,
        });
        Self { slots: slots.collect(), options, shared, inbox, outbox, stages: None }
    }

    /// Lives as long as any child does.
    pub(super) fn run(mut self, started: &SyncSender<Result<(), StartError>>) -> ShutdownReport {
        let mut outcome = self.start_all();
        if outcome.is_ok() {
            // The starter waits for this word; if it is gone, the channel of requests says so.
            started.send(std::mem::replace(&mut outcome, Ok(()))).unwrap_or_default();
        } else {
            self.kill_all();
        }
        loop {
            self.take_requests();
            let now = Instant::now();
            self.restart_due(now);
            self.escalate(now);
            self.advance(now);
            if self.stages.as_ref().is_some_and(Vec::is_empty) && !self.slots.iter().any(Slot::alive) {
                break;
            }
            self.wait(now);
            self.read_and_reap();
        }
        self.outbox.send(Event::AllEnded);
        if outcome.is_err() {
            started.send(outcome).unwrap_or_default();
        }
        self.report()
    }

    fn start_all(&mut self) -> Result<(), StartError> {
        for index in 0..self.slots.len() {
            if let Err(source) = self.spawn(index) {
                let spec = self.slots.get(index).map(|s| &s.spec);
                let program = spec.and_then(|s| s.command.first()).map(|p| p.to_string_lossy().into_owned());
                return Err(StartError::Spawn {
                    name: spec.map(|s| s.name.clone()).unwrap_or_default(),
                    program: program.unwrap_or_default(),
                    source,
                });
            }
        }
        Ok(())
    }

    /// 1: starts a child.
    fn spawn(&mut self, index: usize) -> std::io::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        slot.start_at = None;
        slot.started_at = Instant::now();
        match Process::spawn(&slot.spec, self.options) {
            Ok(process) => {
                slot.runs += 1;
                slot.stop = Stop::No;
                slot.was_killed = false;
                let pid = process.pid;
                show(&self.shared, index, ChildState::Running { pid }, Some(&process));
                slot.process = Some(process);
                self.outbox.send(Event::Started { name: Arc::clone(&slot.name), pid, run: slot.runs });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn take_requests(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Request::Shutdown(stages)) => self.begin_shutdown(&stages),
                Ok(Request::KillAll) => self.kill_all(),
                Ok(Request::Start { name, reply }) => {
                    let answer = self.start_again(&name);
                    // Who asked may have stopped waiting.
                    reply.send(answer).unwrap_or_default();
                }
                Err(_) => break,
            }
        }
    }

    fn start_again(&mut self, name: &str) -> Result<u32, SignalError> {
        let name = name.to_owned();
        let Some(index) = self.slots.iter().position(|s| s.spec.name == name) else {
            return Err(SignalError::Unknown { name });
        };
        // An end that was confirmed to the caller may not have been taken here yet.
        self.reap(index);
        let stopping = self.stages.is_some();
        match self.slots.get_mut(index) {
            Some(slot) if slot.process.is_some() => return Err(SignalError::Running { name }),
            Some(slot) if !stopping => slot.retries = 0,
            _ => return Err(SignalError::NotRunning { name }),
        }
        self.spawn(index).map_err(|source| SignalError::Kernel { name: name.clone(), source })?;
        let pid = self.slots.get(index).and_then(|s| s.process.as_ref()).map(|p| p.pid);
        pid.ok_or(SignalError::NotRunning { name })
    }

    fn restart_due(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            if self.slots.get(index).and_then(|s| s.start_at).is_none_or(|at| at > now) {
                continue;
            }
            if let Err(error) = self.spawn(index)
                && let Some(slot) = self.slots.get(index)
            {
                self.outbox
                    .send(Event::StartFailed { name: Arc::clone(&slot.name), reason: error.to_string() });
                show(&self.shared, index, ChildState::Failed, None);
                self.schedule_restart(index);
            }
        }
    }

    /// 5: plans the next run, if there is to be one.
    fn schedule_restart(&mut self, index: usize) {
        let stopping = self.stages.is_some();
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(respawn) = slot.spec.respawn.filter(|_| !stopping) else {
            return;
        };
        let name = Arc::clone(&slot.name);
        if respawn.max_retries.is_some_and(|most| slot.retries >= most) {
            self.outbox.send(Event::GaveUp { name, runs: slot.runs });
            return;
        }
        slot.retries = slot.retries.saturating_add(1);
        let now = Instant::now();
        let soonest = slot.started_at + MIN_START_INTERVAL;
        let at = now.checked_add(respawn.delay).unwrap_or(now).max(soonest);
        slot.start_at = Some(at);
        show(&self.shared, index, ChildState::Waiting, None);
        let delay = at.saturating_duration_since(now);
        self.outbox.send(Event::Restarting { name, delay, retry: slot.retries });
    }

    fn begin_shutdown(&mut self, stages: &[Stage]) {
        if self.stages.is_some() {
            return;
        }
        self.cancel_restarts();
        let mut left: Vec<usize> = (0..self.slots.len()).collect();
        let mut plan: Vec<Vec<usize>> = Vec::new();
        for stage in stages {
            let chosen = |i: &usize| self.slots.get(*i).is_some_and(|s| stage.names.contains(&s.spec.name));
            let (now, later) = left.into_iter().partition(chosen);
            plan.push(now);
            left = later;
        }
        plan.push(left);
        self.stages = Some(plan);
    }

    fn cancel_restarts(&mut self) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.start_at.take().is_some() {
                let state = slot.last.map_or(ChildState::Failed, |status| ChildState::Ended { status });
                show(&self.shared, index, state, None);
            }
        }
    }

    fn kill_all(&mut self) {
        self.stages = Some(Vec::new());
        self.cancel_restarts();
        for index in 0..self.slots.len() {
            self.kill(index);
        }
    }

    /// 4: SIGKILL.
    fn kill(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if let (Some(process), Stop::No | Stop::Asked { .. }) = (&slot.process, slot.stop) {
            process.kill();
            slot.stop = Stop::Killed { give_up_at: Instant::now() + KILL_PATIENCE };
            slot.was_killed = true;
            self.outbox.send(Event::Signalled { name: Arc::clone(&slot.name), signal: Signal::SIGKILL });
        }
    }

    fn escalate(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            match self.slots.get(index).map(|s| (s.stop, s.alive())) {
                Some((Stop::Asked { kill_at }, true)) if kill_at <= now => self.kill(index),
                Some((Stop::Killed { give_up_at }, true)) if give_up_at <= now => self.give_up(index),
                _ => {}
            }
        }
    }

    fn give_up(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && let Some(pid) = slot.process.as_ref().map(|p| p.pid)
        {
            slot.stop = Stop::Stuck;
            self.outbox.send(Event::Stuck { name: Arc::clone(&slot.name), pid });
            show(&self.shared, index, ChildState::Stuck { pid }, None);
        }
    }

    /// 3: begins the next stage when the children of those before are gone.
    fn advance(&mut self, now: Instant) {
        while let Some(stages) = self.stages.as_mut() {
            let asked = self.slots.iter().any(|s| s.alive() && s.stop != Stop::No);
            if asked || stages.is_empty() {
                break;
            }
            for index in stages.remove(0) {
                let Some(slot) = self.slots.get_mut(index) else {
                    continue;
                };
                let Some(process) = slot.process.as_ref().filter(|_| slot.stop == Stop::No) else {
                    continue;
                };
                // Failure means that it has ended just now, which the poll will tell. A stopped child
                // hears SIGTERM only when it runs on.
                process
                    .send(Signal::SIGTERM)
                    .and_then(|()| process.send(Signal::SIGCONT))
                    .unwrap_or_default();
                slot.stop = Stop::Asked { kill_at: now.checked_add(slot.spec.grace).unwrap_or(now) };
                self.outbox.send(Event::Signalled { name: Arc::clone(&slot.name), signal: Signal::SIGTERM });
            }
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&self, now: Instant) {
        let due = self.slots.iter().filter_map(Slot::deadline).min();
        // Rounded up, so that what is due has come when the poll returns.
        let timeout = due.map_or(PollTimeout::NONE, |at| {
            let millis = at.saturating_duration_since(now).as_millis() + 1;
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        });
        let processes = self.slots.iter().filter(|s| s.alive()).filter_map(|s| s.process.as_ref());
        let mut descriptors: Vec<PollFd<'_>> = std::iter::once(self.shared.wake.as_fd())
            .chain(processes.flat_map(Process::descriptors))
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            // Out of kernel memory, most likely: look at everything a little later.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        kernel::calm(&self.shared.wake);
    }

    fn read_and_reap(&mut self) {
        for index in 0..self.slots.len() {
            let Self { slots, shared, outbox, .. } = self;
            if let Some(slot) = slots.get_mut(index)
                && let Some(process) = slot.process.as_mut()
            {
                let name = &slot.name;
                process.read(&mut |stream, text| tell_line(shared, outbox, index, name, stream, text));
                self.reap(index);
            }
        }
    }

    /// 2: takes a child's end, if it has come.
    fn reap(&mut self, index: usize) {
        let Self { slots, shared, outbox, .. } = self;
        let Some(slot) = slots.get_mut(index) else {
            return;
        };
        let Some(process) = slot.process.as_mut() else {
            return;
        };
        let name = &slot.name;
        let ended = process.reap(&mut |stream, text| tell_line(shared, outbox, index, name, stream, text));
        let Some(status) = ended else {
            return;
        };
        let pid = process.pid;
        slot.process = None;
        slot.last = Some(status);
        show(shared, index, ChildState::Ended { status }, None);
        outbox.send(Event::Exited { name: Arc::clone(&slot.name), pid, run: slot.runs, status });
        self.schedule_restart(index);
    }

    fn report(&self) -> ShutdownReport {
        let named = |test: &dyn Fn(&Slot) -> bool| {
            self.slots.iter().filter(|s| test(s)).map(|s| s.spec.name.clone()).collect()
        };
        ShutdownReport {
            exits: self.slots.iter().filter_map(|s| Some((s.spec.name.clone(), s.last?))).collect(),
            killed: named(&|s| s.was_killed),
            stuck: named(&|s| s.stop == Stop::Stuck),
            events_lost: self.outbox.lost(),
        }
    }
}

fn show(shared: &Shared, index: usize, state: ChildState, process: Option<&Process>) {
    let mut table = shared.table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(row) = table.get_mut(index) {
        row.state = state;
        row.pidfd = process.map(|p| Arc::clone(&p.pidfd));
    }
}

fn tell_line(
    shared: &Shared,
    outbox: &mut Outbox,
    index: usize,
    name: &Arc<str>,
    stream: super::report::Stream,
    text: String,
) {
    let mut table = shared.table.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(row) = table.get_mut(index) {
        row.tail.push(text.clone());
    }
    drop(table);
    outbox.send(Event::Line { name: Arc::clone(name), stream, text });
}
