//! Reading one map of `robot.yaml` against the closed schema.

use crate::error::{Place, RefusalKind, Refusals, nearest};
use crate::range::Range;
use crate::yaml::{Node, Value};

/// One map being read. Keys asked for are the schema; what was not asked for is refused by [`Section::finish`].
pub(crate) struct Section<'a> {
    path: String,
    place: Place,
    entries: &'a [(String, Place, Node)],
    asked: Vec<&'static str>,
}

/// A number and where it stands; absent keys stand at their section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<T> {
    pub value: T,
    pub place: Place,
}

impl<'a> Section<'a> {
    /// Opens a map; anything else is refused and read as an empty one.
    pub fn open(node: &'a Node, path: impl Into<String>, refusals: &mut Refusals) -> Section<'a> {
        let path = path.into();
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            _ => {
                refusals.add(RefusalKind::WrongType, node.place, path.as_str(), node.found(), "a map", "");
                &[]
            }
        };
        Section { path, place: node.place, entries, asked: Vec::new() }
    }

    /// Where the map stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Path of a key, for messages.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The node of a key, if present.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.entries.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node)
    }

    fn required(&mut self, key: &'static str, expected: &str, refusals: &mut Refusals) -> Option<&'a Node> {
        let node = self.node(key);
        if node.is_none() {
            let hint = format!("add `{key}:`");
            refusals.add(RefusalKind::Missing, self.place, self.path_of(key), "nothing", expected, hint);
        }
        node
    }

    /// A number within its declared range; the default, or a stand-in after a refusal.
    pub fn number(&mut self, range: &Range, refusals: &mut Refusals) -> Placed<f64> {
        let stand_in = range.default.unwrap_or(range.min);
        match self.optional_number(range, refusals) {
            Some(placed) => placed,
            None => {
                if range.default.is_none() {
                    let hint = format!("add `{}:`", range.key);
                    let field = self.path_of(range.key);
                    refusals.add(RefusalKind::Missing, self.place, field, "nothing", describe(range), hint);
                }
                Placed { value: stand_in, place: self.place }
            }
        }
    }

    /// A number within its declared range, or `None` when the key is absent.
    pub fn optional_number(&mut self, range: &Range, refusals: &mut Refusals) -> Option<Placed<f64>> {
        let node = self.node(range.key)?;
        let field = self.path_of(range.key);
        let value = check_number(node, &field, range, refusals).unwrap_or(range.default.unwrap_or(range.min));
        Some(Placed { value, place: node.place })
    }

    /// A fixed number of numbers, each within the same range.
    pub fn vector<const N: usize>(
        &mut self,
        range: &Range,
        stand_in: [f64; N],
        refusals: &mut Refusals,
    ) -> Placed<[f64; N]> {
        let expected = format!("a list of {N} numbers, each {}", describe(range));
        let Some(node) = self.required(range.key, &expected, refusals) else {
            return Placed { value: stand_in, place: self.place };
        };
        let field = self.path_of(range.key);
        let mut value = stand_in;
        match &node.value {
            Value::List(items) if items.len() == N => {
                for (i, (slot, item)) in value.iter_mut().zip(items).enumerate() {
                    if let Some(number) = check_number(item, &format!("{field}[{i}]"), range, refusals) {
                        *slot = number;
                    }
                }
            }
            _ => refusals.add(RefusalKind::WrongType, node.place, field, node.found(), expected, ""),
        }
        Placed { value, place: node.place }
    }

    /// A name: letters, digits and `_`, at most 63 bytes, starting with a letter.
    pub fn name(&mut self, key: &'static str, refusals: &mut Refusals) -> Placed<String> {
        const EXPECTED: &str = "a name of letters, digits and `_`, starting with a letter, at most 63 bytes";
        let Some(node) = self.required(key, EXPECTED, refusals) else {
            return Placed { value: String::new(), place: self.place };
        };
        if let Value::Text(text) = &node.value
            && is_name(text)
        {
            return Placed { value: text.clone(), place: node.place };
        }
        refusals.add(RefusalKind::WrongType, node.place, self.path_of(key), node.found(), EXPECTED, "");
        Placed { value: String::new(), place: node.place }
    }

    /// Any text; what it may hold is the caller's to check.
    pub fn text(
        &mut self,
        key: &'static str,
        expected: &str,
        refusals: &mut Refusals,
    ) -> Option<Placed<String>> {
        let node = self.required(key, expected, refusals)?;
        if let Value::Text(text) = &node.value {
            return Some(Placed { value: text.clone(), place: node.place });
        }
        refusals.add(RefusalKind::WrongType, node.place, self.path_of(key), node.found(), expected, "");
        None
    }

    /// One word of a closed set.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        refusals: &mut Refusals,
    ) -> Option<T> {
        let known = || words.iter().map(|(word, _)| *word);
        let expected = format!("one of {}", known().collect::<Vec<_>>().join(", "));
        let node = self.required(key, &expected, refusals)?;
        let Value::Text(text) = &node.value else {
            refusals.add(RefusalKind::WrongType, node.place, self.path_of(key), node.found(), expected, "");
            return None;
        };
        let hit = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if hit.is_none() {
            let hint = nearest(text, known());
            refusals.add(
                RefusalKind::UnknownName,
                node.place,
                self.path_of(key),
                node.found(),
                expected,
                hint,
            );
        }
        hit
    }

    /// The items of a list.
    pub fn list(&mut self, key: &'static str, refusals: &mut Refusals) -> &'a [Node] {
        match self.required(key, "a list", refusals) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => {
                refusals.add(
                    RefusalKind::WrongType,
                    node.place,
                    self.path_of(key),
                    node.found(),
                    "a list",
                    "",
                );
                &[]
            }
        }
    }

    /// A section inside this one.
    pub fn section(&mut self, key: &'static str, refusals: &mut Refusals) -> Option<Section<'a>> {
        let node = self.required(key, "a map", refusals)?;
        Some(Section::open(node, self.path_of(key), refusals))
    }

    /// All entries, for maps whose keys are names given elsewhere.
    pub fn entries(&self) -> &'a [(String, Place, Node)] {
        self.entries
    }

    /// Refuses repeated keys and keys the schema does not have.
    pub fn finish(self, refusals: &mut Refusals) {
        self.finish_names(&self.asked, refusals);
    }

    /// The same for a map whose keys are the given names.
    pub fn finish_names(&self, known: &[&str], refusals: &mut Refusals) {
        for (i, (key, place, _)) in self.entries.iter().enumerate() {
            let field = self.path_of(key);
            if self.entries.iter().take(i).any(|(earlier, _, _)| earlier == key) {
                refusals.add(
                    RefusalKind::Duplicate,
                    *place,
                    field,
                    format!("`{key}` again"),
                    "each key once",
                    "",
                );
            } else if !known.contains(&key.as_str()) {
                let expected = format!("one of {}", known.join(", "));
                let hint = nearest(key, known.iter().copied());
                refusals.add(RefusalKind::Unknown, *place, field, format!("`{key}`"), expected, hint);
            }
        }
    }
}

/// Checks one number node; `None` after a refusal.
pub(crate) fn check_number(node: &Node, field: &str, range: &Range, refusals: &mut Refusals) -> Option<f64> {
    let mut refuse = |kind, hint: &str| {
        refusals.add(kind, node.place, field, node.found(), describe(range), hint);
        None
    };
    match node.value {
        Value::Number(value) if !value.is_finite() => refuse(RefusalKind::NotFinite, ""),
        Value::Number(value) if value < range.min || value > range.max => refuse(RefusalKind::OutOfRange, ""),
        Value::Number(value) if range.whole && value.fract() != 0.0 => refuse(RefusalKind::OutOfRange, ""),
        Value::Number(value) => Some(value),
        Value::Text(_) => refuse(RefusalKind::WrongType, "write the bare number, in the unit the key names"),
        _ => refuse(RefusalKind::WrongType, ""),
    }
}

/// The range in words.
pub(crate) fn describe(range: &Range) -> String {
    let kind = if range.whole { "a whole number" } else { "a number" };
    if range.min == range.max {
        format!("{}", range.min)
    } else {
        format!("{kind} {}..{}", range.min, range.max)
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
