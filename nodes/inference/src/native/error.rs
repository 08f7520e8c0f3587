//! Every reason for which the native executor refuses a graph.

use super::compiler::ARENA_MAX;
use super::operators::{OPERATORS, OPSET_MAX, OPSET_MIN};

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
    /// A tensor of another type than the operator takes here.
    #[error("node `{node}`: `{tensor}` holds {found}; expected {expected}; export with f32 arithmetic")]
    Element {
        /// Node.
        node: String,
        /// Tensor.
        tensor: String,
        /// Its element type.
        found: &'static str,
        /// What is taken.
        expected: &'static str,
    },
    /// A scale that nothing can be quantised by.
    #[error(
        "node `{node}`: scale {index} is {value}; expected a finite number above 0; quantise the model again"
    )]
    Scale {
        /// Node.
        node: String,
        /// Position among the scales.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// More values than a policy needs.
    #[error(
        "`{at}`: the graph makes more than {ARENA_MAX} values; this is not a policy graph; use engine = [\"onnxruntime\"]"
    )]
    Size {
        /// Node or tensor that would have made too many.
        at: String,
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
