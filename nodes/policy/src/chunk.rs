//! Action chunks: several targets ahead of time, consumed by time and never by count.
//!
//! ```text
//!  observation       arrival
//!      │ stamp          │ now
//!      ●━━0━━━1━━━2━━━3━┿━4━━━5 …   replace_with_delay, crossfade, temporal_ensemble: step k is for stamp + k dt
//!                       0━━━1━━━2 … open_loop: step k is for arrival + k dt
//! ```
//! A chunk belongs to an epoch (an activation); one of another epoch is refused, so nothing that was in flight
//! during a reset is ever executed. Nothing is allocated after construction.

use sinew_inference::manifest::{Chunk, ChunkMode, Interpolation};

/// Why a chunk was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkRefusal {
    /// Of another activation.
    #[error("the chunk belongs to epoch {found}, now is {expected}")]
    Epoch {
        /// Epoch of the chunk.
        found: u32,
        /// Epoch of the buffer.
        expected: u32,
    },
    /// Observed no later than the newest one held.
    #[error("the chunk was observed at {found_ns} ns, one from {newest_ns} ns is held already")]
    Stale {
        /// Stamp of the chunk, ns.
        found_ns: u64,
        /// Stamp of the newest one held, ns.
        newest_ns: u64,
    },
    /// Of another size.
    #[error("the chunk has {found} values, expected {expected}")]
    Length {
        /// Values found.
        found: usize,
        /// Values expected.
        expected: usize,
    },
    /// With a value that is no number.
    #[error("the chunk holds a value that is not finite")]
    NotFinite,
}

/// What was read, and how old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkReading {
    /// From the observation of the newest chunk used to the moment of reading, ns.
    pub age_ns: u64,
    /// The moment asked for lies beyond the last step, which was held.
    pub is_exhausted: bool,
}

/// Chunks held, newest last.
#[derive(Clone, Debug)]
pub struct ChunkBuffer {
    chunk: Chunk,
    width: usize,
    epoch: u32,
    /// Ring of chunks; `newest` of the last `held`.
    slots: Vec<Slot>,
    newest: usize,
    held: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    stamp_ns: u64,
    /// Time of step 0, ns.
    base_ns: u64,
    arrived_ns: u64,
    values: Vec<f32>,
}

impl ChunkBuffer {
    /// For chunks of `width` values per step.
    pub fn new(chunk: Chunk, width: usize) -> Self {
        let count = match chunk.mode {
            ChunkMode::TemporalEnsemble { .. } => chunk.steps.div_ceil(chunk.execute.max(1)) + 1,
            ChunkMode::OpenLoop | ChunkMode::ReplaceWithDelay | ChunkMode::Crossfade { .. } => 2,
        };
        let values = vec![0.0; chunk.steps * width];
        let slot = Slot { stamp_ns: 0, base_ns: 0, arrived_ns: 0, values };
        Self { chunk, width, epoch: 0, slots: vec![slot; count], newest: 0, held: 0 }
    }

    /// Forgets everything and belongs to `epoch` from now on.
    pub fn reset(&mut self, epoch: u32) {
        (self.epoch, self.held) = (epoch, 0);
    }

    /// True when the newest chunk has been executed as far as declared, or there is none.
    pub fn wants_run(&self, now_ns: u64) -> bool {
        let execute_ns = self.chunk.execute as f64 * self.chunk.dt_ms * 1e6;
        // A tick that falls a rounding error short of the end is the end.
        self.slot(0).is_none_or(|slot| now_ns.saturating_sub(slot.stamp_ns) as f64 + 0.5 >= execute_ns)
    }

    /// True when the last step of the newest chunk has had its time at the moments of [`ChunkBuffer::read`], or there is
    /// no chunk.
    pub fn has_ended(&self, now_ns: u64, use_ns: u64) -> bool {
        let at_ns = if self.chunk.mode == ChunkMode::OpenLoop { now_ns } else { use_ns };
        let lasts_ns = self.chunk.steps as f64 * self.chunk.dt_ms * 1e6;
        self.slot(0).is_none_or(|slot| at_ns.saturating_sub(slot.base_ns) as f64 + 0.5 >= lasts_ns)
    }

