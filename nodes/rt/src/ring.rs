//! Bytes from one thread to another without waiting: an SPSC ring of messages and an eventfd.
//!
//! ```text
//!  real-time thread                                  publisher thread
//!  push: length + bytes ──▶ [ring, fixed memory] ──▶ pop into own buffer
//!        eventfd write  ─────────── wakes ─────────▶ wait(deadline)
//! ```
//! A message becomes visible whole or not at all. Full means refused and counted, never waited for. Lost
//! wake-ups cannot happen: the consumer takes the signal back first and looks once more after that.
use crate::wake::{Wake, wait_any};
use nix::errno::Errno;
use sinew_wire::WatchTime;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length field before each message.
const PREFIX_BYTES: usize = 2;
/// Longest message any ring takes, bytes.
pub const MAX_MESSAGE: usize = 4096;

/// Why a ring cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    #[error(
        "ring of {messages} messages of {max_len} bytes: at least 1 message, 1 to {MAX_MESSAGE} bytes \
             each, 64 MiB in all"
    )]
    Size { messages: usize, max_len: usize },
    #[error("eventfd: {}; raise the limit of open files", .0.desc())]
    EventFd(Errno),
}

/// Why a message did not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The consumer is behind; the message is lost and counted.
    #[error("ring full: the consumer is behind")]
    Full,
    /// Longer than the ring was made for; lost and counted.
    #[error("message of {len} bytes in a ring for at most {max_len}")]
    TooLong { len: usize, max_len: usize },
}

#[derive(Debug)]
struct Shared {
    wake: Wake,
    pushed: AtomicU64,
    dropped: AtomicU64,
}

/// Reads a ring's counters from any thread.
#[derive(Clone, Debug)]
pub struct RingCounters(Arc<Shared>);

impl RingCounters {
    /// Messages that entered.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.0.pushed.load(Ordering::Relaxed)
    }

    /// Messages refused because the ring was full or they were too long.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// Writing half.
#[derive(Debug)]
pub struct Producer {
    // Declared before `shared`: dropped first, so that the wake-up of `Drop` finds it abandoned.
    ring: Option<rtrb::Producer<u8>>,
    max_len: usize,
    shared: Arc<Shared>,
}

/// Reading half, with its own buffer for the message at hand.
#[derive(Debug)]
pub struct Consumer {
    ring: rtrb::Consumer<u8>,
    message: Box<[u8]>,
    shared: Arc<Shared>,
}

/// A ring for at least `messages` messages of at most `max_len` bytes. All memory is touched here.
///
/// # Errors
/// [`RingError`] for sizes out of range or when the system has no file descriptor left.
pub fn ring(messages: usize, max_len: usize) -> Result<(Producer, Consumer), RingError> {
    let bytes = messages.saturating_mul(max_len + PREFIX_BYTES);
    if messages == 0 || max_len == 0 || max_len > MAX_MESSAGE || bytes > 64 << 20 {
        return Err(RingError::Size { messages, max_len });
    }
    let wake = Wake::new().map_err(RingError::EventFd)?;
    let shared = Arc::new(Shared { wake, pushed: AtomicU64::new(0), dropped: AtomicU64::new(0) });
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(bytes);
    // One lap of zeros: memory that is locked on fault must be faulted in before the loop starts.
    if let Ok(chunk) = producer.write_chunk(bytes) {
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(bytes) {
        chunk.commit_all();
    }
    let message = std::hint::black_box(vec![0xff_u8; max_len]).into_boxed_slice();
    Ok((
        Producer { ring: Some(producer), max_len, shared: Arc::clone(&shared) },
        Consumer { ring: consumer, message, shared },
    ))
}

impl Producer {
    /// Hands over one message. No allocation, no lock; the eventfd write is the only system call.
    ///
    /// # Errors
    /// [`PushError`]; the message is counted as dropped.
    pub fn push(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.put(message).inspect_err(|_| {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        })?;
        self.shared.pushed.fetch_add(1, Ordering::Relaxed);
        self.shared.wake.signal();
        Ok(())
    }

    fn put(&mut self, message: &[u8]) -> Result<(), PushError> {
        let too_long = PushError::TooLong { len: message.len(), max_len: self.max_len };
        let len = u16::try_from(message.len()).map_err(|_| too_long)?;
        if message.len() > self.max_len {
            return Err(too_long);
        }
        let ring = self.ring.as_mut().ok_or(PushError::Full)?;
        let chunk = ring.write_chunk_uninit(PREFIX_BYTES + message.len()).map_err(|_| PushError::Full)?;
        chunk.fill_from_iter(len.to_le_bytes().into_iter().chain(message.iter().copied()));
        Ok(())
    }

    /// The counters, readable elsewhere.
    #[must_use]
    pub fn counters(&self) -> RingCounters {
        RingCounters(Arc::clone(&self.shared))
    }

    /// Longest message, bytes.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.max_len
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.ring = None;
        self.shared.wake.signal();
    }
}

impl Consumer {
    /// The oldest message, if there is one; valid until the next call.
    pub fn pop(&mut self) -> Option<&[u8]> {
        self.take()
    }

