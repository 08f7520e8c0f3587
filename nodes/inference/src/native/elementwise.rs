//! Operators that work value by value: activations, arithmetic, comparisons.

use super::activation as f;
use super::kernels::Arithmetic;
use super::step::at_or_nan;

/// How an operand's values line up with the output.
#[derive(Clone, Debug)]
pub(super) enum Lineup {
    /// One to one.
    Same,
    /// One value for all.
    Scalar,
    /// Position in the operand, per output value.
    Table(Vec<u32>),
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unary {
    Relu,
    Elu {
        alpha: f32,
    },
    Selu {
        alpha: f32,
        gamma: f32,
    },
    Celu {
        alpha: f32,
    },
    LeakyRelu {
        alpha: f32,
    },
    Tanh,
    Sigmoid,
    Softplus,
    Softsign,
    Gelu,
    GeluTanh,
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    HardSwish,
    Swish {
        alpha: f32,
    },
    Mish,
    Clip {
        lo: f32,
        hi: f32,
    },
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Abs,
    Neg,
    Sign,
    Sin,
    Cos,
    Erf,
    Floor,
    Ceil,
    Round,
    /// To a whole number towards zero, as a cast does.
    Truncate,
    /// To the nearest 16-bit float.
    RoundF16,
    /// 0 or 1, as a cast to bool does.
    Truth,
    Not,
    /// A whole power other than those that have a name.
    Square,
}

/// A function of two values; comparisons give 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// Towards zero, of whole numbers.
    DivWhole,
    Pow,
    Min,
    Max,
    PRelu,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    And,
    Or,
}

/// Calls `$each` with the function of `$op`, a closure that the compiler sees through.
macro_rules! with_unary {
    ($A:ty, $op:expr, $each:expr) => {
        match $op {
            Unary::Relu => $each(f::relu),
            Unary::Elu { alpha } => $each(|x| f::elu::<$A>(x, alpha)),
            Unary::Selu { alpha, gamma } => $each(|x| gamma * f::elu::<$A>(x, alpha)),
            Unary::Celu { alpha } => {
                $each(|x: f32| if x < 0.0 { alpha * (f::exp::<$A>(x / alpha) - 1.0) } else { x })
            }
            Unary::LeakyRelu { alpha } => $each(|x: f32| if x < 0.0 { alpha * x } else { x }),
            Unary::Tanh => $each(f::tanh::<$A>),
            Unary::Sigmoid => $each(f::sigmoid::<$A>),
            Unary::Softplus => $each(f::softplus::<$A>),
            Unary::Softsign => $each(|x: f32| x / (1.0 + x.abs())),
            Unary::Gelu => $each(f::gelu::<$A>),
            Unary::GeluTanh => $each(f::gelu_tanh::<$A>),
            Unary::HardSigmoid { alpha, beta } => $each(|x| f::clip(alpha * x + beta, 0.0, 1.0)),
            Unary::HardSwish => $each(|x: f32| x * f::clip(x / 6.0 + 0.5, 0.0, 1.0)),
            Unary::Swish { alpha } => $each(|x: f32| x * f::sigmoid::<$A>(alpha * x)),
            Unary::Mish => $each(|x: f32| x * f::tanh::<$A>(f::softplus::<$A>(x))),
            Unary::Clip { lo, hi } => $each(|x| f::clip(x, lo, hi)),
            Unary::Exp => $each(f::exp::<$A>),
            Unary::Log => $each(libm::logf),
            Unary::Sqrt => $each(f32::sqrt),
            Unary::Reciprocal => $each(|x: f32| 1.0 / x),
            Unary::Abs => $each(f32::abs),
            Unary::Neg => $each(|x: f32| -x),
            Unary::Sign => $each(|x: f32| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }),
            Unary::Sin => $each(libm::sinf),
            Unary::Cos => $each(libm::cosf),
            Unary::Erf => $each(f::erf::<$A>),
            Unary::Floor => $each(f32::floor),
            Unary::Ceil => $each(f32::ceil),
            Unary::Round => $each(f::round),
            Unary::Truncate => $each(f32::trunc),
            Unary::RoundF16 => $each(f::round_f16),
            Unary::Truth => $each(|x: f32| f32::from(u8::from(x != 0.0))),
            Unary::Not => $each(|x: f32| f32::from(u8::from(x == 0.0))),
            Unary::Square => $each(|x: f32| x * x),
        }
    };
}

