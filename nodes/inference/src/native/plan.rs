//! Compiling a graph: every shape is worked out, every index table written, every refusal made here.

use super::shape;
use super::step::{Action, Place, Step};
use crate::engine::{EngineIo, TensorInfo};
use crate::onnx::{AttributeValue, ConstantData, Graph, Node};

/// Operators the native executor runs.
pub const OPERATORS: [&str; 17] = [
    "Add", "Clip", "Concat", "Constant", "Div", "Elu", "Gemm", "Identity", "MatMul", "Mul", "Relu",
    "Reshape", "Sigmoid", "Slice", "Sub", "Tanh", "Flatten",
];
/// Oldest standard operator set read: Clip takes its limits as inputs since 11.
pub const OPSET_MIN: i64 = 11;
/// Newest standard operator set in which these operators are known to mean the same.
pub const OPSET_MAX: i64 = 25;
/// Most values the arena may hold (64 Mi values).
const ARENA_MAX: usize = 64 << 20;

/// Why a graph cannot be run natively.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// Operator set outside the known range.
    #[error("operator set {found}; expected {OPSET_MIN} to {OPSET_MAX}; export with opset_version=17")]
    Opset {
        /// Version found; 0 when the file names none.
        found: i64,
    },
    /// An operator this executor has not.
    #[error("node `{node}`: operator {op}; expected one of {}; use engine = [\"onnxruntime\"] or export without it", OPERATORS.join(", "))]
    Operator {
        /// Node.
        node: String,
        /// Operator.
        op: String,
    },
    /// An attribute that is unknown or has an unsupported value.
    #[error(
        "node `{node}`: attribute `{attribute}`; {expected}; use engine = [\"onnxruntime\"] or export without it"
    )]
    Attribute {
        /// Node.
        node: String,
        /// Attribute.
        attribute: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// Reads a tensor that no earlier node writes.
    #[error(
        "node `{node}`: reads `{tensor}`, which no earlier node, input or constant gives; export the model again"
    )]
    Undefined {
        /// Node, or `graph outputs`.
        node: String,
        /// Tensor.
        tensor: String,
    },
    /// Two nodes write one tensor.
    #[error("tensor `{tensor}` is written twice; export the model again")]
    Redefined {
        /// Tensor.
        tensor: String,
    },
    /// Inputs or outputs of a node do not fit.
    #[error("node `{node}`: found {found}; expected {expected}; export the model again")]
    Shape {
        /// Node.
        node: String,
        /// What it has.
        found: String,
        /// What it needs.
        expected: String,
    },
    /// An operand that must be a constant is computed.
    #[error(
        "node `{node}`: {operand} is computed; expected a constant; export with fixed shapes and weights"
    )]
    NotConstant {
        /// Node.
        node: String,
        /// Operand.
        operand: &'static str,
    },
    /// A graph input or output that does not fit.
    #[error("tensor `{tensor}`: found {found}; expected {expected}")]
    Port {
        /// Tensor.
        tensor: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
}

/// A compiled graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) constants: Vec<Vec<f32>>,
    pub(super) arena_len: usize,
    pub(super) inputs: Vec<Place>,
    pub(super) outputs: Vec<Place>,
}

/// What is known of a named tensor while compiling.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
}

/// A tensor of numbers, or a constant of indices.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Number(Place),
    Index(Vec<i64>),
}

/// The compiler's state.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    pub(super) plan: Plan,
    known: Vec<Known>,
}

