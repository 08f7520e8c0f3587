//! The queue behind a subscription: checked on the way in, oldest out first, bounded.
use super::{Origin, Received, SubscriptionCounters};
use crate::attachment::Attachment;
use crate::cdr;
use crate::gid::Gid;
use std::collections::VecDeque;
use std::time::Instant;

/// Publishers whose count is remembered; the one silent for longest is forgotten first.
const PUBLISHERS: usize = 64;

#[derive(Debug)]
pub(super) struct Inbox {
    queue: VecDeque<Received>,
    kept: usize,
    /// Last number taken from each publisher, most recent last.
    newest: Vec<(Gid, i64)>,
    pub(super) counters: SubscriptionCounters,
}

impl Inbox {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            queue: VecDeque::with_capacity(kept),
            kept: kept.max(1),
            newest: Vec::with_capacity(PUBLISHERS),
            counters: SubscriptionCounters::default(),
        }
    }

    pub(super) fn offer(&mut self, payload: &[u8], attachment: Option<&[u8]>) {
        let attachment = attachment.and_then(|bytes| Attachment::from_bytes(bytes).ok());
        let Some(attachment) = attachment.filter(|_| !payload.is_empty()) else {
            self.counters.malformed += 1;
            return;
        };
        if payload.len() > cdr::MAX_BYTES {
            self.counters.too_large += 1;
            return;
        }
        if !self.is_newer(attachment.gid, attachment.sequence) {
            self.counters.duplicates += 1;
            return;
        }
        if self.queue.len() == self.kept {
            self.queue.pop_front();
            self.counters.overrun += 1;
        }
        let Attachment { gid, sequence, source_stamp_ns } = attachment;
        let origin = Some(Origin { publisher: gid, sequence, source_stamp_ns });
        self.queue.push_back(Received { at: Instant::now(), cdr: payload.to_vec(), origin });
        self.counters.received += 1;
    }

    pub(super) fn take(&mut self) -> Option<Received> {
        self.queue.pop_front()
    }

    /// Notes the number if it is newer than the last of this publisher.
    fn is_newer(&mut self, gid: Gid, sequence: i64) -> bool {
        if let Some(at) = self.newest.iter().position(|(known, _)| *known == gid) {
            let (_, last) = self.newest.remove(at);
            self.newest.push((gid, last.max(sequence)));
            return sequence > last;
        }
        if self.newest.len() == PUBLISHERS {
            self.newest.remove(0);
        }
        self.newest.push((gid, sequence));
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    fn attachment(publisher: u8, sequence: i64) -> [u8; 33] {
        Attachment { sequence, source_stamp_ns: 0, gid: Gid([publisher; 16]) }.to_bytes()
    }

    #[test]
    fn the_newest_are_kept_in_order() {
        let mut inbox = Inbox::new(2);
        for n in 1..=4 {
            inbox.offer(&[n], Some(&attachment(1, i64::from(n))));
        }
        assert_eq!(inbox.take().unwrap().cdr, [3]);
        assert_eq!(inbox.take().unwrap().cdr, [4]);
        assert_eq!(inbox.take(), None);
        assert_eq!(inbox.counters, SubscriptionCounters { received: 4, overrun: 2, ..Default::default() });
    }

    #[test]
    fn replays_reorders_and_nameless_samples_are_counted_not_kept() {
        let mut inbox = Inbox::new(10);
        inbox.offer(&[1], Some(&attachment(1, 5)));
        inbox.offer(&[2], Some(&attachment(1, 5)));
        inbox.offer(&[3], Some(&attachment(1, 4)));
        inbox.offer(&[4], Some(&attachment(2, 1)));
        inbox.offer(&[5], None);
        inbox.offer(&[6], Some(&[0; 20]));
        inbox.offer(&[], Some(&attachment(1, 6)));
        inbox.offer(&vec![0; cdr::MAX_BYTES + 1], Some(&attachment(1, 7)));
        let taken: Vec<_> = std::iter::from_fn(|| inbox.take()).map(|r| r.cdr).collect();
        assert_eq!(taken, [[1], [4]]);
        let expected =
            SubscriptionCounters { received: 2, duplicates: 2, malformed: 3, too_large: 1, overrun: 0 };
        assert_eq!(inbox.counters, expected);
    }

    #[test]
    fn memory_of_publishers_is_bounded() {
        let mut inbox = Inbox::new(1);
        for n in 0..1000_u32 {
            let mut gid = [0; 16];
            gid[..4].copy_from_slice(&n.to_le_bytes());
            let bytes = Attachment { sequence: 1, source_stamp_ns: 0, gid: Gid(gid) }.to_bytes();
            inbox.offer(&[0], Some(&bytes));
        }
        assert_eq!(inbox.newest.len(), PUBLISHERS);
    }
}
