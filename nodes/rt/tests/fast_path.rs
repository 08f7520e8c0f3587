//! Two sessions over a unix socket, as two processes of one robot would hold them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failed test should stop where it failed

use sinew_rt::clock;
use sinew_rt::fast_path::{FastPath, FastPathConfig, OpenError, Sink, socket_path};
use sinew_rt::frame_queue::frame_queue;
use sinew_rt::slot::byte_slot;
use sinew_wire::WatchTime;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SCHEMA: u64 = 0x1234_5678_9abc_def0;

/// A directory of this test's own that nobody else may enter.
fn private_dir() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// Far beyond what anything here needs: reached only when something hangs.
fn patience() -> WatchTime {
    clock::deadline_in(Duration::from_secs(60))
}

fn open(run_dir: &Path, listen: &str, connect: &[&str], schema_hash: u64) -> FastPath {
    let config = FastPathConfig {
        listen: vec![socket_path(run_dir, listen)],
        connect: connect.iter().map(|name| socket_path(run_dir, name)).collect(),
        ..FastPathConfig::new("quad", schema_hash)
    };
    FastPath::open(config).unwrap()
}

/// Waits for what no event announces; ends in a panic only after `patience`.
fn until(mut done: impl FnMut() -> bool) {
    let deadline = patience();
    while !done() {
        assert!(clock::now() < deadline, "never happened");
        std::thread::yield_now();
    }
}

#[test]
fn frames_arrive_whole_and_in_order_both_ways() {
    let dir = private_dir();
    let bridge = open(dir.path(), "bridge", &[], SCHEMA);
    let control = open(dir.path(), "control", &["bridge"], SCHEMA);
    let (to_control, mut states) = frame_queue(64, 4096).unwrap();
    let (to_bridge, mut commands) = byte_slot(512);
    let _states = control.subscribe("act/main/state", Sink::Queue(to_control)).unwrap();
    let _commands = bridge.subscribe("act/main/cmd", Sink::Latest(to_bridge)).unwrap();
    let mut state = bridge.publisher("act/main/state", 16, 4096).unwrap();
    let mut command = control.publisher("act/main/cmd", 16, 512).unwrap();
    bridge.announce("bridge").unwrap();
    control.announce("control").unwrap();
    bridge.wait_for_peers(&["control"], patience()).unwrap();
    control.wait_for_peers(&["bridge"], patience()).unwrap();
    assert!(state.wait_matched(patience()) && command.wait_matched(patience()));

    for n in 0..500_u32 {
        let mut frame = vec![n as u8; 4 + (n as usize * 37) % 4092];
        frame[..4].copy_from_slice(&n.to_le_bytes());
        state.publish(&frame).unwrap();
        assert_eq!(states.recv(Some(patience())).unwrap(), frame);
        command.publish(&n.to_le_bytes()).unwrap();
        until(|| commands.read().is_some_and(|latest| latest.value[..] == n.to_le_bytes()));
    }
    // The last one may arrive before the publisher thread has counted it.
    until(|| state.counters().put == 500);
    assert_eq!((state.counters().dropped, states.counters().dropped()), (0, 0));
}

#[test]
fn a_reader_that_never_drains_holds_nobody_up() {
    let dir = private_dir();
    let bridge = open(dir.path(), "bridge", &[], SCHEMA);
    let lazy = open(dir.path(), "lazy", &["bridge"], SCHEMA);
    let diligent = open(dir.path(), "diligent", &["bridge"], SCHEMA);
    let (to_lazy, never_read) = frame_queue(2, 64).unwrap();
    let (to_diligent, mut queue) = frame_queue(8, 64).unwrap();
    let lazy_subscription = lazy.subscribe("act/main/state", Sink::Queue(to_lazy)).unwrap();
    let _diligent = diligent.subscribe("act/main/state", Sink::Queue(to_diligent)).unwrap();
    let mut state = bridge.publisher("act/main/state", 8, 64).unwrap();
    lazy.announce("lazy").unwrap();
    diligent.announce("diligent").unwrap();
    bridge.wait_for_peers(&["lazy", "diligent"], patience()).unwrap();
    // Both ways known: each subscriber has seen at least one frame before the count starts.
    until(|| {
        state.publish(b"hello").unwrap();
        queue.recv(Some(clock::deadline_in(Duration::from_millis(20)))).is_some()
            && lazy_subscription.received() > 0
    });
    for n in 0..2_000_u32 {
        state.publish(&n.to_le_bytes()).unwrap();
        until(|| queue.recv(Some(patience())).unwrap() == n.to_le_bytes());
    }
    // Its link may lose what it cannot carry in time, so nothing is said about how much it got, only that its
    // queue took what fits, counted the rest, and held up nobody.
    until(|| {
        state.publish(b"more").unwrap();
        queue.recv(Some(patience())).is_some() && never_read.counters().dropped() > 100
    });
    assert!((1..=2 * 66 / 6).contains(&never_read.counters().pushed()));
}

