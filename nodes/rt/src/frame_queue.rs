//! Frames from many Zenoh callbacks to one waiting thread, bounded.
//!
//! Zenoh runs callbacks on its receive threads, several at once when a process has several links; they share the
//! writing half under a lock that only they take. The reader takes no lock.
use crate::ring::{self, Consumer, Producer, RingCounters, RingError};
use sinew_wire::WatchTime;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Writing half, one clone per subscription.
#[derive(Clone, Debug)]
pub struct FrameSink {
    producer: Arc<Mutex<Producer>>,
}

/// Reading half.
#[derive(Debug)]
pub struct FrameQueue {
    consumer: Consumer,
}

/// A queue for at least `frames` frames of at most `max_len` bytes (at most 4096).
///
/// # Errors
/// [`RingError`] for sizes out of range or when the system has no file descriptor left.
pub fn frame_queue(frames: usize, max_len: usize) -> Result<(FrameSink, FrameQueue), RingError> {
    let (producer, consumer) = ring::ring(frames, max_len)?;
    Ok((FrameSink { producer: Arc::new(Mutex::new(producer)) }, FrameQueue { consumer }))
}

impl FrameSink {
    /// Appends one frame; a full queue or an oversized frame is counted ([`FrameQueue::counters`]) and lost, the
    /// sender is never held up.
    pub fn push(&self, frame: &[u8]) {
        // A callback that panicked while holding the lock left the ring whole: a push commits at its end.
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        producer.push(frame).unwrap_or(());
    }
}

impl FrameQueue {
    /// Waits for the oldest frame until `deadline` (None: for ever). None also when every sink is gone.
    pub fn recv(&mut self, deadline: Option<WatchTime>) -> Option<&[u8]> {
        self.consumer.recv(deadline)
    }

    /// The oldest frame, without waiting.
    pub fn try_recv(&mut self) -> Option<&[u8]> {
        self.consumer.pop()
    }

    /// Throws away everything queued (a participant that returns); returns how many frames that were.
    pub fn drain(&mut self) -> u64 {
        self.consumer.drain()
    }

    /// Frames taken and lost so far.
    #[must_use]
    pub fn counters(&self) -> RingCounters {
        self.consumer.counters()
    }
}

impl AsFd for FrameQueue {
    /// For [`crate::wake::wait_any`]: readable until `try_recv` or `recv` has found the queue empty.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.consumer.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failed test should stop where it failed
mod tests {
    use super::*;

    #[test]
    fn several_writers_each_keep_their_order_and_nothing_is_lost_silently() {
        const EACH: u32 = 5_000;
        let (sink, mut queue) = frame_queue(64, 16).unwrap();
        let writers = (0..3_u32).map(|writer| {
            let sink = sink.clone();
            std::thread::spawn(move || {
                for i in 0..EACH {
                    let mut frame = [0; 8];
                    frame[..4].copy_from_slice(&writer.to_le_bytes());
                    frame[4..].copy_from_slice(&i.to_le_bytes());
                    sink.push(&frame);
                }
            })
        });
        let writers = writers.collect::<Vec<_>>();
        drop(sink);
        let mut next = [0_u32; 3];
        let mut received = 0;
        while let Some(frame) = queue.recv(None) {
            let writer = usize::from(frame[0]);
            let i = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
            assert!(i >= next[writer]);
            next[writer] = i + 1;
            received += 1;
        }
        writers.into_iter().for_each(|w| w.join().unwrap());
        assert_eq!(received, queue.counters().pushed());
        assert_eq!(received + queue.counters().dropped(), u64::from(3 * EACH));
    }

    #[test]
    fn draining_empties_the_queue_and_says_how_much_it_threw_away() {
        let (sink, mut queue) = frame_queue(8, 4).unwrap();
        (0..5).for_each(|_| sink.push(b"old"));
        assert_eq!(queue.drain(), 5);
        sink.push(b"new");
        assert_eq!(queue.try_recv(), Some(&b"new"[..]));
    }
}
