//! A policy that runs on another machine: what of it may be used, and when the local fallback takes over.
//!
//! ```text
//!   results ─▶ hear: ours, this activation, newer, the model, modes and gains expected, finite?
//!                                    └──────────────────────▶ kept by time (observation stamp + ahead)
//!                                                                  │ at the time of each run
//!   local fallback, computed in every run so that it is warm ──▶ decide ──▶ targets, or none
//! ```
//! A result is used by its age, never by its arrival. A chunk is a row of results of one stamp, each for its own time; it
//! ends one step after its last. A result says where joints go, never how stiff they are: modes and gains are the local
//! policy's. The fallback drives first; the other machine takes over after `return_runs` usable results in
//! a row that agree with it, and loses the robot with the first run that has none. A fallback that fails has nothing to
//! agree with: then any usable result drives at once, within the transition limits.
mod refusal;

use arrayvec::ArrayVec;
use sinew_wire::{JointCommand, JointMode, MAX_JOINTS, PolicyCommand, PolicyFlags, PolicyStatus, RobotState};

use crate::policy::Policy;
use crate::transition::Targets;

pub use refusal::RemoteRefusal;

/// Elements of one chunk that are kept.
pub const MAX_AHEAD: usize = 32;

/// Longest time for which a target stays in force beyond its own, ns, whatever age is allowed: as long as control lets a
/// policy be missing.
pub const HOLD_MAX_NS: u64 = 200_000_000;

/// `ahead_us` counts whole microseconds.
const AHEAD_ROUNDING_NS: u64 = 1_000;

/// How results of another machine are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemoteConfig {
    /// The model that runs there, as its frames name it; results of any other are refused.
    pub model_hash: u32,
    /// Step time from the observation to the run for which its result may still be used, ns; no element of a chunk may
    /// be meant for a later one.
    pub max_age_ns: u64,
    /// Runs in a row with a usable result that agrees, before the other machine drives.
    pub return_runs: u32,
    /// Runs over which one takes over from the other.
    pub blend_runs: u32,
    /// Largest difference between its targets and the fallback's when it takes over, rad.
    pub max_difference_rad: f32,
}

impl RemoteConfig {
    /// Results of the model with the wire hash `model_hash`: three runs of 20 ms, half a second to come back, a fifth to
    /// blend.
    #[must_use]
    pub const fn of(model_hash: u32) -> Self {
        Self { model_hash, max_age_ns: 60_000_000, return_runs: 25, blend_runs: 10, max_difference_rad: 0.6 }
    }
}

/// Who computes what leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The local fallback.
    Local,
    /// The other machine.
    Remote,
}

/// How the other machine's results stand in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// One is usable.
    Fresh,
    /// Some came, none is usable any more.
    Stale,
    /// None came in this activation.
    Lost,
    /// Usable, for long enough, and in agreement.
    Returned,
}

/// What one run sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The fallback's targets.
    Local,
    /// The other machine's.
    Remote,
    /// Nobody has targets: the fault is the fallback's own, and control decides.
    Nothing,
}

/// The whole rule.
#[must_use]
pub fn decide(driver: Driver, link: Link, fallback_healthy: bool) -> Choice {
    match (driver, link, fallback_healthy) {
        (_, Link::Returned, _) | (Driver::Remote, Link::Fresh, _) => Choice::Remote,
        (_, Link::Stale | Link::Lost, false) => Choice::Nothing,
        (_, Link::Stale | Link::Lost, true) | (Driver::Local, Link::Fresh, true) => Choice::Local,
        // Nothing to agree with, and unproven targets within the transition limits are better than none.
        (Driver::Local, Link::Fresh, false) => Choice::Remote,
    }
}

/// Counted since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounters {
    /// Runs of the policy while it was active: as many results were asked for.
    pub asked: u64,
    /// Observations for which a result was kept.
    pub kept: u64,
    /// Results not kept, by [`RemoteRefusal::ALL`].
    pub refused: [u64; RemoteRefusal::ALL.len()],
    /// Runs that sent the other machine's targets.
    pub remote_runs: u64,
    /// Of these: with a result of a run before.
    pub held_runs: u64,
    /// Runs that sent the fallback's.
    pub local_runs: u64,
    /// The other machine lost the robot to the fallback.
    pub fallbacks: u64,
    /// The other machine got it.
    pub returns: u64,
    /// Runs in which it would have been usable, but differed too much from the fallback.
    pub disagreed: u64,
    /// Greatest age used, step time, ns.
    pub age_max_ns: u64,
    /// Step time from observation to arrival: sum and maximum over all kept, ns.
    pub round_trip_sum_ns: u64,
    /// See above.
    pub round_trip_max_ns: u64,
}

