//! What the estimator says about itself when inputs fail.

use sinew_estimator::{
    Config, ConfigError, Estimate, Estimator, Foot, Imu, Input, KinematicsStd, MAX_FEET, Reason, Status,
};

use crate::{
    still::{Legs, Rest},
    walk::point_feet,
    world::{DT, Faults, Sample, V3, World, score, step},
};

fn estimator() -> Estimator {
    Estimator::new(Config::default()).unwrap()
}

/// An estimator that has started, and the robot it watches.
fn started(legs: Legs) -> (Estimator, Rest) {
    let mut e = estimator();
    let mut rest = Rest::new(0.1, -0.05, 0.0, legs, 77);
    rest.gyro_bias = V3::new(0.005, -0.005, 0.005);
    let estimate = rest.run(&mut e, 2.0);
    assert_eq!(estimate.health.status, Status::Healthy);
    (e, rest)
}

/// An estimator that walks, 5 s into a walk.
fn walking(faults: Faults) -> (Estimator, World) {
    let mut e = estimator();
    let mut world = World::new(faults, 9);
    for _ in 0..2500 {
        step(&mut e, &world.next_sample());
    }
    (e, world)
}

fn without_imu(e: &mut Estimator, sample: &Sample) -> Estimate {
    e.step(&Input { dt_s: DT, imu: None, feet: &sample.feet })
}

fn velocity_error(estimate: &Estimate, sample: &Sample) -> f64 {
    (V3::from(estimate.velocity_body_m_s) - sample.rotation.transpose() * sample.velocity).norm()
}

#[test]
fn missing_imu_degrades_then_invalidates_and_heals_at_the_next_standstill() {
    let (mut e, mut rest) = started(Legs::Standing);
    let before = rest.run(&mut e, DT);
    for missing in 1..=40u32 {
        let estimate = without_imu(&mut e, &rest.next_sample());
        let expected = match missing {
            ..=5 => Status::Healthy,
            6..=25 => Status::Degraded,
            _ => Status::Invalid,
        };
        assert_eq!(estimate.health.status, expected, "{missing} missing");
        assert_eq!(estimate.health.imu_missing, missing);
        assert_eq!(estimate.resets, u32::from(missing > 25), "the loss is counted in the very step");
        if missing > 5 {
            assert_eq!(estimate.health.reason, Reason::ImuMissing);
        }
    }
    let back = rest.run(&mut e, 0.2);
    assert_eq!(
        (back.health.status, back.health.imu_missing),
        (Status::Invalid, 0),
        "not before a standstill"
    );
    let healed = rest.run(&mut e, 1.0);
    assert_eq!((healed.health.status, healed.health.reason), (Status::Healthy, Reason::None));
    assert_eq!(healed.resets, 2, "the restart may move the pose and is counted, too");
    let moved = V3::from(healed.position_m) - V3::from(before.position_m);
    assert!(moved.norm() < 0.01, "place is kept: {moved}");
    let same: f64 = healed.orientation.iter().zip(before.orientation).map(|(a, b)| a * b).sum();
    assert!(same > 1.0 - 1e-4, "yaw is kept");
}

#[test]
fn five_missing_samples_in_a_walk_are_coasted_over() {
    let (mut e, mut world) = walking(Faults::target());
    for k in 0..5000 {
        let sample = world.next_sample();
        let estimate = if k % 100 < 5 { without_imu(&mut e, &sample) } else { step(&mut e, &sample) };
        assert_eq!(estimate.health.status, Status::Healthy, "{:?}", estimate.health);
        assert!(velocity_error(&estimate, &sample) < 0.15);
    }
}

#[test]
fn an_imu_dead_from_the_start_is_invalid() {
    let mut e = estimator();
    let mut rest = Rest::new(0.0, 0.0, 0.0, Legs::Standing, 1);
    let mut last = Estimate::default();
    for _ in 0..100 {
        last = without_imu(&mut e, &rest.next_sample());
    }
    assert_eq!((last.health.status, last.health.reason), (Status::Invalid, Reason::ImuMissing));
}

#[test]
fn bad_imu_numbers_are_refused_and_counted_like_missing_ones() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -600.0] {
        for axis in 0..6 {
            let (mut e, mut rest) = started(Legs::Standing);
            let mut twin = e.clone();
            let sample = rest.next_sample();
            let mut imu = sample.imu;
            if axis < 3 {
                imu.gyro_rad_s[axis] = bad
            } else {
                imu.accel_m_s2[axis - 3] = bad
            }
            let refused = e.step(&Input { dt_s: DT, imu: Some(imu), feet: &sample.feet });
            let missing = without_imu(&mut twin, &sample);
            assert_eq!(refused, missing);
            assert_eq!(refused.health.imu_missing, 1);
            assert_eq!(e.diagnostics().refused, 1);
        }
    }
}

