//! One input tensor: made of terms, counted, or drawn.

use super::history::HistoryLayout;
use super::joints::Joints;
use super::normalize::Normalize;
use super::parse::sections;
use super::reader::{Entry, ManifestError, Section};
use super::term::{FedBack, Term};
use crate::engine::{ElementType, LARGEST_WHOLE};

/// Most values of one input tensor.
pub(super) const MAX_INPUT_LEN: usize = 1 << 20;

/// Element types, as manifests write them.
pub(super) const ELEMENTS: [(&str, ElementType); 5] = [
    ("f32", ElementType::F32),
    ("f16", ElementType::F16),
    ("i64", ElementType::I64),
    ("i32", ElementType::I32),
    ("bool", ElementType::Bool),
];

/// One input tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name in the graph.
    pub tensor: String,
    /// What its values are in the graph.
    pub element: ElementType,
    /// Shape; the leading 1 is the batch.
    pub shape: Vec<usize>,
    /// Where its values come from.
    pub source: InputSource,
    /// Line of `shape`, for messages.
    pub line: usize,
}

/// Where the values of an input come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    /// From the robot.
    Terms(Observed),
    /// From the number of runs since the activation.
    Counter(Counter),
    /// From a seeded stream of normally distributed numbers.
    Gaussian(Gaussian),
}

/// Values taken from the robot.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What it is made of, in order.
    pub terms: Vec<Term>,
    /// How their histories share the tensor.
    pub layout: HistoryLayout,
    /// What happens last.
    pub normalize: Normalize,
}

/// What a counter does after its last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterEnd {
    /// Stays at it.
    Hold,
    /// Begins anew.
    Wrap,
    /// Ends the activation.
    Fault,
}

/// Runs since the activation; all values of the tensor are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// First value.
    pub start: u32,
    /// Number of values.
    pub length: u32,
    /// What follows the last.
    pub on_end: CounterEnd,
}

/// Normally distributed numbers, the same after each activation.
///
/// Value k of the stream (k from 0) is `mean + std * z(k)`; z(2i) and z(2i+1) are the cosine and sine branch of
/// Box-Muller on u1 = (a + 1) / 2^53 and u2 = b / 2^53, with a and b the upper 53 bits of outputs 2i and 2i+1 of
/// SplitMix64 started at `seed`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// Start of the stream.
    pub seed: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

#[derive(Clone, Copy, Debug)]
enum SourceName {
    Terms,
    Counter,
    Gaussian,
}

impl Input {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never true; for symmetry with `len`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its terms; none when it is not made of terms.
    pub fn terms(&self) -> &[Term] {
        match &self.source {
            InputSource::Terms(observed) => &observed.terms,
            InputSource::Counter(_) | InputSource::Gaussian(_) => &[],
        }
    }

    pub(super) fn parse(
        section: Section<'_>,
        joints: &Joints,
        fed_back: &FedBack,
    ) -> Result<Self, ManifestError> {
        let tensor = section.required("tensor", "name of a graph input")?.text("name of a graph input")?;
        let dtype = section.required("dtype", "the graph's element type, e.g. \"f32\"")?;
        let element = dtype.choice(&ELEMENTS)?;
        let entry = section.required("shape", "the tensor's shape, e.g. [1, 47]")?;
        let (shape, len) = bounded_shape(&entry)?;
        let source = match section.optional("source") {
            Some(entry) => source_name(&entry)?,
            None => SourceName::Terms,
        };
        if !element.is_float() && !matches!(source, SourceName::Counter) {
            let hint = "export the graph with a float input";
            return Err(dtype.error(
                format!("\"{element}\""),
                "f32 or f16 for measured or drawn values",
                hint,
            ));
        }
        let source = match source {
            SourceName::Terms => {
                InputSource::Terms(observed(&section, &entry, &shape, len, joints, fed_back)?)
            }
            SourceName::Counter => InputSource::Counter(counter(&section, element)?),
            SourceName::Gaussian => InputSource::Gaussian(gaussian(&section)?),
        };
        let line = entry.line();
        section.finish()?;
        Ok(Self { tensor, element, shape, source, line })
    }
}

