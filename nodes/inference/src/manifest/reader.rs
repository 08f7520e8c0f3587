//! A cursor over one table of the manifest: takes keys one by one, and refuses what nobody took.
//!
//! Written over the parsed document with its spans rather than over a derived deserialiser, so that every
//! refusal, whatever its kind, names line, field, found, expected and a hint.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a manifest, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: `{field}`: found {found}; expected {expected}; {hint}")]
pub struct ManifestError {
    /// File as it was named.
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
    /// Path of the key, e.g. `input[0].term[3].scale`.
    pub field: Box<str>,
    /// What stands there.
    pub found: Box<str>,
    /// What may stand there.
    pub expected: Box<str>,
    /// How to mend it.
    pub hint: Box<str>,
}

/// The text of a manifest, to turn offsets into lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Document<'_> {
    /// Line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|b| *b == b'\n').count()
    }
}

/// Keys of the manifest language that tasks other than a policy need: refused with a hint of their own.
const LATER: [&str; 8] =
    ["stage", "image", "sync", "decode", "tokenizer", "text_from", "max_len", "relative"];

/// Largest dimension of a tensor.
const MAX_SIZE: i64 = 1 << 20;

/// Letters to insert, delete or change to get from one word to the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// One table, with the path that leads to it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    document: Document<'a>,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    path: String,
    taken: RefCell<Vec<&'static str>>,
}

/// One value, with the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    document: Document<'a>,
    value: &'a Spanned<DeValue<'a>>,
    pub(super) path: String,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(document: Document<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            document,
            table: table.get_ref(),
            span: table.span(),
            path: String::new(),
            taken: RefCell::default(),
        }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of `key`, if it is there.
    pub(super) fn optional(&self, key: &'static str) -> Option<Entry<'a>> {
        self.taken.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some(Entry { document: self.document, value, path: self.join(key) })
    }

    /// The value of `key`, which must be there.
    pub(super) fn required(&self, key: &'static str, expected: &str) -> Result<Entry<'a>, ManifestError> {
        self.optional(key).ok_or_else(|| match self.misspelt(key) {
            Some(other) => ManifestError {
                file: self.document.file.into(),
                line: self.document.line(other.span().start),
                field: self.join(other.get_ref()).into(),
                found: "a key that schema 1 does not have".into(),
                expected: format!("`{key}`, {expected}").into(),
                hint: "correct the spelling".into(),
            },
            None => ManifestError {
                file: self.document.file.into(),
                line: self.document.line(self.span.start),
                field: self.join(key).into(),
                found: "nothing".into(),
                expected: expected.into(),
                hint: format!("add `{key}` to this section").into(),
            },
        })
    }

    /// Line of the section, from 1.
    pub(super) fn line(&self) -> usize {
        self.document.line(self.span.start)
    }

    /// All keys with their values, for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(String, Entry<'a>)> {
        let entry = |(key, value): (&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>)| {
            let name: &str = key.get_ref();
            let entry = Entry { document: self.document, value, path: self.join(name) };
            (name.to_owned(), entry)
        };
        self.table.iter().map(entry).collect()
    }

    /// All keys with their values as text: texts as they are, numbers and truth values as written.
    pub(super) fn texts(&self) -> Result<Vec<(String, String)>, ManifestError> {
        let text = |(name, entry): (String, Entry<'a>)| match entry.value.get_ref() {
            DeValue::String(text) => Ok((name, text.to_string())),
            DeValue::Integer(number) => Ok((name, number.to_string())),
            DeValue::Float(number) => Ok((name, number.to_string())),
            DeValue::Boolean(flag) => Ok((name, flag.to_string())),
            _ => Err(entry.mismatch("text, a number or a truth value under a quoted key")),
        };
        self.entries().into_iter().map(text).collect()
    }

    /// A key nobody asked for yet that is two letters or less away from `wanted`.
    fn misspelt(&self, wanted: &str) -> Option<&'a Spanned<Cow<'a, str>>> {
        let taken = self.taken.borrow();
        let near = |k: &&Spanned<Cow<'a, str>>| {
            let key: &str = k.get_ref();
            wanted.len() > 3 && !taken.contains(&key) && distance(key.as_bytes(), wanted.as_bytes()) <= 2
        };
        self.table.keys().find(near)
    }

    /// A refusal about this section as a whole.
    pub(super) fn error(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: &str,
    ) -> ManifestError {
        ManifestError {
            file: self.document.file.into(),
            line: self.document.line(self.span.start),
            field: self.path.as_str().into(),
            found: found.into().into(),
            expected: expected.into().into(),
            hint: hint.into(),
        }
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self) -> Result<(), ManifestError> {
        let taken = self.taken.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if taken.contains(&name) {
                continue;
            }
            let hint = if LATER.contains(&name) {
                "reserved for models that are no policies; a policy that needs it cannot run here"
            } else {
                "correct the spelling or remove it"
            };
            return Err(ManifestError {
                file: self.document.file.into(),
                line: self.document.line(key.span().start),
                field: self.join(name).into(),
                found: "a key that schema 1 does not have".into(),
                expected: taken.join(", ").into(),
                hint: hint.into(),
            });
        }
        Ok(())
    }
}

