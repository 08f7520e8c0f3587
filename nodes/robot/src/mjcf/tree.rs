//! Bodies of the tree, and the actuators that bound its joints.

use super::attributes::Element;
use super::parts::{read_geom, read_inertial, read_joint, torque_range};
use super::{Context, MAX_DEPTH, place};
use crate::error::{RefusalKind, Refusals, nearest};
use crate::model::{Body, Inertial, Model, Site};
use crate::pose::Pose;
use roxmltree::Node;

/// Reads the one moving tree under `worldbody`.
pub(super) fn read<'a, 'x>(
    context: &Context<'a, 'x>,
    root: Node<'a, 'x>,
    refusals: &mut Refusals,
) -> Option<Model> {
    let worlds: Vec<_> = root.children().filter(|node| node.has_tag_name("worldbody")).collect();
    let roots: Vec<_> =
        worlds.iter().flat_map(Node::children).filter(|node| node.has_tag_name("body")).collect();
    let [base] = roots.as_slice() else {
        let at = roots.get(1).or(worlds.first()).unwrap_or(&root);
        let found = format!("{} bodies", roots.len());
        let hint = "the robot is one tree; the world around it belongs to the simulator";
        refusals.add(RefusalKind::Unsupported, place(at), "worldbody", found, "exactly one body", hint);
        return None;
    };
    let mut model = Model { name: String::new(), floating: false, bodies: Vec::new() };
    read_body(context, *base, None, None, 0, &mut model, refusals);
    unique(model.bodies.iter().map(|body| body.name.as_str()), "body", base, refusals);
    unique(model.joints().map(|joint| joint.name.as_str()), "joint", base, refusals);
    let sites = model.bodies.iter().flat_map(|body| &body.sites).map(|site| site.name.as_str());
    unique(sites, "site", base, refusals);
    Some(model)
}

fn unique<'n>(
    names: impl Iterator<Item = &'n str>,
    tag: &'static str,
    base: &Node<'_, '_>,
    refusals: &mut Refusals,
) {
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    for name in sorted.windows(2).filter_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    }) {
        let mut uses =
            base.descendants().filter(|n| n.has_tag_name(tag) && n.attribute("name") == Some(name));
        let second = uses.nth(1);
        let field = format!("{tag}[{name}]@name");
        let at = place(second.as_ref().unwrap_or(base));
        refusals.add(RefusalKind::Duplicate, at, field, format!("`{name}` again"), "each name once", "");
    }
}

