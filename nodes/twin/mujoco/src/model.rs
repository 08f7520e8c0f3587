//! A robot's MJCF made ready for an opaque MuJoCo: names found, sections replaced, places kept open.
//!
//! What is written in, and why:
//! - actuators, sensors and key frames go: torque enters as a force on the joint, exact and unclipped (the drives
//!   clip), and every sensor there is has been written here, so that its size is known;
//! - planes go, one level ground comes: both engines stand on the same floor, whose own friction is none, so that
//!   the robot's shapes decide;
//! - bodies of the robot do not touch each other, as in the other engine;
//! - step length, gravity, friction and mass of the base are holes that [`Template::render`] fills.
//!
//! Removed text leaves its line breaks behind, so the line of an error is the line of the robot's file.

use crate::classes::attribute;
use roxmltree::{Document, Node};
use sinew_twin::{GRAVITY_M_S2, ModelError, RobotNames};
use std::fmt::Write as _;
use std::ops::Range;

/// Names of what is written in.
pub(crate) const TRUNK: &str = "sinew_trunk";
pub(crate) const ROBOT: &str = "sinew_robot";
const GROUND: &str = "sinew_ground";

/// Friction that holds, as in the other engine. The solver stops when it has converged, after two or three iterations;
/// a model trained with few (quad: 4) blows up on a floor of 0.01, where it hardly ever needs ten. Dry friction is
/// soft to it: limp legs lying on the floor slip at 0.06 rad/s, with three passes against slip at 0.003 rad/s.
const SOLVER: &str = "iterations=\"100\" ls_iterations=\"50\" noslip_iterations=\"3\"";
/// A state that is not finite shows instead of being replaced by the initial one.
const FLAGS: &str = "<flag autoreset=\"disable\"/>";
/// Flatter friction pyramids are singular to the solver; this one slows a slide by 1 mm/s per second.
const LEAST_FRICTION: f64 = 1e-4;

/// Name of the sensor of a foot's position, and of its contact.
pub(crate) fn foot_sensors(foot: usize) -> [String; 2] {
    [format!("sinew_foot_{foot}_position"), format!("sinew_foot_{foot}_contact")]
}

/// What may be different from one compiled model to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) dt_s: f64,
    /// One coefficient for every contact; `None` keeps the model's own.
    pub(crate) friction: Option<f64>,
    pub(crate) payload_kg: f64,
}

/// Why a model was refused before MuJoCo saw it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelRefused {
    /// For a reason for which every engine refuses.
    #[error(transparent)]
    Names(#[from] ModelError),
    /// A payload could not be added to the base.
    #[error(
        "model line {line}: the floating base has no <inertial> with a mass; give it one, the payload is added to it"
    )]
    Inertial {
        /// Line of the base, from 1.
        line: u32,
    },
    /// A foot would be told from the trunk by nothing.
    #[error("model: foot '{name}' is on the floating base itself; put it on a body of its own")]
    FootOnBase {
        /// The name.
        name: String,
    },
}

/// One change of the text.
struct Edit {
    at: Range<usize>,
    piece: Piece,
}

enum Piece {
    Text(String),
    /// A friction attribute: what it says now behind its first number, if there is one.
    Friction {
        own: Option<String>,
    },
    /// The base's mass without payload, kg.
    Mass {
        bare_kg: f64,
    },
    /// The sections at the end.
    Tail,
}

/// A model text with holes.
pub(crate) struct Template {
    text: String,
    edits: Vec<Edit>,
    /// Sections of the end that do not change.
    tail: String,
}

impl Template {
    pub(crate) fn of(mjcf: &str, names: &RobotNames<'_>) -> Result<Self, ModelRefused> {
        let document = Document::parse(mjcf).map_err(|e| ModelError::Parse(e.to_string()))?;
        Reader { mjcf, document: &document, edits: Vec::new(), names: Vec::new() }.read(names)
    }

