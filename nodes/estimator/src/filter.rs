//! The state and its four moves: start, predict, correct by a foot, correct by standstill.
//!
//! Error of the group part: estimate times inverse of truth (right-invariant), so the contact measurement
//! z = R h + p - d has a constant Jacobian (+1 at the position, -1 at the foot) whatever the state is.

use std::array::from_fn;

use nalgebra::{Matrix3, Vector3};

use crate::{
    Config, MAX_FEET,
    alignment::Aligned,
    covariance::{
        ACCEL_BIAS, ATTITUDE, Covariance, GYRO_BIAS, POSITION, Rows, SIZE, Transition, VELOCITY, foot_row,
    },
    inertial::Conditioned,
    input::CleanFoot,
    rotation::{exp, left_jacobian, orthonormalised},
};

/// Distance from the anchor at which it is moved, m: errors of position are attitude errors times this.
const ANCHOR_RANGE_M: f64 = 5.0;
/// Yaw is a convention at the start, not a measurement: a wide variance would leak into the biases.
const START_YAW_STD_RAD: f64 = 1e-4;
const START_POSITION_STD_M: f64 = 1e-4;
const START_VELOCITY_STD_M_S: f64 = 0.02;
/// Rocking of a robot at rest that the mean of the gyro takes for bias.
const START_GYRO_BIAS_STD_RAD_S: f64 = 3e-4;

/// What became of an innovation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Used; its squared normalised length (3 degrees of freedom).
    Used(f64),
    /// Beyond the gate, not used.
    Gated(f64),
    /// Its covariance was not positive definite.
    Singular,
}

#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub rotation: Matrix3<f64>,
    pub velocity: Vector3<f64>,
    pub position: Vector3<f64>,
    pub gyro_bias: Vector3<f64>,
    pub accel_bias: Vector3<f64>,
    /// Footholds, world; meaningful while `standing`.
    pub footholds: [Vector3<f64>; MAX_FEET],
    pub standing: [bool; MAX_FEET],
    pub covariance: Covariance,
    anchor: Vector3<f64>,
    anchor_shifts: u32,
    corrections: u32,
}

/// Lower triangle of the Cholesky factor of a symmetric 3x3 matrix.
fn cholesky(s: &Matrix3<f64>) -> Option<[f64; 6]> {
    let root = |x: f64| (x > 0.0).then(|| x.sqrt());
    let a = root(s[(0, 0)])?;
    let b = s[(1, 0)] / a;
    let d = s[(2, 0)] / a;
    let c = root(s[(1, 1)] - b * b)?;
    let e = (s[(2, 1)] - d * b) / c;
    let f = root(s[(2, 2)] - d * d - e * e)?;
    Some([a, b, c, d, e, f])
}

impl Filter {
    /// Starts at rest: attitude and gyro bias from `aligned`, base at `position` (world).
    pub fn start(aligned: &Aligned, position: Vector3<f64>, config: &Config) -> Self {
        let square = |x: f64| x * x;
        let mut covariance = Covariance::zero();
        let r = &aligned.rotation;
        // Levelling by the accelerometer mistakes its bias for tilt, so both errors are one:
        // attitude error = (-y, x, 0) of the bias error in world axes / g.
        let tilt_by_bias =
            Matrix3::new(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0) * r / config.gravity_m_s2;
        let bias = square(config.accel_bias_std_m_s2);
        let tilt_noise = square(config.accel_std_m_s2 / config.gravity_m_s2) / aligned.samples + square(5e-4);
        let own = Vector3::new(tilt_noise, tilt_noise, square(START_YAW_STD_RAD));
        let attitude = tilt_by_bias * tilt_by_bias.transpose() * bias + Matrix3::from_diagonal(&own);
        covariance.set_block(ATTITUDE, ATTITUDE, &attitude);
        covariance.set_block(ATTITUDE, ACCEL_BIAS, &(tilt_by_bias * bias));
        covariance.set_block(ACCEL_BIAS, ACCEL_BIAS, &(Matrix3::identity() * bias));
        covariance.add_variance(VELOCITY, &Vector3::repeat(square(START_VELOCITY_STD_M_S)));
        covariance.add_variance(POSITION, &Vector3::repeat(square(START_POSITION_STD_M)));
        let gyro = square(config.gyro_std_rad_s) / aligned.samples + square(START_GYRO_BIAS_STD_RAD_S);
        covariance.add_variance(GYRO_BIAS, &Vector3::repeat(gyro));
        Self {
            rotation: aligned.rotation,
            velocity: Vector3::zeros(),
            position,
            gyro_bias: aligned.gyro_bias,
            accel_bias: Vector3::zeros(),
            footholds: [Vector3::zeros(); MAX_FEET],
            standing: [false; MAX_FEET],
            covariance,
            anchor: position,
            anchor_shifts: 0,
            corrections: 0,
        }
    }

