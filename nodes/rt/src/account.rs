//! What a stretch of work cost besides time: heap allocations and page faults of the calling thread.
//!
//! The binary installs the counter once:
//! ```
//! #[global_allocator]
//! static ALLOCATOR: sinew_rt::account::CountingAllocator = sinew_rt::account::CountingAllocator;
//! # fn main() { assert!(sinew_rt::account::allocations_are_counted()); }
//! ```
#![allow(unsafe_code)] // GlobalAlloc is an unsafe trait; every method only forwards to the system allocator.

use nix::sys::resource::{UsageWho, getrusage};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // `const` and without a destructor, so that reaching it neither allocates nor fails late in a thread's life.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator, counting per thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

fn count_one() {
    // A thread past its end has nobody to report to; the count is simply not taken there.
    ALLOCATIONS.try_with(|n| n.set(n.get() + 1)).unwrap_or(());
}

// SAFETY: every method forwards its arguments unchanged to `System`, which upholds the contract of the trait.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's obligations are exactly those of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_one();
        // SAFETY: `block` came from this allocator, hence from `System`, with `layout`.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for `realloc`. Freeing is not counted: what was never allocated cannot be freed.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Allocations of the calling thread so far; stays 0 unless [`CountingAllocator`] is installed.
#[must_use]
pub fn thread_allocations() -> u64 {
    ALLOCATIONS.try_with(Cell::get).unwrap_or(0)
}

/// True when the running binary counts allocations, so that a count of 0 means something.
#[must_use]
pub fn allocations_are_counted() -> bool {
    let before = thread_allocations();
    drop(std::hint::black_box(Box::new(0_u8)));
    thread_allocations() > before
}

/// What one measured stretch cost its thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub allocations: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

impl Usage {
    /// Sums two stretches.
    pub fn add(&mut self, other: Usage) {
        self.allocations += other.allocations;
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
    }

    /// True when nothing was allocated and no page was faulted in.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Measures the calling thread between [`Meter::start`] and [`Meter::stop`]; one `getrusage` at each end.
#[derive(Debug)]
pub struct Meter {
    start: Usage,
}

impl Meter {
    /// Takes the counters now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: reading() }
    }

    /// What was spent since the start, by this thread.
    #[must_use]
    pub fn stop(self) -> Usage {
        let end = reading();
        Usage {
            allocations: end.allocations.saturating_sub(self.start.allocations),
            minor_faults: end.minor_faults.saturating_sub(self.start.minor_faults),
            major_faults: end.major_faults.saturating_sub(self.start.major_faults),
        }
    }
}

fn reading() -> Usage {
    let (minor_faults, major_faults) = getrusage(UsageWho::RUSAGE_THREAD).map_or((0, 0), |usage| {
        (usage.minor_page_faults().max(0) as u64, usage.major_page_faults().max(0) as u64)
    });
    Usage { allocations: thread_allocations(), minor_faults, major_faults }
}