    /// The text that MuJoCo compiles.
    pub(crate) fn render(&self, settings: &Settings) -> String {
        let mut out = String::with_capacity(self.text.len() + self.tail.len() + 512);
        let mut from = 0;
        for Edit { at, piece } in &self.edits {
            out.push_str(self.text.get(from..at.start).unwrap_or_default());
            let kept = self.text.get(at.clone()).unwrap_or_default();
            from = at.end;
            // Writing to a string cannot fail.
            match (piece, settings.friction) {
                (Piece::Text(text), _) => out.push_str(text),
                (Piece::Friction { own: None }, Some(mu)) => {
                    write!(out, " friction=\"{}\"", mu.max(LEAST_FRICTION)).unwrap_or(());
                }
                (Piece::Friction { own: Some(rest) }, Some(mu)) => {
                    write!(out, "{}{rest}", mu.max(LEAST_FRICTION)).unwrap_or(());
                }
                (Piece::Friction { .. }, None) => out.push_str(kept),
                (Piece::Mass { bare_kg }, _) => {
                    write!(out, "{}", bare_kg + settings.payload_kg).unwrap_or(())
                }
                (Piece::Tail, _) => {
                    write!(
                        out,
                        "<option timestep=\"{}\" {SOLVER} gravity=\"0 0 -{GRAVITY_M_S2}\">{FLAGS}</option>{}",
                        settings.dt_s, self.tail
                    )
                    .unwrap_or(());
                }
            }
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        out
    }
}

/// What the sensors of a foot look at.
struct Foot {
    /// Kind and name of what tells its position.
    of: &'static str,
    place: String,
    /// Attribute and value that select its contacts.
    touches: (&'static str, String),
}

struct Reader<'a, 'x> {
    mjcf: &'a str,
    document: &'a Document<'x>,
    edits: Vec<Edit>,
    /// Names that were given, by place.
    names: Vec<(usize, String)>,
}

impl<'a, 'x> Reader<'a, 'x> {
    fn read(mut self, names: &RobotNames<'_>) -> Result<Template, ModelRefused> {
        let root = self.document.root_element();
        if let Some(include) = self.document.descendants().find(|n| n.has_tag_name("include")) {
            return Err(ModelError::Include { line: self.line(include) }.into());
        }
        let base = self.base()?;
        self.check_joints(names.joints)?;
        let base_name = self.named(base, "sinew_base");
        let feet = names
            .feet
            .iter()
            .enumerate()
            .map(|(i, name)| self.foot(i, name, base))
            .collect::<Result<Vec<_>, _>>()?;
        let bodies: Vec<String> = base
            .descendants()
            .filter(|n| n.has_tag_name("body") && *n != base)
            .enumerate()
            .map(|(i, body)| self.named(body, &format!("sinew_body_{i}")))
            .collect();
        let robot: Vec<&str> =
            std::iter::once(base_name.as_str()).chain(bodies.iter().map(String::as_str)).collect();
        let tail = tail(&robot, &feet);
        self.hole_for_mass(base)?;
        for geom in self.world().filter(|n| n.has_tag_name("geom")) {
            self.ground_or_friction(geom);
        }
        for section in
            root.children().filter(|n| ["actuator", "sensor", "keyframe"].iter().any(|t| n.has_tag_name(*t)))
        {
            self.remove(section);
        }
        let end = root.range().start + self.mjcf.get(root.range()).and_then(|t| t.rfind("</")).unwrap_or(0);
        self.edits.push(Edit { at: end..end, piece: Piece::Tail });
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        Ok(Template { text: self.mjcf.to_owned(), edits: self.edits, tail })
    }

    fn world(&self) -> impl Iterator<Item = Node<'a, 'x>> + use<'a, 'x> {
        let sections = self.document.root_element().children().filter(|n| n.has_tag_name("worldbody"));
        sections.flat_map(|section| section.descendants())
    }

    fn line(&self, node: Node<'_, '_>) -> u32 {
        self.document.text_pos_at(node.range().start).row
    }

    fn says(&self, node: Node<'a, 'x>, what: &str) -> Option<&'a str> {
        attribute(self.document, node, what)
    }

