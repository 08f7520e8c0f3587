//! One step of a plan: reads earlier values, writes one stretch of the arena, allocates nothing.

use super::dense::{self, Dense, Weights};
use super::elementwise::{self, Binary, Lineup, Unary};
use super::kernels::Arithmetic;
use super::quantise::{self, Quantised};
use super::recurrent::{Gru, Lstm};
use super::reduce::{self, Axis, LayerNorm, Reduction};

/// What a plan knows before it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Weights of all layers, packed in the order of their use.
    pub(super) weights: Weights,
    /// All other constants, in the order of their use.
    pub(super) constants: Vec<f32>,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A stretch of the constants.
    Constant { offset: usize, len: usize },
    /// A stretch of the arena.
    Arena { offset: usize, len: usize },
}

impl Place {
    /// The value; `arena` may be only its lower part, which holds all earlier values.
    #[inline(always)]
    pub(super) fn read<'a>(self, constants: &'a [f32], arena: &'a [f32]) -> &'a [f32] {
        let (from, offset, len) = match self {
            Self::Constant { offset, len } => (constants, offset, len),
            Self::Arena { offset, len } => (arena, offset, len),
        };
        from.get(offset..offset + len).unwrap_or(&[])
    }

    /// The `count` values from `first` on.
    pub(super) fn part(self, first: usize, count: usize) -> Self {
        match self {
            Self::Constant { offset, .. } => Self::Constant { offset: offset + first, len: count },
            Self::Arena { offset, .. } => Self::Arena { offset: offset + first, len: count },
        }
    }

    /// True for a constant.
    pub(super) fn is_constant(self) -> bool {
        matches!(self, Self::Constant { .. })
    }
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Dense {
        input: Place,
        layer: Dense,
        then: Option<Unary>,
    },
    /// Rows, inputs, outputs of each matrix product.
    Product {
        a: Place,
        b: Place,
        size: (usize, usize, usize),
    },
    Binary {
        op: Binary,
        a: (Place, Lineup),
        b: (Place, Lineup),
    },
    Unary {
        op: Unary,
        input: Place,
    },
    /// Where the condition is not 0 the first, else the second.
    Select {
        condition: (Place, Lineup),
        yes: (Place, Lineup),
        no: (Place, Lineup),
    },
    Copy {
        input: Place,
    },
    /// Position in the input, per output value.
    Gather {
        input: Place,
        table: Vec<u32>,
    },
    /// Slices along an axis by computed index.
    Take {
        input: Place,
        indices: Place,
        axis: Axis,
    },
    /// Each part gives `run` values in turn, until the output is full.
    Concat {
        parts: Vec<(Place, usize)>,
    },
    Reduce {
        op: Reduction,
        input: Place,
        axis: Axis,
    },
    Softmax {
        input: Place,
        axis: Axis,
        logarithm: bool,
    },
    LayerNorm(LayerNorm),
    /// To whole numbers from `low` to `high`.
    Quantise {
        input: Place,
        by: Quantised,
        low: f32,
        high: f32,
    },
    Dequantise {
        input: Place,
        by: Quantised,
    },
    Lstm(Box<Lstm>),
    Gru(Box<Gru>),
}

impl Action {
    /// Calls `f` with every place that is read.
    pub(super) fn each_input(&mut self, f: &mut dyn FnMut(&mut Place)) {
        match self {
            Self::Dense { input, .. }
            | Self::Unary { input, .. }
            | Self::Copy { input }
            | Self::Gather { input, .. }
            | Self::Reduce { input, .. }
            | Self::Softmax { input, .. } => f(input),
            Self::Product { a, b, .. } | Self::Binary { a: (a, _), b: (b, _), .. } => {
                f(a);
                f(b);
            }
            Self::Select { condition: (condition, _), yes: (yes, _), no: (no, _) } => {
                f(condition);
                f(yes);
                f(no);
            }
            Self::Take { input, indices, .. } => {
                f(input);
                f(indices);
            }
            Self::Concat { parts } => parts.iter_mut().for_each(|(place, _)| f(place)),
            Self::LayerNorm(norm) => {
                f(&mut norm.input);
                norm.scale.iter_mut().chain(&mut norm.bias).for_each(f);
            }
            Self::Quantise { input, by, .. } | Self::Dequantise { input, by } => {
                f(input);
                f(&mut by.scale);
                f(&mut by.zero);
            }
            Self::Lstm(cell) => {
                f(&mut cell.input);
                cell.hidden_start.iter_mut().chain(&mut cell.cell_start).for_each(f);
            }
            Self::Gru(cell) => {
                f(&mut cell.input);
                cell.hidden_start.iter_mut().for_each(f);
            }
        }
    }
}

