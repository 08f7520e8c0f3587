//! Normalisation of a whole input tensor, after its terms.

use super::GraphFile;
use super::reader::{Entry, ManifestError, Section};
use crate::stats::{Stats, StatsError};

/// What happens to each value of a tensor last.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalize {
    /// Nothing (or it is done inside the graph).
    None,
    /// (x - mean) / (std + eps), then clip.
    MeanStd {
        /// Per value.
        mean: Vec<f64>,
        /// Per value; std + eps is above zero.
        std: Vec<f64>,
        /// Added to std.
        eps: f64,
        /// Limit on the result, both sides.
        clip: Option<f64>,
    },
    /// The range lo..hi onto the range `to`, then clip; of minima and maxima or of quantiles.
    Range {
        /// Per value: becomes `to[0]`.
        lo: Vec<f64>,
        /// Per value: becomes `to[1]`.
        hi: Vec<f64>,
        /// Taken as the width where hi equals lo.
        eps: f64,
        /// Where the range goes.
        to: [f64; 2],
        /// Limit on the result, both sides.
        clip: Option<f64>,
    },
    /// As one of these, with numbers from a file; resolved when the model is loaded.
    Stats(StatsRef),
}

/// Numbers of a normalisation that stand in a file of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsRef {
    /// The file, beside the manifest.
    pub file: GraphFile,
    /// Put before the name of each list.
    pub prefix: String,
    /// Values of the tensor.
    len: usize,
    mode: Mode,
    rest: Rest,
    field: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    MeanStd,
    MinMax,
    Quantile,
}

impl Mode {
    fn lists(self) -> [&'static str; 2] {
        match self {
            Self::MeanStd => ["mean", "std"],
            Self::MinMax => ["min", "max"],
            Self::Quantile => ["q01", "q99"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rest {
    eps: f64,
    to: [f64; 2],
    clip: Option<f64>,
}

impl Normalize {
    /// `len`: values of the tensor.
    pub(super) fn parse(section: Section<'_>, len: usize) -> Result<Self, ManifestError> {
        let entry = section.required("mode", "how the tensor is normalised")?;
        let mode = entry.choice(&[
            ("none", None),
            ("mean_std", Some(Mode::MeanStd)),
            ("min_max", Some(Mode::MinMax)),
            ("quantile", Some(Mode::Quantile)),
        ])?;
        let Some(mode) = mode else {
            section.finish()?;
            return Ok(Self::None);
        };
        let eps = match section.optional("eps") {
            Some(entry) => entry.number_in(0.0, 1.0, "")?,
            None => 0.0,
        };
        let clip = section.optional("clip").map(|e| e.number_in(1e-6, 1e6, "")).transpose()?;
        let to = match mode {
            Mode::MeanStd => [-1.0, 1.0],
            Mode::MinMax | Mode::Quantile => {
                section.optional("to").map(|e| e.pair()).transpose()?.unwrap_or([-1.0, 1.0])
            }
        };
        let rest = Rest { eps, to, clip };
        let normalize = if let Some(stats) = section.optional("stats") {
            Self::Stats(StatsRef::parse(&stats, len, mode, rest)?)
        } else {
            let [first, second] = mode.lists();
            let first_entry = section.required(first, "one number, or one per value, or `stats`")?;
            let first = first_entry.numbers(len, "one per value")?;
            let second_entry = section.required(second, "one number, or one per value")?;
            let second = second_entry.numbers(len, "one per value")?;
            build(mode, first, second, rest)
                .map_err(|(found, expected)| second_entry.error(found, expected, "check the export"))?
        };
        section.finish()?;
        Ok(normalize)
    }
}

impl StatsRef {
    fn parse(entry: &Entry<'_>, len: usize, mode: Mode, rest: Rest) -> Result<Self, ManifestError> {
        let section = entry.section()?;
        let file = super::parse::file_and_hash(&section, "file")?;
        let prefix = match section.optional("prefix") {
            Some(entry) => entry.text("text before the name of each list")?,
            None => String::new(),
        };
        section.finish()?;
        Ok(Self { file, prefix, len, mode, rest, field: entry.path.clone() })
    }

    /// The normalisation with the numbers of the file.
    pub fn resolve(&self, bytes: &[u8]) -> Result<Normalize, StatsError> {
        let stats = Stats::parse(bytes)?;
        let [first, second] = self.mode.lists();
        let list = |name: &str| stats.list(&format!("{}{name}", self.prefix), self.len);
        build(self.mode, list(first)?, list(second)?, self.rest).map_err(|(found, expected)| {
            StatsError::Content { list: format!("{}{second}", self.prefix), found, expected }
        })
    }

    /// Path of the key, for messages.
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// Statistics of data in which nothing ever moved, or of no data: eps alone would divide, which makes each measurement
/// enormous.
fn flat(found: &str, values: usize) -> (String, String) {
    let expected =
        "some value that moved in training, or `normalize = { mode = \"none\" }` where nothing is normalised";
    (format!("{found} at each of {values} values"), expected.to_owned())
}

fn build(mode: Mode, first: Vec<f64>, second: Vec<f64>, rest: Rest) -> Result<Normalize, (String, String)> {
    let Rest { eps, to, clip } = rest;
    if mode == Mode::MeanStd {
        if let Some(std) = second.iter().find(|s| **s < 0.0 || **s + eps <= 0.0) {
            return Err((format!("the deviation {std}"), "std + eps above zero".to_owned()));
        }
        if second.iter().all(|s| *s == 0.0) {
            return Err(flat("a deviation of 0", second.len()));
        }
        return Ok(Normalize::MeanStd { mean: first, std: second, eps, clip });
    }
    let wrong = |(lo, hi): &(&f64, &f64)| hi < lo || (hi == lo && eps <= 0.0);
    if let Some((lo, hi)) = first.iter().zip(&second).find(wrong) {
        return Err((format!("the range {lo} to {hi}"), "a width above zero, or eps above zero".to_owned()));
    }
    if first == second {
        return Err(flat("a width of 0", second.len()));
    }
    Ok(Normalize::Range { lo: first, hi: second, eps, to, clip })
}
