//! A policy replaced while the robot follows it: what the joints see, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod quad;

use quad::{Edited, NUMBER, config, model, native, policy, policy_order, standing};
use sinew_inference::{Engine, EngineIo, RunError};
use sinew_policy::{
    Policy, PolicyConfig, RunTime, Slot, SlotConfig, SwapOutcome, SwapRefusal, SwapRequest, SwapStage,
};
use sinew_wire::{NO_POLICY, PolicyCommand, PolicyFlags, PolicyStatus, RobotState, StepTime};

const WALK: [f32; 3] = [0.5, 0.0, 0.0];
const MOST_RAD: f32 = 0.25;
const REQUEST: SwapRequest = SwapRequest { shadow_runs: 10, blend_runs: 10, max_difference_rad: 0.5 };

/// The walking policy plus a constant, from a certain run on a NaN.
struct Shifted {
    inner: Box<dyn Engine>,
    by: f32,
    output: Vec<f32>,
    nan_from: usize,
    runs: usize,
}

impl Engine for Shifted {
    fn name(&self) -> &str {
        "native"
    }
    fn io(&self) -> &EngineIo {
        self.inner.io()
    }
    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inner.input_mut(index)
    }
    fn run(&mut self) -> Result<(), RunError> {
        self.inner.run()?;
        let at = self.inner.io().output_index("joint_targets").unwrap();
        self.output = self.inner.output(at).iter().map(|q| q + self.by).collect();
        if self.runs >= self.nan_from {
            self.output[3] = f32::NAN;
        }
        self.runs += 1;
        Ok(())
    }
    fn output(&self, index: usize) -> &[f32] {
        let at = self.inner.io().output_index("joint_targets");
        if at == Some(index) { &self.output } else { self.inner.output(index) }
    }
}

fn shifted(by: f32, nan_from: usize) -> Policy {
    let model = model();
    let engine = Shifted { inner: native(&model), by, output: vec![0.0; 12], nan_from, runs: 0 };
    Policy::new(&model, Box::new(engine), &config(&policy_order())).unwrap()
}

struct Run {
    slot: Slot,
    step: u64,
    activation: u32,
}

impl Run {
    fn new() -> Self {
        Self::within(MOST_RAD)
    }

    fn within(most_rad: f32) -> Self {
        let config = SlotConfig { transition_rad: vec![most_rad; 12], latency_ticks: 2 };
        Self { slot: Slot::new(policy(&policy_order()), config), step: 0, activation: 1 }
    }

    fn state(&self) -> RobotState {
        standing(&policy_order(), self.step, self.activation, WALK)
    }

    fn frame(&mut self) -> PolicyCommand {
        let frame = self.slot.step(&self.state(), StepTime::default());
        self.step += 10;
        frame
    }

    /// Runs until the swap has ended, with the frames of that time.
    fn until_swapped(&mut self) -> (SwapOutcome, Vec<PolicyCommand>) {
        let mut frames = Vec::new();
        for _ in 0..200 {
            frames.push(self.frame());
            if let Some(outcome) = self.slot.take_outcome() {
                return (outcome, frames);
            }
        }
        panic!("the swap never ended");
    }

    fn refused(&mut self) -> SwapRefusal {
        match self.until_swapped().0 {
            SwapOutcome::Refused(refusal, _) => refusal,
            done => panic!("{done:?}"),
        }
    }
}

fn q_rad(frame: &PolicyCommand) -> Vec<f32> {
    frame.joints.iter().map(|j| j.q_rad).collect()
}

