//! What a perfect IMU at its mounting would measure: the mean over one bus period of angular rate and of
//! specific force, as an integrating sensor reports them.
//!
//! Specific force is the change of the site's velocity over each physics step, minus gravity, turned into the
//! sensor's frame: R^T (dv/dt - g). Taken over every step of the period, the sum over time is the true change
//! of velocity, impacts included; a sample of the last step alone would lose what happened before it.

use crate::physics::{BaseTruth, GRAVITY_M_S2};
use crate::rotation::{body_from_world, cross, world_from_body};

/// True output of one IMU, in its own frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ImuTruth {
    /// Mean angular rate over the last period, rad/s.
    pub gyro_rad_s: [f64; 3],
    /// Mean specific force over the last period, m/s^2; at rest it points up with 9.81.
    pub accel_m_s2: [f64; 3],
}

/// Differentiates the motion of one mounting.
#[derive(Debug, Clone)]
pub(crate) struct ImuDifferentiator {
    /// The site in the base frame, m.
    position_m: [f64; 3],
    /// Sensor frame in the base frame.
    base_from_imu: [f64; 4],
    /// Velocity of the site at the end of the last step, world frame, m/s.
    velocity_m_s: [f64; 3],
    /// Sums of rate and specific force times step length, base frame.
    turned_rad: [f64; 3],
    gained_m_s: [f64; 3],
    elapsed_s: f64,
}

impl ImuDifferentiator {
    pub(crate) fn new(position_m: [f64; 3], base_from_imu: [f64; 4], base: &BaseTruth) -> Self {
        let mut new = Self {
            position_m,
            base_from_imu,
            velocity_m_s: [0.0; 3],
            turned_rad: [0.0; 3],
            gained_m_s: [0.0; 3],
            elapsed_s: 0.0,
        };
        new.velocity_m_s = new.site_velocity(base);
        new
    }

    /// Forget what was: the robot has been put somewhere else.
    pub(crate) fn restart(&mut self, base: &BaseTruth) {
        *self = Self::new(self.position_m, self.base_from_imu, base);
    }

    fn site_velocity(&self, base: &BaseTruth) -> [f64; 3] {
        let swing = world_from_body(base.orientation, cross(base.angular_velocity_rad_s, self.position_m));
        add(base.linear_velocity_m_s, swing)
    }

    /// Take one physics step of length `dt_s` that ended in `base`.
    pub(crate) fn step(&mut self, base: &BaseTruth, dt_s: f64) {
        let velocity = self.site_velocity(base);
        let gained = [
            velocity[0] - self.velocity_m_s[0],
            velocity[1] - self.velocity_m_s[1],
            velocity[2] - self.velocity_m_s[2] + GRAVITY_M_S2 * dt_s,
        ];
        self.velocity_m_s = velocity;
        self.gained_m_s = add(self.gained_m_s, body_from_world(base.orientation, gained));
        self.turned_rad = add(self.turned_rad, base.angular_velocity_rad_s.map(|w| w * dt_s));
        self.elapsed_s += dt_s;
    }

    /// Mean since the last call; at rest under gravity when no step was taken.
    pub(crate) fn read(&mut self, base: &BaseTruth) -> ImuTruth {
        let (rate, force) = if self.elapsed_s > 0.0 {
            (self.turned_rad.map(|a| a / self.elapsed_s), self.gained_m_s.map(|v| v / self.elapsed_s))
        } else {
            (base.angular_velocity_rad_s, body_from_world(base.orientation, [0.0, 0.0, GRAVITY_M_S2]))
        };
        self.turned_rad = [0.0; 3];
        self.gained_m_s = [0.0; 3];
        self.elapsed_s = 0.0;
        ImuTruth {
            gyro_rad_s: body_from_world(self.base_from_imu, rate),
            accel_m_s2: body_from_world(self.base_from_imu, force),
        }
    }
}

fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPRIGHT: [f64; 4] = [1.0, 0.0, 0.0, 0.0];

    fn moving(linear: [f64; 3], angular: [f64; 3]) -> BaseTruth {
        BaseTruth {
            position_m: [0.0; 3],
            orientation: UPRIGHT,
            linear_velocity_m_s: linear,
            angular_velocity_rad_s: angular,
        }
    }

    fn near(a: [f64; 3], b: [f64; 3]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} is not {b:?}");
    }

    #[test]
    fn at_rest_it_feels_the_ground_push_up() {
        let rest = moving([0.0; 3], [0.0; 3]);
        let mut imu = ImuDifferentiator::new([0.1, 0.0, 0.0], UPRIGHT, &rest);
        near(imu.read(&rest).accel_m_s2, [0.0, 0.0, 9.81]);
        imu.step(&rest, 0.001);
        near(imu.read(&rest).accel_m_s2, [0.0, 0.0, 9.81]);
    }

    #[test]
    fn in_free_fall_it_feels_nothing() {
        let mut imu = ImuDifferentiator::new([0.0; 3], UPRIGHT, &moving([0.0; 3], [0.0; 3]));
        let falling = moving([0.0, 0.0, -9.81 * 0.002], [0.0; 3]);
        imu.step(&falling, 0.002);
        near(imu.read(&falling).accel_m_s2, [0.0; 3]);
    }

    #[test]
    fn a_jolt_in_the_first_half_of_the_period_is_not_lost() {
        let mut imu = ImuDifferentiator::new([0.0; 3], UPRIGHT, &moving([0.0; 3], [0.0; 3]));
        let kicked = moving([0.4, 0.0, 0.0], [0.0; 3]);
        imu.step(&kicked, 0.001);
        imu.step(&kicked, 0.001);
        near(imu.read(&kicked).accel_m_s2, [200.0, 0.0, 9.81]);
    }

    #[test]
    fn off_the_axis_it_feels_the_turn_begin() {
        let still = moving([0.0; 3], [0.0; 3]);
        let mut imu = ImuDifferentiator::new([0.2, 0.0, 0.0], UPRIGHT, &still);
        let turning = moving([0.0; 3], [0.0, 0.0, 0.5]);
        imu.step(&turning, 0.001);
        let read = imu.read(&turning);
        near(read.accel_m_s2, [0.0, 100.0, 9.81]);
        near(read.gyro_rad_s, [0.0, 0.0, 0.5]);
    }

    #[test]
    fn a_turned_mounting_reports_in_its_own_frame() {
        let h = std::f64::consts::FRAC_1_SQRT_2;
        let rest = moving([0.0; 3], [0.0, 0.0, 0.0]);
        // Sensor rolled by +90 deg about x: the base's z is the sensor's y.
        let mut imu = ImuDifferentiator::new([0.0; 3], [h, h, 0.0, 0.0], &rest);
        near(imu.read(&rest).accel_m_s2, [0.0, 9.81, 0.0]);
    }
}