    /// Waits until a message is there (true) or the deadline has passed or the producer is gone (false).
    pub fn wait(&mut self, deadline: Option<WatchTime>) -> bool {
        loop {
            if !self.ring.is_empty() {
                return true;
            }
            // Order matters: read the end before the last look, or a final message could be missed.
            let ended = self.ring.is_abandoned();
            self.shared.wake.acknowledge();
            if !self.ring.is_empty() {
                return true;
            }
            if ended || !wait_any([self.shared.wake.as_fd()], deadline)[0] {
                return !self.ring.is_empty();
            }
        }
    }

    /// Waits for a message until the deadline. None: deadline passed, or the producer is gone and all was read.
    pub fn recv(&mut self, deadline: Option<WatchTime>) -> Option<&[u8]> {
        if self.wait(deadline) { self.take() } else { None }
    }

    /// Throws away everything queued; returns how many messages that were.
    pub fn drain(&mut self) -> u64 {
        let mut messages = 0;
        while self.take().is_some() {
            messages += 1;
        }
        messages
    }

    /// True when the producer is gone; messages may be left.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// The counters, readable elsewhere.
    #[must_use]
    pub fn counters(&self) -> RingCounters {
        RingCounters(Arc::clone(&self.shared))
    }

    fn take(&mut self) -> Option<&[u8]> {
        if self.ring.is_empty() {
            self.shared.wake.acknowledge();
            if self.ring.is_empty() {
                return None;
            }
        }
        let mut prefix = [0; PREFIX_BYTES];
        self.ring.pop_entire_slice(&mut prefix).ok()?;
        let message = self.message.get_mut(..usize::from(u16::from_le_bytes(prefix)))?;
        self.ring.pop_entire_slice(message).ok()?;
        Some(message)
    }
}

impl AsFd for Consumer {
    /// Readable from a push until a `pop` or `recv` has found the ring empty.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failed test should stop where it failed
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn messages_arrive_whole_in_order_and_an_empty_one_is_a_message() {
        let (mut producer, mut consumer) = ring(4, 8).unwrap();
        for message in [&b"abc"[..], b"", b"12345678"] {
            producer.push(message).unwrap();
        }
        assert_eq!(consumer.pop(), Some(&b"abc"[..]));
        assert_eq!(consumer.pop(), Some(&b""[..]));
        assert_eq!(consumer.recv(None), Some(&b"12345678"[..]));
        assert_eq!(consumer.pop(), None);
    }

    #[test]
    fn full_and_too_long_are_refused_and_counted_and_harm_nothing() {
        let (mut producer, mut consumer) = ring(3, 4).unwrap();
        for i in 0..3_u32 {
            producer.push(&i.to_le_bytes()).unwrap();
        }
        assert_eq!(producer.push(&9_u32.to_le_bytes()), Err(PushError::Full));
        assert_eq!(producer.push(&[0; 5]), Err(PushError::TooLong { len: 5, max_len: 4 }));
        assert_eq!((producer.counters().pushed(), producer.counters().dropped()), (3, 2));
        for i in 0..3_u32 {
            assert_eq!(consumer.pop(), Some(&i.to_le_bytes()[..]));
        }
        producer.push(b"last").unwrap();
        assert_eq!(consumer.pop(), Some(&b"last"[..]));
    }

    #[test]
    fn wrong_sizes_are_named() {
        for (messages, max_len) in [(0, 8), (1, 0), (1, MAX_MESSAGE + 1), (usize::MAX, 8)] {
            assert_eq!(ring(messages, max_len).err(), Some(RingError::Size { messages, max_len }));
        }
    }

    #[test]
    fn the_descriptor_is_readable_exactly_while_something_is_there() {
        let (mut producer, mut consumer) = ring(4, 8).unwrap();
        let readable = |consumer: &Consumer| wait_any([consumer.as_fd()], Some(clock::now()))[0];
        assert!(!readable(&consumer));
        producer.push(b"x").unwrap();
        producer.push(b"y").unwrap();
        assert!(consumer.pop().is_some() && readable(&consumer));
        assert!(consumer.pop().is_some() && consumer.pop().is_none());
        assert!(!readable(&consumer));
    }

    #[test]
    fn a_consumer_sees_the_end_only_after_the_last_message() {
        let (mut producer, mut consumer) = ring(4, 8).unwrap();
        producer.push(b"end").unwrap();
        drop(producer);
        assert_eq!(consumer.recv(None), Some(&b"end"[..]));
        assert_eq!(consumer.recv(None), None);
        assert!(consumer.is_abandoned());
    }

    #[test]
    fn two_threads_lose_no_wake_up() {
        const N: u32 = 20_000;
        let (mut producer, mut consumer) = ring(16, 64).unwrap();
        let writer = std::thread::spawn(move || {
            for i in 0..N {
                let mut message = [0_u8; 64];
                message[..4].copy_from_slice(&i.to_le_bytes());
                let len = 4 + (i as usize * 7) % 61;
                while producer.push(&message[..len]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        // No deadline: a lost wake-up would hang here and be seen.
        for i in 0..N {
            let message = consumer.recv(None).unwrap();
            assert_eq!(message[..4], i.to_le_bytes());
            assert_eq!(message.len(), 4 + (i as usize * 7) % 61);
        }
        writer.join().unwrap();
    }
}
