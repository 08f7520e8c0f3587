//! `$(…)` inside attribute values: text to template. Expansion is in `scope.rs`.
//!
//! As in launch: `\` keeps the next character, arguments are parted by one space, quotes group inside
//! `$( )` only, and an argument may itself hold a substitution.

use super::document::Attribute;
use super::error::{LaunchError, LaunchErrorKind};

/// Deepest nesting of substitutions.
const MAX_NESTING: usize = 8;

/// A text with substitutions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

/// One stretch of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text as it will be.
    Text(String),
    /// A substitution.
    Call(Call),
}

/// A substitution and the byte of the attribute's value where its `$` stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) offset: usize,
    pub(crate) function: Function,
}

/// The substitutions of the subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Var(Template),
    Env(Template, Option<Template>),
    Dirname,
    FindPkgShare(Template),
}

impl Template {
    pub(crate) fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    /// Parses the value of an attribute.
    pub(crate) fn parse(attribute: &Attribute) -> Result<Self, LaunchError> {
        let mut reader =
            Reader { attribute, text: attribute.value.as_str(), at: 0, depth: 0, inside_quotes: false };
        reader.template(None)
    }

    /// Whether there is anything to substitute.
    pub(crate) fn has_calls(&self) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Call(_)))
    }
}

struct Reader<'a> {
    attribute: &'a Attribute,
    text: &'a str,
    at: usize,
    depth: usize,
    inside_quotes: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn malformed(&self, offset: usize, reason: &'static str) -> LaunchError {
        let text = self.attribute.value.chars().take(80).collect();
        LaunchError::new(
            &self.attribute.location(offset),
            LaunchErrorKind::MalformedSubstitution { text, reason },
        )
    }

    /// Text and substitutions up to the end, or up to and including the closing `quote`.
    fn template(&mut self, quote: Option<char>) -> Result<Template, LaunchError> {
        let start = self.at;
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            if self.rest().starts_with("$(") {
                push_text(&mut pieces, &mut text);
                pieces.push(Piece::Call(self.call()?));
                continue;
            }
            match self.next() {
                None if quote.is_some() => return Err(self.malformed(start, "a quote is not closed")),
                None => break,
                Some(c) if quote == Some(c) => break,
                Some('\\') => self.escaped(&mut text)?,
                Some(c) => text.push(c),
            }
        }
        push_text(&mut pieces, &mut text);
        Ok(Template { pieces })
    }

    /// The character behind a backslash, kept as it is. A backslash at the very end stays one.
    fn escaped(&mut self, text: &mut String) -> Result<(), LaunchError> {
        match self.next() {
            None => text.push('\\'),
            Some('\\') if self.rest().starts_with("$(") => {
                return Err(self.malformed(self.at, "`\\\\$(` is read in two ways by ROS 2 launch"));
            }
            Some(c) => text.push(c),
        }
        Ok(())
    }

    fn call(&mut self) -> Result<Call, LaunchError> {
        let offset = self.at;
        if self.depth >= MAX_NESTING {
            return Err(self.malformed(offset, "substitutions are nested too deep"));
        }
        self.depth += 1;
        self.at += "$(".len();
        let name = self.name();
        if name.is_empty() {
            return Err(self.malformed(offset, "a name must follow `$(`; write `\\$(` for the text"));
        }
        let mut arguments = Vec::new();
        loop {
            match self.next() {
                Some(')') => break,
                Some(' ') => arguments.push(self.argument()?),
                Some(_) => return Err(self.malformed(self.at, "expected a space or `)`")),
                None => return Err(self.malformed(offset, "`)` is missing")),
            }
        }
        self.depth -= 1;
        let function = self.function(offset, &name, arguments)?;
        Ok(Call { offset, function })
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            let allowed =
                c.is_ascii_alphabetic() || (!name.is_empty() && (c.is_ascii_digit() || c == '_' || c == '-'));
            if !allowed {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn argument(&mut self) -> Result<Template, LaunchError> {
        if let Some(quote @ ('\'' | '"')) = self.peek() {
            if self.inside_quotes {
                return Err(self.malformed(self.at, "quotes inside a quoted argument"));
            }
            self.at += 1;
            self.inside_quotes = true;
            let template = self.template(Some(quote))?;
            self.inside_quotes = false;
            return Ok(template);
        }
        let start = self.at;
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            if self.rest().starts_with("$(") {
                push_text(&mut pieces, &mut text);
                pieces.push(Piece::Call(self.call()?));
                continue;
            }
            match self.peek() {
                None | Some(' ' | ')') => break,
                Some('(' | '\'' | '"') => {
                    return Err(
                        self.malformed(self.at, "quote the whole argument, or escape with a backslash")
                    );
                }
                Some('\\') => {
                    self.at += 1;
                    self.escaped(&mut text)?;
                }
                Some(c) => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        push_text(&mut pieces, &mut text);
        if pieces.is_empty() {
            return Err(self.malformed(start, "an argument is empty; write '' for an empty one"));
        }
        Ok(Template { pieces })
    }

    fn function(&self, offset: usize, name: &str, arguments: Vec<Template>) -> Result<Function, LaunchError> {
        let mut arguments = arguments.into_iter();
        let taken = (arguments.next(), arguments.next(), arguments.next());
        match (name, taken) {
            ("var", (Some(n), None, None)) => Ok(Function::Var(n)),
            ("var", _) => Err(self.malformed(offset, "expected $(var n); a default belongs into <arg>")),
            ("env", (Some(n), default, None)) => Ok(Function::Env(n, default)),
            ("env", _) => Err(self.malformed(offset, "expected $(env N) or $(env N default)")),
            ("dirname", (None, None, None)) => Ok(Function::Dirname),
            ("dirname", _) => Err(self.malformed(offset, "$(dirname) takes no argument")),
            ("find-pkg-share", (Some(p), None, None)) => Ok(Function::FindPkgShare(p)),
            ("find-pkg-share", _) => Err(self.malformed(offset, "expected $(find-pkg-share p)")),
            _ => {
                let at = self.attribute.location(offset);
                let kind = LaunchErrorKind::UnknownSubstitution { name: name.to_owned() };
                let error = LaunchError::new(&at, kind);
                Err(match name {
                    "arg" => error.hint("ROS 1; ROS 2 says $(var n)"),
                    "find" => error.hint("ROS 1; ROS 2 says $(find-pkg-share p)"),
                    "eval" => error.hint("it needs Python; pass the value by <arg>, choose by if and unless"),
                    "command" => error.hint("it runs a shell; run the command before and pass <arg>"),
                    _ => error,
                })
            }
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}
