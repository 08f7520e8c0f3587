//! The core: one robot state in, one frame out.
//!
//! ```text
//!            activation n, number = mine               reset: history, last action, clocks, recurrent state, chunks
//!   idle ──────────────────────────────▶ running ─┐   ◀── another activation, a step that jumps, a new boot
//!    ▲                                     │  ▲   │
//!    └── active policy is not mine ────────┤  └───┘ each due step: Targets
//!                                          ▼
//!                                       faulted: Fault at each due step until another activation
//! ```
//! A jump that every recurrent state survives (`reset_on = ["activate", "gap>…ms"]`) resets nothing: clocks and ramps
//! advance by the runs left out.
mod about;
mod ahead;

use sinew_inference::manifest::{Fallback, OnMiss};
use sinew_inference::{Engine, Model};
use sinew_wire::{
    FrameId, Header, JointCommand, JointMode, PolicyCommand, PolicyFlags, PolicyStatus, Provider, RobotState,
    Source, StepTime,
};

use crate::action::{Action, Moment};
use crate::command::CommandFilter;
use crate::excitation::check_excitation;
use crate::fault::{PolicyCounters, PolicyFault};
use crate::joint_map::JointMap;
use crate::observation::{InputFault, InputTensor};
use crate::provider::provider;
use crate::recurrent::RecurrentState;
use crate::sample::Sample;
use crate::setup::{
    PolicyConfig, SetupError, check_gains, check_latency, check_positions, check_stiffness, decimation,
};
use crate::succession::{Running, Succession};
use crate::verify::{GoldenReport, verify};

/// A policy at work.
pub struct Policy {
    model_name: String,
    engine: Box<dyn Engine>,
    /// With the position of each among the engine's inputs.
    inputs: Vec<(usize, InputTensor)>,
    states: Vec<RecurrentState>,
    command: CommandFilter,
    action: Action,
    map: JointMap,
    feet: Vec<String>,
    gains: Vec<(f32, f32)>,
    q_rad: Vec<f64>,
    dq_rad_s: Vec<f64>,
    tau_nm: Vec<f64>,
    number: u8,
    period_ns: u64,
    decimation: u64,
    /// The manifest's.
    latency_ticks: u32,
    /// From the state of a run to the tick that uses its output, ns.
    use_after_ns: u64,
    deadline_ms: f64,
    on_miss: OnMiss,
    misses_max: u32,
    fallback: Fallback,
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

impl Policy {
    /// Puts `model` to work on a robot through `engine`, which was built from it.
    pub fn new(
        model: &Model,
        engine: Box<dyn Engine>,
        config: &PolicyConfig<'_>,
    ) -> Result<Self, SetupError> {
        let (file, manifest) = (&model.file, &model.manifest);
        let map = JointMap::new(&manifest.joints.order, config.joints)
            .map_err(|error| SetupError::Joints { file: file.clone(), line: manifest.joints.line, error })?;
        check_gains(model, &map, config)?;
        check_stiffness(model, config)?;
        check_positions(model, &map, config)?;
        let decimation = decimation(model, config.period_ns)?;
        check_latency(model, decimation)?;
        let run_ns = decimation.saturating_mul(config.period_ns);
        let missing = |tensor: &str, len: usize| SetupError::Engine {
            file: file.clone(),
            engine: engine.name().to_owned(),
            tensor: tensor.to_owned(),
            len,
        };
        let io = engine.io();
        let wanted = model.inputs();
        let unknown = io.inputs.iter().find(|t| !wanted.iter().any(|w| w == *t));
        if let Some(tensor) = unknown {
            return Err(missing(&tensor.name, tensor.len()));
        }
        let input_at = |name: &str, len| io.input_index(name).ok_or_else(|| missing(name, len));
        let output_at = |name: &str, len: usize| {
            let found =
                io.output_index(name).filter(|at| io.outputs.get(*at).is_some_and(|t| t.len() == len));
            found.ok_or_else(|| missing(name, len))
        };
        let mut inputs = Vec::with_capacity(manifest.inputs.len());
        for input in &manifest.inputs {
            let at = input_at(&input.tensor, input.len())?;
            let range = manifest.safety.obs_ranges.iter().find(|r| r.tensor == input.tensor);
            let tensor = InputTensor::new(input, manifest.runtime.rate_hz, config.feet, range)
                .map_err(|foot| SetupError::Foot { file: file.clone(), foot, robot: config.feet.to_vec() })?;
            inputs.push((at, tensor));
        }
        for output in model.outputs() {
            output_at(&output.name, output.len())?;
        }
        let mut states = Vec::with_capacity(manifest.states.len());
        for state in &manifest.states {
            let output = output_at(&state.output, state.output_shape.iter().product())?;
            states.push(RecurrentState::new(state, input_at(&state.input, state.len())?, output, run_ns));
        }
        let joints = manifest.joints.order.len();
        let action = Action::new(manifest, |tensor| io.output_index(tensor))
            .ok_or_else(|| missing("output", joints))?;
        let kp = manifest.joints.kp_nm_per_rad.iter();
        let gains =
            kp.zip(&manifest.joints.kd_nm_s_per_rad).map(|(kp, kd)| (*kp as f32, *kd as f32)).collect();
        let runtime = &manifest.runtime;
        let provider = provider(engine.name());
        let mut policy = Self {
            model_name: manifest.name.clone(),
            command: CommandFilter::new(&manifest.command, 1.0 / runtime.rate_hz),
            engine,
            inputs,
            states,
            action,
            map,
            feet: config.feet.to_vec(),
            gains,
            q_rad: vec![0.0; joints],
            dq_rad_s: vec![0.0; joints],
            tau_nm: vec![0.0; joints],
            number: config.number,
            period_ns: config.period_ns,
            decimation,
            latency_ticks: runtime.latency_ticks,
            use_after_ns: 0,
            deadline_ms: runtime.deadline_ms,
            on_miss: runtime.on_miss,
            misses_max: runtime.misses_max,
            fallback: manifest.safety.fallback,
            valid_for_us: 0,
            model_hash: model.wire_hash(),
            provider,
            boot_id: config.boot_id,
            seq: 0,
            running: None,
            last_state: None,
            fault: None,
            counters: PolicyCounters::default(),
        };
        policy.set_latency_ticks_min(config.latency_ticks_min);
        Ok(policy)
    }

