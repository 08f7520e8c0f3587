//! Standing still on its legs: impedance around the stand posture, weight carried by feed-forward, and a loop that
//! keeps the trunk level and at its height, because feet creep and joints sag.
//! A leg of six or more hinges can also turn its foot and set it anywhere: there the soles follow the ground's tilt
//! against the body, and the centre of mass is kept over the middle of the feet.
use arrayvec::ArrayVec;
use nalgebra::{SMatrix, SVector, Vector3};
use sinew_robot::{FootMotion, LEG_JOINTS_MAX, Leg, LegVector};
use sinew_wire::{JointCommand, MAX_JOINTS};

use crate::config::{GRAVITY_M_S2, StandGains};

/// Largest correction of one foot along the body's z, m.
const CORRECTION_MAX_M: f64 = 0.05;
/// Largest correction of the soles' tilt, rad, and of the feet across the body, m.
const SOLE_TILT_MAX_RAD: f64 = 0.15;
const SHIFT_MAX_M: f64 = 0.04;
/// Largest correction of one joint, rad.
const JOINT_MAX_RAD: f64 = 0.3;
/// Gains of the posture loop, 1/s: slow against the legs' own stiffness.
const TILT_GAIN_PER_S: f64 = 2.0;
const HEIGHT_GAIN_PER_S: f64 = 1.0;
const SHIFT_GAIN_PER_S: f64 = 1.0;
/// A leg of at least this many hinges sets all six coordinates of its foot.
const FULL_FOOT: usize = 6;
/// Damping of the inverse, m^2: below it a direction counts as one the leg cannot move its foot in.
const INVERSE_DAMPING: f64 = 1e-6;

type FootRow = SVector<f64, 6>;

/// The posture loop of a legged robot.
#[derive(Clone, Debug)]
pub struct StandController {
    gains: StandGains,
    weight_n: f64,
    posture_rad: Vec<f64>,
    height_m: f64,
    /// Base frame, m, in the posture.
    centre_of_mass_m: Vector3<f64>,
    legs: ArrayVec<StandLeg, 8>,
    /// Every leg sets all coordinates of its foot.
    full: bool,
    /// Per leg, m along the body's z; positive shortens the leg.
    correction_m: ArrayVec<f64, 8>,
    /// With full legs: tilt of the ground against the body, about x and y, rad.
    tilt_rad: [f64; 2],
    /// With full legs: all feet along x and y, m.
    shift_m: [f64; 2],
}

/// A leg in the standing posture.
#[derive(Clone, Debug)]
struct StandLeg {
    joints: LegVector<usize>,
    foot_m: [f64; 3],
    by_joint: LegVector<FootMotion>,
    /// Joint angles by displacement of the foot (m, then rad).
    inverse: SMatrix<f64, LEG_JOINTS_MAX, 6>,
}

impl StandLeg {
    fn new(leg: &Leg, posture_rad: &[f64]) -> Self {
        let kinematics = leg.foot_kinematics(&leg.select(posture_rad));
        let full = leg.joints.len() >= FULL_FOOT;
        let mut jacobian = SMatrix::<f64, 6, LEG_JOINTS_MAX>::zeros();
        for (i, by) in kinematics.by_joint.iter().enumerate() {
            let [ax, ay, az] = if full { by.angular } else { [0.0; 3] };
            let [x, y, z] = by.linear;
            jacobian.set_column(i, &FootRow::from([x, y, z, ax, ay, az]));
        }
        let square = jacobian * jacobian.transpose() + SMatrix::<f64, 6, 6>::identity() * INVERSE_DAMPING;
        let inverse =
            square.try_inverse().map_or_else(SMatrix::zeros, |inverse| jacobian.transpose() * inverse);
        Self {
            joints: leg.joints.clone(),
            foot_m: kinematics.pose.position_m,
            by_joint: kinematics.by_joint,
            inverse,
        }
    }
}

