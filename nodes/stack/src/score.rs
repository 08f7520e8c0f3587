//! Judges a run: figures by the twin's truth, held against the scenario's expectations.
use serde::Serialize;
use sinew_guard::FAULTS;
use std::collections::VecDeque;

use sinew_wire::RobotMode;

use crate::policy_report::PolicyReport;
use crate::scenario::{Event, GoalName, Participant, Scenario, Segment};
use crate::trace::{StepTrace, Trace};

/// Tilt that counts as a fall, rad.
const FALL_TILT_RAD: f64 = std::f64::consts::PI / 3.0;
/// After a push this long is not judged, s.
const AFTER_PUSH_S: f64 = 1.0;
/// The robot has stood up once its base, held by nothing, has this share of its standing height ...
const STOOD_SHARE: f64 = 0.76;
/// ... for this long, s.
const STOOD_FOR_S: f64 = 0.5;
/// A base below this share of its standing height has fallen, also on its feet.
const FALL_SHARE: f64 = 0.5;

/// What a bounded step may be beyond its bound, rad.
const ROUNDING_RAD: f64 = 1e-5;
/// Time before a change that is looked at for comparison, s.
const BEFORE_S: f64 = 2.0;

/// Time after one that is looked at, too: the other machine takes half a second to come back, and blends, s.
const AFTER_CHANGE_S: f64 = 1.5;

/// Figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Root mean square of true minus asked velocity, mean over the segments; `None` without segments.
    pub rmse_vx: Option<f64>,
    pub rmse_vy: Option<f64>,
    pub rmse_wz: Option<f64>,
    pub falls: u64,
    /// Step time at which it stood, s.
    pub stand_s: Option<f64>,
    pub pushes: u64,
    pub torque_peak_nm: f64,
    pub temperature_peak_c: f64,
    /// Longest time from the loss to the first frame without stiffness at a drive, ms; `None` when some kept it.
    pub t_damp_ms: Option<f64>,
    /// Steps with stiffness at some drive after all were damped.
    pub stiff_after_damp: u64,
    /// Some drive's own watchdog has fired.
    pub watchdog: bool,
    /// Fault codes seen by control.
    pub faults: Vec<String>,
    /// Robot mode at the end.
    pub mode: String,
    /// Forged or outdated commands that a bridge took.
    pub stale_accepted: u64,
    /// Largest step of a joint's position target at the drives while a policy was followed, rad, from the first swap or
    /// cut of the other machine until the last is over; `None` without one.
    pub max_target_step_rad: Option<f64>,
    /// The same in the two seconds before: what the policy does by itself.
    pub target_step_before_rad: Option<f64>,
    /// What the policy node counted.
    pub policy: PolicyReport,
    /// What was expected and is not so; empty when all holds.
    pub broken: Vec<String>,
    #[serde(skip)]
    pub passed: bool,
}

/// Judges traces of one scenario.
#[derive(Clone, Debug)]
pub struct Scorer<'a> {
    scenario: &'a Scenario,
    segments: Vec<Segment>,
    period_s: f64,
    stand_height_m: f64,
    lost_at: Option<u64>,
    policy: PolicyReport,
}

impl<'a> Scorer<'a> {
    /// For a robot of bus period `period_ns` whose base is `stand_height_m` above the ground when it stands.
    #[must_use]
    pub fn new(scenario: &'a Scenario, period_ns: u64, stand_height_m: f64) -> Self {
        Self {
            scenario,
            segments: scenario.segments(period_ns),
            period_s: period_ns as f64 * 1e-9,
            stand_height_m,
            lost_at: None,
            policy: PolicyReport::default(),
        }
    }

    /// The commander was really lost at `step`; a free run cannot keep to the script's own.
    #[must_use]
    pub fn lost_at(mut self, step: Option<u64>) -> Self {
        self.lost_at = step;
        self
    }

