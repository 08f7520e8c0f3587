//! Each rule refuses with its own reason, a refusal changes nothing but a counter, and no stream of duplicated,
//! replayed or reordered frames gets one in twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test
mod support;

use proptest::prelude::*;
use sinew_guard::{Acceptor, Measured, RING, Writer, starts_at_measured};
use sinew_wire::{
    ActuatorCommand, FrameId, Intent, JointCommand, JointMode, LinkState, Refusal, Source, StepTime,
};
use support::limits;

const MS: u64 = 1_000_000;
const ROBOT: u32 = 0x0102_0304;
const BRIDGE_BOOT: u32 = 77;
const WRITER: Writer = Writer { source: Source::CONTROL, boot_id: 5, epoch: 9 };

fn at(ms: u64) -> StepTime {
    StepTime::from_ns(ms * MS)
}

/// A bridge that published frames 0..=10 at 0, 2, .. 20 ms and granted the writer.
fn bridge() -> Acceptor {
    let mut acceptor = Acceptor::new(ROBOT, BRIDGE_BOOT);
    for n in 0..=10 {
        acceptor.published(FrameId { boot_id: BRIDGE_BOOT, seq: n }, at(u64::from(n) * 2));
    }
    acceptor.grant(WRITER);
    acceptor
}

/// A Run that the bridge takes at 20 ms.
fn run(seq: u32) -> ActuatorCommand {
    let mut frame = ActuatorCommand::default();
    frame.header.robot = ROBOT;
    frame.header.source = WRITER.source.0;
    frame.header.boot_id = WRITER.boot_id;
    frame.header.epoch = WRITER.epoch;
    frame.header.seq = seq;
    frame.header.set_based_on(FrameId { boot_id: BRIDGE_BOOT, seq: 10 });
    frame.body.intent = Intent::Run as u8;
    frame.joints.extend([JointCommand::impedance(0.1, 0.0, 0.0, 50.0, 1.0); 12]);
    frame
}

fn changed(change: impl FnOnce(&mut ActuatorCommand)) -> ActuatorCommand {
    let mut frame = run(1);
    change(&mut frame);
    frame
}

#[test]
fn a_good_command_gives_the_time_of_the_state_it_came_from() {
    assert_eq!(bridge().judge(&run(1), at(20), &limits(12), LinkState::Active), Ok(at(20)));
    let older = changed(|f| f.header.based_on_seq = 6);
    assert_eq!(bridge().judge(&older, at(20), &limits(12), LinkState::Active), Ok(at(12)));
}

#[test]
fn each_rule_refuses_with_its_reason_and_changes_only_its_counter() {
    let limits = limits(12);
    let cases = [
        (Refusal::Robot, changed(|f| f.header.robot += 1)),
        (Refusal::Writer, changed(|f| f.header.source = Source::POLICY.0)),
        (Refusal::Writer, changed(|f| f.header.boot_id += 1)),
        (Refusal::Epoch, changed(|f| f.header.epoch -= 1)),
        (Refusal::Epoch, changed(|f| f.header.epoch += 1)),
        (Refusal::Epoch, changed(|f| f.header.epoch = 0)),
        (Refusal::Age, changed(|f| f.header.based_on_seq = 5)),
        (Refusal::Age, changed(|f| f.header.based_on_seq = 11)),
        (Refusal::Age, changed(|f| f.header.based_on_boot += 1)),
        (
            Refusal::Age,
            changed(|f| {
                f.header.based_on_seq = 7;
                f.header.valid_for_us = 5_999
            }),
        ),
        (Refusal::Joints, changed(|f| f.joints.truncate(11))),
        (Refusal::Joints, changed(|f| f.joints.push(JointCommand::default()))),
        (Refusal::NonFinite, changed(|f| f.joints[11].tau_nm = f32::NAN)),
        (Refusal::NonFinite, changed(|f| f.joints[0].q_rad = f32::INFINITY)),
        (Refusal::Mode, changed(|f| f.joints[3].mode = 42)),
        (Refusal::Gains, changed(|f| f.joints[3].kp = 120.01)),
        (Refusal::Gains, changed(|f| f.joints[3].kp = -0.01)),
        (Refusal::Gains, changed(|f| f.joints[3].kd = 5.01)),
        (Refusal::Link, changed(|f| f.body.intent = Intent::Arm as u8)),
    ];
    for (reason, frame) in cases {
        let mut acceptor = bridge();
        let mut expected = acceptor.clone();
        expected.note(reason);
        assert_eq!(acceptor.judge(&frame, at(20), &limits, LinkState::Active), Err(reason));
        assert_eq!(acceptor, expected);
        assert_eq!((acceptor.counters()[reason as usize], acceptor.refused()), (1, 1));
        assert_eq!(acceptor.last_refusal(), reason);
        // The good frame with the same sequence number is still welcome.
        assert!(acceptor.judge(&run(1), at(20), &limits, LinkState::Active).is_ok());
    }
}

