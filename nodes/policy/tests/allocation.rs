//! A step allocates nothing. In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

mod quad;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use quad::{other_order, policy, standing};
use sinew_wire::{PolicyStatus, StepTime};

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every request goes to the system allocator unchanged; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_step_allocates_nothing_not_even_on_activation_or_fault() {
    let joints = other_order();
    let mut policy = policy(&joints);
    let mut states: Vec<_> =
        (0..600u64).map(|step| standing(&joints, step, 1 + (step / 200) as u32, [0.4, 0.1, -0.2])).collect();
    states[550].joints[2].q_rad = f32::NAN;
    let before = CALLS.load(Ordering::Relaxed);
    let mut computed = 0;
    for state in &states {
        let frame = policy.step(state, StepTime::from_ns(state.header.step));
        computed += u32::from(frame.body.status() == PolicyStatus::Targets);
    }
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0);
    assert_eq!(computed, 55);
}
