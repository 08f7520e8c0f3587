//! QuantizeLinear and DequantizeLinear, with which quantised graphs are written. What computes in 8 bits itself
//! (QLinearMatMul, MatMulInteger and the like) is refused by name.

use super::super::compiler::{Compiler, Kind, Known};
use super::super::error::CompileError;
use super::super::quantise::Quantised;
use super::super::reduce::Axis;
use super::super::shape;
use super::super::step::{Action, Place};
use super::super::view::NodeView;
use crate::engine::ElementType;

type Verdict = Result<(), CompileError>;

/// Scales and zero points of a node, read and checked.
struct Grid {
    scale: Vec<f32>,
    zero: Vec<f32>,
    axis: Axis,
    /// Type of the scales.
    number: ElementType,
    /// Type of the zero points, when there are any.
    whole: Option<ElementType>,
}

impl Compiler {
    pub(super) fn quantize_linear(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 3)?;
        view.only_attributes(&["axis", "saturate", "block_size", "output_dtype", "precision"])?;
        let input = view.float_input(self, 0)?;
        let grid = self.grid(view, &input.shape)?;
        if grid.number != input.element {
            let name = view.node.inputs.get(1).map_or("", String::as_str);
            return Err(view.element_error(name, grid.number, "scales of the type of the input"));
        }
        if view.int("precision", 0)? != 0 {
            return Err(view.attribute_kind("precision", "expected 0 (that of the scales)"));
        }
        let named = match view.int("output_dtype", 0)? {
            0 => None,
            number => Some(
                ElementType::from_onnx(number)
                    .filter(|e| e.byte_range().is_some())
                    .ok_or_else(|| view.attribute_kind("output_dtype", "expected int8 (3) or uint8 (2)"))?,
            ),
        };
        let element = grid.whole.or(named).unwrap_or(ElementType::U8);
        if named.is_some_and(|named| named != element) {
            return Err(view.attribute_kind("output_dtype", "expected the type of the zero point"));
        }
        let Some((low, high)) = element.byte_range() else {
            let name = view.node.inputs.get(2).map_or("", String::as_str);
            return Err(view.element_error(name, element, "a zero point of i8 or u8"));
        };
        let by = self.quantised(view, grid)?;
        let action = Action::Quantise { input: input.place, by, low: low as f32, high: high as f32 };
        self.emit(view.output()?, element, input.shape, action)
    }

    pub(super) fn dequantize_linear(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 3)?;
        view.only_attributes(&["axis", "block_size", "output_dtype"])?;
        let known = view.any(self, 0)?;
        if known.element.byte_range().is_none() && known.element != ElementType::I32 {
            return Err(view.element_error(&known.name, known.element, "i8, u8 or i32"));
        }
        let grid = self.grid(view, &known.shape)?;
        if let Some(whole) = grid.whole
            && whole != known.element
        {
            let name = view.node.inputs.get(2).map_or("", String::as_str);
            return Err(view.element_error(name, whole, "a zero point of the type of the input"));
        }
        if known.element == ElementType::I32 && grid.zero.iter().any(|zero| *zero != 0.0) {
            return Err(view.shape_error("a zero point of 32 bits other than 0", "0, or none"));
        }
        let named = view.int("output_dtype", 0)?;
        if named != 0 && named != grid.number.onnx() {
            return Err(view.attribute_kind("output_dtype", "expected the type of the scales"));
        }
        let output = view.output()?;
        let Known { element, shape, kind, .. } = known;
        let Kind::Index(values) = kind else {
            let number = grid.number;
            let input = view.operand(self, Known { name: String::new(), element, shape, kind })?;
            let by = self.quantised(view, grid)?;
            return self.emit(output, number, input.shape, Action::Dequantise { input: input.place, by });
        };
        // Weights: worked out now, those of 32 bits from more digits than the arena holds.
        self.room_for(&shape, &view.label())?;
        let Grid { scale, zero, axis, number, .. } = grid;
        let at = |list: &[f32], i: usize| list.get(i).copied().unwrap_or(f32::NAN);
        let number_of = |(index, value): (usize, &i64)| {
            let along = index / axis.inner.max(1) % axis.size.max(1);
            (*value as f32 - at(&zero, along)) * at(&scale, along)
        };
        let numbers: Vec<f32> = values.iter().enumerate().map(number_of).collect();
        let place = self.constant(&numbers);
        self.define(output, number, shape, Kind::Number(place))
    }

    /// The scales and zero points of a node for an input of `shape`.
    fn grid(&self, view: &NodeView<'_>, shape: &[usize]) -> Result<Grid, CompileError> {
        if view.int("block_size", 0)? != 0 {
            return Err(
                view.attribute_kind("block_size", "expected 0 (one scale for a tensor, or along an axis)")
            );
        }
        let operand = view.float_input(self, 1)?;
        let scale = self.weights(view, operand.place, "the scale")?;
        let wrong = scale.iter().enumerate().find(|(_, s)| !(s.is_finite() && **s > 0.0));
        if let Some((index, value)) = wrong {
            return Err(CompileError::Scale { node: view.label(), index, value: *value });
        }
        let axis = match operand.shape.as_slice() {
            [] | [1] => Axis { size: 1, inner: shape::len(shape) },
            [count] => {
                let axis = view.axis(view.int("axis", 1)?, shape.len())?;
                let (_, size, inner) = shape::split_at_axis(shape, axis);
                if size != *count {
                    let found = format!("{count} scales along axis {axis} of shape {shape:?}");
                    return Err(view.shape_error(found, format!("1 or {size}")));
                }
                Axis { size, inner }
            }
            other => {
                let found = format!("scales of shape {other:?}");
                return Err(view.shape_error(found, "one scale for the tensor, or one along an axis"));
            }
        };
        let Some(known) = view.optional(self, 2)? else {
            let zero = vec![0.0; scale.len()];
            return Ok(Grid { scale, zero, axis, number: operand.element, whole: None });
        };
        if known.element.byte_range().is_none() && known.element != ElementType::I32 {
            return Err(view.element_error(&known.name, known.element, "a zero point of i8 or u8"));
        }
        if shape::len(&known.shape) != scale.len() || known.shape.len() > 1 {
            let found = format!("zero points of shape {:?} for {} scales", known.shape, scale.len());
            return Err(view.shape_error(found, "one for each scale"));
        }
        let zero = view.required_integers(self, 2, "the zero point")?;
        let zero = zero.iter().map(|z| *z as f32).collect();
        Ok(Grid { scale, zero, axis, number: operand.element, whole: Some(known.element) })
    }

    /// `grid` as a step reads it.
    fn quantised(&mut self, view: &NodeView<'_>, grid: Grid) -> Result<Quantised, CompileError> {
        self.take_room(2 * grid.scale.len(), &view.label())?;
        let [scale, zero]: [Place; 2] = [self.constant(&grid.scale), self.constant(&grid.zero)];
        Ok(Quantised { scale, zero, axis: grid.axis })
    }
}
