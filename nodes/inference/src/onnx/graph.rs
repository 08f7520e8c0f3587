//! From the bytes of an `.onnx` file to a plain graph: nodes, constants, inputs, outputs.
//!
//! Field numbers are those of `onnx.proto` (ONNX IR version 3 and later). What this reader does not understand
//! and what could change a result (sub-graphs, sparse or external weights, functions) is refused by name; texts
//! and value hints are skipped.

use super::protobuf::{Field, Fields, WireError};

/// Largest number of values in one tensor (64 Mi values, 256 MiB).
pub const MAX_TENSOR_LEN: usize = 64 << 20;
/// Largest number of nodes.
pub const MAX_NODES: usize = 100_000;

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
    /// Weights.
    F32(Vec<f32>),
    /// Indices, axes, shapes.
    I64(Vec<i64>),
}

/// A named constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Tensor name.
    pub name: String,
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
    /// A tensor.
    Tensor(Constant),
    /// Integers.
    Ints(Vec<i64>),
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
    /// Nodes in file order.
    pub nodes: Vec<Node>,
    /// Constants (initialisers).
    pub constants: Vec<Constant>,
    /// Inputs that are not constants.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
}

impl Graph {
    /// Reads an `.onnx` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, GraphError> {
        let mut graph = None;
        let mut opset = 0;
        let mut fields = Fields::new(bytes, 0);
        while let Some(field) = fields.next_field()? {
            match field.number {
                7 => graph = Some(parse_graph(field.message()?)?),
                8 => opset = parse_opset(field.message()?)?.unwrap_or(opset),
                20 => return Err(unsupported("field", "training_info", "export the graph for inference")),
                25 => return Err(unsupported("field", "functions", "export with functions inlined")),
                _ => {}
            }
        }
        let mut graph = graph.ok_or(GraphError::NoGraph)?;
        graph.opset = opset;
        let Graph { inputs, constants, .. } = &mut graph;
        // Before IR version 4 every initialiser is listed as an input, too.
        inputs.retain(|port| !constants.iter().any(|c| c.name == port.name));
        Ok(graph)
    }
}

fn unsupported(what: &'static str, item: impl Into<String>, hint: &'static str) -> GraphError {
    GraphError::Unsupported { what, item: item.into(), hint }
}

fn parse_opset(mut fields: Fields<'_>) -> Result<Option<i64>, GraphError> {
    let mut domain = "";
    let mut version = None;
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => domain = field.text()?,
            2 => version = Some(field.int()?),
            _ => {}
        }
    }
    Ok(if domain.is_empty() || domain == "ai.onnx" { version } else { None })
}

fn parse_graph(mut fields: Fields<'_>) -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => {
                if graph.nodes.len() >= MAX_NODES {
                    return Err(GraphError::TooManyNodes { found: graph.nodes.len() + 1 });
                }
                graph.nodes.push(parse_node(field.message()?)?);
            }
            5 => graph.constants.push(parse_tensor(field.message()?)?),
            11 => graph.inputs.push(parse_port(field.message()?)?),
            12 => graph.outputs.push(parse_port(field.message()?)?),
            15 => return Err(unsupported("field", "sparse_initializer", "export with dense weights")),
            _ => {}
        }
    }
    Ok(graph)
}

fn parse_node(mut fields: Fields<'_>) -> Result<Node, GraphError> {
    let mut node = Node::default();
    let mut domain = "";
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => node.inputs.push(field.text()?.to_owned()),
            2 => node.outputs.push(field.text()?.to_owned()),
            3 => node.name = field.text()?.to_owned(),
            4 => node.op = field.text()?.to_owned(),
            5 => node.attributes.push(parse_attribute(field.message()?)?),
            7 => domain = field.text()?,
            _ => {}
        }
    }
    if !(domain.is_empty() || domain == "ai.onnx") {
        let op = format!("`{domain}.{}`", node.op);
        return Err(unsupported("operator", op, "export with the standard operator set only"));
    }
    Ok(node)
}

fn parse_attribute(mut fields: Fields<'_>) -> Result<Attribute, GraphError> {
    let mut name = String::new();
    let mut kind = 0;
    let mut float = None;
    let mut int = None;
    let mut tensor = None;
    let mut ints = Vec::new();
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = field.text()?.to_owned(),
            2 => float = Some(field.float()?),
            3 => int = Some(field.int()?),
            5 => tensor = Some(parse_tensor(field.message()?)?),
            6 => {
                return Err(unsupported(
                    "attribute",
                    format!("`{name}`, a sub-graph"),
                    "export without control flow",
                ));
            }
            8 => field.ints_into(&mut ints)?,
            20 => kind = field.int()?,
            _ => {}
        }
    }
    let value = match kind {
        1 => AttributeValue::Float(float.unwrap_or(0.0)),
        2 => AttributeValue::Int(int.unwrap_or(0)),
        4 => tensor.map_or(AttributeValue::Other(4), AttributeValue::Tensor),
        7 => AttributeValue::Ints(ints),
        other => AttributeValue::Other(other),
    };
    Ok(Attribute { name, value })
}

