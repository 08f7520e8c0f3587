//! Named real-time threads, and the report of what took effect.
//!
//! Threads inherit scheduling and core from the thread that starts them, so a session whose worker threads are
//! to be real-time must be opened from a thread that already is ([`crate::fast_path`] does so).
use crate::memory;
use crate::report::{Aspect, Effect, RtReport};
use crate::sys;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;
use std::sync::mpsc;
use std::thread::JoinHandle;

/// SCHED_FIFO priorities of the house: the bus cycle before the loop that answers it, the loop before those who
/// carry its answer away.
pub mod priority {
    pub const BRIDGE_BUS: u8 = 85;
    pub const CONTROL_LOOP: u8 = 80;
    pub const PUBLISHER: u8 = 75;
    pub const ZENOH: u8 = 70;
}

/// What to do when a property does not take effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Go on and report (simulation).
    #[default]
    Soft,
    /// Refuse to run (a robot with motors).
    Strict,
}

/// What a thread asks for. The default asks for nothing but timer slack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadConfig {
    /// Shown by top; the kernel keeps 15 bytes.
    pub name: String,
    /// SCHED_FIFO priority, 1..=99; None stays with ordinary scheduling.
    pub priority: Option<u8>,
    /// Core to run on; None leaves the choice to the kernel.
    pub core: Option<usize>,
    /// Lock all memory of the process on fault and keep the heap.
    pub lock_memory: bool,
    /// Stack to touch before the body runs, bytes; 0 for none.
    pub prefault_stack_bytes: usize,
    /// Size of the thread's stack, bytes; 0 for twice the prefaulted part, at least 1 MiB. Only [`spawn`] uses it.
    pub stack_bytes: usize,
    pub mode: Mode,
}

impl ThreadConfig {
    /// Asks for nothing, under this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A real-time loop: FIFO at `priority`, memory locked, 256 KiB of stack touched.
    #[must_use]
    pub fn real_time(name: &str, priority: u8, core: Option<usize>, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            priority: Some(priority),
            core,
            lock_memory: true,
            prefault_stack_bytes: 256 * 1024,
            stack_bytes: 0,
            mode,
        }
    }

    fn stack(&self) -> usize {
        let room = self.prefault_stack_bytes.saturating_mul(2).max(1024 * 1024);
        self.stack_bytes.max(room)
    }
}

/// Why a thread does not run.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Strict mode: the report names what is missing and how to mend it.
    #[error("real-time thread {} refused: {}", .0.thread, missing_text(.0))]
    NotInEffect(RtReport),
    #[error("thread {name} cannot be started: {source}")]
    Start { name: String, source: std::io::Error },
    /// The new thread ended before it could report.
    #[error("thread {name} ended before it was ready")]
    Died { name: String },
}

fn missing_text(report: &RtReport) -> String {
    report.missing().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A running thread and what it got.
#[derive(Debug)]
pub struct RtThread<T> {
    pub report: RtReport,
    handle: JoinHandle<Option<T>>,
}

impl<T> RtThread<T> {
    /// Waits for the end; None when the body panicked.
    pub fn join(self) -> Option<T> {
        self.handle.join().ok().flatten()
    }

    /// True when the body has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

/// Starts `body` on a thread of its own after the settings were applied there.
///
/// # Errors
/// [`SpawnError::NotInEffect`] in strict mode when anything asked for did not take effect (the body never runs);
/// in soft mode only when the system has no thread to give.
pub fn spawn<T, F>(config: &ThreadConfig, body: F) -> Result<RtThread<T>, SpawnError>
where
    T: Send + 'static,
    F: FnOnce(&RtReport) -> T + Send + 'static,
{
    let (ready, report) = mpsc::sync_channel(1);
    let wanted = config.clone();
    let handle = std::thread::Builder::new()
        .name(config.name.clone())
        .stack_size(config.stack())
        .spawn(move || {
            let report = apply(&wanted);
            let go = wanted.mode == Mode::Soft || report.complete();
            // Nobody listening means that the starter is gone, and with it the reason to run.
            ready.send(report.clone()).ok()?;
            go.then(|| body(&report))
        })
        .map_err(|source| SpawnError::Start { name: config.name.clone(), source })?;
    let report = report.recv().map_err(|_| SpawnError::Died { name: config.name.clone() })?;
    if config.mode == Mode::Strict && !report.complete() {
        return Err(SpawnError::NotInEffect(report));
    }
    Ok(RtThread { report, handle })
}

/// Applies the settings to the calling thread, for a shell whose main thread is the loop.
///
/// # Errors
/// [`SpawnError::NotInEffect`] in strict mode only.
pub fn adopt(config: &ThreadConfig) -> Result<RtReport, SpawnError> {
    let report = apply(config);
    if config.mode == Mode::Strict && !report.complete() {
        return Err(SpawnError::NotInEffect(report));
    }
    Ok(report)
}

fn apply(config: &ThreadConfig) -> RtReport {
    let mut effects = vec![timer_slack()];
    if config.lock_memory {
        effects.push(memory::lock());
        effects.push(memory::keep_heap());
    }
    if config.prefault_stack_bytes > 0 {
        effects.push(memory::prefault_stack(config.prefault_stack_bytes));
    }
    effects.extend(config.core.map(pin));
    effects.extend(config.priority.map(fifo));
    RtReport { thread: config.name.clone(), preempt_rt: preempt_rt(), effects }
}

/// Without FIFO the kernel may delay a timer by 50 us to batch wake-ups; this asks it not to.
fn timer_slack() -> Effect {
    let result = nix::sys::prctl::set_timerslack(1);
    let got = nix::sys::prctl::get_timerslack().map_or("unknown".into(), |ns| format!("{ns} ns"));
    let reason = result.err().map(|errno| format!("prctl: {}", errno.desc()));
    Effect { aspect: Aspect::TimerSlack, asked: "1 ns".into(), got, reason }
}

fn pin(core: usize) -> Effect {
    let mut set = CpuSet::new();
    let result = set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    let reason = result.err().map(|errno| {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        format!("sched_setaffinity: {}; {cores} cores are available to this process", errno.desc())
    });
    Effect { aspect: Aspect::Affinity, asked: format!("core {core}"), got: affinity(), reason }
}

fn affinity() -> String {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return "unknown".into() };
    let cores = (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false));
    let list = cores.map(|core| core.to_string()).collect::<Vec<_>>().join(",");
    format!("core {list}")
}

