//! Standing still on its legs: impedance around the stand posture, weight carried by feed-forward, and a loop that
//! keeps the trunk level and at its height, because feet creep and joints sag.
use arrayvec::ArrayVec;
use nalgebra::{Matrix3, Vector3};
use sinew_robot::Leg;
use sinew_wire::{JointCommand, MAX_JOINTS};

use crate::config::StandGains;

/// Largest correction of one foot along the body's z, m.
const CORRECTION_MAX_M: f64 = 0.05;
/// Gains of the posture loop, 1/s: slow against the legs' own stiffness.
const TILT_GAIN_PER_S: f64 = 2.0;
const HEIGHT_GAIN_PER_S: f64 = 1.0;
/// Standard gravity, m/s^2.
const GRAVITY_M_S2: f64 = 9.81;

/// The posture loop of a legged robot.
#[derive(Clone, Debug)]
pub struct StandController {
    gains: StandGains,
    weight_n: f64,
    posture_rad: Vec<f64>,
    height_m: f64,
    /// Per leg, m along the body's z; positive shortens the leg.
    correction_m: ArrayVec<f64, 8>,
}

/// What the loop looks at.
#[derive(Clone, Copy, Debug)]
pub struct StandView<'a> {
    /// Direction of gravity in the body frame, unit.
    pub projected_gravity: [f64; 3],
    /// Measured foot centres in the body frame, m; empty when not known.
    pub feet_m: &'a [[f64; 3]],
}

impl StandController {
    /// For a robot of `mass_kg` standing with `posture_rad`.
    #[must_use]
    pub fn new(gains: StandGains, mass_kg: f64, posture_rad: &[f64], legs: &[Leg]) -> Self {
        let feet = legs.iter().map(|leg| leg.foot_position(leg.select(posture_rad))[2]);
        let count = legs.len().max(1) as f64;
        Self {
            gains,
            weight_n: mass_kg * GRAVITY_M_S2,
            posture_rad: posture_rad.to_vec(),
            height_m: -feet.sum::<f64>() / count,
            correction_m: legs.iter().take(8).map(|_| 0.0).collect(),
        }
    }

    /// Forgets the corrections learnt so far.
    pub fn reset(&mut self) {
        self.correction_m.iter_mut().for_each(|c| *c = 0.0);
    }

    /// Posture the loop stands in, rad, in the robot's joint order.
    #[must_use]
    pub fn posture_rad(&self) -> &[f64] {
        &self.posture_rad
    }

    /// Advances the loop by `dt_s`.
    pub fn step(&mut self, legs: &[Leg], view: &StandView<'_>, dt_s: f64) {
        if view.feet_m.len() != legs.len() || legs.is_empty() {
            return;
        }
        let [gx, gy, gz] = view.projected_gravity;
        let (pitch, roll) = (gx.clamp(-1.0, 1.0).asin(), (-gy).atan2(-gz));
        let height = -view.feet_m.iter().map(|p| p[2]).sum::<f64>() / legs.len() as f64;
        let sag = (self.height_m - height).clamp(-0.05, 0.05);
        for (correction, foot) in self.correction_m.iter_mut().zip(view.feet_m) {
            // Nose down (pitch > 0) lengthens the front legs, left side up (roll > 0) shortens the left ones.
            let level = roll * foot[1] - pitch * foot[0];
            let rate = TILT_GAIN_PER_S * level - HEIGHT_GAIN_PER_S * sag;
            *correction = (*correction + rate * dt_s).clamp(-CORRECTION_MAX_M, CORRECTION_MAX_M);
        }
    }

