//! Signals to single children, and the kernel's word that they took effect.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Supervisor;
use super::kernel::{self, Change};
use super::report::ChildState;

/// How often the kernel is asked; it offers no descriptor that tells of a stop.
const ASK_EVERY: Duration = Duration::from_micros(200);

/// A state that the kernel has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// Stopped, with all its threads: it will not run before SIGCONT.
    Stopped {
        /// Its process id.
        pid: u32,
    },
    /// Running on after a stop.
    Continued {
        /// Its process id.
        pid: u32,
    },
    /// Ended, with all its threads: it will never run again.
    Exited {
        /// Its process id.
        pid: u32,
    },
}

/// A signal, or its confirmation, that failed.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// No child of that name.
    #[error("no process is named `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Not running now.
    #[error("process `{name}` is not running")]
    NotRunning {
        /// The name.
        name: String,
    },
    /// Running already.
    #[error("process `{name}` is running already")]
    Running {
        /// The name.
        name: String,
    },
    /// Sent, but not confirmed in time.
    #[error("process `{name}` was sent {signal}, but the kernel did not confirm its effect in {waited:?}")]
    Unconfirmed {
        /// The name.
        name: String,
        /// What was sent.
        signal: Signal,
        /// How long was waited.
        waited: Duration,
    },
    /// The operating system refused.
    #[error("process `{name}`: {source}")]
    Kernel {
        /// The name.
        name: String,
        /// Its reason.
        source: io::Error,
    },
}

impl Supervisor {
    /// Sends a signal to one child. Whether it is restarted after an end by it is for its respawn rule.
    ///
    /// # Errors
    /// [`SignalError`]
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), SignalError> {
        let (pidfd, _) = self.running(name)?;
        send(name, &pidfd, signal)
    }

    /// Sends a signal to every running child (a forwarded one).
    pub fn signal_all(&self, signal: Signal) {
        let pidfds: Vec<Arc<OwnedFd>> =
            self.shared.table().iter().filter_map(|row| row.pidfd.clone()).collect();
        for pidfd in pidfds {
            // A child that has just ended needs no signal.
            kernel::pidfd_send(&pidfd, signal).unwrap_or_default();
        }
    }

    /// Sends a signal to one child and waits until the kernel confirms its effect: stopped after a stop
    /// signal, continued after SIGCONT, ended after any other. An end confirms all of them.
    ///
    /// # Errors
    /// [`SignalError`]
    pub fn signal_confirmed(
        &self,
        name: &str,
        signal: Signal,
        within: Duration,
    ) -> Result<Confirmed, SignalError> {
        let (pidfd, pid) = self.running(name)?;
        let awaited = match signal {
            Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => libc::WSTOPPED,
            Signal::SIGCONT => libc::WCONTINUED,
            _ => 0,
        };
        send(name, &pidfd, signal)?;
        let start = Instant::now();
        loop {
            // WNOWAIT leaves the end for the supervising thread to take.
            match kernel::look(&pidfd, awaited | libc::WEXITED | libc::WNOWAIT) {
                Ok(Change::Exited(_) | Change::Gone) => return Ok(Confirmed::Exited { pid }),
                Ok(Change::Stopped) => return Ok(Confirmed::Stopped { pid }),
                Ok(Change::Continued) => return Ok(Confirmed::Continued { pid }),
                Ok(Change::None) => {}
                Err(source) => return Err(SignalError::Kernel { name: name.to_owned(), source }),
            }
            let waited = start.elapsed();
            if waited > within {
                return Err(SignalError::Unconfirmed { name: name.to_owned(), signal, waited });
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    fn running(&self, name: &str) -> Result<(Arc<OwnedFd>, u32), SignalError> {
        let table = self.shared.table();
        let row = table
            .iter()
            .find(|row| &*row.name == name)
            .ok_or_else(|| SignalError::Unknown { name: name.to_owned() })?;
        match (&row.pidfd, row.state) {
            (Some(pidfd), ChildState::Running { pid }) => Ok((Arc::clone(pidfd), pid)),
            _ => Err(SignalError::NotRunning { name: name.to_owned() }),
        }
    }
}

fn send(name: &str, pidfd: &OwnedFd, signal: Signal) -> Result<(), SignalError> {
    kernel::pidfd_send(pidfd, signal).map_err(|source| match source.raw_os_error() {
        Some(libc::ESRCH) => SignalError::NotRunning { name: name.to_owned() },
        _ => SignalError::Kernel { name: name.to_owned(), source },
    })
}
