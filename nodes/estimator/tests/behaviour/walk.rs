//! Accuracy while trotting: body velocity, drift, tilt, contacts. Bounds are about twice what is measured.

use sinew_estimator::{Config, Estimator, ImuSampling, LegAxes};

use crate::world::{Faults, Score, World, score, step};

/// Point feet and an IMU sampled at instants, as worlds A and B have them.
pub fn point_feet() -> Config {
    Config {
        foot_radius_m: 0.0,
        leg_axes: LegAxes::Unknown,
        imu_sampling: ImuSampling::Instant,
        ..Config::default()
    }
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
    let unknown = Config { leg_axes: LegAxes::Unknown, ..Config::default() };
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
