//! Is the policy still among the observations it was trained on?

use sinew_inference::manifest::{ObservationRange, RangePolicy};

/// Watches one input against its declared range.
#[derive(Clone, Debug)]
pub(crate) struct RangeWatch {
    range: ObservationRange,
    in_a_row: u32,
    runs_outside: u64,
}

impl RangeWatch {
    pub(crate) fn new(range: &ObservationRange) -> Self {
        Self { range: range.clone(), in_a_row: 0, runs_outside: 0 }
    }

    /// Takes the values of a run; true when that is a fault.
    pub(crate) fn observe(&mut self, fresh: bool, values: &[f32]) -> bool {
        if fresh {
            self.in_a_row = 0;
        }
        let outside = values
            .iter()
            .zip(&self.range.range)
            .filter(|(value, [lo, hi])| !(*lo..=*hi).contains(&f64::from(**value)))
            .count();
        if outside as f64 > self.range.share_max * values.len() as f64 {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.runs_outside += 1;
        } else {
            self.in_a_row = 0;
        }
        self.is_out() && self.range.policy == RangePolicy::Fault
    }

    /// True once the values have been outside for as many runs in a row as declared.
    pub(crate) fn is_out(&self) -> bool {
        self.in_a_row >= self.range.runs_max
    }

    pub(crate) fn runs_outside(&self) -> u64 {
        self.runs_outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(policy: RangePolicy) -> RangeWatch {
        let range = vec![[-1.0, 1.0]; 10];
        RangeWatch::new(&ObservationRange {
            tensor: "obs".into(),
            range,
            share_max: 0.1,
            runs_max: 3,
            policy,
        })
    }

    #[test]
    fn it_takes_enough_values_for_enough_runs_in_a_row() {
        let (inside, one, two) =
            ([0.0; 10], [[2.0; 1].as_slice(), &[0.0; 9]].concat(), [[2.0; 2].as_slice(), &[0.0; 8]].concat());
        let mut watch = watch(RangePolicy::Fault);
        // One value of ten is the share allowed.
        assert!((0..9).all(|_| !watch.observe(false, &one)));
        assert_eq!([false, false].map(|f| watch.observe(f, &two)), [false, false]);
        assert!(!watch.observe(false, &inside));
        assert_eq!([false, false, false].map(|f| watch.observe(f, &two)), [false, false, true]);
        assert!(watch.is_out());
        assert_eq!(watch.runs_outside(), 5);
        // An activation starts the count anew.
        assert!(!watch.observe(true, &two) && !watch.is_out());
    }

    #[test]
    fn a_warning_is_no_fault() {
        let mut watch = watch(RangePolicy::Warn);
        assert!((0..9).all(|_| !watch.observe(false, &[5.0; 10])));
        assert!(watch.is_out());
        assert!(!watch.observe(false, &[0.0; 10]) && !watch.is_out());
    }
}
