//! Hot swap: the new policy computes beside the old one, is compared, then takes over within the robot's limits.
//!
//! ```text
//!            refused: joints, rate, latency, ladder    refused: fault, NaN, difference, end of the activation
//!   request ────────┐                      ┌────────┐
//!      └──────▶ check ──▶ shadow, N runs ──┴──▶ blend, M runs ──▶ done: the old one is handed back
//! ```
//! The shadow run is what warms the new one's history and recurrent state; its gait clock starts where the old one
//! stands. Until the blend begins nothing of the new one reaches a joint.
use std::fmt::Debug;

use arrayvec::ArrayVec;
use sinew_wire::{JointMode, MAX_JOINTS, PolicyCommand, PolicyStatus};

use crate::policy::Policy;

/// How a swap is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwapRequest {
    /// Runs in which old and new are compared; at least 1.
    pub shadow_runs: u32,
    /// Runs over which the new one's share grows.
    pub blend_runs: u32,
    /// Largest difference of a joint target after the first half of the shadow run, rad. The first half is for
    /// histories and recurrent states to fill.
    pub max_difference_rad: f32,
}

/// Why a swap is not carried out; the old policy goes on in every case.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SwapRefusal {
    /// A swap is in progress.
    #[error("another swap is in progress; wait for its end")]
    Busy,
    /// Results of another machine are in use.
    #[error(
        "the policy runs on another machine, and the robot was started for results of that model; end both and start them with the new one: here `sinew up offboard:=tcp/HOST:PORT model:=FILE`, there `sinew policy --connect tcp/HOST:PORT --model FILE`"
    )]
    Offboard,
    /// Nothing to compare in.
    #[error("the shadow run has {found} runs; expected at least 1")]
    Shadow {
        /// Asked for.
        found: u32,
    },
    /// It moves other joints.
    #[error(
        "joint `{joint}`: the new policy {found} it, the old one {expected}; swap policies of the same joints"
    )]
    Joints {
        /// Joint of the robot.
        joint: String,
        /// What the new one does.
        found: &'static str,
        /// What the old one does.
        expected: &'static str,
    },
    /// It runs at another rate.
    #[error(
        "the new policy runs every {found} ticks, the old one every {expected}; export it for the same rate"
    )]
    Rate {
        /// Ticks.
        found: u64,
        /// Ticks.
        expected: u64,
    },
    /// Its outputs would come too late for the timing that control was started with.
    #[error(
        "the new policy declares {found} latency ticks; control was started for at most {most}; restart with the new model"
    )]
    Latency {
        /// Ticks.
        found: u32,
        /// Ticks.
        most: u32,
    },
    /// Control goes on with what the old one declared about missed runs and about its loss.
    #[error(
        "the new policy declares {field} = {found}, the old one {expected}; control was started for that: declare the same or restart with the new model"
    )]
    Degrade {
        /// Key of the manifest.
        field: &'static str,
        /// What the new one declares.
        found: String,
        /// What the old one declares.
        expected: String,
    },
    /// It gave no targets.
    #[error("run {run} of the new policy gave no targets: {reason}")]
    Fault {
        /// From 1, the blend's runs after the shadow's.
        run: u32,
        /// Why.
        reason: String,
    },
    /// It wants something else than the old one.
    #[error(
        "run {run} of the shadow run: joint `{joint}` differs by {found:.3} rad; expected at most {most:.3} rad; train it on from the old one or raise the bound"
    )]
    Difference {
        /// From 1.
        run: u32,
        /// Joint.
        joint: String,
        /// rad.
        found: f32,
        /// rad.
        most: f32,
    },
    /// The old policy stopped being followed meanwhile.
    #[error("the policy ended during the swap; ask again while it walks or while the robot stands")]
    Ended,
    /// The model could not be made ready.
    #[error("{0}")]
    Model(String),
}

/// What old and new wanted in the shadow run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Runs compared.
    pub runs: u32,
    /// Largest per robot joint, rad.
    pub max_rad: ArrayVec<f32, MAX_JOINTS>,
    sum_of_squares: ArrayVec<f64, MAX_JOINTS>,
}

impl Difference {
    fn add(&mut self, old: &PolicyCommand, new: &PolicyCommand) {
        self.runs += 1;
        let joints = old.joints.len().min(new.joints.len());
        while self.max_rad.len() < joints {
            self.max_rad.push(0.0);
            self.sum_of_squares.push(0.0);
        }
        let pairs = old.joints.iter().zip(&new.joints);
        for (((old, new), max), sum) in pairs.zip(&mut self.max_rad).zip(&mut self.sum_of_squares) {
            let difference = (old.q_rad - new.q_rad).abs();
            *max = max.max(difference);
            *sum += f64::from(difference).powi(2);
        }
    }

