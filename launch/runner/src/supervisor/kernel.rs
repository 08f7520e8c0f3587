//! The few kernel calls that std has no safe word for. All `unsafe` of the room is here.
#![allow(unsafe_code)] // pidfd, waitid with real-time signals and the steps between fork and exec

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;

use super::report::ExitStatus;

/// What the kernel says about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing of what was asked for.
    None,
    /// Ended, with all its threads.
    Exited(ExitStatus),
    /// Stopped, with all its threads.
    Stopped,
    /// Running on after a stop.
    Continued,
    /// Ended, and its status was taken already.
    Gone,
}

/// A handle on a child that cannot come to mean another process.
pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: plain system call without pointers; a non-negative result is a new descriptor we own.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just returned by the kernel as a new descriptor and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to exactly this child.
pub(super) fn pidfd_send(pidfd: &OwnedFd, signal: Signal) -> io::Result<()> {
    let no_info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the descriptor is open for the call; a null siginfo is allowed and means "as by kill".
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal as libc::c_int, no_info, 0)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Looks for a change of this child without waiting. `options`: which of `WEXITED`, `WSTOPPED`,
/// `WCONTINUED`, and `WNOWAIT` to leave the status for a later call.
pub(super) fn look(pidfd: &OwnedFd, options: libc::c_int) -> io::Result<Change> {
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).unwrap_or(libc::id_t::MAX);
    // SAFETY: siginfo_t is plain data for which all zero bytes are a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a valid siginfo_t for the duration of the call, the descriptor is open.
    let result = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, options | libc::WNOHANG) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ECHILD) { Ok(Change::Gone) } else { Err(error) };
    }
    // SAFETY: waitid succeeded, so the fields of a SIGCHLD siginfo are the ones in use (zero if none).
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(Change::None);
    }
    Ok(match info.si_code {
        libc::CLD_EXITED => Change::Exited(ExitStatus::Code(status)),
        libc::CLD_KILLED => Change::Exited(ExitStatus::Signal { number: status, core_dumped: false }),
        libc::CLD_DUMPED => Change::Exited(ExitStatus::Signal { number: status, core_dumped: true }),
        libc::CLD_STOPPED | libc::CLD_TRAPPED => Change::Stopped,
        libc::CLD_CONTINUED => Change::Continued,
        _ => Change::None,
    })
}

/// Ties a command's process to the supervisor: it dies with the thread that starts it, and it begins
/// with no signal blocked and the stop signals not ignored, whatever the supervisor's own are.
pub(super) fn tie(command: &mut Command, parent_death: Signal) {
    let parent = std::process::id();
    let die = move || -> io::Result<()> {
        let stop_signals = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT];
        // SAFETY: between fork and exec only async-signal-safe calls are made: prctl, getppid, signal,
        // sigemptyset, pthread_sigmask. `set` is initialised by sigemptyset before it is read.
        unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, parent_death as libc::c_ulong, 0, 0, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
            if u32::try_from(libc::getppid()) != Ok(parent) {
                // The supervisor died before the line above: nobody will send that signal any more.
                return Err(io::Error::from_raw_os_error(libc::ECANCELED));
            }
            for signal in stop_signals {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing, takes no lock and makes only async-signal-safe calls.
    unsafe {
        command.pre_exec(die);
    }
}

/// SIGKILL to what is left of a process group whose leader has ended but is not reaped yet, so that its
/// number cannot have been given to others.
pub(super) fn kill_group(leader: u32) {
    if let Ok(leader) = libc::pid_t::try_from(leader)
        && leader > 1
    {
        // SAFETY: plain system call without pointers. Failure means that nobody is left.
        unsafe { libc::killpg(leader, libc::SIGKILL) };
    }
}

/// A counter that wakes a poll.
pub(super) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: plain system call without pointers; a non-negative result is a new descriptor we own.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just returned by the kernel as a new descriptor and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Wakes the poll that waits on `eventfd`. It cannot fail in a way that matters: a full counter wakes, too.
pub(super) fn wake(eventfd: &OwnedFd) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: eight readable bytes, an open descriptor.
    unsafe { libc::write(eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

/// Takes the wake-ups that have come.
pub(super) fn calm(eventfd: &OwnedFd) {
    let mut counter = [0_u8; 8];
    // SAFETY: eight writable bytes, an open non-blocking descriptor.
    unsafe { libc::read(eventfd.as_raw_fd(), counter.as_mut_ptr().cast(), counter.len()) };
}
