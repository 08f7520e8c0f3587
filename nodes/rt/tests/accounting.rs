//! Nothing a loop calls per cycle allocates; the counter itself is shown to see a planted allocation.
#![allow(clippy::unwrap_used)] // a failed test should stop where it failed

use sinew_rt::account::{CountingAllocator, Meter, Usage, allocations_are_counted};
use sinew_rt::{clock, frame_queue, histogram::Histogram, ring, slot, ticker::Ticker};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_planted_allocation_is_counted_on_its_own_thread_only() {
    assert!(allocations_are_counted());
    let meter = Meter::start();
    let planted = std::hint::black_box(vec![1_u8; 100]);
    assert_eq!(meter.stop().allocations, 1);
    let other = std::thread::spawn(move || drop(planted.clone()));
    let meter = Meter::start();
    let joined = other.join();
    assert_eq!(meter.stop().allocations, 0);
    joined.unwrap();
}

#[test]
fn fresh_memory_is_seen_as_page_faults() {
    let meter = Meter::start();
    let block = std::hint::black_box(vec![1_u8; 64 << 20]);
    let usage = meter.stop();
    assert!(usage.minor_faults > 0 && !usage.is_clean(), "{usage:?}");
    drop(block);
}

#[test]
fn a_cycle_of_hand_overs_allocates_nothing() {
    let (mut producer, mut consumer) = ring::ring(8, 512).unwrap();
    let (sink, mut queue) = frame_queue::frame_queue(8, 512).unwrap();
    let (mut writer, mut reader) = slot::byte_slot(512);
    let mut histogram = Histogram::new();
    let mut ticker = Ticker::new(clock::now(), 100_000);
    let mut total = Usage::default();
    for cycle in 0..200_u64 {
        let meter = Meter::start();
        let tick = ticker.wait();
        producer.push(&[1; 400]).unwrap();
        let popped = consumer.recv(Some(clock::now())).map(<[u8]>::len);
        sink.push(&[2; 300]);
        let queued = queue.try_recv().map(<[u8]>::len);
        let written = writer.write_bytes(&[3; 200], clock::now());
        let read = reader.read().map(|latest| latest.value.len());
        histogram.record(tick.late_ns);
        let usage = meter.stop();
        assert_eq!((popped, queued, written, read), (Some(400), Some(300), true, Some(200)));
        if cycle > 0 {
            total.add(usage); // the first cycle may still fault in code pages
        }
    }
    assert_eq!(total.allocations, 0, "{total:?}");
    assert_eq!(histogram.count(), 200);
}