/// What the loop looks at.
#[derive(Clone, Copy, Debug)]
pub struct StandView<'a> {
    /// Direction of gravity in the body frame, unit.
    pub projected_gravity: [f64; 3],
    /// Measured feet in the body frame, m; empty when not known.
    pub feet_m: &'a [[f64; 3]],
}

impl StandController {
    /// For a robot of `mass_kg` standing with `posture_rad`, its centre of mass then at `centre_of_mass_m`.
    #[must_use]
    pub fn new(
        gains: StandGains,
        mass_kg: f64,
        centre_of_mass_m: [f64; 3],
        posture_rad: &[f64],
        legs: &[Leg],
    ) -> Self {
        let legs: ArrayVec<StandLeg, 8> =
            legs.iter().take(8).map(|leg| StandLeg::new(leg, posture_rad)).collect();
        let count = legs.len().max(1) as f64;
        Self {
            gains,
            weight_n: mass_kg * GRAVITY_M_S2,
            posture_rad: posture_rad.to_vec(),
            height_m: -legs.iter().map(|leg| leg.foot_m[2]).sum::<f64>() / count,
            centre_of_mass_m: centre_of_mass_m.into(),
            full: legs.iter().all(|leg| leg.joints.len() >= FULL_FOOT),
            correction_m: legs.iter().map(|_| 0.0).collect(),
            tilt_rad: [0.0; 2],
            shift_m: [0.0; 2],
            legs,
        }
    }

    /// Forgets the corrections learnt so far.
    pub fn reset(&mut self) {
        self.correction_m.iter_mut().for_each(|c| *c = 0.0);
        (self.tilt_rad, self.shift_m) = ([0.0; 2], [0.0; 2]);
    }

    /// Posture the loop stands in, rad, in the robot's joint order.
    #[must_use]
    pub fn posture_rad(&self) -> &[f64] {
        &self.posture_rad
    }

    /// Advances the loop by `dt_s`.
    pub fn step(&mut self, view: &StandView<'_>, dt_s: f64) {
        if view.feet_m.len() != self.legs.len() || self.legs.is_empty() {
            return;
        }
        let [gx, gy, gz] = view.projected_gravity;
        let (pitch, roll) = (gx.clamp(-1.0, 1.0).asin(), (-gy).atan2(-gz));
        let height = -view.feet_m.iter().map(|p| p[2]).sum::<f64>() / self.legs.len() as f64;
        let sag = (self.height_m - height).clamp(-0.05, 0.05);
        for (correction, foot) in self.correction_m.iter_mut().zip(view.feet_m) {
            // Nose down (pitch > 0) lengthens the front legs, left side up (roll > 0) shortens the left ones.
            let level = roll * foot[1] - pitch * foot[0];
            let rate = TILT_GAIN_PER_S * level - HEIGHT_GAIN_PER_S * sag;
            *correction = (*correction + rate * dt_s).clamp(-CORRECTION_MAX_M, CORRECTION_MAX_M);
        }
        if self.full {
            let middle =
                view.feet_m.iter().map(|p| Vector3::from(*p)).sum::<Vector3<f64>>() / self.legs.len() as f64;
            let down = Vector3::new(gx, gy, gz);
            let off = self.centre_of_mass_m - middle;
            let across = off - down * off.dot(&down);
            let follow =
                |value: &mut f64, rate: f64, most: f64| *value = (*value + rate * dt_s).clamp(-most, most);
            for (tilt, error) in self.tilt_rad.iter_mut().zip([roll, pitch]) {
                follow(tilt, TILT_GAIN_PER_S * error, SOLE_TILT_MAX_RAD);
            }
            for (shift, error) in self.shift_m.iter_mut().zip([across.x, across.y]) {
                follow(shift, SHIFT_GAIN_PER_S * error, SHIFT_MAX_M);
            }
        }
    }