    pub fn anchor_shifts(&self) -> u32 {
        self.anchor_shifts
    }

    /// Moves the state over `dt`; `walk` is the horizontal walk of standing feet, m/sqrt(s).
    pub fn predict(&mut self, imu: &Conditioned, dt: f64, walk: f64, config: &Config) {
        self.hold_anchor();
        let turn = (imu.gyro - self.gyro_bias) * dt;
        let force = imu.accel - self.accel_bias;
        let per_step = |std: f64| std * std * dt * dt;
        let per_time = |walk: f64| walk * walk * dt;
        let horizontal = per_time(walk);
        self.covariance.propagate(&Transition {
            dt,
            gravity: config.gravity_m_s2,
            rotation: self.rotation,
            velocity: self.velocity,
            position: self.position - self.anchor,
            feet: from_fn(|i| self.standing[i].then(|| self.footholds[i] - self.anchor)),
            gyro: per_step(config.gyro_std_rad_s),
            accel: per_step(imu.accel_std),
            gyro_bias: per_time(config.gyro_bias_walk),
            accel_bias: per_time(config.accel_bias_walk),
            foot: Vector3::new(horizontal, horizontal, per_time(config.contact_walk_vertical)),
        });
        let acceleration =
            self.rotation * (left_jacobian(&turn) * force) - Vector3::new(0.0, 0.0, config.gravity_m_s2);
        self.position += self.velocity * dt + acceleration * (0.5 * dt * dt);
        self.velocity += acceleration * dt;
        self.rotation *= exp(&turn);
    }

    fn hold_anchor(&mut self) {
        let by = self.position - self.anchor;
        if by.norm_squared() > ANCHOR_RANGE_M * ANCHOR_RANGE_M {
            self.covariance.shift_anchor(&by, &self.standing);
            self.anchor = self.position;
            self.anchor_shifts = self.anchor_shifts.saturating_add(1);
        }
    }

    /// Moves a foothold by the rolling of the foot, world, m.
    pub fn roll_foot(&mut self, foot: usize, by: &Vector3<f64>) {
        self.footholds[foot] += by;
    }

    /// A foot has touched down.
    pub fn place_foot(&mut self, foot: usize, kinematics: &CleanFoot, config: &Config) {
        self.footholds[foot] = self.position + self.rotation * kinematics.position;
        self.standing[foot] = true;
        let noise = self.foot_noise(kinematics, config);
        self.covariance.insert_foot(foot, &noise);
    }

    /// A foot has lifted off.
    pub fn lift_foot(&mut self, foot: usize) {
        if self.standing[foot] {
            self.standing[foot] = false;
            self.covariance.remove_foot(foot);
        }
    }

    /// Corrects by a standing foot: it is where it was. A refused foot is placed anew, and the velocity given room.
    pub fn correct_by_foot(&mut self, foot: usize, kinematics: &CleanFoot, config: &Config) -> Outcome {
        let row = foot_row(foot);
        let residual = self.rotation * kinematics.position + self.position - self.footholds[foot];
        let (at_position, at_foot) = (self.covariance.rows(POSITION), self.covariance.rows(row));
        let hp: Rows = from_fn(|k| from_fn(|x| at_position[k][x] - at_foot[k][x]));
        let s = Matrix3::from_fn(|a, b| hp[a][POSITION + b] - hp[a][row + b]);
        let noise = self.foot_noise(kinematics, config);
        let outcome = self.correct(&hp, &(s + noise), &residual, config.gate);
        if let Outcome::Gated(_) = outcome {
            let room = config.gate_velocity_std_m_s * config.gate_velocity_std_m_s;
            self.covariance.add_variance(VELOCITY, &Vector3::repeat(room));
            self.place_foot(foot, kinematics, config);
        }
        outcome
    }

