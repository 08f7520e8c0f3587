//! Type hashes (REP 2016): SHA-256 over a type's description written as JSON in one exact way.
//!
//! The description comes from the same declaration as the Rust type and its CDR, so the three cannot drift apart.
use crate::msg::Message;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// Type of one field, in the numbers of type_description_interfaces/FieldType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// 1 nested, 3 uint8, 11 float64 ..; +48 array, +144 sequence.
    pub type_id: u8,
    /// Length of an array, else 0.
    pub capacity: u32,
    /// Full name of the nested type, else empty.
    pub nested: &'static str,
}

impl FieldType {
    /// A primitive.
    #[must_use]
    pub const fn primitive(type_id: u8) -> Self {
        Self { type_id, capacity: 0, nested: "" }
    }
    /// Another message.
    #[must_use]
    pub const fn nested(name: &'static str) -> Self {
        Self { type_id: 1, capacity: 0, nested: name }
    }
    /// `type[capacity]`.
    #[must_use]
    pub const fn array(self, capacity: u32) -> Self {
        Self { type_id: self.type_id + 48, capacity, ..self }
    }
    /// `type[]`.
    #[must_use]
    pub const fn sequence(self) -> Self {
        Self { type_id: self.type_id + 144, ..self }
    }
}

/// Names and types of a message's fields, in order.
pub type TypeDescription = Vec<(&'static str, FieldType)>;

/// Hash of a message type; prints as `RIHS01_` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeHash(pub [u8; 32]);

impl TypeHash {
    /// Of a message type of this crate.
    #[must_use]
    pub fn of<M: Message>() -> Self {
        Self(Sha256::digest(canonical_json::<M>().as_bytes()).into())
    }
}

impl fmt::Display for TypeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RIHS01_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TypeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text that is hashed: the type, then every type it uses, sorted by name, each once.
#[must_use]
pub fn canonical_json<M: Message>() -> String {
    let mut types = BTreeMap::new();
    M::describe(&mut types);
    let own = types.remove(M::NAME).unwrap_or_default();
    let referenced: Vec<String> = types.iter().map(|(name, fields)| describe(name, fields)).collect();
    format!(
        r#"{{"type_description": {}, "referenced_type_descriptions": [{}]}}"#,
        describe(M::NAME, &own),
        referenced.join(", ")
    )
}

fn describe(name: &str, fields: &TypeDescription) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(field, ty)| {
            format!(
                r#"{{"name": "{field}", "type": {{"type_id": {}, "capacity": {}, "string_capacity": 0, "nested_type_name": "{}"}}}}"#,
                ty.type_id, ty.capacity, ty.nested
            )
        })
        .collect();
    format!(r#"{{"type_name": "{name}", "fields": [{}]}}"#, fields.join(", "))
}
