//! The twin's own step allocates nothing: measured around an engine that allocates nothing either.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking
#![allow(unsafe_code)] // a counting allocator has to implement an unsafe trait

mod host;
use host::Host;
use sinew_twin::{Twin, TwinConfig, WorldEvent};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes unchanged to the system allocator; counting touches a plain thread-local cell only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn exchange_and_integrate_allocate_nothing() {
    let robot = host::quad();
    let statue = host::statue::Statue::new(robot.joints.len(), robot.feet.len());
    let mut host = Host::with(robot, TwinConfig::default());
    host.twin = Twin::new(&host.robot, Box::new(statue), TwinConfig::default()).unwrap();
    host.enable_all();
    host.cycle();
    let q = host.robot.postures.stand.q_rad.clone();
    let mut allocations = 0;
    for step in 0..500 {
        host.command_all(&q, host::KP, host::KD);
        host.sync();
        host.replies.iter_mut().for_each(|r| r.clear());
        allocations += counted(|| {
            if step % 7 != 0 {
                host.twin.exchange(host.step, &host.frames, &mut host.replies).unwrap();
            }
            if step == 250 {
                host.twin.apply(&WorldEvent::PushAnywhere { delta_v_m_s: 1.0, over_s: 0.1 }).unwrap();
            }
            host.twin.integrate();
            std::hint::black_box(host.twin.hash());
        });
        host.frames.iter_mut().for_each(|f| f.clear());
        host.step += 1;
    }
    assert_eq!(allocations, 0);
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(1)))), 1, "the counter counts");
}
