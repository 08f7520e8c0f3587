//! Shape arithmetic, done once when a graph is compiled: broadcasting and slicing become index tables.

/// Number of values of a shape.
pub(super) fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Number of values of a shape, unless that overflows.
pub(super) fn checked_len(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))
}

/// Where each value of the tensor of shape `from` with its axes in the order `order` is found in it.
pub(super) fn transpose_table(from: &[usize], order: &[usize]) -> Vec<usize> {
    let strides = strides(from);
    let pick = |values: &[usize]| -> Vec<usize> {
        order.iter().map(|axis| values.get(*axis).copied().unwrap_or(0)).collect()
    };
    strided_table(&pick(from), &pick(&strides), 0)
}

/// Distance of neighbours along each axis.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut stride = 1;
    let mut strides = vec![0; shape.len()];
    for (size, slot) in shape.iter().zip(&mut strides).rev() {
        *slot = stride;
        stride *= size;
    }
    strides
}

/// Values before, along and behind an axis.
pub(super) fn split_at_axis(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    let outer = shape.iter().take(axis).product();
    let size = shape.get(axis).copied().unwrap_or(1);
    (outer, size, shape.iter().skip(axis + 1).product())
}

/// Where the values of `picks` along an axis are found.
pub(super) fn pick_table(from: &[usize], axis: usize, picks: &[usize]) -> Vec<usize> {
    let (outer, size, inner) = split_at_axis(from, axis);
    let mut table = Vec::with_capacity(outer * picks.len() * inner);
    for o in 0..outer {
        for pick in picks {
            table.extend((0..inner).map(|i| (o * size + pick) * inner + i));
        }
    }
    table
}

/// Result shape of an element-wise operator by the NumPy rule, or `None` when the shapes do not fit.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], axis: usize| {
        let missing = rank - shape.len();
        if axis < missing { Some(1) } else { shape.get(axis - missing).copied() }
    };
    (0..rank)
        .map(|axis| match (dim(a, axis)?, dim(b, axis)?) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Where each value of `out` is found in a tensor of shape `from` broadcast to it.
pub(super) fn broadcast_table(from: &[usize], out: &[usize]) -> Vec<usize> {
    let missing = out.len().saturating_sub(from.len());
    let mut strides = vec![0; out.len()];
    let mut stride = 1;
    for (axis, &size) in from.iter().enumerate().rev() {
        if let Some(s) = strides.get_mut(axis + missing) {
            *s = if size == 1 { 0 } else { stride };
        }
        stride *= size;
    }
    strided_table(out, &strides, 0)
}

/// One axis of a slice, already clamped to the tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) step: i64,
    pub(super) count: usize,
}

/// Start, step and count of a slice of an axis of `size` by the ONNX rule (negative counts from the end).
pub(super) fn slice_range(size: usize, start: i64, end: i64, step: i64) -> Option<Range> {
    let n = i64::try_from(size).ok()?;
    let wrap = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
    let (lo, hi) = match step {
        0 => return None,
        1.. => (0, n),
        _ => (-1, n - 1),
    };
    let first = wrap(start).clamp(lo.max(0), hi);
    // An end far below zero means "to the front" when walking backwards.
    let last = wrap(end).clamp(lo, hi);
    let span = if step > 0 { last - first } else { first - last };
    let stride = step.unsigned_abs();
    let count = u64::try_from(span).unwrap_or(0).div_ceil(stride);
    Some(Range { start: usize::try_from(first).unwrap_or(0), step, count: usize::try_from(count).ok()? })
}

/// Where each value of a slice is found in the tensor of shape `from`; `ranges` has one entry per axis.
pub(super) fn slice_table(from: &[usize], ranges: &[Range]) -> Vec<usize> {
    let mut stride = 1usize;
    let mut first = 0usize;
    let mut strides = vec![0i64; from.len()];
    for ((size, range), out) in from.iter().zip(ranges).zip(&mut strides).rev() {
        first += range.start * stride;
        *out = range.step * stride as i64;
        stride *= size;
    }
    let out: Vec<usize> = ranges.iter().map(|r| r.count).collect();
    strided_walk(&out, |index| {
        let offset: i64 = index.iter().zip(&strides).map(|(i, s)| *i as i64 * s).sum();
        (first as i64 + offset) as usize
    })
}

fn strided_table(out: &[usize], strides: &[usize], first: usize) -> Vec<usize> {
    strided_walk(out, |index| first + index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>())
}

/// Calls `offset` for each index of `shape` in row-major order.
fn strided_walk(shape: &[usize], offset: impl Fn(&[usize]) -> usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    let mut table = Vec::with_capacity(len(shape));
    for _ in 0..len(shape) {
        table.push(offset(&index));
        for (i, size) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *size {
                break;
            }
            *i = 0;
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(broadcast(&[4, 1], &[3]), Some(vec![4, 3]));
        assert_eq!(broadcast(&[], &[2, 2]), Some(vec![2, 2]));
        assert_eq!(broadcast(&[2, 3], &[2]), None);
        assert_eq!(broadcast_table(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(broadcast_table(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn slices_follow_onnx() {
        let row = |start, end, step| {
            slice_range(5, start, end, step).map(|r| slice_table(&[5], &[r])).unwrap_or_default()
        };
        assert_eq!(row(1, 3, 1), [1, 2]);
        assert_eq!(row(-2, i64::MAX, 1), [3, 4]);
        assert_eq!(row(0, 5, 2), [0, 2, 4]);
        assert_eq!(row(-1, i64::MIN, -2), [4, 2, 0]);
        assert_eq!(row(3, 1, 1), [0; 0]);
        assert!(slice_range(5, 0, 5, 0).is_none());
    }
}
