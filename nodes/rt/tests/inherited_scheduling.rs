//! Zenoh's threads run under the scheduling that was asked for, where the machine grants it. In a binary of its
//! own: the threads are made once per process.
#![allow(clippy::unwrap_used)] // a failed test should stop where it failed

use sinew_rt::clock;
use sinew_rt::fast_path::{FastPath, FastPathConfig, socket_path};
use sinew_rt::thread::priority;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn zenoh_threads_inherit_what_the_opening_thread_got() {
    let dir = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap();
    let base = FastPathConfig { real_time: true, ..FastPathConfig::new("quad", 1) };
    let socket = vec![socket_path(dir.path(), "bridge")];
    let bridge = FastPath::open(FastPathConfig { listen: socket.clone(), ..base.clone() }).unwrap();
    let control = FastPath::open(FastPathConfig { connect: socket, ..base }).unwrap();
    control.announce("control").unwrap();
    bridge.wait_for_peers(&["control"], clock::deadline_in(Duration::from_secs(60))).unwrap();
    println!("{}", bridge.report);
    let granted = bridge.report.complete().then_some(priority::ZENOH);
    let workers = bridge.workers();
    assert!(workers.iter().any(|w| w.name.starts_with("rx-")), "{workers:?}");
    assert!(workers.iter().all(|w| w.fifo == granted), "granted {granted:?}: {workers:?}");
}
