//! Limits that cannot be enforced are refused by name; the hash sees every field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test
mod support;

use sinew_guard::{JointLimits, Limits, LimitsError, ModeSet, Timing, TimingError};
use sinew_wire::JointMode;
use support::{joint, limits};

type JointChange = fn(&mut JointLimits);
type TimingChange = fn(&mut Timing);

/// One change per field of a joint; every one of them must move the hash.
const JOINT_CHANGES: &[JointChange] = &[
    |j| j.q_min_rad = -1.1,
    |j| j.q_max_rad = 2.5,
    |j| j.dq_max_rad_s = 21.0,
    |j| j.tau_max_nm = 41.0,
    |j| j.ddq_max_rad_s2 = 401.0,
    |j| j.kp_max = 121.0,
    |j| j.kd_max = 6.0,
    |j| j.kd_safe = 2.0,
    |j| j.temperature_warn_c = 71.0,
    |j| j.temperature_max_c = 91.0,
    |j| j.continuous = true,
    |j| j.modes = ModeSet::of(&[JointMode::Damping]),
];

const LIMITS_CHANGES: &[fn(&mut Limits)] = &[
    |l| l.timing.period_ns += 1,
    |l| l.timing.valid_for_ns += 1,
    |l| l.timing.t1_ns += 1,
    |l| l.timing.t2_ns += 1,
    |l| l.timing.rest_ns += 1,
    |l| l.timing.rest_dq_rad_s = 0.06,
    |l| l.timing.rest_gyro_rad_s = 0.11,
    |l| l.start_epsilon_rad = 0.11,
    |l| l.joints.push(joint()),
    |l| l.joints.swap(0, 1),
];

#[test]
fn a_plausible_robot_is_accepted() {
    limits(12).check().unwrap();
    limits(64).check().unwrap();
}

#[test]
fn every_field_moves_the_hash_and_an_unsealed_change_is_refused() {
    let mut base = limits(12);
    base.joints[1].tau_max_nm = 39.0;
    let base = base.seal();
    let mut hashes = vec![base.hash];
    for change in JOINT_CHANGES {
        let mut changed = base.clone();
        change(&mut changed.joints[3]);
        assert!(matches!(changed.check(), Err(LimitsError::Hash { .. })));
        hashes.push(changed.seal().hash);
    }
    for change in LIMITS_CHANGES {
        let mut changed = base.clone();
        change(&mut changed);
        hashes.push(changed.seal().hash);
    }
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn bad_fields_are_named() {
    let cases: &[(JointChange, &str)] = &[
        (|j| j.q_min_rad = f32::NAN, "q_m"),
        (|j| j.q_max_rad = -2.0, "q_max_rad"),
        (|j| j.q_max_rad = f32::INFINITY, "q_max_rad"),
        (|j| j.dq_max_rad_s = 0.0, "dq_max_rad_s"),
        (|j| j.tau_max_nm = -1.0, "tau_max_nm"),
        (|j| j.ddq_max_rad_s2 = f32::NAN, "ddq_max_rad_s2"),
        (|j| j.kp_max = -1.0, "kp_max"),
        (|j| j.kd_max = 1e9, "kd_max"),
        (|j| j.kd_safe = 5.1, "kd_safe"),
        (|j| j.kd_safe = 0.0, "kd_safe"),
        (|j| j.temperature_warn_c = f32::NAN, "temperature_warn_c"),
        (|j| j.temperature_max_c = 60.0, "temperature_max_c"),
    ];
    for (change, field) in cases {
        let mut bad = limits(12);
        change(&mut bad.joints[7]);
        let message = bad.seal().check().unwrap_err().to_string();
        assert!(message.contains("joint 7") && message.contains(field), "{message}");
    }
    let mut bad = limits(2);
    bad.joints[0].modes = ModeSet::EMPTY;
    assert_eq!(bad.seal().check(), Err(LimitsError::NoMode { joint: 0 }));
    let mut bad = limits(2);
    bad.joints[1].modes = ModeSet::of(&[JointMode::Impedance]);
    assert_eq!(bad.seal().check(), Err(LimitsError::NoDamping { joint: 1 }));
    assert_eq!(Limits::default().seal().check(), Err(LimitsError::NoJoints));
    let mut bad = limits(2);
    bad.start_epsilon_rad = 0.0;
    assert!(matches!(bad.seal().check(), Err(LimitsError::StartEpsilon { .. })));
}

#[test]
fn a_continuous_joint_needs_no_position_limits() {
    let mut wheel = limits(1);
    wheel.joints[0].continuous = true;
    wheel.joints[0].q_min_rad = f32::NAN;
    wheel.joints[0].q_max_rad = f32::NAN;
    wheel.seal().check().unwrap();
}

#[test]
fn rungs_out_of_order_or_beyond_their_maxima_are_refused() {
    let cases: &[(TimingChange, &str)] = &[
        (|t| t.period_ns = 0, "period_ns"),
        (|t| t.period_ns = 11_000_000, "period_ns"),
        (|t| t.valid_for_ns = 1_000_000, "valid_for_ns"),
        (|t| t.valid_for_ns = 21_000_000, "valid_for_ns"),
        (|t| t.t1_ns = 8_000_000, "t1_ns"),
        (|t| t.t1_ns = 26_000_000, "t1_ns"),
        (|t| t.t2_ns = 10_000_000, "t2_ns"),
        (|t| t.t2_ns = 101_000_000, "t2_ns"),
        (|t| t.rest_ns = 6_000_000_000, "rest_ns"),
        (|t| t.rest_dq_rad_s = f32::NAN, "rest_dq_rad_s"),
        (|t| t.rest_gyro_rad_s = 2.0, "rest_gyro_rad_s"),
    ];
    Timing::default().check().unwrap();
    for (change, field) in cases {
        let mut bad = Timing::default();
        change(&mut bad);
        match bad.check() {
            Err(TimingError::Range { field: found, .. } | TimingError::Rest { field: found, .. }) => {
                assert_eq!(found, *field);
            }
            Ok(()) => panic!("{field} was accepted: {bad:?}"),
        }
    }
}
