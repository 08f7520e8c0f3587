//! A trotting robot with known truth: 2 Hz trot, stance 55 %, rocking trunk, curved path, 500 Hz samples.

use std::f64::consts::TAU;

use nalgebra::{Matrix3, Rotation3, Vector3};
use sinew_estimator::{Estimate, Estimator, Foot, Imu, Input};

use crate::leg::{CALF, calf_rotation, foot, inverse, nominal};

pub type V3 = Vector3<f64>;
pub type M3 = Matrix3<f64>;
pub const DT: f64 = 0.002;
pub const G: f64 = 9.81;
const PERIOD: f64 = 0.5;
const STANCE: f64 = 0.55;
/// Path steps per sample.
const FINE: usize = 5;

/// Seeded noise: xorshift and Box-Muller.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        let mut noise = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..16 {
            noise.uniform();
        }
        noise
    }
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn normal(&mut self) -> f64 {
        let a = self.uniform().max(1e-300);
        (-2.0 * a.ln()).sqrt() * (TAU * self.uniform()).cos()
    }
    pub fn vector(&mut self, std: f64) -> V3 {
        V3::new(self.normal(), self.normal(), self.normal()) * std
    }
}

/// What is wrong with the world.
#[derive(Clone)]
pub struct Faults {
    pub gyro: f64,
    pub accel: f64,
    pub joint: f64,
    pub joint_rate: f64,
    pub joint_zero: f64,
    pub force_n: f64,
    pub calf: f64,
    pub slip: f64,
    pub gyro_bias: f64,
    pub accel_bias: f64,
    pub wrong_contact: f64,
    pub rolling_share: f64,
    pub foot_radius: f64,
    /// Ringing of the mount at touchdown, m/s^2, in one sample.
    pub touchdown_spike: f64,
    /// The body's velocity jumps at each touchdown, by this, m/s.
    pub touchdown_jump: f64,
    /// The IMU reports means over the sample period, not instants.
    pub integrating: bool,
    /// Touchdown noise of the accelerometer.
    pub touchdown: f64,
    /// A stop of 3 s in every minute.
    pub stops: bool,
}

impl Faults {
    /// Clean legs, no slip.
    pub fn a() -> Self {
        Self {
            gyro: 0.003,
            accel: 0.05,
            joint: 0.002,
            joint_rate: 0.05,
            joint_zero: 0.0,
            force_n: 2.0,
            calf: 0.0,
            slip: 0.0,
            gyro_bias: 0.005,
            accel_bias: 0.05,
            wrong_contact: 0.0,
            rolling_share: 0.0,
            foot_radius: 0.0,
            touchdown_spike: 0.0,
            touchdown_jump: 0.0,
            integrating: false,
            touchdown: 0.8,
            stops: false,
        }
    }
    /// Calf length error, slip, wrong contacts, rolling.
    pub fn b() -> Self {
        Self {
            joint: 0.003,
            joint_rate: 0.1,
            calf: 0.005,
            slip: 0.01,
            wrong_contact: 0.005,
            rolling_share: 0.01,
            ..Self::a()
        }
    }
    /// The noise of the target robot, foot spheres that roll, hard touchdowns, an integrating IMU.
    pub fn target() -> Self {
        Self {
            gyro: 0.01,
            accel: 0.1,
            joint: 0.001,
            joint_zero: 0.002,
            gyro_bias: 0.01,
            accel_bias: 0.1,
            foot_radius: 0.022,
            touchdown_jump: 0.1,
            integrating: true,
            touchdown: 0.1,
            ..Self::a()
        }
    }
}

/// One sample with its truth.
#[derive(Clone)]
pub struct Sample {
    pub imu: Imu,
    pub feet: [Foot; 4],
    pub stands: [bool; 4],
    pub rotation: M3,
    pub velocity: V3,
    pub position: V3,
    pub travelled: f64,
}

#[derive(Clone, Copy, Default)]
struct Place {
    k: usize,
    warped: f64,
    x: f64,
    y: f64,
    s: f64,
}

