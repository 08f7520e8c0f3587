//! Matrix products with constant weights.
//!
//! Weights are stored input by input in panels of 32 outputs, so the inner loop runs over outputs: it has no
//! dependence from one lane to the next and the compiler turns it into vector code. A panel starts with its biases.
//! All layers of a graph lie behind each other in the order of their use, each row on its own cache lines, so a cold
//! run reads memory once, straight ahead.

use super::kernels::Arithmetic;

/// Outputs of a panel: eight SSE or four AVX registers of partial sums.
const PANEL: usize = 32;
/// Values per cache line.
const LINE: usize = 16;

/// The packed weights of all layers of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    values: Vec<f32>,
    /// Where the first layer starts: on a cache line, once sealed.
    base: usize,
}

impl Weights {
    /// Moves the weights to a place that starts on a cache line. (A clone may lie elsewhere, and is a little slower.)
    pub(super) fn seal(&mut self) {
        let mut values: Vec<f32> = Vec::with_capacity(self.values.len() + LINE);
        let base = values.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        values.resize(base, 0.0);
        values.extend_from_slice(self.values.get(self.base..).unwrap_or(&[]));
        *self = Self { values, base };
    }

    fn from(&self, first: usize) -> &[f32] {
        self.values.get(self.base + first..).unwrap_or(&[])
    }
}

/// One layer, `out = bias + input * weights`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense {
    /// Values summed per output.
    inputs: usize,
    /// Outputs per row.
    outputs: usize,
    /// Its first value in the weights.
    first: usize,
}

impl Dense {
    /// Appends the layer to `weights`. `weight(i, o)` is the weight of input `i` on output `o`.
    pub(super) fn pack(
        weights: &mut Weights,
        (inputs, outputs): (usize, usize),
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let first = weights.values.len() - weights.base;
        for from in (0..outputs).step_by(PANEL) {
            let mut row = |value: &dyn Fn(usize) -> f32| {
                let lane = |o: usize| if o < outputs { value(o) } else { 0.0 };
                weights.values.extend((from..from + PANEL).map(lane));
            };
            row(&bias);
            for i in 0..inputs {
                row(&|o| weight(i, o));
            }
        }
        Self { inputs, outputs, first }
    }

    /// Values the packed form of such a layer takes.
    pub(super) fn packed_len(inputs: usize, outputs: usize) -> Option<usize> {
        outputs.div_ceil(PANEL).checked_mul(PANEL)?.checked_mul(inputs.checked_add(1)?)
    }

    /// Adds `bias(o)` to the biases already there.
    pub(super) fn add_bias(&self, weights: &mut Weights, bias: impl Fn(usize) -> f32) {
        let Some(rest) = weights.values.get_mut(weights.base + self.first..) else { return };
        let panels = rest.chunks_exact_mut(PANEL * (self.inputs + 1));
        for (from, panel) in (0..self.outputs).step_by(PANEL).zip(panels) {
            for (o, lane) in (from..self.outputs).zip(panel.iter_mut().take(PANEL)) {
                *lane += bias(o);
            }
        }
    }

    /// Values written per row.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// All rows of `input`, each of `inputs` values, into `out`.
    #[inline(always)]
    pub(super) fn run<A: Arithmetic>(&self, weights: &Weights, input: &[f32], out: &mut [f32]) {
        if self.outputs == 0 {
            return;
        }
        let weights = weights.from(self.first);
        for (index, out) in out.chunks_exact_mut(self.outputs).enumerate() {
            let row = input.get(index * self.inputs..(index + 1) * self.inputs).unwrap_or(&[]);
            self.row::<A>(weights, row, out);
        }
    }

    #[inline(always)]
    fn row<A: Arithmetic>(&self, mut weights: &[f32], row: &[f32], mut out: &mut [f32]) {
        let panel = PANEL * (self.inputs + 1);
        while A::PAIRS && out.len() > PANEL {
            let Some((first, behind)) = weights.split_at_checked(panel) else { return };
            let Some((second, behind)) = behind.split_at_checked(panel) else { return };
            let Some((now, later)) = out.split_at_mut_checked(PANEL) else { return };
            let (next, later) = later.split_at_mut(later.len().min(PANEL));
            two_panels::<A>((first, second), row, (now, next));
            (weights, out) = (behind, later);
        }
        while !out.is_empty() {
            let Some((first, behind)) = weights.split_at_checked(panel) else { return };
            let Some((now, later)) = out.split_at_mut_checked(out.len().min(PANEL)) else { return };
            one_panel::<A>(first, row, now);
            (weights, out) = (behind, later);
        }
    }
}

