//! YAML as a tree in which every node knows its place.
//!
//! The schema is read from this tree by [`crate::load`], not by derived structs: only so does every
//! refusal carry line, column, field path and the declared range, and all of them come at once.

use crate::error::{Place, RefusalKind, Refusals};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// One YAML value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// Key, place of the key, value; in file order, duplicates kept for the reader to refuse.
    Map(Vec<(String, Place, Node)>),
}

impl Node {
    /// Parses one document; a syntax error is one refusal.
    pub fn parse(text: &str, refusals: &mut Refusals) -> Option<Node> {
        let mut options = serde_saphyr::Options::default();
        options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
        options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
        options.strict_booleans = true;
        options.reject_unsupported_tags = true;
        match serde_saphyr::from_str_with_options::<Node>(text, options) {
            Ok(node) => Some(node),
            Err(error) => {
                let place = error.location().map_or(Place::START, place_of);
                let said = error.without_snippet().to_string();
                refusals.add(RefusalKind::Syntax, place, "file", said, "well-formed YAML", "");
                None
            }
        }
    }

    /// A map without entries, for an optional section that is not there.
    pub fn empty_map(place: Place) -> Node {
        Node { place, value: Value::Map(Vec::new()) }
    }

    /// The value as a user would recognise it, shortened.
    pub fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) if text.chars().count() > 40 => {
                format!("`{}...`", text.chars().take(40).collect::<String>())
            }
            Value::Text(text) => format!("`{text}`"),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// `self` laid over `base`: own keys win, maps are merged key by key, everything else is replaced.
    pub fn over(&self, base: &Node) -> Node {
        let (Value::Map(own), Value::Map(under)) = (&self.value, &base.value) else {
            return self.clone();
        };
        let mut merged = own.clone();
        for (key, place, value) in under {
            match merged.iter_mut().find(|(name, _, _)| name == key) {
                Some((_, _, mine)) => *mine = mine.over(value),
                None => merged.push((key.clone(), *place, value.clone())),
            }
        }
        Node { place: self.place, value: Value::Map(merged) }
    }
}

fn place_of(location: serde_saphyr::Location) -> Place {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Place { line: number(location.line()), column: number(location.column()) }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { place: place_of(spanned.referenced), value: spanned.value })
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

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
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
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            entries.push((key.value, place_of(key.referenced), access.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;

    fn parse(text: &str) -> Node {
        Node::parse(text, &mut Refusals::new("t")).unwrap()
    }

    #[test]
    fn nodes_know_their_place_and_yaml_words_stay_words() {
        let Value::Map(entries) = parse("a: 0x1F\nb:\n  c: off\n  c: [1, .nan]\n").value else { panic!() };
        assert!(matches!(entries[0].2.value, Value::Number(31.0)));
        assert_eq!(entries[0].2.place, Place { line: 1, column: 4 });
        let Value::Map(inner) = &entries[1].2.value else { panic!() };
        assert!(matches!(&inner[0].2.value, Value::Text(word) if word == "off"));
        assert_eq!((inner.len(), inner[1].1), (2, Place { line: 4, column: 3 }));
    }

    #[test]
    fn an_override_wins_key_by_key() {
        let merged = parse("limits: {tau: 36}").over(&parse("limits: {tau: 24, dq: 21}\nid: 1"));
        let Value::Map(entries) = merged.value else { panic!() };
        assert_eq!(entries.len(), 2);
        let Value::Map(limits) = &entries[0].2.value else { panic!() };
        assert!(matches!(limits[0].2.value, Value::Number(36.0)));
        assert_eq!(limits[1].0, "dq");
    }

    #[test]
    fn broken_text_is_one_refusal_with_its_line() {
        let mut refusals = Refusals::new("t");
        assert!(Node::parse("a: 1\nb: [1, 2\nc: 3\n", &mut refusals).is_none());
        assert!(refusals.list[0].line >= 2, "{:?}", refusals.list);
    }
}
