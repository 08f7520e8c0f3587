//! The operators: what each accepts and the step it becomes. Semantics: onnx.ai/onnx/operators, opset 11 to 25.

use super::dense::Dense;
use super::plan::{CompileError, Compiler, Kind, NodeView, len};
use super::shape;
use super::step::{Action, Binary, Lineup, Place, Unary};
use crate::onnx::{AttributeValue, Node};

impl Compiler {
    /// Compiles one node.
    pub(super) fn node(&mut self, node: &Node, index: usize) -> Result<(), CompileError> {
        let view = NodeView::new(node, index);
        match node.op.as_str() {
            "Add" => self.binary(&view, Binary::Add),
            "Sub" => self.binary(&view, Binary::Sub),
            "Mul" => self.binary(&view, Binary::Mul),
            "Div" => self.binary(&view, Binary::Div),
            "Relu" => self.unary(&view, Unary::Relu, &[]),
            "Tanh" => self.unary(&view, Unary::Tanh, &[]),
            "Sigmoid" => self.unary(&view, Unary::Sigmoid, &[]),
            "Elu" => {
                let alpha = view.float("alpha", 1.0)?;
                self.unary(&view, Unary::Elu { alpha }, &["alpha"])
            }
            "Clip" => self.clip(&view),
            "Gemm" => self.gemm(&view),
            "MatMul" => self.matmul(&view),
            "Slice" => self.slice(&view),
            "Concat" => self.concat(&view),
            "Identity" => self.identity(&view),
            "Reshape" => self.reshape(&view),
            "Flatten" => self.flatten(&view),
            "Constant" => self.constant(&view),
            op => Err(CompileError::Operator { node: view.label(), op: op.to_owned() }),
        }
    }

    /// Values of a constant operand.
    fn weights(
        &self,
        view: &NodeView<'_>,
        place: Place,
        operand: &'static str,
    ) -> Result<Vec<f32>, CompileError> {
        match place {
            Place::Constant(_) => Ok(place.read(&self.plan.constants, &[]).to_vec()),
            Place::Arena { .. } => Err(CompileError::NotConstant { node: view.label(), operand }),
        }
    }

    fn binary(&mut self, view: &NodeView<'_>, op: Binary) -> Result<(), CompileError> {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, a_shape) = view.number(self, 0)?;
        let (b, b_shape) = view.number(self, 1)?;
        let out = shape::broadcast(&a_shape, &b_shape).ok_or_else(|| {
            view.shape_error(format!("shapes {a_shape:?} and {b_shape:?}"), "shapes that broadcast")
        })?;
        view.bounded(&out)?;
        let lineup = |from: &[usize]| match from {
            _ if len(from) == len(&out) => Lineup::Same,
            _ if len(from) == 1 => Lineup::Scalar,
            _ => Lineup::Table(shape::broadcast_table(from, &out)),
        };
        let action = Action::Binary { op, a: (a, lineup(&a_shape)), b: (b, lineup(&b_shape)) };
        self.emit(view.output()?, out, action)
    }

    fn unary(&mut self, view: &NodeView<'_>, op: Unary, attributes: &[&str]) -> Result<(), CompileError> {
        view.arity(1, 1)?;
        view.only_attributes(attributes)?;
        let (input, shape) = view.number(self, 0)?;
        self.emit(view.output()?, shape, Action::Unary { op, input })
    }

    fn clip(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(1, 3)?;
        view.only_attributes(&[])?;
        let limit = |index, default: f32, operand| match view.optional(self, index)? {
            None => Ok(default),
            Some(_) => {
                let (place, shape) = view.number(self, index)?;
                match self.weights(view, place, operand)?.as_slice() {
                    [value] => Ok(*value),
                    _ => Err(view.shape_error(format!("{operand} of shape {shape:?}"), "one value")),
                }
            }
        };
        let lo = limit(1, f32::NEG_INFINITY, "the lower limit")?;
        let hi = limit(2, f32::INFINITY, "the upper limit")?;
        let (input, shape) = view.number(self, 0)?;
        self.emit(view.output()?, shape, Action::Unary { op: Unary::Clip { lo, hi }, input })
    }

