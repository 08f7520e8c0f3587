//! A gait clock: shows, then advances; stands still while nothing is commanded.

use core::f64::consts::{PI, TAU};

use sinew_inference::manifest::{Phase, PhaseForm, PhaseRange, PhaseRest};

use crate::sample::Sample;

/// The clock of one phase term.
#[derive(Clone, Debug)]
pub(crate) struct GaitClock {
    phase: Phase,
    start_rad: f64,
    /// Where the next fresh start finds it instead: in step with another clock.
    entry_rad: Option<f64>,
    /// Advance per run, rad.
    step_rad: f64,
    /// Change of the amplitude per run.
    ramp: f64,
    /// In [0, 2 pi).
    clock_rad: f64,
    /// 0 to 1.
    amplitude: f64,
    frozen: bool,
}

impl GaitClock {
    /// `rate_hz` is how often the policy runs.
    pub(crate) fn new(phase: &Phase, rate_hz: f64) -> Self {
        let ramp = if phase.ramp_s > 0.0 { 1.0 / (rate_hz * phase.ramp_s) } else { 1.0 };
        let mut clock = Self {
            phase: phase.clone(),
            start_rad: (TAU * phase.start_turns).rem_euclid(TAU),
            entry_rad: None,
            step_rad: TAU * phase.rate_hz / rate_hz,
            ramp,
            clock_rad: 0.0,
            amplitude: 0.0,
            frozen: false,
        };
        clock.reset();
        clock
    }

    /// Where it stands, rad in [0, 2 pi): after a fresh start, or in the next run.
    pub(crate) fn clock_rad(&self, fresh: bool) -> f64 {
        if fresh { self.entry_rad.unwrap_or(self.start_rad) } else { self.clock_rad }
    }

    /// Where fresh starts find it; `None`: at its own beginning.
    pub(crate) fn enter_at(&mut self, clock_rad: Option<f64>) {
        self.entry_rad = clock_rad.filter(|c| c.is_finite()).map(|c| c.rem_euclid(TAU));
    }

    /// As after an activation.
    pub(crate) fn reset(&mut self) {
        self.clock_rad = self.entry_rad.unwrap_or(self.start_rad);
        self.amplitude = if self.phase.ramp_s > 0.0 { 0.0 } else { 1.0 };
        self.frozen = false;
    }

    /// Value `index` of the term.
    pub(crate) fn value(&self, index: usize) -> f64 {
        let (foot, function) = self.phase.place(index);
        let offset = TAU * self.phase.offsets_turns.get(foot).copied().unwrap_or(f64::NAN);
        let angle =
            if self.frozen && self.phase.rest == PhaseRest::Pi { PI } else { self.clock_rad + offset };
        match (self.phase.form, function) {
            (PhaseForm::SinCos, 0) | (PhaseForm::CosSin, 1) => self.amplitude * libm::sin(angle),
            (PhaseForm::SinCos | PhaseForm::CosSin, _) => self.amplitude * libm::cos(angle),
            (PhaseForm::Value(PhaseRange::TwoPi), _) => angle.rem_euclid(TAU),
            (PhaseForm::Value(PhaseRange::Pi), _) => (angle + PI).rem_euclid(TAU) - PI,
            (PhaseForm::Value(PhaseRange::Turns), _) => (angle / TAU).rem_euclid(1.0),
        }
    }

    /// On by `runs`, or back to the start.
    pub(crate) fn advance(&mut self, sample: &Sample<'_>, runs: u32) {
        if runs == 0 {
            return;
        }
        let runs = f64::from(runs);
        let moving = self.phase.freeze_below.is_none_or(|threshold| sample.is_moving(threshold));
        if self.phase.ramp_s > 0.0 {
            let change = if moving { self.ramp } else { -self.ramp };
            self.amplitude = (self.amplitude + change * runs).clamp(0.0, 1.0);
            self.frozen = self.amplitude <= 0.0;
        } else {
            self.frozen = !moving;
        }
        self.clock_rad =
            if self.frozen { self.start_rad } else { (self.clock_rad + self.step_rad * runs) % TAU };
    }
}
