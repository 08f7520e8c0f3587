//! The Zenoh fast path between the processes of one robot: one dedicated session, unix sockets only, fixed
//! settings.
//!
//! ```text
//!  loop ─▶ Publisher::publish ─ring─▶ publisher thread ─put─▶ Zenoh tx ═socket═ Zenoh rx ─▶ slot or queue ─▶ loop
//! ```
//! Peers do not forward for each other, so every pair that talks needs a link of its own. Each process that is
//! talked to listens on its own socket ([`socket_path`]); a newcomer connects to those that come before it:
//! `bridge` listens and connects to nobody, `control` listens and connects to `bridge`, everybody else (policy,
//! ros, operator, recorder) connects to `control`, and to `bridge` as well if it may press the e-stop. One
//! direction per pair: two links between the same two sessions are refused.
//!
//! Declare publishers and subscriptions first, [`FastPath::announce`] last: whoever sees the token then already
//! knows the subscriptions. [`FastPath::wait_for_peers`] before anything is armed: an open session proves
//! nothing about who answered.
mod config;
mod presence;
mod publisher;
mod subscription;
mod workers;

pub use config::{ConfigError, FastPathConfig, MAX_SOCKET_PATH, socket_path};
pub use presence::{AnnounceError, MissingPeers, Peer, Presence};
pub use publisher::{PublishError, Publisher, PublisherCounters};
pub use subscription::{Sink, SubscribeError, Subscription};
pub use workers::Worker;

use crate::report::RtReport;
use crate::thread::{self, SpawnError};
use sinew_wire::WatchTime;
use zenoh::Wait;

/// Longest message, bytes; as long as the longest a ring takes.
pub const MAX_MESSAGE: usize = crate::ring::MAX_MESSAGE;

/// Why a session did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Thread(#[from] SpawnError),
    /// Also when another process listens on the same socket.
    #[error("fast path of {robot}: {source}; is another process of this robot listening on {listen}?")]
    Session { robot: String, listen: String, source: zenoh::Error },
}

/// An open session. Dropping it withdraws everything declared through it.
#[derive(Debug)]
pub struct FastPath {
    session: zenoh::Session,
    robot: String,
    presence: Presence,
    config: FastPathConfig,
    /// What the session's worker threads inherited.
    pub report: RtReport,
}

impl FastPath {
    /// Opens the session from a thread that already has the scheduling its workers are to inherit. Listeners are
    /// bound when this returns; connections are made and made again in the background.
    ///
    /// # Errors
    /// [`OpenError`]: a name, path or directory that may not be used, a socket in use, or (strict) settings that
    /// did not take effect.
    pub fn open(config: FastPathConfig) -> Result<Self, OpenError> {
        let zenoh_config = config.to_zenoh()?;
        let failed = |source| OpenError::Session {
            robot: config.robot.clone(),
            listen: config
                .listen
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            source,
        };
        let opener = thread::spawn(&config.session_thread(), move |_| zenoh::open(zenoh_config).wait())?;
        let report = opener.report.clone();
        let opened = opener.join().ok_or(SpawnError::Died { name: "zenoh-open".into() })?;
        let session = opened.map_err(failed)?;
        let presence = Presence::watch(&session, &config.robot, config.schema_hash).map_err(failed)?;
        Ok(Self { session, robot: config.robot.clone(), presence, config, report })
    }

    /// A publisher on `{robot}/{key}`, with its own thread and a ring of `depth` messages of at most `max_len`
    /// bytes.
    ///
    /// # Errors
    /// [`PublishError`]: sizes, key, thread, or a closed session.
    pub fn publisher(&self, key: &str, depth: usize, max_len: usize) -> Result<Publisher, PublishError> {
        let key = self.full_key(key);
        Publisher::declare(&self.session, key, depth, max_len, &self.config.publisher_thread())
    }

    /// Sends everything that arrives on `{robot}/{key}` into `sink` until the subscription is dropped.
    ///
    /// # Errors
    /// [`SubscribeError`]: key, or a closed session.
    pub fn subscribe(&self, key: &str, sink: Sink) -> Result<Subscription, SubscribeError> {
        Subscription::declare(&self.session, self.full_key(key), sink)
    }

    /// Tells the other processes of this robot that `name` is ready, and which schema it speaks. Gone when the
    /// process is, at the latest one lease after it stopped answering.
    ///
    /// # Errors
    /// [`AnnounceError`]: a name that is no single key, or a closed session.
    pub fn announce(&self, name: &str) -> Result<(), AnnounceError> {
        self.presence.announce(&self.session, name)
    }

    /// Takes back what [`Self::announce`] said; the session stays open.
    pub fn withdraw(&self) {
        self.presence.withdraw();
    }

    /// Every process announced now, itself excluded, in order of name.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.presence.peers()
    }

    /// Who is there, readable from another thread.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.presence.clone()
    }

    /// Waits until every name is announced with our schema.
    ///
    /// # Errors
    /// [`MissingPeers`] at the deadline, or at once when a name is there with another schema only.
    pub fn wait_for_peers(&self, names: &[&str], deadline: WatchTime) -> Result<(), MissingPeers> {
        self.presence.wait_for(names, deadline)
    }

    /// Zenoh's threads in this process and what they really run under; complete once a peer is connected.
    #[must_use]
    pub fn workers(&self) -> Vec<Worker> {
        workers::workers()
    }

    /// The Zenoh session underneath, for measuring it as it is.
    #[must_use]
    pub fn session(&self) -> &zenoh::Session {
        &self.session
    }

    /// Name of the robot, first part of every key.
    #[must_use]
    pub fn robot(&self) -> &str {
        &self.robot
    }

    /// This session's own id, as it appears in [`Peer::instance`] elsewhere.
    #[must_use]
    pub fn instance(&self) -> String {
        self.session.zid().to_string()
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}/{key}", self.robot)
    }
}
