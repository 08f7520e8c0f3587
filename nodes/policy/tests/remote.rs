//! Results of another machine: what is kept, what is used, and who drives.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

mod quad;

use proptest::prelude::*;
use quad::{NUMBER, PERIOD_NS, policy, policy_order, standing};
use sinew_policy::remote::{Choice, Driver, Link, MAX_AHEAD, decide};
use sinew_policy::{Remote, RemoteConfig, RemoteRefusal, Slot, SlotConfig};
use sinew_wire::{
    JointCommand, JointMode, NO_POLICY, PolicyCommand, PolicyFlags, PolicyStatus, RobotState, StepTime,
};

const WALK: [f32; 3] = [0.5, 0.0, 0.0];
const MODEL_HASH: u32 = 0x1234_5678;
const CONFIG: RemoteConfig =
    RemoteConfig { return_runs: 8, blend_runs: 5, max_difference_rad: 2.0, ..RemoteConfig::of(MODEL_HASH) };
const MOST_RAD: f32 = 0.1;

#[test]
fn the_rule_in_full() {
    use {Choice as C, Driver as D, Link as L};
    for (driver, link, healthy, expected) in [
        (D::Local, L::Fresh, true, C::Local),
        (D::Local, L::Stale, true, C::Local),
        (D::Local, L::Lost, true, C::Local),
        (D::Local, L::Returned, true, C::Remote),
        (D::Local, L::Fresh, false, C::Remote),
        (D::Local, L::Stale, false, C::Nothing),
        (D::Local, L::Lost, false, C::Nothing),
        (D::Local, L::Returned, false, C::Remote),
        (D::Remote, L::Fresh, true, C::Remote),
        (D::Remote, L::Stale, true, C::Local),
        (D::Remote, L::Lost, true, C::Local),
        (D::Remote, L::Returned, true, C::Remote),
        (D::Remote, L::Fresh, false, C::Remote),
        (D::Remote, L::Stale, false, C::Nothing),
        (D::Remote, L::Lost, false, C::Nothing),
        (D::Remote, L::Returned, false, C::Remote),
    ] {
        assert_eq!(decide(driver, link, healthy), expected, "{driver:?} {link:?} {healthy}");
    }
}

struct Run {
    slot: Slot,
    step: u64,
    activation: u32,
}

impl Run {
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(remote: RemoteConfig) -> Self {
        let config = SlotConfig { transition_rad: vec![MOST_RAD; 12], latency_ticks: 2 };
        let remote = Remote::new(remote, 0, NUMBER, PERIOD_NS);
        let mut slot = Slot::new(policy(&policy_order()), config);
        slot.set_remote(remote);
        let mut run = Self { slot, step: 0, activation: 1 };
        run.frame();
        run
    }

    fn state(&self) -> RobotState {
        standing(&policy_order(), self.step, self.activation, WALK)
    }

    fn frame(&mut self) -> PolicyCommand {
        let frame = self.slot.step(&self.state(), StepTime::default());
        self.step += 10;
        frame
    }

    /// A result computed from `step`: the posture plus `by`.
    fn result(&self, step: u64, by: f32) -> PolicyCommand {
        let mut frame = PolicyCommand::default();
        frame.header.step = step;
        frame.header.based_on_boot = 77;
        frame.body.activation = self.activation;
        frame.body.policy = NUMBER;
        frame.body.model_hash = MODEL_HASH;
        frame.body.status = PolicyStatus::Targets as u8;
        frame.joints = self
            .state()
            .joints
            .iter()
            .map(|j| JointCommand::impedance(j.q_rad + by, 0.0, 0.0, 40.0, 1.0))
            .collect();
        frame
    }

    fn hear(&mut self, frame: &PolicyCommand) -> Result<(), RemoteRefusal> {
        let step = self.step;
        self.slot.remote_mut().unwrap().hear(frame, step)
    }

    fn driver(&self) -> Driver {
        self.slot.remote().unwrap().driver()
    }

