//! A graph as an `.onnx` file has it: nodes, constants, inputs, outputs. Reading: `read.rs`; writing: `write.rs`.

use super::protobuf::WireError;
use crate::engine::ElementType;

/// Largest number of values in one tensor (64 Mi values, 256 MiB).
pub const MAX_TENSOR_LEN: usize = 64 << 20;
/// Largest number of nodes.
pub const MAX_NODES: usize = 100_000;
/// Largest number of dimensions of one tensor.
pub const MAX_RANK: usize = 16;

/// Why a file is not a graph this executor can read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// The bytes are not Protocol Buffers, or are cut short.
    #[error("not a whole ONNX file: {0}; copy the file again")]
    Wire(#[from] WireError),
    /// The model holds no graph.
    #[error("the file holds no graph; expected an ONNX ModelProto with one graph; copy the file again")]
    NoGraph,
    /// Something valid in ONNX that is not supported.
    #[error("{what} {item}: not supported; {hint}")]
    Unsupported {
        /// Kind of thing, e.g. `tensor`.
        what: &'static str,
        /// Its name.
        item: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// A tensor whose data does not match its own shape.
    #[error(
        "tensor `{name}`: shape {shape:?} needs {expected} values, the file holds {found}; export the model again"
    )]
    TensorSize {
        /// Tensor.
        name: String,
        /// Declared shape.
        shape: Vec<i64>,
        /// Values its shape needs.
        expected: String,
        /// Values found.
        found: usize,
    },
    /// A weight that is not a number.
    #[error(
        "tensor `{name}`: value {index} is {value}; weights must be finite; train or export the model again"
    )]
    NonFinite {
        /// Tensor.
        name: String,
        /// Position in the tensor.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// A whole number that its own type cannot hold.
    #[error("tensor `{name}`: value {index} is {value}, which {element} cannot hold; export the model again")]
    OutOfRange {
        /// Tensor.
        name: String,
        /// Position in the tensor.
        index: usize,
        /// What it is.
        value: i64,
        /// Element type of the tensor.
        element: ElementType,
    },
    /// A stand-in of Git LFS instead of the file.
    #[error("{file} is a Git LFS pointer of {bytes} bytes; expected the file itself; run `git lfs pull`")]
    LfsPointer {
        /// File, or `the graph`.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// Weights in another file that was not handed over.
    #[error(
        "tensor `{tensor}`: its values lie in `{file}`, which is missing; copy it beside the graph and list it in the manifest"
    )]
    ExternalMissing {
        /// Tensor.
        tensor: String,
        /// File the graph names.
        file: String,
    },
    /// Weights in another file, at a place that the file does not have.
    #[error(
        "tensor `{tensor}`: needs bytes {offset} to {end} of `{file}`, which has {bytes}; copy the file that belongs to this graph"
    )]
    ExternalRange {
        /// Tensor.
        tensor: String,
        /// File.
        file: String,
        /// First byte.
        offset: u64,
        /// Byte behind the last.
        end: u64,
        /// Size of the file.
        bytes: usize,
    },
    /// A reference to another file that cannot be followed.
    #[error("tensor `{tensor}`: external data with {found}; expected {expected}; save the model again")]
    External {
        /// Tensor.
        tensor: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// Too many nodes.
    #[error("{found} nodes, at most {MAX_NODES} are read; this is not a policy graph")]
    TooManyNodes {
        /// Nodes found so far.
        found: usize,
    },
}

/// One dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A fixed size.
    Fixed(usize),
    /// A name or nothing: to be pinned by the manifest.
    Open(String),
}

impl std::fmt::Display for Dimension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Open(name) if name.is_empty() => f.write_str("?"),
            Self::Open(name) => f.write_str(name),
        }
    }
}

/// A graph input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Tensor name.
    pub name: String,
    /// ONNX element type (1 = f32).
    pub element_type: i64,
    /// Its dimensions; `None` when the file gives no shape.
    pub shape: Option<Vec<Dimension>>,
}

/// Data of a constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstantData {
    /// Weights; those of 16 bits are widened.
    F32(Vec<f32>),
    /// Indices, axes, shapes, truth values, weights of 8 bits.
    I64(Vec<i64>),
}

impl ConstantData {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A named constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Tensor name.
    pub name: String,
    /// What the file holds.
    pub element: ElementType,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub data: ConstantData,
}

/// Value of a node's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A float.
    Float(f32),
    /// An integer.
    Int(i64),
    /// Text.
    Text(String),
    /// A tensor.
    Tensor(Constant),
    /// Floats.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
    /// Anything else, named by its ONNX type number.
    Other(i64),
}

/// A node's attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Name.
    pub name: String,
    /// Value.
    pub value: AttributeValue,
}

/// One operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Name in the file, may be empty.
    pub name: String,
    /// Operator, e.g. `Gemm`.
    pub op: String,
    /// Tensors read; an empty name is an input left out.
    pub inputs: Vec<String>,
    /// Tensors written.
    pub outputs: Vec<String>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
}

/// A graph as the file has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Version of the standard operator set.
    pub opset: i64,
    /// Version of the file format; 0 when the file names none.
    pub ir_version: i64,
    /// Nodes in file order.
    pub nodes: Vec<Node>,
    /// Constants (initialisers).
    pub constants: Vec<Constant>,
    /// Inputs that are not constants.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
}