pub struct World {
    faults: Faults,
    noise: Noise,
    extra: Noise,
    places: [Place; 3],
    feet: [V3; 4],
    left: [V3; 4],
    was: [bool; 4],
    joints: [V3; 4],
    zero: [V3; 4],
    calves: [[M3; 2]; 4],
    gyro_bias: V3,
    accel_bias: V3,
    sample: usize,
    /// Attitude and velocity at the last sample.
    before: (M3, V3),
}

const FINE_DT: f64 = DT / FINE as f64;

impl World {
    pub fn new(faults: Faults, seed: u64) -> Self {
        let mut extra = Noise::new(seed ^ 0xABCD);
        let zero = std::array::from_fn(|_| extra.vector(1.0).map(|x| x.clamp(-1.0, 1.0)) * faults.joint_zero);
        let mut world = Self {
            noise: Noise::new(seed),
            extra,
            places: [Place::default(); 3],
            feet: [V3::zeros(); 4],
            left: [V3::zeros(); 4],
            was: [true; 4],
            joints: [V3::zeros(); 4],
            zero,
            calves: [[M3::identity(); 2]; 4],
            gyro_bias: V3::new(1.0, -0.7, 0.9) * faults.gyro_bias,
            accel_bias: V3::new(-1.0, 0.8, 0.6) * faults.accel_bias,
            sample: 0,
            before: (M3::identity(), V3::zeros()),
            faults,
        };
        world.places[1] = world.advance(&world.places[0]);
        world.places[2] = world.advance(&world.places[1]);
        world
    }

    /// 1 walking, 0 standing.
    fn activity(&self, t: f64) -> f64 {
        if !self.faults.stops || t < 30.0 {
            return 1.0;
        }
        let x = (t - 30.0).rem_euclid(60.0);
        let e = match x {
            x if (53.0..55.0).contains(&x) => (55.0 - x) / 2.0,
            x if (55.0..58.0).contains(&x) => 0.0,
            x if x >= 58.0 => (x - 58.0) / 2.0,
            _ => 1.0,
        };
        e * e * (3.0 - 2.0 * e)
    }

    fn standing(&self, t: f64) -> bool {
        t < 2.5 || self.activity(t) == 0.0
    }

    fn heading(t: f64, warped: f64) -> f64 {
        let start = ((t - 2.6) / 2.0).clamp(0.0, 1.0);
        0.03 * (warped - 2.6).max(0.0) + 1.2 * (TAU * warped / 47.0).sin() * start
    }

    fn speed(&self, t: f64) -> f64 {
        ((t - 2.6) / 2.0).clamp(0.0, 1.0) * (0.7 + 0.15 * (0.21 * t).sin()) * self.activity(t)
    }

    /// One fine step along the path (Simpson).
    fn advance(&self, from: &Place) -> Place {
        let t = from.k as f64 * FINE_DT;
        let warped = from.warped + FINE_DT * self.activity(t + FINE_DT / 2.0);
        let rate = |t: f64, w: f64| {
            let (u, psi) = (self.speed(t), Self::heading(t, w));
            [u * psi.cos(), u * psi.sin(), u]
        };
        let (a, b, c) = (
            rate(t, from.warped),
            rate(t + FINE_DT / 2.0, 0.5 * (from.warped + warped)),
            rate(t + FINE_DT, warped),
        );
        let step = |i: usize| FINE_DT / 6.0 * (a[i] + 4.0 * b[i] + c[i]);
        Place { k: from.k + 1, warped, x: from.x + step(0), y: from.y + step(1), s: from.s + step(2) }
    }

