//! `<node>` to [`NodePlan`].

use std::path::PathBuf;

use super::document::{Attribute, Element};
use super::error::{LaunchError, LaunchErrorKind};
use super::names;
use super::plan::{NodeOutput, NodePlan};
use super::scope::Expander;
use super::substitution::Template;
use super::value::{self, ParamValue, Untyped};
use super::words::{self, WordsError};

/// Seconds that launch waits by default before each of SIGTERM and SIGKILL.
const DEFAULT_TIMEOUT_S: f64 = 5.0;
/// Longest time a launch file may ask for, s.
const MAX_TIME_S: f64 = 3600.0;

/// Evaluates a node whose condition holds.
pub(crate) fn evaluate(element: &Element, expander: &Expander<'_>) -> Result<NodePlan, LaunchError> {
    let mut plan = NodePlan {
        pkg: word(element, "pkg", expander)?,
        exec: word(element, "exec", expander)?,
        name: name(element, expander)?,
        namespace: namespace(element, expander)?,
        args: args(element, expander)?,
        params: Vec::new(),
        param_files: Vec::new(),
        env: expander.scope.environment.clone().into_iter().collect(),
        respawn: element.attribute("respawn").map_or(Ok(false), |a| respawn(a, expander))?,
        respawn_delay_s: seconds(element, "respawn_delay", 0.0)?,
        respawn_max_retries: max_retries(element)?,
        sigterm_timeout_s: seconds(element, "sigterm_timeout", DEFAULT_TIMEOUT_S)?,
        sigkill_timeout_s: seconds(element, "sigkill_timeout", DEFAULT_TIMEOUT_S)?,
        on_exit_shutdown: on_exit(element)?,
        output: output(element, expander)?,
        source: element.at.clone(),
    };
    for child in &element.children {
        match child.tag.as_str() {
            "env" => {
                let (name, value) = variable(child, expander)?;
                plan.env.retain(|(n, _)| *n != name);
                plan.env.push((name, value));
            }
            _ => param(child, expander, &mut plan)?,
        }
    }
    Ok(plan)
}

/// Name and value of an `<env>` or `<set_env>`.
pub(crate) fn variable(element: &Element, expander: &Expander<'_>) -> Result<(String, String), LaunchError> {
    let attribute = element.required("name")?;
    let name = expander.attribute(attribute)?;
    if !names::is_variable_name(&name) {
        return Err(bad(element, attribute, &name, "the name of an environment variable"));
    }
    Ok((name, expander.attribute(element.required("value")?)?))
}

fn bad(element: &Element, attribute: &Attribute, found: &str, expected: &str) -> LaunchError {
    let field = format!("<{} {}>", element.tag, attribute.name);
    LaunchError::bad_value(&attribute.at, &field, found, expected)
}

fn word(element: &Element, name: &'static str, expander: &Expander<'_>) -> Result<String, LaunchError> {
    let attribute = element.required(name)?;
    let text = expander.attribute(attribute)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.starts_with('.') || !text.chars().all(allowed) {
        return Err(bad(element, attribute, &text, "a name of letters, digits, `_`, `-` and `.`"));
    }
    Ok(text)
}

fn name(element: &Element, expander: &Expander<'_>) -> Result<String, LaunchError> {
    let attribute = element.required("name")?;
    let text = expander.attribute(attribute)?;
    if !names::is_node_name(&text) {
        return Err(bad(
            element,
            attribute,
            &text,
            "a node name: letters, digits, `_`, not starting with a digit",
        ));
    }
    Ok(text)
}

fn namespace(element: &Element, expander: &Expander<'_>) -> Result<String, LaunchError> {
    let Some(attribute) = element.attribute("namespace") else {
        return Ok(String::new());
    };
    let text = expander.attribute(attribute)?;
    names::absolute_namespace(&text).ok_or_else(|| {
        bad(element, attribute, &text, "a namespace: names parted by `/`, each of letters, digits and `_`")
    })
}

fn args(element: &Element, expander: &Expander<'_>) -> Result<Vec<String>, LaunchError> {
    let Some(attribute) = element.attribute("args") else {
        return Ok(Vec::new());
    };
    let words = words::split(&Template::parse(attribute)?).map_err(|error| match error {
        WordsError::OpenQuote => bad(element, attribute, &attribute.value, "closed quotes around plain text")
            .hint("words are split before substitution: a quoted word cannot hold a $(…); a bare $(…) is one word"),
        WordsError::LoneBackslash => bad(element, attribute, &attribute.value, "a character after `\\`"),
        WordsError::EmptyWord => bad(element, attribute, &attribute.value, "words, without space before them")
            .hint("ROS 2 launch would pass an empty word; leave `args` out, or begin it with a word"),
    })?;
    words.iter().map(|word| expander.expand(word, attribute)).collect()
}

fn respawn(attribute: &Attribute, expander: &Expander<'_>) -> Result<bool, LaunchError> {
    let text = expander.attribute(attribute)?;
    match text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(LaunchError::bad_value(&attribute.at, "<node respawn>", &text, "true or false")),
    }
}

fn seconds(element: &Element, name: &'static str, default: f64) -> Result<f64, LaunchError> {
    let Some(attribute) = element.attribute(name) else {
        return Ok(default);
    };
    match value::by_type(&attribute.value, "float") {
        Ok(ParamValue::Double(s)) if (0.0..=MAX_TIME_S).contains(&s) => Ok(s),
        _ => Err(bad(element, attribute, &attribute.value, "seconds, 0 to 3600, as a decimal number")),
    }
}

