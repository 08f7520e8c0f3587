//! Recurrent state: what one run leaves for the next.

use sinew_inference::Engine;
use sinew_inference::manifest::{Ring, State, StateInit};

/// One pair with its memory.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentState {
    input: usize,
    output: usize,
    /// Time between two observations that it survives, ns.
    gap_ns: u64,
    ring: Ring,
    init: Vec<f32>,
    /// The last outputs, each `per_run` values; `newest` is the last one's position.
    runs: Vec<f32>,
    newest: usize,
    per_run: usize,
}

impl RecurrentState {
    /// `input` and `output` are positions among the engine's tensors, `period_ns` is from run to run.
    pub(crate) fn new(state: &State, input: usize, output: usize, period_ns: u64) -> Self {
        let ring = state.ring.unwrap_or(Ring { slots: 1, stride: 1 });
        let per_run = state.len() / ring.slots.max(1);
        let init = match &state.init {
            StateInit::Values(values) => values.clone(),
            // A file is read when the model is loaded.
            StateInit::Zeros | StateInit::File { .. } => vec![0.0; state.len()],
        };
        let gap_ns = state.gap_ms.map_or(period_ns, |ms| (ms * 1e6) as u64);
        let runs = vec![0.0; ring.runs() * per_run];
        let mut state = Self { input, output, gap_ns, ring, init, runs, newest: 0, per_run };
        state.reset();
        state
    }

    /// Time between two observations beyond which it starts anew, ns.
    pub(crate) fn gap_ns(&self) -> u64 {
        self.gap_ns
    }

    /// As after an activation.
    pub(crate) fn reset(&mut self) {
        self.newest = 0;
        let runs = self.ring.runs();
        for age in 0..runs {
            let slot = self.ring.slots - 1 - age / self.ring.stride;
            let at = (runs - age) % runs * self.per_run;
            let values = self.init.get(slot * self.per_run..(slot + 1) * self.per_run);
            if let (Some(memory), Some(values)) = (self.runs.get_mut(at..at + self.per_run), values) {
                memory.copy_from_slice(values);
            }
        }
    }

    /// Into the engine's input, oldest first.
    pub(crate) fn write(&self, engine: &mut dyn Engine) {
        let runs = self.ring.runs();
        let tensor = engine.input_mut(self.input);
        for (slot, out) in tensor.chunks_mut(self.per_run.max(1)).enumerate() {
            let age = self.ring.slots.saturating_sub(slot + 1) * self.ring.stride;
            let at = (self.newest + runs - age % runs) % runs * self.per_run;
            if let Some(values) = self.runs.get(at..at + self.per_run) {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = *value;
                }
            }
        }
    }

    /// From the engine's output; false when a value is not finite.
    pub(crate) fn take(&mut self, engine: &dyn Engine) -> bool {
        let values = engine.output(self.output);
        self.newest = (self.newest + 1) % self.ring.runs();
        let at = self.newest * self.per_run;
        match self.runs.get_mut(at..at + self.per_run) {
            Some(memory) if memory.len() == values.len() => memory.copy_from_slice(values),
            _ => return false,
        }
        values.iter().all(|v| v.is_finite())
    }
}
