//! YAML and JSON as a tree whose nodes know their line, read by path with refusals that name it.
//!
//! Formats are read from this tree, not by derived structs: only so is every key accounted for, in file order
//! (the order of terms means something), with its place in the message. JSON is read by the same parser.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Spanned};

use super::error::ImportError;
use crate::manifest::holds_zero;

/// One value and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line from 1; 0 when it was given on the command line.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys in file order; doubled keys are kept and refused by [`At::closed`].
    Map(Vec<(String, Node)>),
}

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// How to call it.
    pub file: String,
    /// Its content.
    pub root: Node,
}

impl Document {
    /// Reads YAML or JSON. Foreign tags (`!!python/...`) are ignored, their values kept.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        let text = str::from_utf8(bytes)
            .map_err(|e| ImportError::Text { file: file.to_owned(), at: e.valid_up_to() })?;
        let mut options = serde_saphyr::Options::default();
        options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
        options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
        options.strict_booleans = true;
        options.reject_unsupported_tags = false;
        match serde_saphyr::from_str_with_options::<Node>(text, options) {
            Ok(root) => Ok(Self { file: file.to_owned(), root }),
            Err(error) => Err(ImportError::Syntax {
                file: file.to_owned(),
                line: error.location().map_or(1, |l| line(l.line())),
                reason: error.without_snippet().to_string(),
            }),
        }
    }

    /// The top of the tree.
    pub fn top(&self) -> At<'_> {
        At { file: &self.file, path: String::new(), node: &self.root }
    }
}

/// A node and the way to it.
#[derive(Clone, Debug)]
pub struct At<'a> {
    file: &'a str,
    path: String,
    node: &'a Node,
}

impl<'a> At<'a> {
    /// The value itself.
    pub fn value(&self) -> &'a Value {
        &self.node.value
    }

    /// Path in the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where this stands, for comments: `file:line path`.
    pub fn from(&self) -> String {
        if self.node.line == 0 {
            return format!("--set {}", self.path);
        }
        format!("{}:{} {}", self.file, self.node.line, self.path).trim_end().to_owned()
    }

    /// A refusal about this node.
    pub fn error(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> ImportError {
        ImportError::Content {
            file: if self.node.line == 0 { "--set".into() } else { self.file.into() },
            line: self.node.line.max(1),
            field: if self.path.is_empty() { "file".into() } else { self.path.as_str().into() },
            found: found.into().into(),
            expected: expected.into().into(),
            hint: hint.into().into(),
        }
    }

    /// The value as a user would recognise it, shortened.
    pub fn found(&self) -> String {
        match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) => format!("`{}`", text.chars().take(60).collect::<String>()),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(entries) => format!("a map of {} keys", entries.len()),
        }
    }

    fn mismatch(&self, expected: &str) -> ImportError {
        self.error(self.found(), expected, "correct the value")
    }

    fn child(&self, key: &str, node: &'a Node) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { file: self.file, path, node }
    }

    /// The value under `key`; `None` when it is not there or null.
    pub fn get(&self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &self.node.value else { return None };
        let found = entries.iter().find(|(name, _)| name == key)?;
        (found.1.value != Value::Null).then(|| self.child(key, &found.1))
    }

    /// The value under `key`, which must be there.
    pub fn required(&self, key: &str, expected: &str) -> Result<Self, ImportError> {
        self.get(key).ok_or_else(|| {
            let field = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
            self.error(format!("no `{field}`"), expected, "export again, or complete the file")
        })
    }

    /// True when this is null.
    pub fn is_null(&self) -> bool {
        self.node.value == Value::Null
    }

    /// Entries of a map in file order.
    pub fn entries(&self) -> Result<Vec<(&'a str, Self)>, ImportError> {
        let Value::Map(entries) = &self.node.value else { return Err(self.mismatch("a map")) };
        Ok(entries.iter().map(|(key, node)| (key.as_str(), self.child(key, node))).collect())
    }

    /// Refuses keys other than `known` and keys that stand twice.
    pub fn closed(&self, known: &[&str]) -> Result<(), ImportError> {
        for (key, at) in self.entries()? {
            if !known.contains(&key) {
                let expected = format!("one of {}", known.join(", "));
                let hint =
                    "a key this importer does not know may change what the model means; import it by hand";
                return Err(at.error("a key that is not known", expected, hint));
            }
        }
        self.each_key_once()
    }

    /// Refuses keys that stand twice.
    pub fn each_key_once(&self) -> Result<(), ImportError> {
        let entries = self.entries()?;
        for (index, (key, at)) in entries.iter().enumerate() {
            if entries.iter().take(index).any(|(other, _)| other == key) {
                return Err(at.error("the key a second time", "each key once", "remove one of them"));
            }
        }
        Ok(())
    }

    /// As a list.
    pub fn list(&self) -> Result<Vec<Self>, ImportError> {
        let Value::List(items) = &self.node.value else { return Err(self.mismatch("a list")) };
        let item = |(i, node)| Self { file: self.file, path: format!("{}[{i}]", self.path), node };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// As a finite number.
    pub fn number(&self) -> Result<f64, ImportError> {
        match self.node.value {
            Value::Number(value) if value.is_finite() => Ok(value),
            _ => Err(self.mismatch("a finite number")),
        }
    }

    /// As a whole number from 0.
    pub fn index(&self) -> Result<usize, ImportError> {
        let value = self.number()?;
        if (0.0..=1e9).contains(&value) && value.fract() == 0.0 {
            return Ok(value as usize);
        }
        Err(self.mismatch("a whole number from 0"))
    }

    /// As text.
    pub fn text(&self) -> Result<&'a str, ImportError> {
        match &self.node.value {
            Value::Text(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.mismatch("text")),
        }
    }

    /// As a list of numbers.
    pub fn numbers(&self) -> Result<Vec<f64>, ImportError> {
        self.list()?.iter().map(Self::number).collect()
    }

    /// As a list of exactly `count` numbers.
    pub fn numbers_of(&self, count: usize, of: &str) -> Result<Vec<f64>, ImportError> {
        let values = self.numbers()?;
        if values.len() == count {
            return Ok(values);
        }
        Err(self.error(
            format!("{} values", values.len()),
            format!("{count} ({of})"),
            "one value for each; the file is for another robot or was cut",
        ))
    }

    /// As a list of whole numbers from 0.
    pub fn indices(&self) -> Result<Vec<usize>, ImportError> {
        self.list()?.iter().map(Self::index).collect()
    }

    /// As a list of texts.
    pub fn texts(&self) -> Result<Vec<String>, ImportError> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    /// As `[low, high]` with low below high.
    pub fn pair(&self) -> Result<[f64; 2], ImportError> {
        match self.numbers()?.as_slice() {
            [lo, hi] if lo < hi => Ok([*lo, *hi]),
            _ => Err(self.mismatch("[low, high] with low below high")),
        }
    }

    /// As the range of one axis of the velocity command: `[low, high]` with 0 in it, as a stop asks for 0; `[0, 0]` is
    /// an axis that stays still.
    pub fn command_range(&self) -> Result<[f64; 2], ImportError> {
        match self.numbers()?.as_slice() {
            [lo, hi] if holds_zero([*lo, *hi]) => Ok([*lo, *hi]),
            [lo, hi] if lo <= hi => Err(self.error(
                format!("[{lo}, {hi}]"),
                "a range with 0 in it, which is what a stop asks for",
                "give the ranges to clamp to, each with 0 in it or left out: --set 'command.range={vx: [0, 1.2]}'",
            )),
            _ => Err(self.mismatch("[low, high] with low below high")),
        }
    }
}

