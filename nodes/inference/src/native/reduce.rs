//! Operators along an axis: sums and means, softmax, layer normalisation.

use super::activation;
use super::kernels::Arithmetic;
use super::step::{Place, at_or_nan};

/// The part of a shape that an operator runs along: `outer` times `size` times `inner` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) size: usize,
    pub(super) inner: usize,
}

/// What becomes of the values along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    Sum,
    Mean,
    SumSquare,
    L2,
    Max,
    Min,
}

/// One value for each row along the axis.
#[inline(always)]
pub(super) fn reduce(op: Reduction, input: &[f32], axis: Axis, out: &mut [f32]) {
    let size = axis.size;
    match op {
        Reduction::Sum => fold(input, axis, out, 0.0, |sum, x| sum + x, |sum| sum),
        Reduction::Mean => fold(input, axis, out, 0.0, |sum, x| sum + x, |sum| sum / size as f32),
        Reduction::SumSquare => fold(input, axis, out, 0.0, |sum, x| sum + x * x, |sum| sum),
        Reduction::L2 => fold(input, axis, out, 0.0, |sum, x| sum + x * x, f32::sqrt),
        // A NaN on the way comes out again.
        Reduction::Max => fold(input, axis, out, f32::NEG_INFINITY, larger, |m| m),
        Reduction::Min => {
            let smaller = |a: f32, x: f32| if x < a || x.is_nan() { x } else { a };
            fold(input, axis, out, f32::INFINITY, smaller, |m| m);
        }
    }
}

#[inline(always)]
fn larger(a: f32, x: f32) -> f32 {
    if x > a || x.is_nan() { x } else { a }
}

#[inline(always)]
fn fold(
    input: &[f32],
    axis: Axis,
    out: &mut [f32],
    start: f32,
    add: impl Fn(f32, f32) -> f32,
    end: impl Fn(f32) -> f32,
) {
    for (index, out) in out.iter_mut().enumerate() {
        let (outer, inner) = (index / axis.inner.max(1), index % axis.inner.max(1));
        let row = input.get(outer * axis.size * axis.inner + inner..).unwrap_or(&[]);
        let values = row.iter().step_by(axis.inner.max(1)).take(axis.size);
        *out = end(values.fold(start, |sum, x| add(sum, *x)));
    }
}

/// Shares that sum to one along the axis, or their logarithms.
#[inline(always)]
pub(super) fn softmax<A: Arithmetic>(input: &[f32], axis: Axis, logarithm: bool, out: &mut [f32]) {
    let (stride, block) = (axis.inner.max(1), axis.size * axis.inner);
    if block == 0 {
        return;
    }
    for (input, out) in input.chunks_exact(block).zip(out.chunks_exact_mut(block)) {
        for inner in 0..axis.inner {
            let values = || input.iter().skip(inner).step_by(stride);
            let max = values().copied().fold(f32::NEG_INFINITY, larger);
            let mut sum = 0.0;
            for (out, x) in out.iter_mut().skip(inner).step_by(stride).zip(values()) {
                let share = activation::exp::<A>(x - max);
                *out = if logarithm { x - max } else { share };
                sum += share;
            }
            let log = if logarithm { libm::logf(sum) } else { 0.0 };
            for out in out.iter_mut().skip(inner).step_by(stride) {
                *out = if logarithm { *out - log } else { *out / sum };
            }
        }
    }
}

/// Each row to mean 0 and variance 1, then scaled and shifted.
#[derive(Clone, Debug)]
pub(super) struct LayerNorm {
    pub(super) input: Place,
    pub(super) scale: Option<Place>,
    pub(super) bias: Option<Place>,
    /// Values per row.
    pub(super) row: usize,
    pub(super) epsilon: f32,
    /// False: the mean is left in and the mean square takes the place of the variance.
    pub(super) centred: bool,
}

impl LayerNorm {
    #[inline(always)]
    pub(super) fn run(&self, input: &[f32], scale: Option<&[f32]>, bias: Option<&[f32]>, out: &mut [f32]) {
        if self.row == 0 {
            return;
        }
        let count = self.row as f32;
        for (row, out) in input.chunks_exact(self.row).zip(out.chunks_exact_mut(self.row)) {
            let mean = if self.centred { row.iter().sum::<f32>() / count } else { 0.0 };
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            for (i, (out, x)) in out.iter_mut().zip(row).enumerate() {
                let scale = scale.map_or(1.0, |s| at_or_nan(s, i));
                let bias = bias.map_or(0.0, |b| at_or_nan(b, i));
                *out = (x - mean) * factor * scale + bias;
            }
        }
    }
}
