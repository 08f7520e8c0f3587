//! Keeps the planned processes: starts, notices ends, restarts, stops in order.
//!
//! One thread of its own owns every child (`watch.rs`); the handle only sends it requests and reads a
//! shared table. The life of one child:
//!
//! ```text
//!               1 spawn                  2 reap
//!   Waiting ───────────────▶ Running ───────────────▶ Ended
//!      ▲                        │ 3 request_stop        │
//!      │        4 escalate      ▼                       │
//!      │      Killed ◀────── Stopping ── 2 reap ──▶ Ended (for good)
//!      └───────────────── 5 schedule_restart ───────────┘
//! ```
//! 1 at once or after the respawn delay; 2 when its pidfd says so; 3 SIGTERM (and SIGCONT, so that a
//! stopped child hears it); 4 SIGKILL after the grace; 5 only while nothing is being shut down.

mod child;
mod confirm;
mod events;
mod kernel;
mod output;
mod report;
mod signals;
mod spec;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub use confirm::{Confirmed, SignalError};
pub use events::Events;
pub use nix::sys::signal::Signal;
pub use report::{ChildState, Event, ExitStatus, ShutdownReport, Stream};
pub use signals::{StopSignal, StopSignals};
pub use spec::{ChildOutput, ChildSpec, Options, ProcessGroup, Respawn, Stage};

use output::Tail;
use watch::Watch;

/// A supervisor that could not be started. Nothing of it runs any more.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two children of one name.
    #[error("two processes are named `{name}`; names must differ to be addressed")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A child without a program.
    #[error("process `{name}` has no program to run")]
    EmptyCommand {
        /// The child.
        name: String,
    },
    /// A child could not be started.
    #[error("cannot start `{name}` ({program}): {source}")]
    Spawn {
        /// The child.
        name: String,
        /// Its program.
        program: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The kernel refused what the supervisor itself needs (an eventfd, a thread).
    #[error("cannot supervise: {0}")]
    Kernel(#[from] io::Error),
}

/// A running set of processes. Dropping it kills them all and waits for their end.
#[derive(Debug)]
pub struct Supervisor {
    requests: Sender<Request>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<ShutdownReport>>,
}

/// What the handle asks of the thread.
enum Request {
    Shutdown(Vec<Stage>),
    KillAll,
    Start { name: String, reply: SyncSender<Result<u32, SignalError>> },
}

/// What the handle may look at without asking.
#[derive(Debug)]
struct Shared {
    table: Mutex<Vec<Row>>,
    wake: OwnedFd,
}

/// One child, as seen from outside of the thread.
#[derive(Debug)]
struct Row {
    name: Arc<str>,
    pidfd: Option<Arc<OwnedFd>>,
    state: ChildState,
    tail: Tail,
}

impl Shared {
    /// The table. A panic while it was held cannot have left it half-written in a harmful way: every
    /// field is replaced whole.
    fn table(&self) -> MutexGuard<'_, Vec<Row>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Starts all children in the given order and returns when all are started.
    ///
    /// A reader of the events that lags loses output lines first (counted in the report).
    ///
    /// # Errors
    /// [`StartError`]; children started before the failing one have been killed and reaped.
    pub fn start(specs: Vec<ChildSpec>, options: Options) -> Result<(Self, Events), StartError> {
        for (index, spec) in specs.iter().enumerate() {
            if specs.iter().skip(index + 1).any(|other| other.name == spec.name) {
                return Err(StartError::DuplicateName { name: spec.name.clone() });
            }
            if spec.command.is_empty() {
                return Err(StartError::EmptyCommand { name: spec.name.clone() });
            }
        }
        let rows = specs.iter().map(|s| Row {
            name: Arc::from(s.name.as_str()),
            pidfd: None,
            state: ChildState::Waiting,
            tail: Tail::default(),
        });
        let shared = Arc::new(Shared { table: Mutex::new(rows.collect()), wake: kernel::eventfd()? });
        let (requests, inbox) = mpsc::channel();
        let (outbox, outlet) = events::channel();
        let (started, outcome) = mpsc::sync_channel(1);
        let watch = Watch::new(specs, options, Arc::clone(&shared), inbox, outbox);
        // Children die with the thread that forked them (PR_SET_PDEATHSIG): it must live as long as they.
        let thread =
            std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || watch.run(&started))?;
        let supervisor = Self { requests, shared, thread: Some(thread) };
        match outcome.recv() {
            Ok(Ok(())) => Ok((supervisor, outlet)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Kernel(io::Error::other("the supervisor thread ended at its start"))),
        }
    }

    /// Begins to stop everything, stage after stage: SIGTERM to all of a stage, SIGKILL to those that are
    /// still there after their grace, the next stage when all of this one are gone. Children that no
    /// stage names form one more stage at the end. Nothing is restarted from now on. Returns at once;
    /// a second call changes nothing.
    pub fn shutdown(&self, stages: Vec<Stage>) {
        self.request(Request::Shutdown(stages));
    }

    /// SIGKILL to everything, now.
    pub fn kill_all(&self) {
        self.request(Request::KillAll);
    }

    /// Waits until everything has ended: forever, unless [`Supervisor::shutdown`] or
    /// [`Supervisor::kill_all`] was called. The events may be read meanwhile in another thread, or
    /// afterwards.
    #[must_use]
    pub fn wait(mut self) -> ShutdownReport {
        self.join()
    }

    /// Starts a child that has ended (a scripted return). Its restarts count from zero again.
    ///
    /// # Errors
    /// [`SignalError`]: unknown, still running, or the operating system's refusal.
    pub fn start_again(&self, name: &str) -> Result<u32, SignalError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.request(Request::Start { name: name.to_owned(), reply });
        answer.recv().unwrap_or_else(|_| Err(SignalError::NotRunning { name: name.to_owned() }))
    }

    /// What a child is doing, `None` for an unknown name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<ChildState> {
        self.shared.table().iter().find(|row| &*row.name == name).map(|row| row.state)
    }

    /// The names of all children, in starting order, with what they are doing.
    #[must_use]
    pub fn states(&self) -> Vec<(String, ChildState)> {
        self.shared.table().iter().map(|row| (row.name.to_string(), row.state)).collect()
    }

    /// The last lines a captured child wrote, oldest first, over all its runs (for error reports).
    #[must_use]
    pub fn last_lines(&self, name: &str) -> Vec<String> {
        self.shared
            .table()
            .iter()
            .find(|row| &*row.name == name)
            .map(|row| row.tail.lines())
            .unwrap_or_default()
    }

    fn request(&self, request: Request) {
        // The thread ends only after everything has ended; then there is nothing left to ask for.
        if self.requests.send(request).is_ok() {
            kernel::wake(&self.shared.wake);
        }
    }

    fn join(&mut self) -> ShutdownReport {
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.kill_all();
            self.join();
        }
    }
}