impl Plan {
    /// Compiles `graph` with its inputs fixed to `inputs`.
    pub(super) fn compile(graph: &Graph, inputs: &[TensorInfo]) -> Result<(Self, EngineIo), CompileError> {
        if !(OPSET_MIN..=OPSET_MAX).contains(&graph.opset) {
            return Err(CompileError::Opset { found: graph.opset });
        }
        let mut compiler = Compiler::default();
        for constant in &graph.constants {
            compiler.define_constant(&constant.name, constant.shape.clone(), constant.data.clone())?;
        }
        let mut io = EngineIo::default();
        for port in &graph.inputs {
            let pinned = inputs.iter().find(|t| t.name == port.name).ok_or_else(|| CompileError::Port {
                tensor: port.name.clone(),
                found: "an input of the graph without a shape".to_owned(),
                expected: "an [[input]] of the manifest that gives it".to_owned(),
            })?;
            let place = compiler.reserve(&port.name, &pinned.shape)?;
            compiler.define(&port.name, pinned.shape.clone(), Kind::Number(place))?;
            compiler.plan.inputs.push(place);
            io.inputs.push(pinned.clone());
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            compiler.node(node, index)?;
        }
        for port in &graph.outputs {
            let known = compiler.known(&port.name).cloned().ok_or_else(|| CompileError::Undefined {
                node: "graph outputs".to_owned(),
                tensor: port.name.clone(),
            })?;
            let Kind::Number(place) = known.kind else {
                return Err(CompileError::Port {
                    tensor: port.name.clone(),
                    found: "an output of integers".to_owned(),
                    expected: "f32".to_owned(),
                });
            };
            compiler.plan.outputs.push(place);
            io.outputs.push(TensorInfo::f32(port.name.clone(), known.shape));
        }
        Ok((compiler.plan, io))
    }
}

impl Compiler {
    /// What is known of `name`.
    pub(super) fn known(&self, name: &str) -> Option<&Known> {
        self.known.iter().find(|k| k.name == name)
    }

    /// Gives `name` a meaning.
    pub(super) fn define(&mut self, name: &str, shape: Vec<usize>, kind: Kind) -> Result<(), CompileError> {
        if name.is_empty() || self.known(name).is_some() {
            return Err(CompileError::Redefined { tensor: name.to_owned() });
        }
        self.known.push(Known { name: name.to_owned(), shape, kind });
        Ok(())
    }

    /// Defines a constant tensor.
    pub(super) fn define_constant(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        data: ConstantData,
    ) -> Result<(), CompileError> {
        let kind = match data {
            ConstantData::I64(values) => Kind::Index(values),
            ConstantData::F32(values) => {
                self.plan.constants.push(values);
                Kind::Number(Place::Constant(self.plan.constants.len() - 1))
            }
        };
        self.define(name, shape, kind)
    }

    /// Room in the arena for a value of `shape`, behind everything before it.
    fn reserve(&mut self, name: &str, shape: &[usize]) -> Result<Place, CompileError> {
        let len = count(shape);
        let end = len.and_then(|n| self.plan.arena_len.checked_add(n)).filter(|n| *n <= ARENA_MAX);
        let (Some(len), Some(end)) = (len, end) else {
            return Err(CompileError::Port {
                tensor: name.to_owned(),
                found: format!("shape {shape:?}"),
                expected: format!("all values of a graph together at most {ARENA_MAX}"),
            });
        };
        let offset = self.plan.arena_len;
        self.plan.arena_len = end;
        Ok(Place::Arena { offset, len })
    }

    /// Appends a step that writes `name`.
    pub(super) fn emit(&mut self, name: &str, shape: Vec<usize>, action: Action) -> Result<(), CompileError> {
        let place = self.reserve(name, &shape)?;
        if let Place::Arena { offset, len } = place {
            self.plan.steps.push(Step { action, offset, len });
        }
        self.define(name, shape, Kind::Number(place))
    }
}

/// A node with its inputs looked up; the helpers make the refusals uniform.
#[derive(Debug)]
pub(super) struct NodeView<'a> {
    pub(super) node: &'a Node,
    label: String,
}

impl<'a> NodeView<'a> {
    /// `index` names a node that has no name of its own.
    pub(super) fn new(node: &'a Node, index: usize) -> Self {
        let label = match (node.name.is_empty(), node.outputs.first()) {
            (false, _) => node.name.clone(),
            (true, Some(output)) => format!("{} -> {output}", node.op),
            (true, None) => format!("{} number {index}", node.op),
        };
        Self { node, label }
    }

    /// How to call the node in a message.
    pub(super) fn label(&self) -> String {
        self.label.clone()
    }

    /// A refusal about shapes.
    pub(super) fn shape_error(&self, found: impl Into<String>, expected: impl Into<String>) -> CompileError {
        CompileError::Shape { node: self.label(), found: found.into(), expected: expected.into() }
    }

