//! What a policy carries from run to run: recurrent state, rings, counters, noise, and when each starts anew.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use sinew_inference::{ElementType, Model, sha256_hex};
use sinew_policy::{Policy, PolicyFault};
use sinew_wire::PolicyStatus;
use toy::{EVERY, Scripted, f32, nth, policy, state, step};

const OBS: &str = "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n\
                   [[input.term]]\nkind = \"state/joint/position\"\njoints = [\"a\"]\n";

/// h_out = h_in + obs, and the action shows h_out.
fn summing(keys: &str) -> Model {
    let body = format!(
        "{OBS}[[state]]\ninput = \"h_in\"\noutput = \"h_out\"\nshape = [1, 1, 1]\n{keys}\n{}",
        toy::TARGET
    );
    toy::model(
        &[f32("obs", &[1, 1]), f32("h_in", &[1, 1, 1])],
        &[f32("act", &[1, 2]), f32("h_out", &[1, 1, 1])],
        &body,
    )
}

fn sums(model: &Model) -> Policy {
    policy(
        model,
        Scripted::new(model, |inputs, outputs| {
            let sum = inputs[0][0] + inputs[1][0];
            outputs[0].fill(sum);
            outputs[1].fill(sum);
        }),
    )
}

/// The sum shown at `step` when joint a stands at `q`.
fn sum(policy: &mut Policy, at: u64, activation: u32, q: f32) -> f32 {
    let frame = step(policy, &state(at, activation, [q, 0.0, 0.0], [0.0; 3]));
    assert_eq!(policy.fault(), None);
    frame.joints[0].q_rad
}

#[test]
fn state_carries_from_run_to_run_and_starts_anew_with_each_activation() {
    let mut policy = sums(&summing(""));
    assert_eq!([0, 10, 20].map(|at| sum(&mut policy, at, 1, 1.0)), [1.0, 2.0, 3.0]);
    // Another activation begins at zero, whatever was before.
    assert_eq!([30, 40].map(|at| sum(&mut policy, at, 2, 1.0)), [1.0, 2.0]);
    // So does a new control at the same step numbers.
    let mut reborn = state(50, 2, [1.0, 0.0, 0.0], [0.0; 3]);
    reborn.header.boot_id = 6;
    assert_eq!(step(&mut policy, &reborn).joints[0].q_rad, 1.0);
    // And a policy that was left and entered again.
    let mut idle = reborn.clone();
    idle.header.step = 60;
    idle.body.active_policy = sinew_wire::NO_POLICY;
    step(&mut policy, &idle);
    let mut again = reborn.clone();
    again.header.step = 70;
    assert_eq!(step(&mut policy, &again).joints[0].q_rad, 1.0);
}

#[test]
fn a_run_left_out_resets_unless_the_manifest_allows_the_gap() {
    let left_out = [0, 10, 30, 40];
    let mut strict = sums(&summing(""));
    assert_eq!(left_out.map(|at| sum(&mut strict, at, 1, 1.0)), [1.0, 2.0, 1.0, 2.0]);
    // 40 ms from observation to observation is what the manifest allows.
    let mut lenient = sums(&summing("reset_on = [\"activate\", \"gap>40ms\"]"));
    assert_eq!(left_out.map(|at| sum(&mut lenient, at, 1, 1.0)), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(lenient.counters().resets, 1);
    assert_eq!(sum(&mut lenient, 70, 1, 1.0), 1.0); // 60 ms
    assert_eq!(lenient.counters().resets, 2);
}

#[test]
fn a_clock_goes_on_by_the_runs_left_out() {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n[[input.term]]\nkind = \"phase/value\"\n\
         rate_hz = 2.0\nfreeze_below = \"never\"\nrange = \"turns\"\n\
         [[state]]\ninput = \"h_in\"\noutput = \"h_out\"\nshape = [1, 1]\nreset_on = [\"activate\", \"gap>60ms\"]\n{}",
        toy::TARGET
    );
    let model = toy::model(
        &[f32("obs", &[1, 1]), f32("h_in", &[1, 1])],
        &[f32("act", &[1, 2]), f32("h_out", &[1, 1])],
        &body,
    );
    let mut policy = policy(&model, Scripted::new(&model, |_, _| ()));
    let mut shown = |at| {
        step(&mut policy, &state(at, 1, [0.0; 3], [0.0; 3]));
        (policy.input("obs").unwrap()[0] * 100.0).round()
    };
    assert_eq!([shown(0), shown(10), shown(30), shown(40)], [0.0, 4.0, 12.0, 16.0]);
}

