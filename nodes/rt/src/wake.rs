//! Waking another thread, and waiting for any of several sources until a deadline.
use crate::clock;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use sinew_wire::WatchTime;
use std::os::fd::{AsFd, BorrowedFd};

/// An eventfd: signalled from any thread, readable until acknowledged.
#[derive(Debug)]
pub(crate) struct Wake {
    fd: EventFd,
}

impl Wake {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        EventFd::from_value_and_flags(0, flags).map(|fd| Self { fd })
    }

    /// One write; never blocks.
    pub(crate) fn signal(&self) {
        // The only failure is a counter at its maximum, which is as signalled as it gets.
        self.fd.write(1).unwrap_or(0);
    }

    /// Takes back every signal so far.
    pub(crate) fn acknowledge(&self) {
        // Nothing to take back is the usual case.
        self.fd.read().unwrap_or(0);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until one of `sources` is readable or `deadline` has passed (None: for ever); says which are readable.
/// Sources: sockets, and the queues of this crate through [`AsFd`]. A queue stays readable until a `try_recv`
/// has found it empty.
pub fn wait_any<const N: usize>(sources: [BorrowedFd<'_>; N], deadline: Option<WatchTime>) -> [bool; N] {
    let mut polled = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    loop {
        let timeout = deadline.map(|deadline| clock::timespec(deadline.since_ns(clock::now())));
        match ppoll(&mut polled, timeout, None) {
            Ok(0) => return [false; N],
            Ok(_) => return polled.map(|fd| fd.revents().is_some_and(|events| !events.is_empty())),
            Err(Errno::EINTR) => {}
            Err(_) => {
                // Out of kernel memory: look again in a millisecond rather than spin or give up.
                let retry = clock::now().plus_ns(1_000_000);
                clock::sleep_until(deadline.map_or(retry, |deadline| deadline.min(retry)));
                if deadline.is_some_and(|deadline| clock::now() >= deadline) {
                    return [false; N];
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_signalled_source_is_the_one_that_is_readable() {
        let (a, b) = (Wake::new().unwrap(), Wake::new().unwrap());
        assert_eq!(wait_any([a.as_fd(), b.as_fd()], Some(clock::now())), [false, false]);
        b.signal();
        b.signal();
        assert_eq!(wait_any([a.as_fd(), b.as_fd()], None), [false, true]);
        b.acknowledge();
        assert_eq!(wait_any([a.as_fd(), b.as_fd()], Some(clock::now())), [false, false]);
    }

    #[test]
    fn a_silent_wait_ends_at_its_deadline() {
        let wake = Wake::new().unwrap();
        let deadline = clock::deadline_in(Duration::from_millis(3));
        assert_eq!(wait_any([wake.as_fd()], Some(deadline)), [false]);
        assert!(clock::now() >= deadline);
    }
}
