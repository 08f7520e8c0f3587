//! The core: one robot state in, one frame out.
//!
//! ```text
//!            activation n, number = mine               reset: history, last action, phase
//!   idle ──────────────────────────────▶ running ─┐   ◀── another activation, a step that jumps, a new boot
//!    ▲                                     │  ▲   │
//!    └── active policy is not mine ────────┤  └───┘ each due step: Targets
//!                                          ▼
//!                                       faulted: Fault at each due step until another activation
//! ```

use sinew_inference::{Engine, Model, RunError};
use sinew_wire::{
    FrameId, Header, JointCommand, JointMode, PolicyCommand, PolicyStatus, Provider, RobotState, Source,
    StepTime,
};

use crate::action::Action;
use crate::joint_map::{JointMap, JointMapError};
use crate::observation::{Observation, Sample};
use crate::verify::{GoldenFailure, GoldenReport, verify};

/// Where a policy is put to work.
#[derive(Clone, Copy, Debug)]
pub struct PolicyConfig<'a> {
    /// Number by which control calls it.
    pub number: u8,
    /// The robot's joints in the order of its frames.
    pub joints: &'a [String],
    /// Largest (kp N m/rad, kd N m s/rad) of each robot joint; a manifest beyond them is refused.
    pub max_gains: Option<&'a [(f64, f64)]>,
    /// Period of control, ns.
    pub period_ns: u64,
    /// Random per process start; fixed in tests.
    pub boot_id: u32,
}

/// Why a policy cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its joints are not the robot's.
    #[error("{file}: {error}")]
    Joints {
        /// Manifest.
        file: String,
        /// Why.
        #[source]
        error: JointMapError,
    },
    /// Its rate is no whole fraction of the robot's.
    #[error(
        "{file}: `runtime.rate_hz`: found {rate_hz}; expected a whole fraction of control's {control_hz} Hz; correct the rate or the robot's period"
    )]
    Rate {
        /// Manifest.
        file: String,
        /// The policy's rate.
        rate_hz: f64,
        /// Control's rate.
        control_hz: f64,
    },
    /// A gain beyond what the robot allows.
    #[error(
        "{file}: `joints.{gain}` of `{joint}`: found {found}; expected at most {most}; train with lower gains or correct the robot description"
    )]
    Gain {
        /// Manifest.
        file: String,
        /// `kp` or `kd`.
        gain: &'static str,
        /// Joint.
        joint: String,
        /// Manifest's value.
        found: f64,
        /// Robot's limit.
        most: f64,
    },
    /// The engine was built from another model.
    #[error("{file}: the engine {engine} has no tensor `{tensor}` of {len} values; build it from this model")]
    Engine {
        /// Manifest.
        file: String,
        /// Engine.
        engine: String,
        /// Tensor.
        tensor: String,
        /// Values expected.
        len: usize,
    },
    /// Golden vectors do not come out.
    #[error("{file}: {error}")]
    Golden {
        /// Manifest.
        file: String,
        /// Why.
        #[source]
        error: GoldenFailure,
    },
}

/// Why no targets came out although the policy is active.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// The state has another number of joints.
    #[error("the robot state has {found} joints, expected {expected}")]
    Joints {
        /// Joints in the frame.
        found: usize,
        /// Joints of the robot.
        expected: usize,
    },
    /// A measurement that is not a number.
    #[error("the observation holds a value that is not finite")]
    Observation,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] RunError),
    /// The graph gave something that is not a number.
    #[error("the graph gave a value that is not finite")]
    Output,
}

/// Counted since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounters {
    /// Runs of the graph.
    pub runs: u64,
    /// Starts from nothing: activation, step jump, new boot of control.
    pub resets: u64,
    /// Faults.
    pub faults: u64,
    /// States that were not newer than the last.
    pub stale: u64,
}

/// A policy at work.
pub struct Policy {
    engine: Box<dyn Engine>,
    observations: Vec<Observation>,
    action: Action,
    map: JointMap,
    default_rad: Vec<f64>,
    gains: Vec<(f32, f32)>,
    q_rad: Vec<f64>,
    dq_rad_s: Vec<f64>,
    number: u8,
    decimation: u64,
    latency_ticks: u32,
    deadline_ms: f64,
    valid_for_us: u32,
    model_hash: u32,
    provider: Provider,
    boot_id: u32,
    seq: u32,
    /// Activation being served, and the state of its last run.
    running: Option<Running>,
    last_state: Option<(u32, u64)>,
    fault: Option<PolicyFault>,
    counters: PolicyCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    activation: u32,
    control_boot: u32,
    step: u64,
}