    /// Takes a chunk observed at `stamp_ns` that arrives at `now_ns`, step by step.
    pub fn push(
        &mut self,
        epoch: u32,
        stamp_ns: u64,
        now_ns: u64,
        values: impl ExactSizeIterator<Item = f32> + Clone,
    ) -> Result<(), ChunkRefusal> {
        if epoch != self.epoch {
            return Err(ChunkRefusal::Epoch { found: epoch, expected: self.epoch });
        }
        if let Some(newest) = self.slot(0)
            && stamp_ns <= newest.stamp_ns
        {
            return Err(ChunkRefusal::Stale { found_ns: stamp_ns, newest_ns: newest.stamp_ns });
        }
        let expected = self.chunk.steps * self.width;
        if values.len() != expected {
            return Err(ChunkRefusal::Length { found: values.len(), expected });
        }
        if values.clone().any(|v| !v.is_finite()) {
            return Err(ChunkRefusal::NotFinite);
        }
        self.newest = (self.newest + 1) % self.slots.len().max(1);
        self.held = (self.held + 1).min(self.slots.len());
        let open_loop = self.chunk.mode == ChunkMode::OpenLoop;
        if let Some(slot) = self.slots.get_mut(self.newest) {
            slot.stamp_ns = stamp_ns;
            slot.arrived_ns = now_ns;
            slot.base_ns = if open_loop { now_ns } else { stamp_ns };
            for (out, value) in slot.values.iter_mut().zip(values) {
                *out = value;
            }
        }
        Ok(())
    }

    /// Writes the targets for `use_ns`, the moment at which they will act; `None`, and nothing written, without a
    /// chunk. In open loop the first step acts first whenever it comes, so `now_ns` is what counts.
    pub fn read(&self, now_ns: u64, use_ns: u64, out: &mut [f32]) -> Option<ChunkReading> {
        let newest = self.slot(0)?;
        let at_ns = if self.chunk.mode == ChunkMode::OpenLoop { now_ns } else { use_ns };
        let is_exhausted = self.position(newest, at_ns) > self.chunk.steps as f64;
        match (self.chunk.mode, self.slot(1)) {
            (ChunkMode::TemporalEnsemble { coeff }, _) => self.average(at_ns, coeff, out),
            (ChunkMode::Crossfade { fade_ms }, Some(older)) if fade_ms > 0.0 => {
                let share = now_ns.saturating_sub(newest.arrived_ns) as f64 / (fade_ms * 1e6);
                for (index, out) in out.iter_mut().enumerate() {
                    let new = self.value(newest, at_ns, index);
                    let old = self.value(older, at_ns, index);
                    *out = if share >= 1.0 { new } else { old + share * (new - old) } as f32;
                }
            }
            _ => {
                for (index, out) in out.iter_mut().enumerate() {
                    *out = self.value(newest, at_ns, index) as f32;
                }
            }
        }
        Some(ChunkReading { age_ns: now_ns.saturating_sub(newest.stamp_ns), is_exhausted })
    }

    /// The chunk taken `back` chunks ago.
    fn slot(&self, back: usize) -> Option<&Slot> {
        let count = self.slots.len();
        if back >= self.held {
            return None;
        }
        self.slots.get((self.newest + count - back) % count)
    }

    /// Steps from the first one to `at_ns`.
    fn position(&self, slot: &Slot, at_ns: u64) -> f64 {
        at_ns.saturating_sub(slot.base_ns) as f64 / (self.chunk.dt_ms * 1e6)
    }

    fn value(&self, slot: &Slot, at_ns: u64, index: usize) -> f64 {
        let last = self.chunk.steps.max(1) - 1;
        let position = self.position(slot, at_ns).min(last as f64);
        let before = (position as usize).min(last);
        let of = |step: usize| slot.values.get(step * self.width + index).map_or(f64::NAN, |v| f64::from(*v));
        let value = of(before);
        match self.chunk.interpolation {
            Interpolation::Linear if before < last => {
                value + (position - before as f64) * (of(before + 1) - value)
            }
            Interpolation::Linear | Interpolation::Hold => value,
        }
    }

