//! One term with its memory: takes this run's values, gives the moments its history asks for.

use sinew_inference::manifest::{HistoryInit, Operation, Stage, Term, TermKind};

use crate::clock::GaitClock;
use crate::rotation;
use crate::sample::Sample;

/// One term of an input.
#[derive(Clone, Debug)]
pub(crate) struct TermMemory {
    term: Term,
    /// The last runs, each `width` values; `newest` is the present one's position.
    runs: Vec<f32>,
    newest: usize,
    clock: Option<GaitClock>,
    /// Robot positions of the feet a contact term reads.
    feet: Vec<usize>,
    rotation: [f64; 9],
}

impl TermMemory {
    /// `feet`: the robot's feet in the order of its states; `None` when the term reads one that is not there.
    pub(crate) fn new(term: &Term, rate_hz: f64, feet: &[String]) -> Result<Self, String> {
        let clock = match &term.kind {
            TermKind::Phase(phase) => Some(GaitClock::new(phase, rate_hz)),
            _ => None,
        };
        let mut places = Vec::new();
        if let TermKind::Contact { feet: wanted, .. } = &term.kind {
            for name in wanted {
                places.push(feet.iter().position(|f| f == name).ok_or_else(|| name.clone())?);
            }
        }
        let runs = vec![0.0; term.history.runs() * term.width()];
        Ok(Self { term: term.clone(), runs, newest: 0, clock, feet: places, rotation: [0.0; 9] })
    }

    /// Its gait clock, if it has one.
    pub(crate) fn clock(&self) -> Option<&GaitClock> {
        self.clock.as_ref()
    }

    /// To set it.
    pub(crate) fn clock_mut(&mut self) -> Option<&mut GaitClock> {
        self.clock.as_mut()
    }

    /// Values per moment.
    pub(crate) fn width(&self) -> usize {
        self.term.width()
    }

    /// Takes this run's values.
    pub(crate) fn observe(&mut self, sample: &Sample<'_>) {
        if sample.fresh {
            if let Some(clock) = &mut self.clock {
                clock.reset();
            }
            self.newest = 0;
            self.runs.fill(0.0);
        } else {
            self.newest = (self.newest + 1) % self.term.history.runs();
        }
        if let Some(clock) = &mut self.clock {
            // What was left out has passed by now.
            clock.advance(sample, sample.elapsed.saturating_sub(1));
        }
        if let TermKind::Rotation(form) = self.term.kind {
            rotation::write(form, sample.orientation_wxyz, &mut self.rotation);
        }
        let width = self.width();
        for index in 0..width {
            let value = self.value(sample, index) as f32;
            if sample.fresh && self.term.history.init == HistoryInit::RepeatFirst {
                for slot in self.runs.iter_mut().skip(index).step_by(width) {
                    *slot = value;
                }
            } else if let Some(slot) = self.runs.get_mut(self.newest * width + index) {
                *slot = value;
            }
        }
        if let Some(clock) = &mut self.clock {
            clock.advance(sample, 1);
        }
    }

    /// Writes the moment in place `slot` of the history.
    pub(crate) fn write_moment(&self, slot: usize, out: &mut [f32]) {
        let (history, width) = (&self.term.history, self.width());
        let runs = history.runs();
        let run = (self.newest + runs - history.age(slot) % runs) % runs;
        if let Some(values) = self.runs.get(run * width..(run + 1) * width) {
            for (out, value) in out.iter_mut().zip(values) {
                *out = *value;
            }
        }
    }

    /// Value `index` of this run, through the pipeline.
    fn value(&self, sample: &Sample<'_>, index: usize) -> f64 {
        let mut value = self.taken(sample, index);
        for operation in self.term.pipeline {
            value = match operation {
                Operation::Minus => value - self.term.minus.get(index).copied().unwrap_or(f64::NAN),
                Operation::Scale => value * self.term.scale.get(index).copied().unwrap_or(f64::NAN),
                Operation::Clip => match self.term.clip.as_ref().and_then(|c| c.get(index)) {
                    Some([lo, _]) if value < *lo => *lo,
                    Some([_, hi]) if value > *hi => *hi,
                    _ => value,
                },
            };
        }
        value
    }

    /// What the term takes. A position outside a list cannot occur; a NaN would end the run as a fault, not as a
    /// wrong number.
    fn taken(&self, sample: &Sample<'_>, index: usize) -> f64 {
        let of = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::NAN);
        let pick = self.term.picks.get(index).copied().unwrap_or(usize::MAX);
        match &self.term.kind {
            TermKind::AngularVelocity => of(&sample.gyro_rad_s, index),
            TermKind::LinearVelocity => of(&sample.velocity_m_s, index),
            TermKind::ProjectedGravity => of(&sample.projected_gravity, index),
            TermKind::Rotation(_) => of(&self.rotation, index),
            TermKind::Height => sample.height_m,
            TermKind::Position => of(&sample.position_m, index),
            TermKind::JointPosition => of(sample.q_rad, pick),
            TermKind::JointVelocity => of(sample.dq_rad_s, pick),
            TermKind::JointEffort => of(sample.tau_nm, pick),
            TermKind::Contact { threshold, .. } => {
                let probability = of(&sample.contact, self.feet.get(index).copied().unwrap_or(usize::MAX));
                match threshold {
                    Some(limit) if probability.is_finite() => f64::from(u8::from(probability >= *limit)),
                    _ => probability,
                }
            }
            TermKind::VelocityCommand(axes) => {
                axes.get(index).map_or(f64::NAN, |axis| of(&sample.command, axis.index()))
            }
            TermKind::LastAction(stage) => {
                let values = match stage {
                    Stage::Raw => sample.action.raw,
                    Stage::Clipped => sample.action.clipped,
                    Stage::Scaled => sample.action.scaled,
                    Stage::Applied => sample.action.applied,
                };
                values.get(pick).map_or(f64::NAN, |v| f64::from(*v))
            }
            TermKind::Phase(_) => self.clock.as_ref().map_or(f64::NAN, |clock| clock.value(index)),
            TermKind::Constant(values) => of(values, index),
        }
    }
}