    fn is_free(&self, node: Node<'a, 'x>) -> bool {
        node.has_tag_name("freejoint")
            || (node.has_tag_name("joint") && self.says(node, "type") == Some("free"))
    }

    /// The one body that floats.
    fn base(&self) -> Result<Node<'a, 'x>, ModelError> {
        let free: Vec<_> = self.world().filter(|n| self.is_free(*n)).collect();
        match free.as_slice() {
            [one] => body_of(*one).ok_or(ModelError::FloatingBase { found: 0 }),
            other => Err(ModelError::FloatingBase { found: other.len() }),
        }
    }

    /// Every joint but the free one is a hinge that the caller names, once, without a moved zero.
    fn check_joints(&self, wanted: &[&str]) -> Result<(), ModelError> {
        let joints: Vec<_> = self.world().filter(|n| n.has_tag_name("joint") && !self.is_free(*n)).collect();
        let known: Vec<&str> = joints.iter().filter_map(|j| j.attribute("name")).collect();
        if let Some(name) = wanted.iter().find(|name| !known.contains(name)) {
            return Err(ModelError::UnknownJoint { name: (*name).to_owned(), known: known.join(", ") });
        }
        for (i, name) in wanted.iter().enumerate() {
            if wanted.iter().take(i).any(|before| before == name) {
                return Err(ModelError::Duplicate { name: (*name).to_owned() });
            }
        }
        for joint in joints {
            let name = joint.attribute("name").unwrap_or("<without a name>").to_owned();
            if !wanted.contains(&name.as_str()) {
                return Err(ModelError::Unnamed { name });
            }
            if let Some(kind) = self.says(joint, "type").filter(|kind| *kind != "hinge") {
                return Err(ModelError::NotAHinge { name, found: kind.to_owned() });
            }
            let zero = self.says(joint, "ref").and_then(|text| text.parse().ok()).unwrap_or(0.0);
            if zero != 0.0 {
                return Err(ModelError::Reference { name, found: zero });
            }
        }
        Ok(())
    }

    /// A geom that collides, or a site together with every shape that collides of its body.
    fn foot(&mut self, index: usize, name: &str, base: Node<'a, 'x>) -> Result<Foot, ModelRefused> {
        let unknown = |why| ModelError::UnknownFoot { name: name.to_owned(), why };
        let called = |n: &Node<'a, 'x>, tag: &str| n.has_tag_name(tag) && n.attribute("name") == Some(name);
        let geom = self.world().find(|n| called(n, "geom") && self.collides(*n));
        let site = self.world().find(|n| called(n, "site"));
        let (place, of) = match (geom, site) {
            (Some(geom), _) => (geom, "geom"),
            (None, Some(site)) => (site, "site"),
            (None, None) => return Err(unknown("is neither a colliding geom nor a site").into()),
        };
        let body = body_of(place).ok_or_else(|| unknown("is on the world itself"))?;
        if body == base {
            return Err(ModelRefused::FootOnBase { name: name.to_owned() });
        }
        if of == "geom" {
            return Ok(Foot { of, place: name.to_owned(), touches: ("geom1", name.to_owned()) });
        }
        let shape =
            |n: &Node<'a, 'x>| n.has_tag_name("geom") && body_of(*n) == Some(body) && self.collides(*n);
        if !self.world().any(|n| shape(&n)) {
            return Err(unknown("is a site on a body without a collision shape").into());
        }
        let body = self.named(body, &format!("sinew_foot_{index}"));
        Ok(Foot { of, place: name.to_owned(), touches: ("body1", body) })
    }

    /// MuJoCo's own default is 1 for both masks.
    fn collides(&self, geom: Node<'a, 'x>) -> bool {
        ["contype", "conaffinity"]
            .iter()
            .any(|mask| self.says(geom, mask).is_none_or(|text| text.trim() != "0"))
    }

