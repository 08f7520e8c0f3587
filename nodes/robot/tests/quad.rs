//! The shipped quadruped: what its description says is what the other rooms are built on.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail by panicking")]

mod shipped;

use sinew_robot::{MAX_BUS_LOAD, range};

#[test]
fn the_quadruped_loads_with_the_figures_it_was_designed_for() {
    let robot = shipped::robot();
    assert_eq!((robot.joints.len(), robot.legs.len(), robot.imus.len()), (12, 4, 1));
    assert_eq!(robot.period_ns, 2_000_000);
    assert!((robot.total_mass_kg() - 15.48).abs() < 1e-9);
    let names: Vec<_> = robot.joint_names().collect();
    assert_eq!(names[..4], ["FR_hip", "FR_thigh", "FR_calf", "FL_hip"]);
    let torques: Vec<_> = robot.joints[..3].iter().map(|joint| joint.limits.tau_max_nm).collect();
    assert_eq!(torques, [24.0, 24.0, 36.0]);
    let calf = &robot.joints[robot.joint_index("RL_calf").unwrap()];
    assert_eq!((calf.limits.q_min_rad, calf.limits.q_max_rad), (-2.7, -0.8));
    assert_eq!((calf.device.watchdog_ns, calf.default_q_rad), (55_000_000, -1.5));
    assert!(robot.feet.iter().all(|foot| foot.radius_m == 0.022));
}

#[test]
fn every_bus_is_within_its_budget() {
    let loads = shipped::robot().bus_loads();
    let busy: Vec<_> = loads.iter().map(|load| (load.frames, load.busy_us.round() as u32)).collect();
    assert_eq!(busy, [(8, 1080), (8, 1080), (8, 1080), (7, 945)]);
    assert!(loads.iter().all(|load| load.load < MAX_BUS_LOAD));
}

#[test]
fn postures_stand_and_lie_where_they_say() {
    let robot = shipped::robot();
    // Unloaded legs stand a little higher than the loaded height the posture declares.
    let standing = robot.base_height_m(&robot.postures.stand.q_rad);
    assert!((standing - 0.3289).abs() < 1e-3, "{standing}");
    // Lying, the belly (0.055 below the base) carries and the feet hover within 5 mm of the ground.
    let by_feet = robot.base_height_m(&robot.postures.lie.q_rad);
    assert!((0.050..=0.055).contains(&by_feet), "{by_feet}");
}

#[test]
fn the_file_documents_every_range_and_default_it_is_held_to() {
    let text = shipped::YAML;
    for range in range::TABLE {
        let (key, bounds) = (range.key, format!("{}..{}", range.min, range.max));
        let default = range.default.map(|value| format!("default {value}")).unwrap_or_default();
        let told = text.lines().filter_map(|line| line.split_once('#')).any(|(_, comment)| {
            comment
                .trim_start_matches([' ', '#'])
                .split_whitespace()
                .any(|word| word.trim_matches([':', ',']) == key)
                && comment.contains(&bounds)
                && comment.contains(&default)
        });
        assert!(told, "robot.yaml says nothing of `{key}` {bounds} {default}");
    }
}

#[test]
fn drive_and_joint_coordinates_are_inverse_to_each_other() {
    let mut device = shipped::robot().joints[0].device.clone();
    (device.gear, device.sign, device.offset_rad) = (9.0, -1.0, 0.4);
    let there = device.device_q_rad(0.25);
    assert!((device.joint_q_rad(there) - 0.25).abs() < 1e-12);
    assert!((there - 1.35).abs() < 1e-12, "-(0.25 - 0.4) * 9");
    // Power is the same on both sides: tau * dq does not know about gears and signs.
    let power = device.device_tau_nm(3.0) * device.device_dq_rad_s(2.0);
    assert!((power - 6.0).abs() < 1e-12);
    assert!((device.joint_tau_nm(device.device_tau_nm(3.0)) - 3.0).abs() < 1e-12);
    // A spring of kp at the joint is the same spring at the drive.
    let torque_of_spring = device.joint_tau_nm(device.device_gain(40.0) * (device.device_q_rad(0.1) - there));
    assert!((torque_of_spring - 40.0 * (0.1 - 0.25)).abs() < 1e-9);
}

#[test]
fn a_folder_is_read_and_a_missing_file_is_named() {
    let from_folder = sinew_robot::Robot::load(&shipped::folder()).unwrap();
    assert_eq!(from_folder, shipped::robot());
    let empty = tempfile::tempdir().unwrap();
    let error = sinew_robot::Robot::load(empty.path()).unwrap_err().to_string();
    assert!(error.contains("robot.yaml: cannot be read"), "{error}");
    std::fs::write(empty.path().join("robot.yaml"), shipped::YAML).unwrap();
    let error = sinew_robot::Robot::load(empty.path()).unwrap_err().to_string();
    assert!(error.contains("quad.xml: cannot be read"), "{error}");
}

/// The variant differs in its policy alone.
#[test]
fn quad_velocity_is_the_same_machine_by_another_name() {
    let folder = shipped::folder().join("../quad_velocity");
    let (variant, quad) = (sinew_robot::Robot::load(&folder).unwrap(), shipped::robot());
    assert_eq!((variant.name.as_str(), variant.model_file.as_str()), ("quad_velocity", "../quad/quad.xml"));
    assert_eq!(variant.limits_hash, quad.limits_hash);
    let renamed = sinew_robot::Robot {
        name: quad.name.clone(),
        hash: quad.hash,
        model_file: quad.model_file.clone(),
        ..variant.clone()
    };
    assert_eq!(renamed, quad);
    assert_ne!(variant.hash, quad.hash, "the name counts");
}
