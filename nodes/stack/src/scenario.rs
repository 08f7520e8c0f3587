//! The scenario file: a scripted run with an asserted outcome.
//!
//! Closed schema, absolute step times, one seed. A wrong file is refused with line, field and what was expected.
use serde::Deserialize;

use crate::check::check;
use crate::choice::RobotEntries;
use crate::engine::Engine;
use crate::offboard::OffboardPlan;

/// One run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// Folder under `launch/robots`.
    pub robot: String,
    /// Other robots that may run this scenario, by folder.
    #[serde(default)]
    pub robots: RobotEntries,
    /// Physics engine: rapier (default) or mujoco.
    #[serde(default)]
    pub engine: Engine,
    /// Solver iterations of rapier, 1 to 64; MuJoCo's solver stops by itself.
    #[serde(default = "one_usize")]
    pub solver_iterations: usize,
    /// Manifests in the robot's `models` folder, by file stem; the first is policy 0.
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default = "one")]
    pub seed: u64,
    /// Step time at which the run ends, s.
    pub duration_s: f64,
    /// Raises the policies' latency, ticks.
    #[serde(default)]
    pub latency_ticks: u64,
    /// Friction of the ground from the start; the model's own if absent.
    #[serde(default)]
    pub friction: Option<f64>,
    /// Mass on the trunk, kg.
    #[serde(default)]
    pub payload_kg: f64,
    /// Factor on the declared sensor noise and biases.
    #[serde(default = "one_f64")]
    pub noise_scale: f64,
    /// What the policies read as the base's velocity.
    #[serde(default)]
    pub policy_body_velocity: BodyVelocity,
    /// What the operator wants from when on.
    #[serde(default)]
    pub goals: Vec<GoalAt>,
    /// Velocities to follow, each judged once the robot has had time to settle.
    #[serde(default)]
    pub segments: Segments,
    /// Pushes within every segment.
    #[serde(default)]
    pub pushes: Option<Pushes>,
    /// Policy 0 runs on another machine; the one named above is its fallback.
    #[serde(default)]
    pub offboard: Option<OffboardPlan>,
    #[serde(default)]
    pub events: Vec<Event>,
    pub expect: Expect,
}

fn one() -> u64 {
    1
}
fn half() -> f64 {
    0.5
}
fn one_usize() -> usize {
    1
}
fn one_f64() -> f64 {
    1.0
}

/// Where the policies' body velocity comes from.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BodyVelocity {
    /// From the estimator, as on a robot.
    #[default]
    Estimator,
    /// From the twin: an aid for comparing, in one thread only; processes and robots refuse it.
    Truth,
}

/// A goal of the scripted operator.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct GoalAt {
    /// Step time, s.
    pub at_s: f64,
    pub goal: GoalName,
    /// With `policy`: its number.
    #[serde(default)]
    pub policy: u8,
}

/// Goals by name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum GoalName {
    Watch,
    Stand,
    Policy,
    LieDown,
    EStop,
    Damping,
    Reset,
    /// The operator falls silent: no heartbeat, no request.
    Silence,
}

/// A row of velocities of equal length.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    /// Step time of the first, s.
    pub from_s: f64,
    /// Length of each, s.
    pub for_s: f64,
    /// Time to settle at the start of each, which is not judged, s.
    #[serde(default = "one_f64")]
    pub settle_s: f64,
    /// The velocity is judged as its mean over this time, a stride, s; 0 judges every step.
    #[serde(default)]
    pub average_over_s: f64,
    /// vx, vy m/s, wz rad/s.
    pub velocities: Vec<[f32; 3]>,
}

impl Default for Segments {
    fn default() -> Self {
        Self { from_s: 0.0, for_s: 0.0, settle_s: 1.0, average_over_s: 0.0, velocities: Vec::new() }
    }
}

/// One velocity with its span in steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    pub from_step: u64,
    /// First step that is judged.
    pub judge_step: u64,
    pub to_step: u64,
    pub velocity: [f32; 3],
}

/// Pushes of one size in directions drawn from the seed.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Pushes {
    pub delta_v_m_s: f64,
    /// Times within each segment, s.
    pub into_segment_s: Vec<f64>,
}

/// Processes that a scenario may take away.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Participant {
    Bridge,
    Control,
    Policy,
    /// The scripted operator itself.
    Operator,
}

/// Something that happens to the robot.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub enum Event {
    /// SIGKILL; gone for good.
    Kill {
        at_s: f64,
        target: Participant,
    },
    /// SIGSTOP, then SIGCONT.
    Stop {
        at_s: f64,
        for_s: f64,
        target: Participant,
    },
    /// Lies on the link from control to bridge.
    Link {
        at_s: f64,
        for_s: f64,
        fault: LinkFault,
    },
    /// One bit of the position target of a joint in one command, with a valid CRC.
    FlipCommandBit {
        at_s: f64,
        joint: usize,
        bit: u8,
    },
    /// Nothing passes on the bus of this name.
    BusSilent {
        at_s: f64,
        for_s: f64,
        bus: String,
    },
    /// Frames lost, doubled, corrupted, late on the bus of this name, each with this probability.
    BusNoise {
        at_s: f64,
        for_s: f64,
        bus: String,
        rate: f64,
    },
    /// The inertial sensor stops answering.
    ImuDead {
        at_s: f64,
        for_s: f64,
    },
    /// A drive gives no torque although it says so.
    TorqueLoss {
        at_s: f64,
        for_s: f64,
        joint: String,
    },
    /// A drive overheats.
    OverTemperature {
        at_s: f64,
        joint: String,
    },
    /// A drive's encoder jumps.
    EncoderJump {
        at_s: f64,
        joint: String,
        rad: f64,
    },
    /// A drive loses its supply for a moment.
    DriveReset {
        at_s: f64,
        joint: String,
    },
    Push {
        at_s: f64,
        delta_v_m_s: [f64; 3],
    },
    Friction {
        at_s: f64,
        mu: f64,
    },
    /// So many runs of the policy in a row come too late to be used.
    PolicyLate {
        at_s: f64,
        runs: u32,
    },
    /// The policy is replaced by another model while it runs.
    Swap {
        at_s: f64,
        /// Manifest, by file stem.
        model: String,
        /// Ticks of control in which old and new both compute and are compared.
        shadow_ticks: u64,
        /// Time over which the new one takes over, s.
        blend_s: f64,
        /// Largest difference of a joint target, rad.
        #[serde(default = "half")]
        max_difference_rad: f64,
    },
    /// Nothing passes to or from the other machine.
    OffboardCut {
        at_s: f64,
        for_s: f64,
    },
}