    /// The name of an element, which is given one when it has none.
    fn named(&mut self, node: Node<'a, 'x>, otherwise: &str) -> String {
        if let Some(name) = node.attribute("name") {
            return name.to_owned();
        }
        let at = after_tag(node);
        let given = self.names.iter().find(|(place, _)| *place == at).map(|(_, name)| name.clone());
        given.unwrap_or_else(|| {
            self.edits.push(Edit { at: at..at, piece: Piece::Text(format!(" name=\"{otherwise}\"")) });
            self.names.push((at, otherwise.to_owned()));
            otherwise.to_owned()
        })
    }

    fn hole_for_mass(&mut self, base: Node<'a, 'x>) -> Result<(), ModelRefused> {
        let inertial = base.children().find(|n| n.has_tag_name("inertial"));
        let mass = inertial.and_then(|n| n.attribute_node("mass"));
        let bare = mass.and_then(|mass| Some((mass.range_value(), mass.value().trim().parse().ok()?)));
        let (at, bare_kg) = bare.ok_or_else(|| ModelRefused::Inertial { line: self.line(base) })?;
        self.edits.push(Edit { at, piece: Piece::Mass { bare_kg } });
        Ok(())
    }

    /// A plane goes; any other shape gets a hole for its friction, of which the first number is the sliding one.
    fn ground_or_friction(&mut self, geom: Node<'a, 'x>) {
        if self.says(geom, "type") == Some("plane") {
            return self.remove(geom);
        }
        let (at, own) = match geom.attribute_node("friction") {
            Some(friction) => {
                let value = friction.value().trim_start();
                let rest =
                    value.find(char::is_whitespace).and_then(|end| value.get(end..)).unwrap_or_default();
                (friction.range_value(), Some(rest.to_owned()))
            }
            None => (after_tag(geom)..after_tag(geom), None),
        };
        self.edits.push(Edit { at, piece: Piece::Friction { own } });
    }

    fn remove(&mut self, node: Node<'_, '_>) {
        let breaks = self.mjcf.get(node.range()).map_or(0, |text| text.matches('\n').count());
        // What was noted within is gone with it.
        self.edits.retain(|e| !(node.range().start <= e.at.start && e.at.end <= node.range().end));
        self.edits.push(Edit { at: node.range(), piece: Piece::Text("\n".repeat(breaks)) });
    }
}

/// The nearest body around an element.
fn body_of<'a, 'x>(node: Node<'a, 'x>) -> Option<Node<'a, 'x>> {
    node.ancestors().skip(1).find(|n| n.has_tag_name("body"))
}

/// Just behind the name in `<name ...>`.
fn after_tag(node: Node<'_, '_>) -> usize {
    node.range().start + 1 + node.tag_name().name().len()
}

/// Ground, exclusions and sensors.
fn tail(robot: &[&str], feet: &[Foot]) -> String {
    let mut out = format!(
        "<worldbody><geom name=\"{GROUND}\" type=\"plane\" size=\"0 0 1\" pos=\"0 0 0\" quat=\"1 0 0 0\" \
         contype=\"2147483647\" conaffinity=\"2147483647\" condim=\"1\" friction=\"0 0 0\" priority=\"0\" solmix=\"0\" \
         margin=\"0\" gap=\"0\"/></worldbody><contact>"
    );
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or(());
    for (i, one) in robot.iter().enumerate() {
        for other in robot.iter().skip(i + 1) {
            put(format_args!("<exclude body1=\"{one}\" body2=\"{other}\"/>"));
        }
    }
    put(format_args!("</contact><sensor>"));
    let base = robot.first().copied().unwrap_or_default();
    let sum = "num=\"1\" data=\"found force\" reduce=\"netforce\"";
    for (i, foot) in feet.iter().enumerate() {
        let [position, contact] = foot_sensors(i);
        let Foot { of, place, touches: (select, what) } = foot;
        put(format_args!("<framepos name=\"{position}\" objtype=\"{of}\" objname=\"{place}\"/>"));
        put(format_args!("<contact name=\"{contact}\" {select}=\"{what}\" {sum}/>"));
    }
    put(format_args!("<contact name=\"{TRUNK}\" body1=\"{base}\" {sum}/>"));
    put(format_args!("<contact name=\"{ROBOT}\" subtree1=\"{base}\" {sum}/></sensor>"));
    out
}