    fn pose(&self, place: &Place) -> (M3, V3) {
        let t = place.k as f64 * FINE_DT;
        let a = ((t - 2.0).max(0.0) / 2.0).min(1.0) * self.activity(t);
        let w = TAU / PERIOD;
        let (roll, pitch) = (0.03 * a * (w * t).sin(), 0.03 * a * (w * t + 0.7).sin());
        let rotation = Rotation3::from_euler_angles(roll, pitch, Self::heading(t, place.warped)).into_inner();
        let bounce = self.faults.touchdown_jump / (2.0 * w) * (w * t).sin().abs();
        (rotation, V3::new(place.x, place.y, 0.30 + a * (0.012 * (2.0 * w * t).sin() + bounce)))
    }

    pub fn next_sample(&mut self) -> Sample {
        while self.places[1].k < (self.sample + 1) * FINE {
            self.places = [self.places[1], self.places[2], self.advance(&self.places[2])];
        }
        let t = self.places[1].k as f64 * FINE_DT;
        let [(rm, pm), (r, p), (rp, pp)] = self.places.map(|place| self.pose(&place));
        let v = (pp - pm) / (2.0 * FINE_DT);
        let a = (pp - 2.0 * p + pm) / (FINE_DT * FINE_DT);
        let turn = rm.transpose() * rp;
        let rate =
            V3::new(turn[(2, 1)] - turn[(1, 2)], turn[(0, 2)] - turn[(2, 0)], turn[(1, 0)] - turn[(0, 1)])
                / (4.0 * FINE_DT);

        let (mut rate, mut force) = (rate, r.transpose() * (a + V3::new(0.0, 0.0, G)));
        if self.faults.integrating {
            let (before, v0) = self.before;
            let turned = Rotation3::from_matrix_unchecked(before.transpose() * r).scaled_axis();
            let middle = before * Rotation3::new(turned * 0.5).into_inner();
            rate = turned / DT;
            force = middle.transpose() * ((v - v0) / DT + V3::new(0.0, 0.0, G));
        }
        self.before = (r, v);

        let mut touchdown = false;
        let mut feet = [Foot::default(); 4];
        let mut stands = [true; 4];
        let first = self.sample == 0;
        for i in 0..4 {
            let offset = if i == 0 || i == 3 { 0.0 } else { 0.5 };
            let phase = (t / PERIOD + offset).rem_euclid(1.0);
            stands[i] = phase < STANCE || self.standing(t);
            let mut below = r * nominal(i) + p;
            below.z = 0.0;
            if first {
                self.feet[i] = below;
            }
            if stands[i] {
                if !self.was[i] {
                    touchdown = true;
                    self.feet[i].z = 0.0;
                }
                let slip = self.faults.slip * DT.sqrt();
                self.feet[i] += V3::new(self.noise.normal(), self.noise.normal(), 0.0) * slip;
                self.feet[i] += V3::new(v.x, v.y, 0.0) * (self.faults.rolling_share * DT);
                if self.faults.foot_radius > 0.0 && self.sample > 2 {
                    let m = self.calves[i][0] * self.calves[i][1].transpose();
                    let d = Rotation3::from_matrix_unchecked(m).scaled_axis();
                    self.feet[i] += d.cross(&V3::z()) * self.faults.foot_radius;
                }
            } else {
                if self.was[i] {
                    self.left[i] = self.feet[i];
                }
                let y = (phase - STANCE) / (1.0 - STANCE);
                let target = below + v * (STANCE * PERIOD * 0.5);
                let e = y * y * (3.0 - 2.0 * y);
                self.feet[i] = self.left[i] * (1.0 - e) + target * e;
                self.feet[i].z = 0.06 * (std::f64::consts::PI * y).sin();
            }
            self.was[i] = stands[i];
            let q = inverse(i, &(r.transpose() * (self.feet[i] - p)), CALF * (1.0 + self.faults.calf));
            let dq = if first { V3::zeros() } else { (q - self.joints[i]) / DT };
            self.joints[i] = q;
            self.calves[i] = [r * calf_rotation(&q), self.calves[i][0]];
            let q = q + self.zero[i] + self.noise.vector(self.faults.joint);
            let dq = dq + self.noise.vector(self.faults.joint_rate);
            let load = if self.standing(t) {
                35.0
            } else {
                90.0 * (std::f64::consts::PI * phase / STANCE).sin().max(0.3)
            };
            let wrong = self.faults.wrong_contact > 0.0 && self.noise.uniform() < self.faults.wrong_contact;
            let force = if stands[i] != wrong { load } else { 0.0 };
            feet[i] = foot(i, &q, &dq, force + self.extra.normal() * self.faults.force_n);
        }
        self.gyro_bias += self.noise.vector(4.4e-5 * DT.sqrt());
        self.accel_bias += self.noise.vector(2e-4 * DT.sqrt());
        let rough = if touchdown { self.faults.touchdown } else { self.faults.accel };
        let mut accel = force + self.accel_bias + self.noise.vector(rough);
        if touchdown && self.faults.touchdown_spike > 0.0 {
            accel += self.extra.vector(self.faults.touchdown_spike);
        }
        let gyro = rate + self.gyro_bias + self.noise.vector(self.faults.gyro);
        self.sample += 1;
        Sample {
            imu: Imu { gyro_rad_s: gyro.into(), accel_m_s2: accel.into() },
            feet,
            stands,
            rotation: r,
            velocity: v,
            position: p,
            travelled: self.places[1].s,
        }
    }
}

