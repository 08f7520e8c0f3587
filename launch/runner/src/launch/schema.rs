//! The subset as data: which tag may stand where, with which attributes. Checked over the whole file
//! before anything is evaluated, so that a mistake in a branch not taken today is found today.

use super::document::{Attribute, Element};
use super::error::{LaunchError, LaunchErrorKind};
use super::names;
use super::substitution::Template;

/// How an attribute's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Substitutions are expanded.
    Expanded,
    /// Launch reads it as it stands; a substitution there would not work.
    Literal,
    /// Free text for people.
    Prose,
}
use Reading::{Expanded, Literal, Prose};

struct Rule {
    tag: &'static str,
    /// The tags around it in which this rule holds.
    inside: &'static [&'static str],
    required: &'static [(&'static str, Reading)],
    optional: &'static [(&'static str, Reading)],
    children: &'static [&'static str],
}

const ACTIONS: &[&str] = &["arg", "let", "group", "include", "set_env", "node"];
const SCOPES: &[&str] = &["launch", "group"];
const IF: (&str, Reading) = ("if", Expanded);
const UNLESS: (&str, Reading) = ("unless", Expanded);
const NAME: (&str, Reading) = ("name", Expanded);
const VALUE: (&str, Reading) = ("value", Expanded);

const RULES: &[Rule] = &[
    Rule { tag: "launch", inside: &[""], required: &[], optional: &[("version", Prose)], children: ACTIONS },
    Rule {
        tag: "arg",
        inside: SCOPES,
        required: &[("name", Literal)],
        optional: &[("default", Expanded), ("description", Prose), IF, UNLESS],
        children: &["choice"],
    },
    Rule { tag: "choice", inside: &["arg"], required: &[("value", Literal)], optional: &[], children: &[] },
    Rule { tag: "let", inside: SCOPES, required: &[NAME, VALUE], optional: &[IF, UNLESS], children: &[] },
    Rule {
        tag: "group",
        inside: SCOPES,
        required: &[],
        optional: &[("scoped", Literal), IF, UNLESS],
        children: ACTIONS,
    },
    Rule {
        tag: "include",
        inside: SCOPES,
        required: &[("file", Expanded)],
        optional: &[IF, UNLESS],
        children: &["arg", "let"],
    },
    Rule { tag: "arg", inside: &["include"], required: &[NAME, VALUE], optional: &[], children: &[] },
    Rule { tag: "let", inside: &["include"], required: &[NAME, VALUE], optional: &[], children: &[] },
    Rule { tag: "set_env", inside: SCOPES, required: &[NAME, VALUE], optional: &[IF, UNLESS], children: &[] },
    Rule {
        tag: "node",
        inside: SCOPES,
        required: &[("pkg", Expanded), ("exec", Expanded), NAME],
        optional: &[
            ("namespace", Expanded),
            ("args", Expanded),
            ("output", Expanded),
            ("respawn", Expanded),
            ("respawn_delay", Literal),
            ("respawn_max_retries", Literal),
            ("on_exit", Literal),
            ("sigterm_timeout", Literal),
            ("sigkill_timeout", Literal),
            IF,
            UNLESS,
        ],
        children: &["param", "env"],
    },
    Rule { tag: "env", inside: &["node"], required: &[NAME, VALUE], optional: &[], children: &[] },
    Rule {
        tag: "param",
        inside: &["node"],
        required: &[],
        optional: &[NAME, VALUE, ("type", Literal), ("from", Expanded)],
        children: &["param"],
    },
    Rule {
        tag: "param",
        inside: &["param"],
        required: &[NAME],
        optional: &[VALUE, ("type", Literal)],
        children: &["param"],
    },
];

/// Tags of ROS launch that are left out, and what to do instead.
const TAG_HINTS: &[(&str, &str)] = &[
    ("remap", "name topics by parameters, or start the node with --ros-args -r"),
    ("lifecycle_node", "use <node>; its lifecycle is driven by services"),
    ("push_ros_namespace", "write namespace=\"$(var robot)\" at each node"),
    ("push-ros-namespace", "write namespace=\"$(var robot)\" at each node"),
    ("set_parameter", "write the <param> at each node; set_parameter leaks out of groups"),
    ("set_remap", "remap at the node; set_remap leaks out of groups"),
    ("unset_env", "give <env> at the nodes that need another value"),
    ("executable", "use <node>, or start the program outside of the launch file"),
    ("timer", "nodes wait for their peers by themselves; nothing here starts by time"),
    ("machine", "ROS 1; start one launch file per machine"),
    ("rosparam", "ROS 1; use <param from=\"file.yaml\"/> inside <node>"),
    ("test", "ROS 1; tests live outside of launch files"),
    ("node_container", "components need a ROS executable; use <node>"),
    ("load_composable_node", "components need a ROS executable; use <node>"),
    ("log", "descriptions of arguments say what people need to know"),
    ("shutdown", "write on_exit=\"shutdown\" at the node whose end ends all"),
];