    /// Refuses a shape of more values than the arena may hold, before anything is made for it.
    pub(super) fn bounded(&self, shape: &[usize]) -> Result<(), CompileError> {
        match count(shape) {
            Some(_) => Ok(()),
            None => Err(self
                .shape_error(format!("a result of shape {shape:?}"), format!("at most {ARENA_MAX} values"))),
        }
    }

    /// The only output.
    pub(super) fn output(&self) -> Result<&'a str, CompileError> {
        match self.node.outputs.as_slice() {
            [output] => Ok(output),
            all => Err(self.shape_error(format!("{} outputs", all.len()), "1 output")),
        }
    }

    /// Refuses more than `most` or fewer than `least` inputs.
    pub(super) fn arity(&self, least: usize, most: usize) -> Result<(), CompileError> {
        let found = self.node.inputs.len();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        Err(self.shape_error(format!("{found} inputs"), format!("{least} to {most} inputs")))
    }

    /// Input `index`, which may be left out.
    pub(super) fn optional(&self, compiler: &Compiler, index: usize) -> Result<Option<Known>, CompileError> {
        match self.node.inputs.get(index).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => match compiler.known(name) {
                Some(known) => Ok(Some(known.clone())),
                None => Err(CompileError::Undefined { node: self.label(), tensor: name.clone() }),
            },
        }
    }

    /// Input `index` as numbers.
    pub(super) fn number(
        &self,
        compiler: &Compiler,
        index: usize,
    ) -> Result<(Place, Vec<usize>), CompileError> {
        match self.optional(compiler, index)? {
            Some(Known { kind: Kind::Number(place), shape, .. }) => Ok((place, shape)),
            Some(known) => Err(self.shape_error(format!("integers in `{}`", known.name), "f32 numbers")),
            None => Err(self.shape_error(format!("no input {index}"), "a tensor")),
        }
    }

    /// Input `index` as constant integers.
    pub(super) fn integers(
        &self,
        compiler: &Compiler,
        index: usize,
        operand: &'static str,
    ) -> Result<Option<Vec<i64>>, CompileError> {
        match self.optional(compiler, index)? {
            None => Ok(None),
            Some(Known { kind: Kind::Index(values), .. }) => Ok(Some(values)),
            Some(_) => Err(CompileError::NotConstant { node: self.label(), operand }),
        }
    }

    /// The attributes, all of which must be among `allowed`.
    pub(super) fn only_attributes(&self, allowed: &[&str]) -> Result<(), CompileError> {
        match self.node.attributes.iter().find(|a| !allowed.contains(&a.name.as_str())) {
            None => Ok(()),
            Some(other) => Err(CompileError::Attribute {
                node: self.label(),
                attribute: other.name.clone(),
                expected: "not known to this executor",
            }),
        }
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, CompileError> {
        match self.node.attributes.iter().find(|a| a.name == name).map(|a| &a.value) {
            None => Ok(default),
            Some(AttributeValue::Int(v)) => Ok(*v),
            Some(_) => Err(self.attribute_kind(name, "expected an integer")),
        }
    }

    /// A float attribute, finite.
    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, CompileError> {
        match self.node.attributes.iter().find(|a| a.name == name).map(|a| &a.value) {
            None => Ok(default),
            Some(AttributeValue::Float(v)) if v.is_finite() => Ok(*v),
            Some(_) => Err(self.attribute_kind(name, "expected a finite float")),
        }
    }

    /// A refusal about an attribute.
    pub(super) fn attribute_kind(&self, name: &str, expected: &'static str) -> CompileError {
        CompileError::Attribute { node: self.label(), attribute: name.to_owned(), expected }
    }

    /// A position along the axes of a tensor of `rank`, negative counting from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, CompileError> {
        let wrapped = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let found = usize::try_from(wrapped).ok().filter(|a| *a < rank);
        found.ok_or_else(|| {
            self.shape_error(format!("axis {axis}"), format!("an axis of a tensor of rank {rank}"))
        })
    }
}

/// Number of values, when the arena can hold as many.
fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= ARENA_MAX)
}

/// Number of values of a shape already known to be small.
pub(super) fn len(shape: &[usize]) -> usize {
    shape::len(shape)
}
