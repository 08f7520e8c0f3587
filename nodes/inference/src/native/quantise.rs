//! Numbers as 8-bit integers with a scale and a zero point, and back; one pair for a tensor or one along an axis.

use super::activation as f;
use super::reduce::Axis;
use super::step::Place;

/// By what a tensor is quantised. Along an axis of size 1 it is one pair for all values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantised {
    pub(super) scale: Place,
    pub(super) zero: Place,
    pub(super) axis: Axis,
}

/// The nearest whole number of steps, ties to even, held to the range. What is not a number stays none, although
/// 8 bits have no place for it: whoever reads the result has to see it.
#[inline(always)]
pub(super) fn to_whole(scale: &[f32], zero: &[f32], axis: Axis, (low, high): (f32, f32), values: &mut [f32]) {
    each_run(scale, zero, axis, values, |x, scale, zero| f::clip(f::round(x / scale) + zero, low, high));
}

/// The number that a whole one stands for.
#[inline(always)]
pub(super) fn from_whole(scale: &[f32], zero: &[f32], axis: Axis, values: &mut [f32]) {
    each_run(scale, zero, axis, values, |x, scale, zero| (x - zero) * scale);
}

/// Calls `f` with each value, its scale and its zero point.
#[inline(always)]
fn each_run(scale: &[f32], zero: &[f32], axis: Axis, values: &mut [f32], f: impl Fn(f32, f32, f32) -> f32) {
    if axis.inner == 0 || axis.size == 0 {
        return;
    }
    for slice in values.chunks_mut(axis.inner.saturating_mul(axis.size)) {
        for ((values, scale), zero) in slice.chunks_mut(axis.inner).zip(scale).zip(zero) {
            for value in values {
                *value = f(*value, *scale, *zero);
            }
        }
    }
}
