//! A policy with chunks behind a way that loses messages: twelve joints, so that a chunk takes several of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
use sinew_policy::remote::Driver;
use sinew_policy::{RemoteConfig, RemoteRefusal, Slot, SlotConfig};
use sinew_wire::{PolicyFlags, StepTime};

use super::super::long_chunk::{
    ELEMENTS, EVERY, JOINTS, NUMBER, PERIOD_NS, STEP_RAD, model, policy, state, there,
};
use super::super::results::{decode_results, encode_results};
use super::*;

/// A robot that wants 0 rad by itself, and the other machine behind a way that loses three in ten and is cut after the
/// chunk of `run`.
struct Robot {
    slot: Slot,
    offboard: SimulatedOffboard,
    run: u64,
}

impl Robot {
    fn new(seed: u64, run: u64) -> Self {
        let config = SlotConfig { transition_rad: vec![0.5; JOINTS], latency_ticks: 2 };
        let mut slot = Slot::new(policy(&model(&[1, JOINTS], ""), |_| 0.0), config);
        let there = there("open_loop");
        let expected = RemoteConfig::of(there.model_hash());
        let remote = RemoteConfig { max_age_ns: 1_000_000_000, return_runs: 1, blend_runs: 1, ..expected };
        slot.set_remote(Remote::new(remote, 0, NUMBER, PERIOD_NS));
        let plan = OffboardPlan {
            model: "long".to_owned(),
            delay_ms: 0.0,
            loss: 0.3,
            wait_ticks: 0,
            max_age_ms: 1000.0,
        };
        let cut = (run * EVERY + 1, u64::MAX);
        let offboard = SimulatedOffboard::new(&plan, there, seed, PERIOD_NS, 2, vec![cut]).unwrap();
        Self { slot, offboard, run: 0 }
    }

    /// One run: who drives, and where it wants the first joint, rad.
    fn step(&mut self) -> (Driver, f32) {
        let state = state(self.run);
        self.run += 1;
        let remote = self.slot.remote_mut().unwrap();
        remote.serve(&state);
        self.offboard.exchange(&state, None, remote);
        let frame = self.slot.step(&state, StepTime::default());
        let driver = self.slot.remote().unwrap().driver();
        assert_eq!(frame.body.has(PolicyFlags::OFFBOARD), driver == Driver::Remote);
        (driver, frame.joints[0].q_rad)
    }

    fn torn(&self) -> u64 {
        let at = RemoteRefusal::ALL.iter().position(|r| *r == RemoteRefusal::Torn).unwrap();
        self.slot.remote().unwrap().counters().refused[at]
    }
}

/// The way's seed for which of the four messages of `run` just those arrive.
fn seed(run: u64, arrives: [bool; 4]) -> u64 {
    let way = |seed| LossyWay { seed, loss: 0.3, cuts: Vec::new() };
    let there = |seed| way(seed).passes(Direction::Out, run * EVERY, 0);
    let back = |seed| [0, 1, 2, 3].map(|index| way(seed).passes(Direction::Back, run * EVERY, index));
    (0..1000).find(|seed| there(*seed) && back(*seed) == arrives).unwrap()
}

/// Elements in each message of a chunk.
fn elements() -> Vec<usize> {
    let (mut frame, mut chunk) = (PolicyCommand::default(), Vec::new());
    frame.joints.extend((0..JOINTS).map(|_| Default::default()));
    chunk.resize(ELEMENTS, frame);
    let (mut counts, mut results) = (Vec::new(), Vec::new());
    encode_results(&chunk, &mut Vec::new(), |message| {
        decode_results(message, &mut results).unwrap();
        counts.push(results.len());
    });
    counts
}

#[test]
fn a_chunk_of_which_a_message_is_lost_is_used_up_to_the_hole() {
    const RUN: u64 = 5;
    let messages = elements();
    assert_eq!(messages.len(), 4, "{messages:?}");
    for (arrives, lasts) in [
        ([true, true, true, true], ELEMENTS),
        ([true, true, true, false], messages[..3].iter().sum()),
        ([true, true, false, true], messages[..2].iter().sum()),
        ([true, false, true, true], messages[0]),
    ] {
        let mut robot = Robot::new(seed(RUN, arrives), RUN);
        for _ in 0..RUN {
            robot.step();
        }
        let torn = robot.torn();
        for element in 0..lasts {
            let (driver, q_rad) = robot.step();
            assert_eq!(driver, Driver::Remote, "{arrives:?}: element {element}");
            assert!(
                (q_rad - STEP_RAD * element as f32).abs() < 1e-6,
                "{arrives:?}: element {element}: {q_rad}"
            );
        }
        assert_eq!(robot.step().0, Driver::Local, "{arrives:?}: after {lasts} elements");
        // What came behind the hole was refused, element by element.
        let arrived: usize = messages.iter().zip(arrives).filter(|(_, a)| *a).map(|(count, _)| count).sum();
        assert_eq!(robot.torn() - torn, (arrived - lasts) as u64, "{arrives:?}");
    }
}

#[test]
fn each_message_is_lost_on_its_own_and_as_often_as_declared() {
    let way = LossyWay { seed: 7, loss: 0.3, cuts: vec![(50_000, 60_000)] };
    let lost = |index: u64| (0..50_000).filter(|step| !way.passes(Direction::Back, *step, index)).count();
    for index in 0..4 {
        assert!((0.29..0.31).contains(&(lost(index) as f64 / 50_000.0)), "message {index}: {}", lost(index));
    }
    let both = (0..50_000)
        .filter(|step| !way.passes(Direction::Back, *step, 0) && !way.passes(Direction::Back, *step, 1));
    let share = both.count() as f64 / 50_000.0;
    assert!((0.08..0.10).contains(&share), "0.3 of 0.3: {share}");
    assert!((50_000..60_000).all(|step| (0..4).all(|index| !way.passes(Direction::Out, step, index))));
}

#[test]
fn a_model_that_wants_its_results_later_than_the_robot_uses_them_is_no_scenario() {
    let plan =
        OffboardPlan { model: "long".to_owned(), delay_ms: 0.0, loss: 0.0, wait_ticks: 0, max_age_ms: 60.0 };
    let error = SimulatedOffboard::new(&plan, there("open_loop"), 1, PERIOD_NS, 1, Vec::new()).err().unwrap();
    assert_eq!(error, LatencyMismatch { model: "long".to_owned(), declared: 2, used: 1 });
}