fn max_retries(element: &Element) -> Result<Option<u32>, LaunchError> {
    let Some(attribute) = element.attribute("respawn_max_retries") else {
        return Ok(None);
    };
    match value::by_type(&attribute.value, "int") {
        Ok(ParamValue::Integer(-1)) => Ok(None),
        Ok(ParamValue::Integer(n)) if u32::try_from(n).is_ok() => Ok(u32::try_from(n).ok()),
        _ => Err(bad(element, attribute, &attribute.value, "the most restarts, or -1 for no limit")),
    }
}

fn on_exit(element: &Element) -> Result<bool, LaunchError> {
    match element.attribute("on_exit") {
        None => Ok(false),
        Some(attribute) if attribute.value == "shutdown" => Ok(true),
        Some(attribute) => Err(bad(element, attribute, &attribute.value, "shutdown")),
    }
}

fn output(element: &Element, expander: &Expander<'_>) -> Result<NodeOutput, LaunchError> {
    let Some(attribute) = element.attribute("output") else {
        return Ok(NodeOutput::default());
    };
    let text = expander.attribute(attribute)?;
    match text.as_str() {
        "log" => Ok(NodeOutput::Log),
        "screen" => Ok(NodeOutput::Screen),
        "both" => Ok(NodeOutput::Both),
        _ => Err(bad(element, attribute, &text, "log, screen or both")),
    }
}

/// A `<param>` of a node: one value, a tree of values, or a file.
fn param(element: &Element, expander: &Expander<'_>, plan: &mut NodePlan) -> Result<(), LaunchError> {
    match (element.attribute("from"), element.attribute("name")) {
        (Some(from), None) => {
            let conflict = ["value", "type"].into_iter().find(|n| element.attribute(n).is_some());
            if let Some(other) = conflict {
                return Err(LaunchError::new(&element.at, conflict_kind("`from`", other)));
            }
            if !element.children.is_empty() {
                return Err(LaunchError::new(&element.at, conflict_kind("`from`", "nested parameters")));
            }
            param_file(element, from, expander, plan)
        }
        (None, Some(_)) => named_param(element, "", expander, plan),
        (Some(_), Some(_)) => Err(LaunchError::new(&element.at, conflict_kind("`from`", "name"))),
        (None, None) => Err(LaunchError::new(
            &element.at,
            LaunchErrorKind::MissingAttribute { tag: element.tag.clone(), attribute: "name" },
        )
        .hint("write name and value, or from=\"file.yaml\"")),
    }
}

fn conflict_kind(first: &'static str, second: &'static str) -> LaunchErrorKind {
    let second = match second {
        "value" => "`value`",
        "type" => "`type`",
        "name" => "`name`",
        other => other,
    };
    LaunchErrorKind::Conflict { tag: "param".to_owned(), first, second }
}

fn param_file(
    element: &Element,
    from: &Attribute,
    expander: &Expander<'_>,
    plan: &mut NodePlan,
) -> Result<(), LaunchError> {
    let text = expander.attribute(from)?;
    let path = PathBuf::from(&text);
    if !path.is_absolute() {
        return Err(bad(element, from, &text, "an absolute path").hint("begin it with $(dirname)"));
    }
    if !expander.surroundings.is_file(&path) {
        return Err(bad(element, from, &text, "a file that exists"));
    }
    if !plan.params.is_empty() {
        return Err(bad(element, from, &text, "parameter files before single parameters").hint(
            "move it up: single parameters win over files here, the later one wins under ROS 2 launch",
        ));
    }
    plan.param_files.push(path);
    Ok(())
}

fn named_param(
    element: &Element,
    prefix: &str,
    expander: &Expander<'_>,
    plan: &mut NodePlan,
) -> Result<(), LaunchError> {
    let attribute = element.required("name")?;
    let name = expander.attribute(attribute)?;
    if !names::is_param_name(&name) {
        return Err(bad(
            element,
            attribute,
            &name,
            "a parameter name: names of letters, digits, `_` parted by `.`",
        ));
    }
    let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
    let kind = element.attribute("type");
    match (element.attribute("value"), element.children.is_empty()) {
        (Some(attribute), true) => {
            let value = typed(element, attribute, kind, expander)?;
            plan.params.retain(|(n, _)| *n != name);
            plan.params.push((name, value));
            Ok(())
        }
        (Some(_), false) => Err(LaunchError::new(&element.at, conflict_kind("nested parameters", "value"))),
        (None, true) => Err(LaunchError::new(
            &element.at,
            LaunchErrorKind::MissingAttribute { tag: "param".to_owned(), attribute: "value" },
        )),
        (None, false) if kind.is_some() => {
            Err(LaunchError::new(&element.at, conflict_kind("nested parameters", "type")))
        }
        (None, false) => {
            element.children.iter().try_for_each(|child| named_param(child, &name, expander, plan))
        }
    }
}

fn typed(
    element: &Element,
    attribute: &Attribute,
    kind: Option<&Attribute>,
    expander: &Expander<'_>,
) -> Result<ParamValue, LaunchError> {
    let template = Template::parse(attribute)?;
    let text = expander.expand(&template, attribute)?;
    let value = match kind {
        Some(kind) if !value::TYPES.contains(&kind.value.as_str()) => {
            let expected = value::TYPES.join(", ");
            return Err(bad(element, kind, &kind.value, &expected));
        }
        Some(kind) => value::by_type(&text, &kind.value),
        // Backslashes are taken away after YAML has read the text, and before it reads it again.
        None if attribute.value.contains('\\') => Err(Untyped {
            expected: "no backslash in a value without `type`",
            hint: Some("write type=\"str\""),
        }),
        None => value::by_form(&text, template.has_calls()),
    };
    value.map_err(|Untyped { expected, hint }| {
        let error = bad(element, attribute, &text, expected);
        if let Some(hint) = hint { error.hint(hint) } else { error }
    })
}
