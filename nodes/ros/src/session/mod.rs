//! What a ROS session can do, whatever carries it: CDR bytes under a type name and a type hash.
//!
//! [`NativeSession`] is the backend over Zenoh. Another backend, for instance one that links a ROS middleware, has
//! to carry the same bytes; nothing in this trait knows Zenoh.
mod config;
mod inbox;
mod latched;
mod native;

pub use config::{EnvironmentError, SessionConfig};
pub use native::NativeSession;

use crate::gid::Gid;
use crate::msg::Message;
use crate::name::{NodeName, TopicName};
use crate::qos::Qos;
use crate::rihs01::TypeHash;
use std::time::Instant;

/// Name and hash of a message type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageType {
    /// `package/msg/Name`.
    pub name: String,
    /// `None` with distributions that have none (Humble).
    pub hash: Option<TypeHash>,
}

impl MessageType {
    /// Of a message of this crate.
    #[must_use]
    pub fn of<M: Message>() -> Self {
        Self { name: M::NAME.to_owned(), hash: Some(TypeHash::of::<M>()) }
    }

    /// `package::msg::dds_::Name_`.
    #[must_use]
    pub fn dds_name(&self) -> String {
        match self.name.rsplit_once('/') {
            Some((package, name)) => format!("{}::dds_::{name}_", package.replace('/', "::")),
            None => format!("{}_", self.name),
        }
    }

    /// As a key's chunk.
    #[must_use]
    pub fn hash_text(&self) -> String {
        self.hash.map_or_else(|| "TypeHashNotSupported".to_owned(), |hash| hash.to_string())
    }
}

/// A node of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHandle(pub(crate) usize);

/// Who sent a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub publisher: Gid,
    /// One more per sample of this publisher.
    pub sequence: i64,
    /// System clock of the sender, ns since 1970.
    pub source_stamp_ns: i64,
}

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When it arrived at this process.
    pub at: Instant,
    /// With its CDR header.
    pub cdr: Vec<u8>,
    /// `None` where the backend does not tell.
    pub origin: Option<Origin>,
}

/// What happened to samples on the way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionCounters {
    pub received: u64,
    /// Without an attachment that could be read, or without payload.
    pub malformed: u64,
    /// Older than, or the same as, one taken from the same publisher.
    pub duplicates: u64,
    /// Pushed out of the full queue by newer ones.
    pub overrun: u64,
    /// Larger than any message of this room.
    pub too_large: u64,
}

/// Why a session was not opened or something not declared in it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("ROS session: setting {key} = {value} is refused: {source}; correct it or leave it out")]
    Setting { key: String, value: String, source: zenoh::Error },
    #[error("ROS session: configuration file {path}: {source}")]
    ConfigFile { path: String, source: zenoh::Error },
    #[error("ROS session does not open: {0}; see whether its port may be used")]
    Open(zenoh::Error),
    #[error("{what}: {source}")]
    Declare { what: String, source: zenoh::Error },
    /// Two caches of one key in one session cannot be told apart by their readers.
    #[error("topic {topic}: this session already has a transient_local publisher there; keep one")]
    SecondLatched { topic: String },
    #[error("no such node in this session; declare it first")]
    NoNode,
}

/// Why a sample was not sent.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{topic}: {source}")]
    Send { topic: String, source: zenoh::Error },
}

/// A ROS session of one process.
pub trait Session: Send {
    /// Says that a node is there, as long as the session lives.
    ///
    /// # Errors
    /// [`SessionError`].
    fn node(&mut self, name: &NodeName) -> Result<NodeHandle, SessionError>;

    /// A publisher of `node`; dropping it withdraws it.
    ///
    /// # Errors
    /// [`SessionError`].
    fn publisher(
        &mut self,
        node: NodeHandle,
        topic: &TopicName,
        ty: &MessageType,
        qos: Qos,
    ) -> Result<Box<dyn Publisher>, SessionError>;

    /// A subscription of `node` with a queue of its own; dropping it withdraws it.
    ///
    /// # Errors
    /// [`SessionError`].
    fn subscription(
        &mut self,
        node: NodeHandle,
        topic: &TopicName,
        ty: &MessageType,
        qos: Qos,
    ) -> Result<Box<dyn Subscription>, SessionError>;
}

/// Sends samples of one topic.
pub trait Publisher: Send {
    /// Sends one message, header included; never waits for a slow reader unless the quality is reliable, keep all.
    ///
    /// # Errors
    /// [`PublishError`].
    fn publish(&mut self, cdr: &[u8]) -> Result<(), PublishError>;
}

/// Receives samples of one topic.
pub trait Subscription: Send {
    /// The oldest sample not taken yet.
    fn take(&mut self) -> Option<Received>;
    /// What happened so far.
    fn counters(&self) -> SubscriptionCounters;
}