#[test]
fn another_schema_is_refused_by_name_and_a_missing_peer_is_named() {
    let dir = private_dir();
    let control = open(dir.path(), "control", &[], SCHEMA);
    let old = open(dir.path(), "policy", &["control"], SCHEMA + 1);
    old.announce("policy").unwrap();
    let refused = control.wait_for_peers(&["policy"], patience()).unwrap_err();
    assert_eq!(
        refused.refused.iter().map(|p| (p.name.as_str(), p.schema_hash)).collect::<Vec<_>>(),
        [("policy", SCHEMA + 1)]
    );
    assert!(!control.presence().is_present("policy"));

    let missing =
        control.wait_for_peers(&["bridge"], clock::deadline_in(Duration::from_millis(20))).unwrap_err();
    assert_eq!(missing.missing, ["bridge"]);
    assert!(missing.to_string().contains("bridge"), "{missing}");

    // The right one beside the wrong one is enough; when it goes, it is missed again.
    let new = open(dir.path(), "policy2", &["control"], SCHEMA);
    new.announce("policy").unwrap();
    let presence = control.presence();
    until(|| presence.is_present("policy"));
    control.wait_for_peers(&["policy"], patience()).unwrap();
    assert_eq!(control.peers().len(), 2);
    new.withdraw();
    until(|| !presence.is_present("policy"));
    old.withdraw();
    assert!(presence.wait_gone("policy", patience()));
    assert!(control.peers().is_empty());
}

#[test]
fn a_session_that_closes_disappears_and_its_successor_takes_the_socket() {
    let dir = private_dir();
    let control = open(dir.path(), "control", &["bridge"], SCHEMA);
    for _ in 0..2 {
        let bridge = open(dir.path(), "bridge", &[], SCHEMA);
        bridge.announce("bridge").unwrap();
        control.wait_for_peers(&["bridge"], patience()).unwrap();
        assert_eq!(control.peers()[0].instance, bridge.instance());
        drop(bridge);
        assert!(control.presence().wait_gone("bridge", patience()));
    }
}

#[test]
fn a_socket_in_use_is_refused() {
    let dir = private_dir();
    let _first = open(dir.path(), "bridge", &[], SCHEMA);
    let config = FastPathConfig {
        listen: vec![socket_path(dir.path(), "bridge")],
        ..FastPathConfig::new("quad", SCHEMA)
    };
    let refused = FastPath::open(config);
    assert!(matches!(refused, Err(OpenError::Session { .. })), "{refused:?}");
}

#[test]
fn two_robots_do_not_hear_each_other_even_on_one_socket() {
    let dir = private_dir();
    let a = open(dir.path(), "a", &[], SCHEMA);
    let config = FastPathConfig {
        connect: vec![socket_path(dir.path(), "a")],
        ..FastPathConfig::new("other", SCHEMA)
    };
    let b = FastPath::open(config).unwrap();
    let c = open(dir.path(), "c", &["a"], SCHEMA);
    let (sink, mut queue) = frame_queue(8, 16).unwrap();
    let _subscription = a.subscribe("cmd", Sink::Queue(sink)).unwrap();
    let (mut from_b, mut from_c) = (b.publisher("cmd", 4, 16).unwrap(), c.publisher("cmd", 4, 16).unwrap());
    b.announce("b").unwrap();
    c.announce("c").unwrap();
    a.wait_for_peers(&["c"], patience()).unwrap();
    assert!(from_c.wait_matched(patience()));
    from_b.publish(b"foreign").unwrap();
    until(|| from_b.counters().put == 1);
    from_c.publish(b"own").unwrap();
    assert_eq!(queue.recv(Some(patience())), Some(&b"own"[..]));
    assert!(!from_b.is_matched());
    assert_eq!(a.peers().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["c"]);
}