/// `op` of each value of `input`.
#[inline(always)]
pub(super) fn unary<A: Arithmetic>(op: Unary, input: &[f32], out: &mut [f32]) {
    with_unary!(A, op, |f| map(input, out, f));
}

/// `op` of each value, in place.
#[inline(always)]
pub(super) fn unary_in_place<A: Arithmetic>(op: Unary, values: &mut [f32]) {
    with_unary!(A, op, |f| map_in_place(values, f));
}

#[inline(always)]
fn map(input: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    for (out, x) in out.iter_mut().zip(input) {
        *out = f(*x);
    }
}

#[inline(always)]
fn map_in_place(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in values {
        *value = f(*value);
    }
}

type Operand<'a> = (&'a [f32], &'a Lineup);

/// `op` of each pair of values.
#[inline(always)]
pub(super) fn binary(op: Binary, a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) {
    fn truth(holds: bool) -> f32 {
        f32::from(u8::from(holds))
    }
    match op {
        Binary::Add => pairs(a, b, out, |x, y| x + y),
        Binary::Sub => pairs(a, b, out, |x, y| x - y),
        Binary::Mul => pairs(a, b, out, |x, y| x * y),
        Binary::Div => pairs(a, b, out, |x, y| x / y),
        Binary::DivWhole => pairs(a, b, out, |x, y| (x / y).trunc()),
        Binary::Pow => pairs(a, b, out, libm::powf),
        // A NaN on either side comes out again.
        Binary::Min => pairs(a, b, out, |x, y| if x < y || x.is_nan() { x } else { y }),
        Binary::Max => pairs(a, b, out, |x, y| if x > y || x.is_nan() { x } else { y }),
        Binary::PRelu => pairs(a, b, out, |x, slope| if x < 0.0 { slope * x } else { x }),
        Binary::Greater => pairs(a, b, out, |x, y| truth(x > y)),
        Binary::GreaterOrEqual => pairs(a, b, out, |x, y| truth(x >= y)),
        Binary::Less => pairs(a, b, out, |x, y| truth(x < y)),
        Binary::LessOrEqual => pairs(a, b, out, |x, y| truth(x <= y)),
        Binary::Equal => pairs(a, b, out, |x, y| truth(x == y)),
        Binary::And => pairs(a, b, out, |x, y| truth(x != 0.0 && y != 0.0)),
        Binary::Or => pairs(a, b, out, |x, y| truth(x != 0.0 || y != 0.0)),
    }
}

#[inline(always)]
fn pairs(a: Operand<'_>, b: Operand<'_>, out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    match (a.1, b.1) {
        (Lineup::Same, Lineup::Same) => {
            for ((out, x), y) in out.iter_mut().zip(a.0).zip(b.0) {
                *out = f(*x, *y);
            }
        }
        (Lineup::Same, Lineup::Scalar) => {
            let y = at_or_nan(b.0, 0);
            map(a.0, out, |x| f(x, y));
        }
        (Lineup::Scalar, Lineup::Same) => {
            let x = at_or_nan(a.0, 0);
            map(b.0, out, |y| f(x, y));
        }
        _ => {
            for (i, out) in out.iter_mut().enumerate() {
                *out = f(pick(a, i), pick(b, i));
            }
        }
    }
}

/// Value by value the one or the other.
#[inline(always)]
pub(super) fn select(condition: Operand<'_>, yes: Operand<'_>, no: Operand<'_>, out: &mut [f32]) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = pick(if pick(condition, i) != 0.0 { yes } else { no }, i);
    }
}

#[inline(always)]
fn pick(operand: Operand<'_>, i: usize) -> f32 {
    match operand.1 {
        Lineup::Same => at_or_nan(operand.0, i),
        Lineup::Scalar => at_or_nan(operand.0, 0),
        Lineup::Table(table) => table.get(i).map_or(f32::NAN, |at| at_or_nan(operand.0, *at as usize)),
    }
}
