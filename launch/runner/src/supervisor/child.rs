//! One child process: its start, its pipes, its end.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;

use super::kernel::{self, Change};
use super::output::{Lines, Pipe};
use super::report::{ExitStatus, Stream};
use super::spec::{ChildOutput, ChildSpec, Options, ProcessGroup};

/// Most turns of reading after a child's end, in case something it left behind goes on writing.
const LAST_TURNS: usize = 16;

/// A child that was started and not reaped.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) pidfd: Arc<OwnedFd>,
    streams: Vec<(Stream, File, Lines)>,
    own_group: bool,
}

impl Process {
    pub(super) fn spawn(spec: &ChildSpec, options: Options) -> io::Result<Self> {
        let mut words = spec.command.iter();
        let program = words.next().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        command.args(words).envs(spec.env.iter().map(|(n, v)| (n, v))).stdin(Stdio::null());
        let captured = spec.output == ChildOutput::Captured;
        if captured {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let own_group = options.process_group == ProcessGroup::Own;
        if own_group {
            command.process_group(0);
        }
        kernel::tie(&mut command, options.parent_death);
        let mut child = command.spawn()?;
        let handles = kernel::pidfd_open(child.id()).and_then(|pidfd| {
            let stdout = child.stdout.take().map(|s| (Stream::Stdout, OwnedFd::from(s)));
            let stderr = child.stderr.take().map(|s| (Stream::Stderr, OwnedFd::from(s)));
            let mut streams = Vec::new();
            for (stream, fd) in [stdout, stderr].into_iter().flatten() {
                fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                streams.push((stream, File::from(fd), Lines::default()));
            }
            Ok((pidfd, streams))
        });
        match handles {
            Ok((pidfd, streams)) => Ok(Self { pid: child.id(), pidfd: Arc::new(pidfd), streams, own_group }),
            Err(error) => {
                // Without its handles it cannot be supervised. Only this error is worth telling.
                child.kill().and_then(|()| child.wait().map(|_| ())).unwrap_or_default();
                Err(error)
            }
        }
    }

    /// What to poll for reading: the end first, then the pipes.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.pidfd.as_fd()).chain(self.streams.iter().map(|(_, file, _)| file.as_fd()))
    }

    /// Reads what the pipes hold, without waiting.
    pub(super) fn read(&mut self, line: &mut impl FnMut(Stream, String)) {
        self.streams.retain_mut(|(stream, file, lines)| {
            let open = lines.read(file, &mut |text| line(*stream, text)) == Pipe::Open;
            if !open {
                lines.finish(&mut |text| line(*stream, text));
            }
            open
        });
    }

    pub(super) fn send(&self, signal: Signal) -> io::Result<()> {
        kernel::pidfd_send(&self.pidfd, signal)
    }

    /// Takes the child's end if it has come; its last lines are handed over first, and what it left
    /// behind in its own group is killed.
    pub(super) fn reap(&mut self, line: &mut impl FnMut(Stream, String)) -> Option<ExitStatus> {
        match kernel::look(&self.pidfd, libc::WEXITED | libc::WNOWAIT) {
            Ok(Change::Exited(_)) => self.kill_group(),
            // Reaped by others: its group's number may mean somebody else by now.
            Ok(Change::Gone) => {}
            Ok(_) | Err(_) => return None,
        }
        for _turn in 0..LAST_TURNS {
            let before = self.streams.len();
            let mut lines = 0_usize;
            self.read(&mut |stream, text| {
                lines += 1;
                line(stream, text);
            });
            if lines == 0 && before == self.streams.len() {
                break;
            }
        }
        for (stream, _, mut lines) in self.streams.drain(..) {
            lines.finish(&mut |text| line(stream, text));
        }
        match kernel::look(&self.pidfd, libc::WEXITED) {
            Ok(Change::Exited(status)) => Some(status),
            _ => Some(ExitStatus::Unknown),
        }
    }

    /// SIGKILL to the child and, where it leads a group of its own, to all of that.
    pub(super) fn kill(&self) {
        // A child that has just ended needs no signal.
        self.send(Signal::SIGKILL).unwrap_or_default();
        self.kill_group();
    }

    /// Only while the child is not reaped: until then nobody else can have its group's number.
    fn kill_group(&self) {
        if self.own_group {
            kernel::kill_group(self.pid);
        }
    }
}
