//! The error covariance as one fixed array: propagation by blocks, rank-three downdate, feet in and out.
//!
//! Order of the error state: attitude, velocity, position, gyro bias, accelerometer bias, feet. Rows of feet
//! that do not stand are zero. Everything that multiplies a position uses coordinates relative to the anchor.
//! Invariant: symmetric after every public call (a filter in plain form that was not symmetrised after each
//! prediction went indefinite after 150 s).
#![allow(clippy::needless_range_loop, reason = "block matrix code reads by index")]

use std::array::from_fn;

use nalgebra::{Matrix3, Vector3};

use crate::{MAX_FEET, rotation::skew};

pub(crate) const ATTITUDE: usize = 0;
pub(crate) const VELOCITY: usize = 3;
pub(crate) const POSITION: usize = 6;
pub(crate) const GYRO_BIAS: usize = 9;
pub(crate) const ACCEL_BIAS: usize = 12;
pub(crate) const FEET: usize = 15;
/// Length of the error state.
pub(crate) const SIZE: usize = FEET + 3 * MAX_FEET;

/// Three rows of the covariance or of something multiplied with it.
pub(crate) type Rows = [[f64; SIZE]; 3];

/// First row of a foot.
pub(crate) const fn foot_row(foot: usize) -> usize {
    FEET + 3 * foot
}

/// What one prediction does to the covariance.
pub(crate) struct Transition {
    pub dt: f64,
    pub gravity: f64,
    pub rotation: Matrix3<f64>,
    pub velocity: Vector3<f64>,
    /// Relative to the anchor.
    pub position: Vector3<f64>,
    /// Relative to the anchor; `None` for a foot that does not stand.
    pub feet: [Option<Vector3<f64>>; MAX_FEET],
    /// Variances added in this step.
    pub gyro: f64,
    pub accel: f64,
    pub gyro_bias: f64,
    pub accel_bias: f64,
    pub foot: Vector3<f64>,
}

/// False for NaN, too.
fn positive(x: f64) -> bool {
    x > 0.0
}

/// The covariance.
#[derive(Clone, Debug)]
pub(crate) struct Covariance {
    m: [[f64; SIZE]; SIZE],
    /// Rows in use; what lies behind is zero.
    used: usize,
}

impl Covariance {
    pub fn zero() -> Self {
        Self { m: [[0.0; SIZE]; SIZE], used: FEET }
    }

    pub fn set_block(&mut self, row: usize, column: usize, block: &Matrix3<f64>) {
        for a in 0..3 {
            for b in 0..3 {
                self.m[row + a][column + b] = block[(a, b)];
                self.m[column + b][row + a] = block[(a, b)];
            }
        }
    }

    pub fn block(&self, row: usize, column: usize) -> Matrix3<f64> {
        Matrix3::from_fn(|a, b| self.m[row + a][column + b])
    }

    pub fn rows(&self, row: usize) -> Rows {
        [self.m[row], self.m[row + 1], self.m[row + 2]]
    }

    pub fn add_variance(&mut self, row: usize, variance: &Vector3<f64>) {
        for k in 0..3 {
            self.m[row + k][row + k] += variance[k];
        }
    }

    /// P <- Phi P Phi^T + Q.
    pub fn propagate(&mut self, t: &Transition) {
        self.multiply(t, 0.0);
        self.transpose();
        self.multiply(t, t.gyro);
        self.symmetrise();
        self.add_variance(VELOCITY, &Vector3::repeat(t.accel));
        self.add_variance(GYRO_BIAS, &Vector3::repeat(t.gyro_bias));
        self.add_variance(ACCEL_BIAS, &Vector3::repeat(t.accel_bias));
        for (foot, position) in t.feet.iter().enumerate() {
            if position.is_some() {
                self.add_variance(foot_row(foot), &t.foot);
            }
        }
    }

