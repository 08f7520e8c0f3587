//! A cycle of the bridge allocates nothing.
#![allow(unsafe_code, reason = "counting allocations needs a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sinew_wire::{Intent, JointCommand, LinkState, MAX_FRAME};

use crate::rig::Rig;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain thread-local cell that needs no
// allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn counted(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn no_call_of_a_cycle_allocates() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new([0u8; 16])))), 1, "the counter counts");
    let mut rig = Rig::new();
    let mut buffer = [0; MAX_FRAME];
    let mut seen = [false; 8];
    for n in 0..1200u32 {
        let step = rig.step;
        let (bridge, frames) = (&mut rig.bridge, &mut rig.frames);
        assert_eq!(counted(|| bridge.begin(step, u32::MAX, frames)), 0);
        rig.exchange(step);
        for (bus, replies) in rig.replies.iter().enumerate() {
            let bridge = &mut rig.bridge;
            assert_eq!(counted(|| bridge.collect(bus, replies)), 0);
        }
        let bridge = &mut rig.bridge;
        assert_eq!(counted(|| _ = bridge.finish()), 0);
        rig.state = rig.bridge.state().clone();
        rig.step += 1;
        seen[rig.bridge.link() as usize] = true;
        // Through every state: armed, commanded, some of it refused, left alone, stopped.
        let holding = rig.holding();
        let frame = match (rig.bridge.link(), n) {
            (LinkState::Disabled, 0..900) => rig.frame(Intent::Arm, &[]),
            (LinkState::Active, 0..400) if n % 7 == 0 => {
                rig.frame(Intent::Run, &[JointCommand::damping(1.0); 3])
            }
            (LinkState::Active, 0..400) => rig.frame(Intent::Run, &holding),
            _ => rig.frame(Intent::Observe, &[]),
        };
        let bytes = frame.encode(&mut buffer).unwrap();
        let bridge = &mut rig.bridge;
        assert_eq!(counted(|| _ = bridge.take(bytes)), 0);
        if n == 1000 {
            let stop = rig.estop_frame();
            let bridge = &mut rig.bridge;
            assert_eq!(counted(|| bridge.hear(&stop)), 0);
        }
    }
    for link in
        [LinkState::ConfigCheck, LinkState::Arming, LinkState::Active, LinkState::Damping, LinkState::EStop]
    {
        assert!(seen[link as usize], "{link} was never reached");
    }
}
