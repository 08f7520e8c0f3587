//! XML text to a tree of owned elements that know where they stand.

use std::path::Path;
use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use super::error::{LaunchError, LaunchErrorKind, Location};

/// Longest file read, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 64 * 1024;
/// Most XML nodes of one file.
const MAX_XML_NODES: u32 = 20_000;
/// Deepest nesting of tags.
pub(crate) const MAX_DEPTH: usize = 32;

/// One tag.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) tag: String,
    pub(crate) at: Location,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Element>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&Attribute, LaunchError> {
        self.attribute(name).ok_or_else(|| {
            LaunchError::new(
                &self.at,
                LaunchErrorKind::MissingAttribute { tag: self.tag.clone(), attribute: name },
            )
        })
    }
}

/// One attribute. `at` is the first character of its value.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) at: Location,
    /// The value stands in the file character for character (no entities, no line breaks), so that an
    /// offset in it is an offset in the file.
    literal: bool,
}

impl Attribute {
    /// Where byte `offset` of the value stands.
    pub(crate) fn location(&self, offset: usize) -> Location {
        if !self.literal {
            return self.at.clone();
        }
        let characters = self.value.get(..offset).unwrap_or(&self.value).chars().count();
        let column = self.at.column.saturating_add(u32::try_from(characters).unwrap_or(0));
        Location { column, ..self.at.clone() }
    }
}

/// Parses one launch file. `file` only names it.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Element, LaunchError> {
    let start = Location::start_of(file);
    if text.len() > MAX_FILE_BYTES {
        let kind = LaunchErrorKind::TooLarge { what: "the size of the file in bytes", limit: MAX_FILE_BYTES };
        return Err(LaunchError::new(&start, kind));
    }
    check_depth(&start, text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_XML_NODES };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let position = error.pos();
        let at = Location { line: position.row.max(1), column: position.col.max(1), ..start.clone() };
        let reason = match error {
            roxmltree::Error::DtdDetected => "a DTD; launch files have none".to_owned(),
            roxmltree::Error::NodesLimitReached => format!("more than {MAX_XML_NODES} XML nodes"),
            // Its messages end with the position, which `at` says already.
            other => other.to_string().trim_end_matches(&format!(" at {position}")).to_owned(),
        };
        LaunchError::new(&at, LaunchErrorKind::Xml { reason })
    })?;
    convert(document.root_element(), text, &Places::of(&start.file, text), 1)
}

fn convert(node: Node<'_, '_>, source: &str, places: &Places, depth: usize) -> Result<Element, LaunchError> {
    let at = places.at(source, node.range().start);
    if depth > MAX_DEPTH {
        let kind = LaunchErrorKind::TooLarge { what: "the nesting of tags", limit: MAX_DEPTH };
        return Err(LaunchError::new(&at, kind));
    }
    let tag = qualified(node.tag_name().namespace(), node.tag_name().name());
    let attributes = node
        .attributes()
        .map(|a| Attribute {
            name: qualified(a.namespace(), a.name()),
            value: a.value().to_owned(),
            at: places.at(source, a.range_value().start),
            literal: source.get(a.range_value()) == Some(a.value()),
        })
        .collect();
    let mut children = Vec::new();
    for child in node.children() {
        if child.is_element() {
            children.push(convert(child, source, places, depth + 1)?);
        } else if child.is_text() {
            let text = child.text().unwrap_or("").trim();
            if !text.is_empty() {
                let at = places.at(source, child.range().start);
                let text = text.chars().take(40).collect();
                return Err(LaunchError::new(&at, LaunchErrorKind::StrayText { tag, text }));
            }
        }
    }
    Ok(Element { tag, at, attributes, children })
}

/// The XML parser recurses once per open tag: bound its stack before it starts.
fn check_depth(start: &Location, text: &str) -> Result<(), LaunchError> {
    let mut rest = text;
    let mut open = 0_usize;
    while let Some(index) = rest.find('<') {
        rest = rest.get(index..).unwrap_or("");
        let end = if rest.starts_with("<!--") {
            rest.find("-->")
        } else if rest.starts_with("<![CDATA[") {
            rest.find("]]>")
        } else if rest.starts_with("<?") {
            rest.find("?>")
        } else if rest.starts_with("</") {
            open = open.saturating_sub(1);
            rest.find('>')
        } else {
            let end = tag_end(rest);
            if !rest.get(..end.unwrap_or(0)).unwrap_or("").ends_with('/') {
                open += 1;
            }
            end
        };
        if open > MAX_DEPTH {
            let kind = LaunchErrorKind::TooLarge { what: "the nesting of tags", limit: MAX_DEPTH };
            return Err(LaunchError::new(start, kind));
        }
        // Without an end the file is malformed from here on, which the parser says better.
        rest = end.and_then(|e| rest.get(e + 1..)).unwrap_or("");
    }
    Ok(())
}

/// Offset of the `>` that ends the tag at the start of `text`, quoted values skipped.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(index),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    None
}

fn qualified(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |n| format!("{{{n}}}{name}"))
}

/// Where the lines of a file begin, to turn byte offsets into lines and columns.
struct Places {
    file: Arc<Path>,
    line_starts: Vec<usize>,
}

impl Places {
    fn of(file: &Arc<Path>, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Self { file: Arc::clone(file), line_starts: std::iter::once(0).chain(starts).collect() }
    }

    fn at(&self, text: &str, byte: usize) -> Location {
        let line = self.line_starts.partition_point(|start| *start <= byte);
        let start = line.checked_sub(1).and_then(|i| self.line_starts.get(i)).copied().unwrap_or(0);
        let before = text.get(start..byte).unwrap_or("").chars().count();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location { file: Arc::clone(&self.file), line: number(line), column: number(before + 1) }
    }
}
