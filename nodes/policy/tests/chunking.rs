//! Action chunks: the graph runs now and then, a frame leaves every time, and time decides what is in it.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use sinew_inference::Model;
use sinew_policy::{Policy, PolicyFault};
use sinew_wire::PolicyStatus;
use toy::{EVERY, Scripted, f32, policy, state, step, targets};

const OBS: &str = "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n\
                   [[input.term]]\nkind = \"state/joint/position\"\njoints = [\"a\"]\n";

/// Four steps 40 ms apart; at 50 frames a second every second frame stands on a step.
fn chunked(keys: &str) -> Model {
    let body = format!("{OBS}{}scale = 0.5\nchunk = {{ steps = 4, dt_ms = 40.0, {keys} }}\n", toy::TARGET);
    toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 4, 2])], &body)
}

/// Step k of run n is 10 n + k for joint a, the negative for b; twice as much before the scale.
fn scripted(model: &Model) -> (Policy, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = runs.clone();
    let engine = Scripted::new(model, move |_, outputs| {
        let run = counter.fetch_add(1, Ordering::Relaxed) as f32;
        for (index, value) in outputs[0].iter_mut().enumerate() {
            let sign = if index % 2 == 0 { 2.0 } else { -2.0 };
            *value = sign * (10.0 * run + (index / 2) as f32);
        }
    });
    (policy(model, engine), runs)
}

/// As [`scripted`], on a robot that uses outputs `latency_ticks` after their state.
fn delayed(model: &Model, latency_ticks: u32) -> Policy {
    let engine = Scripted::new(model, |_, outputs| {
        for (index, value) in outputs[0].iter_mut().enumerate() {
            *value = 2.0 * (index / 2) as f32;
        }
    });
    toy::delayed_policy(model, engine, latency_ticks).unwrap()
}

fn frame(policy: &mut Policy, run: u64, activation: u32) -> [f32; 2] {
    let frame = step(policy, &state(run * EVERY, activation, [0.0; 3], [0.0; 3]));
    assert_eq!((frame.body.status(), policy.fault()), (PolicyStatus::Targets, None));
    targets(&frame)
}

#[test]
fn the_graph_runs_seldom_and_a_frame_leaves_every_time() {
    let model = chunked("mode = \"open_loop\", execute = 2");
    let (mut policy, runs) = scripted(&model);
    let shown: Vec<f32> = (0..9).map(|run| frame(&mut policy, run, 1)[0]).collect();
    // Two steps of 40 ms are four frames.
    assert_eq!(shown, [0.0, 0.5, 1.0, 1.5, 10.0, 10.5, 11.0, 11.5, 20.0]);
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    assert_eq!(policy.counters().runs, 3);
    assert_eq!(policy.chunk().unwrap().age_ns, 0);
}

#[test]
fn every_frame_says_how_old_its_chunk_is() {
    let model = chunked("mode = \"replace_with_delay\", execute = 2");
    let (mut policy, _) = scripted(&model);
    let ages: Vec<u32> = (0..6)
        .map(|run| {
            let frame = step(&mut policy, &state(run * EVERY, 1, [0.0; 3], [0.0; 3]));
            assert!(frame.body.flags & sinew_wire::PolicyFlags::CHUNK != 0);
            frame.body.age_us
        })
        .collect();
    assert_eq!(ages, [0, 20_000, 40_000, 60_000, 0, 20_000]);
}

#[test]
fn steps_may_be_held_instead_of_interpolated() {
    let model = chunked("mode = \"open_loop\", execute = 2, interp = \"hold\"");
    let (mut policy, _) = scripted(&model);
    let shown: Vec<f32> = (0..4).map(|run| frame(&mut policy, run, 1)[1]).collect();
    assert_eq!(shown, [-0.0, -0.0, -1.0, -1.0]);
}

#[test]
fn what_is_late_by_the_latency_is_dropped() {
    // latency_ticks = 2 of 2 ms: the targets act 4 ms after the observation, a tenth of a step.
    let model = chunked("mode = \"replace_with_delay\", execute = 2");
    let (mut policy, _) = scripted(&model);
    let shown: Vec<f64> = (0..5).map(|run| f64::from(frame(&mut policy, run, 1)[0])).collect();
    for (shown, expected) in shown.iter().zip([0.1, 0.6, 1.1, 1.6, 10.1]) {
        assert!((shown - expected).abs() < 1e-5, "{shown} instead of {expected}");
    }
    assert_eq!(policy.chunk().map(|c| (c.age_ns, c.is_exhausted)), Some((0, false)));
}