#[test]
fn a_mode_the_joint_does_not_have_is_refused() {
    let mut few = limits(12);
    few.joints[4].modes = sinew_guard::ModeSet::of(&[JointMode::Impedance, JointMode::Damping]);
    let few = few.seal();
    let torque = changed(|f| f.joints[4].mode = JointMode::Torque as u8);
    assert_eq!(bridge().judge(&torque, at(20), &few, LinkState::Active), Err(Refusal::Mode));
    let off = changed(|f| f.joints[4] = JointCommand::default());
    assert!(bridge().judge(&off, at(20), &few, LinkState::Active).is_ok());
}

#[test]
fn age_is_judged_to_the_nanosecond_by_the_shorter_of_both_validities() {
    let limits = limits(12);
    let mut frame = run(1);
    let judge = |frame: &ActuatorCommand, ns| {
        bridge().judge(frame, StepTime::from_ns(ns), &limits, LinkState::Active)
    };
    assert!(judge(&frame, 28 * MS).is_ok());
    assert_eq!(judge(&frame, 28 * MS + 1), Err(Refusal::Age));
    frame.header.valid_for_us = 4_000;
    assert!(judge(&frame, 24 * MS).is_ok());
    assert_eq!(judge(&frame, 24 * MS + 1), Err(Refusal::Age));
    frame.header.valid_for_us = 1_000_000;
    assert_eq!(judge(&frame, 28 * MS + 1), Err(Refusal::Age), "a sender cannot lengthen it");
    assert_eq!(judge(&frame, 19 * MS), Err(Refusal::Age), "nothing comes from the future");
}

#[test]
fn only_run_depends_on_link_and_joints() {
    let limits = limits(12);
    for link in LinkState::ALL.iter().copied() {
        let mut disarm = run(1);
        disarm.body.intent = Intent::Disarm as u8;
        disarm.joints.clear();
        assert!(bridge().judge(&disarm, at(20), &limits, link).is_ok(), "Disarm in {link}");
        disarm.body.intent = Intent::Observe as u8;
        assert!(bridge().judge(&disarm, at(20), &limits, link).is_ok(), "Observe in {link}");
        let verdict = bridge().judge(&run(1), at(20), &limits, link);
        assert_eq!(verdict.is_ok(), link == LinkState::Active, "Run in {link}");
        if link != LinkState::Active {
            assert_eq!(verdict, Err(Refusal::Link));
        }
    }
}

#[test]
fn without_a_grant_only_an_observer_is_heard() {
    let limits = limits(12);
    let mut acceptor = bridge();
    acceptor.revoke();
    assert_eq!(acceptor.writer(), None);
    assert_eq!(acceptor.judge(&run(1), at(20), &limits, LinkState::Active), Err(Refusal::Writer));
    let disarm = changed(|f| f.body.intent = Intent::Disarm as u8);
    assert_eq!(acceptor.judge(&disarm, at(20), &limits, LinkState::Disabled), Err(Refusal::Writer));
    let observe = changed(|f| f.body.intent = Intent::Observe as u8);
    for _ in 0..2 {
        assert!(acceptor.judge(&observe, at(20), &limits, LinkState::Disabled).is_ok());
    }
    acceptor.grant(WRITER);
    let stranger = changed(|f| {
        f.body.intent = Intent::Observe as u8;
        f.header.boot_id = 6
    });
    assert_eq!(acceptor.judge(&stranger, at(20), &limits, LinkState::Active), Err(Refusal::Writer));
}

