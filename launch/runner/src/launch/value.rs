//! Parameter values and their typing.
//!
//! Stock launch types a value by YAML 1.1, writes it out again and lets the node's own parser read it a
//! second time by other rules: `y` becomes a bool, `010` 8, `12:30` 750. Only texts that all these rules
//! read alike are accepted here; the rest is refused with the way to say it plainly.

/// The value of a parameter, as a ROS node will see it.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// `true`, `false`.
    Bool(bool),
    /// A decimal integer.
    Integer(i64),
    /// A decimal with a point.
    Double(f64),
    /// Text.
    Text(String),
    /// `[true, false]`.
    Bools(Vec<bool>),
    /// `[1, 2]`.
    Integers(Vec<i64>),
    /// `[1.0, 2.5]`.
    Doubles(Vec<f64>),
    /// `[a, 'b c']`.
    Texts(Vec<String>),
}

impl ParamValue {
    /// The value in YAML, such that every YAML reader finds the same type (text always in quotes).
    #[must_use]
    pub fn to_yaml(&self) -> String {
        match self {
            Self::Bool(b) => b.to_string(),
            Self::Integer(i) => i.to_string(),
            Self::Double(d) => format!("{d:?}"),
            Self::Text(t) => quoted(t),
            Self::Bools(v) => flow(v.iter().map(bool::to_string)),
            Self::Integers(v) => flow(v.iter().map(i64::to_string)),
            Self::Doubles(v) => flow(v.iter().map(|d| format!("{d:?}"))),
            Self::Texts(v) => flow(v.iter().map(|t| quoted(t))),
        }
    }
}

/// Why a text is no parameter value: what was expected, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Untyped {
    pub(crate) expected: &'static str,
    pub(crate) hint: Option<&'static str>,
}

const fn untyped(expected: &'static str) -> Untyped {
    Untyped { expected, hint: None }
}

/// The values of `type`.
pub(crate) const TYPES: [&str; 8] =
    ["str", "int", "float", "bool", "list_of_str", "list_of_int", "list_of_float", "list_of_bool"];

/// Types a text by its form, as launch does without a `type`.
///
/// `substituted`: the text came out of a substitution; quotes and lists are then read once more by stock
/// launch and lose their meaning, so they are refused.
pub(crate) fn by_form(text: &str, substituted: bool) -> Result<ParamValue, Untyped> {
    if text.is_empty() {
        return Ok(ParamValue::Text(String::new()));
    }
    if substituted && text.starts_with(['[', '\'', '"']) {
        return Err(Untyped {
            expected: "no quotes or lists around a substitution, as launch reads them twice",
            hint: Some("write type=\"str\" and leave the quotes out"),
        });
    }
    if text.starts_with('[') {
        return list(text, None);
    }
    scalar(text)
}

/// Types a text by its `type` attribute.
pub(crate) fn by_type(text: &str, kind: &str) -> Result<ParamValue, Untyped> {
    match kind {
        "str" => plain_string(text).map(ParamValue::Text),
        "int" => match number(text) {
            Some(value @ ParamValue::Integer(_)) => Ok(value),
            _ => Err(untyped("a decimal integer")),
        },
        "float" => match number(text) {
            // From the text again, as an integer has no -0.
            Some(_) => text.parse().map(ParamValue::Double).map_err(|_| untyped("a decimal number")),
            None => Err(untyped("a decimal number")),
        },
        "bool" => boolean(text).map(ParamValue::Bool).ok_or(untyped("true or false")),
        "list_of_str" | "list_of_int" | "list_of_float" | "list_of_bool" => list(text, Some(kind)),
        _ => Err(untyped("str, int, float, bool, list_of_str, list_of_int, list_of_float or list_of_bool")),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// `-12` or `-1.25`: what decimal, YAML 1.1, YAML 1.2 and C all read alike.
fn number(text: &str) -> Option<ParamValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    match fraction {
        None => text.parse().ok().map(ParamValue::Integer),
        Some(f) if all_digits(f) => {
            text.parse::<f64>().ok().filter(|d| d.is_finite()).map(ParamValue::Double)
        }
        Some(_) => None,
    }
}

fn scalar(text: &str) -> Result<ParamValue, Untyped> {
    if let Some(b) = boolean(text) {
        return Ok(ParamValue::Bool(b));
    }
    if let Some(n) = number(text) {
        return Ok(n);
    }
    if let Some(inner) = unquote(text)? {
        return plain_string(inner).map(ParamValue::Text);
    }
    const WORD: Untyped = Untyped {
        expected: "a decimal number, true, false, a plain word, a quoted text or a list of one type",
        hint: Some("if it is text, write type=\"str\""),
    };
    let starts_plain =
        text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '/')) || text.starts_with("./");
    let reads_plain = !text.contains(": ")
        && !text.contains(" #")
        && !text.contains('\\')
        && !text.ends_with(':')
        && !text.ends_with(' ');
    if !starts_plain || !reads_plain || is_special_word(text) {
        return Err(WORD);
    }
    plain_string(text).map(ParamValue::Text)
}

