//! The range of every number in `robot.yaml`, in one table.
//!
//! The readers take their bounds from here, the file's comments repeat them, and a test holds the two
//! together. A hard maximum here is a safety bound: raising one is a decision, not a tweak.

/// The declared range of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Section of the file the key stands in (`joint.limits`, `timing`, ...).
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
    /// Smallest value accepted.
    pub min: f64,
    /// Largest value accepted.
    pub max: f64,
    /// Value taken when the key is absent; `None` makes the key required.
    pub default: Option<f64>,
    /// Whether only whole numbers are accepted.
    pub whole: bool,
}

const fn required(section: &'static str, key: &'static str, min: f64, max: f64) -> Range {
    Range { section, key, min, max, default: None, whole: false }
}

const fn defaulted(section: &'static str, key: &'static str, min: f64, max: f64, default: f64) -> Range {
    Range { section, key, min, max, default: Some(default), whole: false }
}

const fn whole(range: Range) -> Range {
    Range { whole: true, ..range }
}

/// Largest 11-bit CAN id to give away; 0x7FF is the drives' parameter channel.
const CAN_ID_MAX: f64 = 0x7FE as f64;

macro_rules! table {
    ($($name:ident = $range:expr;)*) => {
        $(#[allow(missing_docs)] pub const $name: Range = $range;)*
        /// Every range, in file order.
        pub const TABLE: &[Range] = &[$($name),*];
    };
}

table! {
    SCHEMA = whole(required("robot", "schema", 1.0, 1.0));
    PERIOD_MS = defaulted("robot", "period_ms", 1.0, 10.0, 2.0);

    BITRATE_BPS = whole(defaulted("buses", "bitrate_bps", 125_000.0, 1_000_000.0, 1_000_000.0));
    SYNC_ID = whole(required("buses", "sync_id", 1.0, CAN_ID_MAX));

    ID = whole(required("joints", "id", 1.0, 15.0));
    REPLY_ID = whole(required("joints", "reply_id", 1.0, CAN_ID_MAX));
    KD_SAFE = required("joints", "kd_safe", 0.1, 5.0);
    GEAR = defaulted("drive", "gear", 0.01, 200.0, 1.0);
    OFFSET_RAD = defaulted("drive", "offset_rad", -6.3, 6.3, 0.0);
    WATCHDOG_MS = required("drive", "watchdog_ms", 5.0, 1_000.0);
    P_MAX_RAD = required("scaling", "p_max_rad", 0.1, 200.0);
    V_MAX_RAD_S = required("scaling", "v_max_rad_s", 0.1, 300.0);
    T_MAX_NM = required("scaling", "t_max_nm", 0.1, 1_000.0);
    Q_MIN_RAD = required("limits", "q_min_rad", -200.0, 200.0);
    Q_MAX_RAD = required("limits", "q_max_rad", -200.0, 200.0);
    DQ_MAX_RAD_S = required("limits", "dq_max_rad_s", 0.1, 60.0);
    DDQ_MAX_RAD_S2 = required("limits", "ddq_max_rad_s2", 1.0, 10_000.0);
    TAU_MAX_NM = required("limits", "tau_max_nm", 0.01, 500.0);
    KP_MAX = required("limits", "kp_max", 0.0, 500.0);
    KD_MAX = required("limits", "kd_max", 0.0, 5.0);
    TEMPERATURE_WARN_C = required("limits", "temperature_warn_c", 30.0, 120.0);
    TEMPERATURE_MAX_C = required("limits", "temperature_max_c", 40.0, 130.0);

    GYRO_ID = whole(required("imus", "gyro_id", 1.0, CAN_ID_MAX));
    ACCEL_ID = whole(required("imus", "accel_id", 1.0, CAN_ID_MAX));
    IMU_POSITION_M = required("imus", "position_m", -5.0, 5.0);
    IMU_ORIENTATION = required("imus", "orientation_wxyz", -1.0, 1.0);
    FOOT_ID = whole(required("feet", "id", 1.0, CAN_ID_MAX));

    GYRO_STD_RAD_S = required("noise", "gyro_std_rad_s", 0.0, 1.0);
    ACCEL_STD_M_S2 = required("noise", "accel_std_m_s2", 0.0, 5.0);
    Q_STD_RAD = required("noise", "q_std_rad", 0.0, 0.1);
    DQ_STD_RAD_S = required("noise", "dq_std_rad_s", 0.0, 5.0);
    FORCE_STD_N = required("noise", "force_std_n", 0.0, 50.0);
    GYRO_BIAS_MAX_RAD_S = required("noise", "gyro_bias_max_rad_s", 0.0, 0.1);
    ACCEL_BIAS_MAX_M_S2 = required("noise", "accel_bias_max_m_s2", 0.0, 1.0);
    Q_BIAS_MAX_RAD = required("noise", "q_bias_max_rad", 0.0, 0.1);
    FORCE_BIAS_MAX_N = required("noise", "force_bias_max_n", 0.0, 50.0);

    HEIGHT_M = required("postures", "height_m", 0.0, 3.0);
    STAND_KP = required("stand", "kp", 1.0, 500.0);
    STAND_KD = required("stand", "kd", 0.0, 5.0);
    STAND_UP_S = defaulted("stand", "stand_up_s", 0.5, 10.0, 2.0);
    LIE_DOWN_S = defaulted("stand", "lie_down_s", 0.5, 10.0, 2.0);
    CATCH_S = defaulted("stand", "catch_s", 0.05, 1.0, 0.3);

    TILT_LIMIT_RAD = required("protection", "tilt_limit_rad", 0.2, 1.2);
    VOLTAGE_MIN_V = required("battery", "voltage_min_v", 1.0, 500.0);
    VOLTAGE_WARN_V = required("battery", "voltage_warn_v", 1.0, 500.0);
    VOLTAGE_MAX_V = required("battery", "voltage_max_v", 1.0, 500.0);
    CURRENT_MAX_A = required("battery", "current_max_a", 0.1, 500.0);

    VALID_FOR_MS = defaulted("timing", "valid_for_ms", 2.0, 20.0, 8.0);
    T1_MS = defaulted("timing", "t1_ms", 4.0, 20.0, 10.0);
    T2_MS = defaulted("timing", "t2_ms", 10.0, 100.0, 50.0);
    T3_MS = defaulted("timing", "t3_ms", 100.0, 2_000.0, 500.0);
    REST_DQ_RAD_S = defaulted("timing", "rest_dq_rad_s", 0.001, 0.5, 0.05);
    REST_GYRO_RAD_S = defaulted("timing", "rest_gyro_rad_s", 0.001, 0.5, 0.1);
    REPLY_CUTOFF = defaulted("timing", "reply_cutoff", 0.3, 0.9, 0.7);
    REPLY_MISSES_MAX = whole(defaulted("timing", "reply_misses_max", 1.0, 50.0, 5.0));

    LATENCY_TICKS_MIN = whole(defaulted("policy", "latency_ticks_min", 1.0, 15.0, 2.0));
    STOP_FIRST_S = defaulted("policy", "stop_first_s", 0.0, 5.0, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_sane_and_its_default_lies_inside() {
        for range in TABLE {
            assert!(range.min <= range.max, "{range:?}");
            assert!(range.default.is_none_or(|value| (range.min..=range.max).contains(&value)), "{range:?}");
        }
    }
}
