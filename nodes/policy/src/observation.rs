//! The observation: terms of the manifest, in the policy's joint order, with history, phase and normalisation.

use sinew_inference::manifest::{HistoryOrder, Input, Normalize, Stage, Term, TermKind};

/// What an observation is made of, already in the policy's joint order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// Base frame, rad/s.
    pub gyro_rad_s: [f64; 3],
    /// Unit vector in the base frame.
    pub projected_gravity: [f64; 3],
    /// vx, vy m/s, wz rad/s.
    pub command: [f64; 3],
    /// Per policy joint, rad.
    pub q_rad: &'a [f64],
    /// Per policy joint, rad/s.
    pub dq_rad_s: &'a [f64],
    /// Per policy joint, rad.
    pub default_rad: &'a [f64],
    /// The graph's last action, zero after a reset.
    pub last_raw: &'a [f32],
    /// The last target, rad, zero after a reset.
    pub last_applied: &'a [f32],
}

impl Sample<'_> {
    fn command_norm(&self) -> f64 {
        self.command.iter().map(|c| c * c).sum::<f64>().sqrt()
    }
}

/// One term with its memory.
#[derive(Clone, Debug)]
struct TermState {
    term: Term,
    /// All runs of the term as they stand in the tensor.
    values: Vec<f32>,
    /// Gait clock, rad in [0, 2 pi); only phase terms move it.
    phase_rad: f64,
    /// Clock advance per run, rad.
    phase_step_rad: f64,
    /// Where the clock stands after a fresh start, rad.
    start_rad: f64,
}

impl TermState {
    fn new(term: &Term, rate_hz: f64) -> Self {
        let phase_step_rad = match term.kind {
            TermKind::Phase { rate_hz: turns, .. } => core::f64::consts::TAU * turns / rate_hz,
            _ => 0.0,
        };
        Self {
            term: term.clone(),
            values: vec![0.0; term.len()],
            phase_rad: 0.0,
            phase_step_rad,
            start_rad: 0.0,
        }
    }

    /// Takes this run's values; `fresh` fills the whole history with them.
    fn observe(&mut self, sample: &Sample<'_>, fresh: bool) {
        if fresh {
            self.phase_rad = self.start_rad;
        }
        let width = self.term.width();
        let newest_at = match self.term.history.order {
            HistoryOrder::OldestFirst => self.values.len() - width,
            HistoryOrder::NewestFirst => 0,
        };
        let kept = self.values.len() - width;
        if !fresh && kept > 0 {
            match self.term.history.order {
                HistoryOrder::OldestFirst => self.values.copy_within(width.., 0),
                HistoryOrder::NewestFirst => self.values.copy_within(..kept, width),
            }
        }
        for index in 0..width {
            let value = self.value(sample, index) as f32;
            if fresh {
                for slot in self.values.iter_mut().skip(index).step_by(width) {
                    *slot = value;
                }
            } else if let Some(slot) = self.values.get_mut(newest_at + index) {
                *slot = value;
            }
        }
        if let TermKind::Phase { freeze_below, .. } = self.term.kind {
            let moving = sample.command_norm() > freeze_below;
            let next = (self.phase_rad + self.phase_step_rad) % core::f64::consts::TAU;
            self.phase_rad = if moving { next } else { 0.0 };
        }
    }

    /// Value `index` of this run: minus, clip, scale.
    fn value(&self, sample: &Sample<'_>, index: usize) -> f64 {
        let raw = self.raw(sample, index);
        let clipped = match self.term.clip.as_ref().and_then(|c| c.get(index)) {
            Some([lo, hi]) if raw < *lo => *lo,
            Some([_, hi]) if raw > *hi => *hi,
            _ => raw,
        };
        clipped * self.term.scale.get(index).copied().unwrap_or(1.0)
    }