#[test]
fn initial_values_come_from_a_file_of_either_kind() {
    let json = br#"{"h": {"init": [5.0]}}"#.to_vec();
    let header = br#"{"h.init":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#;
    let mut safetensors = (header.len() as u64).to_le_bytes().to_vec();
    safetensors.extend_from_slice(header);
    safetensors.extend_from_slice(&5.0f32.to_le_bytes());
    for (name, bytes) in [("init.json", json), ("init.safetensors", safetensors)] {
        let keys =
            format!("init = {{ file = \"{name}\", sha256 = \"{}\", key = \"h.init\" }}", sha256_hex(&bytes));
        let body = format!(
            "{OBS}[[state]]\ninput = \"h_in\"\noutput = \"h_out\"\nshape = [1, 1, 1]\n{keys}\n{}",
            toy::TARGET
        );
        let graph = toy::ports(
            &[f32("obs", &[1, 1]), f32("h_in", &[1, 1, 1])],
            &[f32("act", &[1, 2]), f32("h_out", &[1, 1, 1])],
        );
        let mut files = toy::files(&graph, &toy::manifest(&body));
        files.0.insert(name.to_owned(), bytes);
        let mut policy = sums(&Model::load(&files, toy::MANIFEST).unwrap());
        assert_eq!([0, 10].map(|at| sum(&mut policy, at, 1, 1.0)), [6.0, 7.0]);
        assert_eq!(sum(&mut policy, 20, 2, 1.0), 6.0);
    }
}

/// The input holds past observations: the graph hands its observation on as state.
fn ringed(ring: &str, slots: usize) -> (Model, Policy) {
    let body = format!(
        "{OBS}[[state]]\ninput = \"past\"\noutput = \"now\"\nshape = [1, {slots}, 1]\nring = {ring}\n{}",
        toy::TARGET
    );
    let model = toy::model(
        &[f32("obs", &[1, 1]), f32("past", &[1, slots, 1])],
        &[f32("act", &[1, 2]), f32("now", &[1, 1])],
        &body,
    );
    let policy = policy(&model, Scripted::new(&model, |inputs, outputs| outputs[1][0] = inputs[0][0]));
    (model, policy)
}

#[test]
fn a_ring_holds_every_stride_th_output_oldest_first() {
    let (_, mut policy) = ringed("{ len = 3 }", 3);
    let mut past = Vec::new();
    for run in 0..5 {
        step(&mut policy, &nth(run));
        past.push(policy.input("past").unwrap().to_vec());
    }
    assert_eq!(past, [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]);

    // 7 remembered, every 2nd: three slots, 4, 2 and 0 outputs back from the last one.
    let (_, mut policy) = ringed("{ len = 7, stride = 2 }", 3);
    for run in 0..8 {
        step(&mut policy, &nth(run));
    }
    assert_eq!(policy.input("past").unwrap(), [3.0, 5.0, 7.0]);
    let mut again = nth(8);
    again.body.activation = 2;
    step(&mut policy, &again);
    assert_eq!(policy.input("past").unwrap(), [0.0; 3]);
}

#[test]
fn one_tensor_may_be_state_and_target() {
    let body = format!("{OBS}[[state]]\ninput = \"last\"\noutput = \"act\"\nshape = [1, 2]\n{}", toy::TARGET);
    let model = toy::model(&[f32("obs", &[1, 1]), f32("last", &[1, 2])], &[f32("act", &[1, 2])], &body);
    assert_eq!(model.outputs().len(), 1);
    let mut policy =
        policy(&model, Scripted::new(&model, |inputs, outputs| outputs[0].fill(inputs[1][0] + 1.0)));
    let frames: Vec<f32> = (0..3).map(|run| step(&mut policy, &nth(run)).joints[0].q_rad).collect();
    assert_eq!(frames, [1.0, 2.0, 3.0]);
}

