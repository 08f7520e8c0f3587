//! A tick allocates nothing.
#![allow(unsafe_code, reason = "counting allocations needs a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use sinew_control::Inputs;
use sinew_wire::{PolicyCommand, PolicyStatus, Request, RobotMode};

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
fn no_tick_allocates_in_any_state() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new([0u8; 16])))), 1, "the counter counts");
    let made: [fn() -> Rig; 4] = [Rig::new, Rig::damping, Rig::stand, Rig::policy];
    for made in made {
        let mut rig = made();
        let mode = rig.mode();
        let requests = [Request::StandUp, Request::Policy, Request::Stand, Request::LieDown, Request::EStop];
        for request in requests {
            for step in 0..30 {
                let frame = rig.ask(if step == 0 { request } else { Request::None }, 0);
                let mut output = PolicyCommand::default();
                output.header.robot = rig.state.header.robot;
                output.header.step = rig.state.header.step;
                output.body.activation = rig.seen.body.activation;
                output.body.policy = rig.seen.body.active_policy;
                output.body.status = PolicyStatus::Targets as u8;
                output.joints.extend(rig.command.joints.iter().copied());
                rig.state.header.step += 1;
                rig.state.header.seq += 1;
                let (control, state) = (&mut rig.control, &rig.state);
                let (policy, motion) = (std::slice::from_ref(&output), std::slice::from_ref(&frame));
                let inputs = Inputs { state, policy, motion };
                assert_eq!(counted(|| _ = control.tick(&inputs)), 0, "{mode} after {request}");
                rig.seen = rig.control.robot_state().clone();
            }
        }
        assert_eq!(rig.mode(), RobotMode::EStop);
    }
}