    /// `n` runs, each with its own result.
    fn connected(&mut self, n: usize, by: f32) -> Vec<PolicyCommand> {
        (0..n)
            .map(|_| {
                self.hear(&self.result(self.step, by)).unwrap();
                self.frame()
            })
            .collect()
    }
}

#[test]
fn it_takes_over_when_proven_holds_through_a_gap_and_gives_way_to_the_fallback() {
    let mut run = Run::new();
    assert_eq!(run.driver(), Driver::Local);
    let frames = run.connected(2, 0.05);
    assert!(frames.iter().all(|f| f.body.has(PolicyFlags::FALLBACK)));
    let frames = run.connected(30, 0.05);
    assert_eq!(run.driver(), Driver::Remote);
    let last = frames.last().unwrap();
    assert!(last.body.has(PolicyFlags::OFFBOARD) && !last.body.has(PolicyFlags::FALLBACK));
    assert!((last.joints[1].q_rad - 0.85).abs() < 1e-6 && last.body.age_us == 0);
    // Three runs without a result: held, older and older.
    for age_us in [20_000, 40_000, 60_000] {
        let frame = run.frame();
        assert_eq!((frame.body.age_us, run.driver()), (age_us, Driver::Remote));
        assert!((frame.joints[1].q_rad - 0.85).abs() < 1e-6);
    }
    // The fourth is too old.
    let frame = run.frame();
    assert_eq!(run.driver(), Driver::Local);
    assert!(frame.body.has(PolicyFlags::FALLBACK | PolicyFlags::TRANSITION));
    // A few results do not bring it back, eight runs in a row with one do.
    run.connected(3, 0.05);
    (0..4).for_each(|_| drop(run.frame()));
    assert_eq!(run.driver(), Driver::Local);
    run.connected(8, 0.05);
    assert_eq!(run.driver(), Driver::Remote);
    let counters = run.slot.remote().unwrap().counters();
    assert_eq!((counters.fallbacks, counters.returns), (1, 2));
    assert_eq!(counters.age_max_ns, 60_000_000);
    assert_eq!(counters.asked - counters.kept, 9, "runs without a result of their own");
}

#[test]
fn no_age_allowed_holds_a_single_result_for_longer_than_a_policy_may_be_missing() {
    let mut run = Run::with(RemoteConfig { max_age_ns: 10_000_000_000, ..CONFIG });
    run.connected(30, 0.05);
    let drivers: Vec<Driver> = (0..11).map(|_| (run.frame(), run.driver()).1).collect();
    assert_eq!(drivers, [[Driver::Remote; 10].as_slice(), &[Driver::Local]].concat(), "20 to 200 ms");
}

#[test]
fn a_result_that_disagrees_does_not_get_the_robot() {
    let mut run = Run::new();
    run.connected(20, 4.0);
    assert_eq!(run.driver(), Driver::Local);
    assert_eq!(run.slot.remote().unwrap().counters().disagreed, 20);
}

/// Makes a good result a bad one, now being the second argument.
type Spoil = fn(&mut PolicyCommand, u64);