    /// Outputs count from so many control ticks after the state they are computed from, or from the manifest's where
    /// those are more, until as many after them are missed as the manifest allows. See [`PolicyConfig`].
    pub fn set_latency_ticks_min(&mut self, ticks: u32) {
        let ticks = self.latency_ticks.max(ticks);
        let valid_ticks = u64::from(ticks) + u64::from(self.misses_max) * self.decimation;
        let valid_for_us = valid_ticks.saturating_mul(self.period_ns) / 1000;
        self.valid_for_us = u32::try_from(valid_for_us).unwrap_or(u32::MAX);
        self.use_after_ns = u64::from(ticks).saturating_mul(self.period_ns);
    }

    /// As [`Policy::new`], and then the golden run: a policy that does not do as it was trained is refused, and so are
    /// golden vectors that would not tell.
    pub fn verified(
        model: &Model,
        engine: Box<dyn Engine>,
        config: &PolicyConfig<'_>,
    ) -> Result<(Self, GoldenReport), SetupError> {
        // Golden targets were computed for the latency that the manifest declares.
        let mut policy = Self::new(model, engine, &PolicyConfig { latency_ticks_min: 0, ..*config })?;
        let report = verify(&mut policy, &model.golden, model.tolerance())
            .and_then(|report| check_excitation(model).map(|()| report))
            .map_err(|error| SetupError::Golden { file: model.file.clone(), error })?;
        policy.set_latency_ticks_min(config.latency_ticks_min);
        Ok((policy, report))
    }

    /// True when the policy computes from the state of `step`.
    pub fn due(&self, step: u64) -> bool {
        step.is_multiple_of(self.decimation)
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
        let succession = self.succession(current);
        self.running = Some(current);
        if self.fault.is_none() || !succession.same_activation {
            self.reset_as_needed(succession, state.body.activation);
            self.fault = self.compute(state, succession).err();
            self.counters.faults += u64::from(self.fault.is_some());
        }
        if self.fault.is_some() {
            frame.body.status = PolicyStatus::Fault as u8;
            return frame;
        }
        frame.body.status = PolicyStatus::Targets as u8;
        self.say_what_is_known(&mut frame);
        self.write_targets(&mut frame);
        frame
    }

    /// Flags and age of the targets.
    fn say_what_is_known(&self, frame: &mut PolicyCommand) {
        if self.is_out_of_range() {
            frame.body.flags |= PolicyFlags::OUT_OF_DISTRIBUTION;
        }
        if let Some(chunk) = self.chunk() {
            frame.body.flags |= PolicyFlags::CHUNK;
            frame.body.age_us = u32::try_from(chunk.age_ns / 1000).unwrap_or(u32::MAX);
        }
    }

    /// Where the gait clock will stand in the run of `state`, rad in [0, 2 pi); `None` without one.
    pub fn gait_phase_rad(&self, state: &RobotState) -> Option<f64> {
        let fresh = self.succession(Running::of(state)).fresh;
        self.inputs.iter().find_map(|(_, input)| input.gait_clock_rad(fresh))
    }

    /// Where fresh starts find the gait clock, so that two policies walk in step; `None`: at its own beginning.
    pub fn start_gait_at(&mut self, clock_rad: Option<f64>) {
        self.inputs.iter_mut().for_each(|(_, input)| input.enter_gait_at(clock_rad));
    }

    /// True when it moves the robot joint at `index`.
    pub fn moves(&self, index: usize) -> bool {
        self.map.robot_indices().any(|moved| moved == index)
    }

    /// Gains (kp N m/rad, kd N m s/rad) of each robot joint, in the robot's order; `None` for one it leaves alone.
    pub fn robot_gains(&self) -> impl Iterator<Item = Option<(f32, f32)>> + '_ {
        (0..self.map.robot_len()).map(|joint| {
            let at = self.map.robot_indices().position(|moved| moved == joint)?;
            self.gains.get(at).copied()
        })
    }

