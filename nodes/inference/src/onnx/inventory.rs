//! What a graph file is made of, without reading its weights: element types of the initialisers, and the names of
//! the files its external data lie in.

use super::graph::GraphError;
use super::protobuf::Fields;

/// Element types and external files of a graph's initialisers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// ONNX element types that occur, in order of appearance.
    pub element_types: Vec<i64>,
    /// External data files named, in order of appearance.
    pub external: Vec<String>,
    /// True when an operator quantises or computes in 8 bits.
    pub quantised: bool,
}

impl Inventory {
    /// Reads the initialisers' heads and the operators' names.
    pub fn read(bytes: &[u8]) -> Result<Self, GraphError> {
        let mut inventory = Self::default();
        let mut model = Fields::new(bytes, 0);
        while let Some(field) = model.next_field()? {
            if field.number == 7 {
                let mut graph = field.message()?;
                while let Some(part) = graph.next_field()? {
                    match part.number {
                        1 => inventory.node(part.message()?)?,
                        5 => inventory.tensor(part.message()?)?,
                        _ => {}
                    }
                }
            }
        }
        Ok(inventory)
    }

    fn node(&mut self, mut fields: Fields<'_>) -> Result<(), GraphError> {
        while let Some(field) = fields.next_field()? {
            if field.number == 4 {
                let op = field.text()?;
                self.quantised |= op.contains("Quantize") || op.contains("QLinear") || op.ends_with("Integer");
            }
        }
        Ok(())
    }

    fn tensor(&mut self, mut fields: Fields<'_>) -> Result<(), GraphError> {
        while let Some(field) = fields.next_field()? {
            match field.number {
                2 => {
                    let element_type = field.int()?;
                    if !self.element_types.contains(&element_type) {
                        self.element_types.push(element_type);
                    }
                }
                13 => self.external(field.message()?)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn external(&mut self, mut fields: Fields<'_>) -> Result<(), GraphError> {
        let (mut key, mut value) = ("", "");
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => key = field.text()?,
                2 => value = field.text()?,
                _ => {}
            }
        }
        if key == "location" && !self.external.iter().any(|name| name == value) {
            self.external.push(value.to_owned());
        }
        Ok(())
    }
}
