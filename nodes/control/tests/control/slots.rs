//! When a policy's output counts.
use proptest::prelude::*;
use sinew_control::{Degrade, PolicySlots, PolicyTiming};
use sinew_wire::{JointCommand, PolicyCommand, PolicyStatus};

const ROBOT: u32 = 9;
const TIMING: PolicyTiming = PolicyTiming { decimation: 10, latency_ticks: 4 };

fn output(step: u64, q_rad: f32) -> PolicyCommand {
    let mut frame = PolicyCommand::default();
    frame.header.robot = ROBOT;
    frame.header.step = step;
    frame.body.activation = 1;
    frame.body.policy = 0;
    frame.body.status = PolicyStatus::Targets as u8;
    frame.joints.extend([JointCommand::impedance(q_rad, 0.0, 0.0, 30.0, 1.0); 2]);
    frame
}

fn active() -> PolicySlots {
    let mut slots = PolicySlots::new(ROBOT);
    slots.activate(0, 1, TIMING, Degrade::default(), 0);
    slots
}

/// Ticks up to and including `to`, nothing arriving; the last news, as text.
fn run(slots: &mut PolicySlots, from: u64, to: u64) -> String {
    (from..=to).map(|step| format!("{:?}", slots.step(step, 2, &[]))).last().unwrap_or_default()
}

fn q_rad(slots: &PolicySlots) -> Option<f32> {
    slots.targets().first().map(|t| t.q_rad)
}

#[test]
fn an_early_output_waits_for_its_tick() {
    let mut slots = active();
    slots.step(0, 2, &[output(0, 0.7)]);
    run(&mut slots, 1, 3);
    assert_eq!(q_rad(&slots), None);
    assert_eq!(run(&mut slots, 4, 4), "Fresh");
    assert_eq!(q_rad(&slots), Some(0.7));
}

#[test]
fn a_late_output_is_a_miss_and_the_last_target_stays() {
    let mut slots = active();
    slots.step(0, 2, &[output(0, 0.7)]);
    run(&mut slots, 1, 13);
    assert_eq!(run(&mut slots, 14, 14), "Missed");
    slots.step(15, 2, &[output(10, 0.9)]);
    assert_eq!(q_rad(&slots), Some(0.7));
    assert!(!slots.is_lost());
    slots.step(20, 2, &[output(20, 0.8)]);
    assert_eq!(run(&mut slots, 21, 24), "Fresh");
    assert_eq!((q_rad(&slots), slots.misses()), (Some(0.8), 1));
}

#[test]
fn two_misses_in_a_row_end_it_and_one_does_not() {
    let mut slots = active();
    for k in 0..10u64 {
        let step = 10 * k;
        // Every other one is missing.
        let arrived: &[PolicyCommand] = if k % 2 == 0 { &[output(step, 0.1)] } else { &[] };
        slots.step(step, 2, arrived);
        run(&mut slots, step + 1, step + 9);
        assert!(!slots.is_lost());
    }
    run(&mut slots, 100, 113);
    assert!(slots.is_lost());
    assert_eq!(slots.misses(), 6);
}

#[test]
fn foreign_stale_future_and_empty_outputs_are_not_there() {
    let cases: [fn(&mut PolicyCommand); 7] = [
        |f| f.header.robot ^= 1,
        |f| f.body.policy = 1,
        |f| f.body.activation = 2,
        |f| f.body.status = PolicyStatus::Empty as u8,
        |f| f.header.step = 10,
        |f| f.header.step = 3,
        |f| f.header.step = u64::MAX,
    ];
    for spoil in cases {
        let mut slots = active();
        let mut frame = output(0, 0.7);
        spoil(&mut frame);
        // Many of them do not crowd out the right one either.
        slots.step(0, 2, &vec![frame; 20]);
        slots.step(1, 2, &[output(0, 0.2)]);
        assert_eq!(run(&mut slots, 2, 4), "Fresh");
        assert_eq!(q_rad(&slots), Some(0.2));
    }
}

#[test]
fn an_unusable_output_is_a_fault_and_changes_nothing() {
    let cases: [fn(&mut PolicyCommand); 4] = [
        |f| f.body.status = PolicyStatus::Fault as u8,
        |f| f.joints[1].q_rad = f32::NAN,
        |f| f.joints[0].kp = f32::INFINITY,
        |f| f.joints.truncate(1),
    ];
    for spoil in cases {
        let mut slots = active();
        slots.step(0, 2, &[output(0, 0.7)]);
        run(&mut slots, 1, 9);
        let mut frame = output(10, 0.9);
        spoil(&mut frame);
        slots.step(10, 2, &[frame]);
        assert_eq!(run(&mut slots, 11, 14), "Fault");
        assert_eq!(q_rad(&slots), Some(0.7));
    }
}

/// Misses of a policy whose every output is there in the tick it was computed from.
fn misses_at(latency_ticks: u64) -> u32 {
    let mut slots = PolicySlots::new(ROBOT);
    slots.activate(0, 1, PolicyTiming { latency_ticks, ..TIMING }, Degrade::default(), 0);
    for step in 0..400 {
        let arrived: &[PolicyCommand] = if step % 10 == 0 { &[output(step, 0.1)] } else { &[] };
        slots.step(step, 2, arrived);
    }
    slots.misses()
}

#[test]
fn at_the_longest_latency_no_output_is_lost_and_beyond_it_some_are() {
    let most = TIMING.latency_ticks_max();
    assert_eq!((most, misses_at(most)), (70, 0));
    assert!(misses_at(most + TIMING.decimation) > 0, "the bound is needed");
}

#[test]
fn a_tick_lost_with_its_state_is_made_up_for() {
    let mut slots = active();
    slots.step(0, 2, &[output(0, 0.7)]);
    run(&mut slots, 1, 3);
    // Tick 4 never came.
    assert_eq!(run(&mut slots, 5, 5), "Fresh");
    slots.step(10, 2, &[output(10, 0.8)]);
    run(&mut slots, 11, 13);
    assert_eq!(run(&mut slots, 14, 14), "Fresh");
}

proptest! {
    /// Whatever arrives when: targets are those of the newest output that was there in its tick, misses are the rest.
    #[test]
    fn targets_follow_the_due_table(arrivals in prop::collection::vec(0..9u64, 1..30)) {
        let mut slots = active();
        let (mut expected, mut misses) = (None, 0);
        for step in 0..10 * arrivals.len() as u64 {
            let arrived: Vec<_> = arrivals
                .iter()
                .enumerate()
                .filter(|(k, delay)| 10 * *k as u64 + **delay == step)
                .map(|(k, _)| output(10 * k as u64, k as f32))
                .collect();
            slots.step(step, 2, &arrived);
            if step >= 4 && (step - 4).is_multiple_of(10) {
                let k = ((step - 4) / 10) as usize;
                if arrivals[k] <= 4 { expected = Some(k as f32) } else { misses += 1 }
            }
            prop_assert_eq!(q_rad(&slots), expected);
            prop_assert_eq!(slots.misses(), misses);
        }
    }
}