    /// Corrects by a standstill: velocity is zero within `velocity_std`, and the mean gyro is the bias.
    pub fn correct_by_standstill(
        &mut self,
        mean_gyro: &Vector3<f64>,
        gyro_std: f64,
        velocity_std: f64,
    ) -> Outcome {
        let s =
            self.covariance.block(VELOCITY, VELOCITY) + Matrix3::identity() * (velocity_std * velocity_std);
        let residual = self.velocity;
        let first = self.correct(&self.covariance.rows(VELOCITY), &s, &residual, f64::INFINITY);
        let s = self.covariance.block(GYRO_BIAS, GYRO_BIAS) + Matrix3::identity() * (gyro_std * gyro_std);
        let residual = self.gyro_bias - mean_gyro;
        let second = self.correct(&self.covariance.rows(GYRO_BIAS), &s, &residual, f64::INFINITY);
        if second == Outcome::Singular { second } else { first }
    }

    /// Noise of a foot position, world axes.
    fn foot_noise(&self, foot: &CleanFoot, config: &Config) -> Matrix3<f64> {
        let std = config.kinematics_std;
        let spread = self.rotation * foot.spread * self.rotation.transpose();
        spread * (std.joint_rad * std.joint_rad) + Matrix3::identity() * (std.foot_m * std.foot_m)
    }

    /// General update from H P (three rows), the innovation covariance and the innovation (estimate minus truth).
    fn correct(&mut self, hp: &Rows, s: &Matrix3<f64>, residual: &Vector3<f64>, gate: f64) -> Outcome {
        let Some([l0, l1, l2, l3, l4, l5]) = cholesky(&((s + s.transpose()) * 0.5)) else {
            return Outcome::Singular;
        };
        let y0 = residual.x / l0;
        let y1 = (residual.y - l1 * y0) / l2;
        let y2 = (residual.z - l3 * y0 - l4 * y1) / l5;
        let square = y0 * y0 + y1 * y1 + y2 * y2;
        if !square.is_finite() {
            return Outcome::Singular;
        }
        if square > gate {
            return Outcome::Gated(square);
        }
        let mut w: Rows = [[0.0; SIZE]; 3];
        for x in 0..SIZE {
            w[0][x] = hp[0][x] / l0;
            w[1][x] = (hp[1][x] - l1 * w[0][x]) / l2;
            w[2][x] = (hp[2][x] - l3 * w[0][x] - l4 * w[1][x]) / l5;
        }
        self.covariance.downdate(&w);
        let change: [f64; SIZE] = from_fn(|x| -(w[0][x] * y0 + w[1][x] * y1 + w[2][x] * y2));
        self.apply(&change);
        Outcome::Used(square)
    }

    /// Moves the state by an error vector: exponential from the left, about the anchor.
    fn apply(&mut self, change: &[f64; SIZE]) {
        let part = |row: usize| Vector3::new(change[row], change[row + 1], change[row + 2]);
        let phi = part(ATTITUDE);
        let turn = exp(&phi);
        let jacobian = left_jacobian(&phi);
        self.rotation = turn * self.rotation;
        self.velocity = turn * self.velocity + jacobian * part(VELOCITY);
        let anchor = self.anchor;
        let moved =
            |point: &Vector3<f64>, row: usize| anchor + turn * (point - anchor) + jacobian * part(row);
        self.position = moved(&self.position, POSITION);
        for (foot, foothold) in self.footholds.iter_mut().enumerate() {
            if self.standing[foot] {
                *foothold = moved(foothold, foot_row(foot));
            }
        }
        self.gyro_bias += part(GYRO_BIAS);
        self.accel_bias += part(ACCEL_BIAS);
        self.corrections = self.corrections.wrapping_add(1);
        if self.corrections.is_multiple_of(64) {
            self.rotation = orthonormalised(&self.rotation);
        }
    }

    /// Every number of the state is finite.
    pub fn finite(&self) -> bool {
        let vectors = [&self.velocity, &self.position, &self.gyro_bias, &self.accel_bias];
        self.rotation.iter().all(|x| x.is_finite())
            && vectors.iter().all(|v| v.iter().all(|x| x.is_finite()))
            && self.footholds.iter().all(|v| v.iter().all(|x| x.is_finite()))
    }
}
