//! The seam between a policy and whatever runs its graph.
//!
//! Input and output buffers belong to the engine, so a run moves no memory it does not have to. They hold f32
//! whatever the graph computes in: [`ElementType`] says what an engine converts to and from at its own border.
//! One engine, one thread: `run` takes `&mut self`.

/// What one value of a tensor is in the graph. The seam's buffers are f32 for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit float.
    #[default]
    F32,
    /// 16-bit float; written values are rounded to nearest.
    F16,
    /// 64-bit integer; the seam carries whole numbers up to 2^24 in magnitude.
    I64,
    /// 32-bit integer; the seam carries whole numbers up to 2^24 in magnitude.
    I32,
    /// Truth value; the seam carries 0 and 1.
    Bool,
    /// 8-bit integer of a quantised graph; between its nodes only, no manifest names a tensor of it.
    I8,
    /// 8-bit integer without a sign, likewise.
    U8,
}

/// Largest magnitude up to which every whole number is an f32.
pub const LARGEST_WHOLE: f32 = 16_777_216.0;

impl ElementType {
    /// From the number ONNX gives it (`TensorProto.DataType`); `None` for one that is not known here.
    pub fn from_onnx(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::F32),
            2 => Some(Self::U8),
            3 => Some(Self::I8),
            6 => Some(Self::I32),
            7 => Some(Self::I64),
            9 => Some(Self::Bool),
            10 => Some(Self::F16),
            _ => None,
        }
    }

    /// Number in ONNX.
    pub fn onnx(self) -> i64 {
        match self {
            Self::F32 => 1,
            Self::U8 => 2,
            Self::I8 => 3,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::Bool => 9,
            Self::F16 => 10,
        }
    }

    /// Short name, as manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::U8 => "u8",
        }
    }

    /// True for the floating-point types.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16)
    }

    /// Smallest and largest value of an integer of 8 bits; `None` for the other types.
    pub fn byte_range(self) -> Option<(i64, i64)> {
        match self {
            Self::I8 => Some((-128, 127)),
            Self::U8 => Some((0, 255)),
            _ => None,
        }
    }

    /// Can a value written at the seam be meant? Floats take anything (a NaN has to come out again as a NaN);
    /// integers take whole numbers that f32 holds exactly, truth values 0 and 1.
    pub fn accepts(self, value: f32) -> bool {
        match self {
            Self::F32 | Self::F16 => true,
            Self::I64 | Self::I32 => value.abs() <= LARGEST_WHOLE && value.fract() == 0.0,
            Self::Bool => value == 0.0 || value == 1.0,
            Self::I8 => (-128.0..=127.0).contains(&value) && value.fract() == 0.0,
            Self::U8 => (0.0..=255.0).contains(&value) && value.fract() == 0.0,
        }
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Name, element type and fixed shape of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// What the graph holds; the buffer at the seam is f32 all the same.
    pub element: ElementType,
    /// Every dimension, all known.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// An f32 tensor.
    pub fn f32(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), element: ElementType::F32, shape: shape.into() }
    }

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
    /// A value that the tensor's element type cannot hold.
    #[error(
        "input {input}, value {index}: found a number that {element} cannot hold; expected {}; check what the manifest puts there",
        expected(*element)
    )]
    Value {
        /// Number of the input.
        input: usize,
        /// Position in the tensor.
        index: usize,
        /// What the tensor holds.
        element: ElementType,
    },
}

fn expected(element: ElementType) -> &'static str {
    match element {
        ElementType::F32 | ElementType::F16 => "a number",
        ElementType::I64 | ElementType::I32 => "a whole number within 2^24",
        ElementType::Bool => "0 or 1",
        ElementType::I8 => "a whole number from -128 to 127",
        ElementType::U8 => "a whole number from 0 to 255",
    }
}

/// The first value of an input buffer that `element` cannot hold, as the error a run gives.
pub fn check_values(input: usize, element: ElementType, values: &[f32]) -> Result<(), RunError> {
    if element.is_float() {
        return Ok(());
    }
    match values.iter().enumerate().find(|(_, v)| !element.accepts(**v)) {
        None => Ok(()),
        Some((index, _)) => Err(RunError::Value { input, index, element }),
    }
}

/// Runs one graph with fixed shapes.
pub trait Engine: Send {
    /// Engine and provider, e.g. `native` or `onnxruntime 1.32.0 (CPU)`; for reports.
    fn name(&self) -> &str;
    /// Inputs and outputs in graph order.
    fn io(&self) -> &EngineIo;
    /// Buffer of input `index` in row-major order; empty when there is no such input. A run leaves it as it is.
    fn input_mut(&mut self, index: usize) -> &mut [f32];
    /// Computes all outputs from the inputs as they stand. Refuses with [`RunError::Value`] what an input's
    /// element type cannot hold ([`check_values`]).
    fn run(&mut self) -> Result<(), RunError>;
    /// Buffer of output `index` after a successful run; empty when there is no such output.
    fn output(&self, index: usize) -> &[f32];
    /// Where this engine was proven to run, for reports; `None` where there is one place only, or nothing was proven.
    fn placement(&self) -> Option<&serde_json::Value> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn integers_take_whole_numbers_only() {
        for element in [ElementType::I64, ElementType::I32] {
            assert!([0.0, -3.0, LARGEST_WHOLE].iter().all(|v| element.accepts(*v)));
            assert!([0.5, f32::NAN, f32::INFINITY, 2.0 * LARGEST_WHOLE].iter().all(|v| !element.accepts(*v)));
        }
        assert!(ElementType::Bool.accepts(1.0) && !ElementType::Bool.accepts(2.0));
        assert!(ElementType::I8.accepts(-128.0) && !ElementType::I8.accepts(128.0));
        assert!(ElementType::U8.accepts(255.0) && !ElementType::U8.accepts(-1.0));
        assert!(ElementType::F32.accepts(f32::NAN));
        let error = check_values(3, ElementType::I64, &[1.0, 0.25]).unwrap_err().to_string();
        assert!(error.contains("input 3, value 1") && error.contains("i64"), "{error}");
    }

    #[test]
    fn numbers_in_onnx_are_read_back() {
        use ElementType::{Bool, F16, F32, I8, I32, I64, U8};
        for element in [F32, F16, I64, I32, Bool, I8, U8] {
            assert_eq!(ElementType::from_onnx(element.onnx()), Some(element));
        }
        assert_eq!(ElementType::from_onnx(11), None); // double
    }
}
