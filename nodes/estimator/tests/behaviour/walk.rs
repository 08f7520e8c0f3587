//! Accuracy while trotting: body velocity, drift, tilt, contacts. Bounds are about twice what is measured.

use sinew_estimator::{Config, Estimator, ImuSampling};

use crate::world::{Faults, Score, V3, World, score, step};

/// Point feet and an IMU sampled at instants, as worlds A and B have them.
pub fn point_feet() -> Config {
    Config { foot_radius_m: 0.0, imu_sampling: ImuSampling::Instant, ..Config::default() }
}

fn run(config: &Config, faults: &Faults, seed: u64) -> Score {
    let mut estimator = Estimator::new(config.clone()).unwrap();
    let out = score(&mut estimator, World::new(faults.clone(), seed), 60.0);
    println!("seed {seed}: {out:?}");
    assert!(estimator.covariance_is_sound());
    assert_eq!(out.not_healthy, 0, "a plain walk is healthy throughout");
    out
}

#[test]
fn clean_world() {
    for seed in 1..=3 {
        let s = run(&point_feet(), &Faults::a(), seed);
        assert!(s.velocity_rmse < 0.008, "{s:?}");
        assert!(s.drift_share < 0.01 && s.height_error < 0.05, "{s:?}");
        assert!(s.tilt_rmse < 4e-3 && s.contact_wrong_share < 1e-3, "{s:?}");
    }
}

#[test]
fn slipping_world_with_wrong_contacts_and_calf_error() {
    for seed in 1..=3 {
        let s = run(&point_feet(), &Faults::b(), seed);
        assert!(s.velocity_rmse < 0.03, "{s:?}");
        assert!(s.drift_share < 0.025 && s.height_error < 0.25, "{s:?}");
        assert!(s.tilt_rmse < 4e-3 && s.contact_wrong_share < 0.01, "{s:?}");
        // twice the slip of 0.01 m/sqrt(s) there is
        assert!((0.016..0.025).contains(&s.contact_walk), "the slip meter reads {s:?}");
    }
}

#[test]
fn target_robot_with_foot_spheres_and_hard_touchdowns() {
    for seed in 1..=3 {
        let s = run(&Config::default(), &Faults::target(), seed);
        assert!(s.velocity_rmse < 0.008, "{s:?}");
        assert!(s.drift_share < 0.01 && s.height_error < 0.06, "{s:?}");
        assert!(s.tilt_rmse < 0.015, "the accelerometer bias is worth 0.012 rad: {s:?}");
    }
}

#[test]
fn doubled_noise_is_borne() {
    let base = Faults::target();
    let faults = Faults {
        gyro: 2.0 * base.gyro,
        accel: 2.0 * base.accel,
        joint: 2.0 * base.joint,
        joint_rate: 2.0 * base.joint_rate,
        force_n: 2.0 * base.force_n,
        gyro_bias: 2.0 * base.gyro_bias,
        accel_bias: 2.0 * base.accel_bias,
        ..base
    };
    let s = run(&Config::default(), &faults, 4);
    assert!(s.velocity_rmse < 0.015, "{s:?}");
}

#[test]
fn a_ringing_mount_costs_little() {
    let faults = Faults { touchdown_spike: 30.0, touchdown_jump: 0.0, ..Faults::target() };
    let s = run(&Config::default(), &faults, 2);
    assert!(s.velocity_rmse < 0.06, "{s:?}");
    let instant = Config { imu_sampling: ImuSampling::Instant, shock_doubt: 0.5, ..Config::default() };
    let s = run(&instant, &Faults { integrating: false, ..faults }, 2);
    assert!(s.velocity_rmse < 0.03, "{s:?}");
}

#[test]
fn rolling_feet_must_be_modelled() {
    let unknown = Config { foot_radius_m: 0.0, ..Config::default() };
    let without = run(&unknown, &Faults::target(), 1);
    let with = run(&Config::default(), &Faults::target(), 1);
    assert!(without.velocity_rmse > 5.0 * with.velocity_rmse, "{without:?} {with:?}");
}

