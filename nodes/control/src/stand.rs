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