    /// Joint commands, `load` (0 to 1) of the weight carried by feed-forward.
    pub fn command(
        &self,
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
        let share_n = load * self.weight_n / self.legs.len().max(1) as f64;
        let press = Vector3::from(projected_gravity) * share_n;
        for (leg, correction) in self.legs.iter().zip(&self.correction_m) {
            let shift = leg.inverse * self.displacement(leg, *correction);
            for ((joint, by), shift) in leg.joints.iter().zip(&leg.by_joint).zip(shift.iter()) {
                if let Some(command) = out.get_mut(*joint) {
                    command.q_rad += shift.clamp(-JOINT_MAX_RAD, JOINT_MAX_RAD) as f32;
                    // Torque of a foot that presses on the ground with its share of the weight.
                    command.tau_nm = Vector3::from(by.linear).dot(&press) as f32;
                }
            }
        }
    }

    /// Where a foot is to be, against the posture: m, then rad, body frame. Tilting turns the ground about the base.
    fn displacement(&self, leg: &StandLeg, correction_m: f64) -> FootRow {
        let ([about_x, about_y], [along_x, along_y], [_, _, z]) = (self.tilt_rad, self.shift_m, leg.foot_m);
        FootRow::from([along_x + about_y * z, along_y - about_x * z, correction_m, about_x, about_y, 0.0])
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

    fn robot(kind: &str) -> Robot {
        let robots = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots");
        Robot::load(&robots.join(kind)).unwrap()
    }

    fn of(robot: &Robot, gains: StandGains) -> StandController {
        let posture = &robot.postures.stand.q_rad;
        let centre = robot.centre_of_mass_m(posture);
        StandController::new(gains, robot.total_mass_kg(), centre, posture, &robot.legs)
    }

    #[test]
    fn the_loop_levels_a_trunk_whose_joints_sag_unevenly() {
        let robot = robot("quad");
        let posture = robot.postures.stand.q_rad.clone();
        let gains = StandGains { kp: 60.0, kd: 2.0 };
        let mut stand = of(&robot, gains);
        // Joints follow their targets but for a constant error per leg: knees give way at front and left.
        let sag_rad = [-0.08, -0.12, 0.0, -0.04];
        let tilt = |g: [f64; 3]| g[0].hypot(g[1]).atan2(-g[2]);
        let mut out = ArrayVec::new();
        let (mut first, mut last) = (None, (0.0, 0.0));
        for _ in 0..5_000 {
            stand.command([0.0, 0.0, -1.0], 1.0, &mut out);
            let feet: Vec<[f64; 3]> = robot
                .legs
                .iter()
                .zip(sag_rad)
                .map(|(leg, sag)| {
                    let mut q: LegVector<f64> = leg.joints.iter().map(|j| f64::from(out[*j].q_rad)).collect();
                    q[2] += sag;
                    leg.foot_position(&q)
                })
                .collect();
            let (projected_gravity, height_m) = pose(&feet);
            last = (tilt(projected_gravity), height_m);
            first.get_or_insert(last);
            stand.step(&StandView { projected_gravity, feet_m: &feet }, 0.002);
        }
        let first = first.unwrap();
        assert!(first.0 > 0.03, "the sag tilts it by {:.3} rad", first.0);
        assert!(last.0 < 0.003, "levelled to {:.4} rad", last.0);
        assert!((last.1 - stand.height_m).abs() < 0.004, "{:.4} of {:.4} m", last.1, stand.height_m);
        // A trunk that stands as it should is left alone.
        let mut level = of(&robot, gains);
        let feet: Vec<_> = robot.legs.iter().map(|leg| leg.foot_position(&leg.select(&posture))).collect();
        level.step(&StandView { projected_gravity: [0.0, 0.0, -1.0], feet_m: &feet }, 1.0);
        assert!(level.correction_m.iter().all(|c| c.abs() < 1e-6));
    }

    #[test]
    fn corrections_are_bounded_and_unknown_feet_change_nothing() {
        let robot = robot("quad");
        let posture = robot.postures.stand.q_rad.clone();
        let gains = StandGains { kp: 60.0, kd: 2.0 };
        let mut stand = of(&robot, gains);
        stand.step(&StandView { projected_gravity: [0.7, 0.0, -0.7], feet_m: &[] }, 10.0);
        assert!(stand.correction_m.iter().all(|c| *c == 0.0));
        let feet: Vec<_> = robot.legs.iter().map(|leg| leg.foot_position(&leg.select(&posture))).collect();
        for _ in 0..10_000 {
            stand.step(&StandView { projected_gravity: [0.7, 0.2, -0.6], feet_m: &feet }, 0.002);
        }
        assert!(stand.correction_m.iter().all(|c| c.abs() <= CORRECTION_MAX_M));
        assert!(stand.correction_m.iter().any(|c| c.abs() == CORRECTION_MAX_M));
    }

    /// Two flat feet on level ground: the body is where the soles, level, let it be.
    #[test]
    fn a_biped_is_levelled_by_its_ankles_and_stands_over_its_feet() {
        let robot = robot("biped");
        let mut stand = of(&robot, StandGains { kp: 150.0, kd: 4.0 });
        let centre = Vector3::from(robot.centre_of_mass_m(&robot.postures.stand.q_rad));
        // Hips and ankles give way, the same on both sides: the trunk leans forward and left.
        let sag_rad = [0.0, 0.03, -0.05, 0.02, 0.03, 0.02];
        let mut out = ArrayVec::new();
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            stand.command([0.0, 0.0, -1.0], 1.0, &mut out);
            let feet: Vec<_> = robot
                .legs
                .iter()
                .map(|leg| {
                    let q: LegVector<f64> = leg
                        .joints
                        .iter()
                        .zip(sag_rad)
                        .map(|(j, sag)| f64::from(out[*j].q_rad) + sag)
                        .collect();
                    leg.foot_kinematics(&q).pose
                })
                .collect();
            // The ground's normal in the body frame is the soles'.
            let [w, x, y, z] = feet[0].orientation_wxyz;
            let sole = nalgebra::UnitQuaternion::from_quaternion(nalgebra::Quaternion::new(w, x, y, z));
            let down = sole * -Vector3::z();
            let positions: Vec<_> = feet.iter().map(|pose| pose.position_m).collect();
            let off = centre - (Vector3::from(positions[0]) + Vector3::from(positions[1])) / 2.0;
            let across = (off - down * off.dot(&down)).norm();
            seen.push((down.xy().norm(), across));
            stand.step(&StandView { projected_gravity: down.into(), feet_m: &positions }, 0.002);
        }
        let (first, last) = (seen[0], seen[seen.len() - 1]);
        assert!(first.0 > 0.03 && first.1 > 0.01, "it begins {first:?} off");
        assert!(last.0 < 0.002 && last.1 < 0.001, "and ends {last:?} off");
    }

