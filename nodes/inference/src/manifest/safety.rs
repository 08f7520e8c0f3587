//! What the policy does when its numbers are not those it was trained with.

use super::reader::{ManifestError, Section};

/// Largest bound on the change of a target from run to run, rad: one turn.
pub(crate) const MAX_JUMP_RAD: f64 = std::f64::consts::TAU;

/// What follows a policy that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Hand over to Stand.
    Stand,
    /// Damping.
    Damp,
}

/// What an observation out of range does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangePolicy {
    /// Counted, and a flag on the output.
    Warn,
    /// Ends the activation.
    Fault,
}

/// Range of one input's values as seen in training.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservationRange {
    /// Input it belongs to.
    pub tensor: String,
    /// Range per value, before normalisation, margin included.
    pub range: Vec<[f64; 2]>,
    /// Share of values that may be outside in one run.
    pub share_max: f64,
    /// Runs in a row beyond `share_max` after which the input is out of range.
    pub runs_max: u32,
    /// What then.
    pub policy: RangePolicy,
}

/// Bounds the policy watches itself. None of them replaces the guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Safety {
    /// Largest change of a joint target from one run to the next, rad, per joint; beyond it the policy faults.
    pub max_action_jump_rad: Option<Vec<f64>>,
    /// What follows a policy that is lost.
    pub fallback: Fallback,
    /// By input, at most one each.
    pub obs_ranges: Vec<ObservationRange>,
}

impl Safety {
    /// As if the section were empty.
    pub const DEFAULT: Self =
        Self { max_action_jump_rad: None, fallback: Fallback::Stand, obs_ranges: Vec::new() };

    /// `inputs`: name and number of values of each input made of terms.
    pub(super) fn parse(
        section: Section<'_>,
        joints: usize,
        inputs: &[(&str, usize)],
    ) -> Result<Self, ManifestError> {
        section.optional("nan").map(|e| e.choice(&[("fault", ())])).transpose()?;
        let max_action_jump_rad = match section.optional("max_action_jump") {
            None => None,
            Some(entry) => {
                let values = entry.numbers(joints, "one per joint")?;
                if values.iter().any(|v| *v <= 0.0) {
                    return Err(entry.error(
                        "a bound that is not above zero",
                        "rad per run, above zero",
                        "raise it",
                    ));
                }
                if let Some(value) = values.iter().find(|v| **v > MAX_JUMP_RAD) {
                    let expected = "at most 2 pi rad per run: a larger jump is no bound for a joint";
                    let hint = "write radians; leave the key out where no jump is to be watched";
                    return Err(entry.error(value.to_string(), expected, hint));
                }
                Some(values)
            }
        };
        let fallback = match section.optional("fallback") {
            Some(entry) => entry.choice(&[("stand", Fallback::Stand), ("damp", Fallback::Damp)])?,
            None => Fallback::Stand,
        };
        let mut obs_ranges: Vec<ObservationRange> = Vec::new();
        if let Some(entry) = section.optional("obs_range") {
            for item in entry.list("[[safety.obs_range]] sections")? {
                let range = ObservationRange::parse(item.section()?, inputs)?;
                if obs_ranges.iter().any(|r| r.tensor == range.tensor) {
                    let found = format!("a second range of `{}`", range.tensor);
                    return Err(item.error(found, "one range per input", "merge the two"));
                }
                obs_ranges.push(range);
            }
        }
        section.finish()?;
        Ok(Self { max_action_jump_rad, fallback, obs_ranges })
    }
}

impl ObservationRange {
    fn parse(section: Section<'_>, inputs: &[(&str, usize)]) -> Result<Self, ManifestError> {
        let entry = section.required("tensor", "name of an input made of terms")?;
        let tensor = entry.text("name of an input made of terms")?;
        let Some((_, len)) = inputs.iter().find(|(name, _)| *name == tensor) else {
            let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
            let expected = format!("one of {}", names.join(", "));
            return Err(entry.error(format!("\"{tensor}\""), expected, "name an [[input]] made of terms"));
        };
        let quantile = section.optional("q01").is_some() || section.optional("q99").is_some();
        let (low, high) = if quantile { ("q01", "q99") } else { ("min", "max") };
        let low_entry = section.required(low, "one number, or one per value")?;
        let lows = low_entry.numbers(*len, "one per value")?;
        let highs = section.required(high, "one number, or one per value")?.numbers(*len, "one per value")?;
        let margin = match section.optional("margin") {
            Some(entry) => entry.number_in(0.0, 100.0, "of the width")?,
            None => 0.0,
        };
        if let Some((index, (lo, hi))) = lows.iter().zip(&highs).enumerate().find(|(_, (lo, hi))| lo > hi) {
            let found = format!("{low} {lo} above {high} {hi} at value {index}");
            return Err(low_entry.error(found, format!("{low} at most {high}"), "exchange them"));
        }
        let widened = |(lo, hi): (&f64, &f64)| [lo - margin * (hi - lo), hi + margin * (hi - lo)];
        let range = lows.iter().zip(&highs).map(widened).collect();
        let share_max = match section.optional("share_max") {
            Some(entry) => entry.number_in(0.0, 1.0, "of the values")?,
            None if quantile => 0.2,
            None => 0.05,
        };
        let runs_max = match section.optional("runs_max") {
            Some(entry) => entry.integer_in(1, 100_000)? as u32,
            None => 5,
        };
        let policy = section
            .required("policy", "\"warn\" or \"fault\"")?
            .choice(&[("warn", RangePolicy::Warn), ("fault", RangePolicy::Fault)])?;
        section.finish()?;
        Ok(Self { tensor, range, share_max, runs_max, policy })
    }
}
