//! What the user says because no file does: `--set KEY=VALUE` and `--set-file FILE`.
//!
//! Keys are paths (`joints.kp`); values are YAML. Per-joint values may be a number, a list in the policy's order
//! or a map by joint name. A key that nothing asked for is refused: a typing error must not pass unnoticed.

use std::cell::RefCell;

use super::error::ImportError;
use super::fact::Fact;
use super::tree::{At, Document, Node, Value};

/// All that was said on the command line.
#[derive(Debug)]
pub struct Overrides {
    document: Document,
    asked: RefCell<Vec<String>>,
}

impl Default for Overrides {
    fn default() -> Self {
        Self::nothing()
    }
}

impl Overrides {
    /// Nothing said.
    pub fn nothing() -> Self {
        let root = Node { line: 1, value: Value::Map(Vec::new()) };
        Self { document: Document { file: "--set".to_owned(), root }, asked: RefCell::default() }
    }

    /// From a set file (its name and bytes), then `KEY=VALUE` texts, later ones winning.
    pub fn parse(file: Option<(&str, &[u8])>, sets: &[String]) -> Result<Self, ImportError> {
        let mut overrides = Self::nothing();
        if let Some((name, bytes)) = file {
            let document = Document::parse(name, bytes)?;
            document.top().entries()?;
            overrides.document = document;
        }
        for set in sets {
            let refuse = |reason: &str| ImportError::Override { key: set.clone(), reason: reason.to_owned() };
            let (key, value) = set.split_once('=').ok_or_else(|| refuse("expected KEY=VALUE"))?;
            let mut value = Document::parse(&format!("--set {key}"), value.as_bytes())?.root;
            without_lines(&mut value);
            let path: Vec<&str> = key.trim().split('.').collect();
            if path.iter().any(|part| part.is_empty()) {
                return Err(refuse("expected a key like joints.kp"));
            }
            insert(&mut overrides.document.root, &path, value);
        }
        Ok(overrides)
    }

    /// All of it as JSON, for another reader.
    pub fn to_json(&self) -> serde_json::Value {
        json(&self.document.root)
    }

