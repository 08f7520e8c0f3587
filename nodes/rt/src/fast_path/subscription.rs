//! From Zenoh's receive thread into a slot or a queue; the callback does nothing else.
use crate::frame_queue::FrameSink;
use crate::slot::SlotWriter;
use sinew_wire::WatchTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zenoh::Wait;

/// Where received messages go.
#[derive(Debug)]
pub enum Sink {
    /// Only the newest counts ([`crate::slot::byte_slot`]).
    Latest(SlotWriter<Vec<u8>>),
    /// Every one counts, up to the queue's bound ([`crate::frame_queue::frame_queue`]); wakes its reader.
    Queue(FrameSink),
}

/// Why a subscription cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("subscription {key}: {source}")]
pub struct SubscribeError {
    pub key: String,
    pub source: zenoh::Error,
}

#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    too_long: AtomicU64,
}

/// Receives until dropped.
#[derive(Debug)]
pub struct Subscription {
    subscriber: zenoh::pubsub::Subscriber<()>,
    counters: Arc<Counters>,
}

impl Subscription {
    pub(super) fn declare(session: &zenoh::Session, key: String, sink: Sink) -> Result<Self, SubscribeError> {
        let counters = Arc::new(Counters::default());
        let counted = Arc::clone(&counters);
        // One lock per subscription, taken by Zenoh's receive threads only: several links may deliver at once.
        let sink = Mutex::new(sink);
        let subscriber = session
            .declare_subscriber(key.clone())
            .callback(move |sample| {
                let arrived = crate::clock::now();
                let message = sample.payload().to_bytes();
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                deliver(&mut sink, &message, arrived, &counted);
            })
            .wait()
            .map_err(|source| SubscribeError { key, source })?;
        Ok(Self { subscriber, counters })
    }

    /// Messages that arrived.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.counters.received.load(Ordering::Relaxed)
    }

    /// Messages refused because the slot was not made for their length; a queue counts its own.
    #[must_use]
    pub fn too_long(&self) -> u64 {
        self.counters.too_long.load(Ordering::Relaxed)
    }

    /// Full key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.subscriber.key_expr().as_str()
    }
}

fn deliver(sink: &mut Sink, message: &[u8], arrived: WatchTime, counters: &Counters) {
    counters.received.fetch_add(1, Ordering::Relaxed);
    match sink {
        Sink::Queue(queue) => queue.push(message),
        Sink::Latest(slot) => {
            if !slot.write_bytes(message, arrived) {
                counters.too_long.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
