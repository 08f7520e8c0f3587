//! Matrix products with constant weights.
//!
//! Weights are stored input by input in panels of 32 outputs, so the inner loop runs over outputs: it has no
//! dependence from one lane to the next, the compiler turns it into vector code, and each output is summed over
//! the inputs in their order, whatever the vector width.

/// Outputs computed side by side; eight SSE or four AVX registers of partial sums.
const LANES: usize = 32;

/// Weights of one layer, `out = bias + input * weights`.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// Values summed per output.
    inputs: usize,
    /// Outputs per row.
    outputs: usize,
    /// Panels one after the other; a panel holds `inputs` entries of `LANES` weights.
    panels: Vec<[f32; LANES]>,
    /// Start value of each output, all rows.
    bias: Vec<f32>,
}

impl Dense {
    /// `weight(i, o)` is the weight of input `i` on output `o`; `bias(row, o)` the start value.
    pub(super) fn new(
        rows: usize,
        inputs: usize,
        outputs: usize,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let mut panels = Vec::with_capacity(inputs * outputs.div_ceil(LANES));
        for first in (0..outputs).step_by(LANES) {
            for i in 0..inputs {
                let lane = |l: usize| if first + l < outputs { weight(i, first + l) } else { 0.0 };
                panels.push(std::array::from_fn(lane));
            }
        }
        let bias =
            (0..rows).flat_map(|r| (0..outputs).map(move |o| (r, o))).map(|(r, o)| bias(r, o)).collect();
        Self { inputs, outputs, panels, bias }
    }

    /// All rows of `input`, each of `inputs` values, into `out`.
    pub(super) fn run(&self, input: &[f32], out: &mut [f32]) {
        if self.inputs == 0 || self.outputs == 0 {
            out.copy_from_slice(&self.bias);
            return;
        }
        let rows = input.chunks_exact(self.inputs);
        let biases = self.bias.chunks_exact(self.outputs);
        for ((row, bias), out) in rows.zip(biases).zip(out.chunks_exact_mut(self.outputs)) {
            let panels = self.panels.chunks_exact(self.inputs);
            for ((panel, bias), out) in panels.zip(bias.chunks(LANES)).zip(out.chunks_mut(LANES)) {
                let mut sums = [0.0f32; LANES];
                for (value, weights) in row.iter().zip(panel) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
                for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                    *out = sum + bias;
                }
            }
        }
    }
}

/// Product of two computed matrices, `[rows, inputs] * [inputs, outputs]`, both row-major.
pub(super) fn product(a: &[f32], b: &[f32], inputs: usize, outputs: usize, out: &mut [f32]) {
    out.fill(0.0);
    if inputs == 0 || outputs == 0 {
        return;
    }
    for (row, out) in a.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
        for (value, weights) in row.iter().zip(b.chunks_exact(outputs)) {
            for (sum, weight) in out.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
}