#[test]
fn a_bad_foot_is_refused_and_the_others_carry_on() {
    let spoil: [fn(&mut Foot); 8] = [
        |f| f.position_m[1] = f64::NAN,
        |f| f.spread[2][0] = f64::INFINITY,
        |f| f.spread[1][1] = -0.1,
        |f| f.spread[0][1] += 0.5,
        |f| f.turn_rad_s[1] = f64::NAN,
        |f| f.velocity_m_s[0] = 1e9,
        |f| f.force_n = Some(f64::NAN),
        |f| f.position_m[0] = 40.0,
    ];
    for spoil in spoil {
        let (mut e, mut world) = walking(Faults::target());
        for k in 0..2000 {
            let mut sample = world.next_sample();
            let foot = &mut sample.feet[k % 4];
            if k % 3 == 0 {
                spoil(foot);
            }
            let estimate = step(&mut e, &sample);
            assert_eq!(estimate.health.status, Status::Healthy, "{:?}", estimate.health);
            assert!(velocity_error(&estimate, &sample) < 0.15);
        }
        assert_eq!(e.diagnostics().refused, 667);
    }
}

#[test]
fn impossible_steps_and_too_many_feet_are_refused() {
    for dt in [0.0, -0.002, f64::NAN, f64::INFINITY, 1.0] {
        let (mut e, mut rest) = started(Legs::Standing);
        let sample = rest.next_sample();
        let estimate = e.step(&Input { dt_s: dt, imu: Some(sample.imu), feet: &sample.feet });
        assert_eq!((estimate.health.imu_missing, e.diagnostics().refused), (1, 1), "dt {dt}");
    }
    let (mut e, mut rest) = started(Legs::Standing);
    let sample = rest.next_sample();
    let estimate = e.step(&Input { dt_s: DT, imu: Some(sample.imu), feet: &[sample.feet[0]; MAX_FEET + 1] });
    assert_eq!(e.diagnostics().refused, 1);
    assert_eq!(estimate.health.status, Status::Healthy);
}

#[test]
fn invalid_joints_degrade_and_heal() {
    let (mut e, mut rest) = started(Legs::Standing);
    let mut last = Estimate::default();
    for _ in 0..6 {
        last = e.step(&Input { dt_s: DT, imu: Some(rest.next_sample().imu), feet: &[] });
    }
    assert_eq!((last.health.status, last.health.reason), (Status::Degraded, Reason::KinematicsMissing));
    assert!(last.contact_probability.iter().all(|p| *p == 0.0));
    let healed = rest.run(&mut e, 0.1);
    assert_eq!(healed.health.status, Status::Healthy);
}

#[test]
fn without_contact_velocity_is_soon_unknown_and_known_again_after_landing() {
    let (mut e, mut world) = walking(Faults::target());
    let mut statuses = Vec::new();
    for k in 0..1250 {
        let mut sample = world.next_sample();
        for foot in &mut sample.feet {
            foot.force_n = Some(0.0);
        }
        let estimate = step(&mut e, &sample);
        statuses.push(estimate.health.status);
        if k > 600 {
            assert_eq!(estimate.health.reason, Reason::NoContact);
        }
    }
    let first = |s| statuses.iter().position(|x| *x == s).unwrap() as f64 * DT;
    assert!((first(Status::Degraded) - 0.5).abs() < 0.01);
    assert!((first(Status::Invalid) - 2.0).abs() < 0.01);
    let mut last = (f64::NAN, Status::Invalid);
    for _ in 0..1000 {
        let sample = world.next_sample();
        let estimate = step(&mut e, &sample);
        last = (velocity_error(&estimate, &sample), estimate.health.status);
    }
    assert_eq!(last.1, Status::Healthy);
    assert!(last.0 < 0.1, "{last:?}");
}

#[test]
fn a_foot_that_jumps_is_gated_once_and_counted() {
    let (mut e, mut rest) = started(Legs::Standing);
    let before = rest.run(&mut e, DT);
    let mut last = before;
    for _ in 0..200 {
        let mut sample = rest.next_sample();
        sample.feet[2].position_m[0] += 0.05;
        last = step(&mut e, &sample);
    }
    assert_eq!(last.health.gated, 1, "refused, then stood anew");
    assert!((V3::from(last.position_m) - V3::from(before.position_m)).norm() < 0.005);
    assert_eq!(before.health.gated, 0);
}