#[test]
fn stale_foreign_reordered_and_damaged_results_are_refused_and_counted() {
    let mut run = Run::new();
    run.connected(30, 0.05);
    let now = run.step;
    let cases: [(RemoteRefusal, Spoil); 16] = [
        (RemoteRefusal::Foreign, |f, _| f.header.robot ^= 1),
        (RemoteRefusal::Foreign, |f, _| f.body.policy += 1),
        (RemoteRefusal::Epoch, |f, _| f.body.activation += 1),
        (RemoteRefusal::Epoch, |f, _| f.header.based_on_boot += 1),
        (RemoteRefusal::Future, |f, now| f.header.step = now + 10),
        (RemoteRefusal::Stale, |f, now| f.header.step = now - 40),
        (RemoteRefusal::NonFinite, |f, _| f.joints[5].q_rad = f32::NAN),
        (RemoteRefusal::Joints, |f, _| f.joints.truncate(11)),
        (RemoteRefusal::Joints, |f, _| f.joints[5] = JointCommand::default()),
        (RemoteRefusal::Model, |f, _| f.body.model_hash ^= 1),
        (RemoteRefusal::Mode, |f, _| f.joints[5].mode = JointMode::Torque as u8),
        (RemoteRefusal::Mode, |f, _| f.joints[0].mode = JointMode::Damping as u8),
        (RemoteRefusal::Mode, |f, _| f.joints[11].mode = 250),
        (RemoteRefusal::Gains, |f, _| f.joints[5].kp *= 1.01),
        (RemoteRefusal::Gains, |f, _| f.joints[5].kd = 0.0),
        (RemoteRefusal::Ahead, |f, _| f.body.ahead_us = 60_001),
    ];
    for (expected, spoil) in cases {
        let mut frame = run.result(now, 0.05);
        spoil(&mut frame, now);
        assert_eq!(run.hear(&frame), Err(expected));
    }
    let mut empty = run.result(now, 0.05);
    empty.body.status = PolicyStatus::Empty as u8;
    assert_eq!(run.hear(&empty), Err(RemoteRefusal::Empty));
    run.hear(&run.result(now, 0.05)).unwrap();
    assert_eq!(run.hear(&run.result(now - 10, 0.05)), Err(RemoteRefusal::Reordered));
    assert_eq!(run.hear(&run.result(now, 0.05)), Err(RemoteRefusal::Reordered), "a duplicate");
    let counters = run.slot.remote().unwrap().counters();
    assert_eq!(counters.refused, [2, 2, 1, 1, 2, 1, 1, 2, 0, 1, 3, 2, 1, 0]);
    assert_eq!(counters.kept, 31);
}

#[test]
fn a_fallback_that_never_ran_still_says_which_joints_and_gains_are_its_own() {
    let config = SlotConfig { transition_rad: vec![MOST_RAD; 12], latency_ticks: 2 };
    let mut run = Run { slot: Slot::new(policy(&policy_order()), config), step: 0, activation: 1 };
    run.slot.set_remote(Remote::new(CONFIG, 0, NUMBER, PERIOD_NS));
    let mut state = run.state();
    state.joints[2].q_rad = f32::NAN;
    run.slot.remote_mut().unwrap().serve(&state);
    let mut stiff = run.result(0, 0.0);
    stiff.joints.iter_mut().for_each(|j| j.kp = 300.0);
    assert_eq!(run.hear(&stiff), Err(RemoteRefusal::Gains));
    assert_eq!(run.slot.step(&state, StepTime::default()).body.status(), PolicyStatus::Fault);
}

#[test]
fn a_new_activation_discards_what_is_in_flight() {
    let mut run = Run::new();
    run.connected(30, 0.05);
    let in_flight = run.result(run.step, 0.05);
    run.activation += 1;
    let frame = run.frame();
    assert!(frame.body.has(PolicyFlags::FALLBACK), "the fallback starts every activation");
    assert_eq!(run.hear(&in_flight), Err(RemoteRefusal::Epoch));
    // Without an activation nothing is taken at all.
    let mut state = run.state();
    state.body.active_policy = NO_POLICY;
    run.slot.step(&state, StepTime::default());
    assert_eq!(run.hear(&run.result(run.step, 0.0)), Err(RemoteRefusal::Epoch));
}

#[test]
fn a_fallback_that_fails_leaves_the_other_machine_in_charge() {
    let mut run = Run::new();
    run.connected(30, 0.05);
    let mut state = run.state();
    run.hear(&run.result(run.step, 0.05)).unwrap();
    state.joints[2].q_rad = f32::NAN;
    let frame = run.slot.step(&state, StepTime::default());
    assert_eq!(frame.body.status(), PolicyStatus::Targets);
    assert!(frame.body.has(PolicyFlags::OFFBOARD));
    // And when that one is gone, too, control is told.
    let fault = (0..5).map(|_| {
        run.step += 10;
        run.slot.step(&run.state(), StepTime::default()).body.status()
    });
    assert_eq!(fault.last(), Some(PolicyStatus::Fault));
}