    /// Joint commands, `load` (0 to 1) of the weight carried by feed-forward.
    pub fn command(
        &self,
        legs: &[Leg],
        projected_gravity: [f64; 3],
        load: f64,
        out: &mut ArrayVec<JointCommand, MAX_JOINTS>,
    ) {
        out.clear();
        let (kp, kd) = (self.gains.kp as f32, self.gains.kd as f32);
        out.extend(
            self.posture_rad
                .iter()
                .take(MAX_JOINTS)
                .map(|q| JointCommand::impedance(*q as f32, 0.0, 0.0, kp, kd)),
        );
        let share_n = load * self.weight_n / legs.len().max(1) as f64;
        for (leg, correction) in legs.iter().zip(&self.correction_m) {
            let q = leg.select(&self.posture_rad);
            let (_, jacobian) = leg.foot_kinematics(q);
            let jacobian =
                Matrix3::from_fn(|r, c| jacobian.get(r).and_then(|row| row.get(c)).copied().unwrap_or(0.0));
            // Torque of a foot that presses on the ground with its share of the weight.
            let torque = jacobian.transpose() * (Vector3::from(projected_gravity) * share_n);
            let shift = jacobian
                .try_inverse()
                .map_or_else(Vector3::zeros, |inverse| inverse * Vector3::new(0.0, 0.0, *correction));
            for (k, joint) in leg.joints.into_iter().enumerate() {
                if let Some(command) = out.get_mut(joint) {
                    command.q_rad += shift.get(k).copied().unwrap_or(0.0).clamp(-0.3, 0.3) as f32;
                    command.tau_nm = torque.get(k).copied().unwrap_or(0.0) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that cannot go on has failed"
    )]
    use super::*;
    use nalgebra::{SMatrix, SVector};
    use sinew_robot::Robot;

    /// Tilt (gravity in the body frame) and height of a trunk whose feet stand on level ground: the plane through
    /// the feet, in the body frame.
    fn pose(feet: &[[f64; 3]]) -> ([f64; 3], f64) {
        let mut ata = SMatrix::<f64, 3, 3>::zeros();
        let mut atb = SVector::<f64, 3>::zeros();
        for [x, y, z] in feet {
            let row = SVector::<f64, 3>::new(*x, *y, 1.0);
            ata += row * row.transpose();
            atb += row * *z;
        }
        let plane = ata.try_inverse().unwrap() * atb;
        let normal = Vector3::new(-plane.x, -plane.y, 1.0).normalize();
        ((-normal).into(), -plane.z * normal.z)
    }

    #[test]
    fn the_loop_levels_a_trunk_whose_joints_sag_unevenly() {
        let robot =
            Robot::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad"))
                .unwrap();
        let posture = robot.postures.stand.q_rad.clone();
        let gains = StandGains { kp: 60.0, kd: 2.0 };
        let mut stand = StandController::new(gains, robot.total_mass_kg(), &posture, &robot.legs);
        // Joints follow their targets but for a constant error per leg: knees give way at front and left.
        let sag_rad = [-0.08, -0.12, 0.0, -0.04];
        let tilt = |g: [f64; 3]| g[0].hypot(g[1]).atan2(-g[2]);
        let mut out = ArrayVec::new();
        let (mut first, mut last) = (None, (0.0, 0.0));
        for _ in 0..5_000 {
            stand.command(&robot.legs, [0.0, 0.0, -1.0], 1.0, &mut out);
            let feet: Vec<[f64; 3]> = robot
                .legs
                .iter()
                .zip(sag_rad)
                .map(|(leg, sag)| {
                    let mut q = leg.joints.map(|joint| f64::from(out[joint].q_rad));
                    q[2] += sag;
                    leg.foot_position(q)
                })
                .collect();
            let (projected_gravity, height_m) = pose(&feet);
            last = (tilt(projected_gravity), height_m);
            first.get_or_insert(last);
            stand.step(&robot.legs, &StandView { projected_gravity, feet_m: &feet }, 0.002);
        }
        let first = first.unwrap();
        assert!(first.0 > 0.03, "the sag tilts it by {:.3} rad", first.0);
        assert!(last.0 < 0.003, "levelled to {:.4} rad", last.0);
        assert!((last.1 - stand.height_m).abs() < 0.004, "{:.4} of {:.4} m", last.1, stand.height_m);
        // A trunk that stands as it should is left alone.
        let mut level = StandController::new(gains, robot.total_mass_kg(), &posture, &robot.legs);
        let feet: Vec<_> = robot.legs.iter().map(|leg| leg.foot_position(leg.select(&posture))).collect();
        level.step(&robot.legs, &StandView { projected_gravity: [0.0, 0.0, -1.0], feet_m: &feet }, 1.0);
        assert!(level.correction_m.iter().all(|c| c.abs() < 1e-6));
    }

    #[test]
    fn corrections_are_bounded_and_unknown_feet_change_nothing() {
        let robot =
            Robot::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad"))
                .unwrap();
        let posture = robot.postures.stand.q_rad.clone();
        let gains = StandGains { kp: 60.0, kd: 2.0 };
        let mut stand = StandController::new(gains, robot.total_mass_kg(), &posture, &robot.legs);
        stand.step(&robot.legs, &StandView { projected_gravity: [0.7, 0.0, -0.7], feet_m: &[] }, 10.0);
        assert!(stand.correction_m.iter().all(|c| *c == 0.0));
        let feet: Vec<_> = robot.legs.iter().map(|leg| leg.foot_position(leg.select(&posture))).collect();
        for _ in 0..10_000 {
            stand.step(&robot.legs, &StandView { projected_gravity: [0.7, 0.2, -0.6], feet_m: &feet }, 0.002);
        }
        assert!(stand.correction_m.iter().all(|c| c.abs() <= CORRECTION_MAX_M));
        assert!(stand.correction_m.iter().any(|c| c.abs() == CORRECTION_MAX_M));
    }
}