#[test]
fn a_push_beyond_the_range_of_the_imu_is_found_by_the_feet() {
    // 1 m/s within one sample is 500 m/s^2; the sensor shows the end of its range
    let (mut e, mut rest) = started(Legs::Standing);
    let mut last = Estimate::default();
    for k in 0..50 {
        let mut sample = rest.next_sample();
        if k == 0 {
            sample.imu.accel_m_s2[0] = 163.835;
        }
        for foot in &mut sample.feet {
            foot.position_m[0] -= DT * f64::from(k + 1);
        }
        last = step(&mut e, &sample);
    }
    println!("push: {last:?}");
    assert!((last.velocity_body_m_s[0] - 1.0).abs() < 0.1, "{:?}", last.velocity_body_m_s);
}

#[test]
fn innovations_are_as_large_as_the_noise_says() {
    let config = |joint_rad| Config {
        kinematics_std: KinematicsStd { joint_rad, foot_m: 1e-4 },
        gyro_std_rad_s: 0.003,
        ..point_feet()
    };
    let nis = |config| {
        let mut e = Estimator::new(config).unwrap();
        score(&mut e, World::new(Faults::a(), 5), 20.0).nis
    };
    let consistent = nis(config(0.002));
    assert!((0.7..1.4).contains(&consistent), "{consistent}");
    let overconfident = nis(config(0.0005));
    assert!(overconfident > 3.0, "noise four times as declared must show: {overconfident}");
}

#[test]
fn noise_far_beyond_the_declared_degrades() {
    let (mut e, mut world) = walking(Faults { joint: 0.03, ..Faults::target() });
    let mut last = Estimate::default();
    for _ in 0..1000 {
        last = step(&mut e, &world.next_sample());
    }
    assert_eq!((last.health.status, last.health.reason), (Status::Degraded, Reason::Innovations));
}

#[test]
fn large_tilt_is_no_reason_to_be_invalid() {
    for roll in [1.0, 1.57, 3.1] {
        let mut rest = Rest::new(roll, 0.1, 0.0, Legs::Folded, 8);
        let estimate = rest.run(&mut estimator(), 3.0);
        assert_eq!(estimate.health.status, Status::Healthy);
        assert!(rest.tilt_error(&estimate) < 3e-3);
    }
}

#[test]
fn reset_shows_in_the_next_step_and_counts() {
    let (mut e, mut world) = walking(Faults::target());
    e.reset();
    let estimate = step(&mut e, &world.next_sample());
    assert_eq!((estimate.health.status, estimate.resets), (Status::Initialising, 1));
    assert_eq!(estimate.velocity_body_m_s, [0.0; 3]);
    assert_eq!(estimate.position_m[..2], [0.0; 2]);
}

#[test]
fn an_absurd_speed_starts_the_filter_anew() {
    let (mut e, mut rest) = started(Legs::Folded);
    let mut lost = None;
    for _ in 0..2000 {
        let mut sample = rest.next_sample();
        sample.imu = Imu { accel_m_s2: [60.0, 0.0, 0.0], ..sample.imu };
        let estimate = step(&mut e, &sample);
        if estimate.resets > 0 {
            lost = Some(estimate);
            break;
        }
    }
    let lost = lost.expect("60 m/s^2 for seconds is no robot");
    assert_eq!((lost.health.status, lost.health.reason), (Status::Invalid, Reason::SpeedLimit));
    assert_eq!(lost.velocity_body_m_s, [0.0; 3]);
    let healed = rest.run(&mut e, 3.0);
    assert_eq!(healed.health.status, Status::Healthy);
    assert!(rest.tilt_error(&healed) < 5e-3);
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Estimator::new(config).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let text = refused(|c| c.gyro_std_rad_s = f64::NAN);
    assert!(
        text.contains("gyro_std_rad_s") && text.contains("NaN") && text.contains("0.00001 to 1"),
        "{text}"
    );
    assert!(refused(|c| c.gravity_m_s2 = -9.81).contains("gravity_m_s2"));
    assert!(refused(|c| c.contact_off_n = 40.0).contains("contact_on_n"));
    assert!(refused(|c| c.imu_missing_degraded = 30).contains("imu_missing_invalid"));
    assert!(matches!(
        Config { gate: 0.0, ..Config::default() }.validate(),
        Err(ConfigError::OutOfRange { field: "gate", .. })
    ));
    assert_eq!(Config::default().validate(), Ok(()));
}
