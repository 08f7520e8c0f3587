//! What a robot sees of a policy, frame by frame.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod quad;

use proptest::prelude::*;
use quad::{NUMBER, config, model, native, other_order, policy, policy_order, standing};
use sinew_inference::{Engine, EngineIo, RunError};
use sinew_policy::{Policy, PolicyFault};
use sinew_wire::{JointMode, NO_POLICY, PolicyCommand, PolicyStatus, StepTime};

const WALK: [f32; 3] = [0.5, 0.0, 0.0];

fn run(
    policy: &mut Policy,
    joints: &[String],
    steps: impl Iterator<Item = u64>,
    activation: u32,
) -> Vec<PolicyCommand> {
    steps
        .map(|step| {
            policy.step(&standing(joints, step, activation, WALK), StepTime::from_ns(step * 2_000_000))
        })
        .collect()
}

fn targets(frames: &[PolicyCommand]) -> Vec<Vec<f32>> {
    frames.iter().map(|f| f.joints.iter().map(|j| j.q_rad).collect()).collect()
}

#[test]
fn targets_carry_everything_control_needs() {
    let joints = other_order();
    let mut policy = policy(&joints);
    let state = standing(&joints, 40, 5, WALK);
    let frame = policy.step(&state, StepTime::from_ns(80_000_000));
    assert_eq!(frame.body.status(), PolicyStatus::Targets);
    assert_eq!((frame.body.policy, frame.body.activation), (NUMBER, 5));
    assert_eq!(frame.body.model_hash, model().wire_hash());
    assert_eq!(frame.header.based_on(), state.header.id());
    assert_eq!((frame.header.step, frame.header.valid_for_us), (40, 44_000));
    assert_eq!(frame.joints.len(), 12);
    for joint in &frame.joints {
        assert_eq!((joint.mode, joint.kp, joint.kd), (JointMode::Impedance as u8, 40.0, 1.0));
        assert_eq!((joint.dq_rad_s, joint.tau_nm), (0.0, 0.0));
    }
    // It survives the wire.
    let mut buffer = [0; sinew_wire::MAX_FRAME];
    let decoded = PolicyCommand::decode(frame.encode(&mut buffer).unwrap()).unwrap();
    assert_eq!(targets(&[decoded]), targets(&[frame]));
}

#[test]
fn the_order_of_the_robot_changes_nothing_but_the_order() {
    let (a, b) = (policy_order(), other_order());
    let first = run(&mut policy(&a), &a, (0..200).step_by(10), 1);
    let second = run(&mut policy(&b), &b, (0..200).step_by(10), 1);
    for (x, y) in first.iter().zip(&second) {
        for (index, name) in a.iter().enumerate() {
            let other = b.iter().position(|n| n == name).unwrap();
            assert_eq!(x.joints[index].q_rad.to_bits(), y.joints[other].q_rad.to_bits(), "{name}");
        }
    }
}

#[test]
fn only_due_steps_are_computed_and_every_one_is_answered() {
    let joints = policy_order();
    let mut policy = policy(&joints);
    let frames = run(&mut policy, &joints, 0..30, 1);
    let computed: Vec<u64> = frames.iter().filter(|f| !f.joints.is_empty()).map(|f| f.header.step).collect();
    assert_eq!(computed, [0, 10, 20]);
    assert_eq!(policy.counters().runs, 3);
    assert_eq!(policy.counters().resets, 1);
}

#[test]
fn an_inactive_policy_answers_with_empty_frames_and_does_not_run() {
    let joints = policy_order();
    let mut policy = policy(&joints);
    let mut state = standing(&joints, 0, 1, WALK);
    for (step, active) in [(0, NO_POLICY), (10, NUMBER + 1)] {
        state.header.step = step;
        state.body.active_policy = active;
        let frame = policy.step(&state, StepTime::default());
        assert_eq!((frame.body.status(), frame.joints.len()), (PolicyStatus::Empty, 0));
    }
    assert_eq!(policy.counters().runs, 0);
}

#[test]
fn another_activation_a_jump_or_a_new_control_starts_anew() {
    let joints = policy_order();
    let fresh = targets(&run(&mut policy(&joints), &joints, (0..100).step_by(10), 1));
    assert_ne!(fresh[0], fresh[1]);

    // Another activation.
    let mut second = policy(&joints);
    run(&mut second, &joints, (0..70).step_by(10), 1);
    assert_eq!(targets(&run(&mut second, &joints, (70..170).step_by(10), 2)), fresh);

    // Steps left out.
    let mut jumped = policy(&joints);
    run(&mut jumped, &joints, (0..70).step_by(10), 1);
    assert_eq!(targets(&run(&mut jumped, &joints, (500..600).step_by(10), 1)), fresh);

    // Control began anew, at an earlier step.
    let mut reborn = policy(&joints);
    run(&mut reborn, &joints, (300..370).step_by(10), 1);
    let frames: Vec<PolicyCommand> = (0..100)
        .step_by(10)
        .map(|step| {
            let mut state = standing(&joints, step, 1, WALK);
            state.header.boot_id = 78;
            reborn.step(&state, StepTime::default())
        })
        .collect();
    assert_eq!(targets(&frames), fresh);

    // Left and entered again.
    let mut left = policy(&joints);
    run(&mut left, &joints, (0..70).step_by(10), 1);
    let mut idle = standing(&joints, 70, 1, WALK);
    idle.body.active_policy = NO_POLICY;
    left.step(&idle, StepTime::default());
    assert_eq!(targets(&run(&mut left, &joints, (80..180).step_by(10), 1)), fresh);
}

