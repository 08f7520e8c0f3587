//! A cycle of the virtual bus allocates nothing, whatever goes wrong in it.
#![allow(unsafe_code, reason = "counting allocations needs a global allocator")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use arrayvec::ArrayVec;
use sinew_bus::{BusFaults, CanFrame, CanId, Device, Received, TO_HOST, VirtualBus, VirtualBusConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain thread-local cell
// that needs no allocation.
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

struct Echo(u16);

impl Device for Echo {
    fn on_frame(&mut self, frame: &CanFrame, _at_ns: u64, reply: &mut dyn FnMut(CanFrame)) {
        if frame.id() == CanId::Standard(self.0) {
            reply(CanFrame::standard_8(self.0 + 0x10, [0; 8]));
        }
    }
}

#[test]
fn a_cycle_allocates_nothing() {
    let faults = BusFaults {
        loss: 0.1,
        duplication: 0.1,
        delay: 0.1,
        delay_ns: 900_000,
        corruption: 0.1,
        undetected_corruption: 0.1,
        bus_off: 0.05,
    };
    let mut bus = VirtualBus::new(VirtualBusConfig { faults, ..VirtualBusConfig::CLASSIC_1M }, 1);
    let (mut a, mut b) = (Echo(1), Echo(2));
    let frames = [CanFrame::standard_8(1, [0; 8]), CanFrame::standard_8(2, [1; 8])];
    let mut to_host = ArrayVec::<Received, TO_HOST>::new();
    drop(Box::new([0u8; 16]));
    let before = ALLOCATIONS.with(Cell::get);
    assert!(before > 0, "the counter counts");
    let mut arrived = 0;
    for n in 0..1000 {
        to_host.clear();
        let mut devices: [&mut dyn Device; 2] = [&mut a, &mut b];
        bus.cycle(n * 2_000_000, (n + 1) * 2_000_000, &frames, &mut devices, &mut to_host);
        arrived += to_host.len();
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    assert!(arrived > 1000);
}
