//! Operators along axes.

use super::super::compiler::Compiler;
use super::super::error::CompileError;
use super::super::reduce::{Axis, LayerNorm, Reduction};
use super::super::shape;
use super::super::step::Action;
use super::super::view::NodeView;

impl Compiler {
    pub(super) fn reduce(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        let op = match view.node.op.as_str() {
            "ReduceMean" => Reduction::Mean,
            "ReduceSum" => Reduction::Sum,
            "ReduceSumSquare" => Reduction::SumSquare,
            "ReduceL2" => Reduction::L2,
            "ReduceMax" => Reduction::Max,
            _ => Reduction::Min,
        };
        view.arity(1, 2)?;
        view.only_attributes(&["axes", "keepdims", "noop_with_empty_axes"])?;
        let input = view.float_input(self, 0)?;
        let rank = input.shape.len();
        let axes = view.attribute_or_input(self, "axes", 1, "the axes")?.unwrap_or_default();
        if axes.is_empty() && view.int("noop_with_empty_axes", 0)? != 0 {
            return Err(view.attribute_kind("noop_with_empty_axes", "expected axes or 0"));
        }
        let mut axes: Vec<usize> = match axes.as_slice() {
            [] => (0..rank).collect(),
            some => some.iter().map(|a| view.axis(*a, rank)).collect::<Result<_, _>>()?,
        };
        axes.sort_unstable();
        axes.dedup();
        let first = axes.first().copied().unwrap_or(0);
        if axes.iter().enumerate().any(|(i, a)| *a != first + i) {
            return Err(view.shape_error(format!("axes {axes:?}"), "axes beside each other"));
        }
        let keep = view.int("keepdims", 1)? != 0;
        let dims = input.shape.iter().enumerate();
        let out = dims
            .filter_map(|(axis, size)| match axes.contains(&axis) {
                true => keep.then_some(1),
                false => Some(*size),
            })
            .collect();
        let size = axes.iter().filter_map(|a| input.shape.get(*a)).product();
        let inner = input.shape.iter().skip(first + axes.len()).product();
        let action = Action::Reduce { op, input: input.place, axis: Axis { size, inner } };
        self.emit(view.output()?, input.element, out, action)
    }

    pub(super) fn softmax(&mut self, view: &NodeView<'_>, logarithm: bool) -> Result<(), CompileError> {
        view.arity(1, 1)?;
        view.only_attributes(&["axis"])?;
        let input = view.float_input(self, 0)?;
        let flattens = self.opset < 13; // up to 12 everything from the axis on is one row
        let axis = view.int("axis", if flattens { 1 } else { -1 })?;
        let axis = view.axis(axis, input.shape.len())?;
        let (_, size, inner) = shape::split_at_axis(&input.shape, axis);
        let axis = if flattens { Axis { size: size * inner, inner: 1 } } else { Axis { size, inner } };
        let action = Action::Softmax { input: input.place, axis, logarithm };
        self.emit(view.output()?, input.element, input.shape, action)
    }

    pub(super) fn layer_normalization(
        &mut self,
        view: &NodeView<'_>,
        centred: bool,
    ) -> Result<(), CompileError> {
        view.arity(2, if centred { 3 } else { 2 })?;
        view.only_attributes(&["axis", "epsilon", "stash_type"])?;
        if view.int("stash_type", 1)? != 1 {
            return Err(view.attribute_kind("stash_type", "expected 1 (f32)"));
        }
        let input = view.float_input(self, 0)?;
        let axis = view.axis(view.int("axis", -1)?, input.shape.len())?;
        let row_shape: Vec<usize> = input.shape.iter().skip(axis).copied().collect();
        let row = shape::len(&row_shape);
        let vector = |index: usize| -> Result<_, CompileError> {
            let Some(operand) = view.optional_float(self, index)? else { return Ok(None) };
            if shape::len(&operand.shape) != row {
                let found = format!("a scale or bias of shape {:?}", operand.shape);
                return Err(view.shape_error(found, format!("shape {row_shape:?}")));
            }
            Ok(Some(operand.place))
        };
        let (scale, bias) = (vector(1)?, vector(2)?);
        let epsilon = view.float("epsilon", 1e-5)?;
        let norm = LayerNorm { input: input.place, scale, bias, row, epsilon, centred };
        self.emit(view.output()?, input.element, input.shape, Action::LayerNorm(norm))
    }
}
