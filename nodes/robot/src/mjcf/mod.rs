//! MJCF (MuJoCo's XML) to the mechanical tree, in the subset a description here may use.
//!
//! What changes the mechanics and is not understood is refused by name and line; what only draws,
//! lights or measures is left to the physics engine. Semantics after the MuJoCo XML reference:
//! default classes inherit, `childclass` holds for a subtree, angles are degrees unless the compiler says radian.

mod attributes;
mod parts;
mod tree;

use crate::error::{Place, RefusalKind, Refusals};
use crate::model::Model;
use attributes::Element;
use roxmltree::{Document, Node};
use std::collections::BTreeMap;

/// What the whole file needs to know while it is read.
struct Context<'a, 'x> {
    document: &'a Document<'x>,
    /// Degrees to radians, or 1.
    angle_unit: f64,
    classes: Classes<'a, 'x>,
}

/// Default classes: name to (parent, element). The root class is called `main`.
type Classes<'a, 'x> = BTreeMap<String, (Option<String>, Node<'a, 'x>)>;

/// Deepest nesting of bodies or classes accepted.
const MAX_DEPTH: usize = 64;
const MAIN: &str = "main";

/// Reads a model; `None` when anything was refused.
pub(crate) fn parse(document: &Document<'_>, refusals: &mut Refusals) -> Option<Model> {
    let before = refusals.list.len();
    let root = document.root_element();
    if root.tag_name().name() != "mujoco" {
        let found = format!("<{}>", root.tag_name().name());
        let hint = "robot.yaml names an MJCF file; a URDF is written from it, not read";
        refusals.add(RefusalKind::Syntax, place(&root), "root element", found, "<mujoco>", hint);
        return None;
    }
    let mut context = Context { document, angle_unit: 1f64.to_radians(), classes: Classes::new() };
    for node in root.children().filter(Node::is_element) {
        match node.tag_name().name() {
            "compiler" => read_compiler(&mut context, node, refusals),
            "default" => read_class(&mut context, node, None, 0, refusals),
            "option" | "size" | "visual" | "statistic" | "asset" | "worldbody" | "actuator" | "sensor"
            | "keyframe" | "contact" | "custom" => {}
            other => {
                let hint = match other {
                    "include" => "write the included elements out",
                    "equality" | "tendon" => "only serial trees of hinges and slides are supported",
                    _ => "",
                };
                let expected = "a section of the supported MJCF subset";
                refusals.add(
                    RefusalKind::Unsupported,
                    place(&node),
                    other,
                    format!("<{other}>"),
                    expected,
                    hint,
                );
            }
        }
    }
    let mut model = tree::read(&context, root, refusals)?;
    model.name = root.attribute("model").unwrap_or_default().to_owned();
    tree::read_actuators(&context, root, &mut model, refusals);
    (refusals.list.len() == before).then_some(model)
}

/// Parses the XML itself; a syntax error is one refusal.
pub(crate) fn document<'x>(text: &'x str, refusals: &mut Refusals) -> Option<Document<'x>> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: 200_000 };
    match Document::parse_with_options(text, options) {
        Ok(document) => Some(document),
        Err(error) => {
            let at = Place { line: error.pos().row, column: error.pos().col };
            refusals.add(RefusalKind::Syntax, at, "file", error.to_string(), "well-formed XML", "");
            None
        }
    }
}

fn read_compiler(context: &mut Context<'_, '_>, node: Node<'_, '_>, refusals: &mut Refusals) {
    for attribute in node.attributes() {
        let field = format!("compiler@{}", attribute.name());
        let at = position(context.document, attribute.range().start);
        match (attribute.name(), attribute.value()) {
            ("angle", "radian") => context.angle_unit = 1.0,
            ("angle", "degree") => context.angle_unit = 1f64.to_radians(),
            ("autolimits", "true") => {}
            ("meshdir" | "texturedir" | "assetdir" | "strippath" | "discardvisual", _) => {}
            ("angle", found) => refusals.add(
                RefusalKind::UnknownName,
                at,
                field,
                format!("`{found}`"),
                "radian or degree",
                "",
            ),
            (_, found) => {
                let expected = "angle, autolimits=\"true\" or a directory of assets";
                let hint = "it changes how the file is read; write the model without it";
                refusals.add(RefusalKind::Unsupported, at, field, format!("`{found}`"), expected, hint);
            }
        }
    }
}

fn read_class<'a, 'x>(
    context: &mut Context<'a, 'x>,
    node: Node<'a, 'x>,
    parent: Option<&str>,
    depth: usize,
    refusals: &mut Refusals,
) {
    let name = node.attribute("class").unwrap_or(MAIN).to_owned();
    let field = format!("default[{name}]");
    if depth > MAX_DEPTH {
        let expected = format!("at most {MAX_DEPTH} levels");
        refusals.add(RefusalKind::Unsupported, place(&node), field, "deeper nesting", expected, "");
        return;
    }
    if context.classes.contains_key(&name) {
        refusals.add(
            RefusalKind::Duplicate,
            place(&node),
            field,
            format!("`{name}` again"),
            "each class once",
            "",
        );
        return;
    }
    context.classes.insert(name.clone(), (parent.map(str::to_owned), node));
    for child in node.children().filter(|child| child.has_tag_name("default")) {
        read_class(context, child, Some(&name), depth + 1, refusals);
    }
}

impl<'a, 'x> Context<'a, 'x> {
    /// An element with the defaults of its class behind it.
    fn element(
        &self,
        node: Node<'a, 'x>,
        childclass: Option<&str>,
        refusals: &mut Refusals,
    ) -> Element<'a, 'x> {
        let own = node.attribute("class");
        let mut layers = vec![node];
        let mut class = own.or(childclass).unwrap_or(MAIN).to_owned();
        if !self.classes.contains_key(&class) && class != MAIN {
            let known = self.classes.keys().map(String::as_str);
            let hint = crate::error::nearest(&class, known.clone());
            let expected = format!("one of {}", known.collect::<Vec<_>>().join(", "));
            let field = format!("{}@class", node.tag_name().name());
            refusals.add(RefusalKind::UnknownName, place(&node), field, format!("`{class}`"), expected, hint);
        }
        while let Some((parent, defaults)) = self.classes.get(&class) {
            let tag = node.tag_name();
            layers.extend(defaults.children().filter(|child| child.tag_name() == tag));
            match parent {
                Some(parent) => class.clone_from(parent),
                None => break,
            }
        }
        Element::new(self.document, self.angle_unit, layers)
    }
}

fn place(node: &Node<'_, '_>) -> Place {
    position(node.document(), node.range().start)
}

fn position(document: &Document<'_>, offset: usize) -> Place {
    let at = document.text_pos_at(offset);
    Place { line: at.row, column: at.col }
}