/// What a link does to frames.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LinkFault {
    /// Nothing arrives.
    Loss,
    /// Every frame arrives twice.
    Duplicate,
    /// Pairs of frames arrive in the wrong order.
    Reorder,
    /// Frames recorded up to a second ago arrive before the true one.
    Replay,
    /// A NaN in the true frame, with a valid CRC.
    NonFinite,
    /// A copy of the true frame with another writer epoch arrives before it.
    WrongEpoch,
    /// Frames arrive 20 ms late.
    Stale,
}

/// The asserted outcome. What is absent is not asserted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Trunk contacts, tilts beyond 60 degrees or a base below half its standing height after standing up, by truth.
    #[serde(default)]
    pub falls: Option<u64>,
    /// Pushes that must have been given, no fewer.
    #[serde(default)]
    pub pushes: Option<u64>,
    #[serde(default)]
    pub rmse_vx: Option<f64>,
    #[serde(default)]
    pub rmse_vy: Option<f64>,
    #[serde(default)]
    pub rmse_wz: Option<f64>,
    /// Robot mode at the end.
    #[serde(default)]
    pub mode: Option<String>,
    /// Longest time from the first event to the first frame without stiffness at every drive, ms.
    #[serde(default)]
    pub t_damp_ms: Option<f64>,
    /// Stale, replayed or forged commands that reached a drive.
    #[serde(default)]
    pub stale_accepted: Option<u64>,
    /// Steps in which a drive had stiffness again after all had been damped; 0: damped is damped.
    #[serde(default)]
    pub stiff_after_damp: Option<u64>,
    /// Fault codes that must have shown.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Link refusals of this name must have been counted.
    #[serde(default)]
    pub refusals: Vec<String>,
    /// The drives' own watchdogs must have fired.
    #[serde(default)]
    pub watchdog: Option<bool>,
    /// Largest step of a joint's position target at the drives while a policy is followed, from the first swap or cut of
    /// the other machine until the last is over, rad. The robot's transition limits are what this is to be held against.
    #[serde(default)]
    pub max_target_step_rad: Option<f64>,
    /// How the swap must have ended: `done` or `refused`.
    #[serde(default)]
    pub swap: Option<String>,
    /// Runs of the policy that must have missed their deadline.
    #[serde(default)]
    pub deadline_missed: Option<u64>,
    /// How often the local fallback must have taken over from the other machine.
    #[serde(default)]
    pub fallbacks: Option<u64>,
    /// How often the other machine must have taken over.
    #[serde(default)]
    pub returns: Option<u64>,
    /// A negative control: the run must break an assertion above, or be refused for this reason.
    #[serde(default)]
    pub fails: bool,
    /// The policy must be refused before anything moves.
    #[serde(default)]
    pub policy_refused: bool,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    #[error("{file}: {message}")]
    Parse { file: String, message: String },
    #[error("{file}: {field}: expected {expected}, found {found}")]
    Value { file: String, field: String, expected: String, found: String },
}

impl Scenario {
    /// Reads and checks a scenario; `file` names it in errors.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = serde_saphyr::from_str(text)
            .map_err(|e| ScenarioError::Parse { file: file.into(), message: e.to_string() })?;
        check(&scenario, file)?;
        Ok(scenario)
    }

    /// The velocity segments in steps of `period_ns`.
    #[must_use]
    pub fn segments(&self, period_ns: u64) -> Vec<Segment> {
        let step = |s: f64| (s * 1e9 / period_ns as f64).round() as u64;
        let spans = self.segments.velocities.iter().enumerate();
        spans
            .map(|(i, velocity)| {
                let from_s = self.segments.from_s + self.segments.for_s * i as f64;
                Segment {
                    from_step: step(from_s),
                    judge_step: step(from_s + self.segments.settle_s),
                    to_step: step(from_s + self.segments.for_s),
                    velocity: *velocity,
                }
            })
            .collect()
    }
}

impl Event {
    /// Step time at which it begins, s.
    #[must_use]
    pub fn at_s(&self) -> f64 {
        match self {
            Self::Kill { at_s, .. }
            | Self::Stop { at_s, .. }
            | Self::Link { at_s, .. }
            | Self::FlipCommandBit { at_s, .. }
            | Self::BusSilent { at_s, .. }
            | Self::BusNoise { at_s, .. }
            | Self::ImuDead { at_s, .. }
            | Self::TorqueLoss { at_s, .. }
            | Self::OverTemperature { at_s, .. }
            | Self::EncoderJump { at_s, .. }
            | Self::DriveReset { at_s, .. }
            | Self::Push { at_s, .. }
            | Self::Friction { at_s, .. }
            | Self::PolicyLate { at_s, .. }
            | Self::Swap { at_s, .. }
            | Self::OffboardCut { at_s, .. } => *at_s,
        }
    }
}
