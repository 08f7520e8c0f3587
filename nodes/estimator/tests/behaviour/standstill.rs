//! Starting from rest, and resting.

use sinew_estimator::{Config, Estimator, Reason, Status};

use crate::{
    still::{Legs, Rest},
    world::{DT, Faults, V3, World, step},
};

fn estimator() -> Estimator {
    Estimator::new(Config::default()).unwrap()
}

const TILTS: [(f64, f64, f64); 6] = [
    (0.0, 0.0, 0.0),
    (0.3, -0.2, 1.0),
    (-0.7, 0.4, -2.0),
    (1.5, 0.0, 0.5),
    (3.0, 0.1, 0.0),
    (0.2, -1.4, 2.0),
];

#[test]
fn gravity_is_known_from_the_first_sample_and_velocity_zero() {
    for (roll, pitch, yaw) in TILTS {
        let mut rest = Rest::new(roll, pitch, yaw, Legs::Folded, 7);
        let estimate = rest.run(&mut estimator(), DT);
        assert_eq!(estimate.health.status, Status::Initialising);
        assert_eq!(estimate.health.reason, Reason::NotStill);
        assert_eq!(estimate.velocity_body_m_s, [0.0; 3]);
        assert!(rest.tilt_error(&estimate) < 0.05, "{}", rest.tilt_error(&estimate));
    }
}

#[test]
fn tilt_and_gyro_bias_are_found_standing_or_lying() {
    for (k, (roll, pitch, yaw)) in TILTS.into_iter().enumerate() {
        for legs in [Legs::Standing, Legs::Creeping(0.15e-3), Legs::Folded, Legs::Waving] {
            let mut rest = Rest::new(roll, pitch, yaw, legs, 11 + k as u64);
            rest.gyro_bias = V3::new(0.01, -0.008, 0.006);
            let mut e = estimator();
            let early = rest.run(&mut e, 0.5);
            assert_eq!(early.health.status, Status::Initialising, "half a second of rest is not enough");
            let started = rest.run(&mut e, 0.5);
            assert_eq!(started.health.status, Status::Healthy, "{legs:?} {:?}", started.health);
            let bias: V3 = e.diagnostics().gyro_bias_rad_s.into();
            assert!((bias - rest.gyro_bias).amax() < 2e-3, "{legs:?} {bias}");
            assert!(rest.tilt_error(&started) < 3e-3, "{legs:?} {}", rest.tilt_error(&started));
            let later = rest.run(&mut e, 10.0);
            let bias: V3 = e.diagnostics().gyro_bias_rad_s.into();
            assert!((bias - rest.gyro_bias).amax() < 5e-4, "{legs:?} {bias}");
            assert_eq!(later.health.status, Status::Healthy, "{legs:?} {:?}", later.health);
            assert_eq!(later.resets, 0);
            let yaw_then = started.orientation;
            let turned: f64 = yaw_then.iter().zip(later.orientation).map(|(a, b)| a * b).sum();
            assert!(turned > 1.0 - 1e-5, "attitude must not wander");
        }
    }
}

#[test]
fn accelerometer_bias_costs_no_more_tilt_than_it_looks_like() {
    let mut rest = Rest::new(0.1, 0.2, 0.0, Legs::Standing, 3);
    rest.accel_bias = V3::new(0.1, -0.1, 0.1);
    let mut e = estimator();
    let estimate = rest.run(&mut e, 20.0);
    let worst = rest.accel_bias.norm() / 9.81;
    assert!(rest.tilt_error(&estimate) < worst, "{}", rest.tilt_error(&estimate));
    // along gravity it can be told apart from tilt
    let bias: V3 = e.diagnostics().accel_bias_m_s2.into();
    let along = (bias - rest.accel_bias).dot(&(rest.rotation.transpose() * V3::z()));
    assert!(along.abs() < 0.02, "{along}");
}

#[test]
fn doubled_noise_still_starts_within_two_seconds() {
    for seed in 0..20 {
        let mut rest = Rest::new(0.1, -0.1, 0.0, Legs::Standing, 100 + seed);
        rest.noise_scale = 2.0;
        let estimate = rest.run(&mut estimator(), 2.0);
        assert_eq!(estimate.health.status, Status::Healthy, "{:?}", estimate.health);
    }
}

