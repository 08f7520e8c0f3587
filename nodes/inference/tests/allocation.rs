//! A native run allocates nothing. In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

mod files;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_inference::conformance::Case;
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

/// One test, since the counter hears every thread of the program.
#[test]
fn a_native_run_allocates_nothing() {
    let model = Model::load(&files::Files::quad(), files::MANIFEST).unwrap();
    let mut engines = vec![("quad_walk".to_owned(), NativeEngine::new(&model).unwrap())];
    // Layers, LSTM, GRU, normalisation, attention, tables by index, whole numbers: every family of operators.
    for case in Case::all().unwrap() {
        let engine = case.native(&case.io).unwrap();
        engines.push((case.name, engine));
    }
    let mut sum = 0.0;
    for (name, engine) in &mut engines {
        let (inputs, outputs) = (engine.io().inputs.len(), engine.io().outputs.len());
        let before = CALLS.load(Ordering::Relaxed);
        for round in 0..100u8 {
            for index in 0..inputs {
                engine.input_mut(index).fill(f32::from(round));
            }
            engine.run().unwrap();
            sum += (0..outputs).map(|index| engine.output(index).iter().sum::<f32>()).sum::<f32>();
        }
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 0, "{name}");
    }
    // The counter does count.
    let before = CALLS.load(Ordering::Relaxed);
    drop(vec![sum]);
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 2);
}