/// Attributes of ROS launch that are left out, and what to do instead.
const ATTRIBUTE_HINTS: &[(&str, &str)] = &[
    ("ros_args", "use <param>, name and namespace"),
    ("launch-prefix", "start the program under the debugger or tracer outside of the launch file"),
    ("cwd", "give absolute paths, by $(dirname)"),
    ("exec_name", "the node's name is its process's name"),
    ("node-name", "use name"),
    ("type", "ROS 1 in <node>; use exec"),
    ("ns", "use namespace"),
    ("required", "ROS 1; use on_exit=\"shutdown\""),
    ("forwarding", "groups see the configurations around them"),
    ("allow_substs", "parameter files are read as they are"),
    ("value-sep", "write a list: [1, 2]"),
    ("pass_all_args", "ROS 1; an include sees all configurations around it"),
    ("value", "ROS 1 in <arg>; use default, or <let>"),
    ("doc", "use description"),
];

/// Refuses whatever is outside the subset. `parent` is the tag around `element`, "" for the root.
pub(crate) fn check(element: &Element, parent: &str) -> Result<(), LaunchError> {
    let Some(rule) = rule(&element.tag, parent) else {
        return Err(unknown_tag(element, parent));
    };
    for attribute in &element.attributes {
        let readings = rule.required.iter().chain(rule.optional);
        let Some((_, reading)) = readings.copied().find(|(name, _)| *name == attribute.name) else {
            return Err(unknown_attribute(element, attribute, rule));
        };
        check_text(element, attribute, reading)?;
    }
    for (name, _) in rule.required {
        element.required(name)?;
    }
    if element.attribute("if").is_some() && element.attribute("unless").is_some() {
        return Err(LaunchError::new(
            &element.at,
            LaunchErrorKind::Conflict { tag: element.tag.clone(), first: "`if`", second: "`unless`" },
        )
        .hint("put one of them on a <group> around it"));
    }
    for child in &element.children {
        if !rule.children.contains(&child.tag.as_str()) {
            return Err(unknown_tag(child, &element.tag));
        }
        check(child, &element.tag)?;
    }
    Ok(())
}

fn rule(tag: &str, parent: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.tag == tag && rule.inside.contains(&parent))
}

fn check_text(element: &Element, attribute: &Attribute, reading: Reading) -> Result<(), LaunchError> {
    match reading {
        Expanded => Template::parse(attribute).map(|_| ()),
        Prose => Ok(()),
        Literal if attribute.value.contains(['$', '\\']) => Err(LaunchError::bad_value(
            &attribute.at,
            &format!("<{} {}>", element.tag, attribute.name),
            &attribute.value,
            "plain text; ROS 2 launch substitutes nothing here",
        )),
        Literal => Ok(()),
    }
}

fn unknown_tag(element: &Element, parent: &str) -> LaunchError {
    let expected: &[&str] = match parent {
        "" => &["launch"],
        _ => RULES.iter().find(|r| r.tag == parent && !r.children.is_empty()).map_or(&[], |r| r.children),
    };
    let tag = element.tag.clone();
    let parent = if parent.is_empty() { "the file".to_owned() } else { format!("<{parent}>") };
    let tags: Vec<String> = expected.iter().map(|t| format!("<{t}>")).collect();
    let hint = hint(&tag, TAG_HINTS, expected.iter().copied());
    let elsewhere = RULES.iter().find(|r| r.tag == tag);
    let expected = if tags.is_empty() { "no tag".to_owned() } else { tags.join(" ") };
    let error = LaunchError::new(&element.at, LaunchErrorKind::UnknownTag { tag, parent, expected });
    match (hint, elsewhere) {
        (_, Some(rule)) => error.hint(format!("it belongs into <{}>", rule.inside.join("> or <"))),
        (Some(hint), None) => error.hint(hint),
        (None, None) => error,
    }
}

fn unknown_attribute(element: &Element, attribute: &Attribute, rule: &Rule) -> LaunchError {
    let names: Vec<&str> = rule.required.iter().chain(rule.optional).map(|(name, _)| *name).collect();
    let hint = hint(&attribute.name, ATTRIBUTE_HINTS, names.iter().copied());
    let expected = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    let kind = LaunchErrorKind::UnknownAttribute {
        tag: element.tag.clone(),
        attribute: attribute.name.clone(),
        expected,
    };
    let error = LaunchError::new(&attribute.at, kind);
    match hint {
        Some(hint) => error.hint(hint),
        None if matches!(attribute.name.as_str(), "if" | "unless") => {
            error.hint("conditions stand on actions; double the <node> with if and unless")
        }
        None => error,
    }
}

fn hint<'a>(
    name: &str,
    known: &[(&str, &str)],
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if let Some((_, text)) = known.iter().find(|(n, _)| *n == name) {
        return Some((*text).to_owned());
    }
    names::nearest(name, candidates).map(|n| format!("did you mean `{n}`?"))
}