/// The sums of a panel are one flat array, which is what the compiler keeps in vector registers.
#[inline(always)]
fn one_panel<A: Arithmetic>(panel: &[f32], row: &[f32], out: &mut [f32]) {
    let Some((bias, weights)) = rows(panel) else { return };
    let mut sums = *bias;
    for (value, weights) in row.iter().zip(weights) {
        accumulate::<A>(*value, weights, &mut sums);
    }
    write(&sums, out);
}

/// Two at once: twice the sums that do not wait for each other, and two streams of memory.
#[inline(always)]
fn two_panels<A: Arithmetic>(panels: (&[f32], &[f32]), row: &[f32], out: (&mut [f32], &mut [f32])) {
    let (Some((bias, weights)), Some((other_bias, others))) = (rows(panels.0), rows(panels.1)) else {
        return;
    };
    let (mut sums, mut other_sums) = (*bias, *other_bias);
    for ((value, weights), others) in row.iter().zip(weights).zip(others) {
        accumulate::<A>(*value, weights, &mut sums);
        accumulate::<A>(*value, others, &mut other_sums);
    }
    write(&sums, out.0);
    write(&other_sums, out.1);
}

type Row = [f32; PANEL];

#[inline(always)]
fn rows(panel: &[f32]) -> Option<(&Row, &[Row])> {
    panel.as_chunks::<PANEL>().0.split_first()
}

#[inline(always)]
fn accumulate<A: Arithmetic>(value: f32, weights: &Row, sums: &mut Row) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum = A::mul_add(value, *weight, *sum);
    }
}

/// Nothing may index into the sums by a number only known at run time, or they would live in memory: hence the copy.
#[inline(always)]
fn write(sums: &Row, out: &mut [f32]) {
    match out.first_chunk_mut::<PANEL>() {
        Some(out) => *out = *sums,
        None => {
            let all = *sums;
            for (out, sum) in out.iter_mut().zip(&all) {
                *out = *sum;
            }
        }
    }
}

/// Products of computed matrices, `[batch, rows, inputs] * [batch, inputs, outputs]`, row-major; `b` may have one
/// matrix for all of the batch.
#[inline(always)]
pub(super) fn product<A: Arithmetic>(
    a: &[f32],
    b: &[f32],
    (rows, inputs, outputs): (usize, usize, usize),
    out: &mut [f32],
) {
    out.fill(0.0);
    if rows == 0 || inputs == 0 || outputs == 0 {
        return;
    }
    let shared = b.len() == inputs * outputs;
    for (index, out) in out.chunks_exact_mut(rows * outputs).enumerate() {
        let at = if shared { 0 } else { index };
        let a = a.get(index * rows * inputs..).unwrap_or(&[]);
        let b = b.get(at * inputs * outputs..).unwrap_or(&[]);
        for (row, out) in a.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
            for (value, weights) in row.iter().zip(b.chunks_exact(outputs)) {
                for (sum, weight) in out.iter_mut().zip(weights) {
                    *sum = A::mul_add(*value, *weight, *sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::{Fused, Separate};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any size, alone and in pairs: the sum over the inputs plus the bias, for each row.
        #[test]
        fn a_layer_is_a_matrix_product(
            (inputs, outputs, rows) in (0usize..9, 1usize..150, 1usize..3),
        ) {
            let weight = |i: usize, o: usize| ((i * 31 + o * 17) % 23) as f32 - 11.0;
            let mut weights = Weights::default();
            Dense::pack(&mut weights, (2, 3), weight, |_| 0.0);
            let layer = Dense::pack(&mut weights, (inputs, outputs), weight, |o| o as f32);
            layer.add_bias(&mut weights, |o| (o % 5) as f32);
            weights.seal();
            let input: Vec<f32> = (0..rows * inputs).map(|i| (i % 7) as f32).collect();
            let (mut out, mut paired) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * outputs]);
            layer.run::<Separate>(&weights, &input, &mut out);
            layer.run::<Fused>(&weights, &input, &mut paired);
            prop_assert_eq!(&out, &paired);
            for row in 0..rows {
                for o in 0..outputs {
                    let sum: f32 = (0..inputs).map(|i| input[row * inputs + i] * weight(i, o)).sum();
                    prop_assert_eq!(out[row * outputs + o], sum + o as f32 + (o % 5) as f32);
                }
            }
        }
    }
}
