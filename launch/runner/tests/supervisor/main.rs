//! Real children under a real supervisor. Every wait is for an event; the deadlines only end a hang.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed unwrap is a failed test

mod death;
mod shutdown;

use std::time::{Duration, Instant};

use sinew_runner::{
    ChildOutput, ChildSpec, ChildState, Confirmed, Event, Events, ExitStatus, Options, Respawn, Signal,
    SignalError, StartError, Stream, Supervisor,
};

/// Long enough for any loaded machine; reached only when something hangs.
const HANG: Duration = Duration::from_secs(60);

/// A captured child that runs a shell script.
fn sh(name: &str, script: &str) -> ChildSpec {
    ChildSpec::new(name, ["/bin/sh", "-c", script])
}

fn start(specs: Vec<ChildSpec>) -> (Supervisor, Events) {
    Supervisor::start(specs, Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The first event that `pick` accepts.
fn wait_for<T>(events: &Events, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < HANG {
        let Some(event) = events.next_within(HANG) else { break };
        if let Some(picked) = pick(&event) {
            return picked;
        }
    }
    panic!("no event: {what}");
}

fn wait_exit(events: &Events, child: &str) -> ExitStatus {
    wait_for(events, child, |e| match e {
        Event::Exited { name, status, .. } if &**name == child => Some(*status),
        _ => None,
    })
}

fn wait_line(events: &Events, child: &str, line: &str) {
    wait_for(events, line, |e| match e {
        Event::Line { name, text, .. } if &**name == child && text == line => Some(()),
        _ => None,
    });
}

const SIGKILLED: ExitStatus = ExitStatus::Signal { number: 9, core_dumped: false };

#[test]
fn an_end_is_told_with_its_code_after_all_lines() {
    let (supervisor, events) = start(vec![sh("a", "echo one; echo two >&2; printf three; exit 7")]);
    let mut lines = Vec::new();
    let status = wait_for(&events, "exit", |e| match e {
        Event::Line { stream, text, .. } => {
            lines.push((*stream, text.clone()));
            None
        }
        Event::Exited { status, run: 1, .. } => Some(*status),
        _ => None,
    });
    assert_eq!((status, status.to_string().as_str()), (ExitStatus::Code(7), "exit code 7"));
    let of = |wanted: Stream| -> Vec<String> {
        lines.iter().filter(|(stream, _)| *stream == wanted).map(|(_, text)| text.clone()).collect()
    };
    assert_eq!(
        (of(Stream::Stdout), of(Stream::Stderr)),
        (vec!["one".into(), "three".into()], vec!["two".to_owned()])
    );
    assert_eq!(supervisor.last_lines("a").len(), 3);
    assert_eq!(supervisor.state("a"), Some(ChildState::Ended { status }));
}

#[test]
fn a_child_gets_its_words_and_environment_and_an_empty_input() {
    let mut spec = ChildSpec::new("a", ["/bin/sh", "-c", "echo $1 $X; cat; echo end", "sh", "two words"]);
    spec.env.push(("X".into(), "y".into()));
    let (_supervisor, events) = start(vec![spec]);
    wait_line(&events, "a", "two words y");
    wait_line(&events, "a", "end");
}

#[test]
fn kill_9_is_confirmed_and_noticed() {
    let (supervisor, events) = start(vec![sh("a", "echo up; exec sleep 1000"), sh("b", "exec sleep 1000")]);
    wait_line(&events, "a", "up");
    let confirmed = supervisor.signal_confirmed("a", Signal::SIGKILL, HANG).unwrap();
    assert!(matches!(confirmed, Confirmed::Exited { .. }));
    assert_eq!(wait_exit(&events, "a"), SIGKILLED);
    assert_eq!(SIGKILLED.to_string(), "SIGKILL");
    assert!(matches!(supervisor.state("b"), Some(ChildState::Running { .. })));
    assert!(matches!(supervisor.signal("a", Signal::SIGTERM), Err(SignalError::NotRunning { .. })));
    assert!(matches!(supervisor.signal("c", Signal::SIGTERM), Err(SignalError::Unknown { .. })));
}

#[test]
fn a_stop_is_confirmed_by_the_kernel_and_so_is_the_return() {
    let (supervisor, events) =
        start(vec![sh("a", "trap 'echo alive' USR1; echo up; while :; do sleep 0.01; done")]);
    wait_line(&events, "a", "up");
    let Confirmed::Stopped { pid } = supervisor.signal_confirmed("a", Signal::SIGSTOP, HANG).unwrap() else {
        panic!("not stopped");
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let state = stat.rsplit(')').next().unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(state, "T", "the kernel shows a stopped process");
    // What is sent to a stopped process waits until it runs on.
    supervisor.signal("a", Signal::SIGUSR1).unwrap();
    let continued = supervisor.signal_confirmed("a", Signal::SIGCONT, HANG).unwrap();
    assert_eq!(continued, Confirmed::Continued { pid });
    wait_line(&events, "a", "alive");
    // And it can be stopped a second time.
    let again = supervisor.signal_confirmed("a", Signal::SIGSTOP, HANG).unwrap();
    assert_eq!(again, Confirmed::Stopped { pid });
}

#[test]
fn a_signal_without_effect_is_not_confirmed() {
    let (supervisor, events) = start(vec![sh("a", "trap '' TERM; echo up; while :; do sleep 0.01; done")]);
    wait_line(&events, "a", "up");
    let result = supervisor.signal_confirmed("a", Signal::SIGTERM, Duration::from_millis(50));
    assert!(matches!(result, Err(SignalError::Unconfirmed { .. })), "{result:?}");
}

#[test]
fn restarts_are_counted_and_end() {
    let mut spec = sh("a", "exit 0");
    spec.respawn = Some(Respawn { delay: Duration::from_millis(1), max_retries: Some(2) });
    let (supervisor, events) = start(vec![spec]);
    let mut seen = Vec::new();
    let runs = wait_for(&events, "given up", |e| match e {
        Event::Started { run, .. } => {
            seen.push(format!("run {run}"));
            None
        }
        Event::Restarting { retry, .. } => {
            seen.push(format!("retry {retry}"));
            None
        }
        Event::GaveUp { runs, .. } => Some(*runs),
        _ => None,
    });
    assert_eq!(runs, 3, "2 retries are 3 runs");
    assert_eq!(seen, ["run 1", "retry 1", "run 2", "retry 2", "run 3"]);
    assert_eq!(supervisor.state("a"), Some(ChildState::Ended { status: ExitStatus::Code(0) }));
}

#[test]
fn a_killed_child_comes_back_with_another_pid() {
    let mut spec = sh("a", "echo up; exec sleep 1000");
    spec.respawn = Some(Respawn { delay: Duration::ZERO, max_retries: None });
    let (supervisor, events) = start(vec![spec]);
    let started = |events: &Events| {
        wait_for(events, "start", |e| if let Event::Started { pid, .. } = e { Some(*pid) } else { None })
    };
    let first = started(&events);
    supervisor.signal_confirmed("a", Signal::SIGKILL, HANG).unwrap();
    let second = started(&events);
    assert_ne!(first, second);
}

#[test]
fn an_ended_child_is_started_again_on_request_only() {
    let (supervisor, events) = start(vec![sh("a", "echo up; exec sleep 1000")]);
    assert!(matches!(supervisor.start_again("a"), Err(SignalError::Running { .. })));
    assert!(matches!(supervisor.start_again("b"), Err(SignalError::Unknown { .. })));
    supervisor.signal_confirmed("a", Signal::SIGKILL, HANG).unwrap();
    let pid = supervisor.start_again("a").unwrap();
    assert_eq!(supervisor.state("a"), Some(ChildState::Running { pid }));
    wait_for(&events, "second run", |e| matches!(e, Event::Started { run: 2, .. }).then_some(()));
}

#[test]
fn what_cannot_start_is_said_and_nothing_is_left_running() {
    let specs = vec![sh("a", "exec sleep 1000"), ChildSpec::new("b", ["/no/such/program"])];
    let error = Supervisor::start(specs, Options::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot start `b` (/no/such/program): No such file or directory (os error 2)"
    );
    let twice = Supervisor::start(vec![sh("a", ":"), sh("a", ":")], Options::default()).err().unwrap();
    assert!(matches!(twice, StartError::DuplicateName { .. }));
    let empty = Supervisor::start(vec![ChildSpec::new("a", [""; 0])], Options::default()).err().unwrap();
    assert!(matches!(empty, StartError::EmptyCommand { .. }));
}

#[test]
fn a_chatterbox_is_bounded_and_its_last_lines_are_kept() {
    let (supervisor, events) =
        start(vec![sh("a", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")]);
    // Nobody reads the lines meanwhile; the end is told all the same.
    let (mut last, start) = (None, Instant::now());
    while last.is_none() && start.elapsed() < HANG {
        if let Some(ChildState::Ended { status }) = supervisor.state("a") {
            last = Some(status);
        }
        std::thread::yield_now();
    }
    assert_eq!(last, Some(ExitStatus::Code(0)));
    let lines = supervisor.last_lines("a");
    assert_eq!((lines.len(), lines.last().map(String::as_str)), (200, Some("19999")));
    assert_eq!(wait_exit(&events, "a"), ExitStatus::Code(0));
    supervisor.shutdown(Vec::new());
    assert!(supervisor.wait().events_lost > 0);
}

#[test]
fn inherited_output_passes_by() {
    let mut spec = sh("a", "exit 3");
    spec.output = ChildOutput::Inherited;
    let (supervisor, events) = start(vec![spec]);
    assert_eq!(wait_exit(&events, "a"), ExitStatus::Code(3));
    assert!(supervisor.last_lines("a").is_empty());
}
