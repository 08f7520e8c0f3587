//! Leg of a small quadruped: roll, pitch, pitch. Legs in the order front left, front right, rear left, rear right.

use nalgebra::{Matrix3, Vector3};
use sinew_estimator::Foot;

type V3 = Vector3<f64>;

const HIP_X: f64 = 0.1934;
const HIP_Y: f64 = 0.0465;
const SHOULDER: f64 = 0.0955;
const THIGH: f64 = 0.213;
/// Nominal calf length, m.
pub const CALF: f64 = 0.213;

pub fn side(leg: usize) -> f64 {
    if leg.is_multiple_of(2) { 1.0 } else { -1.0 }
}

pub fn hip(leg: usize) -> V3 {
    V3::new(if leg < 2 { HIP_X } else { -HIP_X }, side(leg) * HIP_Y, 0.0)
}

/// Foot below the shoulder, at hip height.
pub fn nominal(leg: usize) -> V3 {
    hip(leg) + V3::new(0.0, side(leg) * SHOULDER, 0.0)
}

/// Foot position and Jacobian in the base frame.
pub fn forward(leg: usize, q: &V3, calf: f64) -> (V3, Matrix3<f64>) {
    let (s0, c0) = q.x.sin_cos();
    let (s1, c1) = q.y.sin_cos();
    let (s12, c12) = (q.y + q.z).sin_cos();
    let (x, z) = (-THIGH * s1 - calf * s12, -THIGH * c1 - calf * c12);
    let y = side(leg) * SHOULDER;
    let foot = V3::new(x, y * c0 - z * s0, y * s0 + z * c0) + hip(leg);
    let (ax, az, bx, bz) = (z, -x, -calf * c12, calf * s12);
    let jacobian =
        Matrix3::new(0.0, ax, bx, -y * s0 - z * c0, -az * s0, -bz * s0, y * c0 - z * s0, az * c0, bz * c0);
    (foot, jacobian)
}

/// What the kinematics say of a foot, by joint angles and speeds.
pub fn foot(leg: usize, q: &V3, dq: &V3, force_n: f64) -> Foot {
    let (position, jacobian) = forward(leg, q, CALF);
    let spread = jacobian * jacobian.transpose();
    let (s, c) = q.x.sin_cos();
    Foot {
        position_m: position.into(),
        spread: std::array::from_fn(|row| std::array::from_fn(|column| spread[(row, column)])),
        velocity_m_s: (jacobian * dq).into(),
        turn_rad_s: (V3::x() * dq.x + V3::new(0.0, c, s) * (dq.y + dq.z)).into(),
        force_n: Some(force_n),
    }
}

/// Rotation of the calf in the base frame.
pub fn calf_rotation(q: &V3) -> Matrix3<f64> {
    let (s0, c0) = q.x.sin_cos();
    let (s, c) = (q.y + q.z).sin_cos();
    Matrix3::new(1.0, 0.0, 0.0, 0.0, c0, -s0, 0.0, s0, c0)
        * Matrix3::new(c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c)
}

/// Joints that put the foot there (knee bent backwards).
pub fn inverse(leg: usize, foot: &V3, calf: f64) -> V3 {
    let p = foot - hip(leg);
    let down = (p.y * p.y + p.z * p.z - SHOULDER * SHOULDER).max(1e-6).sqrt();
    let roll = p.z.atan2(p.y) - (-down).atan2(side(leg) * SHOULDER);
    let reach = p.x * p.x + down * down;
    let c = ((reach - THIGH * THIGH - calf * calf) / (2.0 * THIGH * calf)).clamp(-1.0, 1.0);
    let knee = -c.acos();
    let pitch = (-p.x).atan2(down) - (calf * knee.sin()).atan2(THIGH + calf * knee.cos());
    let turn = 2.0 * std::f64::consts::PI;
    V3::new((roll + turn / 2.0).rem_euclid(turn) - turn / 2.0, pitch, knee)
}

#[test]
fn kinematics_agree_with_their_inverse_and_finite_differences() {
    for leg in 0..4 {
        for k in 0..100 {
            let a = f64::from(k);
            let foot = nominal(leg)
                + V3::new(0.1 * (a * 0.37).sin(), 0.05 * (a * 0.21).sin(), -0.28 + 0.03 * (a * 0.11).cos());
            let q = inverse(leg, &foot, CALF);
            let (position, jacobian) = forward(leg, &q, CALF);
            assert!((position - foot).norm() < 1e-12);
            for c in 0..3 {
                let mut d = V3::zeros();
                d[c] = 1e-6;
                let slope = (forward(leg, &(q + d), CALF).0 - forward(leg, &(q - d), CALF).0) / 2e-6;
                assert!((slope - jacobian.column(c)).norm() < 1e-8);
            }
        }
    }
}
