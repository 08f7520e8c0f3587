//! Feet: their force sensors, and what of the model touches the ground with each.
//!
//! A foot is the collision shapes of the body its site sits on: one ball centred on the site, or shapes whose lowest
//! point, seen along the site's z, lies in the site's plane (a flat foot: the site is in the sole).

use super::section::{Placed, Section};
use super::wiring::{Wiring, check_count, refuse_again, site_of};
use crate::error::{RefusalKind, Refusals};
use crate::model::{Geom, Model, Shape, Site};
use crate::pose::isometry;
use crate::range;
use crate::robot::{ContactPoint, Foot};
use nalgebra::{Isometry3, Point3};
use sinew_wire::MAX_CONTACTS;

/// How far the site of a flat foot may lie off its sole, m.
const SOLE_SLACK_M: f64 = 2e-3;
/// A ball this near to its site is centred on it, m.
const CENTRED_M: f64 = 1e-6;

/// Reads `feet`.
pub(super) fn read(
    root: &mut Section<'_>,
    model: &Model,
    wiring: &mut Wiring,
    refusals: &mut Refusals,
) -> Vec<Placed<Foot>> {
    let nodes = root.list("feet", refusals);
    check_count(root, "feet", nodes.len(), MAX_CONTACTS, refusals);
    let mut feet: Vec<Placed<Foot>> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let path = format!("feet[{i}]");
        let mut section = Section::open(node, path.as_str(), refusals);
        let name = section.name("name", refusals);
        if feet.iter().any(|foot| foot.value.name == name.value) {
            refuse_again(&name, format!("{path}.name"), "each foot once", refusals);
        }
        let bus = wiring.bus_of(&mut section, false, refusals);
        let id = section.number(&range::FOOT_ID, refusals);
        wiring.claim(bus, id, format!("{path}.id"), refusals);
        let (site, found) = site_of(&mut section, model, refusals);
        let shape =
            found.map(|(body, at)| shape_at(model, body, at)).unwrap_or_else(|| Ok(FootShape::default()));
        let FootShape { radius_m, contacts } = shape.unwrap_or_else(|wrong| {
            let Wrong { kind, found, expected } = wrong;
            let found = format!("`{}` {found}", site.value);
            let hint = "the body of the site carries the foot's collision shapes and no others";
            refusals.add(kind, site.place, format!("{path}.site"), found, expected, hint);
            FootShape::default()
        });
        if let Some(first) = feet.first().map(|first| &first.value)
            && !contacts.is_empty()
            && !first.contacts.is_empty()
            && (first.radius_m - radius_m).abs() > CENTRED_M
        {
            let found = format!("a foot of radius {radius_m} m");
            let expected = format!("{} m, as feet[{}] has (0: flat)", first.radius_m, first.name);
            let hint = "all feet of a robot are alike";
            refusals.add(RefusalKind::Unsupported, site.place, format!("{path}.site"), found, expected, hint);
        }
        let foot = Foot { name: name.value, bus, id: id.value as u16, site: site.value, radius_m, contacts };
        feet.push(Placed { value: foot, place: site.place });
        section.finish(refusals);
    }
    feet
}

#[derive(Default)]
struct FootShape {
    radius_m: f64,
    contacts: Vec<ContactPoint>,
}

struct Wrong {
    kind: RefusalKind,
    found: String,
    expected: &'static str,
}

const EXPECTED: &str = "a colliding sphere geom centred on the site, or a sole in the site's plane";

fn shape_at(model: &Model, body: usize, site: &Site) -> Result<FootShape, Wrong> {
    let geoms = model.bodies.get(body).map(|body| body.geoms.as_slice()).unwrap_or_default();
    let site_from_body = isometry(&site.pose).inverse();
    let mut contacts = Vec::new();
    for geom in geoms.iter().filter(|geom| geom.collides) {
        let found = contacts_of(geom, &site_from_body);
        contacts.extend(found.ok_or_else(|| Wrong {
            kind: RefusalKind::Unsupported,
            found: "on a body with a colliding mesh or ellipsoid".to_owned(),
            expected: "a foot of spheres, capsules, boxes or cylinders",
        })?);
    }
    match contacts.as_slice() {
        [] => Err(Wrong {
            kind: RefusalKind::Missing,
            found: "without a shape that touches the ground".to_owned(),
            expected: EXPECTED,
        }),
        [ball] if ball.radius_m > 0.0 && ball.position_m.iter().all(|x| x.abs() < CENTRED_M) => {
            Ok(FootShape { radius_m: ball.radius_m, contacts })
        }
        _ => {
            let lowest = contacts.iter().map(|c| height(c) - c.radius_m).fold(f64::INFINITY, f64::min);
            if lowest.abs() <= SOLE_SLACK_M && spans_origin(&contacts) {
                return Ok(FootShape { radius_m: 0.0, contacts });
            }
            let beside = if spans_origin(&contacts) { "" } else { ", which do not surround it" };
            let found = format!("{:.4} m above the lowest of its shapes{beside}", -lowest);
            Err(Wrong { kind: RefusalKind::Conflict, found, expected: EXPECTED })
        }
    }
}

fn height(contact: &ContactPoint) -> f64 {
    let [_, _, z] = contact.position_m;
    z
}

/// The site lies within the rectangle around the shapes.
fn spans_origin(contacts: &[ContactPoint]) -> bool {
    (0..2).all(|axis| {
        let along = |c: &ContactPoint| c.position_m.get(axis).copied().unwrap_or(0.0);
        contacts.iter().any(|c| along(c) - c.radius_m <= 0.0)
            && contacts.iter().any(|c| along(c) + c.radius_m >= 0.0)
    })
}

/// The balls and corners of a shape, in the site's frame; `None` for a shape without corners to speak of.
fn contacts_of(geom: &Geom, site_from_body: &Isometry3<f64>) -> Option<Vec<ContactPoint>> {
    let frame = site_from_body * isometry(&geom.pose);
    let point = |x: f64, y: f64, z: f64, radius_m: f64| ContactPoint {
        position_m: (frame * Point3::new(x, y, z)).coords.into(),
        radius_m,
    };
    let corners = |x: f64, y: f64, z: f64| {
        let signs = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)];
        signs.iter().flat_map(|(a, b)| [point(a * x, b * y, z, 0.0), point(a * x, b * y, -z, 0.0)]).collect()
    };
    Some(match geom.shape {
        Shape::Sphere(radius) => vec![point(0.0, 0.0, 0.0, radius)],
        Shape::Capsule(radius, half) => vec![point(0.0, 0.0, half, radius), point(0.0, 0.0, -half, radius)],
        Shape::Box([x, y, z]) => corners(x, y, z),
        // Its rims, by the square around them.
        Shape::Cylinder(radius, half) => corners(radius, radius, half),
        Shape::Ellipsoid(_) | Shape::Mesh(_) => return None,
    })
}
