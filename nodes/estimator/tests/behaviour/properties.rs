//! Whatever comes in, what goes out is finite and well formed; equal input gives equal bits.

use proptest::prelude::*;
use sinew_estimator::{Config, Estimate, Estimator, Foot, Imu, Input};

use crate::{
    still::{Legs, Rest},
    world::{DT, Faults, World, step},
};

/// Numbers a broken sensor may send: any bits, and plausible but wrong ones.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => any::<f64>(),
        3 => -5.0..5.0,
        2 => -500.0..500.0,
        1 => Just(0.0),
        1 => Just(f64::MIN_POSITIVE),
        1 => Just(60.0),
    ]
}

fn triple() -> impl Strategy<Value = [f64; 3]> {
    [number(), number(), number()]
}

fn foot() -> impl Strategy<Value = Foot> {
    let matrix = || [triple(), triple(), triple()];
    // Most of them products, as kinematics give them; some anything.
    let spread = prop_oneof![
        3 => matrix().prop_map(|j| j.map(|a| j.map(|b| a.iter().zip(b).map(|(a, b)| a * b).sum()))),
        1 => matrix(),
    ];
    (triple(), spread, triple(), triple(), proptest::option::of(number())).prop_map(
        |(position_m, spread, velocity_m_s, turn_rad_s, force_n)| Foot {
            position_m,
            spread,
            velocity_m_s,
            turn_rad_s,
            force_n,
        },
    )
}

type Cycle = (f64, Option<Imu>, Vec<Foot>);

fn cycle() -> impl Strategy<Value = Cycle> {
    let imu = (triple(), triple()).prop_map(|(gyro_rad_s, accel_m_s2)| Imu { gyro_rad_s, accel_m_s2 });
    let dt = prop_oneof![4 => Just(DT), 1 => number(), 1 => 1e-9..0.02];
    (dt, proptest::option::of(imu), proptest::collection::vec(foot(), 0..6))
}

fn well_formed(e: &Estimate) {
    let numbers = e
        .position_m
        .iter()
        .chain(&e.orientation)
        .chain(&e.velocity_body_m_s)
        .chain(&e.angular_velocity_rad_s)
        .chain(&e.projected_gravity)
        .chain(&e.contact_probability)
        .chain([&e.height_above_support_m, &e.health.nis, &e.health.time_since_contact_s]);
    for x in numbers {
        assert!(x.is_finite(), "{e:?}");
    }
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!((length(&e.orientation) - 1.0).abs() < 1e-9 && e.orientation[0] >= 0.0, "{e:?}");
    assert!((length(&e.projected_gravity) - 1.0).abs() < 1e-6, "{e:?}");
    assert!(e.contact_probability.iter().all(|p| (0.0..=1.0).contains(p)), "{e:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_the_output_unsound(cycles in proptest::collection::vec(cycle(), 1..150), rest in 0usize..700) {
        let mut e = Estimator::new(Config::default()).unwrap();
        let mut quiet = Rest::new(0.1, 0.2, 0.3, Legs::Standing, 3);
        for _ in 0..rest {
            step(&mut e, &quiet.next_sample());
        }
        for (dt_s, imu, feet) in &cycles {
            well_formed(&e.step(&Input { dt_s: *dt_s, imu: *imu, feet }));
            prop_assert!(e.covariance_is_sound());
        }
        // and it comes back
        for _ in 0..2000 {
            well_formed(&step(&mut e, &quiet.next_sample()));
        }
        let end = step(&mut e, &quiet.next_sample());
        prop_assert!(end.health.covariance_ok);
        prop_assert!(quiet.tilt_error(&end) < 0.1, "tilt {} {:?}", quiet.tilt_error(&end), end);
    }
}

#[test]
fn two_runs_give_equal_bits() {
    let run = || {
        let mut e = Estimator::new(Config::default()).unwrap();
        let mut world = World::new(Faults::target(), 12);
        (0..10_000).map(|_| format!("{:?}", step(&mut e, &world.next_sample()))).collect::<Vec<_>>()
    };
    assert!(run() == run());
}