#[test]
fn a_state_that_is_not_finite_ends_the_activation_and_the_next_one_starts_clean() {
    let model = summing("");
    let mut run = 0;
    let engine = Scripted::new(&model, move |inputs, outputs| {
        run += 1;
        outputs[0].fill(inputs[1][0]);
        outputs[1].fill(if run == 2 { f32::NAN } else { inputs[1][0] + 1.0 });
    });
    let mut policy = policy(&model, engine);
    assert_eq!(step(&mut policy, &nth(0)).body.status(), PolicyStatus::Targets);
    assert_eq!(step(&mut policy, &nth(1)).body.status(), PolicyStatus::Fault);
    assert_eq!(policy.fault(), Some(&PolicyFault::Output));
    let mut next = nth(2);
    next.body.activation = 2;
    let frame = step(&mut policy, &next);
    assert_eq!((frame.body.status(), frame.joints[0].q_rad), (PolicyStatus::Targets, 0.0));
}

fn counting(keys: &str, element: ElementType) -> Policy {
    let body = format!(
        "[[input]]\ntensor = \"time_step\"\ndtype = \"{element}\"\nshape = [1, 1]\nsource = \"counter\"\n{keys}\n{}",
        toy::TARGET
    );
    let model = toy::model(&[("time_step", element, &[1, 1])], &[f32("act", &[1, 2])], &body);
    policy(&model, Scripted::new(&model, |_, _| ()))
}

#[test]
fn a_counter_counts_runs_and_ends_as_declared() {
    for (end, expected) in [("hold", [4.0, 5.0, 6.0, 6.0, 6.0]), ("wrap", [4.0, 5.0, 6.0, 4.0, 5.0])] {
        for element in [ElementType::F32, ElementType::I64] {
            let keys = format!("start = 4\nlength = 3\non_end = \"{end}\"");
            let mut policy = counting(&keys, element);
            let mut count = |at, activation| {
                step(&mut policy, &state(at, activation, [0.0; 3], [0.0; 3]));
                policy.input("time_step").unwrap()[0]
            };
            assert_eq!([0, 10, 20, 30, 40].map(|at| count(at, 1)), expected);
            assert_eq!([50, 60].map(|at| count(at, 2)), [4.0, 5.0]);
        }
    }
    let mut policy = counting("length = 2\non_end = \"fault\"", ElementType::F32);
    let statuses = [0, 1, 2].map(|run| step(&mut policy, &nth(run)).body.status());
    assert_eq!(statuses, [PolicyStatus::Targets, PolicyStatus::Targets, PolicyStatus::Fault]);
    assert_eq!(policy.fault(), Some(&PolicyFault::Ended));
}

#[test]
fn noise_is_the_same_after_each_activation_and_another_for_another_seed() {
    let drawn = |seed: u32| {
        let body = format!(
            "[[input]]\ntensor = \"noise\"\ndtype = \"f32\"\nshape = [1, 3]\nsource = \"gaussian\"\nseed = {seed}\n\
             mean = 1.0\nstd = 0.5\n{}",
            toy::TARGET
        );
        let model = toy::model(&[f32("noise", &[1, 3])], &[f32("act", &[1, 2])], &body);
        let mut policy = policy(&model, Scripted::new(&model, |_, _| ()));
        let mut draw = |at: u64, activation| {
            step(&mut policy, &state(at, activation, [0.0; 3], [0.0; 3]));
            policy.input("noise").unwrap().to_vec()
        };
        let first: Vec<_> = (0..3).map(|run| draw(run * EVERY, 1)).collect();
        let second: Vec<_> = (3..6).map(|run| draw(run * EVERY, 2)).collect();
        assert_eq!(first, second);
        assert_ne!(first[0], first[1]);
        first
    };
    assert_eq!(drawn(0), drawn(0));
    assert_ne!(drawn(0), drawn(1));
}