#[test]
fn what_is_meant_for_later_does_not_hold_a_link_that_is_cut() {
    let mut run = Run::new();
    run.connected(30, 0.05);
    let mut later = run.result(run.step, 0.05);
    later.body.ahead_us = u32::MAX;
    assert_eq!(run.hear(&later), Err(RemoteRefusal::Ahead));
    later.body.ahead_us = 60_000;
    assert_eq!(run.hear(&later), Err(RemoteRefusal::Torn), "nothing acts before its time");
    run.hear(&run.result(run.step, 0.05)).unwrap();
    run.hear(&later).unwrap();
    let drivers: Vec<Driver> = (0..6).map(|_| (run.frame(), run.driver()).1).collect();
    assert_eq!(drivers, [[Driver::Remote; 4].as_slice(), &[Driver::Local; 2]].concat());
}

#[test]
fn a_chunk_is_consumed_by_time() {
    let mut run = Run::with(RemoteConfig { max_age_ns: 120_000_000, ..CONFIG });
    run.connected(30, 0.0);
    let start = run.step;
    // Elements every 30 ms, runs every 20 ms.
    for k in 0..5u32 {
        let mut element = run.result(start, 0.06 * k as f32);
        element.body.ahead_us = 30_000 * k;
        run.hear(&element).unwrap();
    }
    let mut backwards = run.result(start, 0.0);
    backwards.body.ahead_us = 10_000;
    assert_eq!(run.hear(&backwards), Err(RemoteRefusal::Reordered));
    let posture = 0.8;
    for k in 0..7 {
        let frame = run.frame();
        let ms = 20.0 * k as f32;
        let expected = posture + 0.06 * (ms / 30.0).min(4.0);
        assert!((frame.joints[1].q_rad - expected).abs() < 1e-5, "{ms} ms: {}", frame.joints[1].q_rad);
        assert_eq!(frame.body.age_us, 20_000 * k);
        assert_eq!(run.driver(), Driver::Remote, "{ms} ms");
    }
    run.frame();
    assert_eq!(run.driver(), Driver::Local, "the chunk is used up");
    // No chunk reaches beyond the greatest age, and its length is bounded.
    let mut far = run.result(run.step, 0.0);
    far.body.ahead_us = 120_001;
    assert_eq!(run.hear(&far), Err(RemoteRefusal::Ahead));
    let start = run.step;
    let mut last = Ok(());
    for k in 0..=MAX_AHEAD as u32 {
        let mut element = run.result(start, 0.0);
        element.body.ahead_us = 1_000 * k;
        last = run.hear(&element);
    }
    assert_eq!(last, Err(RemoteRefusal::Chunk));
}

#[test]
fn a_step_from_one_source_to_another_is_seen_as_it_leaves() {
    let mut run = Run::new();
    run.connected(80, 1.0);
    assert_eq!(run.driver(), Driver::Remote);
    let bounded = run.slot.largest_steps();
    assert!(bounded.step_rad > 0.05 && bounded.excess_rad <= 1e-5, "{bounded:?}");
    // Planted: the other machine is exchanged while it drives, which hands nothing over.
    run.slot.set_remote(Remote::new(CONFIG, 0, NUMBER, PERIOD_NS));
    run.frame();
    assert_eq!(run.driver(), Driver::Local);
    let planted = run.slot.largest_steps();
    assert!(planted.excess_rad > 0.3, "{planted:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the link does, every run has targets, and no hand-over steps beyond its limits.
    #[test]
    fn no_link_makes_a_step(link in prop::collection::vec((any::<bool>(), 0u64..5), 10..120)) {
        let mut run = Run::new();
        for (arrives, late) in link {
            let from = run.step.saturating_sub(10 * late);
            if arrives {
                run.hear(&run.result(from, 0.2)).ok();
            }
            prop_assert_eq!(run.frame().body.status(), PolicyStatus::Targets);
        }
        prop_assert!(run.slot.largest_steps().excess_rad <= 1e-5);
    }
}
