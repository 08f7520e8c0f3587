//! Nothing outlives the supervisor, however it goes. "Everything that held this pipe is gone" is what
//! its reader sees as its end, and needs no process number.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use sinew_runner::{ChildOutput, Event, Options, Signal, Supervisor};

use crate::{HANG, sh, start, wait_exit, wait_for, wait_line};

/// Set in the copy of this test program that plays the supervisor.
const ROLE: &str = "SINEW_RUNNER_TEST_SUPERVISES";

/// Starts this test program again as a supervisor of one child that holds its standard error.
fn supervising_copy(role: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut copy = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "death::plays_the_supervisor", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(copy.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("child is up") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the copy ended early");
    }
    (copy, stderr)
}

/// Not a test by itself: the copy's part.
#[test]
fn plays_the_supervisor() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut child = sh("a", "trap '' TERM INT HUP; echo child is up >&2; while :; do sleep 0.01; done");
    child.output = ChildOutput::Inherited;
    let options = match role.as_str() {
        "sigterm" => {
            child = sh(
                "a",
                "trap 'echo lay down >&2; exit 0' TERM; echo child is up >&2; while :; do sleep 0.01; done",
            );
            child.output = ChildOutput::Inherited;
            Options { parent_death: Signal::SIGTERM, ..Options::default() }
        }
        _ => Options::default(),
    };
    let (_supervisor, _events) = Supervisor::start(vec![child], options).unwrap();
    // Until it is killed, or the tests end.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Reads until nobody holds the pipe any more.
fn read_to_the_end(mut pipe: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        sender.send(text).unwrap();
    });
    receiver.recv_timeout(HANG).expect("somebody still holds the pipe")
}

#[test]
fn children_die_when_the_supervisor_is_killed_9() {
    let (mut copy, stderr) = supervising_copy("sigkill");
    copy.kill().unwrap();
    copy.wait().unwrap();
    read_to_the_end(stderr);
}

#[test]
fn children_may_be_asked_to_end_in_good_order_instead() {
    let (mut copy, stderr) = supervising_copy("sigterm");
    copy.kill().unwrap();
    copy.wait().unwrap();
    assert!(read_to_the_end(stderr).contains("lay down"));
}

#[test]
fn dropping_the_supervisor_kills_and_reaps() {
    let (supervisor, mut events) =
        start(vec![sh("a", "trap '' TERM; echo up; while :; do sleep 0.01; done")]);
    wait_line(&events, "a", "up");
    drop(supervisor);
    assert!(events.any(|e| matches!(e, Event::Exited { .. })));
}

#[test]
fn what_a_child_leaves_behind_is_killed_with_it() {
    // The grandchild holds the write end of this pipe.
    let (reader, writer) = std::io::pipe().unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
    let script = format!("sleep 1000 >/proc/{}/fd/{fd} & echo up; read never; exit 0", std::process::id());
    let (_supervisor, events) = start(vec![sh("a", &script)]);
    wait_line(&events, "a", "up");
    wait_exit(&events, "a");
    drop(writer);
    read_to_the_end(reader);
}

#[test]
fn a_blocked_signal_of_the_supervisor_is_not_blocked_in_its_children() {
    // In a thread of its own, as a signal mask belongs to a thread and is inherited.
    let child = std::thread::spawn(|| {
        let signals = sinew_runner::StopSignals::take().unwrap();
        let (supervisor, events) = start(vec![sh("a", "echo up; exec sleep 1000")]);
        wait_line(&events, "a", "up");
        supervisor.signal("a", Signal::SIGTERM).unwrap();
        let status = wait_exit(&events, "a");
        assert!(signals.next(std::time::Duration::ZERO).unwrap().is_none());
        status.to_string()
    });
    assert_eq!(child.join().unwrap(), "SIGTERM");
}

#[test]
fn a_request_to_stop_is_read() {
    // raise() reaches the calling thread only, so that no other test hears it.
    let heard = std::thread::spawn(|| {
        let signals = sinew_runner::StopSignals::take().unwrap();
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        signals.next(HANG).unwrap()
    });
    let heard = heard.join().unwrap().expect("a signal");
    assert_eq!((heard.signal, heard.from_terminal), (Signal::SIGTERM, false));
}

#[test]
fn a_supervisor_of_nobody_ends_when_asked() {
    let (supervisor, events) = start(Vec::new());
    supervisor.shutdown(Vec::new());
    wait_for(&events, "end", |e| (*e == Event::AllEnded).then_some(()));
    assert_eq!(supervisor.wait(), sinew_runner::ShutdownReport::default());
}
