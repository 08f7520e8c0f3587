//! The way of events to their reader, bounded: a reader that sleeps costs lines, not memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::report::Event;

/// Unread events from which on output lines are lost.
const MAX_UNREAD_LINES: usize = 1024;
/// Unread events from which on everything is lost.
const MAX_UNREAD: usize = 16 * 1024;

/// The events of one supervisor, oldest first. Ends after [`Event::AllEnded`].
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    unread: Arc<AtomicUsize>,
}

impl Events {
    /// The next event; `None` when none came `within` this time, or none will come any more.
    #[must_use]
    pub fn next_within(&self, within: Duration) -> Option<Event> {
        self.taken(self.receiver.recv_timeout(within).ok())
    }

    /// The next event if it is there already.
    #[must_use]
    pub fn try_next(&self) -> Option<Event> {
        self.taken(self.receiver.try_recv().ok())
    }

    fn taken(&self, event: Option<Event>) -> Option<Event> {
        if event.is_some() {
            self.unread.fetch_sub(1, Ordering::Relaxed);
        }
        event
    }
}

impl Iterator for Events {
    type Item = Event;

    /// Waits for the next event; `None` when none will come any more.
    fn next(&mut self) -> Option<Event> {
        self.taken(self.receiver.recv().ok())
    }
}

/// The supervisor's end.
pub(super) struct Outbox {
    sender: Sender<Event>,
    unread: Arc<AtomicUsize>,
    lost: u64,
}

impl Outbox {
    pub(super) fn send(&mut self, event: Event) {
        let limit = if matches!(event, Event::Line { .. }) { MAX_UNREAD_LINES } else { MAX_UNREAD };
        let full = self.unread.fetch_add(1, Ordering::Relaxed) >= limit;
        if full || self.sender.send(event).is_err() {
            self.unread.fetch_sub(1, Ordering::Relaxed);
            self.lost += 1;
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

pub(super) fn channel() -> (Outbox, Events) {
    let (sender, receiver) = mpsc::channel();
    let unread = Arc::new(AtomicUsize::new(0));
    (Outbox { sender, unread: Arc::clone(&unread), lost: 0 }, Events { receiver, unread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::report::Stream;

    #[test]
    fn a_sleeping_reader_loses_lines_but_no_news() {
        let (mut outbox, events) = channel();
        let name: Arc<str> = Arc::from("a");
        for _ in 0..2000 {
            let text = "x".to_owned();
            outbox.send(Event::Line { name: Arc::clone(&name), stream: Stream::Stdout, text });
        }
        outbox.send(Event::GaveUp { name, runs: 1 });
        assert_eq!(outbox.lost(), 2000 - 1024);
        drop(outbox);
        let all: Vec<Event> = events.collect();
        assert_eq!(all.len(), 1025);
        assert!(matches!(all.last(), Some(Event::GaveUp { .. })));
    }
}
