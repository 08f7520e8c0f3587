//! The inbox: order and repetition of arrival make no difference.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
use proptest::prelude::*;
use sinew_stack::Inbox;
use sinew_wire::{MotionCommand, MotionCommandBody};

fn frame(source: u16, boot_id: u32, seq: u32, step: u64) -> MotionCommand {
    let mut frame = MotionCommand::default();
    frame.header.source = source;
    frame.header.boot_id = boot_id;
    frame.header.seq = seq;
    frame.header.step = step;
    frame
}

fn taken(frames: &[MotionCommand], until: u64) -> Vec<(u16, u32, u32)> {
    let mut inbox = Inbox::<MotionCommandBody>::default();
    for frame in frames {
        inbox.push(frame.clone());
    }
    let mut out = Vec::new();
    inbox.take_due(|f| f.header.step <= until, &mut out);
    out.iter().map(|f| (f.header.source, f.header.boot_id, f.header.seq)).collect()
}

fn frames() -> impl Strategy<Value = Vec<MotionCommand>> {
    let one = (1u16..5, 1u32..3, 1u32..9, 0u64..20);
    prop::collection::vec(one, 0..20).prop_map(|all| {
        // The step belongs to the frame: the same (source, boot, seq) always carries the same one.
        all.into_iter().map(|(source, boot, seq, _)| frame(source, boot, seq, u64::from(seq) * 2)).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_makes_no_difference(
        (sent, shuffled) in frames().prop_flat_map(|f| (Just(f.clone()), Just(f).prop_shuffle())),
        until in 0u64..20,
    ) {
        prop_assert_eq!(taken(&sent, until), taken(&shuffled, until));
    }

    #[test]
    fn repeated_frames_count_once(sent in frames(), until in 0u64..20) {
        let twice: Vec<_> = sent.iter().chain(&sent).cloned().collect();
        let once = taken(&sent, until);
        prop_assert_eq!(&taken(&twice, until), &once);
        let mut sorted = once.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(once, sorted);
    }

    #[test]
    fn only_what_is_due_is_taken_and_the_rest_waits(sent in frames(), until in 0u64..20) {
        let mut inbox = Inbox::<MotionCommandBody>::default();
        let fresh = sent.iter().filter(|f| inbox.push((*f).clone())).count();
        let mut out = Vec::new();
        inbox.take_due(|f| f.header.step <= until, &mut out);
        let first = out.len();
        prop_assert!(out.iter().all(|f| f.header.step <= until));
        inbox.take_due(|_| true, &mut out);
        prop_assert!(out.iter().all(|f| f.header.step > until));
        prop_assert_eq!(first + out.len(), fresh);
    }
}

#[test]
fn a_frame_sent_again_after_it_was_taken_is_dropped() {
    let mut inbox = Inbox::<MotionCommandBody>::default();
    let mut out = Vec::new();
    assert!(inbox.push(frame(1, 1, 7, 0)));
    inbox.take_due(|_| true, &mut out);
    assert!(!inbox.push(frame(1, 1, 7, 0)));
    assert!(inbox.push(frame(1, 2, 7, 0)), "another boot is another process");
}

#[test]
fn a_flood_is_refused_and_counted() {
    let mut inbox = Inbox::<MotionCommandBody>::default();
    let accepted = (0..1000).filter(|seq| inbox.push(frame(1, 1, *seq, 0))).count() as u64;
    assert!(accepted < 1000);
    assert_eq!(inbox.overflowed, 1000 - accepted);
}