fn parse_tensor(mut fields: Fields<'_>) -> Result<Constant, GraphError> {
    let mut name = String::new();
    let mut dims = Vec::new();
    let mut element_type = 0;
    let mut floats = Vec::new();
    let mut ints = Vec::new();
    let mut raw: Option<&[u8]> = None;
    let mut external = false;
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => field.ints_into(&mut dims)?,
            2 => element_type = field.int()?,
            4 => field.floats_into(&mut floats)?,
            5 | 7 => field.ints_into(&mut ints)?,
            8 => name = field.text()?.to_owned(),
            9 => raw = Some(field.bytes()?),
            14 => external |= field.int()? != 0,
            _ => {}
        }
    }
    if external {
        let hint = "save the model as one file with its weights inside";
        return Err(unsupported("tensor with external data", format!("`{name}`"), hint));
    }
    let (shape, len) = shape_of(&name, &dims)?;
    let data = match element_type {
        1 => {
            let values = match raw {
                Some(bytes) => words(bytes, f32::from_le_bytes),
                None => floats,
            };
            if let Some((index, value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
                return Err(GraphError::NonFinite { name, index, value: *value });
            }
            ConstantData::F32(values)
        }
        6 => ConstantData::I64(match raw {
            Some(bytes) => words(bytes, |b| i64::from(i32::from_le_bytes(b))),
            None => ints,
        }),
        7 => ConstantData::I64(match raw {
            Some(bytes) => words(bytes, i64::from_le_bytes),
            None => ints,
        }),
        other => {
            let hint = "export with f32 weights and int32 or int64 indices";
            return Err(unsupported("element type", format!("{other} of tensor `{name}`"), hint));
        }
    };
    let found = match &data {
        ConstantData::F32(v) => v.len(),
        ConstantData::I64(v) => v.len(),
    };
    let whole = raw.is_none_or(|bytes| bytes.len() % if element_type == 7 { 8 } else { 4 } == 0);
    if found != len || !whole {
        return Err(GraphError::TensorSize { name, shape: dims, expected: len.to_string(), found });
    }
    Ok(Constant { name, shape, data })
}

fn shape_of(name: &str, dims: &[i64]) -> Result<(Vec<usize>, usize), GraphError> {
    let mut shape = Vec::with_capacity(dims.len());
    let mut len = 1usize;
    for &dim in dims {
        let size = usize::try_from(dim).ok();
        let product = size.and_then(|n| len.checked_mul(n)).filter(|n| *n <= MAX_TENSOR_LEN);
        let (Some(size), Some(product)) = (size, product) else {
            return Err(GraphError::TensorSize {
                name: name.to_owned(),
                shape: dims.to_vec(),
                expected: format!("0 to {MAX_TENSOR_LEN}"),
                found: 0,
            });
        };
        shape.push(size);
        len = product;
    }
    Ok((shape, len))
}

fn words<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks::<N>();
    words.iter().map(|w| decode(*w)).collect()
}

fn parse_port(mut fields: Fields<'_>) -> Result<Port, GraphError> {
    let mut port = Port { name: String::new(), element_type: 0, shape: None };
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => port.name = field.text()?.to_owned(),
            2 => parse_port_type(&mut port, &field)?,
            _ => {}
        }
    }
    Ok(port)
}

fn parse_port_type(port: &mut Port, field: &Field<'_>) -> Result<(), GraphError> {
    let mut kinds = field.message()?;
    while let Some(kind) = kinds.next_field()? {
        if kind.number != 1 {
            continue; // a sequence or map; element type stays 0 and is refused by whoever needs a tensor
        }
        let mut tensor = kind.message()?;
        while let Some(part) = tensor.next_field()? {
            match part.number {
                1 => port.element_type = part.int()?,
                2 => port.shape = Some(parse_dimensions(part.message()?)?),
                _ => {}
            }
        }
    }
    Ok(())
}

fn parse_dimensions(mut fields: Fields<'_>) -> Result<Vec<Dimension>, GraphError> {
    let mut dimensions = Vec::new();
    while let Some(field) = fields.next_field()? {
        if field.number != 1 {
            continue;
        }
        let mut parts = field.message()?;
        let mut dimension = Dimension::Open(String::new());
        while let Some(part) = parts.next_field()? {
            match part.number {
                1 => {
                    let size = part.int()?;
                    let fixed = usize::try_from(size).ok().filter(|n| *n <= MAX_TENSOR_LEN);
                    dimension = fixed.map_or_else(|| Dimension::Open(size.to_string()), Dimension::Fixed);
                }
                2 => dimension = Dimension::Open(part.text()?.to_owned()),
                _ => {}
            }
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}
