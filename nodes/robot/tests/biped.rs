//! The shipped biped: legs of six hinges, flat feet of several shapes, and what is refused about them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod shipped;

use sinew_robot::{HeldBy, LoadError, MAX_BUS_LOAD, Refusal, RefusalKind, Robot};

const YAML: &str = include_str!("../../../launch/robots/biped/robot.yaml");
const MODEL: &str = include_str!("../../../launch/robots/biped/biped.xml");

fn refusals(yaml: &str, model: &str) -> Vec<Refusal> {
    match Robot::parse(yaml, model) {
        Err(LoadError::Refused(list)) => list,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

/// `model` with every `from` replaced, refused once per foot it concerns.
fn refused(from: &str, to: &str, feet: usize) -> Refusal {
    let model = MODEL.replace(from, to);
    assert_ne!(model, MODEL, "the model has no `{from}`: mend the test");
    let list = refusals(YAML, &model);
    assert_eq!(list.len(), feet, "{list:#?}");
    list[0].clone()
}

#[test]
fn the_biped_loads_with_the_figures_it_was_designed_for() {
    let robot = shipped::biped();
    assert_eq!((robot.joints.len(), robot.legs.len(), robot.imus.len()), (12, 2, 1));
    assert!((robot.total_mass_kg() - 14.56).abs() < 1e-9);
    assert!(robot.legs.iter().all(|leg| leg.joints.len() == 6));
    let torques: Vec<_> = robot.joints[..6].iter().map(|joint| joint.limits.tau_max_nm).collect();
    assert_eq!(torques, [24.0, 36.0, 36.0, 36.0, 24.0, 24.0]);
    assert_eq!(robot.start.held_by, HeldBy::Harness);
    assert!(robot.bus_loads().iter().all(|load| load.load < MAX_BUS_LOAD));
}

#[test]
fn its_feet_are_flat_and_touch_the_ground_in_four_points() {
    for foot in &shipped::biped().feet {
        assert_eq!(foot.radius_m, 0.0);
        assert_eq!(foot.contacts.len(), 4);
        let edge = |axis: usize, sign: f64| {
            let reach = foot.contacts.iter().map(|c| sign * c.position_m[axis] + c.radius_m);
            reach.fold(f64::MIN, f64::max)
        };
        assert!((edge(0, 1.0) + edge(0, -1.0) - 0.204).abs() < 1e-9, "length");
        assert!((edge(1, 1.0) + edge(1, -1.0) - 0.094).abs() < 1e-9, "width");
        assert!(edge(2, -1.0).abs() < 1e-9, "the site lies in the sole");
    }
}

#[test]
fn postures_have_level_soles_and_the_heights_they_declare() {
    let robot = shipped::biped();
    for posture in [&robot.postures.lie, &robot.postures.stand] {
        for leg in &robot.legs {
            let [w, ..] = leg.foot_kinematics(&leg.select(&posture.q_rad)).pose.orientation_wxyz;
            assert!(w.abs() > 1.0 - 1e-9, "{} is turned: {w}", leg.name);
        }
        let unloaded = robot.base_height_m(&posture.q_rad);
        assert!((-1e-3..0.01).contains(&(unloaded - posture.height_m)), "{unloaded}");
    }
}

#[test]
fn a_site_that_is_not_in_the_sole_is_refused() {
    let told = refused("pos=\"0.02 0 -0.045\"", "pos=\"0.02 0 -0.040\"", 2);
    assert_eq!((told.kind, told.field.as_str()), (RefusalKind::Conflict, "feet[0].site"));
    assert!(told.found.contains("`L_foot` 0.0050 m above the lowest of its shapes"), "{told}");
    let told = refused("pos=\"0.02 0 -0.045\"", "pos=\"0.2 0 -0.045\"", 2);
    assert!(told.found.contains("which do not surround it"), "{told}");
    // A turned site looks at the sole from aside.
    let told = refused("pos=\"0.02 0 -0.045\"", "quat=\"1 1 0 0\" pos=\"0.02 0 -0.045\"", 2);
    assert_eq!(told.kind, RefusalKind::Conflict, "{told}");
}

#[test]
fn a_foot_without_shapes_and_a_shape_without_corners_are_refused() {
    let told = refused(
        "size=\"0.012\" contype=\"1\" conaffinity=\"1\"",
        "size=\"0.012\" contype=\"0\" conaffinity=\"0\"",
        2,
    );
    assert_eq!(told.kind, RefusalKind::Missing);
    let told = refused(
        "<geom type=\"box\" size=\"0.09 0.035 0.008\" pos=\"0.02 0 -0.033\"/>",
        "<geom type=\"ellipsoid\" size=\"0.09 0.035 0.008\" contype=\"1\"/>",
        2,
    );
    assert_eq!(told.kind, RefusalKind::Unsupported);
    assert!(told.expected.contains("spheres, capsules, boxes or cylinders"), "{told}");
}

#[test]
fn shapes_of_every_kind_make_a_sole() {
    // A block whose underside is the site's plane says the same as two capsules do.
    let capsules = "class=\"foot\" fromto=\"-0.07 -0.035 -0.033 0.11 -0.035 -0.033\"";
    for (shape, points) in [
        ("type=\"box\" class=\"foot\" size=\"0.1 0.045 0.01\" pos=\"0.02 0 -0.035\"", 10),
        ("type=\"cylinder\" class=\"foot\" size=\"0.05 0.01\" pos=\"0.02 0 -0.035\"", 10),
        ("type=\"sphere\" class=\"foot\" size=\"0.012\" pos=\"0.02 0 -0.033\"", 3),
    ] {
        let robot = Robot::parse(YAML, &MODEL.replacen(capsules, shape, 1)).unwrap();
        assert_eq!(robot.feet[0].contacts.len(), points, "{shape}");
        assert_eq!(robot.feet[0].radius_m, 0.0);
    }
}

#[test]
fn a_leg_with_a_slide_is_refused() {
    let told = refused(
        "<joint name=\"L_knee\" class=\"j8009\"",
        "<joint name=\"L_knee\" type=\"slide\" class=\"j8009\"",
        1,
    );
    assert_eq!((told.kind, told.field.as_str()), (RefusalKind::Unsupported, "feet[L].site"));
    assert!(told.found.contains("6 joints, 1 of them slides"), "{told}");
    assert!(told.expected.contains("1 to 8 hinges"), "{told}");
}
