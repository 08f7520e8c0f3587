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

/// A loop with its body in it: a closure could be compiled apart from the loop, for another CPU and without vectors.
macro_rules! each {
    ($values:ident, $x:ident, $body:expr) => {
        for value in $values {
            let $x = *value;
            *value = $body;
        }
    };
}

/// `op` of each value, in place.
#[inline(always)]
pub(super) fn unary<A: Arithmetic>(op: Unary, values: &mut [f32]) {
    match op {
        Unary::Relu => each!(values, x, f::relu(x)),
        Unary::Elu { alpha } => each!(values, x, f::elu::<A>(x, alpha)),
        Unary::Selu { alpha, gamma } => each!(values, x, gamma * f::elu::<A>(x, alpha)),
        Unary::Celu { alpha } => {
            each!(values, x, if x < 0.0 { alpha * (f::exp::<A>(x / alpha) - 1.0) } else { x })
        }
        Unary::LeakyRelu { alpha } => each!(values, x, if x < 0.0 { alpha * x } else { x }),
        Unary::Tanh => each!(values, x, f::tanh::<A>(x)),
        Unary::Sigmoid => each!(values, x, f::sigmoid::<A>(x)),
        Unary::Softplus => each!(values, x, f::softplus::<A>(x)),
        Unary::Softsign => each!(values, x, x / (1.0 + x.abs())),
        Unary::Gelu => each!(values, x, f::gelu::<A>(x)),
        Unary::GeluTanh => each!(values, x, f::gelu_tanh::<A>(x)),
        Unary::HardSigmoid { alpha, beta } => each!(values, x, f::clip(alpha * x + beta, 0.0, 1.0)),
        Unary::HardSwish => each!(values, x, x * f::clip(x / 6.0 + 0.5, 0.0, 1.0)),
        Unary::Swish { alpha } => each!(values, x, x * f::sigmoid::<A>(alpha * x)),
        Unary::Mish => each!(values, x, x * f::tanh::<A>(f::softplus::<A>(x))),
        Unary::Clip { lo, hi } => each!(values, x, f::clip(x, lo, hi)),
        Unary::Exp => each!(values, x, f::exp::<A>(x)),
        Unary::Log => each!(values, x, libm::logf(x)),
        Unary::Sqrt => each!(values, x, x.sqrt()),
        Unary::Reciprocal => each!(values, x, 1.0 / x),
        Unary::Abs => each!(values, x, x.abs()),
        Unary::Neg => each!(values, x, -x),
        Unary::Sign => each!(
            values,
            x,
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        ),
        Unary::Sin => each!(values, x, libm::sinf(x)),
        Unary::Cos => each!(values, x, libm::cosf(x)),
        Unary::Erf => each!(values, x, f::erf::<A>(x)),
        Unary::Floor => each!(values, x, x.floor()),
        Unary::Ceil => each!(values, x, x.ceil()),
        Unary::Round => each!(values, x, f::round(x)),
        Unary::Truncate => each!(values, x, x.trunc()),
        Unary::RoundF16 => each!(values, x, f::round_f16(x)),
        Unary::Truth => each!(values, x, f32::from(u8::from(x != 0.0))),
        Unary::Not => each!(values, x, f32::from(u8::from(x == 0.0))),
        Unary::Square => each!(values, x, x * x),
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
            for (out, x) in out.iter_mut().zip(a.0) {
                *out = f(*x, y);
            }
        }
        (Lineup::Scalar, Lineup::Same) => {
            let x = at_or_nan(a.0, 0);
            for (out, y) in out.iter_mut().zip(b.0) {
                *out = f(x, *y);
            }
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
