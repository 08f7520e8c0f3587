//! After construction no step allocates.
#![allow(unsafe_code, reason = "counting allocations takes a global allocator")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use sinew_estimator::{Config, Estimator, Foot, Imu, Input, Status};

struct Counting;

thread_local! {
    // The test harness has threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).unwrap_or_default();
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_step_allocates() {
    let mut e = Estimator::new(Config::default()).unwrap();
    let foot = |x: f64, force: f64| Foot {
        position_m: [x, 0.15, -0.28],
        spread: [[0.09, 0.0, 0.0], [0.0, 0.08, 0.0], [0.0, 0.0, 0.05]],
        velocity_m_s: [0.0; 3],
        turn_rad_s: [0.0; 3],
        force_n: Some(force),
    };
    let imu = Imu { gyro_rad_s: [0.0; 3], accel_m_s2: [0.0, 0.0, 9.81] };
    let before = ALLOCATIONS.get();
    let mut healthy = 0;
    for k in 0..5000 {
        // stands, steps, loses samples, is lost and starts anew
        let lifted = k > 1000 && k % 100 < 40;
        let feet = [foot(0.2, if lifted { 0.0 } else { 40.0 }), foot(-0.2, 40.0)];
        let silent = (3000..3060).contains(&k);
        let estimate = e.step(&Input { dt_s: 0.002, imu: (!silent).then_some(imu), feet: &feet });
        healthy += u32::from(estimate.health.status == Status::Healthy);
        if k == 4500 {
            e.reset();
        }
    }
    let after = ALLOCATIONS.get();
    assert_eq!(after - before, 0);
    assert!(healthy > 3000, "the filter must have run: {healthy}");
}
