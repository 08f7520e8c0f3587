//! The order of the end.

use std::time::Duration;

use sinew_runner::{
    ChildState, Event, ExitStatus, Options, ProcessGroup, Respawn, ShutdownReport, Signal, Stage, Supervisor,
};

use crate::{HANG, SIGKILLED, sh, start, wait_exit, wait_for, wait_line};

/// Ends on SIGTERM with a code and a last line.
fn obedient(name: &str, code: u8) -> sinew_runner::ChildSpec {
    sh(name, &format!("trap 'echo bye; exit {code}' TERM; echo up; while :; do sleep 0.01; done"))
}

#[test]
fn stages_stop_one_after_the_other_and_the_unnamed_last() {
    let names = ["twin", "bridge", "control", "policy", "extra"];
    let specs = names.iter().zip(1..).map(|(name, code)| obedient(name, code)).collect();
    let (supervisor, mut events) = start(specs);
    // Started in order, so all are up when the last one says so and the others have said so before.
    let mut up = 0;
    wait_for(&events, "all up", |e| {
        up += usize::from(matches!(e, Event::Line { text, .. } if text == "up"));
        (up == names.len()).then_some(())
    });
    supervisor.shutdown(vec![
        Stage::of(&["control"]),
        Stage::of(&["policy", "none"]),
        Stage::of(&["bridge", "twin"]),
    ]);
    supervisor.shutdown(vec![Stage::of(&["twin"])]); // changes nothing
    let report = supervisor.wait();
    let mut order = Vec::new();
    for event in &mut events {
        match event {
            Event::Signalled { name, signal: Signal::SIGTERM } => order.push(format!("term {name}")),
            Event::Exited { name, .. } => order.push(format!("exit {name}")),
            Event::AllEnded => order.push("all ended".to_owned()),
            Event::Line { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let place =
        |what: &str| order.iter().position(|o| o == what).unwrap_or_else(|| panic!("{what}: {order:?}"));
    assert!(place("term control") < place("exit control"));
    assert!(place("exit control") < place("term policy"));
    assert!(place("exit policy") < place("term twin") && place("exit policy") < place("term bridge"));
    assert!(place("exit twin") < place("term extra") && place("exit bridge") < place("term extra"));
    assert!(place("exit extra") < place("all ended"));
    let exits = names.iter().zip(1..).map(|(name, code)| ((*name).to_owned(), ExitStatus::Code(code)));
    assert_eq!(report, ShutdownReport { exits: exits.collect(), ..ShutdownReport::default() });
}

#[test]
fn a_child_deaf_to_sigterm_is_killed_after_its_grace_and_the_next_stage_comes() {
    let mut deaf = sh("deaf", "trap '' TERM; echo up; while :; do sleep 0.01; done");
    deaf.grace = Duration::from_millis(100);
    let (supervisor, mut events) = start(vec![deaf, obedient("next", 0)]);
    let mut up = 0;
    wait_for(&events, "both up", |e| {
        up += usize::from(matches!(e, Event::Line { text, .. } if text == "up"));
        (up == 2).then_some(())
    });
    supervisor.shutdown(vec![Stage::of(&["deaf"]), Stage::of(&["next"])]);
    let report = supervisor.wait();
    assert_eq!(report.killed, ["deaf"]);
    assert_eq!(report.exits, [("deaf".to_owned(), SIGKILLED), ("next".to_owned(), ExitStatus::Code(0))]);
    let signals: Vec<(String, Signal)> = events
        .by_ref()
        .filter_map(|e| {
            if let Event::Signalled { name, signal } = e { Some((name.to_string(), signal)) } else { None }
        })
        .collect();
    let expected = [("deaf", Signal::SIGTERM), ("deaf", Signal::SIGKILL), ("next", Signal::SIGTERM)];
    assert_eq!(signals, expected.map(|(n, s)| (n.to_owned(), s)));
}

#[test]
fn a_stopped_child_hears_the_end() {
    let (supervisor, events) = start(vec![obedient("a", 4)]);
    wait_line(&events, "a", "up");
    supervisor.signal_confirmed("a", Signal::SIGSTOP, HANG).unwrap();
    supervisor.shutdown(Vec::new());
    let report = supervisor.wait();
    assert_eq!(report.exits, [("a".to_owned(), ExitStatus::Code(4))], "it ended by itself, not by SIGKILL");
}

#[test]
fn nothing_is_restarted_once_the_end_has_begun() {
    let mut respawning = obedient("a", 0);
    respawning.respawn = Some(Respawn { delay: Duration::ZERO, max_retries: None });
    let mut waiting = sh("b", "exit 1");
    waiting.respawn = Some(Respawn { delay: Duration::from_secs(3600), max_retries: None });
    let (supervisor, mut events) = start(vec![respawning, waiting]);
    let (mut up, mut restarting) = (false, false);
    wait_for(&events, "a up, b waiting", |e| {
        up |= matches!(e, Event::Line { text, .. } if text == "up");
        restarting |= matches!(e, Event::Restarting { .. });
        (up && restarting).then_some(())
    });
    assert_eq!(supervisor.state("b"), Some(ChildState::Waiting));
    supervisor.shutdown(Vec::new());
    let report = supervisor.wait();
    assert!(!events.any(|e| matches!(e, Event::Started { .. } | Event::Restarting { .. })));
    let expected = [("a".to_owned(), ExitStatus::Code(0)), ("b".to_owned(), ExitStatus::Code(1))];
    assert_eq!(report.exits, expected);
}

#[test]
fn kill_all_interrupts_a_patient_shutdown() {
    let mut deaf = sh("a", "trap '' TERM; echo up; while :; do sleep 0.01; done");
    deaf.grace = Duration::from_secs(3600);
    let (supervisor, events) = start(vec![deaf]);
    wait_line(&events, "a", "up");
    supervisor.shutdown(Vec::new());
    wait_for(&events, "asked", |e| matches!(e, Event::Signalled { .. }).then_some(()));
    supervisor.kill_all();
    assert_eq!(wait_exit(&events, "a"), SIGKILLED);
    assert_eq!(supervisor.wait().killed, ["a"]);
}

#[test]
fn signal_all_reaches_everyone_and_a_shared_group_works_alike() {
    let options = Options { process_group: ProcessGroup::Shared, ..Options::default() };
    let script = "trap 'echo hup' HUP; trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done";
    let (supervisor, events) = Supervisor::start(vec![sh("a", script), sh("b", script)], options).unwrap();
    let mut count = 0;
    wait_for(&events, "both up", |e| {
        count += usize::from(matches!(e, Event::Line { text, .. } if text == "up"));
        (count == 2).then_some(())
    });
    supervisor.signal_all(Signal::SIGHUP);
    wait_for(&events, "both heard", |e| {
        count += usize::from(matches!(e, Event::Line { text, .. } if text == "hup"));
        (count == 4).then_some(())
    });
    supervisor.shutdown(Vec::new());
    let expected = ["a", "b"].map(|n| (n.to_owned(), ExitStatus::Code(5)));
    assert_eq!(supervisor.wait().exits, expected);
}
