//! From the graph's outputs to joint targets and to what is fed back.

use sinew_inference::Engine;
use sinew_inference::manifest::{Manifest, OutputKind, Quantity, Target};

use crate::chunk::{ChunkBuffer, ChunkReading};
use crate::fault::PolicyFault;
use crate::sample::FedBack;

/// When a run was observed and when its targets will act.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Step time of the state, ns.
    pub now_ns: u64,
    /// Step time at which control uses the targets, ns.
    pub use_ns: u64,
    /// From the frame before to this one, s.
    pub dt_s: f64,
    /// Activation.
    pub epoch: u32,
    /// Did the graph run?
    pub ran: bool,
}

/// The action pipeline with its memory. Lists are in the policy's joint order unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    targets: Vec<TargetState>,
    /// Output whose values are fed back raw.
    raw_output: Option<usize>,
    /// Target of which stages clipped and scaled are kept.
    kept: Option<usize>,
    max_jump_rad: Option<Vec<f64>>,
    default_rad: Vec<f64>,
    /// In the order of the output that is fed back.
    raw: Vec<f32>,
    clipped: Vec<f32>,
    scaled: Vec<f32>,
    /// Fed back; zero after a reset.
    applied_rad: Vec<f32>,
    /// Leaves the policy.
    pub(crate) q_rad: Vec<f32>,
    /// Leaves the policy.
    pub(crate) dq_rad_s: Vec<f32>,
    /// Leaves the policy.
    pub(crate) tau_nm: Vec<f32>,
    /// No targets have left since the reset.
    first: bool,
    reading: Option<ChunkReading>,
    remembered: Remembered,
}

/// What leaves now, while targets for later are computed in its place.
#[derive(Clone, Debug)]
struct Remembered {
    q_rad: Vec<f32>,
    dq_rad_s: Vec<f32>,
    tau_nm: Vec<f32>,
    /// Positions of the run before the one that is computed.
    before_rad: Vec<f32>,
}

/// One target output.
#[derive(Clone, Debug)]
struct TargetState {
    target: Target,
    output: usize,
    chunks: Option<ChunkBuffer>,
    /// This frame's values, in the target's joints.
    values: Vec<f32>,
}

impl Action {
    /// `index` finds a tensor among the engine's outputs. `None` when an output is missing.
    pub(crate) fn new(manifest: &Manifest, index: impl Fn(&str) -> Option<usize>) -> Option<Self> {
        let mut targets = Vec::new();
        let mut raw = None;
        for output in &manifest.outputs {
            let at = index(&output.tensor)?;
            match &output.kind {
                OutputKind::Feedback { joints } => raw = Some((at, joints.len())),
                OutputKind::Target(target) => targets.push(TargetState {
                    chunks: target.chunk.map(|chunk| ChunkBuffer::new(chunk, target.joints.len())),
                    values: vec![0.0; target.joints.len()],
                    output: at,
                    target: target.clone(),
                }),
                OutputKind::Ignore { .. } => {}
            }
        }
        // As the manifest says which action may be read: the only target, or the one that gives positions.
        let plain = |t: &&TargetState| t.target.chunk.is_none();
        let position = |t: &TargetState| t.target.quantity == Quantity::Position;
        let kept = match targets.as_slice() {
            [one] if plain(&one) => Some(0),
            many => many.iter().position(|t| plain(&t) && position(t)),
        };
        let kept_len = kept.and_then(|at| targets.get(at)).map_or(0, |t| t.values.len());
        let from_target = || kept.and_then(|at| targets.get(at)).map(|t| (t.output, kept_len));
        let raw = raw.or_else(from_target);
        let joints = manifest.joints.order.len();
        Some(Self {
            raw_output: raw.map(|(at, _)| at),
            raw: vec![0.0; raw.map_or(0, |(_, len)| len)],
            kept,
            clipped: vec![0.0; kept_len],
            scaled: vec![0.0; kept_len],
            targets,
            max_jump_rad: manifest.safety.max_action_jump_rad.clone(),
            default_rad: manifest.joints.default_pos_rad.clone(),
            applied_rad: vec![0.0; joints],
            q_rad: vec![0.0; joints],
            dq_rad_s: vec![0.0; joints],
            tau_nm: vec![0.0; joints],
            first: true,
            reading: None,
            remembered: Remembered {
                q_rad: vec![0.0; joints],
                dq_rad_s: vec![0.0; joints],
                tau_nm: vec![0.0; joints],
                before_rad: vec![0.0; joints],
            },
        })
    }