    /// What the policy node of policy 0 counted.
    #[must_use]
    pub fn policy(mut self, report: PolicyReport) -> Self {
        self.policy = report;
        self
    }

    /// Velocity the script asks for at `step`.
    #[must_use]
    pub fn command(&self, step: u64) -> [f32; 3] {
        let segment = self.segments.iter().find(|s| (s.from_step..s.to_step).contains(&step));
        segment.map_or([0.0; 3], |s| s.velocity)
    }

    /// Figures and verdict. `refusals` are the bridge's refusal reasons that were counted.
    #[must_use]
    pub fn judge(&self, trace: &Trace, stale_accepted: u64, refusals: &[String]) -> Score {
        let steps = &trace.steps;
        let mut score = Score { stale_accepted, ..Score::default() };
        score.stand_s = self.stood(steps).map(|step| step as f64 * self.period_s);
        score.falls = self.falls(steps);
        [score.rmse_vx, score.rmse_vy, score.rmse_wz] = self.rmse(steps);
        score.torque_peak_nm = steps.iter().map(|s| s.torque_peak_nm).fold(0.0, f64::max);
        score.temperature_peak_c = steps.iter().map(|s| s.temperature_c).fold(0.0, f64::max);
        score.pushes = steps.last().map_or(0, |s| s.pushes);
        score.watchdog = steps.iter().any(|s| s.watchdogs != 0);
        if let Some((lost, damped)) = self.damped(steps) {
            score.t_damp_ms = Some((damped - lost) as f64 * self.period_s * 1e3);
            score.stiff_after_damp = steps.iter().filter(|s| s.step >= damped && s.stiff != 0).count() as u64;
        }
        let seen = steps.iter().fold(0, |all, s| all | s.faults);
        score.faults =
            FAULTS.iter().filter(|row| seen >> row.fault as u8 & 1 == 1).map(|row| row.code.into()).collect();
        score.mode = steps.last().map_or_else(String::new, |s| s.mode.name().to_owned());
        score.policy.clone_from(&self.policy);
        if let Some(span) = self.changing() {
            let before = span.start.saturating_sub((BEFORE_S / self.period_s) as u64)..span.start;
            score.max_target_step_rad = target_step(steps, span);
            score.target_step_before_rad = target_step(steps, before);
        }
        score.broken = self.broken(&score, refusals);
        score.passed = score.broken.is_empty() != self.scenario.expect.fails;
        score
    }

    fn stood(&self, steps: &[StepTrace]) -> Option<u64> {
        let needed = (STOOD_FOR_S / self.period_s) as u64;
        let mut run = 0;
        for s in steps {
            let stands = s.height_m > STOOD_SHARE * self.stand_height_m && !s.trunk_contact && !s.held;
            run = if stands { run + 1 } else { 0 };
            if run >= needed {
                return Some(s.step);
            }
        }
        None
    }

    /// Falls between standing up and the first goal that lays the robot down.
    fn falls(&self, steps: &[StepTrace]) -> u64 {
        let Some(from) = self.stood(steps) else { return 0 };
        let down = |g: &&crate::scenario::GoalAt| {
            matches!(g.goal, GoalName::LieDown | GoalName::EStop | GoalName::Damping)
        };
        let to_s = self.scenario.goals.iter().find(down).map_or(f64::INFINITY, |g| g.at_s);
        let (mut falls, mut down) = (0, false);
        for s in steps.iter().filter(|s| s.step >= from && (s.step as f64) * self.period_s < to_s) {
            let low = s.height_m < FALL_SHARE * self.stand_height_m;
            let fallen = s.trunk_contact || s.tilt_rad > FALL_TILT_RAD || low;
            if fallen && !down {
                falls += 1;
            }
            // One fall ends when the robot is up again, not when it bounces.
            let up = s.height_m >= STOOD_SHARE * self.stand_height_m && s.tilt_rad <= FALL_TILT_RAD / 2.0;
            down = if down { !up } else { fallen };
        }
        falls
    }

