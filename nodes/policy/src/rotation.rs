//! An orientation in the forms that policies are trained with.

use sinew_inference::manifest::RotationForm;

/// Writes the unit quaternion (w, x, y, z) in `form`; values beyond the form's width stay as they are.
pub(crate) fn write(form: RotationForm, wxyz: [f64; 4], out: &mut [f64; 9]) {
    let sign = if wxyz[0] < 0.0 { -1.0 } else { 1.0 };
    let [w, x, y, z] = wxyz.map(|v| v * sign);
    let m = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ];
    let [[r00, r01, r02], [r10, r11, r12], [r20, r21, r22]] = m;
    let [a, b, c, d, e, f, g, h, i] = out;
    match form {
        RotationForm::QuaternionWxyz => (*a, *b, *c, *d) = (w, x, y, z),
        RotationForm::QuaternionXyzw => (*a, *b, *c, *d) = (x, y, z, w),
        RotationForm::Matrix => {
            (*a, *b, *c, *d, *e, *f, *g, *h, *i) = (r00, r01, r02, r10, r11, r12, r20, r21, r22);
        }
        RotationForm::Matrix6dColumns => (*a, *b, *c, *d, *e, *f) = (r00, r10, r20, r01, r11, r21),
        RotationForm::Matrix6dRows => (*a, *b, *c, *d, *e, *f) = (r00, r01, r10, r11, r20, r21),
        RotationForm::Rpy => {
            let pitch = -libm::asin(r20.clamp(-1.0, 1.0));
            (*a, *b, *c) = (libm::atan2(r21, r22), pitch, libm::atan2(r10, r00));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quarter turn to the left (yaw +90 degrees), the quaternion with either sign.
    #[test]
    fn a_quarter_turn_in_every_form() {
        let h = core::f64::consts::FRAC_1_SQRT_2;
        for sign in [1.0, -1.0] {
            for (form, expected) in [
                (RotationForm::QuaternionWxyz, vec![h, 0.0, 0.0, h]),
                (RotationForm::QuaternionXyzw, vec![0.0, 0.0, h, h]),
                (RotationForm::Matrix, vec![0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
                (RotationForm::Matrix6dColumns, vec![0.0, 1.0, 0.0, -1.0, 0.0, 0.0]),
                (RotationForm::Matrix6dRows, vec![0.0, -1.0, 1.0, 0.0, 0.0, 0.0]),
                (RotationForm::Rpy, vec![0.0, 0.0, core::f64::consts::FRAC_PI_2]),
            ] {
                let mut out = [f64::NAN; 9];
                write(form, [sign * h, 0.0, 0.0, sign * h], &mut out);
                assert_eq!(form.labels().len(), expected.len());
                for (found, expected) in out.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-12, "{form:?}: {out:?}");
                }
            }
        }
    }

    #[test]
    fn roll_and_pitch_have_the_signs_of_rep_103() {
        let (roll, pitch) = (0.2f64, 0.3f64);
        let (r, p) = (roll / 2.0, pitch / 2.0);
        // pitch after roll about fixed axes: q = q_pitch * q_roll
        let q = [p.cos() * r.cos(), p.cos() * r.sin(), p.sin() * r.cos(), -p.sin() * r.sin()];
        let mut out = [0.0; 9];
        write(RotationForm::Rpy, q, &mut out);
        assert!((out[0] - roll).abs() < 1e-12 && (out[1] - pitch).abs() < 1e-12 && out[2].abs() < 1e-12);
    }
}
