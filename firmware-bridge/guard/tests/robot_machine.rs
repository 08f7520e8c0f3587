//! Every state, event, fault and set of conditions of the robot, enumerated against what must never happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test

use sinew_guard::{
    FAULTS, FaultSet, Guards, Outcome, ROBOT, RobotEvent, RobotRow, Severity, next_robot, worst,
};
use sinew_wire::RobotMode;

fn lookup(table: &[RobotRow], mode: RobotMode, event: RobotEvent, have: Guards) -> Outcome {
    match table.iter().find(|row| row.from == mode && row.event == event) {
        None => Outcome::Stay,
        Some(row) if have.contains(row.needs) => Outcome::Go(row.to),
        Some(row) => Outcome::Refused(row.needs.without(have)),
    }
}

/// How much the robot may move by itself.
fn height(mode: RobotMode) -> u8 {
    match mode {
        RobotMode::EStop | RobotMode::FaultStop | RobotMode::Off => 0,
        RobotMode::Damping => 1,
        RobotMode::LieDown => 2,
        RobotMode::StandUp => 3,
        RobotMode::Stand => 4,
        RobotMode::Policy => 5,
    }
}

/// Breaches of the written invariants in a table, each as one line.
fn breaches(table: &[RobotRow]) -> Vec<String> {
    use RobotEvent as E;
    use RobotMode as M;
    let mut found = Vec::new();
    for (i, row) in table.iter().enumerate() {
        if table.iter().skip(i + 1).any(|r| r.from == row.from && r.event == row.event) {
            found.push(format!("two rows for {} {}", row.from, row.event.name()));
        }
    }
    for from in M::ALL.iter().copied() {
        for event in E::ALL.iter().copied() {
            for bits in 0..=Guards::ALL.bits() {
                let have = Guards::from_bits(bits);
                let outcome = lookup(table, from, event, have);
                let to = if let Outcome::Go(to) = outcome { to } else { from };
                let mut must = |holds: bool, rule: &str| {
                    if !holds {
                        found.push(format!("{rule}: {from} --{}--> {to} with {have}", event.name()));
                    }
                };
                let climbs =
                    height(to) > height(from) || (from == M::EStop || from == M::FaultStop) && to != from;
                let downwards = matches!(
                    event,
                    E::Damping
                        | E::EStop
                        | E::LeaseLost
                        | E::LinkDown
                        | E::TiltExceeded
                        | E::Fault(_)
                        | E::PolicyEnd
                        | E::LieDown
                        | E::LieDownDone
                        | E::Stand
                );
                if climbs && to != M::EStop {
                    must(event == E::StandUpDone || have.contains(Guards::LEASE), "upwards without lease");
                }
                if downwards {
                    must(!matches!(outcome, Outcome::Refused(_)), "a way down asks for something");
                    must(!climbs || to == M::EStop || to == M::FaultStop, "a downward event climbs");
                }
                if matches!(event, E::EStop | E::Fault(Severity::EStop)) {
                    must(to == M::EStop, "EStop in one step");
                }
                if matches!(event, E::Damping | E::Fault(Severity::Damp)) {
                    must(matches!(to, M::Damping | M::Off | M::FaultStop | M::EStop), "Damping in one step");
                    must(height(to) <= height(from), "Damping never climbs");
                }
                if event == E::TiltExceeded {
                    must(height(to) <= 1, "tilted beyond the limit means damping");
                }
                if event == E::LinkDown {
                    must(height(to) == 0, "the link wins downwards");
                }
                if event == E::LeaseLost {
                    must(to == if from == M::Policy { M::Stand } else { from }, "lease lost");
                }
                if event == E::Fault(Severity::Stand) {
                    must(height(to) <= 4, "a fault hands over to Stand");
                }
                if event == E::Fault(Severity::LieDown) {
                    must(height(to) <= 2, "a fault lies down");
                }
                if matches!(event, E::Fault(Severity::Info | Severity::Warn | Severity::Degrade)) {
                    must(to == from, "a small fault changes no state");
                }
                if from == M::EStop && to != from {
                    let two_steps = Guards::LEASE | Guards::RESET_STEP1;
                    must(
                        event == E::ResetStep2 && have.contains(two_steps),
                        "EStop left by less than two steps",
                    );
                    must(matches!(to, M::Off | M::Damping), "EStop left for a moving state");
                }
                if from == M::FaultStop && to != from && to != M::EStop {
                    must(
                        matches!(event, E::ResetStep1) && have.contains(Guards::LEASE),
                        "FaultStop is latched",
                    );
                    must(to == M::Off, "FaultStop left for a moving state");
                }
                if to == M::Policy && (from != M::Policy || event == E::Policy) && outcome != Outcome::Stay {
                    let all = Guards::LEASE
                        | Guards::UPRIGHT
                        | Guards::ESTIMATOR_HEALTHY
                        | Guards::CONTRACT_VERIFIED
                        | Guards::FIRST_ACTION_CONTINUOUS
                        | Guards::LINK_ACTIVE;
                    if matches!(outcome, Outcome::Go(_)) {
                        must(have.contains(all), "policy entry");
                        must(matches!(from, M::Stand | M::Policy), "policy from Stand only");
                    }
                }
                if from == M::Off && to != from && to != M::EStop {
                    must(have.contains(Guards::LINK_ACTIVE), "awake without the link");
                }
                if let Outcome::Refused(missing) = outcome {
                    must(!missing.is_empty() && !have.contains(missing), "refused without a reason");
                    let mended = lookup(table, from, event, have | missing);
                    must(matches!(mended, Outcome::Go(_)), "the reason given was not the reason");
                }
            }
        }
    }
    found
}

