//! A policy with chunks on another machine: what it holds for later is used by time, through a silence, and no longer.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use sinew_policy::remote::Driver;
use sinew_policy::{Policy, Remote, RemoteConfig, RemoteRefusal, Slot, SlotConfig};
use sinew_wire::{PolicyCommand, PolicyFlags, PolicyStatus, RobotState, StepTime};
use toy::{EVERY, NUMBER, PERIOD_NS, Scripted, f32, policy, targets};

const OBS: &str = "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n\
                   [[input.term]]\nkind = \"state/joint/position\"\njoints = [\"a\"]\n";
/// From one element to the next, rad.
const STEP_RAD: f32 = 0.01;

/// Eleven steps of 20 ms from 0 rad, computed anew every `execute` steps, on another machine.
fn there(execute: u32) -> Policy {
    let chunk =
        format!("chunk = {{ steps = 11, dt_ms = 20.0, mode = \"open_loop\", execute = {execute} }}\n");
    let body = format!("{OBS}{}{chunk}", toy::TARGET);
    let model = toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 11, 2])], &body);
    let engine = Scripted::new(&model, |_, outputs| {
        for (index, value) in outputs[0].iter_mut().enumerate() {
            *value = (index / 2) as f32 * STEP_RAD;
        }
    });
    policy(&model, engine)
}

/// A robot with a local policy that wants 0 rad, and the way to the other machine.
struct Run {
    slot: Slot,
    there: Policy,
    run: u64,
}

impl Run {
    fn new(execute: u32, max_age_ms: u64) -> Self {
        let model =
            toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 2])], &format!("{OBS}{}", toy::TARGET));
        let local = policy(&model, Scripted::new(&model, |_, outputs| outputs[0].fill(0.0)));
        let config = SlotConfig { transition_rad: vec![0.5; 2], latency_ticks: 2 };
        let there = there(execute);
        let expected = RemoteConfig::of(there.model_hash());
        let remote =
            RemoteConfig { max_age_ns: max_age_ms * 1_000_000, return_runs: 2, blend_runs: 1, ..expected };
        let mut slot = Slot::new(local, config);
        slot.set_remote(Remote::new(remote, 0, NUMBER, PERIOD_NS));
        Self { slot, there, run: 0 }
    }

    fn state(&self) -> RobotState {
        toy::state(self.run * EVERY, 1, [0.0; 3], [0.0; 3])
    }

    /// What the other machine answers the state of now.
    fn answer(&mut self) -> Vec<PolicyCommand> {
        let (state, mut chunk) = (self.state(), Vec::new());
        let frame = self.there.step(&state, StepTime::default());
        self.there.look_ahead(&frame, &mut chunk);
        chunk
    }

    fn hear(&mut self, chunk: &[PolicyCommand]) -> Vec<Result<(), RemoteRefusal>> {
        let state = self.state();
        let remote = self.slot.remote_mut().unwrap();
        remote.serve(&state);
        chunk.iter().map(|frame| remote.hear(frame, state.header.step)).collect()
    }

    /// The robot's own run, with what has come until now.
    fn frame(&mut self) -> PolicyCommand {
        let frame = self.slot.step(&self.state(), StepTime::default());
        self.run += 1;
        assert_eq!(frame.body.status(), PolicyStatus::Targets);
        frame
    }

    fn connected(&mut self, runs: u64) {
        for _ in 0..runs {
            let chunk = self.answer();
            assert!(self.hear(&chunk).iter().all(Result::is_ok));
            self.frame();
        }
    }

    fn driver(&self) -> Driver {
        self.slot.remote().unwrap().driver()
    }

    fn refused(&self, reason: RemoteRefusal) -> u64 {
        let at = RemoteRefusal::ALL.iter().position(|r| *r == reason).unwrap();
        self.slot.remote().unwrap().counters().refused[at]
    }
}

#[test]
fn a_chunk_lasts_through_200_ms_of_silence_and_then_the_fallback_drives() {
    // A chunk of its own in every run; the greatest age is not what ends it.
    let mut run = Run::new(1, 1_000);
    run.connected(5);
    let chunk = run.answer();
    assert_eq!(chunk.len(), 11);
    run.hear(&chunk);
    for k in 0..=10u32 {
        let frame = run.frame();
        assert_eq!(run.driver(), Driver::Remote, "{} ms", 20 * k);
        assert!(frame.body.has(PolicyFlags::OFFBOARD | PolicyFlags::CHUNK));
        assert_eq!((frame.body.age_us, frame.body.ahead_us), (20_000 * k, 0));
        assert!((targets(&frame)[0] - STEP_RAD * k as f32).abs() < 1e-6, "{} ms", 20 * k);
    }
    let frame = run.frame();
    assert_eq!(run.driver(), Driver::Local, "220 ms: the last element has had its time");
    assert!(frame.body.has(PolicyFlags::FALLBACK | PolicyFlags::TRANSITION));
    let counters = run.slot.remote().unwrap().counters();
    assert_eq!((counters.fallbacks, counters.held_runs, counters.age_max_ns), (1, 10, 200_000_000));
    // Once it speaks again it is back.
    run.connected(2);
    assert_eq!(run.driver(), Driver::Remote);
}

