//! The session over Zenoh in the wire format of rmw_zenoh: no ROS is linked or needed.
use super::inbox::Inbox;
use super::latched::{self, Cache, Stored};
use super::{
    MessageType, NodeHandle, PublishError, Publisher, Received, Session, SessionConfig, SessionError,
    Subscription, SubscriptionCounters,
};
use crate::attachment::Attachment;
use crate::gid::Gid;
use crate::key::{EndpointKind, EndpointToken, node_token, topic_key};
use crate::name::{NodeName, TopicName};
use crate::qos::{Depth, Durability, Qos, Reliability};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::liveliness::LivelinessToken;
use zenoh::qos::CongestionControl;

struct Node {
    id: u64,
    name: NodeName,
    _token: LivelinessToken,
}

/// An open session. It does not need the router to be there, and finds one that comes later.
///
/// Its calls block briefly; call them from an ordinary thread, not from inside an async task.
pub struct NativeSession {
    nodes: Vec<Node>,
    latched: Vec<(String, Weak<Cache>)>,
    next_id: u64,
    domain_id: u32,
    type_hashes: bool,
    zid: String,
    session: zenoh::Session,
}

impl NativeSession {
    /// Opens the session; takes about half a second when no router answers.
    ///
    /// # Errors
    /// A setting that Zenoh refuses, or no socket to listen on.
    pub fn open(config: &SessionConfig) -> Result<Self, SessionError> {
        let session = zenoh::open(config.to_zenoh()?).wait().map_err(SessionError::Open)?;
        Ok(Self {
            nodes: Vec::new(),
            latched: Vec::new(),
            next_id: 0,
            domain_id: config.domain_id,
            type_hashes: config.type_hashes,
            zid: session.zid().to_string(),
            session,
        })
    }

    /// The session's own id, the third chunk of its tokens.
    #[must_use]
    pub fn zid(&self) -> &str {
        &self.zid
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Key and token of a new endpoint.
    fn endpoint(
        &mut self,
        kind: EndpointKind,
        node: NodeHandle,
        topic: &TopicName,
        ty: &MessageType,
        qos: Qos,
    ) -> Result<(String, String), SessionError> {
        let id = self.take_id();
        let node = self.nodes.get(node.0).ok_or(SessionError::NoNode)?;
        let ty = MessageType { name: ty.name.clone(), hash: ty.hash.filter(|_| self.type_hashes) };
        let token = EndpointToken {
            domain_id: self.domain_id,
            zid: &self.zid,
            node_id: node.id,
            id,
            kind,
            node: &node.name,
            topic,
            ty: &ty,
            qos,
        };
        Ok((topic_key(self.domain_id, topic, &ty), token.key()))
    }

    fn declare_token(&self, token: &str, what: &str) -> Result<LivelinessToken, SessionError> {
        self.session.liveliness().declare_token(token).wait().map_err(declaring(what))
    }
}

fn declaring(what: &str) -> impl FnOnce(zenoh::Error) -> SessionError + use<'_> {
    move |source| SessionError::Declare { what: what.to_owned(), source }
}

impl Session for NativeSession {
    fn node(&mut self, name: &NodeName) -> Result<NodeHandle, SessionError> {
        let id = self.take_id();
        let token = node_token(self.domain_id, &self.zid, id, name);
        let token = self.declare_token(&token, &format!("node {name}"))?;
        self.nodes.push(Node { id, name: name.clone(), _token: token });
        Ok(NodeHandle(self.nodes.len() - 1))
    }

