//! From one source of joint targets to another without a step: a smooth share, and a bound on every joint's step.
//!
//! A policy's own targets may step further than its joint could move, because they pull at it. So the transition limit
//! of a joint in a run is the larger of what the joint could follow and of what either source steps by itself: a
//! hand-over adds nothing to that. After the share has come to one the limit stays until the new source is met.
use arrayvec::ArrayVec;
use sinew_wire::{JointCommand, JointMode, MAX_JOINTS};

/// Joint targets of one run in the robot's joint order.
pub type Targets = ArrayVec<JointCommand, MAX_JOINTS>;

/// A hand-over in progress, or none.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What each joint could follow in a run, rad.
    most_rad: Vec<f32>,
    /// What left last.
    last: Targets,
    /// What the two sources said last.
    last_old: Targets,
    last_new: Targets,
    /// Runs the share takes, and runs done.
    runs: u32,
    done: u32,
    active: bool,
}

impl Transition {
    /// `most_rad`: what each robot joint could follow from one run to the next, rad; above zero.
    #[must_use]
    pub fn new(most_rad: Vec<f32>) -> Self {
        Self {
            most_rad,
            last: Targets::new(),
            last_old: Targets::new(),
            last_new: Targets::new(),
            runs: 0,
            done: 0,
            active: false,
        }
    }

    /// Starts a hand-over that takes `runs` runs, from whatever left last.
    pub fn begin(&mut self, runs: u32) {
        // Until now the old source alone was heard, or nobody as he is.
        if self.active {
            self.last_old.clear();
        } else {
            self.last_old.clone_from(&self.last);
        }
        (self.runs, self.done, self.active) = (runs, 0, true);
        self.last_new.clear();
    }

    /// Nothing is handed over any more and nothing was sent: a new activation.
    pub fn reset(&mut self) {
        self.active = false;
        self.last.clear();
    }

    /// True until the new source has been met.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// True while the old source still has a share.
    #[must_use]
    pub fn needs_old(&self) -> bool {
        self.active && self.done < self.runs
    }

    /// Share of the new source, 0 to 1, smooth at both ends.
    fn share(&self) -> f32 {
        if self.done >= self.runs {
            return 1.0;
        }
        let s = self.done as f32 / self.runs as f32;
        s * s * (3.0 - 2.0 * s)
    }

    /// What leaves in this run, when `new` takes over from `old` (nothing: from what left last), in place of `new`.
    ///
    /// Both must move the same joints; whoever starts a transition has compared them.
    pub fn step(&mut self, old: Option<&Targets>, new: &mut Targets) {
        if self.active {
            self.done = self.done.saturating_add(1);
            let share = self.share();
            let mut met = share >= 1.0;
            let wanted_new = new.clone();
            for (index, target) in new.iter_mut().enumerate() {
                if target.mode() != JointMode::Impedance {
                    continue;
                }
                let from = old.unwrap_or(&self.last).get(index);
                let wanted = match from.filter(|from| from.mode() == JointMode::Impedance) {
                    Some(from) => mixed(from, target, share),
                    None => *target,
                };
                let most_rad = self.limit(index, old, target.q_rad);
                let q_rad = self.bounded(index, most_rad, wanted.q_rad);
                met &= q_rad == target.q_rad;
                *target = JointCommand { q_rad, ..wanted };
            }
            self.active = !met;
            self.last_new = wanted_new;
            match old {
                Some(old) => self.last_old.clone_from(old),
                None => self.last_old.clear(),
            }
        }
        self.last.clone_from(new);
    }

    /// Transition limit of one joint in this run, rad.
    fn limit(&self, index: usize, old: Option<&Targets>, new_rad: f32) -> f32 {
        let own = |last: &Targets, now: Option<f32>| match (last.get(index), now) {
            (Some(last), Some(now)) if last.mode() == JointMode::Impedance => (now - last.q_rad).abs(),
            _ => 0.0,
        };
        let old_rad = old.and_then(|old| old.get(index)).map(|old| old.q_rad);
        let most_rad = self.most_rad.get(index).copied().unwrap_or(0.0);
        most_rad.max(own(&self.last_old, old_rad)).max(own(&self.last_new, Some(new_rad)))
    }

    /// `q_rad`, or as far towards it as the limit allows.
    fn bounded(&self, index: usize, most_rad: f32, q_rad: f32) -> f32 {
        let Some(last) = self.last.get(index).filter(|last| last.mode() == JointMode::Impedance) else {
            return q_rad;
        };
        let (low, high) = (last.q_rad - most_rad, last.q_rad + most_rad);
        if q_rad < low {
            low
        } else if q_rad > high {
            high
        } else {
            q_rad
        }
    }
}

