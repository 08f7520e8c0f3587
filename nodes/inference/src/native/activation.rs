//! Activation functions in plain arithmetic, so that they vectorise and give the same bits on every machine.
//!
//! `exp`: range reduction to |r| <= ln(2)/2 and a polynomial of degree 6; `tanh`: an odd polynomial near zero,
//! else from `exp`. Coefficients: S. L. Moshier, Cephes Mathematical Library, single precision. A NaN stays NaN
//! in every function here, so that a broken observation cannot come out as a harmless zero.

/// e^x; overflow gives infinity, underflow zero. Within 2 units in the last place of normal results.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding and taking it away rounds to the nearest integer
    let clamped = x.clamp(-104.0, 89.0);
    let n = (clamped * std::f32::consts::LOG2_E + SHIFT) - SHIFT;
    let r = (clamped - n * 0.693_359_4) - n * -2.121_944_4e-4; // ln 2 in two parts; the first has few bits
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // Two factors, since 2^n alone leaves the range of f32 at both ends.
    let n = n as i32;
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n - half)
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// max(0, x).
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// x above zero, alpha (e^x - 1) below.
#[inline(always)]
pub(super) fn elu(x: f32, alpha: f32) -> f32 {
    let below = alpha * (exp(x) - 1.0);
    if x < 0.0 { below } else { x }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z + -5.373_971_5e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z + -3.333_327_4e-1;
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    let far = if x < 0.0 { -far } else { far };
    if x.abs() < 0.625 { near } else { far }
}

/// Limits x to lo..=hi.
#[inline(always)]
pub(super) fn clip(x: f32, lo: f32, hi: f32) -> f32 {
    let x = if x < lo { lo } else { x };
    if x > hi { hi } else { x }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn functions_are_as_exact_as_f32_allows() {
        let ulp = f64::from(f32::EPSILON);
        assert!(worst(exp, f64::exp, true) < 2.0 * ulp);
        assert!(worst(tanh, f64::tanh, true) < 2.0 * ulp);
        assert!(worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), true) < 4.0 * ulp);
        assert!(worst(|x| elu(x, 1.0), |x| if x < 0.0 { x.exp_m1() } else { x }, false) < 1e-7 * 80.0);
    }

    #[test]
    fn ends_of_the_range_and_nan() {
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!((exp(0.0), tanh(0.0), sigmoid(0.0), elu(0.0, 1.0)), (1.0, 0.0, 0.5, 0.0));
        assert_eq!((tanh(1e30), tanh(-1e30)), (1.0, -1.0));
        for f in [exp as fn(f32) -> f32, tanh, sigmoid, relu, |x| elu(x, 1.0), |x| clip(x, -1.0, 1.0)] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}