#[test]
fn a_robot_that_uses_outputs_later_than_the_manifest_says_drops_as_much_more() {
    let model = chunked("mode = \"replace_with_delay\", execute = 2");
    // 2 ms a tick, 40 ms a step; the manifest's 2 ticks are the least.
    for (ticks, first) in [(0, 0.1), (1, 0.1), (8, 0.4), (20, 1.0)] {
        let mut policy = delayed(&model, ticks);
        let shown = f64::from(frame(&mut policy, 0, 1)[0]);
        assert!((shown - first).abs() < 1e-5, "{ticks} ticks: {shown} instead of {first}");
        assert_eq!(policy.latency_ticks(), 2, "what a swap compares is the manifest's");
    }
}

#[test]
fn a_new_chunk_fades_in() {
    let model = chunked("mode = \"crossfade\", fade_ms = 80.0, execute = 2");
    let (mut policy, _) = scripted(&model);
    let shown: Vec<f64> = (0..9).map(|run| f64::from(frame(&mut policy, run, 1)[0])).collect();
    // From the second chunk on: old (2.1, 2.6, 3, 3) and new (10.1, 10.6, 11.1, 11.6) at shares 0, 1/4, 1/2, 3/4.
    for (shown, expected) in shown.iter().zip([0.1, 0.6, 1.1, 1.6, 2.1, 4.6, 7.05, 9.45, 12.1]) {
        assert!((shown - expected).abs() < 1e-5, "{shown} instead of {expected}");
    }
}

#[test]
fn an_ensemble_runs_at_every_step_and_averages() {
    let model = chunked("mode = \"temporal_ensemble\", coeff = 0.0");
    let (mut policy, runs) = scripted(&model);
    let shown: Vec<f64> = (0..3).map(|run| f64::from(frame(&mut policy, run, 1)[0])).collect();
    // At 40 ms: step 1.1 of the first chunk and step 0.1 of the second.
    for (shown, expected) in shown.iter().zip([0.1, 0.6, (1.1 + 10.1) / 2.0]) {
        assert!((shown - expected).abs() < 1e-5, "{shown} instead of {expected}");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn an_activation_discards_what_was_still_to_be_executed() {
    let model = chunked("mode = \"crossfade\", fade_ms = 80.0, execute = 4");
    let (mut policy, runs) = scripted(&model);
    frame(&mut policy, 0, 1);
    frame(&mut policy, 1, 1);
    assert!((f64::from(frame(&mut policy, 2, 2)[0]) - 10.1).abs() < 1e-5);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

/// What a look ahead after run `run` says of joint a in that run and in those to come, and how old it says they are.
fn looked_ahead(policy: &mut Policy, run: u64) -> Vec<(u32, [f32; 2])> {
    let frame = step(policy, &state(run * EVERY, 1, [0.0; 3], [0.0; 3]));
    let mut ahead = Vec::new();
    policy.look_ahead(&frame, &mut ahead);
    ahead.iter().map(|frame| (frame.body.ahead_us, targets(frame))).collect()
}

#[test]
fn a_look_ahead_says_what_will_leave_and_changes_nothing() {
    for mode in [
        "mode = \"open_loop\"",
        "mode = \"replace_with_delay\"",
        "mode = \"replace_with_delay\", interp = \"hold\"",
        "mode = \"crossfade\", fade_ms = 70.0",
    ] {
        let model = chunked(&format!("{mode}, execute = 4"));
        // Four steps of 40 ms: eight frames. What acts 4 ms after its state ends one frame's time earlier.
        for run in [0, 3, 7, 8, 11] {
            let (mut looking, _) = scripted(&model);
            let (mut plain, _) = scripted(&model);
            (0..run).for_each(|run| {
                looked_ahead(&mut looking, run);
                frame(&mut plain, run, 1);
            });
            let ahead = looked_ahead(&mut looking, run);
            assert_eq!(ahead.len() as u64, 8 - run % 8, "{mode} from run {run}");
            for (k, (ahead_us, said)) in ahead.into_iter().enumerate() {
                assert_eq!(ahead_us, 20_000 * k as u32);
                assert_eq!(said, frame(&mut plain, run + k as u64, 1), "{mode} from run {run}, {k} later");
                if k > 0 {
                    assert_eq!(said, frame(&mut looking, run + k as u64, 1));
                }
            }
        }
    }
}

#[test]
fn a_look_ahead_keeps_the_rate_limit_and_ends_before_a_jump() {
    let limited = |keys: &str, safety: &str| {
        let chunk =
            "chunk = { steps = 4, dt_ms = 40.0, mode = \"open_loop\", execute = 4, interp = \"hold\" }";
        let body = format!("{safety}{OBS}{}scale = 0.5\n{keys}{chunk}\n", toy::TARGET);
        toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 4, 2])], &body)
    };
    let (mut policy, _) = scripted(&limited("rate_limit = 25.0\n", ""));
    // Steps of 1 rad, of which 0.5 rad may be done in a frame.
    let said: Vec<f32> = looked_ahead(&mut policy, 0).iter().map(|(_, q)| q[0]).collect();
    assert_eq!(said, [0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
    let (mut policy, _) = scripted(&limited("", "[safety]\nmax_action_jump = 0.6\n"));
    assert_eq!(looked_ahead(&mut policy, 0).len(), 2, "the third would be refused when its time has come");
}

#[test]
fn without_a_chunk_or_targets_there_is_nothing_ahead() {
    let plain = toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 2])], &format!("{OBS}{}", toy::TARGET));
    let mut policy = policy(&plain, Scripted::new(&plain, |_, _| {}));
    assert_eq!(looked_ahead(&mut policy, 0).len(), 1);
    let model = chunked("mode = \"open_loop\"");
    let (mut policy, _) = scripted(&model);
    frame(&mut policy, 0, 1);
    let mut idle = state(EVERY, 1, [0.0; 3], [0.0; 3]);
    idle.body.active_policy = sinew_wire::NO_POLICY;
    let mut ahead = Vec::new();
    let empty = step(&mut policy, &idle);
    policy.look_ahead(&empty, &mut ahead);
    assert_eq!((ahead.len(), ahead[0].body.status()), (1, PolicyStatus::Empty));
}

