//! The native executor: one graph, fixed shapes, everything decided when it is built.
//!
//! ```text
//!  Graph ──compile──▶ Plan { steps, constants, arena layout } ──run──▶ every step reads the arena below its
//!                                                                     own output and writes its output
//! ```
//! Each value has its own place in one arena, later values behind earlier ones, so a step can borrow what it
//! reads and what it writes at once without `unsafe`. A run allocates nothing and calls no foreign library;
//! sums run in a fixed order and exponentials are our own, so the bits depend on the inputs and nothing else.

mod activation;
mod dense;
mod operators;
mod plan;
mod shape;
mod step;

pub use plan::{CompileError, OPERATORS, OPSET_MAX, OPSET_MIN};

use crate::engine::{Engine, EngineIo, RunError, TensorInfo};
use crate::model::Model;
use crate::onnx::Graph;
use plan::Plan;
use step::Place;

/// Executes a graph on this thread, without a library.
#[derive(Clone, Debug)]
pub struct NativeEngine {
    plan: Plan,
    arena: Vec<f32>,
    io: EngineIo,
}

impl NativeEngine {
    /// Builds the executor of a checked model.
    pub fn new(model: &Model) -> Result<Self, CompileError> {
        Self::compile(&model.graph, &model.inputs())
    }

    /// Builds the executor of any graph; `inputs` pins the shape of every graph input.
    pub fn compile(graph: &Graph, inputs: &[TensorInfo]) -> Result<Self, CompileError> {
        let (plan, io) = Plan::compile(graph, inputs)?;
        let arena = vec![0.0; plan.arena_len];
        Ok(Self { plan, arena, io })
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> &str {
        "native"
    }

    fn io(&self) -> &EngineIo {
        &self.io
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        match self.plan.inputs.get(index) {
            Some(Place::Arena { offset, len }) => {
                self.arena.get_mut(*offset..*offset + *len).unwrap_or(&mut [])
            }
            _ => &mut [],
        }
    }

    fn run(&mut self) -> Result<(), RunError> {
        for step in &self.plan.steps {
            step.run(&self.plan.constants, &mut self.arena);
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        match self.plan.outputs.get(index) {
            Some(place) => place.read(&self.plan.constants, &self.arena),
            None => &[],
        }
    }
}
