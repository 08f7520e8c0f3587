//! The ROS 2 rules for names: what may stand in a node name, a namespace, a parameter name.

/// Longest node name, in characters.
const MAX_NODE_NAME: usize = 255;
/// Longest namespace, in characters.
const MAX_NAMESPACE: usize = 245;

/// Configurations by which stock launch itself is steered; an argument of that name would act there.
const STEERING: [&str; 8] = [
    "ros_namespace",
    "global_params",
    "ros_remaps",
    "emulate_tty",
    "sigterm_timeout",
    "sigkill_timeout",
    "launch-prefix",
    "launch-prefix-filter",
];

/// `[A-Za-z_][A-Za-z0-9_]*`.
pub(crate) fn is_token(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A node's base name.
pub(crate) fn is_node_name(text: &str) -> bool {
    text.len() <= MAX_NODE_NAME && is_token(text)
}

/// A parameter name: tokens joined by dots.
pub(crate) fn is_param_name(text: &str) -> bool {
    text.split('.').all(is_token)
}

/// The name of an argument or a `let`: no character that a substitution would trip over.
pub(crate) fn is_configuration_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(allowed)
}

/// Whether stock launch listens to a configuration of this name.
pub(crate) fn steers_launch(name: &str) -> bool {
    STEERING.contains(&name)
}

/// The name of an environment variable.
pub(crate) fn is_variable_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

/// Makes a namespace absolute as launch does: a leading `/` is added, trailing ones are cut.
/// `None` when a part of it is no name.
pub(crate) fn absolute_namespace(text: &str) -> Option<String> {
    let path = text.strip_prefix('/').unwrap_or(text);
    let path = path.strip_suffix('/').unwrap_or(path);
    let valid = path.is_empty() || path.split('/').all(is_token);
    (valid && path.len() < MAX_NAMESPACE).then(|| format!("/{path}"))
}

/// The candidate nearest to `name` by edit distance, if it is near enough to be a slip of the keys.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = candidates.into_iter().map(|c| (distance(name, c), c)).min()?;
    (best.0 <= 2 && best.0 < name.chars().count()).then_some(best.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut previous = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(previous + usize::from(x != *y));
            previous = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_ros_rules() {
        assert!(is_node_name("control_2") && !is_node_name("2control") && !is_node_name("a/b"));
        assert!(is_param_name("a.b_c.d") && !is_param_name("a..b") && !is_param_name("a b"));
        assert_eq!(absolute_namespace("quad").as_deref(), Some("/quad"));
        assert_eq!(absolute_namespace("/quad/arm/").as_deref(), Some("/quad/arm"));
        assert_eq!(absolute_namespace("").as_deref(), Some("/"));
        assert_eq!(absolute_namespace("a//b"), None);
        assert_eq!(absolute_namespace("/1a"), None);
    }

    #[test]
    fn a_slip_of_the_keys_is_recognised() {
        assert_eq!(nearest("robto", ["seed", "robot"]), Some("robot"));
        assert_eq!(nearest("xyz", ["seed", "robot"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