    /// A step counts when it and every step of the stride before it are judged: settled, and not just pushed.
    fn rmse(&self, steps: &[StepTrace]) -> [Option<f64>; 3] {
        let quiet = (AFTER_PUSH_S / self.period_s) as u64;
        let stride = ((self.scenario.segments.average_over_s / self.period_s).round() as usize).max(1);
        let mut sums = [0.0; 3];
        let mut judged = 0;
        let (mut pushes, mut last_push) = (0, None);
        let mut per_segment = vec![([0.0; 3], 0u64); self.segments.len()];
        let (mut window, mut of) = (VecDeque::with_capacity(stride), None);
        for s in steps {
            if s.pushes != pushes {
                (pushes, last_push) = (s.pushes, Some(s.step));
            }
            let calm = last_push.is_none_or(|at| s.step >= at + quiet);
            let at = self.segments.iter().position(|g| (g.judge_step..g.to_step).contains(&s.step));
            let at = at.filter(|_| calm);
            if at != of || window.len() == stride {
                window.truncate(if at == of { stride - 1 } else { 0 });
                of = at;
            }
            let Some((segment, (squares, count))) =
                at.and_then(|i| self.segments.get(i).zip(per_segment.get_mut(i)))
            else {
                continue;
            };
            window.push_front(s.velocity);
            if window.len() < stride {
                continue;
            }
            for (axis, (square, c)) in squares.iter_mut().zip(segment.velocity).enumerate() {
                let sum: f64 = window.iter().filter_map(|v| v.get(axis)).sum();
                *square += (sum / stride as f64 - f64::from(c)).powi(2);
            }
            *count += 1;
        }
        for (squares, count) in per_segment.iter().filter(|(_, count)| *count > 0) {
            for (sum, square) in sums.iter_mut().zip(squares) {
                *sum += (square / *count as f64).sqrt();
            }
            judged += 1;
        }
        sums.map(|sum| (judged > 0).then(|| sum / f64::from(judged)))
    }