    fn gemm(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(2, 3)?;
        view.only_attributes(&["alpha", "beta", "transA", "transB"])?;
        let (alpha, beta) = (view.float("alpha", 1.0)?, view.float("beta", 1.0)?);
        if view.int("transA", 0)? != 0 {
            return Err(view.attribute_kind("transA", "expected 0"));
        }
        let transposed = view.int("transB", 0)? != 0;
        let (input, a_shape) = view.number(self, 0)?;
        let (weights_at, b_shape) = view.number(self, 1)?;
        let ([rows, inputs], [b0, b1]) = (a_shape.as_slice(), b_shape.as_slice()) else {
            return Err(view.shape_error(format!("shapes {a_shape:?} and {b_shape:?}"), "two matrices"));
        };
        let (rows, inputs) = (*rows, *inputs);
        let (b_inputs, outputs) = if transposed { (*b1, *b0) } else { (*b0, *b1) };
        if b_inputs != inputs {
            let found = format!("{inputs} input values and weights for {b_inputs}");
            return Err(view.shape_error(found, "the same number"));
        }
        let weights = self.weights(view, weights_at, "the weight matrix")?;
        let out = vec![rows, outputs];
        view.bounded(&out)?;
        let bias = match view.optional(self, 2)? {
            None => vec![0.0; rows * outputs],
            Some(_) => {
                let (place, shape) = view.number(self, 2)?;
                if shape::broadcast(&shape, &out).as_ref() != Some(&out) {
                    return Err(
                        view.shape_error(format!("bias of shape {shape:?}"), format!("shape {out:?}"))
                    );
                }
                let values = self.weights(view, place, "the bias")?;
                let table = shape::broadcast_table(&shape, &out);
                table.iter().map(|at| beta * values.get(*at).copied().unwrap_or(f32::NAN)).collect()
            }
        };
        let weight = |i: usize, o: usize| {
            let at = if transposed { o * inputs + i } else { i * outputs + o };
            alpha * weights.get(at).copied().unwrap_or(f32::NAN)
        };
        let start = |row: usize, o: usize| bias.get(row * outputs + o).copied().unwrap_or(f32::NAN);
        let layer = Dense::new(rows, inputs, outputs, weight, start);
        self.emit(view.output()?, out, Action::Dense { input, layer })
    }