fn read_body<'a, 'x>(
    context: &Context<'a, 'x>,
    node: Node<'a, 'x>,
    parent: Option<usize>,
    inherited: Option<&'a str>,
    depth: usize,
    model: &mut Model,
    refusals: &mut Refusals,
) {
    let childclass = node.attribute("childclass").or(inherited);
    let element = Element::new(context.document, context.angle_unit, vec![node]);
    let name = element.name(refusals);
    if depth > MAX_DEPTH {
        let expected = format!("at most {MAX_DEPTH} levels");
        refusals.add(
            RefusalKind::Unsupported,
            element.place(),
            element.label(),
            "deeper nesting",
            expected,
            "",
        );
        return;
    }
    let index = model.bodies.len();
    let mut body = Body {
        name,
        parent,
        pose: element.pose(refusals),
        inertial: Inertial { mass_kg: 0.0, pose: Pose::IDENTITY, diagonal_kg_m2: [0.0; 3] },
        joint: None,
        geoms: Vec::new(),
        sites: Vec::new(),
    };
    let mut inertial = None;
    let mut free = false;
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "inertial" => {
                let element = Element::new(context.document, context.angle_unit, vec![child]);
                inertial = read_inertial(&element, refusals);
            }
            "freejoint" => free = true,
            "joint" if child.attribute("type") == Some("free") => free = true,
            "joint" => {
                let element = context.element(child, childclass, refusals);
                if body.joint.is_some() {
                    let hint = "give the second joint a body of its own";
                    element.refuse(RefusalKind::Unsupported, "name", "one joint per body", hint, refusals);
                }
                body.joint = read_joint(&element, refusals);
            }
            "geom" => {
                let element = context.element(child, childclass, refusals);
                body.geoms.extend(read_geom(&element, refusals));
            }
            "site" => {
                let element = context.element(child, childclass, refusals);
                body.sites.push(Site {
                    name: element.name(refusals),
                    pose: element.pose(refusals),
                    line: element.place().line,
                });
            }
            "body" | "camera" | "light" => {}
            other => {
                let field = format!("{}/{other}", element.label());
                let expected = "inertial, joint, freejoint, geom, site, body, camera or light";
                refusals.add(
                    RefusalKind::Unsupported,
                    place(&child),
                    field,
                    format!("<{other}>"),
                    expected,
                    "",
                );
            }
        }
    }
    if free && (parent.is_some() || body.joint.is_some()) {
        let hint = "only the base may float, and then it has no other joint";
        element.refuse(RefusalKind::Unsupported, "name", "a free joint on the base alone", hint, refusals);
    }
    if parent.is_none() {
        model.floating = free;
        if let Some(joint) = body.joint.take() {
            let field = format!("joint[{}]", joint.name);
            let hint = "put a fixed base body under it, or a free joint in its place";
            let expected = "a base that floats or is bolted down";
            refusals.add(
                RefusalKind::Unsupported,
                element.place(),
                field,
                "a joint on the base",
                expected,
                hint,
            );
        }
    }
    match inertial {
        Some(inertial) => body.inertial = inertial,
        None if !node.children().any(|child| child.has_tag_name("inertial")) => {
            let field = format!("{}/inertial", element.label());
            let hint = "masses are written down, not guessed from shapes";
            refusals.add(RefusalKind::Missing, element.place(), field, "nothing", "an <inertial>", hint);
        }
        None => {}
    }
    model.bodies.push(body);
    for child in node.children().filter(|child| child.has_tag_name("body")) {
        read_body(context, child, Some(index), childclass, depth + 1, model, refusals);
    }
}

/// Gives each joint the torque limit of its actuator.
pub(super) fn read_actuators<'a, 'x>(
    context: &Context<'a, 'x>,
    root: Node<'a, 'x>,
    model: &mut Model,
    refusals: &mut Refusals,
) {
    let sections = root.children().filter(|node| node.has_tag_name("actuator"));
    for node in sections.flat_map(|section| section.children()).filter(Node::is_element) {
        let element = context.element(node, None, refusals);
        if !matches!(node.tag_name().name(), "position" | "velocity" | "motor") {
            let expected = "position, velocity or motor";
            refusals.add(
                RefusalKind::Unsupported,
                place(&node),
                element.label(),
                "this actuator",
                expected,
                "",
            );
            continue;
        }
        let Some(target) = element.text("joint") else {
            element.refuse(RefusalKind::Missing, "joint", "the joint it drives", "", refusals);
            continue;
        };
        let limit = torque_range(&element, "forcerange", refusals);
        let gear =
            element.numbers("gear", 1, 6, refusals).and_then(|gear| gear.first().copied()).unwrap_or(1.0);
        let known: Vec<String> = model.joints().map(|joint| joint.name.clone()).collect();
        let joint = model.bodies.iter_mut().filter_map(|body| body.joint.as_mut()).find(|j| j.name == target);
        match joint {
            Some(joint) => {
                let limit = limit.map(|limit| limit * gear.abs());
                joint.effort_max = match (joint.effort_max, limit) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            None => {
                let expected = format!("one of {}", known.join(", "));
                let hint = nearest(target, known.iter().map(String::as_str));
                element.refuse(RefusalKind::UnknownName, "joint", expected, &hint, refusals);
            }
        }
    }
}
