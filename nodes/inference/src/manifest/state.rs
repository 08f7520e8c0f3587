//! Recurrent state: an output of one run that is an input of the next.

use super::GraphFile;
use super::input::{ELEMENTS, bounded_shape};
use super::reader::{Entry, ManifestError, Section};
use crate::engine::ElementType;
use crate::stats::{Stats, StatsError};

/// A recurrent pair.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Input of the graph.
    pub input: String,
    /// Output of the graph.
    pub output: String,
    /// Shape of the input.
    pub shape: Vec<usize>,
    /// Shape of the output; without a ring that of the input.
    pub output_shape: Vec<usize>,
    /// What the values of both are in the graph.
    pub element: ElementType,
    /// What the input holds after a reset.
    pub init: StateInit,
    /// Time between two observations beyond which the state starts anew, ms; `None`: any run left out does.
    pub gap_ms: Option<f64>,
    /// Several past outputs side by side.
    pub ring: Option<Ring>,
    /// Line of the section, for messages.
    pub line: usize,
}

/// What a state's input holds after a reset.
#[derive(Clone, Debug, PartialEq)]
pub enum StateInit {
    /// Zeros.
    Zeros,
    /// Numbers, as many as the input has.
    Values(Vec<f32>),
    /// Numbers from a file; resolved when the model is loaded.
    File {
        /// The file, beside the manifest.
        file: GraphFile,
        /// Name of the list in it.
        key: String,
        /// Path of the manifest's key, for messages.
        field: String,
    },
}

/// The input holds every `stride`-th of the past outputs, oldest first, the last one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Outputs in the input.
    pub slots: usize,
    /// Runs from one to the next.
    pub stride: usize,
}

impl Ring {
    /// Outputs to be remembered.
    pub fn runs(&self) -> usize {
        (self.slots.max(1) - 1) * self.stride + 1
    }
}

impl State {
    /// Number of values of the input.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never true; for symmetry with `len`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of the file of initial values.
    pub(crate) fn initial(&self, key: &str, bytes: &[u8]) -> Result<StateInit, StatsError> {
        let values = Stats::parse(bytes)?.list(key, self.len())?;
        Ok(StateInit::Values(values.iter().map(|v| *v as f32).collect()))
    }

    pub(super) fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let input = section.required("input", "name of a graph input")?;
        let line = input.line();
        let input = input.text("name of a graph input")?;
        let output = section.required("output", "name of a graph output")?.text("name of a graph output")?;
        let element = match section.optional("dtype") {
            Some(entry) => entry.choice(&ELEMENTS)?,
            None => ElementType::F32,
        };
        let entry = section.required("shape", "the input's shape, e.g. [1, 1, 256]")?;
        let (shape, len) = bounded_shape(&entry)?;
        let ring = section.optional("ring").map(|e| ring(&e, &entry, len)).transpose()?;
        let per_run = len / ring.map_or(1, |r| r.slots);
        let output_shape = match section.optional("output_shape") {
            Some(entry) => {
                let (output_shape, output_len) = bounded_shape(&entry)?;
                if output_len != per_run {
                    let expected = format!("{per_run} values, as the input takes from each run");
                    return Err(entry.error(
                        format!("shape {output_shape:?}"),
                        expected,
                        "correct the shape",
                    ));
                }
                output_shape
            }
            None if ring.is_some() => vec![1, per_run],
            None => shape.clone(),
        };
        let init = match section.optional("init") {
            None => StateInit::Zeros,
            Some(entry) if entry.is_text() => entry.choice(&[("zeros", ())]).map(|()| StateInit::Zeros)?,
            Some(entry) => {
                let table = entry.section()?;
                let file = super::parse::file_and_hash(&table, "file")?;
                let key = table.required("key", "name of the list")?.text("name of the list")?;
                table.finish()?;
                StateInit::File { file, key, field: entry.path.clone() }
            }
        };
        let gap_ms = match section.optional("reset_on") {
            None => None,
            Some(entry) => reset_on(&entry)?,
        };
        section.finish()?;
        Ok(Self { input, output, shape, output_shape, element, init, gap_ms, ring, line })
    }
}

fn ring(entry: &Entry<'_>, shape: &Entry<'_>, values: usize) -> Result<Ring, ManifestError> {
    let section = entry.section()?;
    let len = section.required("len", "outputs remembered")?.integer_in(1, 100_000)? as usize;
    let stride = match section.optional("stride") {
        Some(entry) => entry.integer_in(1, len as i64)? as usize,
        None => 1,
    };
    section.finish()?;
    let ring = Ring { slots: len / stride, stride };
    if !values.is_multiple_of(ring.slots) {
        let found = format!("{values} values for {} outputs (len / stride)", ring.slots);
        return Err(shape.error(
            found,
            "a whole number of values per output",
            "correct shape, len or stride",
        ));
    }
    Ok(ring)
}

/// "activate" always; at most one "gap>…ms".
fn reset_on(entry: &Entry<'_>) -> Result<Option<f64>, ManifestError> {
    let expected = "[\"activate\"], or [\"activate\", \"gap>40ms\"]";
    let (mut activate, mut gap) = (false, None);
    for item in entry.list(expected)? {
        let text = item.text(expected)?;
        let number = text.strip_prefix("gap>").and_then(|t| t.strip_suffix("ms"));
        match number.and_then(|t| t.trim().parse::<f64>().ok()) {
            Some(ms) if (0.0..=10_000.0).contains(&ms) && gap.is_none() => gap = Some(ms),
            _ if text == "activate" && !activate => activate = true,
            _ => {
                return Err(item.error(
                    format!("\"{text}\""),
                    expected,
                    "give the gap once, as a number of ms",
                ));
            }
        }
    }
    if !activate {
        let hint = "a state that outlives its activation would start a walk with the memory of another";
        return Err(entry.error("no \"activate\"", expected, hint));
    }
    Ok(gap)
}