/// An action and where its result goes.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Step {
    /// Carries the step out. Everything it reads lies below its output.
    #[inline(always)]
    pub(super) fn run<A: Arithmetic>(&self, memory: &Memory, arena: &mut [f32]) {
        let Some((below, rest)) = arena.split_at_mut_checked(self.offset) else { return };
        let Some(out) = rest.get_mut(..self.len) else { return };
        let below = &*below;
        let read = |place: Place| place.read(&memory.constants, below);
        match &self.action {
            Action::Dense { input, layer, then } => {
                layer.run::<A>(&memory.weights, read(*input), out);
                if let Some(op) = then {
                    elementwise::unary::<A>(*op, out);
                }
            }
            Action::Product { a, b, size } => dense::product::<A>(read(*a), read(*b), *size, out),
            Action::Binary { op, a, b } => {
                elementwise::binary(*op, (read(a.0), &a.1), (read(b.0), &b.1), out);
            }
            Action::Unary { op, input } => {
                copy(read(*input), out);
                elementwise::unary::<A>(*op, out);
            }
            Action::Select { condition, yes, no } => {
                let (yes, no) = ((read(yes.0), &yes.1), (read(no.0), &no.1));
                elementwise::select((read(condition.0), &condition.1), yes, no, out);
            }
            Action::Copy { input } => copy(read(*input), out),
            Action::Gather { input, table } => {
                let from = read(*input);
                for (out, at) in out.iter_mut().zip(table) {
                    *out = at_or_nan(from, *at as usize);
                }
            }
            Action::Take { input, indices, axis } => take(read(*input), read(*indices), *axis, out),
            Action::Concat { parts } => concat(parts, &memory.constants, below, out),
            Action::Reduce { op, input, axis } => reduce::reduce(*op, read(*input), *axis, out),
            Action::Softmax { input, axis, logarithm } => {
                reduce::softmax::<A>(read(*input), *axis, *logarithm, out);
            }
            Action::LayerNorm(norm) => {
                let (scale, bias) = (norm.scale.map(read), norm.bias.map(read));
                norm.run(read(norm.input), scale, bias, out);
            }
            Action::Quantise { input, by, low, high } => {
                copy(read(*input), out);
                quantise::to_whole(read(by.scale), read(by.zero), by.axis, (*low, *high), out);
            }
            Action::Dequantise { input, by } => {
                copy(read(*input), out);
                quantise::from_whole(read(by.scale), read(by.zero), by.axis, out);
            }
            Action::Lstm(cell) => {
                let (hidden, state) = (cell.hidden_start.map(read), cell.cell_start.map(read));
                cell.run::<A>(&memory.weights, read(cell.input), hidden, state, out);
            }
            Action::Gru(cell) => {
                cell.run::<A>(&memory.weights, read(cell.input), cell.hidden_start.map(read), out);
            }
        }
    }
}

/// Copies as much as fits.
#[inline(always)]
pub(super) fn copy(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The compiler of plans only writes positions inside the operand; a NaN would be caught by whoever reads it.
#[inline(always)]
pub(super) fn at_or_nan(values: &[f32], at: usize) -> f32 {
    values.get(at).copied().unwrap_or(f32::NAN)
}

/// An index outside the axis (or none at all) gives NaN, which is caught by whoever reads it.
#[inline(always)]
fn take(from: &[f32], indices: &[f32], axis: Axis, out: &mut [f32]) {
    if axis.inner == 0 || indices.is_empty() {
        return;
    }
    let rounds = out.chunks_exact_mut(axis.inner * indices.len()).enumerate();
    for (outer, out) in rounds {
        for (index, out) in indices.iter().zip(out.chunks_exact_mut(axis.inner)) {
            let wrapped = if *index < 0.0 { *index + axis.size as f32 } else { *index };
            let inside = wrapped >= 0.0 && wrapped < axis.size as f32;
            let start = (outer * axis.size + wrapped as usize) * axis.inner;
            match from.get(start..start + axis.inner).filter(|_| inside) {
                Some(found) => copy(found, out),
                None => out.fill(f32::NAN),
            }
        }
    }
}

#[inline(always)]
fn concat(parts: &[(Place, usize)], constants: &[f32], below: &[f32], out: &mut [f32]) {
    let mut rest = out;
    for round in 0.. {
        let mut written = false;
        for (place, run) in parts {
            let from = place.read(constants, below);
            let part = from.get(round * run..(round + 1) * run).unwrap_or(&[]);
            let Some((now, later)) = rest.split_at_mut_checked(part.len()) else { return };
            copy(part, now);
            written |= !part.is_empty();
            rest = later;
        }
        if !written {
            return;
        }
    }
}