/// Largest step of any joint into a frame of a hand-over.
fn largest_step(frames: &[PolicyCommand]) -> f32 {
    let into = frames.windows(2).filter(|w| w[1].body.has(PolicyFlags::TRANSITION));
    let steps = into.flat_map(|w| q_rad(&w[0]).into_iter().zip(q_rad(&w[1])).collect::<Vec<_>>());
    steps.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_same_policy_takes_over_unnoticed() {
    let (mut swapped, mut plain) = (Run::within(1.0), Run::new());
    for _ in 0..7 {
        assert_eq!(q_rad(&swapped.frame()), q_rad(&plain.frame()));
    }
    swapped.slot.begin_swap(policy(&policy_order()), REQUEST).unwrap();
    let (outcome, frames) = swapped.until_swapped();
    let SwapOutcome::Done(difference) = outcome else { panic!("{outcome:?}") };
    assert_eq!((difference.runs, frames.len()), (10, 20));
    // Its gait clock started where the old one stood: only the action it feeds back had to settle.
    assert!(difference.worst_rad() < 0.2, "{difference:?}");
    assert!(difference.rms_rad().all(|rms| rms < 0.06), "{difference:?}");
    for frame in &frames {
        let expected = plain.frame();
        assert!(q_rad(frame).iter().zip(q_rad(&expected)).all(|(a, b)| (a - b).abs() < 0.01));
        assert_eq!(frame.header.seq, expected.header.seq, "one sequence, whoever computes");
    }
    assert!(swapped.slot.take_retired().is_some());
}

#[test]
fn nothing_of_the_new_one_shows_before_the_blend_and_no_step_is_above_the_limit() {
    let (mut swapped, mut plain) = (Run::new(), Run::new());
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(swapped.frame());
        plain.frame();
    }
    swapped.slot.begin_swap(shifted(0.3, usize::MAX), REQUEST).unwrap();
    for _ in 0..10 {
        let frame = swapped.frame();
        assert_eq!(q_rad(&frame), q_rad(&plain.frame()));
        assert!(!frame.body.has(PolicyFlags::TRANSITION));
        all.push(frame);
    }
    assert_eq!(swapped.slot.swap_stage(), Some(SwapStage::Blend));
    let (outcome, frames) = swapped.until_swapped();
    assert!(matches!(outcome, SwapOutcome::Done(_)), "{outcome:?}");
    assert!(frames.iter().all(|f| f.body.has(PolicyFlags::TRANSITION)));
    all.extend(frames);
    for _ in 0..20 {
        all.push(swapped.frame());
    }
    assert!(largest_step(&all) <= MOST_RAD + 1e-5, "{}", largest_step(&all));
    let (last, expected) = (q_rad(all.last().unwrap()), q_rad(&plain.frame()));
    assert!(last.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 0.2), "the new one is in force");
}

#[test]
fn a_new_one_that_is_not_alike_is_refused_by_joint() {
    let mut run = Run::new();
    run.frame();
    run.slot.begin_swap(shifted(0.7, usize::MAX), REQUEST).unwrap();
    let SwapRefusal::Difference { run: at, found, most, .. } = run.refused() else { panic!() };
    assert_eq!(at, 6, "judged after the first half");
    assert!(found > 0.6 && most == 0.5);
    assert!(run.slot.take_retired().is_some());
    // The old one goes on, and another swap may follow.
    assert_eq!(run.frame().body.status(), PolicyStatus::Targets);
    run.slot.begin_swap(shifted(0.1, usize::MAX), REQUEST).unwrap();
    assert!(matches!(run.until_swapped().0, SwapOutcome::Done(_)));
}

#[test]
fn a_nan_in_the_shadow_run_or_in_the_blend_leaves_the_old_one_in_force() {
    // The last one in the blend.
    for nan_from in [0, 9, 13] {
        let mut run = Run::new();
        let mut frames: Vec<_> = (0..5).map(|_| run.frame()).collect();
        run.slot.begin_swap(shifted(0.2, nan_from), REQUEST).unwrap();
        let (outcome, during) = run.until_swapped();
        let SwapOutcome::Refused(SwapRefusal::Fault { run: at, reason }, _) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains("not finite"), "{reason}");
        assert_eq!(at as usize, nan_from + 1);
        frames.extend(during);
        frames.extend((0..30).map(|_| run.frame()));
        assert!(frames.iter().all(|f| f.body.status() == PolicyStatus::Targets && !f.joints.is_empty()));
        assert!(largest_step(&frames) <= MOST_RAD + 1e-5);
        let mut plain = Run::new();
        let plain = (0..frames.len()).map(|_| plain.frame()).last().unwrap();
        assert_eq!(q_rad(frames.last().unwrap()), q_rad(&plain));
    }
}