    /// Back to the state after construction; counters start anew, too.
    pub fn forget(&mut self) {
        self.running = None;
        self.last_state = None;
        self.fault = None;
        self.seq = 0;
        self.counters = PolicyCounters::default();
        self.action.reset(0);
        self.command.reset();
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

    fn succession(&self, current: Running) -> Succession {
        let run_ns = self.decimation.saturating_mul(self.period_ns);
        let survived_ns = self.states.iter().map(RecurrentState::gap_ns).min().unwrap_or(0).max(run_ns);
        Succession::between(self.running, current, self.period_ns, self.decimation, survived_ns)
    }

    /// A fault of another activation is forgotten with everything else.
    fn reset_as_needed(&mut self, succession: Succession, activation: u32) {
        if succession.fresh {
            self.counters.resets += 1;
            self.action.reset(activation);
            self.command.reset();
        }
        for state in &mut self.states {
            if !succession.same_activation || succession.gap_ns > state.gap_ns() {
                state.reset();
            }
        }
    }

    fn compute(&mut self, state: &RobotState, succession: Succession) -> Result<(), PolicyFault> {
        let (found, expected) = (state.joints.len(), self.map.robot_len());
        if found != expected {
            return Err(PolicyFault::Joints { found, expected });
        }
        let slots = self.q_rad.iter_mut().zip(&mut self.dq_rad_s).zip(&mut self.tau_nm);
        for (((q, dq), tau), index) in slots.zip(self.map.robot_indices()) {
            let joint = state.joints.get(index).ok_or(PolicyFault::Joints { found, expected })?;
            (*q, *dq, *tau) = (f64::from(joint.q_rad), f64::from(joint.dq_rad_s), f64::from(joint.tau_nm));
        }
        let now_ns = state.header.step.saturating_mul(self.period_ns);
        let motion = (state.body.last_motion_source, state.body.last_motion_seq);
        let arbitrated = state.body.command.map(f64::from);
        let (command, goal) = self.command.observe(arbitrated, motion, now_ns, succession.elapsed);
        let ran = succession.fresh || self.action.wants_run(now_ns);
        let sample = Sample {
            gyro_rad_s: state.body.angular_velocity_rad_s.map(f64::from),
            velocity_m_s: state.body.velocity_m_s.map(f64::from),
            projected_gravity: state.body.projected_gravity.map(f64::from),
            orientation_wxyz: state.body.orientation.map(f64::from),
            position_m: state.body.position_m,
            height_m: f64::from(state.body.height_m),
            contact: state.body.contact_probability.map(f64::from),
            command,
            goal,
            q_rad: &self.q_rad,
            dq_rad_s: &self.dq_rad_s,
            tau_nm: &self.tau_nm,
            action: self.action.fed_back(),
            fresh: succession.fresh,
            elapsed: succession.elapsed,
        };
        for (at, input) in &mut self.inputs {
            input.write(&sample, ran, self.engine.input_mut(*at)).map_err(|fault| match fault {
                InputFault::NotFinite => PolicyFault::Observation,
                InputFault::Ended => PolicyFault::Ended,
                InputFault::OutOfRange => PolicyFault::OutOfRange,
            })?;
        }
        self.command.advance();
        if ran {
            for state in &self.states {
                state.write(self.engine.as_mut());
            }
            self.engine.run()?;
            self.counters.runs += 1;
            let engine = self.engine.as_ref();
            if !self.states.iter_mut().all(|state| state.take(engine)) {
                return Err(PolicyFault::Output);
            }
        }
        let moment = Moment {
            now_ns,
            use_ns: now_ns.saturating_add(self.use_after_ns),
            dt_s: (succession.elapsed as f64)
                * (self.decimation.saturating_mul(self.period_ns)) as f64
                * 1e-9,
            epoch: state.body.activation,
            ran,
        };
        self.action.take(self.engine.as_ref(), moment)?;
        self.counters.out_of_range += u64::from(self.is_out_of_range());
        self.counters.chunk_exhausted += u64::from(self.chunk().is_some_and(|chunk| chunk.is_exhausted));
        Ok(())
    }

    /// Targets into the robot's order; joints the policy does not move stay Disabled, for control to look after.
    fn write_targets(&self, frame: &mut PolicyCommand) {
        for _ in 0..self.map.robot_len() {
            frame.joints.push(JointCommand::default());
        }
        let Action { q_rad, dq_rad_s, tau_nm, .. } = &self.action;
        let targets = q_rad.iter().zip(dq_rad_s).zip(tau_nm).zip(&self.gains);
        for ((((q, dq), tau), (kp, kd)), index) in targets.zip(self.map.robot_indices()) {
            if let Some(joint) = frame.joints.get_mut(index) {
                joint.mode = JointMode::Impedance as u8;
                (joint.q_rad, joint.dq_rad_s, joint.tau_nm) = (*q, *dq, *tau);
                (joint.kp, joint.kd) = (*kp, *kd);
            }
        }
    }
}