    /// What terms may read.
    pub(crate) fn fed_back(&self) -> FedBack<'_> {
        FedBack { raw: &self.raw, clipped: &self.clipped, scaled: &self.scaled, applied: &self.applied_rad }
    }

    /// As after an activation: nothing was done yet, and no chunk of before counts.
    pub(crate) fn reset(&mut self, epoch: u32) {
        for list in [&mut self.raw, &mut self.clipped, &mut self.scaled, &mut self.applied_rad] {
            list.fill(0.0);
        }
        for chunks in self.targets.iter_mut().filter_map(|t| t.chunks.as_mut()) {
            chunks.reset(epoch);
        }
        self.first = true;
        self.reading = None;
    }

    /// False while a chunk still has to be executed.
    pub(crate) fn wants_run(&self, now_ns: u64) -> bool {
        self.targets.iter().all(|t| t.chunks.as_ref().is_none_or(|chunks| chunks.wants_run(now_ns)))
    }

    /// What the chunk in force says of itself; `None` for a policy without chunks.
    pub(crate) fn reading(&self) -> Option<ChunkReading> {
        self.reading
    }

    /// Takes the outputs of a run, and what is in force at this moment; nothing is of use after a fault.
    pub(crate) fn take(&mut self, engine: &dyn Engine, moment: Moment) -> Result<(), PolicyFault> {
        if moment.ran
            && let Some(at) = self.raw_output
        {
            let values = engine.output(at);
            if values.len() != self.raw.len() {
                return Err(PolicyFault::Output);
            }
            self.raw.copy_from_slice(values);
        }
        // Joints in no target output stay at their default.
        let joints = self.q_rad.iter_mut().zip(&self.default_rad);
        if self.first {
            joints.for_each(|(q, default)| *q = *default as f32);
        }
        for (index, state) in self.targets.iter_mut().enumerate() {
            if moment.ran && self.kept == Some(index) {
                state.stages(engine, &mut self.clipped, &mut self.scaled);
            }
            if let Some(reading) = state.compute(engine, moment)? {
                self.reading = Some(reading);
            }
            let out = match state.target.quantity {
                Quantity::Position => &mut self.q_rad,
                Quantity::Velocity => &mut self.dq_rad_s,
                Quantity::Effort => &mut self.tau_nm,
            };
            state.put(out, self.first, moment.dt_s);
        }
        if !self.first {
            self.refuse_jump(&self.applied_rad)?;
        }
        if !self.is_finite() {
            return Err(PolicyFault::Output);
        }
        self.applied_rad.copy_from_slice(&self.q_rad);
        self.first = false;
        Ok(())
    }

    /// Before [`Action::look_ahead`]: what leaves now is kept.
    pub(crate) fn remember(&mut self) {
        let Remembered { q_rad, dq_rad_s, tau_nm, .. } = &mut self.remembered;
        q_rad.copy_from_slice(&self.q_rad);
        dq_rad_s.copy_from_slice(&self.dq_rad_s);
        tau_nm.copy_from_slice(&self.tau_nm);
    }

    /// After [`Action::look_ahead`]: what leaves now is back.
    pub(crate) fn recall(&mut self) {
        let Remembered { q_rad, dq_rad_s, tau_nm, .. } = &self.remembered;
        self.q_rad.copy_from_slice(q_rad);
        self.dq_rad_s.copy_from_slice(dq_rad_s);
        self.tau_nm.copy_from_slice(tau_nm);
    }

    /// Computes what the chunks held have for `moment`, the run after the one computed last. False: they have ended, or
    /// what they say would be refused then.
    pub(crate) fn look_ahead(&mut self, moment: Moment) -> bool {
        self.remembered.before_rad.copy_from_slice(&self.q_rad);
        for state in &mut self.targets {
            let Some(chunks) = &state.chunks else { continue };
            let ended = chunks.has_ended(moment.now_ns, moment.use_ns);
            if ended || chunks.read(moment.now_ns, moment.use_ns, &mut state.values).is_none() {
                return false;
            }
            let out = match state.target.quantity {
                Quantity::Position => &mut self.q_rad,
                Quantity::Velocity => &mut self.dq_rad_s,
                Quantity::Effort => &mut self.tau_nm,
            };
            state.put(out, false, moment.dt_s);
        }
        self.refuse_jump(&self.remembered.before_rad).is_ok() && self.is_finite()
    }

    fn is_finite(&self) -> bool {
        let lists = [&self.raw, &self.q_rad, &self.dq_rad_s, &self.tau_nm];
        lists.iter().all(|list| list.iter().all(|v| v.is_finite()))
    }

    fn refuse_jump(&self, before_rad: &[f32]) -> Result<(), PolicyFault> {
        let Some(limits) = self.max_jump_rad.as_ref() else { return Ok(()) };
        let jumps = self.q_rad.iter().zip(before_rad).zip(limits).enumerate();
        for (joint, ((now, before), most)) in jumps {
            let found = f64::from((now - before).abs());
            if found > *most {
                return Err(PolicyFault::Jump { joint, found_rad: found as f32, most_rad: *most as f32 });
            }
        }
        Ok(())
    }
}