impl Running {
    fn of(state: &RobotState) -> Self {
        Self {
            activation: state.body.activation,
            control_boot: state.header.boot_id,
            step: state.header.step,
        }
    }
}

impl Policy {
    /// Puts `model` to work on a robot through `engine`, which was built from it.
    pub fn new(
        model: &Model,
        engine: Box<dyn Engine>,
        config: &PolicyConfig<'_>,
    ) -> Result<Self, SetupError> {
        let (file, manifest) = (&model.file, &model.manifest);
        let map = JointMap::new(&manifest.joints.order, config.joints)
            .map_err(|error| SetupError::Joints { file: file.clone(), error })?;
        check_gains(model, &map, config)?;
        let decimation = decimation(model, config.period_ns)?;
        let missing = |tensor: &str, len: usize| SetupError::Engine {
            file: file.clone(),
            engine: engine.name().to_owned(),
            tensor: tensor.to_owned(),
            len,
        };
        let io = engine.io();
        let mut observations = Vec::with_capacity(io.inputs.len());
        for tensor in &io.inputs {
            let input = manifest.inputs.iter().find(|i| i.tensor == tensor.name && i.shape == tensor.shape);
            let input = input.ok_or_else(|| missing(&tensor.name, tensor.len()))?;
            observations.push(Observation::new(input, manifest.runtime.rate_hz));
        }
        let joints = manifest.joints.order.len();
        for output in &manifest.outputs {
            let len = io.outputs.iter().find(|t| t.name == output.tensor).map(|t| t.len());
            if len != Some(joints) {
                return Err(missing(&output.tensor, joints));
            }
        }
        let index = |tensor: &str| io.output_index(tensor);
        let action =
            Action::new(&manifest.outputs, joints, index).ok_or_else(|| missing("output", joints))?;
        let kp = manifest.joints.kp_nm_per_rad.iter();
        let gains =
            kp.zip(&manifest.joints.kd_nm_s_per_rad).map(|(kp, kd)| (*kp as f32, *kd as f32)).collect();
        let latency_ticks = manifest.runtime.latency_ticks;
        let provider = provider(engine.name());
        // An output holds until the second one after it is missed.
        let valid_for_ns = (u64::from(latency_ticks) + 2 * decimation).saturating_mul(config.period_ns);
        Ok(Self {
            engine,
            observations,
            action,
            map,
            default_rad: manifest.joints.default_pos_rad.clone(),
            gains,
            q_rad: vec![0.0; joints],
            dq_rad_s: vec![0.0; joints],
            number: config.number,
            decimation,
            latency_ticks,
            deadline_ms: manifest.runtime.deadline_ms,
            valid_for_us: u32::try_from(valid_for_ns / 1000).unwrap_or(u32::MAX),
            model_hash: model.wire_hash(),
            provider,
            boot_id: config.boot_id,
            seq: 0,
            running: None,
            last_state: None,
            fault: None,
            counters: PolicyCounters::default(),
        })
    }

    /// As [`Policy::new`], and then the golden run: a policy that does not do as it was trained is refused.
    pub fn verified(
        model: &Model,
        engine: Box<dyn Engine>,
        config: &PolicyConfig<'_>,
    ) -> Result<(Self, GoldenReport), SetupError> {
        let mut policy = Self::new(model, engine, config)?;
        let report = verify(&mut policy, &model.golden, model.tolerance())
            .map_err(|error| SetupError::Golden { file: model.file.clone(), error })?;
        Ok((policy, report))
    }

    /// True when the policy computes from the state of `step`.
    pub fn due(&self, step: u64) -> bool {
        step.is_multiple_of(self.decimation)
    }

    /// Control ticks from one run to the next.
    pub fn decimation(&self) -> u64 {
        self.decimation
    }

    /// Control ticks from the state a run is computed from to the tick that uses it.
    pub fn latency_ticks(&self) -> u32 {
        self.latency_ticks
    }

    /// Wall time after which a run is late, ms; watched by whoever has a clock.
    pub fn deadline_ms(&self) -> f64 {
        self.deadline_ms
    }

    /// Names of the robot's joints, in the order of the frames it reads and writes.
    pub fn robot_joints(&self) -> &[String] {
        self.map.robot_joints()
    }

