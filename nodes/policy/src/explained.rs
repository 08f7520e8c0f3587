//! A policy that is looked into: what goes into its tensors, what was measured before pipeline and normalisation, and
//! how much of its memory is that of the policy it is a copy of.
//!
//! It works twice on the same states. One copy is the policy; the other has no pipeline and no normalisation and takes
//! the first one's outputs for its own, so that its tensors hold what is measured, with the same history and feedback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sinew_inference::manifest::{InputSource, Normalize};
use sinew_inference::{Engine, EngineIo, Model, RunError};
use sinew_wire::{PolicyCommand, RobotState, StepTime};

use crate::explain::{Row, explain};
use crate::policy::Policy;
use crate::setup::{PolicyConfig, SetupError};
use crate::verify::{GoldenColumns, GoldenFailure};

/// A policy and its rows.
pub struct Explained {
    policy: Policy,
    bare: Policy,
    rows: Vec<Row>,
}

impl std::fmt::Debug for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explained").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Explained {
    /// Puts `model` to work through `engine`, which was built from it.
    pub fn new(
        model: &Model,
        engine: Box<dyn Engine>,
        config: &PolicyConfig<'_>,
    ) -> Result<Self, SetupError> {
        let outputs: Outputs =
            engine.io().outputs.iter().map(|t| (0..t.len()).map(|_| AtomicU32::new(0)).collect()).collect();
        let repeating = Repeating::new(engine.io(), outputs.clone());
        let policy = Policy::new(model, Box::new(Recording { engine, outputs }), config)?;
        let bare = Policy::new(&without_pipelines(model), Box::new(repeating), config)?;
        Ok(Self { policy, bare, rows: explain(model) })
    }

    /// As [`Policy::step`].
    pub fn step(&mut self, state: &RobotState) -> PolicyCommand {
        let frame = self.policy.step(state, StepTime::default());
        self.bare.step(state, StepTime::default());
        frame
    }

    /// The policy at work.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rows with the values of the last run.
    pub fn rows(&mut self) -> &[Row] {
        let of = |policy: &mut Policy, row: &Row| {
            policy.input(&row.tensor).and_then(|values| values.get(row.index)).copied()
        };
        for row in &mut self.rows {
            row.value = of(&mut self.policy, row);
            row.measured = of(&mut self.bare, row);
        }
        &self.rows
    }

    /// The rows with the values of the first golden tick; the policy is left as if new.
    pub fn golden_rows(&mut self, model: &Model) -> Result<&[Row], GoldenFailure> {
        let policy = &self.policy;
        let columns = GoldenColumns::new(&model.golden, policy.robot_joints(), policy.robot_feet())?;
        self.forget();
        if let Some(tick) = model.golden.cases.first().and_then(|case| case.ticks.first()) {
            self.step(&columns.state(tick, self.policy.number(), 1, 0));
            self.rows();
        }
        self.forget();
        Ok(&self.rows)
    }

    fn forget(&mut self) {
        self.policy.forget();
        self.bare.forget();
    }
}

/// The model with terms that take and change nothing.
fn without_pipelines(model: &Model) -> Model {
    let mut model = model.clone();
    model.manifest.safety.obs_ranges.clear();
    for input in &mut model.manifest.inputs {
        if let InputSource::Terms(observed) = &mut input.source {
            observed.normalize = Normalize::None;
            for term in &mut observed.terms {
                term.minus.fill(0.0);
                term.scale.fill(1.0);
                term.clip = None;
            }
        }
    }
    model
}

/// Outputs of the last run, by output, as bits: two engines of one thread share them.
type Outputs = Arc<[Vec<AtomicU32>]>;

/// An engine whose outputs are remembered.
struct Recording {
    engine: Box<dyn Engine>,
    outputs: Outputs,
}

impl Engine for Recording {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn io(&self) -> &EngineIo {
        self.engine.io()
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.engine.input_mut(index)
    }

    fn run(&mut self) -> Result<(), RunError> {
        self.engine.run()?;
        for (index, kept) in self.outputs.iter().enumerate() {
            for (bits, value) in kept.iter().zip(self.engine.output(index)) {
                bits.store(value.to_bits(), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        self.engine.output(index)
    }
}

/// An engine that gives what another one gave.
struct Repeating {
    io: EngineIo,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    given: Outputs,
}

impl Repeating {
    fn new(io: &EngineIo, given: Outputs) -> Self {
        let zeros = |tensors: &[sinew_inference::TensorInfo]| {
            tensors.iter().map(|tensor| vec![0.0; tensor.len()]).collect::<Vec<_>>()
        };
        Self { io: io.clone(), inputs: zeros(&io.inputs), outputs: zeros(&io.outputs), given }
    }
}

impl Engine for Repeating {
    fn name(&self) -> &str {
        "repeating"
    }

    fn io(&self) -> &EngineIo {
        &self.io
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inputs.get_mut(index).map(Vec::as_mut_slice).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), RunError> {
        for (output, given) in self.outputs.iter_mut().zip(self.given.iter()) {
            for (value, bits) in output.iter_mut().zip(given) {
                *value = f32::from_bits(bits.load(Ordering::Relaxed));
            }
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map(Vec::as_slice).unwrap_or_default()
    }
}