#[test]
fn without_the_slip_meter_a_slippery_walk_gets_visibly_worse() {
    let blind = Config { contact_walk: 0.004, contact_walk_max: 0.004, ..point_feet() };
    let slippery = Faults { slip: 0.03, ..Faults::a() };
    for seed in 1..=2 {
        let with = run(&point_feet(), &slippery, seed).velocity_rmse;
        let mut without = Estimator::new(blind.clone()).unwrap();
        let without = score(&mut without, World::new(slippery.clone(), seed), 60.0).velocity_rmse;
        println!("with {with} without {without}");
        assert!(without > 1.5 * with, "{without} {with}");
    }
}

#[test]
fn without_foot_sensors_motion_tells_the_contacts() {
    for seed in 1..=3 {
        let mut e = Estimator::new(Config::default()).unwrap();
        let mut world = World::new(Faults::target(), seed);
        let (mut sum, mut n, mut wrong) = (0.0, 0.0, 0.0);
        for k in 0..15_000 {
            let mut sample = world.next_sample();
            for foot in &mut sample.feet {
                foot.force_n = None;
            }
            let estimate = step(&mut e, &sample);
            if k < 1000 {
                continue;
            }
            let truth = sample.rotation.transpose() * sample.velocity;
            sum += (crate::world::V3::from(estimate.velocity_body_m_s) - truth).norm_squared();
            n += 1.0;
            let found = estimate.contact_probability.map(|p| p > 0.5);
            wrong += (0..4).filter(|&i| found[i] != sample.stands[i]).count() as f64 / 4.0;
        }
        let rmse = f64::sqrt(sum / n);
        println!("seed {seed}: rmse {rmse} wrong {}", wrong / n);
        assert!(rmse < 0.06 && wrong / n < 0.1, "{rmse} {}", wrong / n);
    }
}

/// The same walk told about another point of the body: 6 cm below and 2 cm behind the sensor.
#[test]
fn a_sensor_away_from_the_base_is_accounted_for() {
    let lever = V3::new(0.02, 0.0, 0.06);
    let away = Config { imu_position_m: lever.into(), ..Config::default() };
    let (mut at_sensor, mut at_base) =
        (Estimator::new(Config::default()).unwrap(), Estimator::new(away).unwrap());
    let mut world = World::new(Faults::target(), 1);
    let (mut turning, mut start) = (0.0f64, None);
    for _ in 0..15_000 {
        let mut sample = world.next_sample();
        let near = step(&mut at_sensor, &sample);
        for foot in &mut sample.feet {
            foot.position_m = (V3::from(foot.position_m) + lever).into();
        }
        let far = step(&mut at_base, &sample);
        let rate = V3::from(near.angular_velocity_rad_s);
        let expected = V3::from(near.velocity_body_m_s) - rate.cross(&lever);
        if near.velocity_body_m_s != [0.0; 3] {
            turning = turning.max(rate.cross(&lever).norm());
            assert!((V3::from(far.velocity_body_m_s) - expected).amax() < 1e-9);
        }
        assert_eq!(near.health.status, far.health.status);
        let [w, x, y, z] = near.orientation;
        let rotation = nalgebra::UnitQuaternion::from_quaternion(nalgebra::Quaternion::new(w, x, y, z));
        let base = V3::from(near.position_m) - rotation * lever;
        let gap = V3::from(far.position_m) - base;
        assert!(
            near.velocity_body_m_s != [0.0; 3] || far.position_m[..2] == [0.0; 2],
            "it begins under the base"
        );
        if near.velocity_body_m_s != [0.0; 3] {
            let start = start.get_or_insert(gap);
            assert!((gap - *start).amax() < 1e-6, "{gap} {start}");
        }
        assert!((far.height_above_support_m + lever.z - near.height_above_support_m).abs() < 5e-3);
    }
    assert!(turning > 0.02, "the body turned enough to tell: {turning}");
}
