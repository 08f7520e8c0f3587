//! A subscriber process that is stopped by a signal must not hold up the publisher or its other subscribers,
//! must be served again when it goes on, and must be missed when it is killed.
#![allow(clippy::unwrap_used)] // a failed test should stop where it failed

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sinew_rt::clock;
use sinew_rt::fast_path::{FastPath, FastPathConfig, Sink, socket_path};
use sinew_rt::frame_queue::frame_queue;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const RUN_DIR: &str = "SINEW_RT_TEST_RUN_DIR";

/// A directory of this test's own that nobody else may enter.
fn private_dir() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn patience() -> sinew_wire::WatchTime {
    clock::deadline_in(Duration::from_secs(60))
}

fn subscriber(run_dir: &Path) -> FastPath {
    let config =
        FastPathConfig { connect: vec![socket_path(run_dir, "bridge")], ..FastPathConfig::new("quad", 1) };
    FastPath::open(config).unwrap()
}

/// Not a test of its own: the other process. Prints the number in every frame until it is killed, or its input ends.
#[test]
fn child_process() {
    let Some(run_dir) = std::env::var_os(RUN_DIR).map(PathBuf::from) else { return };
    let session = subscriber(&run_dir);
    let (sink, mut queue) = frame_queue(4096, 1024).unwrap();
    let _subscription = session.subscribe("state", Sink::Queue(sink)).unwrap();
    session.announce("child").unwrap();
    let printer = std::thread::spawn(move || {
        while let Some(frame) = queue.recv(None) {
            let n = frame.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            let mut out = std::io::stdout().lock();
            writeln!(out, "got {n}").unwrap();
            out.flush().unwrap();
        }
    });
    std::io::stdin().lines().for_each(drop);
    drop((_subscription, session));
    printer.join().unwrap();
}

#[test]
fn a_stopped_subscriber_blocks_neither_the_publisher_nor_the_others() {
    const STOPPED: u32 = 3_000;
    let dir = private_dir();
    let config =
        FastPathConfig { listen: vec![socket_path(dir.path(), "bridge")], ..FastPathConfig::new("quad", 1) };
    let bridge = FastPath::open(config).unwrap();
    let mut publisher = bridge.publisher("state", 64, 1024).unwrap();
    let healthy = subscriber(dir.path());
    let (sink, mut queue) = frame_queue(64, 1024).unwrap();
    let _subscription = healthy.subscribe("state", Sink::Queue(sink)).unwrap();
    healthy.announce("healthy").unwrap();

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture", "--test-threads=1"])
        .env(RUN_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    let printed = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (seen, numbers) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        // The harness writes its own words before the first one.
        let of = |line: String| line.rsplit_once("got ").and_then(|(_, n)| n.parse::<u32>().ok());
        printed.filter_map(of).for_each(|n| seen.send(n).unwrap_or(()));
    });
    bridge.wait_for_peers(&["child", "healthy"], patience()).unwrap();

    let frame = |n: u32| {
        let mut frame = [0_u8; 1024];
        *frame.first_chunk_mut().unwrap() = n.to_le_bytes();
        frame
    };
    let child_has = |wanted: u32| numbers.try_iter().any(|n| n >= wanted);
    assert!(publisher.wait_matched(patience()));
    // Number 0 is repeated until both have one: from there on every link is known to carry.
    let deadline = patience();
    let mut greeted = (false, false);
    while greeted != (true, true) {
        assert!(clock::now() < deadline, "greeting: healthy, child = {greeted:?}");
        publisher.publish(&frame(0)).unwrap();
        greeted.0 |= queue.recv(Some(clock::deadline_in(Duration::from_millis(20)))).is_some();
        greeted.1 |= child_has(0);
    }

    kill(pid, Signal::SIGSTOP).unwrap();
    assert_eq!(waitpid(pid, Some(WaitPidFlag::WUNTRACED)), Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)));
    for n in 1..=STOPPED {
        publisher.publish(&frame(n)).unwrap();
        loop {
            let got = queue.recv(Some(patience())).unwrap();
            if got.first_chunk() == Some(&n.to_le_bytes()) {
                break;
            }
        }
    }
    let counters = publisher.counters();
    println!("longest put beside a stopped process: {} us", counters.longest_put_ns / 1_000);
    assert_eq!((counters.dropped, counters.put_failed), (0, 0));

    // It answers no keep-alive, so its announcement goes with its link.
    assert!(bridge.presence().wait_gone("child", patience()));

    kill(pid, Signal::SIGCONT).unwrap();
    bridge.wait_for_peers(&["child"], patience()).unwrap();
    // Fresh frames reach it again, over a new link, without either side opening anything.
    let deadline = patience();
    let mut n = STOPPED;
    while !child_has(STOPPED + 1) {
        assert!(clock::now() < deadline, "nothing fresh reached the resumed process");
        n += 1;
        publisher.publish(&frame(n)).unwrap();
        let _healthy = queue.recv(Some(clock::deadline_in(Duration::from_millis(20))));
    }

    child.kill().unwrap();
    assert!(bridge.presence().wait_gone("child", patience()));
    assert!(!child.wait().unwrap().success());
    reader.join().unwrap();
}
