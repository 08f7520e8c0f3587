//! What the supervisor tells.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It left with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        number: i32,
        /// It wrote a core file.
        core_dumped: bool,
    },
    /// It ended, but other code of this process took its status first (a stray `wait`).
    Unknown,
}

impl ExitStatus {
    /// Left with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Unknown => f.write_str("unknown exit status"),
            Self::Signal { number, core_dumped } => {
                match Signal::try_from(*number) {
                    Ok(signal) => write!(f, "{signal}")?,
                    Err(_) => write!(f, "signal {number}")?,
                }
                if *core_dumped { f.write_str(", core dumped") } else { Ok(()) }
            }
        }
    }
}

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// Not running, will be started.
    Waiting,
    /// Running.
    Running {
        /// Its process id.
        pid: u32,
    },
    /// Ended, and not to be started again by itself.
    Ended {
        /// How.
        status: ExitStatus,
    },
    /// Could not be started again.
    Failed,
    /// It did not end although it was killed (uninterruptible in the kernel); given up at shutdown.
    Stuck {
        /// Its process id.
        pid: u32,
    },
}

/// Which of a child's outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A child runs.
    Started {
        /// The child.
        name: Arc<str>,
        /// Its process id.
        pid: u32,
        /// 1 for the first run.
        run: u32,
    },
    /// A captured child wrote a line.
    Line {
        /// The child.
        name: Arc<str>,
        /// Where it wrote.
        stream: Stream,
        /// The line without its end; at most 4 KiB, bytes that are no UTF-8 replaced.
        text: String,
    },
    /// A child ended; all its lines came before.
    Exited {
        /// The child.
        name: Arc<str>,
        /// Its process id.
        pid: u32,
        /// Which run it was.
        run: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// A child will be started again.
    Restarting {
        /// The child.
        name: Arc<str>,
        /// After this time.
        delay: Duration,
        /// The how manieth restart, from 1.
        retry: u32,
    },
    /// A child has used up its restarts.
    GaveUp {
        /// The child.
        name: Arc<str>,
        /// How often it ran.
        runs: u32,
    },
    /// A child could not be started again.
    StartFailed {
        /// The child.
        name: Arc<str>,
        /// The operating system's reason.
        reason: String,
    },
    /// Shutdown: a child was asked to stop (SIGTERM) or made to (SIGKILL).
    Signalled {
        /// The child.
        name: Arc<str>,
        /// What was sent.
        signal: Signal,
    },
    /// Shutdown: a child did not end although it was killed, and was given up.
    Stuck {
        /// The child.
        name: Arc<str>,
        /// Its process id.
        pid: u32,
    },
    /// Shutdown: everything has ended. The last event.
    AllEnded,
}

/// How the shutdown went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// How each child ended last, in starting order; children that never ran are left out.
    pub exits: Vec<(String, ExitStatus)>,
    /// Those that had to be killed after their grace.
    pub killed: Vec<String>,
    /// Those that did not even end then.
    pub stuck: Vec<String>,
    /// Events, nearly always output lines, that nobody read in time.
    pub events_lost: u64,
}