/// Targets meant for one moment.
#[derive(Clone, Debug)]
struct Element {
    at_ns: u64,
    joints: Targets,
}

/// The newest result, or chunk of them.
#[derive(Clone, Debug)]
struct Kept {
    /// Of the state it answers.
    step: u64,
    /// When what it was computed from was observed, ns: of a chunk perhaps long before.
    observed_ns: u64,
    head: PolicyCommand,
    elements: ArrayVec<Element, MAX_AHEAD>,
}

/// What to do in one run.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    pub choice: Choice,
    /// The driver has changed: blend from what left last.
    pub changed: bool,
    /// With [`Choice::Remote`]: what it says.
    pub frame: Option<PolicyCommand>,
}

/// The other machine as the local node sees it.
#[derive(Clone, Debug)]
pub struct Remote {
    config: RemoteConfig,
    robot: u32,
    number: u8,
    period_ns: u64,
    /// (control's boot, activation) being served.
    epoch: Option<(u32, u32)>,
    kept: Option<Kept>,
    /// Gains (kp N m/rad, kd N m s/rad) of each robot joint in the local policy; `None` for one it leaves alone.
    gains: ArrayVec<Option<(f32, f32)>, MAX_JOINTS>,
    /// Between two runs of the local policy, ns.
    run_ns: u64,
    driver: Driver,
    fresh_runs: u32,
    counters: RemoteCounters,
}

impl Remote {
    /// For policy `number` of the robot with wire id `robot`, ticking every `period_ns`.
    #[must_use]
    pub fn new(config: RemoteConfig, robot: u32, number: u8, period_ns: u64) -> Self {
        Self {
            config,
            robot,
            number,
            period_ns,
            epoch: None,
            kept: None,
            gains: ArrayVec::new(),
            run_ns: period_ns,
            driver: Driver::Local,
            fresh_runs: 0,
            counters: RemoteCounters::default(),
        }
    }

