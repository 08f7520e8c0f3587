//! Matrix products with constant weights.
//!
//! Weights are stored input by input in panels of 16, 32 or 64 outputs, so the inner loop runs over outputs: it
//! has no dependence from one lane to the next and the compiler turns it into vector code. A panel starts with its
//! biases. All layers of a graph lie behind each other in the order of their use, each line on its own cache line,
//! so a cold run reads memory once, straight ahead.

use super::kernels::Arithmetic;

/// Sixteen neighbouring weights on one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line([f32; LANES]);

/// Outputs per line.
pub(super) const LANES: usize = 16;

impl Line {
    const ZERO: Self = Self([0.0; LANES]);
}

/// One layer, `out = bias + input * weights`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense {
    /// Values summed per output.
    inputs: usize,
    /// Outputs per row.
    outputs: usize,
    /// Its first line in the weights.
    first: usize,
    /// Widest panel, in lines.
    widest: usize,
}

impl Dense {
    /// Appends the layer to `lines`. `weight(i, o)` is the weight of input `i` on output `o`.
    pub(super) fn pack(
        lines: &mut Vec<Line>,
        widest: usize,
        (inputs, outputs): (usize, usize),
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let first = lines.len();
        let mut from = 0;
        while from < outputs {
            let width = panel_lines(outputs - from, widest);
            let mut row = |value: &dyn Fn(usize) -> f32| {
                for line in 0..width {
                    let lane = |lane: usize| {
                        let o = from + line * LANES + lane;
                        if o < outputs { value(o) } else { 0.0 }
                    };
                    lines.push(Line(std::array::from_fn(lane)));
                }
            };
            row(&bias);
            for i in 0..inputs {
                row(&|o| weight(i, o));
            }
            from += width * LANES;
        }
        Self { inputs, outputs, first, widest }
    }

    /// Values the packed form of such a layer takes.
    pub(super) fn packed_len(inputs: usize, outputs: usize) -> Option<usize> {
        outputs.div_ceil(LANES).checked_mul(LANES)?.checked_mul(inputs.checked_add(1)?)
    }

    /// Adds `bias(o)` to the biases already there.
    pub(super) fn add_bias(&self, lines: &mut [Line], bias: impl Fn(usize) -> f32) {
        let Some(mut rest) = lines.get_mut(self.first..) else { return };
        let mut from = 0;
        while from < self.outputs {
            let width = panel_lines(self.outputs - from, self.widest);
            for (index, lane) in rest.iter_mut().take(width).flat_map(|l| &mut l.0).enumerate() {
                if from + index < self.outputs {
                    *lane += bias(from + index);
                }
            }
            let Some((_, behind)) = rest.split_at_mut_checked(width * (self.inputs + 1)) else { return };
            rest = behind;
            from += width * LANES;
        }
    }

    /// Values written per row.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// All rows of `input`, each of `inputs` values, into `out`.
    #[inline(always)]
    pub(super) fn run<A: Arithmetic>(&self, lines: &[Line], input: &[f32], out: &mut [f32]) {
        if self.outputs == 0 {
            return;
        }
        let lines = lines.get(self.first..).unwrap_or(&[]);
        for (index, out) in out.chunks_exact_mut(self.outputs).enumerate() {
            let row = input.get(index * self.inputs..(index + 1) * self.inputs).unwrap_or(&[]);
            self.row::<A>(lines, row, out);
        }
    }

    #[inline(always)]
    fn row<A: Arithmetic>(&self, mut lines: &[Line], row: &[f32], mut out: &mut [f32]) {
        while !out.is_empty() {
            let width = panel_lines(out.len(), self.widest);
            let Some((panel, behind)) = lines.split_at_checked(width * (self.inputs + 1)) else { return };
            let Some((now, later)) = out.split_at_mut_checked(out.len().min(width * LANES)) else { return };
            match width {
                4 => panel_of::<A, 4, 1>(panel, row, now),
                2 => panel_of::<A, 2, 2>(panel, row, now),
                _ => panel_of::<A, 1, 4>(panel, row, now),
            }
            lines = behind;
            out = later;
        }
    }
}

/// Lines of the next panel when `left` outputs are still to do.
#[inline(always)]
fn panel_lines(left: usize, widest: usize) -> usize {
    match left {
        64.. if widest >= 4 => 4,
        32.. if widest >= 2 => 2,
        _ => 1,
    }
}

/// A panel of `N` lines. `U` inputs are summed side by side: a narrow panel alone would wait for each sum.
#[inline(always)]
fn panel_of<A: Arithmetic, const N: usize, const U: usize>(panel: &[Line], row: &[f32], out: &mut [f32]) {
    let (entries, _) = panel.as_chunks::<N>();
    let Some((bias, weights)) = entries.split_first() else { return };
    let mut sums = [[Line::ZERO; N]; U];
    let (groups, rest) = weights.as_chunks::<U>();
    let (values, values_rest) = row.as_chunks::<U>();
    for (values, group) in values.iter().zip(groups) {
        for ((value, weights), sums) in values.iter().zip(group).zip(&mut sums) {
            accumulate::<A, N>(*value, weights, sums);
        }
    }
    let mut total = *bias;
    for (value, weights) in values_rest.iter().zip(rest) {
        accumulate::<A, N>(*value, weights, &mut total);
    }
    for sums in &sums {
        for (total, sum) in total.iter_mut().zip(sums) {
            for (total, sum) in total.0.iter_mut().zip(sum.0) {
                *total += sum;
            }
        }
    }
    for (out, total) in out.iter_mut().zip(total.iter().flat_map(|line| &line.0)) {
        *out = *total;
    }
}

#[inline(always)]
fn accumulate<A: Arithmetic, const N: usize>(value: f32, weights: &[Line; N], sums: &mut [Line; N]) {
    for (weights, sums) in weights.iter().zip(sums) {
        for (weight, sum) in weights.0.iter().zip(&mut sums.0) {
            *sum = A::mul_add(value, *weight, *sum);
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
    use super::super::kernels::Separate;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any size, any panel width: the sum over the inputs plus the bias, for each row.
        #[test]
        fn a_layer_is_a_matrix_product(
            (inputs, outputs, rows) in (0usize..9, 1usize..150, 1usize..3),
            widest in prop::sample::select(vec![1usize, 2, 4]),
        ) {
            let weight = |i: usize, o: usize| ((i * 31 + o * 17) % 23) as f32 - 11.0;
            let mut lines = vec![Line::ZERO; 3];
            let layer = Dense::pack(&mut lines, widest, (inputs, outputs), weight, |o| o as f32);
            layer.add_bias(&mut lines, |o| (o % 5) as f32);
            let input: Vec<f32> = (0..rows * inputs).map(|i| (i % 7) as f32).collect();
            let mut out = vec![f32::NAN; rows * outputs];
            layer.run::<Separate>(&lines, &input, &mut out);
            for row in 0..rows {
                for o in 0..outputs {
                    let sum: f32 = (0..inputs).map(|i| input[row * inputs + i] * weight(i, o)).sum();
                    prop_assert_eq!(out[row * outputs + o], sum + o as f32 + (o % 5) as f32);
                }
            }
        }
    }
}