    /// The mean of all chunks that speak of `at_ns`, the oldest weighing 1; the newest one when none does.
    fn average(&self, at_ns: u64, coeff: f64, out: &mut [f32]) {
        let speaks = |slot: &&Slot| self.position(slot, at_ns) <= (self.chunk.steps.max(1) - 1) as f64;
        let oldest_first = || (0..self.held).rev().filter_map(|back| self.slot(back));
        for (index, out) in out.iter_mut().enumerate() {
            let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
            for slot in oldest_first().filter(speaks) {
                sum += weight * self.value(slot, at_ns, index);
                weights += weight;
                weight *= libm::exp(-coeff);
            }
            if weights > 0.0 {
                *out = (sum / weights) as f32;
            } else if let Some(newest) = self.slot(0) {
                *out = self.value(newest, at_ns, index) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    const MS: u64 = 1_000_000;

    fn chunk(mode: ChunkMode, execute: usize) -> Chunk {
        Chunk { steps: 4, dt_ms: 20.0, mode, execute, interpolation: Interpolation::Linear }
    }

    /// A buffer of one value per step, with a first chunk observed at 100 ms that arrives at 130 ms.
    fn held(mode: ChunkMode) -> ChunkBuffer {
        let mut buffer = ChunkBuffer::new(chunk(mode, 2), 1);
        buffer.reset(7);
        buffer.push(7, 100 * MS, 130 * MS, [0.0, 1.0, 4.0, 9.0].into_iter()).unwrap();
        buffer
    }

    fn read(buffer: &ChunkBuffer, ms: u64) -> (f32, bool) {
        let mut out = [f32::NAN];
        let reading = buffer.read(ms * MS, ms * MS, &mut out).unwrap();
        (out[0], reading.is_exhausted)
    }

    #[test]
    fn what_is_late_is_dropped_and_the_rest_interpolated() {
        let buffer = held(ChunkMode::ReplaceWithDelay);
        assert_eq!(read(&buffer, 130), (2.5, false));
        assert_eq!(read(&buffer, 140), (4.0, false));
        assert_eq!(read(&buffer, 160), (9.0, false));
        assert_eq!(read(&buffer, 180), (9.0, false)); // the last step lasts as long as any other
        assert_eq!(read(&buffer, 190), (9.0, true));
    }

    #[test]
    fn open_loop_begins_with_the_first_step() {
        let buffer = held(ChunkMode::OpenLoop);
        assert_eq!(read(&buffer, 130), (0.0, false));
        assert_eq!(read(&buffer, 140), (0.5, false));
        assert_eq!(read(&buffer, 170), (4.0, false));
    }

    #[test]
    fn a_held_step_is_not_interpolated() {
        let mut buffer = ChunkBuffer::new(
            Chunk { interpolation: Interpolation::Hold, ..chunk(ChunkMode::OpenLoop, 2) },
            1,
        );
        buffer.push(0, 0, 0, [0.0, 1.0, 4.0, 9.0].into_iter()).unwrap();
        assert_eq!(read(&buffer, 39), (1.0, false));
        assert_eq!(read(&buffer, 40), (4.0, false));
    }

    #[test]
    fn a_new_chunk_fades_in() {
        let mut buffer = held(ChunkMode::Crossfade { fade_ms: 20.0 });
        buffer.push(7, 140 * MS, 150 * MS, [10.0; 4].into_iter()).unwrap();
        assert_eq!(read(&buffer, 150), (6.5, false)); // all old
        assert_eq!(read(&buffer, 160), (9.5, false)); // half of 9 and 10
        assert_eq!(read(&buffer, 170), (10.0, false));
    }

    #[test]
    fn an_ensemble_weighs_the_oldest_most() {
        let mut buffer = ChunkBuffer::new(chunk(ChunkMode::TemporalEnsemble { coeff: 1.0 }, 1), 1);
        for (ms, value) in [(0, 1.0), (20, 2.0), (40, 3.0)] {
            assert!(buffer.wants_run(ms * MS));
            buffer.push(0, ms * MS, ms * MS, [value; 4].into_iter()).unwrap();
            assert!(!buffer.wants_run((ms + 19) * MS));
        }
        let e = (-1.0f64).exp();
        let expected = (1.0 + 2.0 * e + 3.0 * e * e) / (1.0 + e + e * e);
        assert!((f64::from(read(&buffer, 40).0) - expected).abs() < 1e-6);
        // At 80 ms the first chunk has nothing to say any more.
        let expected = (2.0 + 3.0 * e) / (1.0 + e);
        assert!((f64::from(read(&buffer, 80).0) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_graph_runs_again_when_enough_was_executed() {
        let buffer = held(ChunkMode::ReplaceWithDelay);
        assert!(!buffer.wants_run(139 * MS));
        assert!(buffer.wants_run(140 * MS));
        assert!(ChunkBuffer::new(chunk(ChunkMode::OpenLoop, 2), 1).wants_run(0));
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        let mut buffer = held(ChunkMode::ReplaceWithDelay);
        let four = [0.0f32; 4];
        let push = |buffer: &mut ChunkBuffer, epoch, ms, values: &[f32]| {
            buffer.push(epoch, ms * MS, 200 * MS, values.iter().copied())
        };
        assert_eq!(push(&mut buffer, 6, 140, &four), Err(ChunkRefusal::Epoch { found: 6, expected: 7 }));
        assert!(matches!(push(&mut buffer, 7, 100, &four), Err(ChunkRefusal::Stale { .. })));
        assert!(matches!(push(&mut buffer, 7, 140, &four[1..]), Err(ChunkRefusal::Length { .. })));
        assert_eq!(push(&mut buffer, 7, 140, &[0.0, f32::NAN, 0.0, 0.0]), Err(ChunkRefusal::NotFinite));
        assert_eq!(read(&buffer, 140), (4.0, false));
        // A reset leaves nothing.
        buffer.reset(8);
        assert_eq!(buffer.read(0, 0, &mut [0.0]), None);
        assert_eq!(push(&mut buffer, 7, 300, &four), Err(ChunkRefusal::Epoch { found: 7, expected: 8 }));
    }
}
