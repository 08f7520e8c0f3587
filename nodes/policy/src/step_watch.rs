//! The steps of joint targets as they leave, measured apart from what bounds them.
//!
//! ```text
//!  same origin as before ──▶ not measured: a policy's own steps are the guard's
//!  another origin ─────────▶ measured, until that origin's own targets leave as they are and nothing else has a share
//! ```
//! A step may be as large as the joint could follow, or as one of the origins steps by itself; what is beyond is excess.
use arrayvec::ArrayVec;
use sinew_wire::{JointCommand, JointMode};

use crate::transition::Targets;

/// Largest steps of any joint's target in the hand-overs so far, rad.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Largest {
    /// Of what left.
    pub step_rad: f32,
    /// Of what left, beyond its transition limit; above rounding a hand-over was not bounded.
    pub excess_rad: f32,
}

/// Who wants targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The policy in place after so many swaps.
    Policy(u32),
    /// The other machine.
    Remote,
}

/// What origins want in one run: first the one whose frame leaves, then the one it takes over from, if that is heard.
pub(crate) type Wanted = ArrayVec<(Origin, Targets), 2>;

/// Measures hand-overs.
#[derive(Clone, Debug)]
pub(crate) struct StepWatch {
    /// What each joint could follow in a run, rad.
    most_rad: Vec<f32>,
    left: Targets,
    wanted: Wanted,
    handing_over: bool,
    largest: Largest,
}

impl StepWatch {
    pub(crate) fn new(most_rad: Vec<f32>) -> Self {
        let (left, wanted) = (Targets::new(), Wanted::new());
        Self { most_rad, left, wanted, handing_over: false, largest: Largest::default() }
    }

    pub(crate) fn largest(&self) -> Largest {
        self.largest
    }

    /// A new activation: nothing has left in it.
    pub(crate) fn reset(&mut self) {
        self.left.clear();
        self.wanted.clear();
        self.handing_over = false;
    }

    /// `left` leaves for `wanted`; `shared`: the hand-over goes on.
    pub(crate) fn measure(&mut self, wanted: Wanted, left: &Targets, shared: bool) {
        let origin = |wanted: &Wanted| wanted.first().map(|(origin, _)| *origin);
        self.handing_over |= !self.wanted.is_empty() && origin(&self.wanted) != origin(&wanted);
        if self.handing_over {
            for (index, (now, last)) in left.iter().zip(&self.left).enumerate() {
                if let Some(step_rad) = step(last, now) {
                    let excess_rad = step_rad - self.limit(index, &wanted);
                    self.largest.step_rad = self.largest.step_rad.max(step_rad);
                    self.largest.excess_rad = self.largest.excess_rad.max(excess_rad);
                }
            }
            let as_it_is = |(now, own): (&JointCommand, &JointCommand)| now.q_rad == own.q_rad;
            let met = wanted.first().is_none_or(|(_, own)| left.iter().zip(own).all(as_it_is));
            self.handing_over = shared || !met;
        }
        self.left.clone_from(left);
        self.wanted = wanted;
    }

    /// Transition limit of one joint in this run, rad.
    fn limit(&self, index: usize, wanted: &Wanted) -> f32 {
        let own = |(origin, now): &(Origin, Targets)| {
            let (_, last) = self.wanted.iter().find(|(last, _)| last == origin)?;
            step(last.get(index)?, now.get(index)?)
        };
        let most_rad = self.most_rad.get(index).copied().unwrap_or(0.0);
        wanted.iter().filter_map(own).fold(most_rad, f32::max)
    }
}

/// From one position target to the next, rad.
fn step(last: &JointCommand, now: &JointCommand) -> Option<f32> {
    let both = [last, now].iter().all(|j| j.mode() == JointMode::Impedance);
    both.then(|| (now.q_rad - last.q_rad).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(q_rad: f32) -> Targets {
        std::iter::once(JointCommand::impedance(q_rad, 0.0, 0.0, 40.0, 1.0)).collect()
    }

    /// (origin, what it wants, what leaves, whether the hand-over goes on) of each run, with 0.1 rad to follow.
    fn excess_rad(runs: &[(Origin, f32, f32, bool)]) -> f32 {
        let mut watch = StepWatch::new(vec![0.1]);
        for (origin, own, left, shared) in runs {
            let wanted = std::iter::once((*origin, targets(*own))).collect();
            watch.measure(wanted, &targets(*left), *shared);
        }
        watch.largest().excess_rad
    }

    const OLD: Origin = Origin::Policy(0);
    const NEW: Origin = Origin::Policy(1);

    #[test]
    fn a_step_that_nothing_bounds_is_excess() {
        // Planted: from one origin to another at once, and in the middle of a hand-over.
        let at_once = excess_rad(&[(OLD, 0.0, 0.0, false), (NEW, 0.5, 0.5, false)]);
        assert!((at_once - 0.4).abs() < 1e-6, "{at_once}");
        let halfway = excess_rad(&[
            (OLD, 0.0, 0.0, false),
            (NEW, 0.5, 0.1, true),
            (NEW, 0.5, 0.1, true),
            (NEW, 0.5, 0.5, false),
        ]);
        assert!((halfway - 0.3).abs() < 1e-6, "{halfway}");
        let other_machine = excess_rad(&[(Origin::Remote, 0.0, 0.0, false), (OLD, -0.3, -0.3, false)]);
        assert!((other_machine - 0.2).abs() < 1e-6, "{other_machine}");
    }

    #[test]
    fn what_an_origin_steps_by_itself_and_what_a_joint_can_follow_is_none() {
        assert_eq!(excess_rad(&[(OLD, 0.0, 0.0, false), (OLD, 2.0, 2.0, false)]), 0.0);
        let bounded = [(OLD, 0.0, 0.0, false), (NEW, 0.15, 0.1, true), (NEW, 0.15, 0.15, false)];
        assert!(excess_rad(&bounded) < 1e-6);
        let own = [(OLD, 0.0, 0.0, false), (NEW, 0.05, 0.05, true), (NEW, 1.05, 1.05, false)];
        assert!(excess_rad(&own) < 1e-6);
        // Met: from then on its steps are its own.
        assert_eq!(
            excess_rad(&[(OLD, 0.0, 0.0, false), (NEW, 0.0, 0.0, false), (NEW, 3.0, 3.0, false)]),
            0.0
        );
    }

    #[test]
    fn activations_are_not_compared() {
        let mut watch = StepWatch::new(vec![0.1]);
        watch.measure(std::iter::once((OLD, targets(0.0))).collect(), &targets(0.0), false);
        watch.reset();
        watch.measure(std::iter::once((NEW, targets(1.0))).collect(), &targets(1.0), false);
        assert_eq!(watch.largest(), Largest::default());
    }
}
