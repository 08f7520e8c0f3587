//! Gait clocks.

use super::reader::{ManifestError, Section};

/// What a phase term shows of each foot's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseForm {
    /// Sine, then cosine.
    SinCos,
    /// Cosine, then sine.
    CosSin,
    /// The phase itself.
    Value(PhaseRange),
}

/// Units and range of a phase shown as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseRange {
    /// rad in [0, 2 pi).
    TwoPi,
    /// rad in [-pi, pi).
    Pi,
    /// Turns in [0, 1).
    Turns,
}

/// Order of the values of several feet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseLayout {
    /// sin0, cos0, sin1, cos1.
    ByFoot,
    /// sin0, sin1, cos0, cos1.
    ByFunction,
}

/// Where the clocks stand while they are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseRest {
    /// Each at its start.
    Start,
    /// All feet at pi.
    Pi,
}

/// A gait clock. It starts at `start_turns` with each activation, shows, and then advances by one run's share; while
/// the command and its goal are at most `freeze_below` it stands at its start (with a ramp: once the amplitude is down).
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What is shown.
    pub form: PhaseForm,
    /// Turns per second.
    pub rate_hz: f64,
    /// Norm of the velocity command (m/s, rad/s taken as equals); `None`: the clock never stands still.
    pub freeze_below: Option<f64>,
    /// Time in which the amplitude of sine and cosine goes from 0 to 1 while commanded, and back at rest; 0: always 1.
    pub ramp_s: f64,
    /// One per foot, turns ahead of the clock.
    pub offsets_turns: Vec<f64>,
    /// Where the clock starts, turns.
    pub start_turns: f64,
    /// Where it stands while frozen.
    pub rest: PhaseRest,
    /// Order of the values.
    pub layout: PhaseLayout,
}

impl Phase {
    /// Values per run.
    pub fn width(&self) -> usize {
        match self.form {
            PhaseForm::Value(_) => self.offsets_turns.len(),
            PhaseForm::SinCos | PhaseForm::CosSin => 2 * self.offsets_turns.len(),
        }
    }

    /// Foot of value `index`, and whether it is the first (0) or second (1) of its two functions.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let feet = self.offsets_turns.len().max(1);
        match (self.form, self.layout) {
            (PhaseForm::Value(_), _) => (index, 0),
            (_, PhaseLayout::ByFoot) => (index / 2, index % 2),
            (_, PhaseLayout::ByFunction) => (index % feet, index / feet),
        }
    }

    pub(super) fn parse(section: &Section<'_>, shown: Shown) -> Result<Self, ManifestError> {
        let rate_hz = match (section.optional("rate_hz"), section.optional("period_s")) {
            (Some(rate), None) => rate.number_in(0.01, 100.0, "Hz")?,
            (None, Some(period)) => 1.0 / period.number_in(0.01, 100.0, "s")?,
            (None, None) => {
                return Err(section.error("neither", "`rate_hz` or `period_s`", "add one of them"));
            }
            (Some(_), Some(_)) => {
                return Err(section.error("both", "`rate_hz` or `period_s`", "remove one of them"));
            }
        };
        let expected = "norm of the velocity command below which the clock stands still, or \"never\"";
        let freeze = section.required("freeze_below", expected)?;
        let freeze_below = if freeze.is_text() {
            freeze.choice(&[("never", ())])?;
            None
        } else {
            Some(freeze.number_in(0.0, 10.0, "m/s, rad/s")?)
        };
        let offsets_turns = match section.optional("offsets_turns") {
            Some(entry) => {
                let list = entry.list("a list of one number per foot")?;
                if list.is_empty() || list.len() > 8 {
                    let found = format!("{} feet", list.len());
                    return Err(entry.error(found, "1 to 8", "give one offset per foot"));
                }
                list.iter().map(|e| e.number_in(-1.0, 1.0, "turns")).collect::<Result<_, _>>()?
            }
            None => vec![0.0],
        };
        let start_turns = match section.optional("start_turns") {
            Some(entry) => entry.number_in(-1.0, 1.0, "turns")?,
            None => 0.0,
        };
        let rest = match section.optional("rest") {
            Some(entry) => entry.choice(&[("zero", PhaseRest::Start), ("pi", PhaseRest::Pi)])?,
            None => PhaseRest::Start,
        };
        let (form, ramp_s, layout) = match shown {
            Shown::Value => {
                let range = section.required("range", "\"two_pi\", \"pi\" or \"turns\"")?.choice(&[
                    ("two_pi", PhaseRange::TwoPi),
                    ("pi", PhaseRange::Pi),
                    ("turns", PhaseRange::Turns),
                ])?;
                (PhaseForm::Value(range), 0.0, PhaseLayout::ByFoot)
            }
            Shown::Circle(form) => {
                let ramp_s = match section.optional("ramp_s") {
                    Some(entry) => entry.number_in(0.0, 10.0, "s")?,
                    None => 0.0,
                };
                let layout = match section.optional("layout") {
                    Some(entry) => entry.choice(&[
                        ("by_foot", PhaseLayout::ByFoot),
                        ("by_function", PhaseLayout::ByFunction),
                    ])?,
                    None => PhaseLayout::ByFoot,
                };
                (form, ramp_s, layout)
            }
        };
        Ok(Self { form, rate_hz, freeze_below, ramp_s, offsets_turns, start_turns, rest, layout })
    }
}

/// Which kind of phase term is being read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// Sine and cosine in some order.
    Circle(PhaseForm),
    /// The phase itself.
    Value,
}
