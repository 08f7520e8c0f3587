//! What golden vectors prove of an input: a factor shows only where a tick moves what it multiplies.
//!
//! Every value of a term that measures or is commanded must be moved, in some golden tick, so far that its factor
//! shows beyond the tolerance of the golden comparison. Not asked of:
//!
//! | term | why |
//! |---|---|
//! | `constant`, `phase/…` | made here; no tick of the golden file can move them, the targets tell whether they are right |
//! | `feedback/action` | made by the policy itself, from the second tick of a case on |
//! | counters, noise | no terms, and without a factor |
//! | a factor of 0 | the term is left out on purpose; one left out by mistake gives other targets |
//! | an axis with the range [0, 0] | it never moves on the robot either |

use sinew_inference::golden::{GoldenCase, GoldenTick};
use sinew_inference::manifest::{InputSource, Normalize, Operation, Term, TermKind};
use sinew_inference::{Golden, Model};

use crate::rotation;
use crate::verify::GoldenFailure;

/// The first value of a term whose factor no golden tick shows.
pub(crate) fn check_excitation(model: &Model) -> Result<(), GoldenFailure> {
    let atol = model.tolerance().atol;
    for input in &model.manifest.inputs {
        let InputSource::Terms(observed) = &input.source else { continue };
        for term in &observed.terms {
            for index in 0..term.width() {
                if is_exempt(model, term, index) {
                    continue;
                }
                let (mut shown, mut lo, mut hi) = (0.0f64, f64::INFINITY, f64::NEG_INFINITY);
                for raw in values(model, term, index) {
                    shown = shown.max(sensitivity(term, index, raw).abs());
                    (lo, hi) = (lo.min(raw), hi.max(raw));
                }
                // A normalisation has a second factor around a middle of its own, which need not be zero.
                let moves = observed.normalize == Normalize::None || hi - lo > atol;
                if shown <= atol || !moves {
                    return Err(GoldenFailure::Unexcited {
                        tensor: input.tensor.clone(),
                        term: term.kind.name(),
                        value: label(model, term, index),
                        line: term.line,
                        shown: if moves { shown } else { hi - lo },
                        atol,
                    });
                }
            }
        }
    }
    Ok(())
}

fn is_exempt(model: &Model, term: &Term, index: usize) -> bool {
    let range = |axis: usize| model.manifest.command.range.get(axis).copied().flatten();
    let held = match &term.kind {
        TermKind::Constant(_) | TermKind::Phase(_) | TermKind::LastAction(_) => true,
        TermKind::VelocityCommand(axes) => {
            axes.get(index).is_some_and(|axis| range(axis.index()) == Some([0.0, 0.0]))
        }
        _ => false,
    };
    held || term.scale.get(index) == Some(&0.0)
}

/// Change of the term's value per share by which its factor is wrong.
fn sensitivity(term: &Term, index: usize, raw: f64) -> f64 {
    const SHARE: f64 = 1.0 / 128.0;
    (through(term, index, raw, 1.0 + SHARE) - through(term, index, raw, 1.0)) / SHARE
}

fn through(term: &Term, index: usize, raw: f64, factor: f64) -> f64 {
    let of = |values: &[f64], otherwise| values.get(index).copied().unwrap_or(otherwise);
    term.pipeline.iter().fold(raw, |value, operation| match operation {
        Operation::Minus => value - of(&term.minus, 0.0),
        Operation::Scale => value * of(&term.scale, 1.0) * factor,
        Operation::Clip => match term.clip.as_ref().and_then(|c| c.get(index)) {
            Some([lo, hi]) => value.max(*lo).min(*hi),
            None => value,
        },
    })
}

/// What value `index` of the term takes in every golden tick that reaches it.
fn values<'a>(model: &'a Model, term: &'a Term, index: usize) -> impl Iterator<Item = f64> + 'a {
    let golden = &model.golden;
    let column = column(model, term, index);
    let limits = &model.manifest.command;
    // A ramp begins at zero with each case and moves after each observation: the last tick's command is not seen.
    let unseen =
        usize::from(matches!(term.kind, TermKind::VelocityCommand(_)) && limits.slew_per_s.is_some());
    let seen = move |case: &'a GoldenCase| case.ticks.iter().take(case.ticks.len().saturating_sub(unseen));
    golden.cases.iter().flat_map(seen).filter_map(move |tick| {
        let value = taken(tick, term, index, column)?;
        let TermKind::VelocityCommand(axes) = &term.kind else { return Some(value) };
        let range = axes.get(index).and_then(|axis| limits.range.get(axis.index()).copied().flatten());
        Some(range.map_or(value, |[lo, hi]| value.max(lo).min(hi)))
    })
}

/// The golden column of a joint or foot; the position itself for everything else.
fn column(model: &Model, term: &Term, index: usize) -> Option<usize> {
    let at = |names: &[String], name: &String| names.iter().position(|n| n == name);
    let Golden { joints, feet, .. } = &model.golden;
    match &term.kind {
        TermKind::Contact { feet: wanted, .. } => at(feet, wanted.get(index)?),
        _ => at(joints, model.manifest.joints.order.get(*term.picks.get(index)?)?),
    }
}

fn taken(tick: &GoldenTick, term: &Term, index: usize, column: Option<usize>) -> Option<f64> {
    let wide = |values: &[f32], at: Option<usize>| values.get(at?).map(|v| f64::from(*v));
    let here = Some(index);
    match &term.kind {
        TermKind::AngularVelocity => wide(&tick.gyro_rad_s, here),
        TermKind::LinearVelocity => wide(tick.velocity_m_s.as_ref()?, here),
        TermKind::ProjectedGravity => wide(&tick.projected_gravity, here),
        TermKind::Rotation(form) => {
            let mut written = [0.0; 9];
            rotation::write(*form, tick.orientation_wxyz?.map(f64::from), &mut written);
            written.get(index).copied()
        }
        TermKind::Height => tick.height_m.map(f64::from),
        TermKind::Position => tick.position_m?.get(index).copied(),
        TermKind::JointPosition => wide(&tick.q_rad, column),
        TermKind::JointVelocity => wide(&tick.dq_rad_s, column),
        TermKind::JointEffort => wide(tick.tau_nm.as_ref()?, column),
        TermKind::Contact { threshold, .. } => {
            let probability = wide(tick.contact.as_ref()?, column)?;
            Some(threshold.map_or(probability, |limit| f64::from(u8::from(probability >= limit))))
        }
        TermKind::VelocityCommand(axes) => wide(&tick.command, axes.get(index).map(|axis| axis.index())),
        TermKind::LastAction(_) | TermKind::Phase(_) | TermKind::Constant(_) => None,
    }
}

/// The value's name among its term's.
fn label(model: &Model, term: &Term, index: usize) -> String {
    let named = match &term.kind {
        TermKind::Rotation(form) => form.labels().get(index).map(|l| (*l).to_owned()),
        TermKind::VelocityCommand(axes) => axes.get(index).map(|axis| axis.name().to_owned()),
        TermKind::Contact { feet, .. } => feet.get(index).cloned(),
        TermKind::JointPosition | TermKind::JointVelocity | TermKind::JointEffort => {
            term.picks.get(index).and_then(|at| model.manifest.joints.order.get(*at)).cloned()
        }
        TermKind::Height => Some("height".to_owned()),
        _ => ["x", "y", "z"].get(index).map(|l| (*l).to_owned()),
    };
    named.unwrap_or_else(|| index.to_string())
}