    /// P <- Phi P, and P <- P + G gyro G^T in the same stroke: gyro noise enters where the gyro bias does.
    fn multiply(&mut self, t: &Transition, gyro: f64) {
        let n = self.used;
        let turn = t.rotation * (-t.dt);
        let bias = |from: &Rows| -> Rows {
            from_fn(|k| {
                from_fn(|x| turn[(k, 0)] * from[0][x] + turn[(k, 1)] * from[1][x] + turn[(k, 2)] * from[2][x])
            })
        };
        let mut turned = bias(&self.rows(GYRO_BIAS));
        let pushed = bias(&self.rows(ACCEL_BIAS));
        if gyro > 0.0 {
            let mut add = |row: usize, block: &Matrix3<f64>| {
                for k in 0..3 {
                    for j in 0..3 {
                        turned[k][row + j] += gyro * block[(j, k)];
                    }
                }
            };
            add(ATTITUDE, &Matrix3::identity());
            add(VELOCITY, &skew(&t.velocity));
            add(POSITION, &skew(&t.position));
            for (foot, position) in t.feet.iter().enumerate() {
                if let Some(position) = position {
                    add(foot_row(foot), &skew(position));
                }
            }
        }
        let attitude = self.rows(ATTITUDE);
        let velocity = self.rows(VELOCITY);
        let half = 0.5 * t.dt;
        let tilt = t.gravity * t.dt;

        self.add_cross(POSITION, &t.position, &turned);
        for k in 0..3 {
            for x in 0..n {
                self.m[POSITION + k][x] += t.dt * velocity[k][x] + half * pushed[k][x];
            }
        }
        for (foot, position) in t.feet.iter().enumerate() {
            if let Some(position) = position {
                self.add_cross(foot_row(foot), position, &turned);
            }
        }
        self.add_cross(VELOCITY, &t.velocity, &turned);
        for k in 0..3 {
            for x in 0..n {
                self.m[VELOCITY + k][x] += pushed[k][x];
                self.m[ATTITUDE + k][x] += turned[k][x];
            }
        }
        // gravity x attitude error
        for x in 0..n {
            self.m[VELOCITY][x] += tilt * attitude[1][x];
            self.m[VELOCITY + 1][x] -= tilt * attitude[0][x];
            self.m[POSITION][x] += half * tilt * attitude[1][x];
            self.m[POSITION + 1][x] -= half * tilt * attitude[0][x];
        }
    }

    /// rows[row..] += v x source
    fn add_cross(&mut self, row: usize, v: &Vector3<f64>, source: &Rows) {
        let n = self.used;
        for (k, a, b, ca, cb) in [(0, 1, 2, -v.z, v.y), (1, 2, 0, -v.x, v.z), (2, 0, 1, -v.y, v.x)] {
            for x in 0..n {
                self.m[row + k][x] += ca * source[a][x] + cb * source[b][x];
            }
        }
    }

    fn transpose(&mut self) {
        for a in 0..self.used {
            for b in 0..a {
                let (upper, lower) = (self.m[b][a], self.m[a][b]);
                self.m[a][b] = upper;
                self.m[b][a] = lower;
            }
        }
    }

    fn symmetrise(&mut self) {
        for a in 0..self.used {
            for b in 0..a {
                let mean = 0.5 * (self.m[a][b] + self.m[b][a]);
                self.m[a][b] = mean;
                self.m[b][a] = mean;
            }
        }
    }

    /// P <- P - W^T W; keeps symmetry bit for bit.
    pub fn downdate(&mut self, w: &Rows) {
        let n = self.used;
        for a in 0..n {
            let (c0, c1, c2) = (w[0][a], w[1][a], w[2][a]);
            for (x, value) in self.m[a][..n].iter_mut().enumerate() {
                *value -= c0 * w[0][x] + c1 * w[1][x] + c2 * w[2][x];
            }
        }
    }

    /// A foot touches down: its error is that of the base position plus `noise` (world axes).
    pub fn insert_foot(&mut self, foot: usize, noise: &Matrix3<f64>) {
        let row = foot_row(foot);
        self.used = self.used.max(row + 3);
        self.remove_foot(foot);
        for k in 0..3 {
            self.m[row + k] = self.m[POSITION + k];
        }
        for x in 0..self.used {
            for k in 0..3 {
                self.m[x][row + k] = self.m[x][POSITION + k];
            }
        }
        let block = self.block(POSITION, POSITION) + noise;
        self.set_block(row, row, &((block + block.transpose()) * 0.5));
    }