#[test]
fn sequence_numbers_wrap_and_start_anew_only_with_a_grant() {
    let limits = limits(12);
    let mut acceptor = bridge();
    let judge = |acceptor: &mut Acceptor, seq| acceptor.judge(&run(seq), at(20), &limits, LinkState::Active);
    assert!(judge(&mut acceptor, u32::MAX - 1).is_ok());
    assert!(judge(&mut acceptor, u32::MAX).is_ok());
    assert!(judge(&mut acceptor, 1).is_ok(), "0 was lost on the way");
    assert_eq!(judge(&mut acceptor, 0), Err(Refusal::Sequence));
    assert_eq!(judge(&mut acceptor, u32::MAX), Err(Refusal::Sequence));
    assert_eq!(judge(&mut acceptor, 1), Err(Refusal::Sequence));
    acceptor.grant(WRITER);
    assert!(judge(&mut acceptor, 1).is_ok());
}

#[test]
fn an_old_holder_of_the_epoch_is_out_after_a_take_over() {
    let limits = limits(12);
    let mut acceptor = bridge();
    acceptor.grant(Writer { source: Source::CONTROL, boot_id: 6, epoch: 10 });
    assert_eq!(acceptor.judge(&run(1), at(20), &limits, LinkState::Active), Err(Refusal::Writer));
    let usurper = changed(|f| f.header.boot_id = 6);
    assert_eq!(acceptor.judge(&usurper, at(20), &limits, LinkState::Active), Err(Refusal::Epoch));
}

#[test]
fn publishing_a_frame_again_does_not_make_it_younger() {
    let limits = limits(12);
    let mut acceptor = bridge();
    let old = changed(|f| f.header.based_on_seq = 5);
    acceptor.published(FrameId { boot_id: BRIDGE_BOOT, seq: 5 }, at(20));
    acceptor.published(FrameId { boot_id: BRIDGE_BOOT + 1, seq: 5 }, at(20));
    assert_eq!(acceptor.judge(&old, at(20), &limits, LinkState::Active), Err(Refusal::Age));
    // Nor does it outlive its place in the ring.
    for n in 11..70 {
        acceptor.published(FrameId { boot_id: BRIDGE_BOOT, seq: n }, at(20 + u64::from(n)));
    }
    assert_eq!(acceptor.time_of(FrameId { boot_id: BRIDGE_BOOT, seq: 5 }), None);
}

#[test]
fn the_ring_forgets_the_oldest() {
    let mut acceptor = Acceptor::new(ROBOT, BRIDGE_BOOT);
    let id = |n| FrameId { boot_id: BRIDGE_BOOT, seq: n };
    for n in 0..=RING as u32 {
        acceptor.published(id(n), at(u64::from(n)));
    }
    assert_eq!(acceptor.time_of(id(0)), None);
    assert_eq!(acceptor.time_of(id(1)), Some(at(1)));
    assert_eq!(acceptor.time_of(id(RING as u32)), Some(at(RING as u64)));
}

#[test]
fn refusals_found_elsewhere_are_counted_too() {
    let mut acceptor = bridge();
    acceptor.note(Refusal::Malformed);
    acceptor.note(Refusal::Schema);
    acceptor.note(Refusal::None);
    assert_eq!((acceptor.refused(), acceptor.last_refusal()), (2, Refusal::Schema));
    assert_eq!(acceptor.counters()[0], 0);
}

