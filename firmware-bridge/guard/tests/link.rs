//! Every state and event of the link, enumerated against what must never happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test

use std::collections::BTreeSet;

use sinew_guard::{LINK, LinkEvent, LinkRow, next_link};
use sinew_wire::LinkState;

/// Breaches of the written invariants in a table, each as one line.
fn breaches(table: &[LinkRow]) -> Vec<String> {
    use LinkEvent as E;
    use LinkState as S;
    let next = |state, event| table.iter().find(|r| r.from == state && r.event == event).map(|r| r.to);
    let mut found = Vec::new();
    let mut must = |holds: bool, rule: String| {
        if !holds {
            found.push(rule);
        }
    };
    for (i, row) in table.iter().enumerate() {
        let same = table.iter().skip(i + 1).any(|r| r.from == row.from && r.event == row.event);
        must(!same, format!("two rows for {} {}", row.from, row.event.name()));
        must(row.from != row.to, format!("{} {} leads nowhere", row.from, row.event.name()));
    }
    for from in S::ALL.iter().copied() {
        let stops = if from == S::EStop { S::EStop } else { next(from, E::EStop).unwrap_or(from) };
        must(stops == S::EStop, format!("EStop from {from} leads to {stops}"));
        for event in E::ALL.iter().copied() {
            let Some(to) = next(from, event) else { continue };
            let line = format!("{from} --{}--> {to}", event.name());
            if to == S::Active {
                must(
                    from == S::Arming && event == E::DrivesEnabled,
                    format!("Active without arming: {line}"),
                );
            }
            if to == S::Arming {
                must(
                    from == S::Disabled && event == E::ArmGranted,
                    format!("Arming without a grant: {line}"),
                );
            }
            if from == S::EStop {
                must(event == E::ResetStep1 && to == S::Fault, format!("EStop left by one step: {line}"));
            }
            if from == S::Fault && event != E::EStop {
                must(
                    event == E::ResetStep2 && to == S::ConfigCheck,
                    format!("Fault left without a reset: {line}"),
                );
            }
            if from == S::Damping {
                must(matches!(event, E::LadderDisable | E::EStop), format!("Damping is latched: {line}"));
            }
            if to == S::Disabled {
                let checked = !matches!(from, S::Boot | S::Fault | S::EStop);
                must(
                    checked && (from != S::ConfigCheck || event == E::CheckPassed),
                    format!("Disabled unchecked: {line}"),
                );
            }
        }
    }
    for event in [E::Disarm, E::LadderDamp, E::LadderDisable, E::DriveFault, E::EStop] {
        let to = next(S::Active, event);
        let down = [S::Damping, S::Disabled, S::Fault, S::EStop];
        must(
            to.is_some_and(|to| down.contains(&to)),
            format!("{} does not stop an active link", event.name()),
        );
    }
    // A drive can only push in Arming and Active; no path there avoids ArmGranted.
    let mut reached = BTreeSet::from([S::Boot]);
    loop {
        let before = reached.len();
        for row in table.iter().filter(|row| row.event != E::ArmGranted) {
            if reached.contains(&row.from) {
                reached.insert(row.to);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    must(!reached.contains(&S::Active), "Active is reached without ArmGranted".into());
    // Nothing is a dead end: from anywhere an operator can come back to Disabled.
    for from in S::ALL.iter().copied() {
        let mut reached = BTreeSet::from([from]);
        for _ in 0..S::ALL.len() {
            for row in table {
                if reached.contains(&row.from) {
                    reached.insert(row.to);
                }
            }
        }
        must(reached.contains(&S::Disabled), format!("{from} is a dead end"));
    }
    found
}

#[test]
fn the_table_keeps_every_invariant() {
    assert_eq!(breaches(LINK), Vec::<String>::new());
}

#[test]
fn next_is_the_table() {
    let mut rows = 0;
    for from in LinkState::ALL.iter().copied() {
        for event in LinkEvent::ALL.iter().copied() {
            let row = LINK.iter().find(|row| row.from == from && row.event == event);
            assert_eq!(next_link(from, event), row.map(|row| row.to));
            rows += usize::from(row.is_some());
        }
    }
    assert_eq!(rows, LINK.len());
}

/// Each row turned towards each other state, and each row left out: the invariants notice what matters.
#[test]
fn planted_rows_are_caught() {
    use LinkEvent as E;
    use LinkState as S;
    let planted = [
        LinkRow { from: S::Disabled, event: E::DrivesEnabled, to: S::Active },
        LinkRow { from: S::EStop, event: E::ResetStep2, to: S::Disabled },
        LinkRow { from: S::Damping, event: E::ArmGranted, to: S::Arming },
        LinkRow { from: S::Fault, event: E::CheckPassed, to: S::Disabled },
        LinkRow { from: S::Boot, event: E::CheckPassed, to: S::Disabled },
    ];
    for row in planted {
        let table: Vec<_> = LINK.iter().copied().chain([row]).collect();
        assert!(!breaches(&table).is_empty(), "{row:?}");
    }
    for left_out in LINK.iter().filter(|row| row.event == E::EStop || row.from == S::Active) {
        let table: Vec<_> = LINK.iter().copied().filter(|row| row != left_out).collect();
        assert!(!breaches(&table).is_empty(), "without {left_out:?}");
    }
    for row in LINK {
        let table: Vec<_> = LINK
            .iter()
            .map(|r| if r == row && row.to != S::Active { LinkRow { to: S::Active, ..*r } } else { *r })
            .collect();
        assert!(row.to == S::Active || !breaches(&table).is_empty(), "{row:?} to Active");
    }
}