#[test]
fn a_chunk_with_a_nan_anywhere_is_a_fault() {
    let model = chunked("mode = \"open_loop\"");
    let mut policy = policy(&model, Scripted::new(&model, |_, outputs| outputs[0][7] = f32::NAN));
    let frame = step(&mut policy, &state(0, 1, [0.0; 3], [0.0; 3]));
    assert_eq!((frame.body.status(), policy.fault()), (PolicyStatus::Fault, Some(&PolicyFault::Output)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the mode, what leaves lies between the smallest and the largest value that any chunk held, and two
    /// policies that see the same give the same bits.
    #[test]
    fn chunks_are_averaged_never_extrapolated(
        mode in prop::sample::select(vec![
            "mode = \"open_loop\"",
            "mode = \"replace_with_delay\"",
            "mode = \"crossfade\", fade_ms = 70.0",
            "mode = \"temporal_ensemble\", coeff = 0.1",
        ]),
        execute in 1usize..=4,
        values in prop::collection::vec(-1.0f32..1.0, 8),
        runs in 1u64..40,
    ) {
        let model = chunked(&format!("{mode}, execute = {execute}"));
        let shown = || {
            let values = values.clone();
            let mut policy = policy(&model, Scripted::new(&model, move |_, outputs| outputs[0].copy_from_slice(&values)));
            (0..runs).map(|run| frame(&mut policy, run, 1)).collect::<Vec<_>>()
        };
        let first = shown();
        for frame in &first {
            for (joint, target) in frame.iter().enumerate() {
                let held = values.iter().skip(joint).step_by(2).map(|v| 0.5 * v);
                let (lo, hi) = held.fold((f32::MAX, f32::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
                prop_assert!((lo - 1e-5..=hi + 1e-5).contains(target), "{target} not in {lo}..{hi}");
            }
        }
        prop_assert_eq!(first, shown());
    }
}
