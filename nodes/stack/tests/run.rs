//! Whole runs: equal inputs give equal bits, and every input counts.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
mod support;

use sinew_stack::{Outcome, Stack, Trace};

/// Stands up; 3 s.
const STAND: &str = "name: stand
robot: quad
duration_s: 3
goals:
  - {at_s: 0, goal: stand}
expect:
  falls: 0
  mode: Stand
";

fn run(text: &str, seed: u64) -> (Outcome, Trace) {
    let mut scenario = support::parse(text);
    scenario.seed = seed;
    let setup = support::setup(&scenario, &support::root().join("test.yaml")).unwrap();
    Stack::run(&setup, &scenario, "test.yaml").unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let (first, trace) = run(STAND, 1);
    assert!(first.score.passed, "{:?}", first.score.broken);
    assert_eq!((first.hash.len(), first.steps), (64, 1500));
    let (again, same) = run(STAND, 1);
    assert_eq!(first, again);
    assert_eq!(trace, same);
    assert_ne!(first.hash, run(STAND, 2).0.hash, "the seed does not count");
}

#[test]
fn one_flipped_bit_of_one_command_changes_the_hash() {
    let flipped = |joint: usize, bit: u8| {
        let event =
            format!("events: [{{kind: flip_command_bit, at_s: 2, joint: {joint}, bit: {bit}}}]\nexpect:");
        run(&STAND.replace("expect:", &event), 1).0.hash
    };
    let clean = run(STAND, 1).0.hash;
    let changed: Vec<_> =
        [(1, 14), (5, 14), (5, 16)].into_iter().map(|(joint, bit)| flipped(joint, bit)).collect();
    for (i, hash) in changed.iter().enumerate() {
        assert_ne!(*hash, clean, "flip {i} has left no trace");
        assert!(!changed.iter().skip(i + 1).any(|other| other == hash), "flip {i} looks like another");
    }
}

#[test]
fn what_is_refused_on_the_link_leaves_no_trace_in_the_hash() {
    let clean = run(STAND, 1).0;
    for fault in ["replay", "duplicate", "wrong_epoch"] {
        let event = format!("events: [{{kind: link, at_s: 1, for_s: 1, fault: {fault}}}]\nexpect:");
        let outcome = run(&STAND.replace("expect:", &event), 1).0;
        assert_eq!(outcome.hash, clean.hash, "{fault} has reached the drives");
        assert_eq!(outcome.score.stale_accepted, 0);
    }
}
