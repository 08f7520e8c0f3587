//! Small ONNX files, written field by field as `onnx.proto` numbers them.
#![allow(dead_code)] // each test file takes what it needs

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn bytes(number: u64, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// A graph under construction.
#[derive(Clone, Default)]
pub struct Graph {
    fields: Vec<u8>,
    nodes: usize,
}

/// ONNX numbers of element types.
pub const F32: u64 = 1;
pub const I32: u64 = 6;
pub const I64: u64 = 7;
pub const BOOL: u64 = 9;
pub const F16: u64 = 10;

impl Graph {
    /// A node with integer attributes.
    pub fn node(mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, u64)]) -> Self {
        self.nodes += 1;
        let mut node: Vec<u8> = inputs.iter().flat_map(|i| bytes(1, i.as_bytes())).collect();
        node.extend(outputs.iter().flat_map(|o| bytes(2, o.as_bytes())));
        node.extend(bytes(3, format!("/{op}_{}", self.nodes).as_bytes()));
        node.extend(bytes(4, op.as_bytes()));
        for (name, value) in attributes {
            // AttributeProto: name = 1, i = 3, type = 20 (INT = 2).
            node.extend(bytes(5, &[bytes(1, name.as_bytes()), int(3, *value), int(20, 2)].concat()));
        }
        self.fields.extend(bytes(1, &node));
        self
    }

    /// A constant of f32.
    pub fn constant(mut self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = [shape_of(shape), int(2, F32), bytes(8, name.as_bytes()), bytes(9, &raw)].concat();
        self.fields.extend(bytes(5, &tensor));
        self
    }

    /// A constant of f32 in a file of its own.
    pub fn external(mut self, name: &str, shape: &[u64], file: &str) -> Self {
        let entry = |key: &str, value: &str| {
            bytes(13, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat())
        };
        let length = (4 * shape.iter().product::<u64>()).to_string();
        let place = [entry("location", file), entry("offset", "0"), entry("length", &length)].concat();
        let tensor = [shape_of(shape), int(2, F32), bytes(8, name.as_bytes()), place, int(14, 1)].concat();
        self.fields.extend(bytes(5, &tensor));
        self
    }

    /// An input.
    pub fn input(mut self, name: &str, kind: u64, shape: &[u64]) -> Self {
        self.fields.extend(bytes(11, &port(name, kind, shape)));
        self
    }

    /// An output.
    pub fn output(mut self, name: &str, kind: u64, shape: &[u64]) -> Self {
        self.fields.extend(bytes(12, &port(name, kind, shape)));
        self
    }

    /// The file, in this version of the operator set.
    pub fn file(&self, opset: u64) -> Vec<u8> {
        let graph = [self.fields.clone(), bytes(2, b"graph")].concat();
        [int(1, 8), bytes(8, &int(2, opset)), bytes(7, &graph)].concat()
    }
}

fn shape_of(shape: &[u64]) -> Vec<u8> {
    shape.iter().flat_map(|d| int(1, *d)).collect()
}

fn port(name: &str, kind: u64, shape: &[u64]) -> Vec<u8> {
    let dimensions: Vec<u8> = shape.iter().flat_map(|d| bytes(1, &int(1, *d))).collect();
    let tensor = [int(1, kind), bytes(2, &dimensions)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}
