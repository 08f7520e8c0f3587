//! What a body is made of: its joint, its inertia, its shapes.

use super::attributes::Element;
use crate::error::{RefusalKind, Refusals};
use crate::model::{Geom, Inertial, JointKind, ModelJoint, Shape};
use crate::pose::{isometry, pose};
use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, Unit, UnitQuaternion, Vector3};

pub(super) fn read_joint(element: &Element<'_, '_>, refusals: &mut Refusals) -> Option<ModelJoint> {
    let name = element.name(refusals);
    let (kind, unit) = match element.text("type").unwrap_or("hinge") {
        "hinge" => (JointKind::Hinge, element.angle_unit()),
        "slide" => (JointKind::Slide, 1.0),
        _ => {
            element.refuse(RefusalKind::Unsupported, "type", "hinge or slide", "", refusals);
            return None;
        }
    };
    let origin = element.vector::<3>("pos", refusals).unwrap_or_default();
    if origin.iter().any(|value| *value != 0.0) {
        let hint = "move the body's frame onto the joint";
        element.refuse(RefusalKind::Unsupported, "pos", "0 0 0", hint, refusals);
    }
    if element.number("ref", refusals).unwrap_or(0.0) != 0.0 {
        let hint = "use `offset_rad` of the drive in robot.yaml";
        element.refuse(RefusalKind::Unsupported, "ref", "0", hint, refusals);
    }
    let axis = element.vector::<3>("axis", refusals).unwrap_or([0.0, 0.0, 1.0]);
    let Some(axis) = Unit::try_new(Vector3::from(axis), 1e-9) else {
        element.refuse(RefusalKind::OutOfRange, "axis", "an axis that is not zero", "", refusals);
        return None;
    };
    let range = element.vector::<2>("range", refusals).map(|[low, high]| (low * unit, high * unit));
    if range.is_some_and(|(low, high)| low >= high) {
        element.refuse(RefusalKind::OutOfRange, "range", "low below high", "", refusals);
    }
    let effort_max = torque_range(element, "actuatorfrcrange", refusals);
    Some(ModelJoint {
        name,
        kind,
        axis: axis.into_inner().into(),
        range,
        effort_max,
        damping: element.non_negative("damping", 0.0, refusals),
        friction_loss: element.non_negative("frictionloss", 0.0, refusals),
        armature: element.non_negative("armature", 0.0, refusals),
        index: 0,
        line: element.place().line,
    })
}

/// The smaller magnitude of a force range that includes zero.
pub(super) fn torque_range(element: &Element<'_, '_>, name: &str, refusals: &mut Refusals) -> Option<f64> {
    let [low, high] = element.vector::<2>(name, refusals)?;
    if low < 0.0 && high > 0.0 {
        return Some(high.min(-low));
    }
    element.refuse(RefusalKind::OutOfRange, name, "a range around zero", "", refusals);
    None
}

pub(super) fn read_inertial(element: &Element<'_, '_>, refusals: &mut Refusals) -> Option<Inertial> {
    let mass_kg = element.number("mass", refusals);
    if mass_kg.is_none_or(|mass| mass <= 0.0) {
        element.refuse(RefusalKind::OutOfRange, "mass", "a mass above 0", "", refusals);
        return None;
    }
    let frame = element.pose(refusals);
    let (frame, diagonal_kg_m2) = match element.vector::<6>("fullinertia", refusals) {
        Some([xx, yy, zz, xy, xz, yz]) => {
            let tensor = Matrix3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz);
            let eigen = tensor.symmetric_eigen();
            let mut axes = eigen.eigenvectors;
            if axes.determinant() < 0.0 {
                axes.column_mut(2).neg_mut();
            }
            let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
            let outer = isometry(&frame);
            (
                pose(&Isometry3::from_parts(outer.translation, outer.rotation * rotation)),
                eigen.eigenvalues.into(),
            )
        }
        None => (frame, element.vector::<3>("diaginertia", refusals).unwrap_or([0.0; 3])),
    };
    let [x, y, z]: [f64; 3] = diagonal_kg_m2;
    let slack = 1e-9 + 1e-6 * (x + y + z);
    if x <= 0.0 || y <= 0.0 || z <= 0.0 || x + y + slack < z || y + z + slack < x || z + x + slack < y {
        let expected = "three moments above 0, none larger than the other two together";
        element.refuse(
            RefusalKind::OutOfRange,
            "diaginertia",
            expected,
            "no rigid body has this inertia",
            refusals,
        );
        return None;
    }
    Some(Inertial { mass_kg: mass_kg.unwrap_or_default(), pose: frame, diagonal_kg_m2 })
}

pub(super) fn read_geom(element: &Element<'_, '_>, refusals: &mut Refusals) -> Option<Geom> {
    let size = element.numbers("size", 1, 3, refusals).unwrap_or_default();
    let size_at = |i: usize| size.get(i).copied().unwrap_or(0.0);
    let (mut frame, mut half_length) = (element.pose(refusals), size_at(1));
    if let Some([ax, ay, az, bx, by, bz]) = element.vector::<6>("fromto", refusals) {
        let (a, b) = (Vector3::new(ax, ay, az), Vector3::new(bx, by, bz));
        let Some(axis) = Unit::try_new(a - b, 1e-9) else {
            element.refuse(RefusalKind::OutOfRange, "fromto", "two different points", "", refusals);
            return None;
        };
        // The segment runs along z; any rotation that takes z there will do.
        let rotation = UnitQuaternion::rotation_between_axis(&Vector3::z_axis(), &axis)
            .unwrap_or_else(|| UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI));
        frame = pose(&Isometry3::from_parts(Translation3::from((a + b) / 2.0), rotation));
        half_length = (a - b).norm() / 2.0;
    }
    let shape = match element.text("type").unwrap_or("sphere") {
        "sphere" => Shape::Sphere(size_at(0)),
        "box" => Shape::Box([size_at(0), size_at(1), size_at(2)]),
        "cylinder" => Shape::Cylinder(size_at(0), half_length),
        "capsule" => Shape::Capsule(size_at(0), half_length),
        "ellipsoid" => Shape::Ellipsoid([size_at(0), size_at(1), size_at(2)]),
        "mesh" => Shape::Mesh(element.text("mesh").unwrap_or_default().to_owned()),
        _ => {
            let expected = "sphere, box, cylinder, capsule, ellipsoid or mesh";
            element.refuse(RefusalKind::Unsupported, "type", expected, "", refusals);
            return None;
        }
    };
    let positive = match &shape {
        Shape::Sphere(radius) => *radius > 0.0,
        Shape::Box(half) | Shape::Ellipsoid(half) => half.iter().all(|value| *value > 0.0),
        Shape::Cylinder(radius, half) | Shape::Capsule(radius, half) => *radius > 0.0 && *half > 0.0,
        Shape::Mesh(_) => true,
    };
    if !positive {
        element.refuse(RefusalKind::OutOfRange, "size", "lengths above 0 for its type", "", refusals);
        return None;
    }
    let mask = |name| element.number(name, &mut Refusals::new("")).unwrap_or(1.0) != 0.0;
    Some(Geom {
        name: element.text("name").map(str::to_owned),
        pose: frame,
        shape,
        collides: mask("contype") || mask("conaffinity"),
    })
}