fn fifo(priority: u8) -> Effect {
    let result = sys::set_fifo(priority);
    let got = match sys::scheduling() {
        Ok((libc::SCHED_FIFO, priority)) => format!("FIFO {priority}"),
        Ok((libc::SCHED_RR, priority)) => format!("RR {priority}"),
        Ok(_) => "ordinary scheduling".into(),
        Err(_) => "unknown".into(),
    };
    let reason = result.err().map(fifo_refusal);
    Effect { aspect: Aspect::Scheduling, asked: format!("FIFO {priority}"), got, reason }
}

fn fifo_refusal(errno: Errno) -> String {
    match errno {
        Errno::EPERM => {
            let limit = getrlimit(Resource::RLIMIT_RTPRIO).map_or(0, |(soft, _)| soft);
            format!(
                "no right to real-time scheduling, the priority limit is {limit}; set LimitRTPRIO=95, \
                 `ulimit -r 95`, or the ambient capability CAP_SYS_NICE"
            )
        }
        Errno::EINVAL => "SCHED_FIFO priorities are 1 to 99".into(),
        other => format!("sched_setscheduler: {}", other.desc()),
    }
}

/// The kernel says so itself when it is built with full preemption.
fn preempt_rt() -> bool {
    std::fs::read_to_string("/sys/kernel/realtime").is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)] // a failed test should stop where it failed
mod tests {
    use super::*;

    #[test]
    fn soft_mode_runs_whatever_the_machine_grants_and_reports_every_property() {
        let config = ThreadConfig::real_time("rt-test", priority::CONTROL_LOOP, Some(0), Mode::Soft);
        let thread = spawn(&config, |report| {
            (report.clone(), std::thread::current().name().map(str::to_owned), nix::sched::sched_getcpu())
        })
        .unwrap();
        let outside = thread.report.clone();
        let (inside, name, cpu) = thread.join().unwrap();
        assert_eq!(inside, outside);
        assert_eq!(name.as_deref(), Some("rt-test"));
        let aspects = outside.effects.iter().map(|e| e.aspect).collect::<Vec<_>>();
        for aspect in [Aspect::Scheduling, Aspect::Affinity, Aspect::MemoryLock, Aspect::StackPrefault] {
            assert!(aspects.contains(&aspect), "{outside}");
        }
        if outside.effects.iter().any(|e| e.aspect == Aspect::Affinity && e.took_effect()) {
            assert_eq!(cpu, Ok(0));
        }
    }

    #[test]
    fn strict_mode_names_what_is_missing_and_never_runs_the_body() {
        let (ran, seen) = mpsc::channel();
        let config =
            ThreadConfig { core: Some(1000), mode: Mode::Strict, ..ThreadConfig::named("rt-strict") };
        let Err(SpawnError::NotInEffect(report)) = spawn(&config, move |_| ran.send(()).unwrap()) else {
            panic!("a core that does not exist was accepted");
        };
        assert_eq!(report.missing().map(|e| e.aspect).collect::<Vec<_>>(), [Aspect::Affinity]);
        assert!(SpawnError::NotInEffect(report).to_string().contains("core: asked core 1000"));
        assert!(seen.recv().is_err());
    }

    #[test]
    fn an_impossible_priority_is_reported_with_its_reason() {
        let config = ThreadConfig { priority: Some(100), ..ThreadConfig::named("rt-prio") };
        let thread = spawn(&config, |_| ()).unwrap();
        let effect = thread.report.missing().next().unwrap();
        assert_eq!((effect.aspect, effect.got.as_str()), (Aspect::Scheduling, "ordinary scheduling"));
        thread.join().unwrap();
    }

    #[test]
    fn a_panicking_body_is_seen_as_none() {
        let thread = spawn(&ThreadConfig::named("rt-panic"), |_| panic!("planted")).unwrap();
        let outcome: Option<()> = thread.join();
        assert_eq!(outcome, None);
    }
}