#[test]
fn the_table_keeps_every_invariant() {
    assert_eq!(breaches(ROBOT), Vec::<String>::new());
}

#[test]
fn next_is_the_table() {
    for mode in RobotMode::ALL.iter().copied() {
        for event in RobotEvent::ALL.iter().copied() {
            for bits in 0..=Guards::ALL.bits() {
                let have = Guards::from_bits(bits);
                assert_eq!(next_robot(mode, event, have), lookup(ROBOT, mode, event, have));
            }
        }
    }
}

/// State x fault: one tick with any single fault, and with any pair, never leaves the robot higher than the worst of
/// them allows, and a second tick with the same faults settles.
#[test]
fn every_fault_in_every_state_comes_to_rest_where_its_severity_says() {
    let allowed = |severity| match severity {
        Severity::Info | Severity::Warn | Severity::Degrade => 5,
        Severity::Stand => 4,
        Severity::LieDown => 2,
        Severity::Damp => 1,
        Severity::EStop => 0,
    };
    for mode in RobotMode::ALL.iter().copied() {
        for a in FAULTS {
            for b in FAULTS {
                let set: FaultSet = [a.fault, b.fault].into_iter().collect();
                let severity = worst(set);
                assert_eq!(severity, a.severity.max(b.severity));
                let event = RobotEvent::Fault(severity);
                let step = |mode, have| match next_robot(mode, event, have) {
                    Outcome::Go(to) => to,
                    Outcome::Stay | Outcome::Refused(_) => mode,
                };
                for have in [Guards::NONE, Guards::ALL] {
                    let once = step(mode, have);
                    assert!(height(once) <= allowed(severity).min(height(mode)), "{mode} {set:?} -> {once}");
                    assert_eq!(step(once, have), once);
                }
            }
        }
    }
}

#[test]
fn a_day_in_the_life() {
    let all = Guards::ALL.without(Guards::RESET_STEP1);
    let mut mode = RobotMode::Off;
    for (event, expected) in [
        (RobotEvent::Arm, RobotMode::Damping),
        (RobotEvent::StandUp, RobotMode::StandUp),
        (RobotEvent::StandUpDone, RobotMode::Stand),
        (RobotEvent::Policy, RobotMode::Policy),
        (RobotEvent::LeaseLost, RobotMode::Stand),
        (RobotEvent::LieDown, RobotMode::LieDown),
        (RobotEvent::LieDownDone, RobotMode::Damping),
        (RobotEvent::LinkDown, RobotMode::Off),
    ] {
        assert_eq!(next_robot(mode, event, all), Outcome::Go(expected));
        mode = expected;
    }
    // What is missing is named.
    let blind = all.without(Guards::ESTIMATOR_HEALTHY | Guards::UPRIGHT);
    let Outcome::Refused(missing) = next_robot(RobotMode::Stand, RobotEvent::Policy, blind) else { panic!() };
    assert_eq!(missing.to_string(), "upright, estimator healthy");
    // Out of EStop: one step is not enough.
    let stop = RobotMode::EStop;
    assert_eq!(next_robot(stop, RobotEvent::ResetStep1, all), Outcome::Stay);
    assert_eq!(next_robot(stop, RobotEvent::ResetStep2, all), Outcome::Refused(Guards::RESET_STEP1));
    assert_eq!(next_robot(stop, RobotEvent::ResetStep2, Guards::ALL), Outcome::Go(RobotMode::Off));
}

/// The invariants notice a table that was changed for the worse.
#[test]
fn planted_rows_are_caught() {
    use RobotEvent as E;
    use RobotMode as M;
    let planted = [
        RobotRow { from: M::EStop, event: E::ResetStep1, to: M::Damping, needs: Guards::LEASE },
        RobotRow { from: M::EStop, event: E::Arm, to: M::Damping, needs: Guards::ALL },
        RobotRow { from: M::FaultStop, event: E::StandUp, to: M::StandUp, needs: Guards::ALL },
        RobotRow { from: M::Damping, event: E::Policy, to: M::Policy, needs: Guards::ALL },
        RobotRow { from: M::Off, event: E::StandUp, to: M::Damping, needs: Guards::LEASE },
        RobotRow { from: M::Stand, event: E::LeaseLost, to: M::LieDown, needs: Guards::NONE },
    ];
    for row in planted {
        let table: Vec<_> = ROBOT.iter().copied().chain([row]).collect();
        assert!(!breaches(&table).is_empty(), "{row:?}");
    }
    for left_out in ROBOT {
        let pressing = matches!(
            left_out.event,
            E::Damping | E::EStop | E::TiltExceeded | E::LinkDown | E::LeaseLost | E::Fault(_)
        );
        let table: Vec<_> = ROBOT.iter().copied().filter(|row| row != left_out).collect();
        assert!(!pressing || !breaches(&table).is_empty(), "without {left_out:?}");
    }
    for row in ROBOT.iter().filter(|row| !row.needs.is_empty()) {
        let table: Vec<_> = ROBOT
            .iter()
            .map(|r| if r == row { RobotRow { needs: Guards::NONE, ..*r } } else { *r })
            .collect();
        assert!(!breaches(&table).is_empty(), "{row:?} without its conditions");
    }
}