#[test]
fn a_repeated_state_is_not_computed_twice() {
    let joints = policy_order();
    let undisturbed = targets(&run(&mut policy(&joints), &joints, (0..60).step_by(10), 1));
    let mut disturbed = policy(&joints);
    let mut frames = run(&mut disturbed, &joints, (0..30).step_by(10), 1);
    let again = run(&mut disturbed, &joints, [20, 10].into_iter(), 1);
    assert!(again.iter().all(|f| f.body.status() == PolicyStatus::Empty));
    assert_eq!(disturbed.counters().stale, 2);
    frames.extend(run(&mut disturbed, &joints, (30..60).step_by(10), 1));
    assert_eq!(targets(&frames), undisturbed);
}

#[test]
fn a_measurement_that_is_not_finite_ends_the_activation() {
    let joints = policy_order();
    let mut policy = policy(&joints);
    run(&mut policy, &joints, (0..30).step_by(10), 1);
    let mut state = standing(&joints, 30, 1, WALK);
    state.joints[7].dq_rad_s = f32::INFINITY;
    let frame = policy.step(&state, StepTime::default());
    assert_eq!((frame.body.status(), frame.joints.len()), (PolicyStatus::Fault, 0));
    assert_eq!(policy.fault(), Some(&PolicyFault::Observation));
    // Good measurements do not bring it back; another activation does.
    let same = run(&mut policy, &joints, [40, 50].into_iter(), 1);
    assert!(same.iter().all(|f| f.body.status() == PolicyStatus::Fault && f.joints.is_empty()));
    let next = run(&mut policy, &joints, [60].into_iter(), 2);
    assert_eq!(next[0].body.status(), PolicyStatus::Targets);
    assert_eq!(policy.fault(), None);
}

#[test]
fn a_state_of_another_robot_is_a_fault() {
    let joints = policy_order();
    let mut policy = policy(&joints);
    let mut state = standing(&joints, 0, 1, WALK);
    state.joints.pop();
    assert_eq!(policy.step(&state, StepTime::default()).body.status(), PolicyStatus::Fault);
    assert_eq!(policy.fault(), Some(&PolicyFault::Joints { found: 11, expected: 12 }));
}

/// An engine that gives one bad number, or fails.
struct Broken {
    io: EngineIo,
    input: Vec<f32>,
    output: Vec<f32>,
    fails: bool,
}

impl Engine for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn io(&self) -> &EngineIo {
        &self.io
    }
    fn input_mut(&mut self, _: usize) -> &mut [f32] {
        &mut self.input
    }
    fn run(&mut self) -> Result<(), RunError> {
        if self.fails {
            return Err(RunError::Engine { engine: "broken".into(), reason: "on purpose".into() });
        }
        Ok(())
    }
    fn output(&self, _: usize) -> &[f32] {
        &self.output
    }
}

#[test]
fn an_engine_that_fails_or_gives_a_nan_moves_nothing() {
    let joints = policy_order();
    let model = model();
    for fails in [false, true] {
        let io = native(&model).io().clone();
        let mut output = vec![0.0; 12];
        output[3] = f32::NAN;
        let engine = Broken { io, input: vec![0.0; 47], output, fails };
        let mut policy = Policy::new(&model, Box::new(engine), &config(&joints)).unwrap();
        let frame = policy.step(&standing(&joints, 0, 1, WALK), StepTime::default());
        assert_eq!((frame.body.status(), frame.joints.len()), (PolicyStatus::Fault, 0));
        let expected = if fails { "on purpose" } else { "not finite" };
        assert!(policy.fault().unwrap().to_string().contains(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is measured, what leaves is finite or nothing, and the same states give the same bits.
    #[test]
    fn targets_are_finite_and_repeatable(
        values in prop::collection::vec(prop_oneof![9 => -20.0f32..20.0, 1 => Just(f32::NAN), 1 => Just(3e38f32)], 24 * 4),
        command in prop::array::uniform3(-2.0f32..2.0),
    ) {
        let joints = other_order();
        let feed = || {
            let mut policy = policy(&joints);
            let mut bits = Vec::new();
            for (tick, measured) in values.chunks(24).enumerate() {
                let mut state = standing(&joints, tick as u64 * 10, 1, command);
                for (joint, pair) in state.joints.iter_mut().zip(measured.chunks(2)) {
                    (joint.q_rad, joint.dq_rad_s) = (pair[0], pair[1]);
                }
                let frame = policy.step(&state, StepTime::default());
                assert!(frame.joints.iter().all(|j| j.q_rad.is_finite()));
                assert_eq!(frame.joints.is_empty(), frame.body.status() != PolicyStatus::Targets);
                bits.extend(frame.joints.iter().map(|j| j.q_rad.to_bits()));
            }
            bits
        };
        prop_assert_eq!(feed(), feed());
    }
}