    /// Root mean square per robot joint, rad.
    pub fn rms_rad(&self) -> impl Iterator<Item = f64> + '_ {
        let runs = f64::from(self.runs.max(1));
        self.sum_of_squares.iter().map(move |sum| (sum / runs).sqrt())
    }

    /// Largest of any joint, rad.
    #[must_use]
    pub fn worst_rad(&self) -> f32 {
        self.max_rad.iter().copied().fold(0.0, f32::max)
    }
}

/// How a swap ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SwapOutcome {
    /// The new policy is in place.
    Done(Difference),
    /// The old one stays.
    Refused(SwapRefusal, Difference),
}

/// Where a swap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapStage {
    /// Both compute, the old one is followed.
    Shadow,
    /// Both compute, both have a share.
    Blend,
}

/// A swap in progress.
pub(crate) struct Swap {
    pub(crate) incoming: Policy,
    pub(crate) stage: SwapStage,
    pub(crate) request: SwapRequest,
    pub(crate) difference: Difference,
    /// Runs of the blend so far.
    pub(crate) blended: u32,
    /// (control's boot, activation) it began in.
    epoch: Option<(u32, u32)>,
}

/// What one run of the shadow has come to.
#[derive(Debug, PartialEq)]
pub(crate) enum Shadowed {
    Going,
    /// Compared long enough.
    Enough,
    Refused(SwapRefusal),
}

/// Compares what can be compared before anything runs. `latency_ticks`: what control was started for.
///
/// # Errors
/// What does not fit.
pub fn check(
    old: &Policy,
    incoming: &Policy,
    request: &SwapRequest,
    latency_ticks: u32,
) -> Result<(), SwapRefusal> {
    if request.shadow_runs == 0 {
        return Err(SwapRefusal::Shadow { found: 0 });
    }
    let word = |moves| if moves { "moves" } else { "leaves" };
    for (index, joint) in old.robot_joints().iter().enumerate() {
        let (found, expected) = (incoming.moves(index), old.moves(index));
        if found != expected {
            let joint = joint.clone();
            return Err(SwapRefusal::Joints { joint, found: word(found), expected: word(expected) });
        }
    }
    let (found, expected) = (incoming.decimation(), old.decimation());
    if found != expected {
        return Err(SwapRefusal::Rate { found, expected });
    }
    if incoming.latency_ticks() > latency_ticks {
        return Err(SwapRefusal::Latency { found: incoming.latency_ticks(), most: latency_ticks });
    }
    let differs = |field, found: &dyn Debug, expected: &dyn Debug| {
        // As manifests write it.
        let word = |value: &dyn Debug| format!("{value:?}").to_lowercase();
        Err(SwapRefusal::Degrade { field, found: word(found), expected: word(expected) })
    };
    if incoming.on_miss() != old.on_miss() {
        return differs("runtime.on_miss", &incoming.on_miss(), &old.on_miss());
    }
    if incoming.misses_max() != old.misses_max() {
        return differs("runtime.misses_max", &incoming.misses_max(), &old.misses_max());
    }
    if incoming.fallback() != old.fallback() {
        return differs("safety.fallback", &incoming.fallback(), &old.fallback());
    }
    Ok(())
}

impl Swap {
    /// `incoming` has passed [`check`].
    pub(crate) fn new(incoming: Policy, request: SwapRequest) -> Self {
        let difference = Difference::default();
        Self { incoming, stage: SwapStage::Shadow, request, difference, blended: 0, epoch: None }
    }

    /// True when a run of `epoch`, (control's boot, activation), does not belong to the one this swap began in.
    pub(crate) fn has_ended(&mut self, epoch: (u32, u32)) -> bool {
        *self.epoch.get_or_insert(epoch) != epoch
    }

    /// One run of both.
    pub(crate) fn compare(&mut self, old: &PolicyCommand, new: &PolicyCommand) -> Shadowed {
        let run = self.difference.runs + 1;
        if new.body.status() != PolicyStatus::Targets {
            let reason = self.incoming.fault().map_or_else(|| "empty".to_owned(), ToString::to_string);
            return Shadowed::Refused(SwapRefusal::Fault { run, reason });
        }
        self.difference.add(old, new);
        let most = self.request.max_difference_rad;
        if 2 * run > self.request.shadow_runs {
            for (index, (old, new)) in old.joints.iter().zip(&new.joints).enumerate() {
                let found = (old.q_rad - new.q_rad).abs();
                // A bound that is no number lets nothing pass.
                let within = found <= most;
                if old.mode() == JointMode::Impedance && !within {
                    let joint = self.incoming.robot_joints().get(index).cloned().unwrap_or_default();
                    return Shadowed::Refused(SwapRefusal::Difference { run, joint, found, most });
                }
            }
        }
        if run >= self.request.shadow_runs { Shadowed::Enough } else { Shadowed::Going }
    }
}
