//! Rotations: the few closed forms the filter needs, safe at every angle.

use nalgebra::{Matrix3, Vector3};

/// Matrix of the cross product from the left.
pub(crate) fn skew(v: &Vector3<f64>) -> Matrix3<f64> {
    Matrix3::new(0.0, -v.z, v.y, v.z, 0.0, -v.x, -v.y, v.x, 0.0)
}

/// Rotation by the rotation vector `phi` (Rodrigues).
pub(crate) fn exp(phi: &Vector3<f64>) -> Matrix3<f64> {
    let angle = phi.norm();
    let k = skew(phi);
    // below this the second-order series is exact to rounding
    let (a, b) = if angle < 1e-4 {
        (1.0 - angle * angle / 6.0, 0.5 - angle * angle / 24.0)
    } else {
        (angle.sin() / angle, (1.0 - angle.cos()) / (angle * angle))
    };
    Matrix3::identity() + k * a + k * k * b
}

/// Left Jacobian of `exp`: mean rotation while turning from 0 to `phi`.
pub(crate) fn left_jacobian(phi: &Vector3<f64>) -> Matrix3<f64> {
    let angle = phi.norm();
    let k = skew(phi);
    let square = angle * angle;
    let (a, b) = if angle < 1e-3 {
        (0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0)
    } else {
        ((1.0 - angle.cos()) / square, (angle - angle.sin()) / (square * angle))
    };
    Matrix3::identity() + k * a + k * k * b
}

/// One Newton step towards the nearest rotation; enough against rounding, not against a broken matrix.
pub(crate) fn orthonormalised(r: &Matrix3<f64>) -> Matrix3<f64> {
    (Matrix3::identity() * 1.5 - r * r.transpose() * 0.5) * r
}

/// Rotation from base to world with zero yaw that takes the direction `up` (base frame, any length) to world z.
pub(crate) fn from_up(up: &Vector3<f64>) -> Matrix3<f64> {
    let pitch = (-up.x).atan2((up.y * up.y + up.z * up.z).sqrt());
    let roll = up.y.atan2(up.z);
    exp(&Vector3::new(0.0, pitch, 0.0)) * exp(&Vector3::new(roll, 0.0, 0.0))
}

/// Smallest rotation that takes direction `from` to world z; identity when `from` points straight down.
pub(crate) fn levelling(from: &Vector3<f64>) -> Matrix3<f64> {
    let axis = from.cross(&Vector3::z());
    let sine = axis.norm();
    if sine < 1e-12 {
        return Matrix3::identity();
    }
    exp(&(axis * (sine.atan2(from.z) / sine)))
}

/// Unit quaternion w x y z of a rotation, w >= 0 (Shepperd's choice of the greatest component).
pub(crate) fn quaternion(r: &Matrix3<f64>) -> [f64; 4] {
    let trace = r.trace();
    let (xx, yy, zz) = (r[(0, 0)], r[(1, 1)], r[(2, 2)]);
    let (wx, wy, wz) = (r[(2, 1)] - r[(1, 2)], r[(0, 2)] - r[(2, 0)], r[(1, 0)] - r[(0, 1)]);
    let (xy, xz, yz) = (r[(0, 1)] + r[(1, 0)], r[(0, 2)] + r[(2, 0)], r[(1, 2)] + r[(2, 1)]);
    let q = if trace >= xx && trace >= yy && trace >= zz {
        [1.0 + trace, wx, wy, wz]
    } else if xx >= yy && xx >= zz {
        [wx, 1.0 + 2.0 * xx - trace, xy, xz]
    } else if yy >= zz {
        [wy, xy, 1.0 + 2.0 * yy - trace, yz]
    } else {
        [wz, xz, yz, 1.0 + 2.0 * zz - trace]
    };
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if q[0] < 0.0 { -1.0 / length } else { 1.0 / length };
    q.map(|x| x * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> impl Iterator<Item = Vector3<f64>> {
        (0..200).map(|i| {
            let a = f64::from(i);
            Vector3::new((a * 0.7).sin(), (a * 1.3).cos(), (a * 0.31).sin()) * 3.1 * (a * 0.05).sin().powi(4)
        })
    }

    #[test]
    fn exponential_and_jacobian_agree_with_finite_differences() {
        for phi in vectors() {
            let r = exp(&phi);
            assert!((r * r.transpose() - Matrix3::identity()).amax() < 1e-12);
            let delta = Vector3::new(1e-6, -2e-6, 1.5e-6);
            // exp(phi + delta) = exp(J delta) exp(phi)
            let moved = exp(&(phi + delta));
            let predicted = exp(&(left_jacobian(&phi) * delta)) * r;
            assert!((moved - predicted).amax() < 1e-10, "{phi}");
        }
    }

    #[test]
    fn quaternion_turns_vectors_as_the_matrix_does() {
        for phi in vectors() {
            let r = exp(&phi);
            let [w, x, y, z] = quaternion(&r);
            assert!(w >= 0.0);
            let u = Vector3::new(x, y, z);
            let v = Vector3::new(0.3, -0.8, 0.5);
            let turned = v + u.cross(&(u.cross(&v) + v * w)) * 2.0;
            assert!((turned - r * v).amax() < 1e-12);
        }
    }

    #[test]
    fn gravity_start_levels_every_direction_without_yaw() {
        for phi in vectors() {
            let up = exp(&phi) * Vector3::z();
            let r = from_up(&up);
            assert!((r * up - Vector3::z()).amax() < 1e-9);
            assert!(r[(1, 0)].abs() < 1e-12, "yaw must be zero");
            assert!((levelling(&up) * up - Vector3::z()).amax() < 1e-9);
        }
    }
}