/// A shape and its number of values.
pub(super) fn bounded_shape(entry: &Entry<'_>) -> Result<(Vec<usize>, usize), ManifestError> {
    let shape = entry.shape()?;
    let len = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= MAX_INPUT_LEN);
    match len {
        Some(len) => Ok((shape, len)),
        None => {
            let expected = format!("at most {MAX_INPUT_LEN} values");
            Err(entry.error(format!("shape {shape:?}"), expected, "correct the shape"))
        }
    }
}

fn source_name(entry: &Entry<'_>) -> Result<SourceName, ManifestError> {
    let text = entry.text("\"terms\", \"counter\" or \"gaussian\"")?;
    if text == "text" || text == "image" {
        let hint = "a policy reads RobotState alone, which carries neither texts nor images";
        return Err(entry.error(format!("\"{text}\""), "\"terms\", \"counter\" or \"gaussian\"", hint));
    }
    entry.choice(&[
        ("terms", SourceName::Terms),
        ("counter", SourceName::Counter),
        ("gaussian", SourceName::Gaussian),
    ])
}

fn observed(
    section: &Section<'_>,
    shape_entry: &Entry<'_>,
    shape: &[usize],
    len: usize,
    joints: &Joints,
    fed_back: &FedBack,
) -> Result<Observed, ManifestError> {
    let terms = sections(section, "term", "[[input.term]] sections")?
        .into_iter()
        .map(|term| Term::parse(term, joints, fed_back))
        .collect::<Result<Vec<_>, _>>()?;
    let total: usize = terms.iter().map(Term::len).sum();
    if len != total {
        let widths: Vec<String> = terms.iter().map(|t| format!("{} {}", t.len(), t.kind.name())).collect();
        let found = format!("shape {shape:?}");
        let expected = format!("{total} values, the sum of its terms ({})", widths.join(", "));
        return Err(shape_entry.error(found, expected, "add the missing term or correct the shape"));
    }
    let layout = match section.optional("history_layout") {
        None => HistoryLayout::TermMajor,
        Some(entry) => {
            let layout = entry.choice(&[
                ("term_major", HistoryLayout::TermMajor),
                ("time_major", HistoryLayout::TimeMajor),
            ])?;
            let first = terms.first().map(|t| t.history);
            let other = terms.iter().find(|t| Some(t.history) != first);
            if let (HistoryLayout::TimeMajor, Some(other)) = (layout, other) {
                let found = format!("another history at {} (line {})", other.kind.name(), other.line);
                let hint = "give all terms one history, or use term_major";
                return Err(entry.error(found, "equal histories of all terms for time_major", hint));
            }
            layout
        }
    };
    let normalize = match section.optional("normalize") {
        None => Normalize::None,
        Some(entry) => Normalize::parse(entry.section()?, total)?,
    };
    Ok(Observed { terms, layout, normalize })
}

fn counter(section: &Section<'_>, element: ElementType) -> Result<Counter, ManifestError> {
    let most = if element == ElementType::F16 { 2048 } else { LARGEST_WHOLE as i64 };
    let start = match section.optional("start") {
        Some(entry) => entry.integer_in(0, most)?,
        None => 0,
    };
    let entry = section.required("length", "number of values")?;
    let length = entry.integer_in(1, most)?;
    if start + length - 1 > most {
        let (found, expected) =
            (format!("a last value of {}", start + length - 1), format!("at most {most}"));
        return Err(entry.error(found, expected, "larger numbers are not exact; shorten the count"));
    }
    let on_end = section.required("on_end", "\"hold\", \"wrap\" or \"fault\"")?.choice(&[
        ("hold", CounterEnd::Hold),
        ("wrap", CounterEnd::Wrap),
        ("fault", CounterEnd::Fault),
    ])?;
    Ok(Counter { start: start as u32, length: length as u32, on_end })
}

fn gaussian(section: &Section<'_>) -> Result<Gaussian, ManifestError> {
    let seed = section.required("seed", "a whole number")?.integer_in(0, i64::MAX)? as u64;
    let mean = section.optional("mean").map(|e| e.number_in(-1e6, 1e6, "")).transpose()?.unwrap_or(0.0);
    let std = section.optional("std").map(|e| e.number_in(0.0, 1e6, "")).transpose()?.unwrap_or(1.0);
    Ok(Gaussian { seed, mean, std })
}
