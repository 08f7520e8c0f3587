//! Why a foreign model cannot be taken over.

use crate::onnx::GraphError;
use crate::source::SourceError;

/// Something that no file of the source says, and how the user can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is needed, as the manifest calls it, e.g. `joints.kp`.
    pub what: String,
    /// Why the source does not say it.
    pub why: String,
    /// The option or file that supplies it.
    pub supply: String,
}

/// Something that no file of the source says and that was taken all the same; the user has to look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// What it is, as the manifest calls it, e.g. `runtime.deadline_ms`.
    pub what: String,
    /// What was taken.
    pub value: String,
    /// Why the source does not say it, and why this was taken.
    pub why: String,
    /// The option that replaces it.
    pub supply: String,
}

/// Why an import ends without a model.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file that cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A stand-in of Git LFS instead of the file.
    #[error(
        "{file}: found a Git LFS pointer of {bytes} bytes; expected the file itself; run `git lfs pull` where it came from"
    )]
    LfsPointer {
        /// File.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// Not text although it should be.
    #[error("{file}: byte {at} is not UTF-8 text; expected YAML or JSON; copy the file again")]
    Text {
        /// File.
        file: String,
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not YAML or JSON.
    #[error("{file}:{line}: {reason}; expected well-formed YAML or JSON; correct the line")]
    Syntax {
        /// File.
        file: String,
        /// Line from 1.
        line: usize,
        /// What the reader says.
        reason: String,
    },
    /// A value that is wrong, unknown or not supported.
    #[error("{file}:{line}: `{field}`: found {found}; expected {expected}; {hint}")]
    Content {
        /// File.
        file: Box<str>,
        /// Line from 1.
        line: usize,
        /// Path of the value in the file.
        field: Box<str>,
        /// What stands there.
        found: Box<str>,
        /// What should.
        expected: Box<str>,
        /// How to mend it.
        hint: Box<str>,
    },
    /// A value that was read well and that no manifest may hold.
    #[error("{from}: `{field}` of the model: found {found}; expected {expected}; {hint}")]
    Refused {
        /// File, line and key it was read at.
        from: Box<str>,
        /// Path in the manifest.
        field: Box<str>,
        /// What was read.
        found: Box<str>,
        /// What may stand there.
        expected: Box<str>,
        /// How to mend it.
        hint: Box<str>,
    },
    /// Files that are missing, doubled or of another sort than needed.
    #[error("{folder}: found {found}; expected {expected}; {hint}")]
    Files {
        /// Folder imported.
        folder: Box<str>,
        /// What is there.
        found: Box<str>,
        /// What should be.
        expected: Box<str>,
        /// How to mend it.
        hint: Box<str>,
    },
    /// A graph that cannot be read.
    #[error("{file}: {error}")]
    Graph {
        /// File.
        file: String,
        /// Why.
        #[source]
        error: GraphError,
    },
    /// A `--set` of no use.
    #[error("--set {key}: {reason}")]
    Override {
        /// Key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// All that the source does not say.
    #[error("{}", listed(.0))]
    Unknown(Vec<Missing>),
}

fn listed(missing: &[Missing]) -> String {
    let mut text = match missing.len() {
        1 => "one thing is not in the source and is not guessed:".to_owned(),
        n => format!("{n} things are not in the source and are not guessed:"),
    };
    for item in missing {
        text.push_str(&format!("\n  {}: {}\n    supply it: {}", item.what, item.why, item.supply));
    }
    text
}
