//! Constants and what exporters compute from shapes.

use super::super::compiler::{Compiler, Kind, Known};
use super::super::error::CompileError;
use super::super::view::NodeView;
use crate::engine::ElementType;
use crate::onnx::{AttributeValue, ConstantData};

type Verdict = Result<(), CompileError>;

impl Compiler {
    pub(super) fn constant_node(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(0, 0)?;
        let [one] = view.node.attributes.as_slice() else {
            return Err(view.attribute_kind("value", "expected as the only attribute"));
        };
        let (element, shape, data) = match (one.name.as_str(), &one.value) {
            ("value", AttributeValue::Tensor(t)) => (t.element, t.shape.clone(), t.data.clone()),
            ("value_float", AttributeValue::Float(v)) => {
                (ElementType::F32, Vec::new(), ConstantData::F32(vec![*v]))
            }
            ("value_floats", AttributeValue::Floats(v)) => {
                (ElementType::F32, vec![v.len()], ConstantData::F32(v.clone()))
            }
            ("value_int", AttributeValue::Int(v)) => {
                (ElementType::I64, Vec::new(), ConstantData::I64(vec![*v]))
            }
            ("value_ints", AttributeValue::Ints(v)) => {
                (ElementType::I64, vec![v.len()], ConstantData::I64(v.clone()))
            }
            _ => return Err(view.attribute_kind(&one.name, "expected a tensor, floats or integers")),
        };
        if let ConstantData::F32(values) = &data
            && values.iter().any(|v| !v.is_finite())
        {
            return Err(view.attribute_kind(&one.name, "expected finite values"));
        }
        self.define_constant(view.output()?, element, shape, data)
    }

    pub(super) fn constant_of_shape(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&["value"])?;
        let wanted = view.required_integers(self, 0, "the shape")?;
        let shape: Option<Vec<usize>> = wanted.iter().map(|d| usize::try_from(*d).ok()).collect();
        let shape = shape.ok_or_else(|| view.shape_error(format!("shape {wanted:?}"), "sizes"))?;
        let len = self.room_for(&shape, &view.label())?;
        let (element, data) = match view.attribute("value") {
            None => (ElementType::F32, ConstantData::F32(vec![0.0; len])),
            Some(AttributeValue::Tensor(t)) => match &t.data {
                ConstantData::F32(v) if v.len() == 1 => (t.element, ConstantData::F32(repeat(v, len))),
                ConstantData::I64(v) if v.len() == 1 => (t.element, ConstantData::I64(repeat(v, len))),
                _ => return Err(view.attribute_kind("value", "expected a tensor of one value")),
            },
            Some(_) => return Err(view.attribute_kind("value", "expected a tensor")),
        };
        self.define_constant(view.output()?, element, shape, data)
    }

    pub(super) fn shape_of(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&["start", "end"])?;
        let shape = view.any(self, 0)?.shape;
        let rank = shape.len() as i64;
        let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (bound(view.int("start", 0)?), bound(view.int("end", rank)?));
        let part = shape.get(start..end).unwrap_or(&[]);
        let values: Vec<i64> = part.iter().map(|d| *d as i64).collect();
        self.define(view.output()?, ElementType::I64, vec![values.len()], Kind::Index(values))
    }

    pub(super) fn size_of(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&[])?;
        let size: usize = view.any(self, 0)?.shape.iter().product();
        self.define(view.output()?, ElementType::I64, Vec::new(), Kind::Index(vec![size as i64]))
    }

    pub(super) fn range(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(3, 3)?;
        view.only_attributes(&[])?;
        let Known { name, element, .. } = view.any(self, 0)?;
        if element.byte_range().is_some() {
            return Err(view.element_error(&name, element, "numbers of more than 8 bits"));
        }
        let mut limits = [0i64; 3];
        for (index, limit) in limits.iter_mut().enumerate() {
            match view.required_integers(self, index, "whole limits")?.as_slice() {
                [value] => *limit = *value,
                other => return Err(view.shape_error(format!("limits {other:?}"), "one value each")),
            }
        }
        let [start, end, step] = limits;
        let span = i128::from(end) - i128::from(start);
        let count = match step {
            0 => return Err(view.shape_error("a step of 0", "a step forward or backward")),
            1.. => (span + i128::from(step) - 1) / i128::from(step),
            _ => (span + i128::from(step) + 1) / i128::from(step),
        };
        let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        self.take_room(count, &view.label())?;
        let values = (0..count as i64).map(|i| start + i * step).collect();
        self.define(view.output()?, element, vec![count], Kind::Index(values))
    }
}

fn repeat<T: Copy>(values: &[T], len: usize) -> Vec<T> {
    values.iter().copied().cycle().take(len).collect()
}