#[test]
fn the_first_command_must_start_at_the_measured_position() {
    let limits = limits(2);
    let measured = [Measured { q_rad: 0.5, dq_rad_s: 0.0 }; 2];
    let near = JointCommand::impedance(0.59, 0.0, 0.0, 0.0, 1.0);
    let far = JointCommand::impedance(0.61, 0.0, 0.0, 0.0, 1.0);
    assert!(starts_at_measured(&limits, &measured, &[near, near]));
    assert!(!starts_at_measured(&limits, &measured, &[near, far]));
    assert!(starts_at_measured(&limits, &measured, &[near, JointCommand::damping(1.0)]));
    assert!(!starts_at_measured(&limits, &measured, &[near]));
    let blind = [Measured { q_rad: f32::NAN, dq_rad_s: 0.0 }; 2];
    assert!(!starts_at_measured(&limits, &blind, &[near, near]));
}

/// What arrives: which of the writer's frames, and the impostor it pretends to be.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    offset: i32,
    epoch: i32,
    state: i32,
    intent: u8,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Frames around a moving head are duplicated, replayed and reordered, also across the wrap of the counter. What
    /// is accepted is strictly newer each time, of the right epoch and at most 8 ms old; what is refused has the
    /// reason that an independent model gives.
    #[test]
    fn no_stream_gets_a_frame_in_twice(
        start in prop_oneof![Just(u32::MAX - 20), any::<u32>()],
        arrivals in prop::collection::vec((-6i32..8, prop_oneof![9 => Just(0i32), 1 => -1i32..=1], -8i32..2, 0u8..4)
            .prop_map(|(offset, epoch, state, intent)| Arrival { offset, epoch, state, intent }), 1..80),
    ) {
        let limits = limits(12);
        let mut acceptor = Acceptor::new(ROBOT, BRIDGE_BOOT);
        acceptor.grant(WRITER);
        let mut newest: Option<i64> = None;
        let mut refused = 0;
        for (n, arrival) in arrivals.iter().enumerate() {
            let now = at(100 + 2 * n as u64);
            acceptor.published(FrameId { boot_id: BRIDGE_BOOT, seq: n as u32 }, now);
            let position = n as i64 + i64::from(arrival.offset);
            let mut frame = run(start.wrapping_add(position as u32));
            frame.header.epoch = WRITER.epoch.wrapping_add_signed(arrival.epoch);
            frame.header.based_on_seq = (n as u32).wrapping_add_signed(arrival.state);
            frame.body.intent = arrival.intent;
            let age_known = arrival.state <= 0 && n as i64 + i64::from(arrival.state) >= 0;
            let expected = if arrival.intent == Intent::Arm as u8 {
                Err(Refusal::Link)
            } else if arrival.epoch != 0 {
                Err(Refusal::Epoch)
            } else if newest.is_some_and(|newest| position <= newest) {
                Err(Refusal::Sequence)
            } else if !age_known || arrival.state < -4 {
                Err(Refusal::Age)
            } else {
                newest = Some(position);
                Ok(StepTime::from_ns(now.as_ns() - arrival.state.unsigned_abs() as u64 * 2 * MS))
            };
            prop_assert_eq!(acceptor.judge(&frame, now, &limits, LinkState::Active), expected);
            refused += u32::from(expected.is_err());
            prop_assert_eq!(acceptor.refused(), refused);
        }
    }

    /// Any header bytes at all: the verdict is a verdict, and only the granted writer's own frames pass.
    #[test]
    fn random_headers_never_pass(words in prop::array::uniform8(any::<u32>()), intent in 0u8..4) {
        let mut acceptor = bridge();
        let mut frame = run(1);
        frame.body.intent = intent;
        let [robot, source, boot, epoch, seq, valid, based_boot, based_seq] = words;
        let h = &mut frame.header;
        (h.robot, h.source, h.boot_id, h.epoch, h.seq) = (robot, source as u16, boot, epoch, seq);
        (h.valid_for_us, h.based_on_boot, h.based_on_seq) = (valid, based_boot, based_seq);
        prop_assert!(acceptor.judge(&frame, at(20), &limits(12), LinkState::Active).is_err());
    }
}