/// `old` and `new` weighted by the share; at share 1 exactly `new`.
fn mixed(old: &JointCommand, new: &JointCommand, share: f32) -> JointCommand {
    if share >= 1.0 {
        return *new;
    }
    let mix = |a: f32, b: f32| a + (b - a) * share;
    JointCommand {
        q_rad: mix(old.q_rad, new.q_rad),
        dq_rad_s: mix(old.dq_rad_s, new.dq_rad_s),
        tau_nm: mix(old.tau_nm, new.tau_nm),
        kp: mix(old.kp, new.kp),
        kd: mix(old.kd, new.kd),
        ..*new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
    use super::*;
    use proptest::prelude::*;

    fn targets(q_rad: &[f32], kp: f32) -> Targets {
        q_rad.iter().map(|q| JointCommand::impedance(*q, 0.0, 0.0, kp, 1.0)).collect()
    }

    #[test]
    fn it_ends_exactly_at_the_new_source_and_leaves_it_alone_from_then_on() {
        let mut transition = Transition::new(vec![0.4]);
        transition.step(None, &mut targets(&[0.0], 40.0));
        transition.begin(4);
        let mut seen = Vec::new();
        while transition.is_active() {
            let mut new = targets(&[0.2], 20.0);
            transition.step(Some(&targets(&[0.0], 40.0)), &mut new);
            seen.push((new[0].q_rad, new[0].kp));
        }
        assert_eq!(seen.len(), 4);
        assert!(seen.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 > w[1].1), "{seen:?}");
        assert_eq!(seen[3], (0.2, 20.0));
        let mut far = targets(&[3.0], 20.0);
        transition.step(None, &mut far);
        assert_eq!(far[0].q_rad, 3.0, "without a transition nothing is bounded: that is the guard's");
    }

    #[test]
    fn a_source_that_is_far_away_is_approached_at_the_bound() {
        let mut transition = Transition::new(vec![0.1]);
        transition.step(None, &mut targets(&[0.0], 40.0));
        transition.begin(1);
        for expected in [0.1, 0.2, 0.3] {
            let mut new = targets(&[0.3], 40.0);
            assert!(transition.is_active());
            transition.step(None, &mut new);
            assert!((new[0].q_rad - expected).abs() < 1e-6);
        }
        assert!(!transition.is_active());
    }

    #[test]
    fn a_hand_over_in_the_middle_of_another_is_bounded_from_its_first_run() {
        let mut transition = Transition::new(vec![0.1]);
        transition.step(None, &mut targets(&[0.0], 40.0));
        transition.begin(1);
        let mut new = targets(&[1.0], 40.0);
        transition.step(None, &mut new);
        assert_eq!(new[0].q_rad, 0.1);
        // Back, while what left is far from either source: the way there is nobody's own step.
        transition.begin(5);
        let mut back = targets(&[0.0], 40.0);
        transition.step(Some(&targets(&[1.0], 40.0)), &mut back);
        assert!((back[0].q_rad - 0.2).abs() < 1e-6, "{}", back[0].q_rad);
    }

    proptest! {
        /// Whatever two sources say while one hands over to the other, no target steps further than its joint could
        /// follow or than a source itself.
        #[test]
        fn no_step_above_the_limit(
            walk in prop::collection::vec((-3.0..3.0f32, -3.0..3.0f32, any::<bool>()), 2..120),
            runs in 0u32..40, most in 0.01..0.5f32,
        ) {
            let mut transition = Transition::new(vec![most]);
            let start = walk[0].0;
            transition.step(None, &mut targets(&[start], 40.0));
            transition.begin(runs);
            let (mut last, mut last_old, mut last_new) = (start, start, None::<f32>);
            for (old, new, has_old) in walk {
                if !transition.is_active() {
                    break;
                }
                let mut out = targets(&[new], 40.0);
                transition.step(has_old.then_some(&targets(&[old], 10.0)), &mut out);
                let own_old = if has_old { (old - last_old).abs() } else { 0.0 };
                let own_new = last_new.map_or(0.0, |last| (new - last).abs());
                let limit = most.max(own_old).max(own_new);
                prop_assert!((out[0].q_rad - last).abs() <= limit * (1.0 + 1e-5) + 1e-6);
                prop_assert!((10.0..=40.0).contains(&out[0].kp));
                last = out[0].q_rad;
                last_new = Some(new);
                if has_old {
                    last_old = old;
                }
            }
        }

        /// A new source that stands still is met in bounded time.
        #[test]
        fn it_comes_to_an_end(from in -3.0..3.0f32, to in -3.0..3.0f32, runs in 0u32..40, most in 0.05..0.5f32) {
            let mut transition = Transition::new(vec![most]);
            transition.step(None, &mut targets(&[from], 40.0));
            transition.begin(runs);
            let bound = runs + 2 + ((to - from).abs() / most) as u32;
            for _ in 0..bound {
                transition.step(None, &mut targets(&[to], 40.0));
            }
            prop_assert!(!transition.is_active());
        }
    }
}
