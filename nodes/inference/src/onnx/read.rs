//! From the bytes of an `.onnx` file to a [`Graph`].
//!
//! Field numbers are those of `onnx.proto` (ONNX IR version 3 and later). What this reader does not understand
//! and what could change a result (sub-graphs, sparse weights, functions) is refused by name; texts and value
//! hints are skipped. Nothing is allocated by a size that a file claims: only by bytes that are there.

use super::graph::{
    Attribute, AttributeValue, Dimension, Graph, GraphError, MAX_NODES, MAX_RANK, MAX_TENSOR_LEN, Node, Port,
};
use super::protobuf::{Field, Fields};
use super::tensor::{self, External};

impl Graph {
    /// Reads an `.onnx` file that holds all its weights itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, GraphError> {
        Self::parse_with(bytes, &|_| None)
    }

    /// Reads an `.onnx` file; `external` gives the bytes of the files that hold the weights the graph leaves out,
    /// by the name the graph calls them ([`Graph::external_files`]).
    pub fn parse_with<'a>(
        bytes: &'a [u8],
        external: &dyn Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Self, GraphError> {
        refuse_lfs_pointer("the graph", bytes)?;
        let mut graph = None;
        let mut opset = 0;
        let mut ir_version = 0;
        let mut fields = Fields::new(bytes, 0);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => ir_version = field.int()?,
                7 => graph = Some(parse_graph(field.message()?, external)?),
                8 => opset = parse_opset(field.message()?)?.unwrap_or(opset),
                20 => return Err(unsupported("field", "training_info", "export the graph for inference")),
                25 => return Err(unsupported("field", "functions", "export with functions inlined")),
                _ => {}
            }
        }
        let mut graph = graph.ok_or(GraphError::NoGraph)?;
        graph.opset = opset;
        graph.ir_version = ir_version;
        let Graph { inputs, constants, .. } = &mut graph;
        // Before IR version 4 every initialiser is listed as an input, too.
        let names: std::collections::BTreeSet<&str> = constants.iter().map(|c| c.name.as_str()).collect();
        inputs.retain(|port| !names.contains(port.name.as_str()));
        Ok(graph)
    }

    /// Names of the files beside the graph that hold its weights, each once, in the order of their first use.
    pub fn external_files(bytes: &[u8]) -> Result<Vec<String>, GraphError> {
        refuse_lfs_pointer("the graph", bytes)?;
        let mut files = Vec::new();
        let mut fields = Fields::new(bytes, 0);
        while let Some(field) = fields.next_field()? {
            if field.number == 7 {
                external_files_of_graph(field.message()?, &mut files)?;
            }
        }
        Ok(files)
    }
}

/// Refuses the text that stands in for a file kept in Git LFS.
pub(super) fn refuse_lfs_pointer(file: &str, bytes: &[u8]) -> Result<(), GraphError> {
    if bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs") {
        return Err(GraphError::LfsPointer { file: file.to_owned(), bytes: bytes.len() });
    }
    Ok(())
}

pub(super) fn unsupported(what: &'static str, item: impl Into<String>, hint: &'static str) -> GraphError {
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

fn parse_graph<'a>(mut fields: Fields<'a>, external: &External<'a, '_>) -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => {
                if graph.nodes.len() >= MAX_NODES {
                    return Err(GraphError::TooManyNodes { found: graph.nodes.len() + 1 });
                }
                graph.nodes.push(parse_node(field.message()?, external)?);
            }
            5 => graph.constants.push(tensor::parse(field.message()?, external)?),
            11 => graph.inputs.push(parse_port(field.message()?)?),
            12 => graph.outputs.push(parse_port(field.message()?)?),
            15 => return Err(unsupported("field", "sparse_initializer", "export with dense weights")),
            _ => {}
        }
    }
    Ok(graph)
}

fn external_files_of_graph(mut fields: Fields<'_>, files: &mut Vec<String>) -> Result<(), GraphError> {
    let mut add = |tensor: Fields<'_>| -> Result<(), GraphError> {
        if let Some(file) = tensor::external_file(tensor)?
            && !files.contains(&file)
        {
            files.push(file);
        }
        Ok(())
    };
    while let Some(field) = fields.next_field()? {
        match field.number {
            5 => add(field.message()?)?,
            1 => {
                let mut node = field.message()?;
                while let Some(part) = node.next_field()? {
                    if part.number != 5 {
                        continue;
                    }
                    let mut attribute = part.message()?;
                    while let Some(value) = attribute.next_field()? {
                        if value.number == 5 {
                            add(value.message()?)?;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn parse_node<'a>(mut fields: Fields<'a>, external: &External<'a, '_>) -> Result<Node, GraphError> {
    let mut node = Node::default();
    let mut domain = "";
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => node.inputs.push(field.text()?.to_owned()),
            2 => node.outputs.push(field.text()?.to_owned()),
            3 => node.name = field.text()?.to_owned(),
            4 => node.op = field.text()?.to_owned(),
            5 => node.attributes.push(parse_attribute(field.message()?, external)?),
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

fn parse_attribute<'a>(mut fields: Fields<'a>, external: &External<'a, '_>) -> Result<Attribute, GraphError> {
    let mut name = String::new();
    let mut kind = 0;
    let mut float = 0.0;
    let mut int = 0;
    let mut text: &[u8] = &[];
    let mut tensor = None;
    let (mut floats, mut ints, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = field.text()?.to_owned(),
            2 => float = field.float()?,
            3 => int = field.int()?,
            4 => text = field.bytes()?,
            5 => tensor = Some(tensor::parse(field.message()?, external)?),
            6 | 11 => {
                let item = format!("`{name}`, a sub-graph");
                return Err(unsupported("attribute", item, "export without control flow"));
            }
            7 => field.floats_into(&mut floats)?,
            8 => field.ints_into(&mut ints)?,
            9 => texts.push(field.text()?.to_owned()),
            20 => kind = field.int()?,
            _ => {}
        }
    }
    let value = match kind {
        1 => AttributeValue::Float(float),
        2 => AttributeValue::Int(int),
        // Bytes that are no text are nothing we can compare.
        3 => str::from_utf8(text)
            .map_or(AttributeValue::Other(3), |text| AttributeValue::Text(text.to_owned())),
        4 => tensor.map_or(AttributeValue::Other(4), AttributeValue::Tensor),
        6 => AttributeValue::Floats(floats),
        7 => AttributeValue::Ints(ints),
        8 => AttributeValue::Texts(texts),
        other => AttributeValue::Other(other),
    };
    Ok(Attribute { name, value })
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
                2 => port.shape = Some(parse_dimensions(&port.name, part.message()?)?),
                _ => {}
            }
        }
    }
    Ok(())
}

fn parse_dimensions(port: &str, mut fields: Fields<'_>) -> Result<Vec<Dimension>, GraphError> {
    let mut dimensions = Vec::new();
    while let Some(field) = fields.next_field()? {
        if field.number != 1 {
            continue;
        }
        if dimensions.len() == MAX_RANK {
            let item = format!("`{port}` of more than {MAX_RANK} dimensions");
            return Err(unsupported("tensor", item, "export with fewer dimensions"));
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
