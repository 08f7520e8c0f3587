//! Keeping memory in RAM: locked on fault, heap kept, stack touched before the loop starts.
use crate::report::{Aspect, Effect};
use crate::sys;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit};
use std::hint::black_box;

const PAGE_BYTES: usize = 4096;

/// Locks the process's memory, present and future, page by page as it is touched (so that a Zenoh process does
/// not pin its whole reservation).
pub(crate) fn lock() -> Effect {
    let effect = |got: &str, reason| Effect {
        aspect: Aspect::MemoryLock,
        asked: "locked on fault".into(),
        got: got.into(),
        reason,
    };
    // Under a finite limit the call may succeed now and make a later mapping fail: a thread or a buffer that
    // cannot be had is worse than a page that may be swapped. So it is not tried.
    if !may_lock_without_limit() {
        let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft);
        let hint = "set LimitMEMLOCK=infinity, `ulimit -l unlimited`, or the ambient capability CAP_IPC_LOCK";
        return effect("not locked", Some(format!("limit of locked memory is {limit} bytes; {hint}")));
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    match mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
        Ok(()) => effect("locked on fault", None),
        Err(errno) => effect("not locked", Some(format!("mlockall: {}", errno.desc()))),
    }
}

fn may_lock_without_limit() -> bool {
    let unlimited =
        getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == nix::sys::resource::RLIM_INFINITY);
    unlimited || effective_capabilities().is_some_and(|set| set & (1 << CAP_IPC_LOCK) != 0)
}

/// Bit in the kernel's capability sets (capabilities(7)).
const CAP_IPC_LOCK: u32 = 14;

fn effective_capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// See [`sys::keep_heap`].
pub(crate) fn keep_heap() -> Effect {
    let kept = sys::keep_heap();
    Effect {
        aspect: Aspect::HeapRetention,
        asked: "freed memory kept".into(),
        got: if kept { "freed memory kept" } else { "returned to the kernel" }.into(),
        reason: (!kept).then(|| "the C library takes no mallopt settings".to_owned()),
    }
}

/// Touches at least `bytes` of the calling thread's stack; at most what the thread's own stack can carry is the
/// caller's business ([`crate::thread::ThreadConfig::stack_bytes`]).
pub(crate) fn prefault_stack(bytes: usize) -> Effect {
    touch_pages(bytes / PAGE_BYTES);
    let text = format!("{} KiB touched", bytes / 1024);
    Effect { aspect: Aspect::StackPrefault, asked: text.clone(), got: text, reason: None }
}

#[inline(never)]
fn touch_pages(pages: usize) {
    let mut page = [0_u8; PAGE_BYTES];
    black_box(&mut page);
    if pages > 1 {
        touch_pages(pages - 1);
    }
    // Keeps the frame alive across the call: a tail call would reuse one page for all.
    black_box(&page);
}