    /// Number by which control calls it.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The number frames carry for its model.
    pub fn model_hash(&self) -> u32 {
        self.model_hash
    }

    /// Engine and provider.
    pub fn engine_name(&self) -> &str {
        self.engine.name()
    }

    /// Why there are no targets, while there are none.
    pub fn fault(&self) -> Option<&PolicyFault> {
        self.fault.as_ref()
    }

    /// What was counted.
    pub fn counters(&self) -> PolicyCounters {
        self.counters
    }

    /// Answers one robot state with one frame: targets when active and due, else an empty one.
    ///
    /// To be called with every state for which [`Policy::due`] is true; other states are answered without a run.
    /// `now` is the step time stamped on the frame.
    pub fn step(&mut self, state: &RobotState, now: StepTime) -> PolicyCommand {
        let mut frame = self.empty_frame(state, now);
        let at = (state.header.boot_id, state.header.step);
        if !self.due(state.header.step) {
            return frame;
        }
        if self.last_state.is_some_and(|(boot, step)| boot == at.0 && at.1 <= step) {
            self.counters.stale += 1;
            return frame;
        }
        self.last_state = Some(at);
        if state.body.active_policy != self.number {
            self.running = None;
            self.fault = None;
            return frame;
        }
        let current = Running::of(state);
        let fresh = self.is_fresh(current);
        let same_activation = self.running.is_some_and(|last| {
            (last.activation, last.control_boot) == (current.activation, current.control_boot)
        });
        self.running = Some(current);
        if self.fault.is_none() || !same_activation {
            if fresh {
                self.counters.resets += 1;
                self.action.reset();
            }
            self.fault = self.compute(state, fresh).err();
            self.counters.faults += u64::from(self.fault.is_some());
        }
        if self.fault.is_some() {
            frame.body.status = PolicyStatus::Fault as u8;
            return frame;
        }
        frame.body.status = PolicyStatus::Targets as u8;
        self.write_targets(&mut frame);
        frame
    }

    /// True when the run of `current` follows on no other one.
    fn is_fresh(&self, current: Running) -> bool {
        !self.running.is_some_and(|last| {
            last.activation == current.activation
                && last.control_boot == current.control_boot
                && last.step.checked_add(self.decimation) == Some(current.step)
        })
    }

    /// Where the gait clock will stand in the run of `state`, rad in [0, 2 pi); `None` without one.
    pub fn gait_phase_rad(&self, state: &RobotState) -> Option<f64> {
        let phase = self.observations.iter().find_map(Observation::gait_phase_rad)?;
        Some(if self.is_fresh(Running::of(state)) { 0.0 } else { phase })
    }

    /// Where the gait clock stands at the next fresh start, so that two policies walk in step; `None`: at its beginning.
    pub fn start_gait_at(&mut self, phase_rad: Option<f64>) {
        let phase_rad = phase_rad.filter(|p| p.is_finite()).unwrap_or(0.0);
        self.observations.iter_mut().for_each(|o| o.start_gait_at(phase_rad));
    }

    /// True when it moves the robot joint at `index`.
    pub fn moves(&self, index: usize) -> bool {
        self.map.robot_indices().any(|moved| moved == index)
    }

    /// Back to the state after construction; counters start anew, too.
    pub fn forget(&mut self) {
        self.running = None;
        self.last_state = None;
        self.fault = None;
        self.seq = 0;
        self.counters = PolicyCounters::default();
        self.action.reset();
    }

    fn empty_frame(&mut self, state: &RobotState, now: StepTime) -> PolicyCommand {
        self.seq = self.seq.wrapping_add(1);
        let header = Header {
            robot: state.header.robot,
            source: Source::POLICY.0,
            boot_id: self.boot_id,
            seq: self.seq,
            step: state.header.step,
            t_sent_ns: now.as_ns(),
            valid_for_us: self.valid_for_us,
            ..Header::default()
        };
        let mut frame = PolicyCommand { header, ..PolicyCommand::default() };
        frame.header.set_based_on(FrameId { boot_id: state.header.boot_id, seq: state.header.seq });
        frame.body.activation = state.body.activation;
        frame.body.model_hash = self.model_hash;
        frame.body.provider = self.provider as u8;
        frame.body.policy = self.number;
        frame.body.status = PolicyStatus::Empty as u8;
        frame
    }

