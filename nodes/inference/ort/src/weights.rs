//! How many bytes of constants each node of a file reads, from its bytes and without their values.
//!
//! Node counts alone let ninety small nodes on the accelerator hide the one that holds the weights on the CPU. The
//! library's profile cannot tell: it forgets weights that a kernel has packed for itself. So the file is asked, and
//! nodes are found again by name; a fusion's name begins with the name of a node in it.

use std::collections::{BTreeMap, BTreeSet};

use sinew_inference::onnx::protobuf::{Fields, WireError};

/// Bytes of constants by node name; nodes without a name are summed under an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights {
    by_node: BTreeMap<String, u64>,
    /// Files that constants lie in, each once.
    external: BTreeSet<String>,
}

impl Weights {
    /// Reads a file; nodes in nested graphs count for nobody.
    pub(crate) fn read(onnx: &[u8]) -> Result<Self, WireError> {
        let mut model = Fields::new(onnx, 0);
        let mut found = Self::default();
        while let Some(field) = model.next_field()? {
            if field.number == 7 {
                found.read_graph(field.message()?)?;
            }
        }
        Ok(found)
    }

    /// Files of external data that the graph names.
    pub(crate) fn external(&self) -> impl Iterator<Item = &str> {
        self.external.iter().map(String::as_str)
    }

    /// Bytes of all constants that nodes read.
    pub(crate) fn total(&self) -> u64 {
        self.by_node.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Bytes of the nodes that the session's nodes with these names stand for, each node once.
    pub(crate) fn of<'n>(&self, names: impl Iterator<Item = &'n str>) -> u64 {
        let mut matched = BTreeSet::new();
        for name in names.filter(|n| !n.is_empty()) {
            let mut stem = name;
            loop {
                if let Some((node, _)) = self.by_node.get_key_value(stem).filter(|(n, _)| !n.is_empty()) {
                    matched.insert(node);
                    break;
                }
                // "/actor/0/MatMul/MatMulAddFusion" stands for "/actor/0/MatMul".
                let Some((shorter, _)) = stem.rsplit_once('/') else { break };
                stem = shorter;
            }
        }
        matched.iter().filter_map(|n| self.by_node.get(*n)).fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// As if read from a file with these nodes.
    #[cfg(test)]
    pub(crate) fn of_nodes(nodes: &[(&str, u64)]) -> Self {
        let by_node = nodes.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
        Self { by_node, external: BTreeSet::new() }
    }

    fn read_graph(&mut self, mut graph: Fields<'_>) -> Result<(), WireError> {
        let mut constants: BTreeMap<String, u64> = BTreeMap::new();
        let mut nodes: Vec<(String, Vec<String>)> = Vec::new();
        while let Some(field) = graph.next_field()? {
            match field.number {
                1 => nodes.push(read_node(field.message()?)?),
                5 => {
                    let (name, bytes, file) = read_tensor(field.message()?)?;
                    constants.insert(name, bytes);
                    self.external.extend(file);
                }
                _ => {}
            }
        }
        for (name, inputs) in nodes {
            let bytes =
                inputs.iter().filter_map(|i| constants.get(i)).fold(0u64, |s, b| s.saturating_add(*b));
            let sum = self.by_node.entry(name).or_default();
            *sum = sum.saturating_add(bytes);
        }
        Ok(())
    }
}

fn read_node(mut node: Fields<'_>) -> Result<(String, Vec<String>), WireError> {
    let (mut name, mut inputs) = (String::new(), Vec::new());
    while let Some(field) = node.next_field()? {
        match field.number {
            1 => inputs.push(field.text()?.to_owned()),
            3 => field.text()?.clone_into(&mut name),
            _ => {}
        }
    }
    Ok((name, inputs))
}

/// Name, size by shape and type, and the file the values lie in when it is not this one.
fn read_tensor(mut tensor: Fields<'_>) -> Result<(String, u64, Option<String>), WireError> {
    let (mut name, mut values, mut kind) = (String::new(), 1u64, 1);
    let (mut file, mut outside) = (None, false);
    while let Some(field) = tensor.next_field()? {
        match field.number {
            1 => {
                let mut dimensions = Vec::new();
                field.ints_into(&mut dimensions)?;
                for dimension in dimensions {
                    values = values.saturating_mul(u64::try_from(dimension).unwrap_or(0));
                }
            }
            2 => kind = field.int()?,
            8 => field.text()?.clone_into(&mut name),
            13 => file = read_location(field.message()?)?.or(file),
            14 => outside = field.int()? == 1,
            _ => {}
        }
    }
    let size = match kind {
        2 | 3 | 9 | 17..=20 => 1,
        4 | 5 | 10 | 16 => 2,
        7 | 11 | 13 => 8,
        _ => 4,
    };
    Ok((name, values.saturating_mul(size), file.filter(|_| outside)))
}

fn read_location(mut entry: Fields<'_>) -> Result<Option<String>, WireError> {
    let (mut key, mut value) = ("", "");
    while let Some(field) = entry.next_field()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key == "location").then(|| value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend(bytes);
        out
    }

    fn node(name: &str, inputs: &[&str]) -> Vec<u8> {
        let mut body: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
        body.extend(field(3, name.as_bytes()));
        field(1, &body)
    }

    /// `dimensions` packed, `kind` as ONNX numbers it.
    fn tensor(name: &str, dimensions: &[u8], kind: u8) -> Vec<u8> {
        let body = [field(1, dimensions), vec![2 << 3, kind], field(8, name.as_bytes())].concat();
        field(5, &body)
    }

    fn graph() -> Weights {
        let parts = [
            node("/actor/0/MatMul", &["obs", "w"]),
            node("/actor/0/Add", &["x", "b"]),
            node("", &["y", "b"]),
            tensor("w", &[10, 20], 1),
            tensor("b", &[20], 10),
        ];
        Weights::read(&field(7, &parts.concat())).unwrap()
    }

    #[test]
    fn constants_are_counted_where_they_are_read() {
        let weights = graph();
        assert_eq!(weights.total(), 800 + 40 + 40);
        assert_eq!(weights.of(["/actor/0/MatMul"].into_iter()), 800);
        assert_eq!(weights.of(["/actor/0/MatMul/MatMulAddFusion", "/actor/0/MatMul"].into_iter()), 800);
        assert_eq!(
            weights.of(["/actor/0/Gemm", ""].into_iter()),
            0,
            "a node that is not found counts for nobody"
        );
    }

    #[test]
    fn cut_files_are_an_error_or_less() {
        let parts = [node("a", &["w"]), tensor("w", &[3], 1)].concat();
        let bytes = field(7, &parts);
        for end in 0..bytes.len() {
            drop(Weights::read(&bytes[..end]));
        }
        assert_eq!(Weights::read(&bytes).unwrap().total(), 12);
    }
}
