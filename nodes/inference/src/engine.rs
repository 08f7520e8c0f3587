//! The seam between a policy and whatever runs its graph.
//!
//! Input and output buffers belong to the engine, so a run moves no memory it does not have to. One engine, one
//! thread: `run` takes `&mut self`.

/// Name and fixed shape of one tensor (f32).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// Every dimension, all known.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a tensor with a dimension of zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What goes in and what comes out, in the order of the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineIo {
    /// Graph inputs.
    pub inputs: Vec<TensorInfo>,
    /// Graph outputs.
    pub outputs: Vec<TensorInfo>,
}

impl EngineIo {
    /// Index of the input called `name`.
    pub fn input_index(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|t| t.name == name)
    }

    /// Index of the output called `name`.
    pub fn output_index(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|t| t.name == name)
    }
}

/// Why a run gave no output. The outputs of the run before must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A foreign runtime reported a failure.
    #[error("{engine} failed to run the graph: {reason}")]
    Engine {
        /// Engine and provider.
        engine: String,
        /// What it said.
        reason: String,
    },
}

/// Runs one graph with fixed shapes.
pub trait Engine: Send {
    /// Engine and provider, e.g. `native` or `onnxruntime 1.32.0 (CPU)`; for reports.
    fn name(&self) -> &str;
    /// Inputs and outputs in graph order.
    fn io(&self) -> &EngineIo;
    /// Buffer of input `index` in row-major order; empty when there is no such input.
    fn input_mut(&mut self, index: usize) -> &mut [f32];
    /// Computes all outputs from the inputs as they stand.
    fn run(&mut self) -> Result<(), RunError>;
    /// Buffer of output `index` after a successful run; empty when there is no such output.
    fn output(&self, index: usize) -> &[f32];
}