    /// A position outside a list cannot occur; a NaN would end the run as a fault, not as a wrong number.
    fn raw(&self, sample: &Sample<'_>, index: usize) -> f64 {
        let of = |values: &[f64]| values.get(index).copied().unwrap_or(f64::NAN);
        let of_f32 = |values: &[f32]| values.get(index).map_or(f64::NAN, |v| f64::from(*v));
        match self.term.kind {
            TermKind::AngularVelocity => of(&sample.gyro_rad_s),
            TermKind::ProjectedGravity => of(&sample.projected_gravity),
            TermKind::VelocityCommand => of(&sample.command),
            TermKind::JointPosition { minus_default: true } => of(sample.q_rad) - of(sample.default_rad),
            TermKind::JointPosition { minus_default: false } => of(sample.q_rad),
            TermKind::JointVelocity => of(sample.dq_rad_s),
            TermKind::LastAction { stage: Stage::Raw } => of_f32(sample.last_raw),
            TermKind::LastAction { stage: Stage::Applied } => of_f32(sample.last_applied),
            TermKind::Phase { .. } if index == 0 => libm::sin(self.phase_rad),
            TermKind::Phase { .. } => libm::cos(self.phase_rad),
        }
    }
}

/// One input tensor being filled.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    terms: Vec<TermState>,
    normalize: Normalize,
}

impl Observation {
    /// `rate_hz` is how often the policy runs.
    pub(crate) fn new(input: &Input, rate_hz: f64) -> Self {
        let terms = input.terms.iter().map(|t| TermState::new(t, rate_hz)).collect();
        Self { terms, normalize: input.normalize.clone() }
    }

    /// Where the gait clock stands, rad in [0, 2 pi); `None` without one.
    pub(crate) fn gait_phase_rad(&self) -> Option<f64> {
        let clocks = self.terms.iter().filter(|t| matches!(t.term.kind, TermKind::Phase { .. }));
        clocks.map(|t| t.phase_rad).next()
    }

    /// Where the gait clock stands at the next fresh start, rad.
    pub(crate) fn start_gait_at(&mut self, phase_rad: f64) {
        self.terms.iter_mut().for_each(|term| term.start_rad = phase_rad);
    }

    /// Takes this run's values and writes the tensor; false when a value of it is not finite.
    pub(crate) fn write(&mut self, sample: &Sample<'_>, fresh: bool, tensor: &mut [f32]) -> bool {
        let mut slots = tensor.iter_mut();
        for term in &mut self.terms {
            term.observe(sample, fresh);
            for (slot, value) in slots.by_ref().take(term.values.len()).zip(&term.values) {
                *slot = *value;
            }
        }
        if let Normalize::MeanStd { mean, std, eps, clip } = &self.normalize {
            for ((slot, mean), std) in tensor.iter_mut().zip(mean).zip(std) {
                let value = (f64::from(*slot) - mean) / (std + eps);
                *slot = clip.map_or(value, |limit| value.clamp(-limit, limit)) as f32;
            }
        }
        tensor.iter().all(|v| v.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinew_inference::manifest::History;

    fn sample<'a>(q: &'a [f64], command: [f64; 3]) -> Sample<'a> {
        Sample {
            gyro_rad_s: [0.1, 0.2, 0.3],
            projected_gravity: [0.0, 0.0, -1.0],
            command,
            q_rad: q,
            dq_rad_s: &[4.0, 5.0],
            default_rad: &[1.0, 1.0],
            last_raw: &[0.25, 0.5],
            last_applied: &[2.5, 3.5],
        }
    }

    fn term(kind: TermKind, len: usize, order: HistoryOrder) -> Term {
        Term { kind, clip: None, scale: vec![1.0; kind.width(2)], history: History { len, order } }
    }

    fn observation(terms: Vec<Term>, normalize: Normalize) -> (Observation, Vec<f32>) {
        let len = terms.iter().map(Term::len).sum();
        let input = Input { tensor: "obs".into(), shape: vec![1, len], normalize, terms, line: 1 };
        (Observation::new(&input, 50.0), vec![f32::NAN; len])
    }

