//! What one bus cycle says, and the check that keeps implausible numbers out of the filter.

use nalgebra::{Matrix3, Vector3};

use crate::{Config, MAX_FEET};

/// One IMU sample at the origin of the base, in the base frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Imu {
    /// Angular rate, rad/s.
    pub gyro_rad_s: [f64; 3],
    /// Specific force (at rest it points up and measures gravity), m/s^2.
    pub accel_m_s2: [f64; 3],
}

/// One foot, by the joints of its leg, in the base frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foot {
    /// Centre of the foot sphere, m.
    pub position_m: [f64; 3],
    /// Derivative of the position by the joints of the leg, rows x y z, m/rad.
    pub jacobian: [[f64; 3]; 3],
    /// Jacobian times joint velocities, m/s.
    pub velocity_m_s: [f64; 3],
    /// Normal force on the foot, N; `None` where there is no sensor or no sample in this cycle.
    pub force_n: Option<f64>,
}

/// All samples of one cycle.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Time since the last step, s.
    pub dt_s: f64,
    /// `None`: missing in this cycle.
    pub imu: Option<Imu>,
    /// Feet in a fixed order, at most [`MAX_FEET`]; empty when the joints are not valid.
    pub feet: &'a [Foot],
}

/// An IMU sample that passed the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleanImu {
    pub gyro: Vector3<f64>,
    pub accel: Vector3<f64>,
}

/// A foot that passed the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleanFoot {
    pub position: Vector3<f64>,
    pub jacobian: Matrix3<f64>,
    pub velocity: Vector3<f64>,
    pub force: Option<f64>,
}

/// One cycle after the check. What was refused is `None` and counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clean {
    /// `None`: the step itself is unusable; coast by the last one.
    pub dt: Option<f64>,
    pub imu: Option<CleanImu>,
    pub feet: [Option<CleanFoot>; MAX_FEET],
    /// Feet given, whether usable or not.
    pub count: usize,
    /// Things refused in this cycle.
    pub refused: u32,
}

// A leg is shorter and slower than these; what is beyond is a broken sample, not a big robot.
const FOOT_RANGE_M: f64 = 5.0;
const FOOT_SPEED_M_S: f64 = 200.0;
const FORCE_RANGE_N: f64 = 1e5;

fn within(values: &[f64; 3], range: f64) -> bool {
    // false for NaN, too
    values.iter().all(|x| x.abs() <= range)
}

impl CleanFoot {
    fn of(foot: &Foot) -> Option<Self> {
        let plausible = within(&foot.position_m, FOOT_RANGE_M)
            && foot.jacobian.iter().all(|row| within(row, FOOT_RANGE_M))
            && within(&foot.velocity_m_s, FOOT_SPEED_M_S)
            && foot.force_n.is_none_or(|f| f.abs() <= FORCE_RANGE_N);
        let [a, b, c] = foot.jacobian;
        plausible.then(|| Self {
            position: foot.position_m.into(),
            jacobian: Matrix3::new(a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]),
            velocity: foot.velocity_m_s.into(),
            force: foot.force_n,
        })
    }
}

impl Clean {
    pub fn of(input: &Input<'_>, config: &Config) -> Self {
        let mut clean = Self { dt: None, imu: None, feet: [None; MAX_FEET], count: 0, refused: 0 };
        if !(input.dt_s > 0.0 && input.dt_s <= config.max_dt_s) {
            // without a time step no sample of this cycle can be placed
            clean.refused = 1;
            return clean;
        }
        clean.dt = Some(input.dt_s);
        if let Some(imu) = &input.imu {
            // ranges are nominal: a sensor at the end of its own may say a little more
            if within(&imu.gyro_rad_s, 1.05 * config.gyro_range_rad_s)
                && within(&imu.accel_m_s2, 1.05 * config.accel_range_m_s2)
            {
                clean.imu = Some(CleanImu { gyro: imu.gyro_rad_s.into(), accel: imu.accel_m_s2.into() });
            } else {
                clean.refused += 1;
            }
        }
        if input.feet.len() > MAX_FEET {
            clean.refused += 1;
            return clean;
        }
        clean.count = input.feet.len();
        for (slot, foot) in clean.feet.iter_mut().zip(input.feet) {
            *slot = CleanFoot::of(foot);
            clean.refused += u32::from(slot.is_none());
        }
        clean
    }
}
