//! The native executor: one graph, fixed shapes, everything decided when it is built.
//!
//! ```text
//!  Graph ──compile──▶ Plan { steps, packed weights, constants, arena } ──run──▶ every step reads the arena below
//!                                                                     its own output and writes its output
//! ```
//! Each value has its own place in one arena, later values behind earlier ones, so a step can borrow what it
//! reads and what it writes at once without `unsafe`. A run allocates nothing and calls no foreign library; sums
//! run in a fixed order and exponentials are our own, so on one machine the bits depend on the inputs alone, and
//! with [`Kernels::PORTABLE`] on every machine.
//!
//! Graphs of 16-bit floats are computed in 32 bits and rounded where the graph casts: closer to what was trained
//! than the graph itself. Whole numbers are exact up to 2^24.

mod activation;
mod compiler;
mod dense;
mod elementwise;
mod error;
mod kernels;
mod operators;
mod plan;
mod quantise;
mod recurrent;
mod reduce;
mod shape;
mod step;
mod view;

pub use error::CompileError;
pub use kernels::Kernels;
pub use operators::{OPERATORS, OPSET_MAX, OPSET_MIN};

use crate::engine::{Engine, EngineIo, RunError, TensorInfo, check_values};
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
    kernels: Kernels,
}

impl NativeEngine {
    /// Builds the executor of a checked model.
    pub fn new(model: &Model) -> Result<Self, CompileError> {
        Self::compile(&model.graph, &model.inputs())
    }

    /// Builds the executor of any graph; `inputs` pins the shape of every graph input.
    pub fn compile(graph: &Graph, inputs: &[TensorInfo]) -> Result<Self, CompileError> {
        Self::compile_for(graph, inputs, Kernels::best())
    }

    /// As [`NativeEngine::compile`], for the instructions given.
    pub fn compile_for(graph: &Graph, inputs: &[TensorInfo], kernels: Kernels) -> Result<Self, CompileError> {
        let (plan, io) = Plan::compile(graph, inputs)?;
        let arena = vec![0.0; plan.arena_len];
        Ok(Self { plan, arena, io, kernels })
    }

    /// The instructions a run uses.
    pub fn kernels(&self) -> Kernels {
        self.kernels
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
        let inputs = self.io.inputs.iter().zip(&self.plan.inputs).enumerate();
        for (index, (info, place)) in inputs {
            check_values(index, info.element, place.read(&[], &self.arena))?;
        }
        self.kernels.run(&self.plan.steps, &self.plan.memory, &mut self.arena);
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        match self.plan.outputs.get(index) {
            Some(place) => place.read(&self.plan.memory.constants, &self.arena),
            None => &[],
        }
    }
}
