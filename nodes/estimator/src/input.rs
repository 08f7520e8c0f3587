//! What one bus cycle says, and the check that keeps implausible numbers out of the filter.

use nalgebra::{Matrix3, Vector3};

use crate::{Config, MAX_FEET};

/// One IMU sample, taken at [`Config::imu_position_m`], in the base frame.
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
    /// Centre of a ball foot, a point in the sole of a flat one, m.
    pub position_m: [f64; 3],
    /// Derivative of the position by the joints of the leg, times its transpose: how joint errors spread it, m^2/rad^2.
    pub spread: [[f64; 3]; 3],
    /// Velocity of that point against the base, by the joint velocities, m/s.
    pub velocity_m_s: [f64; 3],
    /// Angular rate of the foot against the base, by the joint velocities, rad/s: a ball foot rolls with it.
    pub turn_rad_s: [f64; 3],
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
    pub spread: Matrix3<f64>,
    pub velocity: Vector3<f64>,
    pub turn: Vector3<f64>,
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
const FOOT_TURN_RAD_S: f64 = 1000.0;
const FORCE_RANGE_N: f64 = 1e5;

fn within(values: &[f64; 3], range: f64) -> bool {
    // false for NaN, too
    values.iter().all(|x| x.abs() <= range)
}

/// Symmetric and not negative, as a matrix times its transpose is.
fn is_spread(s: &[[f64; 3]; 3]) -> bool {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = *s;
    let slack = 1e-9 * (1.0 + xx.abs() + yy.abs() + zz.abs());
    let minor = |a: f64, b: f64, off: f64| a * b - off * off >= -slack;
    let determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz);
    (xy - yx).abs().max((xz - zx).abs()).max((yz - zy).abs()) <= slack
        && xx.min(yy).min(zz) >= 0.0
        && minor(xx, yy, xy)
        && minor(xx, zz, xz)
        && minor(yy, zz, yz)
        && determinant >= -slack
}

impl CleanFoot {
    /// `lever` is where the sensor sits in the base frame: the filter's own point.
    fn of(foot: &Foot, lever: &Vector3<f64>) -> Option<Self> {
        let plausible = within(&foot.position_m, FOOT_RANGE_M)
            && foot.spread.iter().all(|row| within(row, FOOT_RANGE_M * FOOT_RANGE_M))
            && is_spread(&foot.spread)
            && within(&foot.velocity_m_s, FOOT_SPEED_M_S)
            && within(&foot.turn_rad_s, FOOT_TURN_RAD_S)
            && foot.force_n.is_none_or(|f| f.abs() <= FORCE_RANGE_N);
        let [a, b, c] = foot.spread;
        plausible.then(|| Self {
            position: Vector3::from(foot.position_m) - lever,
            spread: Matrix3::new(a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]),
            velocity: foot.velocity_m_s.into(),
            turn: foot.turn_rad_s.into(),
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
        let lever = config.imu_position_m.into();
        for (slot, foot) in clean.feet.iter_mut().zip(input.feet) {
            *slot = CleanFoot::of(foot, &lever);
            clean.refused += u32::from(slot.is_none());
        }
        clean
    }
}
