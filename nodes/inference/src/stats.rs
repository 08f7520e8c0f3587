//! Lists of numbers beside a manifest: statistics of a normalisation, initial values of a recurrent state.
//!
//! Two formats, told apart by the first bytes: safetensors (an 8-byte length, a JSON header of name to dtype, shape
//! and byte range, then the data) and JSON (lists of numbers under names; nested objects give names joined by dots).

use std::collections::BTreeMap;

use serde_json::Value;

/// Why a file of numbers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// Neither format, or a damaged one.
    #[error(
        "not a file of numbers: {reason}; expected safetensors, or JSON with lists of numbers; export it again"
    )]
    Format {
        /// What is wrong.
        reason: String,
    },
    /// A list that is not there.
    #[error("no list `{list}`; the file has {found}; correct the prefix or key in the manifest")]
    Missing {
        /// Name looked for.
        list: String,
        /// Names found.
        found: String,
    },
    /// A list that does not fit.
    #[error("`{list}`: found {found}; expected {expected}; export it for this model")]
    Content {
        /// Name of the list.
        list: String,
        /// What it holds.
        found: String,
        /// What it should.
        expected: String,
    },
}

/// Named lists of finite numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    lists: BTreeMap<String, Vec<f64>>,
}

impl Stats {
    /// Reads either format, told apart by what is inside.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatsError> {
        let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
        let lists = if first == Some(&b'{') { json(bytes)? } else { safetensors(bytes)? };
        for (name, values) in &lists {
            if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                let (found, expected) = (value.to_string(), "finite numbers".to_owned());
                return Err(StatsError::Content { list: name.clone(), found, expected });
            }
        }
        Ok(Self { lists })
    }

    /// Names of all lists.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }

    /// The list `name`, which must hold `len` numbers, or one for all.
    pub fn list(&self, name: &str, len: usize) -> Result<Vec<f64>, StatsError> {
        let Some(values) = self.lists.get(name) else {
            let found = self.names().collect::<Vec<_>>().join(", ");
            return Err(StatsError::Missing { list: name.to_owned(), found });
        };
        match values.as_slice() {
            [one] => Ok(vec![*one; len]),
            many if many.len() == len => Ok(many.to_vec()),
            many => Err(StatsError::Content {
                list: name.to_owned(),
                found: format!("{} numbers", many.len()),
                expected: len.to_string(),
            }),
        }
    }
}

fn broken(reason: impl Into<String>) -> StatsError {
    StatsError::Format { reason: reason.into() }
}

fn json(bytes: &[u8]) -> Result<BTreeMap<String, Vec<f64>>, StatsError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| broken(e.to_string()))?;
    let mut lists = BTreeMap::new();
    gather("", &value, &mut lists);
    Ok(lists)
}

/// Lists under their path; whatever is no list of numbers is no list.
fn gather(path: &str, value: &Value, lists: &mut BTreeMap<String, Vec<f64>>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                gather(&path, inner, lists);
            }
        }
        other => {
            let mut numbers = Vec::new();
            if flatten(other, &mut numbers) && !numbers.is_empty() {
                lists.insert(path.to_owned(), numbers);
            }
        }
    }
}

fn flatten(value: &Value, numbers: &mut Vec<f64>) -> bool {
    match value {
        Value::Number(n) => n.as_f64().map(|n| numbers.push(n)).is_some(),
        Value::Array(items) => items.iter().all(|item| flatten(item, numbers)),
        _ => false,
    }
}

fn safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Vec<f64>>, StatsError> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(broken(format!("{} bytes", bytes.len())));
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let Some((header, data)) = rest.split_at_checked(length) else {
        return Err(broken(format!("a header of {length} bytes in a file of {}", bytes.len())));
    };
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(|e| broken(e.to_string()))?;
    let mut lists = BTreeMap::new();
    for (name, entry) in header {
        if name != "__metadata__" {
            let values =
                tensor(&entry, data).map_err(|reason| broken(format!("tensor `{name}`: {reason}")))?;
            lists.insert(name, values);
        }
    }
    Ok(lists)
}

fn tensor(entry: &Value, data: &[u8]) -> Result<Vec<f64>, String> {
    let whole = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
    let shape = entry.get("shape").and_then(Value::as_array).ok_or("no shape")?;
    let len = shape
        .iter()
        .try_fold(1usize, |n, d| n.checked_mul(whole(d)?))
        .ok_or("a shape of other things than sizes")?;
    let range = entry.get("data_offsets").and_then(Value::as_array).ok_or("no data_offsets")?;
    let [from, to] = range.as_slice() else { return Err("data_offsets of another length than 2".to_owned()) };
    let (from, to) = (whole(from).ok_or("no number")?, whole(to).ok_or("no number")?);
    let bytes = data.get(from..to).ok_or_else(|| format!("bytes {from} to {to} of {}", data.len()))?;
    let dtype = entry.get("dtype").and_then(Value::as_str).unwrap_or_default();
    let values: Vec<f64> = match dtype {
        "F32" => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        "F64" => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        "I64" => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        "I32" => bytes.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
        other => return Err(format!("dtype {other:?}, not F32, F64, I64 or I32")),
    };
    if values.len() == len { Ok(values) } else { Err(format!("{} values for shape {shape:?}", values.len())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn file(header: &str, data: &[f32]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend(data.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    #[test]
    fn safetensors_and_json_give_the_same_lists() {
        let header = r#"{"__metadata__":{"a":"b"},"obs.mean":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
            "obs.std":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#;
        let binary = Stats::parse(&file(header, &[1.0, 2.0, 0.5])).unwrap();
        let text = Stats::parse(br#"{"obs": {"mean": [1, 2.0], "std": 0.5}, "note": "text"}"#).unwrap();
        assert_eq!(binary, text);
        assert_eq!(text.list("obs.mean", 2).unwrap(), [1.0, 2.0]);
        assert_eq!(text.list("obs.std", 3).unwrap(), [0.5; 3]);
        let missing = text.list("mean", 2).unwrap_err().to_string();
        assert!(missing.contains("obs.mean, obs.std") && missing.contains("prefix"), "{missing}");
        assert!(text.list("obs.mean", 3).unwrap_err().to_string().contains("2 numbers"));
    }

    #[test]
    fn damaged_files_are_refused_and_never_crash() {
        let header = r#"{"m":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let whole = file(header, &[1.0, 2.0]);
        for len in 0..whole.len() {
            assert!(matches!(Stats::parse(&whole[..len]), Err(StatsError::Format { .. })), "cut at {len}");
        }
        for bad in [
            r#"{"m":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#,
            r#"{"m":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"m":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"m":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
            r#"{"m":3}"#,
        ] {
            assert!(Stats::parse(&file(bad, &[1.0, 2.0])).is_err(), "{bad}");
        }
        let nan = Stats::parse(&file(header, &[1.0, f32::NAN])).unwrap_err().to_string();
        assert!(nan.contains("NaN") && nan.contains("finite"), "{nan}");
    }
}