#[test]
fn the_lowest_foot_stands_on_the_ground() {
    let mut rest = Rest::new(0.0, 0.0, 0.0, Legs::Standing, 5);
    let estimate = rest.run(&mut estimator(), 2.0);
    let expected = 0.28 + Config::default().foot_radius_m;
    assert!((estimate.position_m[2] - expected).abs() < 3e-3, "{:?}", estimate.position_m);
    assert!((estimate.height_above_support_m - expected).abs() < 3e-3);
    assert!(estimate.contact_probability[..4].iter().all(|p| *p > 0.9));
    assert!(estimate.contact_probability[4..].iter().all(|p| *p == 0.0));
    let mut rest = Rest::new(0.0, 0.0, 0.0, Legs::Folded, 5);
    let estimate = rest.run(&mut estimator(), 2.0);
    assert!((estimate.position_m[2] - 0.122).abs() < 3e-3, "{:?}", estimate.position_m);
    assert!(estimate.contact_probability.iter().all(|p| *p < 0.1));
}

#[test]
fn a_resting_robot_stays_where_it_is() {
    for legs in [Legs::Standing, Legs::Creeping(0.15e-3), Legs::Folded, Legs::Waving] {
        let mut rest = Rest::new(0.05, -0.03, 0.4, legs, 21);
        rest.gyro_bias = V3::new(0.01, -0.01, 0.01);
        rest.accel_bias = V3::new(0.1, -0.05, 0.08);
        let mut e = estimator();
        let before = rest.run(&mut e, 2.0);
        let mut fastest: f64 = 0.0;
        for _ in 0..30_000 {
            let estimate = step(&mut e, &rest.next_sample());
            fastest = fastest.max(V3::from(estimate.velocity_body_m_s).norm());
        }
        let after = rest.run(&mut e, DT);
        let moved = V3::from(after.position_m) - V3::from(before.position_m);
        println!("{legs:?} moved {moved:?} fastest {fastest}");
        assert!(moved.norm() < 0.02, "{legs:?} {moved}");
        assert!(fastest < 0.03, "{legs:?} {fastest}");
        assert!(e.diagnostics().still && e.diagnostics().standstills > 1000);
        assert_eq!(after.health.status, Status::Healthy);
    }
}

#[test]
fn a_walking_robot_is_never_taken_for_still() {
    let mut world = World::new(Faults::target(), 4);
    for _ in 0..2200 {
        world.next_sample();
    }
    let mut e = estimator();
    for _ in 0..5000 {
        let sample = world.next_sample();
        let estimate = step(&mut e, &sample);
        assert_eq!(estimate.health.status, Status::Initialising);
        assert_eq!(estimate.health.reason, Reason::NotStill);
        assert_eq!(estimate.velocity_body_m_s, [0.0; 3]);
        let g: V3 = estimate.projected_gravity.into();
        assert!((g + sample.rotation.transpose() * V3::z()).norm() < 0.15, "attitude must stay usable");
    }
    assert!(!e.diagnostics().still);
}

#[test]
fn standing_up_after_lying_is_followed() {
    // the legs unfold under load: the body rises by 18 cm in 2 s
    let mut e = estimator();
    let mut lying = Rest::new(0.0, 0.0, 0.0, Legs::Folded, 31);
    let before = lying.run(&mut e, 2.0);
    let height = |t: f64| {
        let s = (t / 2.0).clamp(0.0, 1.0);
        0.10 + 0.18 * s * s * s * (10.0 - 15.0 * s + 6.0 * s * s)
    };
    let mut worst: f64 = 0.0;
    let mut last = before;
    for k in 0..2000 {
        let t = f64::from(k) * DT;
        let mut sample = lying.next_sample();
        let acceleration = (height(t + DT) - 2.0 * height(t) + height(t - DT)) / (DT * DT);
        sample.imu.accel_m_s2[2] += acceleration;
        for (i, foot) in sample.feet.iter_mut().enumerate() {
            let at = crate::leg::nominal(i) + V3::new(0.0, 0.02, -height(t));
            let q = crate::leg::inverse(i, &at, crate::leg::CALF);
            *foot = crate::leg::foot(i, &q, &V3::zeros(), 35.0);
            foot.velocity_m_s = [0.0, 0.0, -(height(t + DT) - height(t)) / DT];
        }
        last = step(&mut e, &sample);
        let speed = (height(t) - height(t - DT)) / DT;
        worst = worst.max((last.velocity_body_m_s[2] - speed).abs());
        assert_eq!(last.health.status, Status::Healthy, "{:?}", last.health);
    }
    println!("stand-up: worst vertical velocity error {worst}");
    assert!(worst < 0.04, "{worst}");
    assert!((last.position_m[2] - before.position_m[2] - 0.18).abs() < 0.01, "{:?}", last.position_m);
    assert!((last.height_above_support_m - 0.28 - 0.022).abs() < 0.01);
}