    /// A foot lifts off.
    pub fn remove_foot(&mut self, foot: usize) {
        let row = foot_row(foot);
        for k in 0..3 {
            self.m[row + k] = [0.0; SIZE];
            for x in 0..self.used {
                self.m[x][row + k] = 0.0;
            }
        }
    }

    /// The anchor moves by `by`: position and foot errors change as by - by x attitude error.
    pub fn shift_anchor(&mut self, by: &Vector3<f64>, standing: &[bool; MAX_FEET]) {
        for pass in 0..2 {
            let attitude = self.rows(ATTITUDE);
            self.add_cross(POSITION, &-by, &attitude);
            for (foot, _) in standing.iter().enumerate().filter(|(_, stands)| **stands) {
                self.add_cross(foot_row(foot), &-by, &attitude);
            }
            if pass == 0 {
                self.transpose();
            }
        }
        self.symmetrise();
    }

    /// Every variance in use is finite and not negative. Cheap, for every step.
    pub fn diagonal_sound(&self) -> bool {
        (0..self.used).all(|i| {
            let v = self.m[i][i];
            v.is_finite() && (v > 0.0 || (v == 0.0 && i >= FEET))
        })
    }

    /// Symmetric bit for bit and positive definite: Cholesky of the correlation matrix of the rows in use.
    pub fn sound(&self) -> bool {
        let mut index = [0usize; SIZE];
        let mut n = 0;
        for i in 0..self.used {
            if self.m[i][i] != 0.0 {
                index[n] = i;
                n += 1;
            }
        }
        let mut l = [[0.0; SIZE]; SIZE];
        for a in 0..n {
            let i = index[a];
            if !positive(self.m[i][i]) {
                return false;
            }
            for b in 0..=a {
                let j = index[b];
                if self.m[i][j].to_bits() != self.m[j][i].to_bits() && self.m[i][j] != self.m[j][i] {
                    return false;
                }
                let mut sum = self.m[i][j] / (self.m[i][i] * self.m[j][j]).sqrt();
                for k in 0..b {
                    sum -= l[a][k] * l[b][k];
                }
                if a == b {
                    if !positive(sum) {
                        return false;
                    }
                    l[a][a] = sum.sqrt();
                } else {
                    l[a][b] = sum / l[b][b];
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::exp;

    /// A full, sound covariance with two feet.
    fn sample() -> Covariance {
        let mut p = Covariance::zero();
        for i in 0..5 {
            p.set_block(3 * i, 3 * i, &(Matrix3::identity() * 0.01 * (1.0 + i as f64)));
        }
        p.set_block(ATTITUDE, ACCEL_BIAS, &(Matrix3::identity() * 0.005));
        p.insert_foot(0, &(Matrix3::identity() * 1e-4));
        p.insert_foot(3, &(Matrix3::identity() * 2e-4));
        p
    }

    fn transition() -> Transition {
        let mut feet = [None; MAX_FEET];
        feet[0] = Some(Vector3::new(0.2, 0.1, -0.3));
        feet[3] = Some(Vector3::new(-0.2, -0.1, -0.31));
        Transition {
            dt: 0.002,
            gravity: 9.81,
            rotation: exp(&Vector3::new(0.3, -0.2, 1.0)),
            velocity: Vector3::new(0.5, -0.1, 0.05),
            position: Vector3::new(1.0, 2.0, 0.3),
            feet,
            gyro: 1e-8,
            accel: 1e-7,
            gyro_bias: 1e-12,
            accel_bias: 1e-10,
            foot: Vector3::repeat(1e-7),
        }
    }

    /// The same prediction with whole matrices.
    fn dense(p: &Covariance, t: &Transition) -> Vec<Vec<f64>> {
        let mut phi = vec![vec![0.0; SIZE]; SIZE];
        let mut g = vec![[0.0; 3]; SIZE];
        for (i, row) in phi.iter_mut().enumerate() {
            row[i] = 1.0;
        }
        let mut put = |row: usize, column: usize, block: Matrix3<f64>| {
            for a in 0..3 {
                for b in 0..3 {
                    phi[row + a][column + b] += block[(a, b)];
                }
            }
        };
        let gravity = skew(&Vector3::new(0.0, 0.0, -t.gravity));
        put(VELOCITY, ATTITUDE, gravity * t.dt);
        put(POSITION, ATTITUDE, gravity * (0.5 * t.dt * t.dt));
        put(POSITION, VELOCITY, Matrix3::identity() * t.dt);
        put(VELOCITY, ACCEL_BIAS, t.rotation * -t.dt);
        put(POSITION, ACCEL_BIAS, t.rotation * (-0.5 * t.dt * t.dt));
        let mut gains = vec![
            (ATTITUDE, Matrix3::identity()),
            (VELOCITY, skew(&t.velocity)),
            (POSITION, skew(&t.position)),
        ];
        for (i, d) in t.feet.iter().enumerate() {
            if let Some(d) = d {
                gains.push((foot_row(i), skew(d)));
            }
        }
        for (row, block) in gains {
            put(row, GYRO_BIAS, block * t.rotation * -t.dt);
            for a in 0..3 {
                for b in 0..3 {
                    g[row + a][b] = block[(a, b)];
                }
            }
        }
        let mut out = vec![vec![0.0; SIZE]; SIZE];
        for i in 0..SIZE {
            for j in 0..SIZE {
                for k in 0..SIZE {
                    for l in 0..SIZE {
                        out[i][j] += phi[i][k] * p.m[k][l] * phi[j][l];
                    }
                }
                out[i][j] += t.gyro * (0..3).map(|k| g[i][k] * g[j][k]).sum::<f64>();
            }
        }
        for k in 0..3 {
            out[VELOCITY + k][VELOCITY + k] += t.accel;
            out[GYRO_BIAS + k][GYRO_BIAS + k] += t.gyro_bias;
            out[ACCEL_BIAS + k][ACCEL_BIAS + k] += t.accel_bias;
            for i in [0, 3] {
                out[foot_row(i) + k][foot_row(i) + k] += t.foot[k];
            }
        }
        out
    }

    #[test]
    fn prediction_by_blocks_equals_the_dense_product() {
        let mut p = sample();
        let t = transition();
        let expected = dense(&p, &t);
        p.propagate(&t);
        for (i, row) in expected.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((p.m[i][j] - value).abs() < 1e-15, "{i} {j}: {} {value}", p.m[i][j]);
            }
        }
        assert!(p.sound());
    }

    #[test]
    fn anchor_shift_there_and_back_changes_nothing() {
        let mut p = sample();
        let before = p.clone();
        let standing = from_fn(|i| i == 0 || i == 3);
        let by = Vector3::new(3.0, -4.0, 0.5);
        p.shift_anchor(&by, &standing);
        assert!(p.sound());
        p.shift_anchor(&-by, &standing);
        for i in 0..SIZE {
            for j in 0..SIZE {
                assert!((p.m[i][j] - before.m[i][j]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_lifted_foot_leaves_nothing_behind() {
        let mut p = sample();
        p.remove_foot(0);
        p.remove_foot(3);
        assert!(p.sound());
        for i in FEET..SIZE {
            assert!((0..SIZE).all(|j| p.m[i][j] == 0.0 && p.m[j][i] == 0.0));
        }
    }

    #[test]
    fn planted_faults_are_seen() {
        let mut asymmetric = sample();
        asymmetric.m[2][7] += 1e-9;
        assert!(!asymmetric.sound());
        let mut indefinite = sample();
        indefinite.set_block(ATTITUDE, ACCEL_BIAS, &(Matrix3::identity() * 0.03));
        assert!(!indefinite.sound() && indefinite.diagonal_sound());
        let mut negative = sample();
        negative.m[4][4] = -1e-9;
        assert!(!negative.sound() && !negative.diagonal_sound());
        let mut poisoned = sample();
        poisoned.m[5][5] = f64::NAN;
        assert!(!poisoned.diagonal_sound() && !poisoned.sound());
    }
}