pub fn step(estimator: &mut Estimator, sample: &Sample) -> Estimate {
    estimator.step(&Input { dt_s: DT, imu: Some(sample.imu), feet: &sample.feet })
}

/// Errors over a run.
#[derive(Default, Debug)]
pub struct Score {
    pub velocity_rmse: f64,
    pub axis_rmse: V3,
    pub drift_share: f64,
    pub height_error: f64,
    pub tilt_rmse: f64,
    pub contact_wrong_share: f64,
    pub nis: f64,
    pub gated_share: f64,
    pub contact_walk: f64,
    pub not_healthy: u32,
}

/// Runs `seconds` of a world and scores all after the first two seconds.
pub fn score(estimator: &mut Estimator, mut world: World, seconds: f64) -> Score {
    let mut out = Score::default();
    let (mut n, mut squares, mut nis) = (0.0, V3::zeros(), 0.0);
    let mut wrong = 0.0;
    let mut origin = None;
    let steps = (seconds / DT) as usize;
    let mut last = None;
    for k in 0..steps {
        let sample = world.next_sample();
        let estimate = step(estimator, &sample);
        if (k as f64) * DT < 2.0 {
            let start: V3 = estimate.position_m.into();
            origin = Some(sample.position - start);
            continue;
        }
        n += 1.0;
        let v: V3 = estimate.velocity_body_m_s.into();
        let e = v - sample.rotation.transpose() * sample.velocity;
        squares += e.component_mul(&e);
        let g: V3 = estimate.projected_gravity.into();
        out.tilt_rmse += (g + sample.rotation.transpose() * V3::z()).norm_squared();
        nis += estimate.health.nis;
        out.not_healthy += u32::from(estimate.health.status != sinew_estimator::Status::Healthy);
        wrong += (0..4).filter(|&i| (estimate.contact_probability[i] > 0.5) != sample.stands[i]).count()
            as f64
            / 4.0;
        last = Some((sample, estimate));
    }
    let (sample, estimate) = last.unwrap();
    let p: V3 = estimate.position_m.into();
    let error = p + origin.unwrap() - sample.position;
    out.velocity_rmse = (squares.sum() / n).sqrt();
    out.axis_rmse = (squares / n).map(f64::sqrt);
    out.drift_share = error.xy().norm() / sample.travelled;
    out.height_error = error.z.abs();
    out.tilt_rmse = (out.tilt_rmse / n).sqrt();
    out.contact_wrong_share = wrong / n;
    out.nis = nis / n;
    out.gated_share = f64::from(estimate.health.gated) / estimator.diagnostics().updates as f64;
    out.contact_walk = estimator.diagnostics().contact_walk;
    out
}
