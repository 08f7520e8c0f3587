//! One step of a plan: reads earlier values, writes one value, allocates nothing.

use super::activation;
use super::dense::{self, Dense};

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A constant of the plan.
    Constant(usize),
    /// A stretch of the arena.
    Arena { offset: usize, len: usize },
}

impl Place {
    /// The value; `arena` may be only its lower part, which holds all earlier values.
    pub(super) fn read<'a>(self, constants: &'a [Vec<f32>], arena: &'a [f32]) -> &'a [f32] {
        match self {
            Self::Constant(index) => constants.get(index).map_or(&[], Vec::as_slice),
            Self::Arena { offset, len } => arena.get(offset..offset + len).unwrap_or(&[]),
        }
    }
}

/// How an operand's values line up with the output.
#[derive(Clone, Debug)]
pub(super) enum Lineup {
    /// One to one.
    Same,
    /// One value for all.
    Scalar,
    /// Position in the operand, per output value.
    Table(Vec<usize>),
}

/// Arithmetic on two operands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

/// A function of one value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unary {
    Relu,
    Elu { alpha: f32 },
    Tanh,
    Sigmoid,
    Clip { lo: f32, hi: f32 },
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Dense {
        input: Place,
        layer: Dense,
    },
    Product {
        a: Place,
        b: Place,
        inputs: usize,
        outputs: usize,
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
    Copy {
        input: Place,
        first: usize,
    },
    Gather {
        input: Place,
        table: Vec<usize>,
    },
    /// Each part gives `run` values in turn, until the output is full.
    Concat {
        parts: Vec<(Place, usize)>,
    },
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
    pub(super) fn run(&self, constants: &[Vec<f32>], arena: &mut [f32]) {
        let Some((below, rest)) = arena.split_at_mut_checked(self.offset) else { return };
        let Some(out) = rest.get_mut(..self.len) else { return };
        let read = |place: Place| place.read(constants, below);
        match &self.action {
            Action::Dense { input, layer } => layer.run(read(*input), out),
            Action::Product { a, b, inputs, outputs } => {
                dense::product(read(*a), read(*b), *inputs, *outputs, out);
            }
            Action::Binary { op, a, b } => {
                let (x, y) = ((read(a.0), &a.1), (read(b.0), &b.1));
                match op {
                    Binary::Add => binary(x, y, out, |x, y| x + y),
                    Binary::Sub => binary(x, y, out, |x, y| x - y),
                    Binary::Mul => binary(x, y, out, |x, y| x * y),
                    Binary::Div => binary(x, y, out, |x, y| x / y),
                }
            }
            Action::Unary { op, input } => {
                let input = read(*input);
                match *op {
                    Unary::Relu => unary(input, out, activation::relu),
                    Unary::Elu { alpha } => unary(input, out, |x| activation::elu(x, alpha)),
                    Unary::Tanh => unary(input, out, activation::tanh),
                    Unary::Sigmoid => unary(input, out, activation::sigmoid),
                    Unary::Clip { lo, hi } => unary(input, out, |x| activation::clip(x, lo, hi)),
                }
            }
            Action::Copy { input, first } => {
                let from = read(*input).get(*first..).unwrap_or(&[]);
                for (out, x) in out.iter_mut().zip(from) {
                    *out = *x;
                }
            }
            Action::Gather { input, table } => {
                let from = read(*input);
                for (out, at) in out.iter_mut().zip(table) {
                    *out = at_or_nan(from, *at);
                }
            }
            Action::Concat { parts } => concat(parts, constants, below, out),
        }
    }
}

/// The compiler of plans only writes positions inside the operand; a NaN would be caught by whoever reads it.
fn at_or_nan(values: &[f32], at: usize) -> f32 {
    values.get(at).copied().unwrap_or(f32::NAN)
}

#[inline(always)]
fn unary(input: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, x) in out.iter_mut().zip(input) {
        *out = f(*x);
    }
}

#[inline(always)]
fn binary(a: (&[f32], &Lineup), b: (&[f32], &Lineup), out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    match (a.1, b.1) {
        (Lineup::Same, Lineup::Same) => {
            for ((out, x), y) in out.iter_mut().zip(a.0).zip(b.0) {
                *out = f(*x, *y);
            }
        }
        (Lineup::Same, Lineup::Scalar) => {
            let y = at_or_nan(b.0, 0);
            unary(a.0, out, |x| f(x, y));
        }
        (Lineup::Scalar, Lineup::Same) => {
            let x = at_or_nan(a.0, 0);
            unary(b.0, out, |y| f(x, y));
        }
        (left, right) => {
            let pick = |values: &[f32], lineup: &Lineup, i: usize| match lineup {
                Lineup::Same => at_or_nan(values, i),
                Lineup::Scalar => at_or_nan(values, 0),
                Lineup::Table(table) => table.get(i).map_or(f32::NAN, |at| at_or_nan(values, *at)),
            };
            for (i, out) in out.iter_mut().enumerate() {
                *out = f(pick(a.0, left, i), pick(b.0, right, i));
            }
        }
    }
}

fn concat(parts: &[(Place, usize)], constants: &[Vec<f32>], below: &[f32], out: &mut [f32]) {
    let mut out = out.iter_mut();
    for round in 0.. {
        let mut written = false;
        for (place, run) in parts {
            let from = place.read(constants, below);
            let part = from.get(round * run..(round + 1) * run).unwrap_or(&[]);
            for (out, x) in out.by_ref().take(part.len()).zip(part) {
                *out = *x;
                written = true;
            }
        }
        if !written {
            return;
        }
    }
}