    fn matmul(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, a_shape) = view.number(self, 0)?;
        let (b, b_shape) = view.number(self, 1)?;
        let (Some((&inputs, leading)), [b_inputs, outputs]) = (a_shape.split_last(), b_shape.as_slice())
        else {
            let found = format!("shapes {a_shape:?} and {b_shape:?}");
            return Err(view.shape_error(found, "rows times a matrix of rank 2"));
        };
        let outputs = *outputs;
        if inputs != *b_inputs {
            let found = format!("shapes {a_shape:?} and {b_shape:?}");
            return Err(view.shape_error(found, "matching inner dimensions"));
        }
        let mut out = leading.to_vec();
        out.push(outputs);
        view.bounded(&out)?;
        let action = match b {
            Place::Constant(_) => {
                let weights = self.weights(view, b, "the weight matrix")?;
                let weight = |i: usize, o: usize| weights.get(i * outputs + o).copied().unwrap_or(f32::NAN);
                let layer = Dense::new(len(leading), inputs, outputs, weight, |_, _| 0.0);
                Action::Dense { input: a, layer }
            }
            Place::Arena { .. } => Action::Product { a, b, inputs, outputs },
        };
        self.emit(view.output()?, out, action)
    }

    fn slice(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(3, 5)?;
        view.only_attributes(&[])?;
        let (input, from) = view.number(self, 0)?;
        let missing = |operand| CompileError::NotConstant { node: view.label(), operand };
        let starts = view.integers(self, 1, "starts")?.ok_or_else(|| missing("starts"))?;
        let ends = view.integers(self, 2, "ends")?.ok_or_else(|| missing("ends"))?;
        let axes = view.integers(self, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = view.integers(self, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(view.shape_error("starts, ends, axes, steps of different lengths", "equal lengths"));
        }
        let whole = |size: &usize| shape::Range { start: 0, step: 1, count: *size };
        let mut ranges: Vec<shape::Range> = from.iter().map(whole).collect();
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = view.axis(*axis, from.len())?;
            let size = from.get(axis).copied().unwrap_or(0);
            let range = shape::slice_range(size, *start, *end, *step);
            let (Some(range), Some(slot)) = (range, ranges.get_mut(axis)) else {
                return Err(view.shape_error("a step of 0", "a step forward or backward"));
            };
            *slot = range;
        }
        let table = shape::slice_table(&from, &ranges);
        let out = ranges.iter().map(|r| r.count).collect();
        let first = table.first().copied().unwrap_or(0);
        let contiguous = table.iter().enumerate().all(|(i, at)| *at == first + i);
        let action = if contiguous { Action::Copy { input, first } } else { Action::Gather { input, table } };
        self.emit(view.output()?, out, action)
    }

    fn concat(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(1, 1_000)?;
        view.only_attributes(&["axis"])?;
        let (_, first) = view.number(self, 0)?;
        let axis = view.axis(view.int("axis", 0)?, first.len())?;
        let mut out = first.clone();
        let mut total = 0;
        let mut parts = Vec::with_capacity(view.node.inputs.len());
        for index in 0..view.node.inputs.len() {
            let (place, shape) = view.number(self, index)?;
            let same = shape.len() == first.len()
                && shape.iter().zip(&first).enumerate().all(|(i, (a, b))| i == axis || a == b);
            if !same {
                let found = format!("shapes {first:?} and {shape:?}");
                return Err(view.shape_error(found, format!("shapes equal but for axis {axis}")));
            }
            total += shape.get(axis).copied().unwrap_or(0);
            parts.push((place, shape.iter().skip(axis).product()));
        }
        if let Some(size) = out.get_mut(axis) {
            *size = total;
        }
        self.emit(view.output()?, out, Action::Concat { parts })
    }

    fn identity(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(1, 1)?;
        view.only_attributes(&[])?;
        let known = view.optional(self, 0)?;
        let known = known.ok_or_else(|| view.shape_error("no input", "one input"))?;
        self.define(view.output()?, known.shape, known.kind)
    }

    fn reshape(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(2, 2)?;
        view.only_attributes(&["allowzero"])?;
        let (place, from) = view.number(self, 0)?;
        let wanted = view.integers(self, 1, "the shape")?;
        let wanted = wanted.ok_or_else(|| view.shape_error("no shape", "a constant shape"))?;
        let copy_zero = view.int("allowzero", 0)? == 0;
        let refuse = || view.shape_error(format!("shape {from:?} to {wanted:?}"), "equally many values");
        let mut out = Vec::with_capacity(wanted.len());
        let mut open = None;
        for (axis, &size) in wanted.iter().enumerate() {
            out.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if copy_zero => *from.get(axis).ok_or_else(refuse)?,
                size => usize::try_from(size).map_err(|_| refuse())?,
            });
        }
        let product = out.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).ok_or_else(refuse)?;
        if let Some(slot) = open.and_then(|axis| out.get_mut(axis)) {
            *slot = len(&from).checked_div(product).ok_or_else(refuse)?;
        }
        if out.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) != Some(len(&from)) {
            return Err(refuse());
        }
        self.define(view.output()?, out, Kind::Number(place))
    }

    fn flatten(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(1, 1)?;
        view.only_attributes(&["axis"])?;
        let (place, from) = view.number(self, 0)?;
        let axis = view.int("axis", 1)?;
        let axis = if axis == from.len() as i64 { from.len() } else { view.axis(axis, from.len())? };
        let out = vec![from.iter().take(axis).product(), from.iter().skip(axis).product()];
        self.define(view.output()?, out, Kind::Number(place))
    }

    fn constant(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(0, 0)?;
        match view.node.attributes.as_slice() {
            [one] if one.name == "value" => match &one.value {
                AttributeValue::Tensor(t) => {
                    self.define_constant(view.output()?, t.shape.clone(), t.data.clone())
                }
                _ => Err(view.attribute_kind("value", "expected a tensor")),
            },
            _ => Err(view.attribute_kind("value", "expected as the only attribute")),
        }
    }
}
