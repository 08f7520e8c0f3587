//! The newest value of something, wait-free on both sides: policy output, operator command, late sensor.
//!
//! The reader never waits and never sees a half-written value; it must look at the age, because an old value
//! stays readable for ever. One writer, one reader.
use sinew_wire::WatchTime;
use triple_buffer::{Input, Output, triple_buffer};

#[derive(Clone, Debug)]
struct Stamped<T> {
    value: T,
    stamp: WatchTime,
    sequence: u64,
}

/// Writing half.
#[derive(Debug)]
pub struct SlotWriter<T: Send> {
    input: Input<Stamped<T>>,
    sequence: u64,
}

/// Reading half.
#[derive(Debug)]
pub struct SlotReader<T: Send> {
    output: Output<Stamped<T>>,
    last_sequence: u64,
}

/// The newest value.
#[derive(Debug, PartialEq, Eq)]
pub struct Latest<'a, T> {
    pub value: &'a T,
    /// When it was written.
    pub stamp: WatchTime,
    /// 1 for the first value written; grows by one per write.
    pub sequence: u64,
    /// True when no earlier read has seen it.
    pub fresh: bool,
    /// Values written and overwritten since the last read, never seen.
    pub skipped: u64,
}

impl<T> Latest<'_, T> {
    /// How old the value is at `now`, ns.
    #[must_use]
    pub fn age_ns(&self, now: WatchTime) -> u64 {
        now.since_ns(self.stamp)
    }
}

/// An empty slot; `blank` only shapes the memory and is never read out.
#[must_use]
pub fn slot<T: Clone + Send>(blank: &T) -> (SlotWriter<T>, SlotReader<T>) {
    let empty = Stamped { value: blank.clone(), stamp: WatchTime::from_ns(0), sequence: 0 };
    let (input, output) = triple_buffer(&empty);
    (SlotWriter { input, sequence: 0 }, SlotReader { output, last_sequence: 0 })
}

/// An empty slot for byte messages of at most `max_len` bytes. All memory is touched here.
#[must_use]
pub fn byte_slot(max_len: usize) -> (SlotWriter<Vec<u8>>, SlotReader<Vec<u8>>) {
    slot(&std::hint::black_box(vec![0xff_u8; max_len]))
}

impl<T: Send> SlotWriter<T> {
    /// Replaces the value.
    pub fn write(&mut self, value: T, stamp: WatchTime) {
        self.write_with(stamp, |place| *place = value);
    }

    /// Replaces the value in place. What `fill` finds there is some older value.
    pub fn write_with(&mut self, stamp: WatchTime, fill: impl FnOnce(&mut T)) {
        self.sequence += 1;
        let place = self.input.input_buffer_mut();
        fill(&mut place.value);
        place.stamp = stamp;
        place.sequence = self.sequence;
        self.input.publish();
    }
}

impl SlotWriter<Vec<u8>> {
    /// Replaces the message without allocating; false when it is longer than the slot was made for.
    pub fn write_bytes(&mut self, message: &[u8], stamp: WatchTime) -> bool {
        if message.len() > self.input.input_buffer_mut().value.capacity() {
            return false;
        }
        self.write_with(stamp, |place| {
            place.clear();
            place.extend_from_slice(message);
        });
        true
    }
}

impl<T: Send> SlotReader<T> {
    /// The newest value, or None when nothing was ever written.
    pub fn read(&mut self) -> Option<Latest<'_, T>> {
        self.output.update();
        let newest = self.output.output_buffer();
        if newest.sequence == 0 {
            return None;
        }
        let ahead = newest.sequence - self.last_sequence;
        self.last_sequence = newest.sequence;
        Some(Latest {
            value: &newest.value,
            stamp: newest.stamp,
            sequence: newest.sequence,
            fresh: ahead > 0,
            skipped: ahead.saturating_sub(1),
        })
    }

    /// True when the next read brings a value that no read has seen.
    #[must_use]
    pub fn has_fresh(&self) -> bool {
        self.output.updated()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    const fn at(ns: u64) -> WatchTime {
        WatchTime::from_ns(ns)
    }

    #[test]
    fn empty_until_written_then_newest_with_age_and_what_was_missed() {
        let (mut writer, mut reader) = slot(&0_u32);
        assert_eq!(reader.read(), None);
        writer.write(7, at(100));
        writer.write(8, at(150));
        writer.write(9, at(200));
        assert!(reader.has_fresh());
        let latest = reader.read().unwrap();
        assert_eq!((*latest.value, latest.sequence, latest.fresh, latest.skipped), (9, 3, true, 2));
        assert_eq!((latest.age_ns(at(260)), latest.age_ns(at(10))), (60, 0));
        let again = reader.read().unwrap();
        assert_eq!((*again.value, again.fresh, again.skipped), (9, false, 0));
        assert!(!reader.has_fresh());
    }

    #[test]
    fn bytes_keep_their_length_and_too_long_ones_are_refused() {
        let (mut writer, mut reader) = byte_slot(8);
        assert!(writer.write_bytes(b"12345678", at(1)));
        assert!(!writer.write_bytes(b"123456789", at(2)));
        assert_eq!(reader.read().unwrap().value, b"12345678");
        assert!(writer.write_bytes(b"ab", at(3)));
        assert_eq!(reader.read().unwrap().value, b"ab");
    }

    #[test]
    fn a_reader_beside_a_writer_sees_whole_values_that_only_advance() {
        const N: u64 = 100_000;
        let (mut writer, mut reader) = slot(&[0_u64; 32]);
        let thread = std::thread::spawn(move || {
            for i in 1..=N {
                writer.write([i; 32], at(i));
            }
        });
        let mut last = 0;
        while last < N {
            if let Some(latest) = reader.read() {
                assert!(latest.value.iter().all(|&v| v == latest.sequence) && latest.sequence >= last);
                last = latest.sequence;
            }
        }
        thread.join().unwrap();
    }
}