#[test]
fn the_greatest_age_ends_a_chunk_before_its_end() {
    let mut run = Run::new(1, 100);
    for _ in 0..5 {
        let chunk = run.answer();
        let heard = run.hear(&chunk);
        let kept = heard.iter().filter(|result| result.is_ok()).count();
        assert_eq!(kept, 6, "0 to 100 ms");
        assert!(heard[6..].iter().all(|result| *result == Err(RemoteRefusal::Ahead)));
        run.frame();
    }
    let drivers: Vec<Driver> = (0..6).map(|_| (run.frame(), run.driver()).1).collect();
    assert_eq!(drivers, [[Driver::Remote; 5].as_slice(), &[Driver::Local]].concat(), "20 to 100 ms");
}

#[test]
fn age_counts_from_the_observation_behind_a_chunk() {
    // Computed anew every 80 ms over there, used up to 70 ms after that here.
    let mut run = Run::new(4, 70);
    let mut heard = Vec::new();
    for k in 0..8u32 {
        let chunk = run.answer();
        assert_eq!(chunk[0].body.age_us, 20_000 * (k % 4));
        heard.push(run.hear(&chunk[..1])[0]);
        run.frame();
    }
    assert!(heard.iter().all(Result::is_ok), "{heard:?}");
    // One run of delay, and the oldest of each chunk is beyond it.
    for k in 0..4u32 {
        let chunk = run.answer();
        run.frame();
        let expected = if k == 3 { Err(RemoteRefusal::Stale) } else { Ok(()) };
        assert_eq!(run.hear(&chunk[..1])[0], expected, "{k}");
    }
    assert_eq!(run.refused(RemoteRefusal::Stale), 1);
    // An age that reaches back before the beginning of time is no age.
    let mut ancient = run.answer();
    ancient[0].body.age_us = u32::MAX;
    assert_eq!(run.hear(&ancient[..1]), [Err(RemoteRefusal::Stale)]);
}

#[test]
fn a_chunk_that_was_overtaken_is_refused_and_counted() {
    let mut run = Run::new(1, 1_000);
    run.connected(5);
    let slow = run.answer();
    run.frame();
    let fast = run.answer();
    assert!(run.hear(&fast).iter().all(Result::is_ok));
    assert!(run.hear(&slow).iter().all(|result| *result == Err(RemoteRefusal::Reordered)));
    assert!(run.hear(&fast).iter().all(|result| *result == Err(RemoteRefusal::Reordered)), "a duplicate");
    assert_eq!(run.refused(RemoteRefusal::Reordered), 22);
    // A chunk whose beginning is lost is not begun in its middle.
    run.frame();
    let chunk = run.answer();
    assert!(run.hear(&chunk[3..]).iter().all(|result| *result == Err(RemoteRefusal::Torn)));
    assert_eq!(run.refused(RemoteRefusal::Torn), 8);
    let frame = run.frame();
    assert_eq!((run.driver(), frame.body.age_us), (Driver::Remote, 20_000), "the chunk before goes on");
    // Behind a hole nothing is used: what was meant for the time in it is unknown.
    let chunk = run.answer();
    let heard = run.hear(&[&chunk[..4], &chunk[6..]].concat());
    assert!(heard[..4].iter().all(Result::is_ok));
    assert!(heard[4..].iter().all(|result| *result == Err(RemoteRefusal::Torn)));
    for k in 0..4u32 {
        let frame = run.frame();
        assert_eq!(run.driver(), Driver::Remote, "{k}");
        assert!((targets(&frame)[0] - STEP_RAD * k as f32).abs() < 1e-6, "{k}");
    }
    run.frame();
    assert_eq!(run.driver(), Driver::Local, "the last one before it lasts one step");
}

#[test]
fn elements_of_two_answerers_are_not_one_chunk() {
    let mut run = Run::new(1, 1_000);
    run.connected(5);
    let chunk = run.answer();
    assert!(run.hear(&chunk[..3]).iter().all(Result::is_ok));
    let mut other = chunk[3..].to_vec();
    other.iter_mut().for_each(|frame| frame.header.boot_id += 1);
    assert!(run.hear(&other).iter().all(|result| *result == Err(RemoteRefusal::Torn)));
    // The same process, but of another observation.
    let mut other = chunk[3..].to_vec();
    other.iter_mut().for_each(|frame| frame.body.age_us += 20_000);
    assert!(run.hear(&other).iter().all(|result| *result == Err(RemoteRefusal::Torn)));
}

#[test]
fn a_chunk_of_which_one_element_is_left_lasts_a_run() {
    let mut run = Run::new(1, 1_000);
    run.connected(5);
    let chunk = run.answer();
    assert!(run.hear(&chunk[..1]).iter().all(Result::is_ok));
    run.frame();
    assert_eq!(run.driver(), Driver::Remote);
    run.frame();
    assert_eq!(run.driver(), Driver::Local);
}