    /// Steps in which it changes who computes the targets, and a little more.
    fn changing(&self) -> Option<std::ops::Range<u64>> {
        let span = |event: &Event| match event {
            Event::Swap { at_s, shadow_ticks, blend_s, .. } => {
                Some((*at_s, at_s + *shadow_ticks as f64 * self.period_s + blend_s + AFTER_CHANGE_S))
            }
            Event::OffboardCut { at_s, for_s } => Some((*at_s, at_s + for_s + AFTER_CHANGE_S)),
            _ => None,
        };
        let spans = self.scenario.events.iter().filter_map(span);
        let (from_s, to_s) = spans.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))?;
        Some((from_s / self.period_s).round() as u64..(to_s / self.period_s).round() as u64)
    }

    /// The step at which the first event takes something away from the drives or from what judges them, or at which the
    /// script stops the robot.
    fn lost(&self) -> Option<u64> {
        let lost = |e: &&Event| match e {
            Event::Kill { target, .. } | Event::Stop { target, .. } => {
                matches!(target, Participant::Control | Participant::Bridge)
            }
            Event::FlipCommandBit { .. }
            | Event::Push { .. }
            | Event::Friction { .. }
            | Event::PolicyLate { .. }
            | Event::Swap { .. }
            | Event::OffboardCut { .. } => false,
            _ => true,
        };
        let event = self.scenario.events.iter().find(lost).map(Event::at_s);
        let goal = self.scenario.goals.iter().find(|g| matches!(g.goal, GoalName::EStop | GoalName::Damping));
        let at_s = event.into_iter().chain(goal.map(|g| g.at_s)).reduce(f64::min)?;
        Some((at_s / self.period_s).round() as u64)
    }

    /// That step, and the step by which every drive that had stiffness before has had a frame without.
    fn damped(&self, steps: &[StepTrace]) -> Option<(u64, u64)> {
        let lost = self.lost_at.or_else(|| self.lost())?;
        let before = steps.iter().find(|s| s.step + 1 == lost).map_or(0, |s| s.stiff);
        let mut last = None;
        for joint in (0..64).filter(|joint| before >> joint & 1 == 1) {
            let damped = steps.iter().find(|s| s.step >= lost && s.stiff >> joint & 1 == 0)?;
            last = last.max(Some(damped.step));
        }
        Some((lost, last?))
    }

    fn broken(&self, score: &Score, refusals: &[String]) -> Vec<String> {
        let expect = &self.scenario.expect;
        let mut broken = Vec::new();
        let mut most = |what: &str, most: Option<f64>, found: Option<f64>| {
            let Some(most) = most else { return };
            match found {
                Some(found) if found <= most => {}
                found => broken.push(format!("{what}: expected at most {most}, found {found:?}")),
            }
        };
        most("rmse_vx", expect.rmse_vx, score.rmse_vx);
        most("rmse_vy", expect.rmse_vy, score.rmse_vy);
        most("rmse_wz", expect.rmse_wz, score.rmse_wz);
        most("falls", expect.falls.map(|f| f as f64), Some(score.falls as f64));
        most("max_target_step_rad", expect.max_target_step_rad, score.max_target_step_rad);
        // No scenario may expect otherwise.
        most("transition_excess_rad", Some(ROUNDING_RAD), Some(score.policy.transition_excess_rad.into()));
        most("t_damp_ms", expect.t_damp_ms, score.t_damp_ms);
        most("stale_accepted", expect.stale_accepted.map(|n| n as f64), Some(score.stale_accepted as f64));
        let again = score.t_damp_ms.map(|_| score.stiff_after_damp as f64);
        most("stiff_after_damp", expect.stiff_after_damp.map(|n| n as f64), again);
        if let Some(pushes) = expect.pushes.filter(|pushes| score.pushes < *pushes) {
            broken.push(format!("pushes: expected {pushes}, found {}", score.pushes));
        }
        if expect.falls.is_some() && score.stand_s.is_none() {
            broken.push("stand: the robot never stood up".into());
        }
        let offboard = score.policy.offboard.as_ref();
        for (what, expected, found) in [
            ("deadline_missed", expect.deadline_missed, Some(score.policy.deadline_missed)),
            ("fallbacks", expect.fallbacks, offboard.map(|o| o.fallbacks)),
            ("returns", expect.returns, offboard.map(|o| o.returns)),
        ] {
            if expected.is_some() && expected != found {
                broken.push(format!("{what}: expected {expected:?}, found {found:?}"));
            }
        }
        if let Some(expected) = &expect.swap {
            let swap = score.policy.swap.as_ref();
            if swap.map(|s| &s.outcome) != Some(expected) {
                broken.push(format!("swap: expected {expected}, found {swap:?}"));
            }
        }
        if let Some(mode) = expect.mode.as_ref().filter(|mode| **mode != score.mode) {
            broken.push(format!("mode: expected {mode}, found {}", score.mode));
        }
        if let Some(watchdog) = expect.watchdog.filter(|w| *w != score.watchdog) {
            broken.push(format!("watchdog: expected {watchdog}, found {}", score.watchdog));
        }
        for fault in expect.faults.iter().filter(|fault| !score.faults.contains(fault)) {
            broken.push(format!("faults: expected {fault}, found [{}]", score.faults.join(", ")));
        }
        for refusal in expect.refusals.iter().filter(|refusal| !refusals.contains(refusal)) {
            broken.push(format!("refusals: expected {refusal}, found [{}]", refusals.join(", ")));
        }
        broken
    }
}

/// Largest step of a target within `span` while a policy was followed.
fn target_step(steps: &[StepTrace], span: std::ops::Range<u64>) -> Option<f64> {
    let followed = steps.iter().filter(|s| span.contains(&s.step) && s.mode == RobotMode::Policy);
    followed.map(|s| s.target_step_rad).reduce(f64::max)
}
