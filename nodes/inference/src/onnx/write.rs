//! From a [`Graph`] to the bytes of an `.onnx` file: for models made by a program, such as those of a bench.

use super::graph::{Attribute, AttributeValue, Constant, ConstantData, Dimension, Graph, Node, Port};
use crate::engine::ElementType;

impl Graph {
    /// The graph as a file; [`Graph::parse`] gives it back. An attribute of a kind this room does not know is left
    /// out, as the reader leaves out its value.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph.message(1, node_message(node));
        }
        graph.text(2, "graph");
        for constant in &self.constants {
            graph.message(5, tensor(constant));
        }
        for (field, ports) in [(11, &self.inputs), (12, &self.outputs)] {
            for port in ports {
                graph.message(field, port_message(port));
            }
        }
        let mut opset = Message::default();
        opset.int(2, self.opset);
        let mut model = Message::default();
        model.int(1, self.ir_version);
        model.message(7, graph);
        model.message(8, opset);
        model.0
    }
}

fn node_message(node: &Node) -> Message {
    let mut message = Message::default();
    node.inputs.iter().for_each(|name| message.text(1, name));
    node.outputs.iter().for_each(|name| message.text(2, name));
    message.text(3, &node.name);
    message.text(4, &node.op);
    node.attributes.iter().for_each(|a| message.message(5, attribute(a)));
    message
}

fn attribute(attribute: &Attribute) -> Message {
    let mut message = Message::default();
    message.text(1, &attribute.name);
    let kind = match &attribute.value {
        AttributeValue::Float(value) => {
            message.float(2, *value);
            1
        }
        AttributeValue::Int(value) => {
            message.int(3, *value);
            2
        }
        AttributeValue::Text(text) => {
            message.text(4, text);
            3
        }
        AttributeValue::Tensor(constant) => {
            message.message(5, tensor(constant));
            4
        }
        AttributeValue::Floats(values) => {
            values.iter().for_each(|v| message.float(7, *v));
            6
        }
        AttributeValue::Ints(values) => {
            values.iter().for_each(|v| message.int(8, *v));
            7
        }
        AttributeValue::Texts(texts) => {
            texts.iter().for_each(|t| message.text(9, t));
            8
        }
        AttributeValue::Other(kind) => *kind,
    };
    message.int(20, kind);
    message
}

fn tensor(constant: &Constant) -> Message {
    let mut message = Message::default();
    constant.shape.iter().for_each(|d| message.int(1, *d as i64));
    // Weights of 16 bits were widened when they were read; they are written as wide as they are kept.
    let element = if constant.element.is_float() { ElementType::F32 } else { constant.element };
    message.int(2, element.onnx());
    message.text(8, &constant.name);
    let raw = match (&constant.data, element) {
        (ConstantData::F32(values), _) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        (ConstantData::I64(values), ElementType::I32) => {
            values.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect()
        }
        // The low byte is the same with a sign and without.
        (ConstantData::I64(values), ElementType::Bool | ElementType::I8 | ElementType::U8) => {
            values.iter().map(|v| *v as u8).collect()
        }
        (ConstantData::I64(values), _) => values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
    };
    message.bytes(9, &raw);
    message
}

fn port_message(port: &Port) -> Message {
    let mut tensor = Message::default();
    tensor.int(1, port.element_type);
    if let Some(dimensions) = &port.shape {
        let mut shape = Message::default();
        for dimension in dimensions {
            let mut part = Message::default();
            match dimension {
                Dimension::Fixed(size) => part.int(1, *size as i64),
                Dimension::Open(name) => part.text(2, name),
            }
            shape.message(1, part);
        }
        tensor.message(2, shape);
    }
    let mut kind = Message::default();
    kind.message(1, tensor);
    let mut message = Message::default();
    message.text(1, &port.name);
    message.message(2, kind);
    message
}

/// A Protocol Buffers message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value as u64);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: Message) {
        self.bytes(field, &message.0);
    }
}
