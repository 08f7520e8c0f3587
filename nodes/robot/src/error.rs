//! Why a description was refused, in words a person can act on.

use std::fmt;
use std::path::PathBuf;

/// What is wrong with one value, for callers that branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The file is not well-formed YAML or XML.
    Syntax,
    /// A required field is absent.
    Missing,
    /// A key or attribute the closed schema does not know.
    Unknown,
    /// A name, key or id that must be unique occurs twice.
    Duplicate,
    /// Text where a number is needed, and the like.
    WrongType,
    /// NaN or infinity.
    NotFinite,
    /// Outside the field's range.
    OutOfRange,
    /// A reference to something that does not exist.
    UnknownName,
    /// Two values that are legal alone and wrong together.
    Conflict,
    /// A bus asked to carry more than its budget.
    Budget,
    /// Legal in the format, not supported here.
    Unsupported,
}

/// One refused value: where it stands, what was found, what was expected, how to mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What is wrong, as a closed set.
    pub kind: RefusalKind,
    /// File the value stands in.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// Path of the field, such as `joints[FR_calf].limits.tau_max_nm`.
    pub field: String,
    /// The value as written, or `nothing`.
    pub found: String,
    /// What would have been accepted.
    pub expected: String,
    /// How to mend it; empty when `expected` says it all.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { file, line, column, field, found, expected, hint, .. } = self;
        write!(f, "{file}:{line}:{column}: {field}: found {found}, expected {expected}")?;
        if !hint.is_empty() {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Why [`Robot::load`](crate::Robot::load) or [`Robot::parse`](crate::Robot::parse) gave no robot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file could not be read: check the path and its permissions.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file is larger than any description can be: probably the wrong file.
    #[error(
        "{file}: found {found_bytes} bytes, expected at most {max_bytes}\n  hint: is this the right file?"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        found_bytes: u64,
        /// The largest size accepted.
        max_bytes: u64,
    },
    /// At least one value is wrong; all that were found are listed, in file order.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
}

impl LoadError {
    /// The refused values, empty for the other kinds of error.
    pub fn refusals(&self) -> &[Refusal] {
        match self {
            LoadError::Refused(refusals) => refusals,
            LoadError::Read { .. } | LoadError::TooLarge { .. } => &[],
        }
    }
}

fn list(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    lines.join("\n")
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    pub const START: Place = Place { line: 1, column: 1 };
}

/// Collects the refusals of one file, so that a user sees all of them at once.
#[derive(Debug)]
pub(crate) struct Refusals {
    pub file: String,
    pub list: Vec<Refusal>,
}

impl Refusals {
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Notes one refusal; the reader goes on with a stand-in value.
    pub fn add(
        &mut self,
        kind: RefusalKind,
        place: Place,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.list.push(Refusal {
            kind,
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            field: field.into(),
            found: found.into(),
            expected: expected.into(),
            hint: hint.into(),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The refusals in file order. A wrong default is read once per joint and told once.
    pub fn sorted(self) -> Vec<Refusal> {
        let mut list = self.list;
        list.sort_by_key(|refusal| (refusal.line, refusal.column));
        let key = |refusal: &Refusal| {
            let leaf = refusal.field.rsplit('.').next().unwrap_or_default().to_owned();
            (refusal.line, refusal.column, refusal.kind, leaf, refusal.found.clone())
        };
        list.dedup_by_key(|refusal| key(refusal));
        list
    }

    /// `Ok` when nothing was refused.
    pub fn finish(self) -> Result<(), LoadError> {
        let list = self.sorted();
        if list.is_empty() { Ok(()) } else { Err(LoadError::Refused(list)) }
    }
}

/// `did you mean` for a name that is not in `known`; empty when nothing is close.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let best = known.into_iter().map(|candidate| (distance(name, candidate), candidate)).min();
    match best {
        Some((edits, candidate)) if edits <= 2.max(name.len() / 3) => format!("did you mean `{candidate}`?"),
        _ => String::new(),
    }
}

/// Edit distance (Levenshtein), single row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_the_slip_of_the_finger_and_nothing_else() {
        let known = ["FR_hip", "FR_thigh", "FR_calf"];
        assert_eq!(nearest("FR_clf", known), "did you mean `FR_calf`?");
        assert_eq!(nearest("gripper_left", known), "");
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
