//! What a graph's weights are in, without reading them.

use super::graph::GraphError;
use super::protobuf::Fields;

/// Element types of a graph's initialisers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// ONNX element types that occur, in order of appearance.
    pub element_types: Vec<i64>,
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
                self.quantised |=
                    op.contains("Quantize") || op.contains("QLinear") || op.ends_with("Integer");
            }
        }
        Ok(())
    }

    fn tensor(&mut self, mut fields: Fields<'_>) -> Result<(), GraphError> {
        while let Some(field) = fields.next_field()? {
            if field.number == 2 {
                let element_type = field.int()?;
                if !self.element_types.contains(&element_type) {
                    self.element_types.push(element_type);
                }
            }
        }
        Ok(())
    }
}
