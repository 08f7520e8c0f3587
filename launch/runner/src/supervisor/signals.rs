//! SIGINT, SIGTERM and SIGHUP as things to be read instead of things that interrupt.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The requests to stop that this process receives.
#[derive(Debug)]
pub struct StopSignals {
    descriptor: SignalFd,
}

/// One request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSignal {
    /// SIGINT, SIGTERM or SIGHUP.
    pub signal: Signal,
    /// The kernel sent it, for a key (Ctrl-C) or a terminal that went away, to the whole foreground
    /// group; otherwise a process did.
    pub from_terminal: bool,
}

impl StopSignals {
    /// Takes these signals over for the calling thread and all threads it starts afterwards. Call it
    /// before any other thread exists, else a signal may still end the process. Children are started
    /// with nothing blocked.
    ///
    /// # Errors
    /// The operating system's refusal.
    pub fn take() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self { descriptor: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)? })
    }

    /// The next request, or `None` when none came `within` this time.
    ///
    /// # Errors
    /// The operating system's refusal.
    pub fn next(&self, within: Duration) -> io::Result<Option<StopSignal>> {
        let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(info) = self.descriptor.read_signal()? else {
            return Ok(None);
        };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
        let from_terminal = info.ssi_code == libc::SI_KERNEL;
        Ok(signal.map(|signal| StopSignal { signal, from_terminal }))
    }
}
