//! The raw peers: the same two sizes of message back and forth, with nothing in between.
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sinew_ports::RunDir;
use sinew_rt::clock;
use sinew_rt::histogram::Histogram;
use sinew_rt::thread::{Mode, ThreadConfig, adopt, priority};
use sinew_rt::ticker::Ticker;
use sinew_wire::{ActuatorCommand, ActuatorState, JointCommand, JointState};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use zenoh::Wait;
use zenoh::qos::{CongestionControl, Priority};

use crate::cli::{Echo, Transport};
use crate::shells::bridge::micros;
use crate::shells::keys;

/// A ping that is not answered within this time is lost.
const LOST_AFTER: Duration = Duration::from_millis(500);
/// Cycles before measuring.
const WARM: u64 = 200;
/// Joints of the robot whose messages are imitated.
const JOINTS: usize = 12;

/// Bytes of a state and of a command of that robot.
fn sizes() -> (usize, usize) {
    let mut state = ActuatorState::default();
    let mut command = ActuatorCommand::default();
    for _ in 0..JOINTS {
        state.joints.push(JointState::default());
        command.joints.push(JointCommand::default());
    }
    (state.encoded_len(), command.encoded_len())
}

/// The half that answers; ends with its parent.
///
/// # Errors
/// When it cannot meet the other half.
pub fn echo(args: &Echo) -> Result<ExitCode> {
    let (_, reply) = sizes();
    let dir = RunDir::open(&args.run_dir)?;
    match args.transport {
        Transport::Datagram => {
            real_time("echo", priority::CONTROL_LOOP, args.core)?;
            let socket = bind(&dir.path().join("echo.sock"))?;
            let mut buffer = [0; 4096];
            loop {
                socket.recv_from(&mut buffer)?;
                socket.send_to(buffer.get(..reply).unwrap_or_default(), dir.path().join("ping.sock"))?;
            }
        }
        Transport::Zenoh => {
            let session = keys::open("bench", dir.path(), None, &["ping"], Some(args.core))?;
            let (mut pings, _subscriptions) = keys::hear(&session, &["raw/ping"])?;
            let pong = publisher(&session, "raw/pong")?;
            session.announce("echo")?;
            real_time("echo", priority::CONTROL_LOOP, args.core)?;
            let bytes = vec![0u8; reply];
            loop {
                if pings.recv(None).is_some() {
                    pong.put(bytes.as_slice()).wait().map_err(|e| anyhow::anyhow!("{e}"))?;
                }
            }
        }
    }
}

/// One round: `cycles` pings at the bus rate.
pub fn round(dir: &RunDir, transport: Transport, cycles: u64, core: usize) -> Result<Value> {
    let (size, _) = sizes();
    let config = ThreadConfig::real_time("ping", priority::BRIDGE_BUS, Some(core), Mode::Soft);
    let path = dir.path().to_owned();
    let body = move |_: &sinew_rt::report::RtReport| match transport {
        Transport::Datagram => datagram(&path, size, cycles, core),
        Transport::Zenoh => zenoh(&path, size, cycles, core),
    };
    sinew_rt::thread::spawn(&config, body)?.join().context("ping thread")?
}

fn datagram(dir: &Path, size: usize, cycles: u64, core: usize) -> Result<Value> {
    let socket = bind(&dir.join("ping.sock"))?;
    socket.set_read_timeout(Some(LOST_AFTER))?;
    let _echo = Answerer::start(Transport::Datagram, dir, core)?;
    let to = dir.join("echo.sock");
    let deadline = clock::deadline_in(Duration::from_secs(10));
    let message = vec![0u8; size];
    while socket.send_to(&message, &to).is_err() {
        anyhow::ensure!(!clock::remaining(deadline).is_zero(), "the answering half did not start");
        clock::sleep_until(clock::deadline_in(Duration::from_millis(5)));
    }
    let mut buffer = [0; 4096];
    socket.recv(&mut buffer)?;
    measure(cycles, || {
        socket.send_to(&message, &to)?;
        socket.recv(&mut buffer)?;
        Ok(())
    })
}

fn zenoh(dir: &Path, size: usize, cycles: u64, core: usize) -> Result<Value> {
    let session = keys::open("bench", dir, Some("ping"), &[], Some(Some(core)))?;
    let (mut pongs, _subscriptions) = keys::hear(&session, &["raw/pong"])?;
    let ping = publisher(&session, "raw/ping")?;
    let _echo = Answerer::start(Transport::Zenoh, dir, core)?;
    session.wait_for_peers(&["echo"], clock::deadline_in(Duration::from_secs(10)))?;
    let message = vec![0u8; size];
    measure(cycles, || {
        ping.put(message.as_slice()).wait().map_err(|e| anyhow::anyhow!("{e}"))?;
        if pongs.recv(Some(clock::deadline_in(LOST_AFTER))).is_none() {
            bail!("a raw ping was lost");
        }
        Ok(())
    })
}

fn measure(cycles: u64, mut once: impl FnMut() -> Result<()>) -> Result<Value> {
    let mut histogram = Histogram::new();
    let mut ticker = Ticker::new(clock::now(), 1_000_000_000 / super::RATE_HZ);
    for cycle in 0..WARM + cycles {
        ticker.wait();
        let began = clock::now();
        once()?;
        if cycle >= WARM {
            histogram.record(clock::now().since_ns(began));
        }
    }
    Ok(micros(&histogram))
}

fn publisher<'a>(
    session: &'a sinew_rt::fast_path::FastPath,
    key: &str,
) -> Result<zenoh::pubsub::Publisher<'a>> {
    session
        .session()
        .declare_publisher(format!("bench/{key}"))
        .congestion_control(CongestionControl::Drop)
        .priority(Priority::RealTime)
        .express(true)
        .wait()
        .map_err(|e| anyhow::anyhow!("publisher {key}: {e}"))
}

fn bind(path: &Path) -> Result<UnixDatagram> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| path.display().to_string())?;
    }
    UnixDatagram::bind(path).with_context(|| path.display().to_string())
}

fn real_time(name: &str, priority: u8, core: Option<usize>) -> Result<()> {
    adopt(&ThreadConfig::real_time(name, priority, core, Mode::Soft))?;
    Ok(())
}

/// The other process; killed when dropped.
struct Answerer(Child);

impl Answerer {
    fn start(transport: Transport, dir: &Path, core: usize) -> Result<Self> {
        let exe = std::env::current_exe().context("own executable")?;
        let name = if transport == Transport::Zenoh { "zenoh" } else { "datagram" };
        let mut command = Command::new(exe);
        command.args(["echo", name]).arg(dir).args(["--core", &core.to_string()]).stdin(Stdio::null());
        Ok(Self(command.spawn().context("answering half")?))
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        // Gone already is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