    /// Who drives.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &RemoteCounters {
        &self.counters
    }

    /// Runs over which one takes over from the other.
    #[must_use]
    pub fn blend_runs(&self) -> u32 {
        self.config.blend_runs
    }

    /// `policy` is the fallback: results have to move its joints, with its gains.
    pub(crate) fn follow(&mut self, policy: &Policy) {
        self.gains = policy.robot_gains().take(MAX_JOINTS).collect();
        self.run_ns = policy.decimation().saturating_mul(self.period_ns);
    }

    /// The activation of `state` is served from now on; what is in flight for another one is discarded.
    pub fn serve(&mut self, state: &RobotState) {
        let epoch = (state.header.boot_id, state.body.activation);
        if self.epoch != Some(epoch) {
            (self.epoch, self.kept) = (Some(epoch), None);
            (self.driver, self.fresh_runs) = (Driver::Local, 0);
        }
    }

    /// No activation is served: every result is refused.
    pub(crate) fn rest(&mut self) {
        (self.epoch, self.kept) = (None, None);
        (self.driver, self.fresh_runs) = (Driver::Local, 0);
    }

    /// Takes a result that arrived when control was at `step`; a refusal is counted.
    pub fn hear(&mut self, frame: &PolicyCommand, step: u64) -> Result<(), RemoteRefusal> {
        let result = self.keep(frame, step);
        // Of a chunk in use, what lies beyond the greatest age is left out: nothing is wrong with it.
        let beyond = result == Err(RemoteRefusal::Ahead)
            && self.kept.as_ref().is_some_and(|kept| kept.step == frame.header.step);
        if let Err(refusal) = result
            && !beyond
            && let Some((_, count)) =
                RemoteRefusal::ALL.iter().zip(&mut self.counters.refused).find(|(r, _)| **r == refusal)
        {
            *count += 1;
        }
        result
    }

    fn keep(&mut self, frame: &PolicyCommand, step: u64) -> Result<(), RemoteRefusal> {
        let (header, body) = (&frame.header, &frame.body);
        if header.robot != self.robot || body.policy != self.number {
            return Err(RemoteRefusal::Foreign);
        }
        if body.model_hash != self.config.model_hash {
            return Err(RemoteRefusal::Model);
        }
        if self.epoch != Some((header.based_on_boot, body.activation)) {
            return Err(RemoteRefusal::Epoch);
        }
        let Some(trip_ticks) = step.checked_sub(header.step) else { return Err(RemoteRefusal::Future) };
        let trip_ns = trip_ticks.saturating_mul(self.period_ns);
        let stamp_ns = header.step.saturating_mul(self.period_ns);
        // What it was computed from may be older than the state it answers: a chunk in use over there.
        let Some(observed_ns) = stamp_ns.checked_sub(u64::from(body.age_us).saturating_mul(1000)) else {
            return Err(RemoteRefusal::Stale);
        };
        if stamp_ns.saturating_add(trip_ns) - observed_ns > self.config.max_age_ns {
            return Err(RemoteRefusal::Stale);
        }
        if body.status() != PolicyStatus::Targets {
            return Err(RemoteRefusal::Empty);
        }
        if !frame.joints.iter().all(JointCommand::is_finite) {
            return Err(RemoteRefusal::NonFinite);
        }
        self.check_joints(&frame.joints)?;
        let ahead_ns = u64::from(body.ahead_us).saturating_mul(1000);
        let at_ns = stamp_ns.saturating_add(ahead_ns);
        if at_ns - observed_ns > self.config.max_age_ns {
            return Err(RemoteRefusal::Ahead);
        }
        let element = Element { at_ns, joints: frame.joints.clone() };
        match &mut self.kept {
            Some(kept) if kept.step > header.step => return Err(RemoteRefusal::Reordered),
            // The next element of the same chunk.
            Some(kept) if kept.step == header.step => {
                if kept.elements.last().is_some_and(|last| last.at_ns >= at_ns) {
                    return Err(RemoteRefusal::Reordered);
                }
                // Of another process with the same model, or behind a hole: no straight line leads there.
                let follows = kept.head.header.boot_id == header.boot_id && kept.observed_ns == observed_ns;
                if !follows || has_hole(&kept.elements, at_ns) {
                    return Err(RemoteRefusal::Torn);
                }
                return kept.elements.try_push(element).map_err(|_| RemoteRefusal::Chunk);
            }
            // Without its first one it would act too early.
            _ if ahead_ns > 0 => return Err(RemoteRefusal::Torn),
            _ => {}
        }
        let mut head = frame.clone();
        head.joints.clear();
        let mut elements = ArrayVec::new();
        elements.push(element);
        self.kept = Some(Kept { step: header.step, observed_ns, head, elements });
        self.counters.kept += 1;
        self.counters.round_trip_sum_ns += trip_ns;
        self.counters.round_trip_max_ns = self.counters.round_trip_max_ns.max(trip_ns);
        Ok(())
    }

    /// The joints of the local policy, each as stiff as there.
    fn check_joints(&self, joints: &[JointCommand]) -> Result<(), RemoteRefusal> {
        if joints.len() != self.gains.len() {
            return Err(RemoteRefusal::Joints);
        }
        for (joint, gains) in joints.iter().zip(&self.gains) {
            let Some(gains) = *gains else {
                if joint.mode != JointMode::Disabled as u8 {
                    return Err(RemoteRefusal::Joints);
                }
                continue;
            };
            if joint.mode == JointMode::Disabled as u8 {
                return Err(RemoteRefusal::Joints);
            }
            if joint.mode != JointMode::Impedance as u8 {
                return Err(RemoteRefusal::Mode);
            }
            if (joint.kp, joint.kd) != gains {
                return Err(RemoteRefusal::Gains);
            }
        }
        Ok(())
    }

    /// The targets meant for the run computed from `step`, while they may be used.
    fn usable(&self, step: u64) -> Option<PolicyCommand> {
        let kept = self.kept.as_ref()?;
        let now_ns = step.saturating_mul(self.period_ns);
        let age_ns = now_ns.checked_sub(kept.observed_ns).filter(|_| step >= kept.step)?;
        if age_ns > self.config.max_age_ns || self.has_ended(kept, now_ns) {
            return None;
        }
        let mut frame = kept.head.clone();
        frame.body.age_us = u32::try_from(age_ns / 1000).unwrap_or(u32::MAX);
        frame.body.ahead_us = 0;
        frame.joints = at(&kept.elements, now_ns)?;
        Some(frame)
    }

    /// One run: `local` is the fallback's own frame for the same state.
    pub(crate) fn pick(&mut self, local: &PolicyCommand) -> Pick {
        self.counters.asked += 1;
        let healthy = local.body.status() == PolicyStatus::Targets;
        let frame = self.usable(local.header.step);
        let link = match &frame {
            None if self.kept.is_none() => Link::Lost,
            None => Link::Stale,
            Some(remote) => {
                let agrees = !healthy || self.agrees(remote, local);
                self.counters.disagreed += u64::from(self.driver == Driver::Local && !agrees);
                self.fresh_runs = if agrees { self.fresh_runs.saturating_add(1) } else { 0 };
                if self.fresh_runs >= self.config.return_runs { Link::Returned } else { Link::Fresh }
            }
        };
        if frame.is_none() {
            self.fresh_runs = 0;
        }
        let choice = decide(self.driver, link, healthy);
        let driver = if choice == Choice::Remote { Driver::Remote } else { Driver::Local };
        let changed = driver != self.driver;
        self.driver = driver;
        match driver {
            Driver::Remote => {
                let age_ns = frame.as_ref().map_or(0, |f| u64::from(f.body.age_us) * 1000);
                self.counters.remote_runs += 1;
                let held = self.kept.as_ref().is_some_and(|kept| kept.step < local.header.step);
                self.counters.held_runs += u64::from(held);
                self.counters.age_max_ns = self.counters.age_max_ns.max(age_ns);
                self.counters.returns += u64::from(changed);
            }
            Driver::Local => {
                self.counters.local_runs += 1;
                self.counters.fallbacks += u64::from(changed);
            }
        }
        Pick { choice, changed, frame: frame.filter(|_| choice == Choice::Remote) }
    }

    /// The last element of a chunk lasts as long as the one before it, an only one a run, and nothing is held for longer
    /// than [`HOLD_MAX_NS`].
    fn has_ended(&self, kept: &Kept, now_ns: u64) -> bool {
        match kept.elements.as_slice() {
            [.., before, last] => {
                let lasts_ns = last.at_ns.saturating_sub(before.at_ns).min(HOLD_MAX_NS);
                now_ns >= last.at_ns.saturating_add(lasts_ns)
            }
            [one] if kept.head.body.flags & PolicyFlags::CHUNK != 0 => {
                now_ns >= one.at_ns.saturating_add(self.run_ns.min(HOLD_MAX_NS))
            }
            [one] => now_ns > one.at_ns.saturating_add(HOLD_MAX_NS),
            [] => true,
        }
    }

    fn agrees(&self, remote: &PolicyCommand, local: &PolicyCommand) -> bool {
        let pairs = remote.joints.iter().zip(&local.joints);
        remote.joints.len() == local.joints.len()
            && pairs.into_iter().all(|(a, b)| (a.q_rad - b.q_rad).abs() <= self.config.max_difference_rad)
    }
}

