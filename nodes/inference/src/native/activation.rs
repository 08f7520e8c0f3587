//! Functions of one value in plain arithmetic, so that they vectorise.
//!
//! `exp`: range reduction to |r| <= ln(2)/2 and a polynomial of degree 6; `tanh` and `erf`: odd polynomials near
//! zero, else from `exp`. Coefficients: S. L. Moshier, Cephes Mathematical Library, single precision. A NaN stays
//! NaN in every function here, so that a broken observation cannot come out as a harmless zero.

use super::kernels::Arithmetic;

/// Coefficients from the highest power down.
#[inline(always)]
fn polynomial<A: Arithmetic, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = 0.0;
    for c in coefficients {
        sum = A::mul_add(sum, x, c);
    }
    sum
}

/// e^x; overflow gives infinity, underflow zero. Within 2 units in the last place of normal results.
#[inline(always)]
pub(super) fn exp<A: Arithmetic>(x: f32) -> f32 {
    // 1.5 * 2^23: adding and taking it away rounds to the nearest integer, which then stands in the lowest bits.
    const SHIFT: f32 = 12_582_912.0;
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = A::mul_add(clamped, std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = A::mul_add(n, -0.693_359_4, clamped); // ln 2 in two parts; the first has few bits
    let r = A::mul_add(n, 2.121_944_4e-4, r);
    let p = polynomial::<A, 6>(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let p = A::mul_add(p * r, r, r) + 1.0;
    // Two factors, since 2^n alone leaves the range of f32 at both ends.
    let n = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i32;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// max(0, x).
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// x above zero, alpha (e^x - 1) below.
#[inline(always)]
pub(super) fn elu<A: Arithmetic>(x: f32, alpha: f32) -> f32 {
    let below = alpha * (exp::<A>(x) - 1.0);
    if x < 0.0 { below } else { x }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<A>(-x))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh<A: Arithmetic>(x: f32) -> f32 {
    let z = x * x;
    let p = polynomial::<A, 5>(
        z,
        [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_327_4e-1],
    );
    let near = A::mul_add(p * z, x, x);
    let far = 1.0 - 2.0 / (exp::<A>(2.0 * x.abs()) + 1.0);
    let far = if x < 0.0 { -far } else { far };
    if x.abs() < 0.625 { near } else { far }
}

/// Limits x to lo..=hi.
#[inline(always)]
pub(super) fn clip(x: f32, lo: f32, hi: f32) -> f32 {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

/// Error function.
#[inline(always)]
pub(super) fn erf<A: Arithmetic>(x: f32) -> f32 {
    let z = x * x;
    let near = x * polynomial::<A, 7>(
        z,
        [
            7.853_861e-5,
            -8.010_194e-4,
            5.188_327_7e-3,
            -2.685_381_2e-2,
            1.128_358_5e-1,
            -3.761_262_6e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
    );
    let a = x.abs();
    let q = 1.0 / a;
    let y = q * q;
    let middle = polynomial::<A, 9>(
        y,
        [
            2.326_82e-2,
            -1.387_039_4e-1,
            3.687_424_7e-1,
            -5.824_733e-1,
            6.210_004_6e-1,
            -4.944_515_3e-1,
            3.404_88e-1,
            -2.741_127e-1,
            5.638_259_4e-1,
        ],
    );
    let outer = polynomial::<A, 8>(
        y,
        [
            -1.047_766_4e1,
            1.297_72e1,
            -7.495_518_7,
            2.921_019,
            -1.015_265_3,
            4.218_463_4e-1,
            -2.820_767_5e-1,
            5.641_895e-1,
        ],
    );
    let far = 1.0 - exp::<A>(-z) * q * if a < 2.0 { middle } else { outer };
    let far = if x < 0.0 { -far } else { far };
    if a < 1.0 {
        near
    } else if a > 4.0 {
        1.0f32.copysign(x)
    } else {
        far
    }
}

/// ln(1 + e^x).
#[inline(always)]
pub(super) fn softplus<A: Arithmetic>(x: f32) -> f32 {
    let rest = libm::log1pf(exp::<A>(-x.abs()));
    if x > 0.0 { x + rest } else { rest }
}

/// x times the share of a normal distribution below x.
#[inline(always)]
pub(super) fn gelu<A: Arithmetic>(x: f32) -> f32 {
    0.5 * x * (1.0 + erf::<A>(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The usual approximation of [`gelu`] by a tanh.
#[inline(always)]
pub(super) fn gelu_tanh<A: Arithmetic>(x: f32) -> f32 {
    let root = (2.0 / std::f32::consts::PI).sqrt();
    0.5 * x * (1.0 + tanh::<A>(root * (x + 0.044_715 * x * x * x)))
}

/// Nearest whole number, ties to even.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    x.round_ties_even()
}

/// The nearest 16-bit float, ties to even; beyond its range infinity.
pub(super) fn round_f16(x: f32) -> f32 {
    const SMALLEST_NORMAL: f32 = 6.103_515_6e-5; // 2^-14
    if !x.is_finite() {
        return x;
    }
    if x.abs() < SMALLEST_NORMAL {
        return round(x * 16_777_216.0) / 16_777_216.0; // steps of 2^-24
    }
    // Keep 10 of 23 bits behind the point.
    let bits = x.to_bits();
    let rounded = f32::from_bits((bits + 0xfff + ((bits >> 13) & 1)) & !0x1fff);
    if rounded.abs() > 65_504.0 { f32::INFINITY.copysign(x) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::{Fused, Separate};
    use super::*;

    fn worst(f: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64, relative: bool) -> f64 {
        let mut worst = 0.0f64;
        for i in -400_000..400_000 {
            let x = i as f32 * 2.0e-4;
            let exact = truth(f64::from(x));
            let error = (f64::from(f(x)) - exact).abs() / if relative { exact.abs().max(1e-37) } else { 1.0 };
            worst = worst.max(error);
        }
        worst
    }

    fn exactness<A: Arithmetic>() {
        let ulp = f64::from(f32::EPSILON);
        assert!(worst(exp::<A>, f64::exp, true) < 2.0 * ulp);
        assert!(worst(tanh::<A>, f64::tanh, true) < 2.0 * ulp);
        assert!(worst(sigmoid::<A>, |x| 1.0 / (1.0 + (-x).exp()), true) < 4.0 * ulp);
        assert!(worst(|x| elu::<A>(x, 1.0), |x| if x < 0.0 { x.exp_m1() } else { x }, false) < 1e-7 * 80.0);
        assert!(worst(erf::<A>, libm::erf, true) < 4.0 * ulp);
        assert!(
            worst(softplus::<A>, |x| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }, true)
                < 4.0 * ulp
        );
        let exact_gelu = |x: f64| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()));
        assert!(worst(gelu::<A>, exact_gelu, false) < 1e-5);
    }

    #[test]
    fn functions_are_as_exact_as_f32_allows() {
        exactness::<Separate>();
        exactness::<Fused>();
    }

    #[test]
    fn ends_of_the_range_and_nan() {
        assert_eq!(exp::<Separate>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<Separate>(f32::NEG_INFINITY), 0.0);
        assert_eq!((exp::<Separate>(0.0), tanh::<Separate>(0.0), sigmoid::<Separate>(0.0)), (1.0, 0.0, 0.5));
        assert_eq!((tanh::<Separate>(1e30), tanh::<Separate>(-1e30)), (1.0, -1.0));
        assert_eq!((erf::<Separate>(f32::INFINITY), erf::<Separate>(f32::NEG_INFINITY)), (1.0, -1.0));
        let all = [
            exp::<Separate>,
            tanh::<Separate>,
            sigmoid::<Separate>,
            relu,
            |x| elu::<Separate>(x, 1.0),
            |x| clip(x, -1.0, 1.0),
            erf::<Separate>,
            softplus::<Separate>,
            gelu::<Separate>,
            gelu_tanh::<Separate>,
            round,
            round_f16,
        ];
        for (index, f) in all.iter().enumerate() {
            assert!(f(f32::NAN).is_nan(), "function {index}");
        }
    }

    #[test]
    fn half_precision_is_rounded_to_nearest_even() {
        let cases = [
            (1.0, 1.0),
            (1.000_488_3, 1.0),               // half a step above 1: to even
            (1.001_464_8, 1.001_953_1),       // one and a half steps
            (-65_519.0, -65_504.0),           // the largest
            (65_520.0, f32::INFINITY),        // half a step beyond
            (5.960_464_5e-8, 5.960_464_5e-8), // the smallest, 2^-24
            (2.98e-8, 0.0),
        ];
        for (x, expected) in cases {
            assert_eq!(round_f16(x), expected, "{x}");
        }
    }
}
