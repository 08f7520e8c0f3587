//! Two ends of a virtual bus, as the bridge and the twin hold them.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed test should stop where it failed

use sinew_bus::CanFrame;
use sinew_ports::{BusMessage, Delivery, Kind, OpenError, RunDirError, VirtualBusPort};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// A directory of this test's own that nobody else may enter.
fn private_dir() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn bus(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("bus")
}

fn message(kind: Kind, step: u64, seq: u32) -> BusMessage {
    let mut message = BusMessage::new();
    message.restart(kind, step, 7, seq);
    message
}

#[test]
fn a_thousand_steps_in_lockstep_carry_every_frame() {
    const STEPS: u64 = 1_000;
    let dir = private_dir();
    let mut twin = VirtualBusPort::device(&bus(&dir)).unwrap();
    let mut bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    let bridge = std::thread::spawn(move || {
        let mut out = BusMessage::new();
        let mut seq = 0;
        out.restart(Kind::Ready, 0, 1, seq);
        assert_eq!(bridge.send(&out), Delivery::Sent);
        for n in 0..STEPS {
            assert_eq!(bridge.recv(None).unwrap().kind, Kind::Tick { mask: 0b11 });
            seq += 1;
            out.restart(Kind::Frames, n, 1, seq);
            for bus in 0..3 {
                (1..5).for_each(|id| out.push(bus, 0, CanFrame::standard_8(id, n.to_le_bytes())).unwrap());
            }
            bridge.send(&out);
            let replies = bridge.recv(None).unwrap();
            assert_eq!((replies.kind, replies.step), (Kind::Replies, n));
            for bus in 0..3 {
                let stamps = replies.on_bus(bus).map(|frame| frame.at_ns).collect::<Vec<_>>();
                assert_eq!(stamps, [100, 200, 300, 400]);
            }
            seq += 1;
            out.restart(Kind::Done, n, 1, seq);
            bridge.send(&out);
        }
        bridge.counters()
    });
    assert_eq!(twin.recv(None).unwrap().kind, Kind::Ready);
    let mut out = BusMessage::new();
    for n in 0..STEPS {
        out.restart(Kind::Tick { mask: 0b11 }, n, 2, n as u32 * 2);
        twin.send(&out);
        out.restart(Kind::Replies, n, 2, n as u32 * 2 + 1);
        let frames = twin.recv(None).unwrap();
        assert_eq!((frames.kind, frames.step, frames.frames().len()), (Kind::Frames, n, 12));
        for entry in frames.frames() {
            assert_eq!(entry.frame.payload(), n.to_le_bytes());
            let nth = out.on_bus(entry.bus).count() as u64 + 1;
            out.push(entry.bus, nth * 100, entry.frame).unwrap();
        }
        twin.send(&out);
        assert_eq!(twin.recv(None).unwrap().kind, Kind::Done);
    }
    let counters = bridge.join().unwrap();
    assert_eq!((counters.dropped, counters.malformed, counters.foreign), (0, 0, 0));
    assert_eq!((counters.sent, counters.received), (1 + 2 * STEPS, 2 * STEPS));
}

#[test]
fn a_silent_bus_gives_nothing_at_the_deadline() {
    let dir = private_dir();
    let mut bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    assert_eq!(bridge.recv(Some(0)), None);
    assert_eq!(bridge.send(&message(Kind::Ready, 0, 1)), Delivery::NoPeer);
    assert_eq!(bridge.counters().dropped, 1);
}

#[test]
fn a_reader_that_stopped_costs_drops_and_never_a_wait() {
    let dir = private_dir();
    let mut twin = VirtualBusPort::device(&bus(&dir)).unwrap();
    let mut bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    let mut sent = 0_u64;
    while bridge.send(&message(Kind::Frames, sent, sent as u32)) == Delivery::Sent {
        sent += 1;
    }
    let counters = bridge.counters();
    assert_eq!((counters.sent, counters.dropped), (sent, 1));
    assert_eq!(twin.recv(Some(0)).unwrap().step, 0);
    assert_eq!(twin.drain(), sent - 1);
    assert_eq!(bridge.resend(), Delivery::Sent);
    assert_eq!(twin.recv(Some(0)).unwrap(), &message(Kind::Frames, sent, sent as u32));
}

#[test]
fn an_end_that_came_back_starts_empty_and_the_other_need_not_reopen() {
    let dir = private_dir();
    let mut twin = VirtualBusPort::device(&bus(&dir)).unwrap();
    let bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    assert_eq!(twin.send(&message(Kind::Tick { mask: 1 }, 5, 1)), Delivery::Sent);
    drop(bridge);
    assert_eq!(twin.send(&message(Kind::Tick { mask: 1 }, 6, 2)), Delivery::NoPeer);
    let mut bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    assert_eq!(bridge.recv(Some(0)), None);
    assert_eq!(twin.resend(), Delivery::Sent);
    assert_eq!(bridge.recv(Some(0)).unwrap().step, 6);
}

#[test]
fn an_end_in_use_is_refused_and_one_left_behind_by_a_kill_is_taken_over() {
    let dir = private_dir();
    let first = VirtualBusPort::host(&bus(&dir)).unwrap();
    assert!(matches!(VirtualBusPort::host(&bus(&dir)), Err(OpenError::InUse { .. })));
    drop(first);
    // What a killed process leaves: both files, no lock.
    drop(UnixDatagram::bind(dir.path().join("bus.host")).unwrap());
    std::fs::write(dir.path().join("bus.host.lock"), "").unwrap();
    VirtualBusPort::host(&bus(&dir)).unwrap();
}

#[test]
fn strangers_and_garbage_are_counted_and_skipped() {
    let dir = private_dir();
    let mut bridge = VirtualBusPort::host(&bus(&dir)).unwrap();
    let to = dir.path().join("bus.host");
    let stranger = UnixDatagram::unbound().unwrap();
    stranger.send_to(b"hello", &to).unwrap();
    let device = UnixDatagram::bind(dir.path().canonicalize().unwrap().join("bus.device")).unwrap();
    device.send_to(b"not a message", &to).unwrap();
    device.send_to(&vec![0; 100_000], &to).unwrap();
    device.send_to(b"", &to).unwrap();
    assert_eq!(bridge.recv(Some(0)), None);
    let counters = bridge.counters();
    assert_eq!((counters.foreign, counters.malformed, counters.received), (1, 3, 0));
}

#[test]
fn a_directory_others_may_enter_and_a_path_too_long_are_refused() {
    let dir = private_dir();
    let long = dir.path().join("x".repeat(110));
    assert!(matches!(VirtualBusPort::host(&long), Err(OpenError::PathLength { .. })));
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let Err(OpenError::RunDir(RunDirError::Unsafe { found, .. })) = VirtualBusPort::host(&bus(&dir)) else {
        panic!("an open directory was accepted");
    };
    assert_eq!(found, "mode 755");
}