/// Is a target of `at_ns` further from the last element than the second is from the first?
fn has_hole(elements: &[Element], at_ns: u64) -> bool {
    let pitch_ns = match elements {
        [first, second, ..] => (second.at_ns - first.at_ns).min(HOLD_MAX_NS),
        _ => HOLD_MAX_NS,
    };
    elements.last().is_some_and(|last| at_ns - last.at_ns > pitch_ns.saturating_add(AHEAD_ROUNDING_NS))
}

/// The targets of `now_ns`: between two elements in proportion, outside the first or last one held.
fn at(elements: &[Element], now_ns: u64) -> Option<Targets> {
    let next = elements.iter().position(|e| e.at_ns > now_ns);
    let (before, after) = match next {
        None => return elements.last().map(|e| e.joints.clone()),
        Some(0) => return elements.first().map(|e| e.joints.clone()),
        Some(next) => (elements.get(next - 1)?, elements.get(next)?),
    };
    let share = (now_ns - before.at_ns) as f64 / (after.at_ns - before.at_ns) as f64;
    let mix = |a: f32, b: f32| (f64::from(a) + (f64::from(b) - f64::from(a)) * share) as f32;
    let pairs = before.joints.iter().zip(&after.joints);
    Some(
        pairs
            .map(|(a, b)| JointCommand {
                q_rad: mix(a.q_rad, b.q_rad),
                dq_rad_s: mix(a.dq_rad_s, b.dq_rad_s),
                tau_nm: mix(a.tau_nm, b.tau_nm),
                ..*a
            })
            .collect(),
    )
}
