//! A step allocates nothing. In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

mod quad;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use quad::{other_order, policy, standing};
use sinew_policy::{Remote, RemoteConfig, Slot, SlotConfig, SwapOutcome, SwapRequest};
use sinew_wire::{PolicyFlags, PolicyStatus, StepTime};

struct Counting;

thread_local! {
    /// Of this thread: tests run beside each other.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

fn count() {
    // A thread that ends is counted no more.
    CALLS.try_with(|calls| calls.set(calls.get() + 1)).ok();
}

// SAFETY: every request goes to the system allocator unchanged; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
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
    let before = calls();
    let mut computed = 0;
    for state in &states {
        let frame = policy.step(state, StepTime::from_ns(state.header.step));
        computed += u32::from(frame.body.status() == PolicyStatus::Targets);
    }
    assert_eq!(calls() - before, 0);
    assert_eq!(computed, 55);
}

#[test]
fn a_swap_and_results_of_another_machine_allocate_nothing_either() {
    let joints = other_order();
    let slot_config = SlotConfig { transition_rad: vec![0.4; 12], latency_ticks: 2 };
    let mut slot = Slot::new(policy(&joints), slot_config.clone());
    let request = SwapRequest { shadow_runs: 5, blend_runs: 5, max_difference_rad: 10.0 };
    let states: Vec<_> =
        (0..600u64).map(|step| standing(&joints, step, 1 + (step / 400) as u32, [0.4, 0.1, -0.2])).collect();
    let incoming = policy(&joints);
    let before = calls();
    slot.step(&states[0], StepTime::default());
    slot.begin_swap(incoming, request).unwrap();
    for state in &states[1..] {
        slot.step(state, StepTime::default());
    }
    assert_eq!(calls() - before, 0);
    assert!(matches!(slot.take_outcome(), Some(SwapOutcome::Done(_))));

    let mut slot = Slot::new(policy(&joints), slot_config);
    let config = RemoteConfig { return_runs: 2, max_difference_rad: 10.0, ..RemoteConfig::DEFAULT };
    slot.set_remote(Remote::new(config, 0, quad::NUMBER, quad::PERIOD_NS));
    let mut there = policy(&joints);
    let before = calls();
    let mut used = 0;
    for state in &states {
        let result = there.step(state, StepTime::default());
        let remote = slot.remote_mut().unwrap();
        remote.serve(state);
        // Every seventh is lost.
        if state.header.step % 70 != 0 {
            remote.hear(&result, state.header.step).ok();
        }
        let frame = slot.step(state, StepTime::default());
        used += u32::from(frame.body.has(PolicyFlags::OFFBOARD));
    }
    assert_eq!(calls() - before, 0);
    assert!(used > 40, "{used}");
}
