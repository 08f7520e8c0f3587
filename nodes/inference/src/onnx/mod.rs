//! ONNX files: a bounded reader of the wire format and the part of the schema that a policy graph uses.

pub mod graph;
mod inventory;
pub mod protobuf;
mod read;
mod tensor;
mod write;

pub use graph::{
    Attribute, AttributeValue, Constant, ConstantData, Dimension, Graph, GraphError, Node, Port,
};
pub use inventory::Inventory;
