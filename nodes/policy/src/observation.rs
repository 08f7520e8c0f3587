//! The input tensors: terms in the policy's joint order with history, layout and normalisation; counters; noise.

use sinew_inference::manifest::{HistoryLayout, Input, InputSource, Normalize, ObservationRange};

use crate::noise::{NoiseStream, RunCounter};
use crate::range_watch::RangeWatch;
use crate::sample::Sample;
use crate::term_memory::TermMemory;

/// Why an input could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputFault {
    /// A value that is not finite.
    NotFinite,
    /// A counter has ended.
    Ended,
    /// Out of the range declared, for as long as declared.
    OutOfRange,
}

/// One input tensor being filled.
#[derive(Clone, Debug)]
pub(crate) struct InputTensor {
    source: Source,
    range: Option<RangeWatch>,
}

#[derive(Clone, Debug)]
enum Source {
    Terms { terms: Vec<TermMemory>, moments: Vec<usize>, layout: HistoryLayout, normalize: Normalize },
    Counter(RunCounter),
    Noise(NoiseStream),
}

impl InputTensor {
    /// `rate_hz` is how often it is observed; `feet` are the robot's. The error names a foot that is not there.
    pub(crate) fn new(
        input: &Input,
        rate_hz: f64,
        feet: &[String],
        range: Option<&ObservationRange>,
    ) -> Result<Self, String> {
        let source = match &input.source {
            InputSource::Terms(observed) => Source::Terms {
                terms: observed
                    .terms
                    .iter()
                    .map(|term| TermMemory::new(term, rate_hz, feet))
                    .collect::<Result<_, _>>()?,
                moments: observed.terms.iter().map(|term| term.history.len).collect(),
                layout: observed.layout,
                normalize: observed.normalize.clone(),
            },
            InputSource::Counter(counter) => Source::Counter(RunCounter::new(*counter)),
            InputSource::Gaussian(gaussian) => Source::Noise(NoiseStream::new(*gaussian)),
        };
        Ok(Self { source, range: range.map(RangeWatch::new) })
    }

    /// True while the values have been out of their range for longer than declared.
    pub(crate) fn is_out_of_range(&self) -> bool {
        self.range.as_ref().is_some_and(RangeWatch::is_out)
    }

    /// Runs in which too many values were outside, since construction.
    pub(crate) fn runs_outside(&self) -> u64 {
        self.range.as_ref().map_or(0, RangeWatch::runs_outside)
    }

    /// Where the gait clock stands, after a `fresh` start or in the next run, rad in [0, 2 pi); `None` without one.
    pub(crate) fn gait_clock_rad(&self, fresh: bool) -> Option<f64> {
        let Source::Terms { terms, .. } = &self.source else { return None };
        terms.iter().find_map(TermMemory::clock).map(|clock| clock.clock_rad(fresh))
    }

    /// Where fresh starts find the gait clocks; `None`: at their own beginning.
    pub(crate) fn enter_gait_at(&mut self, clock_rad: Option<f64>) {
        if let Source::Terms { terms, .. } = &mut self.source {
            terms.iter_mut().filter_map(TermMemory::clock_mut).for_each(|clock| clock.enter_at(clock_rad));
        }
    }

    /// Takes this run's values and writes the tensor. Counters and noise move on only when the graph `runs`.
    pub(crate) fn write(
        &mut self,
        sample: &Sample<'_>,
        runs: bool,
        tensor: &mut [f32],
    ) -> Result<(), InputFault> {
        match &mut self.source {
            Source::Terms { terms, moments, layout, normalize } => {
                for term in terms.iter_mut() {
                    term.observe(sample);
                }
                lay_out(terms, moments, *layout, tensor);
                if tensor.iter().any(|v| !v.is_finite()) {
                    return Err(InputFault::NotFinite);
                }
                if let Some(range) = &mut self.range
                    && range.observe(sample.fresh, tensor)
                {
                    return Err(InputFault::OutOfRange);
                }
                apply(normalize, tensor);
            }
            Source::Counter(counter) if runs => {
                if sample.fresh {
                    counter.reset();
                }
                counter.advance(sample.elapsed.saturating_sub(1));
                tensor.fill(counter.value().ok_or(InputFault::Ended)?);
                counter.advance(1);
            }
            Source::Noise(noise) if runs => {
                if sample.fresh {
                    noise.reset();
                }
                tensor.fill_with(|| noise.next_value());
            }
            Source::Counter(_) | Source::Noise(_) => {}
        }
        if tensor.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(InputFault::NotFinite) }
    }
}

fn lay_out(terms: &[TermMemory], moments: &[usize], layout: HistoryLayout, tensor: &mut [f32]) {
    let mut rest = tensor;
    let mut put = |term: &TermMemory, slot: usize| {
        let (here, after) = std::mem::take(&mut rest).split_at_mut_checked(term.width()).unwrap_or_default();
        term.write_moment(slot, here);
        rest = after;
    };
    match layout {
        HistoryLayout::TermMajor => {
            for (term, moments) in terms.iter().zip(moments) {
                (0..*moments).for_each(|slot| put(term, slot));
            }
        }
        HistoryLayout::TimeMajor => {
            for slot in 0..moments.first().copied().unwrap_or(0) {
                terms.iter().for_each(|term| put(term, slot));
            }
        }
    }
}

fn apply(normalize: &Normalize, tensor: &mut [f32]) {
    let limited =
        |value: f64, clip: &Option<f64>| clip.map_or(value, |limit| value.clamp(-limit, limit)) as f32;
    match normalize {
        Normalize::None => {}
        Normalize::MeanStd { mean, std, eps, clip } => {
            for ((slot, mean), std) in tensor.iter_mut().zip(mean).zip(std) {
                *slot = limited((f64::from(*slot) - mean) / (std + eps), clip);
            }
        }
        Normalize::Range { lo, hi, eps, to: [from, until], clip } => {
            for ((slot, lo), hi) in tensor.iter_mut().zip(lo).zip(hi) {
                let width = if hi > lo { hi - lo } else { *eps };
                *slot = limited(from + (f64::from(*slot) - lo) / width * (until - from), clip);
            }
        }
        // Resolved when the model was loaded; a model that was not loaded yields no number.
        Normalize::Stats(_) => tensor.fill(f32::NAN),
    }
}