/// Words that some reader of YAML takes for something else.
fn is_special_word(text: &str) -> bool {
    const SPECIAL: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    SPECIAL.iter().any(|w| text.eq_ignore_ascii_case(w))
}

/// Text that stays text although stock launch writes it unquoted where YAML 1.1 lets it.
fn plain_string(text: &str) -> Result<String, Untyped> {
    if text.chars().any(char::is_control) {
        return Err(untyped("text without control characters"));
    }
    let bool_to_the_node = ["y", "Y", "n", "N"].contains(&text);
    // Numbers in YAML 1.1 are written in quotes, and stay text; other spellings of numbers are not.
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let double_to_the_node = number(text).is_none()
        && (text.parse::<f64>().is_ok() || (unsigned.starts_with("0x") && unsigned.contains(['p', '.'])));
    if bool_to_the_node || double_to_the_node {
        return Err(Untyped {
            expected: "text that no node takes for a bool or a number",
            hint: Some("ROS 2 launch and its nodes disagree about this text; choose another"),
        });
    }
    Ok(text.to_owned())
}

/// The inside of a quoted scalar; `None` if it is not quoted.
fn unquote(text: &str) -> Result<Option<&str>, Untyped> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return Ok(None);
    };
    let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    match inner {
        Some(inner) if !inner.contains([quote, '\\']) => Ok(Some(inner)),
        _ => Err(Untyped {
            expected: "one closing quote at the end, and no quote or backslash inside",
            hint: Some("for text with quotes write type=\"str\" and leave the outer quotes out"),
        }),
    }
}

fn list(text: &str, kind: Option<&str>) -> Result<ParamValue, Untyped> {
    const LIST: Untyped = untyped("a list such as [1, 2] or [a, 'b c'], not empty, all of one type");
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or(LIST)?;
    let items: Vec<ParamValue> =
        items(inner).ok_or(LIST)?.into_iter().map(scalar).collect::<Result<_, _>>()?;
    let value = uniform(items).ok_or(LIST)?;
    match (kind, &value) {
        (None, _)
        | (Some("list_of_str"), ParamValue::Texts(_))
        | (Some("list_of_int"), ParamValue::Integers(_))
        | (Some("list_of_float"), ParamValue::Doubles(_))
        | (Some("list_of_bool"), ParamValue::Bools(_)) => Ok(value),
        _ => Err(untyped("a list whose items have the type that `type` names")),
    }
}

/// The items between commas, trimmed; commas inside quotes count as text. `None` for nesting, an open
/// quote or an empty item.
fn items(inner: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut quote = None;
    for (index, c) in inner.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, ',') => {
                items.push(inner.get(start..index)?.trim());
                start = index + 1;
            }
            (None, '[' | ']' | '{' | '}') => return None,
            _ => {}
        }
    }
    items.push(inner.get(start..)?.trim());
    (quote.is_none() && items.iter().all(|i| !i.is_empty())).then_some(items)
}

