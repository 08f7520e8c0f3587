//! A native run allocates nothing. In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

mod files;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_inference::{Engine, Model, NativeEngine};

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
fn a_native_run_allocates_nothing() {
    let model = Model::load(&files::Files::quad(), files::MANIFEST).unwrap();
    let mut engine = NativeEngine::new(&model).unwrap();
    let before = CALLS.load(Ordering::Relaxed);
    let mut sum = 0.0;
    for round in 0..100u8 {
        engine.input_mut(0).fill(f32::from(round) * 0.01);
        engine.run().unwrap();
        sum += engine.output(1).iter().sum::<f32>();
    }
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0);
    // The counter does count.
    drop(vec![sum]);
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 2);
}
