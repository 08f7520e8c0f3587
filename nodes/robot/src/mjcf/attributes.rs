//! Attributes of one element, its default classes behind it.

use super::{place, position};
use crate::error::{Place, RefusalKind, Refusals};
use crate::pose::{Pose, pose};
use nalgebra::{Isometry3, Quaternion, Translation3, Unit, UnitQuaternion, Vector3};
use roxmltree::{Attribute, Document, Node};

/// An element and the layers its attributes are looked up in: itself, then its classes from near to far.
pub(super) struct Element<'a, 'x> {
    document: &'a Document<'x>,
    angle_unit: f64,
    layers: Vec<Node<'a, 'x>>,
    label: String,
}

/// Ways to write an orientation which this reader does not take.
const FOREIGN_ORIENTATIONS: [&str; 3] = ["xyaxes", "zaxis", "euler"];

impl<'a, 'x> Element<'a, 'x> {
    pub fn new(document: &'a Document<'x>, angle_unit: f64, layers: Vec<Node<'a, 'x>>) -> Self {
        let label = layers.first().map_or_else(String::new, |node| {
            let tag = node.tag_name().name();
            node.attribute("name").map_or_else(|| tag.to_owned(), |name| format!("{tag}[{name}]"))
        });
        Element { document, angle_unit, layers, label }
    }

    /// Where the element stands.
    pub fn place(&self) -> Place {
        self.layers.first().map_or(Place::START, place)
    }

    /// `tag[name]`, for messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Radians (or whatever the compiler's angle unit is) per unit written.
    pub fn angle_unit(&self) -> f64 {
        self.angle_unit
    }

    pub fn attribute(&self, name: &str) -> Option<Attribute<'a, 'x>> {
        self.layers.iter().find_map(|node| node.attribute_node(name))
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.attribute(name).map(|attribute| attribute.value())
    }

    /// Refuses the element for the value of one attribute.
    pub fn refuse(
        &self,
        kind: RefusalKind,
        name: &str,
        expected: impl Into<String>,
        hint: &str,
        refusals: &mut Refusals,
    ) {
        let (at, found) = match self.attribute(name) {
            Some(attribute) => {
                (position(self.document, attribute.range().start), format!("`{}`", attribute.value()))
            }
            None => (self.place(), "nothing".to_owned()),
        };
        refusals.add(kind, at, format!("{}@{name}", self.label), found, expected, hint);
    }

    /// Between `least` and `most` finite numbers, or `None` when absent or refused.
    pub fn numbers(
        &self,
        name: &str,
        least: usize,
        most: usize,
        refusals: &mut Refusals,
    ) -> Option<Vec<f64>> {
        let text = self.text(name)?;
        let parsed: Result<Vec<f64>, _> = text.split_ascii_whitespace().map(str::parse::<f64>).collect();
        let expected =
            if least == most { format!("{least} numbers") } else { format!("{least} to {most} numbers") };
        match parsed {
            Ok(values) if values.iter().any(|value| !value.is_finite()) => {
                self.refuse(RefusalKind::NotFinite, name, format!("{expected}, finite"), "", refusals);
                None
            }
            Ok(values) if (least..=most).contains(&values.len()) => Some(values),
            Ok(_) | Err(_) => {
                self.refuse(
                    RefusalKind::WrongType,
                    name,
                    expected,
                    "numbers are separated by spaces",
                    refusals,
                );
                None
            }
        }
    }

    /// Exactly `N` finite numbers, or `None` when absent or refused.
    pub fn vector<const N: usize>(&self, name: &str, refusals: &mut Refusals) -> Option<[f64; N]> {
        self.numbers(name, N, N, refusals).and_then(|values| values.try_into().ok())
    }

    pub fn number(&self, name: &str, refusals: &mut Refusals) -> Option<f64> {
        self.vector::<1>(name, refusals).map(|[value]| value)
    }

    /// A number that cannot be negative; absent is `default`.
    pub fn non_negative(&self, name: &str, default: f64, refusals: &mut Refusals) -> f64 {
        match self.number(name, refusals) {
            Some(value) if value < 0.0 => {
                self.refuse(RefusalKind::OutOfRange, name, "a number of at least 0", "", refusals);
                default
            }
            Some(value) => value,
            None => default,
        }
    }

    /// Position and orientation from `pos` and `quat` or `axisangle`.
    pub fn pose(&self, refusals: &mut Refusals) -> Pose {
        for name in FOREIGN_ORIENTATIONS {
            if self.attribute(name).is_some() {
                let hint = "write it as quat=\"w x y z\"";
                self.refuse(RefusalKind::Unsupported, name, "quat or axisangle", hint, refusals);
            }
        }
        let position = self.vector::<3>("pos", refusals).unwrap_or_default();
        let rotation = self.rotation(refusals);
        pose(&Isometry3::from_parts(Translation3::from(position), rotation))
    }

    fn rotation(&self, refusals: &mut Refusals) -> UnitQuaternion<f64> {
        if let Some([w, x, y, z]) = self.vector::<4>("quat", refusals) {
            let raw = Quaternion::new(w, x, y, z);
            if raw.norm() < 1e-9 {
                self.refuse(RefusalKind::OutOfRange, "quat", "a quaternion that is not zero", "", refusals);
                return UnitQuaternion::identity();
            }
            return UnitQuaternion::from_quaternion(raw);
        }
        if let Some([x, y, z, angle]) = self.vector::<4>("axisangle", refusals) {
            return match Unit::try_new(Vector3::new(x, y, z), 1e-9) {
                Some(axis) => UnitQuaternion::from_axis_angle(&axis, angle * self.angle_unit),
                None => {
                    self.refuse(
                        RefusalKind::OutOfRange,
                        "axisangle",
                        "an axis that is not zero",
                        "",
                        refusals,
                    );
                    UnitQuaternion::identity()
                }
            };
        }
        UnitQuaternion::identity()
    }

    /// The name, or a refusal and a placeholder.
    pub fn name(&self, refusals: &mut Refusals) -> String {
        match self.layers.first().and_then(|node| node.attribute("name")) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                let hint = "everything that is referred to is referred to by name";
                self.refuse(RefusalKind::Missing, "name", "a name", hint, refusals);
                format!("unnamed at line {}", self.place().line)
            }
        }
    }
}
