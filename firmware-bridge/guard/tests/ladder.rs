//! The rungs, their exact boundaries, their latches and what they send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test
mod support;

use proptest::prelude::*;
use sinew_guard::{Ladder, Timing};
use sinew_wire::{JointCommand, JointMode, Stage, StepTime};
use support::joint;

const MS: u64 = 1_000_000;
const TIMING: Timing = Timing {
    period_ns: 2 * MS,
    t1_ns: 10 * MS,
    t2_ns: 50 * MS,
    rest_ns: 500 * MS,
    valid_for_ns: 8 * MS,
    rest_dq_rad_s: 0.05,
    rest_gyro_rad_s: 0.1,
};

fn at(ns: u64) -> StepTime {
    StepTime::from_ns(ns)
}

#[test]
fn boundaries_are_exact() {
    assert_eq!(TIMING, Timing::default());
    for (age_ns, stage) in [
        (0, Stage::Fresh),
        (8 * MS, Stage::Fresh),
        (8 * MS + 1, Stage::Hold),
        (10 * MS - 1, Stage::Hold),
        (10 * MS, Stage::Ramp),
        (50 * MS - 1, Stage::Ramp),
        (50 * MS, Stage::Damp),
        (u64::MAX / 2, Stage::Damp),
    ] {
        let mut ladder = Ladder::new();
        ladder.accepted(at(7 * MS));
        assert_eq!(ladder.evaluate(at(7 * MS + age_ns), false, &TIMING), stage, "age {age_ns} ns");
    }
}

#[test]
fn nothing_is_held_before_the_first_command() {
    let mut ladder = Ladder::new();
    assert_eq!(ladder.evaluate(at(900 * MS), true, &TIMING), Stage::Idle);
    assert_eq!(ladder.age_ns(at(5)), None);
    let command = JointCommand::impedance(1.0, 0.0, 5.0, 50.0, 1.0);
    assert_eq!(ladder.shape(&command, &joint(), at(5), &TIMING), JointCommand::damping(3.0));
}

#[test]
fn damp_is_latched_until_reset_and_ends_in_disable_only_after_an_unbroken_rest() {
    let mut ladder = Ladder::new();
    ladder.accepted(at(0));
    assert_eq!(ladder.evaluate(at(50 * MS), false, &TIMING), Stage::Damp);
    ladder.accepted(at(51 * MS));
    assert_eq!(ladder.evaluate(at(52 * MS), true, &TIMING), Stage::Damp, "a late command wakes nobody");
    assert_eq!(ladder.evaluate(at(300 * MS), false, &TIMING), Stage::Damp, "it moved: rest starts anew");
    assert_eq!(ladder.evaluate(at(400 * MS), true, &TIMING), Stage::Damp);
    assert_eq!(ladder.evaluate(at(900 * MS - 1), true, &TIMING), Stage::Damp);
    assert_eq!(ladder.evaluate(at(900 * MS), true, &TIMING), Stage::Disable);
    ladder.accepted(at(901 * MS));
    assert_eq!(ladder.evaluate(at(902 * MS), false, &TIMING), Stage::Disable);
    ladder.reset();
    assert_eq!(ladder.evaluate(at(903 * MS), false, &TIMING), Stage::Idle);
}

#[test]
fn a_fast_caller_who_never_evaluates_still_sees_the_rung_of_now() {
    let mut ladder = Ladder::new();
    ladder.accepted(at(0));
    let command = JointCommand::impedance(1.0, 0.0, 5.0, 50.0, 1.0);
    assert_eq!(ladder.shape(&command, &joint(), at(3_000 * MS), &TIMING), JointCommand::damping(3.0));
}

#[test]
fn damping_on_demand_latches_whatever_the_age() {
    let mut ladder = Ladder::new();
    ladder.accepted(at(0));
    ladder.damp();
    ladder.accepted(at(2 * MS));
    assert_eq!(ladder.evaluate(at(2 * MS), false, &TIMING), Stage::Damp);
}

#[test]
fn a_brake_stays_on_and_disable_is_off() {
    let mut ladder = Ladder::new();
    ladder.accepted(at(0));
    let brake = JointCommand { mode: JointMode::Brake as u8, ..JointCommand::default() };
    assert_eq!(ladder.shape(&brake, &joint(), at(60 * MS), &TIMING), brake);
    ladder.evaluate(at(60 * MS), true, &TIMING);
    ladder.evaluate(at(560 * MS), true, &TIMING);
    assert_eq!(ladder.shape(&brake, &joint(), at(560 * MS), &TIMING), JointCommand::default());
}

fn legal() -> impl Strategy<Value = JointCommand> {
    (-1.2f32..2.4, -20.0f32..20.0, -40.0f32..40.0, 0.0f32..120.0, 0.0f32..5.0, 0u8..7).prop_map(
        |(q_rad, dq_rad_s, tau_nm, kp, kd, mode)| JointCommand {
            q_rad,
            dq_rad_s,
            tau_nm,
            kp,
            kd,
            mode,
            reserved: [0; 3],
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_rung_only_falls_with_age(accepted in 0u64..100 * MS, mut ages in prop::collection::vec(0u64..80 * MS, 1..20)) {
        ages.sort_unstable();
        let mut ladder = Ladder::new();
        ladder.accepted(at(accepted));
        let mut last = Stage::Idle;
        for age in ages {
            let stage = ladder.evaluate(at(accepted + age), false, &TIMING);
            prop_assert!(stage >= last);
            last = stage;
        }
    }

    #[test]
    fn an_older_command_never_makes_the_newest_older(times in prop::collection::vec(0u64..100 * MS, 1..20)) {
        let mut ladder = Ladder::new();
        for time in &times {
            ladder.accepted(at(*time));
        }
        let newest = times.iter().max().copied().unwrap();
        prop_assert_eq!(ladder.age_ns(at(200 * MS)), Some(200 * MS - newest));
    }

    #[test]
    fn down_the_ladder_stiffness_speed_and_torque_only_shrink(command in legal(), mut ages in prop::collection::vec(0u64..70 * MS, 2..30)) {
        ages.sort_unstable();
        let mut ladder = Ladder::new();
        ladder.accepted(at(0));
        let mut last = command;
        for age in ages {
            let sent = ladder.shape(&command, &joint(), at(age), &TIMING);
            prop_assert!(sent.kp <= last.kp && sent.tau_nm.abs() <= last.tau_nm.abs() && sent.dq_rad_s.abs() <= last.dq_rad_s.abs());
            let (least, most) = (command.kd.min(3.0), command.kd.max(3.0));
            prop_assert!(sent.kd >= least.min(0.0) && sent.kd <= most);
            if age <= 8 * MS { prop_assert_eq!(sent, command); }
            if age >= 10 * MS && matches!(command.mode(), JointMode::Impedance | JointMode::Torque) { prop_assert_eq!(sent.tau_nm, 0.0); }
            if age >= 50 * MS && command.mode() != JointMode::Brake { prop_assert_eq!(sent, JointCommand::damping(3.0)); }
            last = sent;
        }
    }
}