    /// The value under `key`, with all below it; the key counts as one that has a use.
    pub fn get(&self, key: &str) -> Option<At<'_>> {
        self.asked.borrow_mut().push(key.to_owned());
        self.peek(key)
    }

    /// The value under `key`, without saying that everything below it has a use.
    pub fn peek(&self, key: &str) -> Option<At<'_>> {
        let mut at = self.document.top();
        for part in key.split('.') {
            at = at.get(part)?;
        }
        Some(at)
    }

    /// Refuses keys that nothing asked for.
    pub fn all_used(&self) -> Result<(), ImportError> {
        let asked = self.asked.borrow();
        let mut unused = Vec::new();
        unused_below(&self.document.root, "", &asked, &mut unused);
        match unused.first() {
            None => Ok(()),
            Some(key) => Err(ImportError::Override {
                key: key.clone(),
                reason:
                    "this source has no use for it; remove it, or compare the key with the list of what is \
                         missing"
                        .to_owned(),
            }),
        }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Result<Option<Fact<f64>>, ImportError> {
        self.get(key).map(|at| Ok(Fact::known(at.number()?, at.from()))).transpose()
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<String>, ImportError> {
        self.get(key).map(|at| at.text().map(str::to_owned)).transpose()
    }

    /// Names.
    pub fn names(&self, key: &str) -> Result<Option<Fact<Vec<String>>>, ImportError> {
        self.get(key).map(|at| Ok(Fact::known(at.texts()?, at.from()))).transpose()
    }

    /// One number for all of `names`, a list in their order, or a map by name.
    pub fn per_name(&self, key: &str, names: &[String]) -> Result<Option<Fact<Vec<f64>>>, ImportError> {
        let Some(at) = self.get(key) else { return Ok(None) };
        let values = match at.value() {
            Value::Map(_) => {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                at.closed(&known)?;
                names.iter().map(|n| at.required(n, "a number for each joint")?.number()).collect()
            }
            Value::List(_) => at.numbers_of(names.len(), "one per joint, in the policy's order"),
            _ => Ok(vec![at.number()?; names.len()]),
        };
        Ok(Some(Fact::known(values?, at.from())))
    }

    /// One number, or a list of `width`.
    pub fn scale(&self, key: &str, width: usize) -> Result<Option<Fact<Vec<f64>>>, ImportError> {
        let Some(at) = self.get(key) else { return Ok(None) };
        let values = match at.value() {
            Value::List(_) => at.numbers_of(width, "one per value")?,
            _ => vec![at.number()?],
        };
        Ok(Some(Fact::known(values, at.from())))
    }

    /// The robot's name of a joint that the source calls `name`: `rename.NAME`, else the same.
    pub fn renamed(&self, name: &str) -> Result<String, ImportError> {
        // A joint name may hold dots, so it is looked for as one key.
        let Some(table) = self.document.top().get("rename") else { return Ok(name.to_owned()) };
        match table.get(name) {
            Some(at) => {
                self.asked.borrow_mut().push(format!("rename.{name}"));
                at.text().map(str::to_owned)
            }
            None => Ok(name.to_owned()),
        }
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        // Whole numbers stay whole: a reader may count with them.
        Value::Number(value) if value.fract() == 0.0 && value.abs() < 1e15 => (*value as i64).into(),
        Value::Number(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            serde_json::Value::Object(entries.iter().map(|(key, value)| (key.clone(), json(value))).collect())
        }
    }
}

fn insert(node: &mut Node, path: &[&str], value: Node) {
    let Some((first, rest)) = path.split_first() else { return };
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return };
    let at = match entries.iter().position(|(key, _)| key == first) {
        Some(at) => at,
        None => {
            entries.push(((*first).to_owned(), Node { line: 1, value: Value::Null }));
            entries.len() - 1
        }
    };
    let Some((_, slot)) = entries.get_mut(at) else { return };
    if rest.is_empty() { *slot = value } else { insert(slot, rest, value) }
}

/// Values of the command line have no line; their origin is then `--set`.
fn without_lines(node: &mut Node) {
    node.line = 0;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(without_lines),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| without_lines(value)),
        _ => {}
    }
}

/// Values below `node` that no key asked for covers.
fn unused_below(node: &Node, path: &str, asked: &[String], unused: &mut Vec<String>) {
    if asked.iter().any(|key| key == path) {
        return;
    }
    match &node.value {
        Value::Map(entries) => {
            for (key, inner) in entries {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                unused_below(inner, &below, asked, unused);
            }
        }
        _ => unused.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn sets_win_over_the_file_and_maps_go_by_name() {
        let sets = ["joints.kp={a: 3, b: 4}".to_owned(), "runtime.rate_hz=50".to_owned()];
        let file: &[u8] = b"joints: {kp: 1, kd: 2}\nrename: {x: y}\n";
        let overrides = Overrides::parse(Some(("f.yaml", file)), &sets).unwrap();
        let names = ["b".to_owned(), "a".to_owned()];
        assert_eq!(overrides.per_name("joints.kp", &names).unwrap().unwrap().value().unwrap(), &[4.0, 3.0]);
        assert_eq!(overrides.per_name("joints.kd", &names).unwrap().unwrap().value().unwrap(), &[2.0, 2.0]);
        assert_eq!(overrides.renamed("x").unwrap(), "y");
        let unused = overrides.all_used().unwrap_err().to_string();
        assert!(unused.contains("runtime.rate_hz") && unused.contains("no use"), "{unused}");
        overrides.number("runtime.rate_hz").unwrap();
        overrides.all_used().unwrap();
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for set in ["joints.kp", "=3", "a..b=1"] {
            assert!(Overrides::parse(None, &[set.to_owned()]).is_err(), "{set}");
        }
        let error = Overrides::parse(None, &["a=[1".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--set a"), "{error}");
    }
}
