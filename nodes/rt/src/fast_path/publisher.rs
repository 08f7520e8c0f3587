//! Publishing without ever waiting: the caller fills a ring, a thread of its own calls Zenoh.
use crate::ring::{self, Consumer, Producer, PushError, RingCounters, RingError};
use crate::thread::{self, RtThread, SpawnError, ThreadConfig};
use sinew_wire::WatchTime;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use zenoh::Wait;
use zenoh::qos::{CongestionControl, Priority};

/// Why a publisher cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("publisher {key}: {source}")]
    Ring { key: String, source: RingError },
    #[error("publisher {key}: {source}")]
    Thread { key: String, source: SpawnError },
    #[error("publisher {key}: {source}")]
    Declare { key: String, source: zenoh::Error },
}

#[derive(Debug, Default)]
struct Shared {
    put: AtomicU64,
    put_failed: AtomicU64,
    longest_put_ns: AtomicU64,
    matched: Mutex<bool>,
    changed: Condvar,
}

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublisherCounters {
    /// Accepted by the ring.
    pub queued: u64,
    /// Refused: ring full or message too long.
    pub dropped: u64,
    /// Handed to Zenoh, which may still drop them when the socket is full: the receiver sees a gap in `seq`.
    pub put: u64,
    /// Refused by Zenoh (closed session).
    pub put_failed: u64,
    /// Longest time inside Zenoh, ns.
    pub longest_put_ns: u64,
}

/// Sends on one key. Dropping it sends what is queued, then undeclares.
#[derive(Debug)]
pub struct Publisher {
    // None only while dropping: the thread ends when the ring is abandoned and empty.
    producer: Option<Producer>,
    thread: Option<RtThread<()>>,
    ring: RingCounters,
    shared: Arc<Shared>,
    key: String,
}

impl Publisher {
    pub(super) fn declare(
        session: &zenoh::Session,
        key: String,
        depth: usize,
        max_len: usize,
        config: &ThreadConfig,
    ) -> Result<Self, PublishError> {
        let (producer, consumer) =
            ring::ring(depth, max_len).map_err(|source| PublishError::Ring { key: key.clone(), source })?;
        let failed = |source| PublishError::Declare { key: key.clone(), source };
        let publisher = session
            .declare_publisher(key.clone())
            .congestion_control(CongestionControl::Drop)
            .priority(Priority::RealTime)
            .express(true)
            .wait()
            .map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let watcher = Arc::clone(&shared);
        publisher
            .matching_listener()
            .callback(move |status| set_matched(&watcher, status.matching()))
            .background()
            .wait()
            .map_err(failed)?;
        // The listener tells changes only; one that came before the first look is not lost, merely told twice.
        if publisher.matching_status().wait().map_err(failed)?.matching() {
            set_matched(&shared, true);
        }
        let ring = producer.counters();
        let counters = Arc::clone(&shared);
        let thread = thread::spawn(config, move |_| carry(consumer, &publisher, &counters))
            .map_err(|source| PublishError::Thread { key: key.clone(), source })?;
        Ok(Self { producer: Some(producer), thread: Some(thread), ring, shared, key })
    }

    /// Hands one message to the publisher thread. No allocation, no lock; one eventfd write.
    ///
    /// # Errors
    /// [`PushError`]; counted.
    pub fn publish(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.producer.as_mut().map_or(Err(PushError::Full), |producer| producer.push(message))
    }

    /// True while somebody subscribes to this key.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        *self.shared.matched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody subscribes; false when nobody did by the deadline. Not for a real-time thread.
    #[must_use]
    pub fn wait_matched(&self, deadline: WatchTime) -> bool {
        let mut matched = self.shared.matched.lock().unwrap_or_else(PoisonError::into_inner);
        while !*matched {
            let left = crate::clock::remaining(deadline);
            if left.is_zero() {
                return false;
            }
            matched =
                self.shared.changed.wait_timeout(matched, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// What became of the messages so far.
    #[must_use]
    pub fn counters(&self) -> PublisherCounters {
        PublisherCounters {
            queued: self.ring.pushed(),
            dropped: self.ring.dropped(),
            put: self.shared.put.load(Ordering::Relaxed),
            put_failed: self.shared.put_failed.load(Ordering::Relaxed),
            longest_put_ns: self.shared.longest_put_ns.load(Ordering::Relaxed),
        }
    }

    /// Full key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.producer = None;
        // A panic of the thread has been printed by then, and there is nothing left to undo.
        self.thread.take().and_then(RtThread::join).unwrap_or(());
    }
}

/// The publisher thread: until the ring is abandoned and empty.
fn carry(mut ring: Consumer, publisher: &zenoh::pubsub::Publisher<'_>, shared: &Shared) {
    while let Some(message) = ring.recv(None) {
        let start = crate::clock::now();
        let result = publisher.put(message).wait();
        let took_ns = crate::clock::now().since_ns(start);
        shared.longest_put_ns.fetch_max(took_ns, Ordering::Relaxed);
        let counter = if result.is_ok() { &shared.put } else { &shared.put_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn set_matched(shared: &Shared, matched: bool) {
    *shared.matched.lock().unwrap_or_else(PoisonError::into_inner) = matched;
    shared.changed.notify_all();
}
