//! The virtual bus between two processes: unix datagrams, non-blocking on both sides.
//!
//! Datagrams, not a connection: either side may die and come back without the other having to accept it anew,
//! and what the dead one had not read dies with its socket. A lock file beside each socket keeps a second owner
//! out while the first lives, and lets the next one take over after a kill.
use crate::codec::{self, MAX_MESSAGE_BYTES};
use crate::message::BusMessage;
use crate::run_dir::{RunDir, RunDirError};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Longest path of a unix socket, bytes (the kernel's field holds 108 with the final zero).
pub const MAX_SOCKET_PATH: usize = 107;

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    #[error("virtual bus {}: {found} bytes, expected at most {MAX_SOCKET_PATH}: choose a shorter run directory",
            .path.display())]
    PathLength { path: PathBuf, found: usize },
    #[error("virtual bus {}: found no directory and name, expected both", .path.display())]
    PathShape { path: PathBuf },
    #[error("virtual bus {}: another living process owns this end; stop it or choose another robot name",
            .path.display())]
    InUse { path: PathBuf },
    #[error("virtual bus {}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In the other side's queue.
    Sent,
    /// Nobody owns the other end.
    NoPeer,
    /// The other side does not read; the message is lost.
    QueueFull,
    /// The system refused; its error number.
    Failed(i32),
}

/// Totals since the port was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    pub sent: u64,
    /// Messages that did not reach the other side's queue.
    pub dropped: u64,
    pub received: u64,
    /// Datagrams that were no message.
    pub malformed: u64,
    /// Datagrams from another socket than the other end's.
    pub foreign: u64,
}

/// One end of the virtual bus.
#[derive(Debug)]
pub struct VirtualBusPort {
    socket: UnixDatagram,
    own: PathBuf,
    peer: PathBuf,
    outgoing: Vec<u8>,
    incoming: Box<[u8]>,
    message: BusMessage,
    counters: PortCounters,
    // Held while the socket file is ours; released by the kernel when the process dies.
    _lock: Flock<File>,
}

impl VirtualBusPort {
    /// The bridge's end of the bus at `path` (directory and name; the sockets are `path.host` and `path.device`).
    ///
    /// # Errors
    /// [`OpenError`]: an unsafe directory, a path that does not fit, an end that is in use.
    pub fn host(path: &Path) -> Result<Self, OpenError> {
        Self::open(path, "host", "device")
    }

    /// The twin's end of the bus at `path`.
    ///
    /// # Errors
    /// As for [`Self::host`].
    pub fn device(path: &Path) -> Result<Self, OpenError> {
        Self::open(path, "device", "host")
    }

    fn open(path: &Path, own: &str, peer: &str) -> Result<Self, OpenError> {
        let own = end_of(path, own)?;
        let peer = end_of(path, peer)?;
        let failed = |source| OpenError::Io { path: own.clone(), source };
        let lock = lock(&own)?;
        match std::fs::remove_file(&own) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = UnixDatagram::bind(&own).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            socket,
            own,
            peer,
            outgoing: Vec::with_capacity(MAX_MESSAGE_BYTES),
            // One byte more than any message, so that a longer datagram is noticed instead of cut.
            incoming: vec![0; MAX_MESSAGE_BYTES + 1].into_boxed_slice(),
            message: BusMessage::new(),
            counters: PortCounters::default(),
            _lock: lock,
        })
    }

    /// Sends one message; never waits. What did not arrive is counted, and may be sent again.
    pub fn send(&mut self, message: &BusMessage) -> Delivery {
        codec::encode(message, &mut self.outgoing);
        self.resend()
    }

    /// Sends the bytes of the last message again, as one does who waits for an answer.
    pub fn resend(&mut self) -> Delivery {
        let delivery = match self.socket.send_to(&self.outgoing, &self.peer) {
            Ok(_) => Delivery::Sent,
            Err(error) => refusal(&error),
        };
        match delivery {
            Delivery::Sent => self.counters.sent += 1,
            _ => self.counters.dropped += 1,
        }
        delivery
    }

    /// The oldest message; waits for one until `deadline_ns` on CLOCK_MONOTONIC (None: for ever; 0: not at all).
    pub fn recv(&mut self, deadline_ns: Option<u64>) -> Option<&BusMessage> {
        while !self.take() {
            if !wait_readable(self.socket.as_fd(), deadline_ns) {
                return None;
            }
        }
        Some(&self.message)
    }

    /// Throws away everything queued (a participant that returns); returns how many messages that were.
    pub fn drain(&mut self) -> u64 {
        let mut messages = 0;
        while self.take() {
            messages += 1;
        }
        messages
    }

    /// Totals since the port was opened.
    #[must_use]
    pub fn counters(&self) -> PortCounters {
        self.counters
    }

    /// Reads until a message is in `self.message` (true) or nothing is left (false).
    fn take(&mut self) -> bool {
        loop {
            let (len, from) = match self.socket.recv_from(&mut self.incoming) {
                Ok(datagram) => datagram,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            if from.as_pathname() != Some(&self.peer) {
                self.counters.foreign += 1;
                continue;
            }
            let bytes = self.incoming.get(..len).unwrap_or_default();
            if codec::decode(bytes, &mut self.message).is_ok() {
                self.counters.received += 1;
                return true;
            }
            self.counters.malformed += 1;
        }
    }
}

impl AsFd for VirtualBusPort {
    /// Readable while a datagram waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for VirtualBusPort {
    fn drop(&mut self) {
        // The lock is still held, so the file is ours; a file already gone is what was wanted.
        std::fs::remove_file(&self.own).unwrap_or(());
    }
}

fn end_of(path: &Path, end: &str) -> Result<PathBuf, OpenError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(OpenError::PathShape { path: path.to_owned() });
    };
    let directory = RunDir::open(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })?;
    let mut name = name.to_owned();
    name.push(format!(".{end}"));
    let path = directory.path().join(name);
    let found = path.as_os_str().len();
    if found > MAX_SOCKET_PATH { Err(OpenError::PathLength { path, found }) } else { Ok(path) }
}

fn lock(socket: &Path) -> Result<Flock<File>, OpenError> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|source| OpenError::Io { path: path.into(), source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EAGAIN => OpenError::InUse { path: socket.to_owned() },
        other => OpenError::Io { path: socket.to_owned(), source: other.into() },
    })
}

fn refusal(error: &std::io::Error) -> Delivery {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Delivery::NoPeer,
        ErrorKind::WouldBlock | ErrorKind::OutOfMemory => Delivery::QueueFull,
        _ if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Delivery::QueueFull,
        _ => Delivery::Failed(error.raw_os_error().unwrap_or(0)),
    }
}

/// True when the socket is readable, false at the deadline.
fn wait_readable(socket: BorrowedFd<'_>, deadline_ns: Option<u64>) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::POLLIN)];
    loop {
        let timeout = deadline_ns.map(|deadline_ns| timespec(deadline_ns.saturating_sub(monotonic_ns())));
        match ppoll(&mut polled, timeout, None) {
            Ok(ready) => return ready > 0,
            Err(Errno::EINTR) => {}
            // Out of kernel memory: what waits is still there at the next call.
            Err(_) => return false,
        }
    }
}

const NS_PER_S: u64 = 1_000_000_000;

fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| t.tv_sec() as u64 * NS_PER_S + t.tv_nsec() as u64)
}

fn timespec(ns: u64) -> TimeSpec {
    TimeSpec::new(i64::try_from(ns / NS_PER_S).unwrap_or(i64::MAX), (ns % NS_PER_S) as i64)
}