fn uniform(items: Vec<ParamValue>) -> Option<ParamValue> {
    fn all<T>(items: &[ParamValue], pick: impl Fn(&ParamValue) -> Option<T>) -> Option<Vec<T>> {
        items.iter().map(pick).collect()
    }
    match items.first()? {
        ParamValue::Bool(_) => {
            all(&items, |v| if let ParamValue::Bool(b) = v { Some(*b) } else { None }).map(ParamValue::Bools)
        }
        ParamValue::Integer(_) => {
            all(&items, |v| if let ParamValue::Integer(i) = v { Some(*i) } else { None })
                .map(ParamValue::Integers)
        }
        ParamValue::Double(_) => all(&items, |v| if let ParamValue::Double(d) = v { Some(*d) } else { None })
            .map(ParamValue::Doubles),
        ParamValue::Text(_) => {
            all(&items, |v| if let ParamValue::Text(t) = v { Some(t.clone()) } else { None })
                .map(ParamValue::Texts)
        }
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn flow(items: impl Iterator<Item = String>) -> String {
    let mut text = String::from("[");
    for (index, item) in items.enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        text.push_str(&item);
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is the test's failure

    use super::*;

    fn form(text: &str) -> Option<ParamValue> {
        by_form(text, false).ok()
    }

    #[test]
    fn plain_forms_are_typed() {
        assert_eq!(form("1"), Some(ParamValue::Integer(1)));
        assert_eq!(form("-12"), Some(ParamValue::Integer(-12)));
        assert_eq!(form("1.0"), Some(ParamValue::Double(1.0)));
        assert_eq!(form("true"), Some(ParamValue::Bool(true)));
        assert_eq!(form("quad"), Some(ParamValue::Text("quad".into())));
        assert_eq!(form("/home/a b/x"), Some(ParamValue::Text("/home/a b/x".into())));
        assert_eq!(form("'1'"), Some(ParamValue::Text("1".into())));
        assert_eq!(form("\"a: b\""), Some(ParamValue::Text("a: b".into())));
        assert_eq!(form(""), Some(ParamValue::Text(String::new())));
        assert_eq!(form("[1, 2]"), Some(ParamValue::Integers(vec![1, 2])));
        assert_eq!(form("[1.0, -2.5]"), Some(ParamValue::Doubles(vec![1.0, -2.5])));
        assert_eq!(form("[a, 'b, c']"), Some(ParamValue::Texts(vec!["a".into(), "b, c".into()])));
        assert_eq!(form("[true]"), Some(ParamValue::Bools(vec![true])));
    }

    #[test]
    fn forms_that_readers_disagree_on_are_refused() {
        let refused = [
            "y",
            "n",
            "yes",
            "Off",
            "1e3",
            "1.0e+3",
            "010",
            "0x10",
            "1_000",
            "12:30",
            "null",
            "~",
            "None: x",
            "2024-01-01",
            "[1, 2.0]",
            "[]",
            "[1",
            "[[1]]",
            "{a: 1}",
            ".5",
            "5.",
            ".inf",
            "nan",
            "inf",
            "+1",
            " 1",
            "a ",
            "a #b",
            "'a' b",
            "'y'",
            "['1e3']",
            "99999999999999999999",
            "3d",
            "*a",
            "&a",
            "!a",
            "a\tb",
            "-",
            "a:",
        ];
        for text in refused {
            assert_eq!(form(text), None, "{text}");
        }
        assert!(by_form("[1, 2]", true).is_err(), "a list out of a substitution is read twice");
    }

    #[test]
    fn a_type_decides_what_form_leaves_open() {
        assert_eq!(by_type("1", "str").unwrap(), ParamValue::Text("1".into()));
        assert_eq!(by_type("a: b #c", "str").unwrap(), ParamValue::Text("a: b #c".into()));
        assert_eq!(by_type("1", "float").unwrap(), ParamValue::Double(1.0));
        assert_eq!(by_type("-0", "float").unwrap().to_yaml(), "-0.0");
        assert_eq!(by_type("[1, 2]", "list_of_int").unwrap(), ParamValue::Integers(vec![1, 2]));
        for (text, kind) in
            [("y", "str"), ("1e3", "str"), ("089", "str"), ("1.0", "int"), ("yes", "bool"), ("x", "float")]
        {
            assert!(by_type(text, kind).is_err(), "{text} as {kind}");
        }
        assert!(by_type("[1]", "list_of_float").is_err());
    }

    #[test]
    fn yaml_keeps_the_type() {
        assert_eq!(ParamValue::Double(1.0).to_yaml(), "1.0");
        assert_eq!(ParamValue::Text("it's 1".into()).to_yaml(), "'it''s 1'");
        assert_eq!(ParamValue::Texts(vec!["1".into(), "b".into()]).to_yaml(), "['1', 'b']");
        assert_eq!(ParamValue::Integers(vec![1, -2]).to_yaml(), "[1, -2]");
    }
}
