//! Names of topics and nodes, checked before Zenoh sees them: `*`, `$`, `#`, `?`, `@` and `%` mean something there.
use std::fmt;

/// Longest topic name, bytes.
const MAX_TOPIC: usize = 247;
/// Longest namespace and node name together, bytes.
const MAX_NODE: usize = 255;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Also `//` and a trailing `/`.
    #[error(
        "name {name:?}: found {token:?} between slashes; expected letters, digits and _, not beginning with a digit"
    )]
    Token { name: String, token: String },
    #[error("name {name:?}: found no leading /; expected a fully qualified name")]
    Relative { name: String },
    #[error("name {name:?}: found {found} bytes; expected at most {most}")]
    Length { name: String, found: usize, most: usize },
}

/// A fully qualified topic: `/quad/joint_states`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TopicName(String);

impl TopicName {
    /// Checks a fully qualified name.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_qualified(name, MAX_TOPIC)?;
        Ok(Self(name.to_owned()))
    }

    /// With its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node in its namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeName {
    namespace: String,
    name: String,
}

impl NodeName {
    /// `namespace` is empty, `/` or fully qualified; `name` is one token.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        let namespace = if namespace == "/" { "" } else { namespace };
        if !namespace.is_empty() {
            check_qualified(namespace, MAX_NODE)?;
        }
        check_token(name, name)?;
        let found = namespace.len() + 1 + name.len();
        if found > MAX_NODE {
            return Err(NameError::Length { name: name.to_owned(), found, most: MAX_NODE });
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Empty for the root, else with its leading slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Without its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn check_qualified(name: &str, most: usize) -> Result<(), NameError> {
    let Some(tokens) = name.strip_prefix('/') else {
        return Err(NameError::Relative { name: name.to_owned() });
    };
    if name.len() > most {
        return Err(NameError::Length { name: name.to_owned(), found: name.len(), most });
    }
    tokens.split('/').try_for_each(|token| check_token(name, token))
}

fn check_token(name: &str, token: &str) -> Result<(), NameError> {
    let starts = token.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if starts && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(())
    } else {
        Err(NameError::Token { name: name.to_owned(), token: token.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    #[test]
    fn what_would_reach_other_keys_is_refused_by_name() {
        for name in
            ["", "/", "a", "//a", "/a/", "/a//b", "/a/*", "/**", "/a$*", "/a#b", "/a?b", "/@a", "/a%b"]
        {
            assert!(TopicName::new(name).is_err(), "{name}");
        }
        for name in ["/1a", "/a b", "/ä", "/a/~", "/a-b"] {
            let refused = TopicName::new(name).unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
        assert!(TopicName::new(&format!("/{}", "x".repeat(247))).is_err());
    }

    #[test]
    fn usual_names_pass() {
        assert_eq!(TopicName::new("/quad/imu/data").unwrap().as_str(), "/quad/imu/data");
        assert_eq!(NodeName::new("/quad", "control").unwrap().to_string(), "/quad/control");
        assert_eq!(NodeName::new("/", "control").unwrap().to_string(), "/control");
        assert_eq!(NodeName::new("", "control").unwrap().namespace(), "");
        assert!(NodeName::new("quad", "control").is_err());
        assert!(NodeName::new("/quad", "a/b").is_err());
    }
}