/// Written so that a NaN stays one and is found later.
fn limited(value: f64, range: Option<&[f64; 2]>) -> f64 {
    match range {
        Some([lo, _]) if value < *lo => *lo,
        Some([_, hi]) if value > *hi => *hi,
        _ => value,
    }
}

/// The graph's value of joint `index` of a target, in units of the quantity.
fn mapped(target: &Target, index: usize, value: f32) -> f64 {
    let of = |list: &Vec<f64>| list.get(index).copied().unwrap_or(f64::NAN);
    let raw = limited(f64::from(value), target.clip_raw.as_ref().and_then(|c| c.get(index)));
    let full = of(&target.offset) + of(&target.scale) * raw;
    limited(full, target.clip.as_ref().and_then(|c| c.get(index)))
}

impl TargetState {
    /// Keeps what terms may read of the run.
    fn stages(&self, engine: &dyn Engine, clipped: &mut [f32], scaled: &mut [f32]) {
        let values = engine.output(self.output);
        let slots = clipped.iter_mut().zip(scaled.iter_mut()).zip(values).enumerate();
        for (index, ((clipped, scaled), value)) in slots {
            let range = self.target.clip_raw.as_ref().and_then(|c| c.get(index));
            let raw = limited(f64::from(*value), range);
            *clipped = raw as f32;
            *scaled = (raw * self.target.scale.get(index).copied().unwrap_or(f64::NAN)) as f32;
        }
    }

    /// This frame's values: of the run, or of the chunks held.
    fn compute(&mut self, engine: &dyn Engine, moment: Moment) -> Result<Option<ChunkReading>, PolicyFault> {
        let Self { target, output, chunks, values } = self;
        let outputs = engine.output(*output);
        let Some(chunks) = chunks else {
            if outputs.len() != values.len() {
                return Err(PolicyFault::Output);
            }
            for (index, (slot, value)) in values.iter_mut().zip(outputs).enumerate() {
                *slot = mapped(target, index, *value) as f32;
            }
            return Ok(None);
        };
        if moment.ran {
            let width = target.joints.len().max(1);
            let steps =
                outputs.iter().enumerate().map(|(at, value)| mapped(target, at % width, *value) as f32);
            chunks
                .push(moment.epoch, moment.now_ns, moment.now_ns, steps)
                .map_err(|_| PolicyFault::Output)?;
        }
        chunks.read(moment.now_ns, moment.use_ns, values).ok_or(PolicyFault::Output).map(Some)
    }

    /// Into the policy's joints, no faster than the rate limit; the first frame after a reset is free.
    fn put(&self, out: &mut [f32], first: bool, dt_s: f64) {
        for (index, (joint, value)) in self.target.joints.iter().zip(&self.values).enumerate() {
            let Some(slot) = out.get_mut(*joint) else { continue };
            let rate = self.target.rate_limit_per_s.as_ref().and_then(|limits| limits.get(index));
            *slot = match rate {
                Some(rate) if !first => {
                    let (before, most) = (f64::from(*slot), rate * dt_s);
                    limited(f64::from(*value), Some(&[before - most, before + most])) as f32
                }
                _ => *value,
            };
        }
    }
}