    #[test]
    fn history_starts_full_and_moves_one_run_at_a_time() {
        let kind = TermKind::JointPosition { minus_default: true };
        for (order, expected) in [
            (HistoryOrder::OldestFirst, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            (HistoryOrder::NewestFirst, [4.0, 5.0, 2.0, 3.0, 0.0, 1.0]),
        ] {
            let (mut observation, mut tensor) = observation(vec![term(kind, 3, order)], Normalize::None);
            assert!(observation.write(&sample(&[1.0, 2.0], [0.0; 3]), true, &mut tensor));
            assert_eq!(tensor, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
            observation.write(&sample(&[3.0, 4.0], [0.0; 3]), false, &mut tensor);
            observation.write(&sample(&[5.0, 6.0], [0.0; 3]), false, &mut tensor);
            assert_eq!(tensor, expected);
            // A fresh start forgets all of it.
            observation.write(&sample(&[9.0, 9.0], [0.0; 3]), true, &mut tensor);
            assert_eq!(tensor, [8.0; 6]);
        }
    }

    #[test]
    fn the_gait_clock_shows_before_it_moves_and_stands_at_zero_at_rest() {
        let kind = TermKind::Phase { rate_hz: 2.0, freeze_below: 0.05 };
        let terms = vec![term(kind, 1, HistoryOrder::OldestFirst)];
        let (mut observation, mut tensor) = observation(terms, Normalize::None);
        let mut phase = |command: [f64; 3], fresh: bool| {
            observation.write(&sample(&[0.0, 0.0], command), fresh, &mut tensor);
            tensor.iter().map(|v| (f64::from(*v) * 1e6).round() / 1e6).collect::<Vec<_>>()
        };
        let step = core::f64::consts::TAU * 2.0 / 50.0;
        let at =
            |n: f64| vec![((n * step).sin() * 1e6).round() / 1e6, ((n * step).cos() * 1e6).round() / 1e6];
        assert_eq!(phase([0.5, 0.0, 0.0], true), at(0.0));
        assert_eq!(phase([0.5, 0.0, 0.0], false), at(1.0));
        assert_eq!(phase([0.0, 0.0, 0.0], false), at(2.0)); // the command of this run counts for the next
        assert_eq!(phase([0.03, 0.03, 0.0], false), at(0.0));
        assert_eq!(phase([0.0, 0.0, 0.06], false), at(0.0));
        assert_eq!(phase([0.0, 0.0, 0.06], false), at(1.0));
        assert_eq!(phase([0.5, 0.0, 0.0], true), at(0.0));
    }

    #[test]
    fn clip_comes_before_scale_and_normalisation_last() {
        let mut velocity = term(TermKind::JointVelocity, 1, HistoryOrder::OldestFirst);
        velocity.clip = Some(vec![[-1.0, 1.0], [-10.0, 10.0]]);
        velocity.scale = vec![0.5, 2.0];
        let raw = term(TermKind::LastAction { stage: Stage::Raw }, 1, HistoryOrder::OldestFirst);
        let applied = term(TermKind::LastAction { stage: Stage::Applied }, 1, HistoryOrder::OldestFirst);
        let normalize =
            Normalize::MeanStd { mean: vec![0.5; 6], std: vec![0.5; 6], eps: 0.0, clip: Some(3.0) };
        let (mut observation, mut tensor) = observation(vec![velocity, raw, applied], normalize);
        assert!(observation.write(&sample(&[0.0, 0.0], [0.0; 3]), true, &mut tensor));
        assert_eq!(tensor, [0.0, 3.0, -0.5, 0.0, 3.0, 3.0]);
    }

    #[test]
    fn a_value_that_is_not_finite_is_reported() {
        let kind = TermKind::JointPosition { minus_default: false };
        let terms = vec![term(kind, 1, HistoryOrder::OldestFirst)];
        let (mut observation, mut tensor) = observation(terms, Normalize::None);
        assert!(!observation.write(&sample(&[0.0, f64::NAN], [0.0; 3]), true, &mut tensor));
    }
}
