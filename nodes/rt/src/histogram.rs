//! Latency histogram of fixed size: recording is two shifts and an increment, and never allocates.
//!
//! Log-linear: every power of two of nanoseconds is cut into 64 equal buckets, so a percentile is exact below
//! 128 ns and at most 1.6 % too high above. Values beyond the range count in the last bucket; `max` is exact.

/// Linear buckets per power of two: 2^6.
const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
/// The last power of two with buckets of its own; values up to 2^38 ns = 275 s.
const TOP_BIT: u32 = 37;
const BUCKETS: usize = ((TOP_BIT - SUB_BITS + 2) as usize) << SUB_BITS;

/// Distribution of durations, ns.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

/// The figures a report prints, ns. All 0 when nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub count: u64,
    pub min_ns: u64,
    pub mean_ns: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram; the only allocation (17 KiB) happens here.
    #[must_use]
    pub fn new() -> Self {
        // Written, not only reserved: the first records must not fault pages in.
        let counts = std::hint::black_box(vec![1_u64; BUCKETS]).into_iter().map(|one| one - 1).collect();
        Self { counts, count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }

    /// Counts one duration, ns.
    pub fn record(&mut self, ns: u64) {
        if let Some(bucket) = self.counts.get_mut(bucket_of(ns)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum_ns, self.min_ns, self.max_ns) = (0, 0, u64::MAX, 0);
    }

    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Largest duration, exact, ns.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Smallest value that at least `fraction` (0..=1) of the durations do not exceed, ns; rounded up to the
    /// bucket's end, never beyond the maximum. 0 when empty.
    #[must_use]
    pub fn quantile_ns(&self, fraction: f64) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let rank = ((self.count as f64 * fraction.clamp(0.0, 1.0)).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                // The last bucket also holds everything beyond the range: only the maximum is known there.
                let end = if bucket + 1 == BUCKETS { u64::MAX } else { bucket_end(bucket) };
                return end.min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// The figures a report prints.
    #[must_use]
    pub fn summary(&self) -> Summary {
        if self.count == 0 {
            return Summary::default();
        }
        Summary {
            count: self.count,
            min_ns: self.min_ns,
            mean_ns: (self.sum_ns / u128::from(self.count)) as u64,
            p50_ns: self.quantile_ns(0.5),
            p99_ns: self.quantile_ns(0.99),
            p999_ns: self.quantile_ns(0.999),
            max_ns: self.max_ns,
        }
    }
}

/// Values below 64 have a bucket each; above, the top seven bits choose it.
fn bucket_of(ns: u64) -> usize {
    if ns < SUB {
        return ns as usize;
    }
    let top = 63 - ns.leading_zeros();
    if top > TOP_BIT {
        return BUCKETS - 1;
    }
    let shift = top - SUB_BITS;
    (((shift as u64 + 1) << SUB_BITS) + ((ns >> shift) - SUB)) as usize
}

/// Largest value that falls into `bucket`.
fn bucket_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    let base = SUB + (bucket & (SUB - 1));
    ((base + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_ascend() {
        let mut last = 0;
        for bits in 0..TOP_BIT {
            for offset in [0_u64, 1, 3, 17] {
                let ns = (1_u64 << bits) + offset.min((1 << bits) - 1);
                let bucket = bucket_of(ns);
                assert!(bucket >= last, "{ns}");
                last = bucket;
                let end = bucket_end(bucket);
                assert!(end >= ns && (end - ns) as f64 <= ns as f64 / 64.0, "{ns} {end}");
                assert!(bucket == 0 || bucket_end(bucket - 1) < ns);
            }
        }
    }

    #[test]
    fn percentiles_of_a_known_distribution() {
        let mut histogram = Histogram::new();
        for us in 1..=1_000_u64 {
            histogram.record(us * 1_000);
        }
        let s = histogram.summary();
        let close = |got: u64, want: u64| got >= want && (got as f64) < want as f64 * 1.017;
        assert!(close(s.p50_ns, 500_000), "{s:?}");
        assert!(close(s.p99_ns, 990_000), "{s:?}");
        assert!(close(s.p999_ns, 999_000), "{s:?}");
        assert_eq!((s.min_ns, s.max_ns, s.count, s.mean_ns), (1_000, 1_000_000, 1_000, 500_500));
    }

    #[test]
    fn one_outlier_shows_in_the_maximum_and_not_in_the_median() {
        let mut histogram = Histogram::new();
        (0..999).for_each(|_| histogram.record(100));
        histogram.record(u64::MAX);
        let s = histogram.summary();
        assert_eq!((s.p50_ns, s.p999_ns, s.max_ns), (100, 100, u64::MAX));
        assert_eq!(histogram.quantile_ns(1.0), u64::MAX);
    }

    #[test]
    fn merged_equals_recorded_together_and_empty_is_all_zero() {
        assert_eq!(Histogram::new().summary(), Summary::default());
        let (mut a, mut b, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for i in 0..5_000_u64 {
            let ns = i * i % 77_777;
            if i % 2 == 0 {
                a.record(ns)
            } else {
                b.record(ns)
            }
            both.record(ns);
        }
        a.merge(&b);
        assert_eq!(a.summary(), both.summary());
        a.clear();
        assert_eq!(a.summary(), Summary::default());
    }
}