impl<'a> Entry<'a> {
    /// A refusal about this value.
    pub(super) fn error(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
        hint: &str,
    ) -> ManifestError {
        ManifestError {
            file: self.document.file.into(),
            line: self.line(),
            field: self.path.as_str().into(),
            found: found.into().into(),
            expected: expected.into().into(),
            hint: hint.into(),
        }
    }

    /// Line of the value, from 1.
    pub(super) fn line(&self) -> usize {
        self.document.line(self.value.span().start)
    }

    fn kind(&self) -> String {
        match self.value.get_ref() {
            DeValue::String(s) => format!("the text \"{s}\""),
            DeValue::Integer(i) => format!("the integer {i}"),
            DeValue::Float(f) => format!("the number {f}"),
            other => format!("a value of type {}", other.type_str()),
        }
    }

    fn mismatch(&self, expected: impl Into<String>) -> ManifestError {
        self.error(self.kind(), expected, "correct the value")
    }

    /// As text, not empty, and without what would move a terminal's cursor or turn its writing round.
    pub(super) fn text(&self, expected: &str) -> Result<String, ManifestError> {
        let text = self.value.get_ref().as_str().filter(|s| !s.trim().is_empty());
        let text = text.ok_or_else(|| self.mismatch(expected))?;
        let commands = |c: char| {
            c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if text.contains(commands) {
            let found = format!("{text:?}, with control characters");
            return Err(self.error(found, expected, "use printable characters"));
        }
        Ok(text.to_owned())
    }

    /// As text of any length and layout, not empty; for readers of the file, never shown beside a verdict.
    pub(super) fn prose(&self) -> Result<String, ManifestError> {
        let text = self.value.get_ref().as_str().filter(|s| !s.trim().is_empty());
        text.map(str::to_owned).ok_or_else(|| self.mismatch("text"))
    }

    /// As one of a closed set of words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ManifestError> {
        let found = self.value.get_ref().as_str().and_then(|s| choices.iter().find(|(name, _)| *name == s));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.mismatch(format!("one of {}", names.join(", ")))
        })
    }

    /// As a finite number.
    pub(super) fn number(&self, expected: &str) -> Result<f64, ManifestError> {
        let parsed = match self.value.get_ref() {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|v| v as f64),
            DeValue::Float(f) => f.as_str().parse().ok(),
            _ => None,
        };
        parsed.filter(|v: &f64| v.is_finite()).ok_or_else(|| self.mismatch(expected))
    }

    /// As a finite number in `lo..=hi`.
    pub(super) fn number_in(&self, lo: f64, hi: f64, unit: &str) -> Result<f64, ManifestError> {
        let expected = format!("a number from {lo} to {hi} {unit}");
        let value = self.number(&expected)?;
        if (lo..=hi).contains(&value) { Ok(value) } else { Err(self.mismatch(expected)) }
    }

    /// As a whole number in `lo..=hi`.
    pub(super) fn integer_in(&self, lo: i64, hi: i64) -> Result<i64, ManifestError> {
        let parsed = match self.value.get_ref() {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok(),
            _ => None,
        };
        let inside = parsed.filter(|v| (lo..=hi).contains(v));
        inside.ok_or_else(|| self.mismatch(format!("a whole number from {lo} to {hi}")))
    }

    /// As a list.
    pub(super) fn list(&self, expected: &str) -> Result<Vec<Entry<'a>>, ManifestError> {
        let array = self.value.get_ref().as_array().ok_or_else(|| self.mismatch(expected))?;
        let entry =
            |(i, value)| Entry { document: self.document, value, path: format!("{}[{i}]", self.path) };
        Ok(array.iter().enumerate().map(entry).collect())
    }

    /// True when the value is text.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().as_str().is_some()
    }

    /// True when the value is this text.
    pub(super) fn is(&self, text: &str) -> bool {
        self.value.get_ref().as_str() == Some(text)
    }

    /// As a truth value.
    pub(super) fn flag(&self) -> Result<bool, ManifestError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.mismatch("true or false"))
    }

    /// As the shape of a tensor: sizes of at least 1.
    pub(super) fn shape(&self) -> Result<Vec<usize>, ManifestError> {
        let sizes = self.list("a list of sizes")?;
        sizes.iter().map(|e| e.integer_in(1, MAX_SIZE).map(|n| n as usize)).collect()
    }

    /// True when the value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// One number for all of `count` elements, or a list of exactly `count`.
    pub(super) fn numbers(&self, count: usize, of: &str) -> Result<Vec<f64>, ManifestError> {
        if !self.is_list() {
            return Ok(vec![self.number(&format!("a number, or a list of {count} ({of})"))?; count]);
        }
        let list = self.list("a list")?;
        if list.len() != count {
            let found = format!("{} values", list.len());
            return Err(self.error(
                found,
                format!("{count} ({of})"),
                "give one value for each, or one number for all",
            ));
        }
        list.iter().map(|e| e.number("a finite number")).collect()
    }

    /// One pair `[lo, hi]` for all of `count` elements, or a list of `count` pairs.
    pub(super) fn ranges(&self, count: usize, of: &str) -> Result<Vec<[f64; 2]>, ManifestError> {
        let expected = format!("[low, high], or a list of {count} such pairs ({of})");
        let list = self.list(&expected)?;
        if list.iter().any(Entry::is_list) {
            if list.len() != count {
                return Err(self.error(format!("{} pairs", list.len()), expected, "give one pair for each"));
            }
            return list.iter().map(|pair| pair.pair()).collect();
        }
        Ok(vec![self.pair()?; count])
    }

    /// As `[low, high]`.
    pub(super) fn pair(&self) -> Result<[f64; 2], ManifestError> {
        let expected = "[low, high] with low below high";
        let [lo, hi] = self.two(expected)?;
        if lo < hi {
            return Ok([lo, hi]);
        }
        Err(self.error(format!("[{lo}, {hi}]"), expected, "put the smaller number first"))
    }

    /// As two numbers.
    pub(super) fn two(&self, expected: &str) -> Result<[f64; 2], ManifestError> {
        let list = self.list(expected)?;
        let [lo, hi] = list.as_slice() else {
            return Err(self.error(format!("{} values", list.len()), expected, "give two numbers"));
        };
        Ok([lo.number(expected)?, hi.number(expected)?])
    }

    /// As a table.
    pub(super) fn section(&self) -> Result<Section<'a>, ManifestError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.mismatch("a table"))?;
        let (document, span) = (self.document, self.value.span());
        Ok(Section { document, table, span, path: self.path.clone(), taken: RefCell::default() })
    }
}