    #[test]
    fn feed_forward_carries_the_weight_of_any_robot() {
        for kind in ["quad", "biped"] {
            let robot = robot(kind);
            let stand = of(&robot, StandGains { kp: 60.0, kd: 2.0 });
            let mut out = ArrayVec::new();
            stand.command([0.0, 0.0, -1.0], 1.0, &mut out);
            // Virtual work: lowering the body by dz with the feet where they are costs the weight times dz.
            let lowered = |dz: f64| -> Vec<f64> {
                let mut q = robot.postures.stand.q_rad.clone();
                for (leg, of) in robot.legs.iter().zip(&stand.legs) {
                    let shift = of.inverse * FootRow::from([0.0, 0.0, dz, 0.0, 0.0, 0.0]);
                    leg.joints.iter().zip(shift.iter()).for_each(|(joint, by)| q[*joint] += by);
                }
                q
            };
            let dz = 1e-3;
            let (above, below) = (lowered(-dz), lowered(dz));
            let work: f64 =
                out.iter().enumerate().map(|(j, c)| f64::from(c.tau_nm) * (below[j] - above[j])).sum();
            let weight = robot.total_mass_kg() * 9.81;
            assert!((work / (2.0 * dz) + weight).abs() < 0.02 * weight, "{kind}: {}", work / (2.0 * dz));
        }
    }
}
