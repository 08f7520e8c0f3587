//! The three calls that no safe binding offers, each behind a safe function.
#![allow(unsafe_code)] // foreign calls with plain integers and one local structure; see the SAFETY comments.

use nix::errno::Errno;

/// Puts the calling thread under SCHED_FIFO; threads it starts later inherit it.
pub(crate) fn set_fifo(priority: u8) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: pid 0 is the calling thread; the structure outlives the call, which only reads it.
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) }).map(drop)
}

/// Policy and priority of the calling thread as the kernel has them.
pub(crate) fn scheduling() -> Result<(i32, i32), Errno> {
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: pid 0 is the calling thread; no pointer is passed.
    let policy = Errno::result(unsafe { libc::sched_getscheduler(0) })?;
    // SAFETY: as above; the structure is valid for the write.
    Errno::result(unsafe { libc::sched_getparam(0, &raw mut parameters) })?;
    Ok((policy & !libc::SCHED_RESET_ON_FORK, parameters.sched_priority))
}

/// Tells the C allocator to keep freed memory and never to use separate mappings, so that memory faulted in
/// once stays in. False where the C library does not take it.
pub(crate) fn keep_heap() -> bool {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt takes two integers and guards itself; 1 means accepted.
        unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, -1) == 1 && libc::mallopt(libc::M_MMAP_MAX, 0) == 1 }
    }
    #[cfg(not(target_env = "gnu"))]
    {
        false
    }
}
