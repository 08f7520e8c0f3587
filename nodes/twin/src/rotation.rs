//! Quaternion helpers in f64, (w, x, y, z), base in world.

/// Rotate a world vector into the frame of `q`.
#[must_use]
pub fn body_from_world(q: [f64; 4], v: [f64; 3]) -> [f64; 3] {
    let [w, x, y, z] = q;
    world_from_body([w, -x, -y, -z], v)
}

/// Rotate a vector of the frame of `q` into the world.
#[must_use]
pub fn world_from_body(q: [f64; 4], v: [f64; 3]) -> [f64; 3] {
    let [w, x, y, z] = q;
    let t = cross([x, y, z], v).map(|c| 2.0 * c);
    let u = cross([x, y, z], t);
    [v[0] + w * t[0] + u[0], v[1] + w * t[1] + u[1], v[2] + w * t[2] + u[2]]
}

/// Vector product.
#[must_use]
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Angle between the body's z axis and the world's, rad: 0 upright, pi on its back.
#[must_use]
pub fn tilt_rad(q: [f64; 4]) -> f64 {
    let up = world_from_body(q, [0.0, 0.0, 1.0]);
    let across = (up[0] * up[0] + up[1] * up[1]).sqrt();
    across.atan2(up[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarter_turn_about_z_takes_forward_to_left() {
        let h = std::f64::consts::FRAC_1_SQRT_2;
        let q = [h, 0.0, 0.0, h];
        let left = world_from_body(q, [1.0, 0.0, 0.0]);
        assert!((left[1] - 1.0).abs() < 1e-12 && left[0].abs() < 1e-12);
        let back = body_from_world(q, left);
        assert!((back[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn tilt_is_zero_upright_and_pi_upside_down() {
        assert!(tilt_rad([1.0, 0.0, 0.0, 0.0]) < 1e-12);
        assert!((tilt_rad([0.0, 1.0, 0.0, 0.0]) - std::f64::consts::PI).abs() < 1e-12);
    }
}
