//! The meeting point of ROS 2 over Zenoh: without a router on the ROS port nobody finds anybody new.
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use zenoh::Wait;

/// How long a router on this machine may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(2);

/// What was found or done; worth a line in the log, never a reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterReport {
    /// One was there already.
    Found { port: u16 },
    /// This process is it now, on the loopback interface.
    Started { port: u16 },
    /// Something listens there that does not speak Zenoh.
    Occupied { port: u16 },
    /// The robot runs, but ROS tools will not find it.
    Failed { port: u16, reason: String },
}

impl RouterReport {
    /// True when ROS tools of this machine can find the robot.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        matches!(self, Self::Found { .. } | Self::Started { .. })
    }
}

impl std::fmt::Display for RouterReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found { port } => write!(f, "Zenoh router found on port {port}"),
            Self::Started { port } => write!(f, "Zenoh router started on 127.0.0.1:{port}"),
            Self::Occupied { port } => write!(
                f,
                "port {port} is held by a program that does not speak Zenoh: ROS tools will not find this robot; \
                 stop that program or choose another port"
            ),
            Self::Failed { port, reason } => {
                write!(f, "no Zenoh router on port {port}: ROS tools will not find this robot: {reason}")
            }
        }
    }
}

/// Keeps the router alive, if this process is it.
#[derive(Debug)]
pub struct RouterHandle {
    report: RouterReport,
    _session: Option<zenoh::Session>,
}

impl RouterHandle {
    /// What was found or done.
    #[must_use]
    pub fn report(&self) -> &RouterReport {
        &self.report
    }
}

/// Sees whether a router answers on `port` of this machine, and becomes it if not. The router listens on the
/// loopback interface only and lives as long as the handle. Call it from an ordinary thread.
#[must_use]
pub fn ensure_router(port: u16) -> RouterHandle {
    if let Some(report) = probe(port) {
        return RouterHandle { report, _session: None };
    }
    match start(port) {
        Ok(session) => RouterHandle { report: RouterReport::Started { port }, _session: Some(session) },
        // Two that start at the same moment: the other one has the port now.
        Err(error) => {
            let failed = || RouterReport::Failed { port, reason: error.to_string() };
            RouterHandle { report: probe(port).unwrap_or_else(failed), _session: None }
        }
    }
}

/// `None` when nothing listens.
fn probe(port: u16) -> Option<RouterReport> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, ANSWER).ok()?;
    Some(if speaks_zenoh(port) { RouterReport::Found { port } } else { RouterReport::Occupied { port } })
}

fn speaks_zenoh(port: u16) -> bool {
    let connect = format!("[\"tcp/127.0.0.1:{port}\"]");
    let timeout = ANSWER.as_millis().to_string();
    let settings = [
        ("mode", "\"client\""),
        ("connect/endpoints", connect.as_str()),
        ("connect/timeout_ms", timeout.as_str()),
        ("connect/exit_on_failure", "true"),
        ("scouting/multicast/enabled", "false"),
        ("adminspace/enabled", "false"),
        ("transport/unicast/open_timeout", timeout.as_str()),
    ];
    match configured(&settings).and_then(|config| zenoh::open(config).wait()) {
        Ok(session) => {
            let known = session.info().routers_zid().wait().next().is_some();
            if let Err(error) = session.close().wait() {
                tracing::debug!(%error, "closing the probe");
            }
            known
        }
        Err(_) => false,
    }
}

fn start(port: u16) -> Result<zenoh::Session, zenoh::Error> {
    let listen = format!("[\"tcp/127.0.0.1:{port}\"]");
    let settings = [
        ("mode", "\"router\""),
        ("listen/endpoints", listen.as_str()),
        ("listen/exit_on_failure", "true"),
        ("listen/timeout_ms", "0"),
        ("connect/endpoints", "[]"),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "true"),
        ("timestamping/enabled", "true"),
        ("adminspace/enabled", "false"),
    ];
    zenoh::open(configured(&settings)?).wait()
}

fn configured(settings: &[(&str, &str)]) -> Result<zenoh::Config, zenoh::Error> {
    let mut config = zenoh::Config::default();
    for (key, value) in settings {
        config.insert_json5(key, value)?;
    }
    Ok(config)
}