    fn publisher(
        &mut self,
        node: NodeHandle,
        topic: &TopicName,
        ty: &MessageType,
        qos: Qos,
    ) -> Result<Box<dyn Publisher>, SessionError> {
        let what = format!("publisher on {topic}");
        let (key, token_key) = self.endpoint(EndpointKind::Publisher, node, topic, ty, qos)?;
        let cache = if qos.durability == Durability::TransientLocal {
            self.latched.retain(|(_, cache)| cache.strong_count() > 0);
            if self.latched.iter().any(|(taken, _)| *taken == key) {
                return Err(SessionError::SecondLatched { topic: topic.to_string() });
            }
            let cache = Arc::new(Cache::declare(&self.session, &key, qos.kept()).map_err(declaring(&what))?);
            self.latched.push((key.clone(), Arc::downgrade(&cache)));
            Some(cache)
        } else {
            None
        };
        // A slow reader loses samples; only who asked for all of them makes the writer wait. The Zenoh
        // reliability marker has no effect on TCP and is left alone.
        let all = qos.reliability == Reliability::Reliable && qos.depth == Depth::All;
        let congestion = if all { CongestionControl::Block } else { CongestionControl::Drop };
        let publisher = self
            .session
            .declare_publisher(key)
            .congestion_control(congestion)
            .wait()
            .map_err(declaring(&what))?;
        Ok(Box::new(NativePublisher {
            _token: self.declare_token(&token_key, &what)?,
            cache,
            publisher,
            gid: Gid::of_token(&token_key),
            sequence: 0,
            topic: topic.clone(),
            session: self.session.clone(),
        }))
    }

    fn subscription(
        &mut self,
        node: NodeHandle,
        topic: &TopicName,
        ty: &MessageType,
        qos: Qos,
    ) -> Result<Box<dyn Subscription>, SessionError> {
        let what = format!("subscription of {topic}");
        let (key, token_key) = self.endpoint(EndpointKind::Subscription, node, topic, ty, qos)?;
        let inbox = Arc::new(Mutex::new(Inbox::new(qos.kept())));
        let shared = Arc::clone(&inbox);
        let subscriber = self
            .session
            .declare_subscriber(key.clone())
            .callback(move |sample| latched::deliver(&shared, &sample))
            .wait()
            .map_err(declaring(&what))?;
        let history = if qos.durability == Durability::TransientLocal {
            Some(latched::watch(&self.session, &key, qos.kept(), &inbox).map_err(declaring(&what))?)
        } else {
            None
        };
        Ok(Box::new(NativeSubscription {
            _token: self.declare_token(&token_key, &what)?,
            _history: history,
            _subscriber: subscriber,
            inbox,
        }))
    }
}

// Fields are dropped in order: tokens go first, so that nobody is promised what is no longer there.
struct NativePublisher {
    _token: LivelinessToken,
    cache: Option<Arc<Cache>>,
    publisher: zenoh::pubsub::Publisher<'static>,
    gid: Gid,
    sequence: i64,
    topic: TopicName,
    session: zenoh::Session,
}

impl Publisher for NativePublisher {
    fn publish(&mut self, cdr: &[u8]) -> Result<(), PublishError> {
        self.sequence += 1;
        let attachment =
            Attachment { sequence: self.sequence, source_stamp_ns: system_clock_ns(), gid: self.gid };
        let payload = ZBytes::from(cdr);
        let attachment = ZBytes::from(attachment.to_bytes());
        let timestamp = self.session.new_timestamp();
        if let Some(cache) = &self.cache {
            cache.keep(Stored { payload: payload.clone(), attachment: attachment.clone(), timestamp });
        }
        self.publisher
            .put(payload)
            .attachment(attachment)
            .timestamp(timestamp)
            .wait()
            .map_err(|source| PublishError::Send { topic: self.topic.to_string(), source })
    }
}

struct NativeSubscription {
    _token: LivelinessToken,
    _history: Option<zenoh::pubsub::Subscriber<()>>,
    _subscriber: zenoh::pubsub::Subscriber<()>,
    inbox: Arc<Mutex<Inbox>>,
}

impl Subscription for NativeSubscription {
    fn take(&mut self) -> Option<Received> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn counters(&self) -> SubscriptionCounters {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).counters
    }
}

/// Only for the attachment: readers compare it with their own system clock.
fn system_clock_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