    fn compute(&mut self, state: &RobotState, fresh: bool) -> Result<(), PolicyFault> {
        let (found, expected) = (state.joints.len(), self.map.robot_len());
        if found != expected {
            return Err(PolicyFault::Joints { found, expected });
        }
        let slots = self.q_rad.iter_mut().zip(&mut self.dq_rad_s);
        for ((q, dq), index) in slots.zip(self.map.robot_indices()) {
            let joint = state.joints.get(index).ok_or(PolicyFault::Joints { found, expected })?;
            (*q, *dq) = (f64::from(joint.q_rad), f64::from(joint.dq_rad_s));
        }
        let sample = Sample {
            gyro_rad_s: state.body.angular_velocity_rad_s.map(f64::from),
            projected_gravity: state.body.projected_gravity.map(f64::from),
            command: state.body.command.map(f64::from),
            q_rad: &self.q_rad,
            dq_rad_s: &self.dq_rad_s,
            default_rad: &self.default_rad,
            last_raw: &self.action.last_raw,
            last_applied: &self.action.last_applied,
        };
        for (index, observation) in self.observations.iter_mut().enumerate() {
            if !observation.write(&sample, fresh, self.engine.input_mut(index)) {
                return Err(PolicyFault::Observation);
            }
        }
        self.engine.run()?;
        self.counters.runs += 1;
        if self.action.take(self.engine.as_ref()) { Ok(()) } else { Err(PolicyFault::Output) }
    }

    /// Targets into the robot's order; joints the policy does not move stay Disabled, for control to look after.
    fn write_targets(&self, frame: &mut PolicyCommand) {
        for _ in 0..self.map.robot_len() {
            frame.joints.push(JointCommand::default());
        }
        let targets = self.action.last_applied.iter().zip(&self.gains);
        for ((target, (kp, kd)), index) in targets.zip(self.map.robot_indices()) {
            if let Some(joint) = frame.joints.get_mut(index) {
                joint.mode = JointMode::Impedance as u8;
                joint.q_rad = *target;
                joint.kp = *kp;
                joint.kd = *kd;
            }
        }
    }
}

/// Engines call themselves `native` or `<runtime> <version> (<provider>)`.
fn provider(engine: &str) -> Provider {
    let named = engine.rsplit_once('(').map_or("", |(_, provider)| provider.trim_end_matches(')'));
    match named.to_ascii_lowercase().as_str() {
        _ if engine.starts_with("native") => Provider::Native,
        "cpu" => Provider::Cpu,
        "cuda" => Provider::Cuda,
        "tensorrt" => Provider::TensorRt,
        _ => Provider::Other,
    }
}

fn decimation(model: &Model, period_ns: u64) -> Result<u64, SetupError> {
    let rate_hz = model.manifest.runtime.rate_hz;
    let ticks = 1e9 / (rate_hz * period_ns as f64);
    let whole = ticks.round();
    if whole >= 1.0 && (ticks - whole).abs() < 1e-6 {
        return Ok(whole as u64);
    }
    Err(SetupError::Rate { file: model.file.clone(), rate_hz, control_hz: 1e9 / period_ns as f64 })
}

fn check_gains(model: &Model, map: &JointMap, config: &PolicyConfig<'_>) -> Result<(), SetupError> {
    let Some(limits) = config.max_gains else { return Ok(()) };
    let joints = &model.manifest.joints;
    let gains = joints.kp_nm_per_rad.iter().zip(&joints.kd_nm_s_per_rad);
    for ((name, (kp, kd)), index) in joints.order.iter().zip(gains).zip(map.robot_indices()) {
        let (kp_max, kd_max) = limits.get(index).copied().unwrap_or((0.0, 0.0));
        for (gain, found, most) in [("kp", *kp, kp_max), ("kd", *kd, kd_max)] {
            if found > most {
                let (file, joint) = (model.file.clone(), name.clone());
                return Err(SetupError::Gain { file, gain, joint, found, most });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_read_off_the_engine_s_name() {
        for (name, expected) in [
            ("native", Provider::Native),
            ("onnxruntime 1.32.0 (CPU)", Provider::Cpu),
            ("onnxruntime 1.32.0 (CUDA)", Provider::Cuda),
            ("onnxruntime 1.32.0 (TensorRT)", Provider::TensorRt),
            ("onnxruntime 1.32.0 (OpenVINO)", Provider::Other),
            ("tract", Provider::Other),
        ] {
            assert_eq!(provider(name), expected, "{name}");
        }
    }
}
