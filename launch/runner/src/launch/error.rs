//! What can be wrong with a launch file, where, and how to mend it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a launch file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was opened.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Location {
    pub(crate) fn start_of(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 1, column: 1 }
    }

    /// The n-th word (from 0) of the command line's launch arguments.
    pub(crate) fn command_line(word: usize) -> Self {
        let column = u32::try_from(word.saturating_add(1)).unwrap_or(u32::MAX);
        Self { file: Arc::from(Path::new("command line")), line: 1, column }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A launch file that cannot be run, with the place and, where one is known, the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchError {
    /// Where it was found.
    pub at: Location,
    /// What is wrong.
    pub kind: Box<LaunchErrorKind>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl LaunchError {
    pub(crate) fn new(at: &Location, kind: LaunchErrorKind) -> Self {
        Self { at: at.clone(), kind: Box::new(kind), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn bad_value(at: &Location, field: &str, found: &str, expected: &str) -> Self {
        Self::new(
            at,
            LaunchErrorKind::BadValue {
                field: field.to_owned(),
                found: found.to_owned(),
                expected: expected.to_owned(),
            },
        )
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.kind)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LaunchError {}

/// The kinds of refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchErrorKind {
    /// The file could not be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Unreadable {
        /// File asked for.
        path: PathBuf,
        /// The operating system's reason.
        reason: String,
    },
    /// Not well-formed XML.
    #[error("not well-formed XML: {reason}")]
    Xml {
        /// The parser's reason.
        reason: String,
    },
    /// A bound that no honest launch file reaches.
    #[error("{what} is beyond the limit of {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A tag outside the subset, or in the wrong place.
    #[error("unknown tag <{tag}> in {parent}; expected {expected}")]
    UnknownTag {
        /// The tag found.
        tag: String,
        /// The tag around it, or "the file".
        parent: String,
        /// What may stand there.
        expected: String,
    },
    /// An attribute outside the subset.
    #[error("unknown attribute `{attribute}` of <{tag}>; expected {expected}")]
    UnknownAttribute {
        /// The tag.
        tag: String,
        /// The attribute found.
        attribute: String,
        /// What may stand there.
        expected: String,
    },
    /// An attribute that must be there.
    #[error("<{tag}> lacks the attribute `{attribute}`")]
    MissingAttribute {
        /// The tag.
        tag: String,
        /// The attribute that is missing.
        attribute: &'static str,
    },
    /// Two things that exclude each other.
    #[error("<{tag}> has both {first} and {second}; expected one of them")]
    Conflict {
        /// The tag.
        tag: String,
        /// One of the two.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Text between tags, which launch ignores in silence.
    #[error("text `{text}` between the tags of <{tag}>; expected only tags")]
    StrayText {
        /// The tag around it.
        tag: String,
        /// Its first words.
        text: String,
    },
    /// A substitution that does not parse.
    #[error("malformed substitution in `{text}`: {reason}")]
    MalformedSubstitution {
        /// The attribute's text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A substitution outside the subset.
    #[error(
        "unknown substitution `$({name})`; expected $(var n), $(env N [default]), $(dirname) or $(find-pkg-share p)"
    )]
    UnknownSubstitution {
        /// Its name.
        name: String,
    },
    /// `$(var n)` of a name that has no value here.
    #[error("`$(var {name})`: no value in this scope")]
    UnsetVariable {
        /// The name.
        name: String,
    },
    /// `$(env N)` without default of a variable that is not set.
    #[error("`$(env {name})`: not set in the environment")]
    UnsetEnvironment {
        /// The name.
        name: String,
    },
    /// `$(find-pkg-share p)` of a package that is not installed.
    #[error("`$(find-pkg-share {name})`: no such package found")]
    UnknownPackage {
        /// The package.
        name: String,
    },
    /// `$(dirname)` where stock launch answers with another file's folder.
    #[error("`$(dirname)` after an include: stock ROS 2 launch answers with the included file's folder here")]
    StaleDirname,
    /// An argument without default that was given no value.
    #[error("launch argument `{name}` has no default and was given no value ({description})")]
    MissingArgument {
        /// The argument.
        name: String,
        /// Its description, or a note that it has none.
        description: String,
    },
    /// An argument whose value is none of its choices.
    #[error("launch argument `{name}` is `{value}`; expected one of {choices}")]
    NotAChoice {
        /// The argument.
        name: String,
        /// The value found.
        value: String,
        /// The choices.
        choices: String,
    },
    /// A command-line argument that no file declares.
    #[error("unknown launch argument `{name}`; declared: {declared}")]
    UndeclaredArgument {
        /// The argument.
        name: String,
        /// Those that exist.
        declared: String,
    },
    /// A file that includes itself.
    #[error("include of `{}`, which is being read already", path.display())]
    IncludeLoop {
        /// The file.
        path: PathBuf,
    },
    /// Two nodes of one name.
    #[error("node `{name}` exists already, from {first}")]
    DuplicateNode {
        /// Fully qualified node name.
        name: String,
        /// The other one.
        first: Location,
    },
    /// A value of the wrong form.
    #[error("{field}: found `{found}`, expected {expected}")]
    BadValue {
        /// Tag and attribute.
        field: String,
        /// What was there.
        found: String,
        /// What should be.
        expected: String,
    },
}