fn line(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: line(spanned.referenced.line()), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text, list or map")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn a_python_tag_is_ignored_and_its_value_kept() {
        let text = b"a: !!python/object/apply:builtins.slice [null, null, null]\nb: [.*]\nc: 1.0e-05\n";
        let document = Document::parse("t", text).unwrap();
        let top = document.top();
        let Value::List(items) = top.get("a").unwrap().value() else { unreachable!() };
        assert!(items.iter().all(|i| i.value == Value::Null) && items.len() == 3);
        assert_eq!(top.get("b").unwrap().texts().unwrap(), [".*"]);
        assert_eq!(top.get("c").unwrap().number().unwrap(), 1e-5);
    }

    #[test]
    fn json_is_read_too_with_lines_and_tabs() {
        let text = b"{\n\t\"a\": {\"b\": [1, 2.5, -3e2]},\n\t\"c\": null, \"d\": true\n}\n";
        let document = Document::parse("t", text).unwrap();
        let b = document.top().get("a").unwrap().get("b").unwrap();
        assert_eq!(b.numbers().unwrap(), [1.0, 2.5, -300.0]);
        assert_eq!(b.from(), "t:2 a.b");
        assert!(document.top().get("c").is_none());
    }

    #[test]
    fn unknown_and_doubled_keys_are_refused_by_line() {
        let document = Document::parse("t", b"a: 1\nb: 2\na: 3\n").unwrap();
        let unknown = document.top().closed(&["a"]).unwrap_err().to_string();
        assert!(unknown.contains("t:2") && unknown.contains("`b`"), "{unknown}");
        let twice = document.top().closed(&["a", "b"]).unwrap_err().to_string();
        assert!(twice.contains("t:3") && twice.contains("second time"), "{twice}");
        let error = Document::parse("t", b"a: [1, 2\nb: 3\n").unwrap_err().to_string();
        assert!(error.contains("well-formed"), "{error}");
    }
}
