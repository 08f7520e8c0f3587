//! A harness holds what cannot lie on the ground, lets go once the legs have carried, and never comes back.
#![allow(clippy::unwrap_used, clippy::panic)] // tests say what broke by panicking

use sinew_robot::Robot;
use sinew_twin::{RapierConfig, Twin, TwinConfig, TwinError};

const YAML: &str = include_str!("../../../launch/robots/biped/robot.yaml");
const MODEL: &str = include_str!("../../../launch/robots/biped/biped.xml");

fn twin(yaml: &str) -> Result<Twin, TwinError> {
    let robot = Robot::parse(yaml, MODEL).unwrap_or_else(|e| panic!("{e}"));
    let physics = Twin::rapier(&robot, &RapierConfig::default()).unwrap();
    Twin::new(&robot, physics, TwinConfig::default())
}

#[test]
fn limp_it_hangs_where_the_description_says_for_as_long_as_it_takes() {
    let mut twin = twin(YAML).unwrap();
    let before = twin.truth().clone();
    assert!(before.held && !before.trunk_contact);
    assert!((before.height_m - 0.289).abs() < 0.01 && before.tilt_rad < 0.02, "{before:?}");
    assert!(before.joints.iter().all(|j| j.dq_rad_s.abs() < 0.05), "at rest");
    for _ in 0..5_000 {
        twin.integrate();
    }
    let after = twin.truth();
    assert!(
        after.held && (after.height_m - before.height_m).abs() < 0.005 && after.tilt_rad < 0.03,
        "{after:?}"
    );
    // The feet rest on the floor with their own weight, the harness carries the rest.
    let carried: f64 = after.feet.iter().map(|f| f.force_n).sum();
    assert!(carried < 0.5 * twin.mass_kg() * 9.81, "{carried} N");
}

#[test]
fn pushed_it_swings_and_comes_back() {
    let mut twin = twin(YAML).unwrap();
    twin.apply(&sinew_twin::WorldEvent::Push { delta_v_m_s: [0.3, 0.2, 0.0], over_s: 0.0 }).unwrap();
    for _ in 0..1_500 {
        twin.integrate();
    }
    let truth = twin.truth();
    assert!(truth.held && truth.finite && truth.tilt_rad < 0.05, "{truth:?}");
    let [x, y, _] = truth.base.position_m;
    assert!(x.hypot(y) < 0.05, "{x} {y}");
}

#[test]
fn on_the_ground_the_same_robot_would_lie() {
    let lying = YAML.replace("held_by: harness", "held_by: ground");
    assert_ne!(lying, YAML);
    match twin(&lying) {
        Ok(twin) => assert!(!twin.truth().held && twin.truth().height_m < 0.26, "{:?}", twin.truth()),
        Err(error) => assert!(matches!(error, TwinError::Start(_)), "{error}"),
    }
}