#[test]
fn what_does_not_fit_is_refused_before_it_runs() {
    let joints = policy_order();
    let other = |edits: &[(&str, &str)]| {
        let model = Edited::replacing(edits).model();
        Policy::new(&model, native(&model), &config(&joints)).unwrap()
    };
    let mut run = Run::new();
    let twice = PolicyConfig { period_ns: quad::PERIOD_NS / 2, ..config(&joints) };
    let slower = Policy::new(&model(), native(&model()), &twice).unwrap();
    let refusal = run.slot.begin_swap(slower, REQUEST).unwrap_err();
    assert_eq!(refusal, SwapRefusal::Rate { found: 20, expected: 10 });
    let later = other(&[("latency_ticks = 2", "latency_ticks = 5")]);
    let refusal = run.slot.begin_swap(later, REQUEST).unwrap_err();
    assert_eq!(refusal, SwapRefusal::Latency { found: 5, most: 2 });
    let ladders = [
        (("latency_ticks = 2", "latency_ticks = 2\non_miss = \"damp\""), "runtime.on_miss", "damp", "hold"),
        (("latency_ticks = 2", "latency_ticks = 2\nmisses_max = 4"), "runtime.misses_max", "4", "2"),
        (("[[output]]", "[safety]\nfallback = \"damp\"\n\n[[output]]"), "safety.fallback", "damp", "stand"),
    ];
    for (edit, field, found, expected) in ladders {
        let refusal = run.slot.begin_swap(other(&[edit]), REQUEST).unwrap_err();
        let (found, expected) = (found.to_owned(), expected.to_owned());
        assert_eq!(refusal, SwapRefusal::Degrade { field, found, expected });
    }
    let none = SwapRequest { shadow_runs: 0, ..REQUEST };
    assert_eq!(run.slot.begin_swap(policy(&joints), none), Err(SwapRefusal::Shadow { found: 0 }));
    run.frame();
    run.slot.begin_swap(policy(&joints), REQUEST).unwrap();
    assert_eq!(run.slot.begin_swap(policy(&joints), REQUEST), Err(SwapRefusal::Busy));
    assert!(run.slot.take_retired().is_some());
}

#[test]
fn the_end_of_an_activation_ends_a_swap_and_completes_a_blend_that_nobody_follows() {
    for runs in [4, 14] {
        for restarted in [false, true] {
            let done = runs == 14 && !restarted;
            let mut run = Run::new();
            run.frame();
            run.slot.begin_swap(shifted(0.2, usize::MAX), REQUEST).unwrap();
            (0..runs).for_each(|_| drop(run.frame()));
            if restarted {
                run.activation += 1;
                run.frame();
            } else {
                let mut state = run.state();
                state.body.active_policy = NO_POLICY;
                run.slot.step(&state, StepTime::default());
                run.step += 10;
            }
            match run.slot.take_outcome() {
                Some(SwapOutcome::Done(_)) if done => {}
                Some(SwapOutcome::Refused(SwapRefusal::Ended, _)) if !done => {}
                other => panic!("{runs} {restarted}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_new_activation_in_the_middle_of_a_blend_makes_no_step() {
    // By its number, or by another start of control.
    for boot in [77, 78] {
        let (mut run, mut plain) = (Run::new(), Run::new());
        run.frame();
        // An offset that no joint of this slot could follow in one run.
        run.slot.begin_swap(shifted(0.45, usize::MAX), REQUEST).unwrap();
        (0..14).for_each(|_| drop(run.frame()));
        assert_eq!(run.slot.swap_stage(), Some(SwapStage::Blend));
        for step in (150..450).step_by(10) {
            let mut state = standing(&policy_order(), step, if boot == 77 { 2 } else { 1 }, WALK);
            state.header.boot_id = boot;
            let frame = run.slot.step(&state, StepTime::default());
            let expected = plain.slot.step(&state, StepTime::default());
            assert_eq!(q_rad(&frame), q_rad(&expected), "the old one goes on, at {step}");
        }
        let outcome = run.slot.take_outcome();
        assert!(matches!(outcome, Some(SwapOutcome::Refused(SwapRefusal::Ended, _))), "{outcome:?}");
    }
}

#[test]
fn a_policy_nobody_follows_is_replaced_at_once() {
    let mut run = Run::new();
    run.slot.begin_swap(shifted(0.7, usize::MAX), REQUEST).unwrap();
    let mut state = run.state();
    state.body.active_policy = NUMBER + 1;
    let frame = run.slot.step(&state, StepTime::default());
    assert_eq!(frame.body.status(), PolicyStatus::Empty);
    assert!(matches!(run.slot.take_outcome(), Some(SwapOutcome::Done(d)) if d.runs == 0));
}

#[test]
fn an_output_past_its_deadline_is_said_to_be_and_one_that_is_too_late_moves_nothing() {
    let mut run = Run::new();
    for (time, status, flagged) in [
        (RunTime::Unjudged, PolicyStatus::Targets, false),
        (RunTime::Took(3_000), PolicyStatus::Targets, false),
        (RunTime::Took(5_000), PolicyStatus::Targets, true),
        (RunTime::TooLate, PolicyStatus::Empty, true),
    ] {
        let mut frame = run.frame();
        run.slot.judge(&mut frame, time);
        assert_eq!(frame.body.status(), status, "{time:?}");
        assert_eq!(frame.body.has(PolicyFlags::DEADLINE_MISSED), flagged, "{time:?}");
        assert_eq!(frame.joints.is_empty(), status == PolicyStatus::Empty);
    }
    assert_eq!(run.slot.deadline().missed, 2);
}
