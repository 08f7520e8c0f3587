//! Matrix products.

use super::super::compiler::{Compiler, Operand};
use super::super::elementwise::{Binary, Lineup};
use super::super::error::CompileError;
use super::super::shape;
use super::super::step::{Action, Place};
use super::super::view::NodeView;

impl Compiler {
    pub(super) fn gemm(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(2, 3)?;
        view.only_attributes(&["alpha", "beta", "transA", "transB"])?;
        let (alpha, beta) = (view.float("alpha", 1.0)?, view.float("beta", 1.0)?);
        if view.int("transA", 0)? != 0 {
            return Err(view.attribute_kind("transA", "expected 0"));
        }
        let transposed = view.int("transB", 0)? != 0;
        let (a, b) = (view.float_input(self, 0)?, view.float_input(self, 1)?);
        let ([rows, inputs], [b0, b1]) = (a.shape.as_slice(), b.shape.as_slice()) else {
            let found = format!("shapes {:?} and {:?}", a.shape, b.shape);
            return Err(view.shape_error(found, "two matrices"));
        };
        let (rows, inputs) = (*rows, *inputs);
        let (b_inputs, outputs) = if transposed { (*b1, *b0) } else { (*b0, *b1) };
        if b_inputs != inputs {
            let found = format!("{inputs} input values and weights for {b_inputs}");
            return Err(view.shape_error(found, "the same number"));
        }
        let weights = self.weights(view, b.place, "the weight matrix")?;
        let out = vec![rows, outputs];
        let bias = view.optional_float(self, 2)?;
        if let Some(bias) = &bias
            && shape::broadcast(&bias.shape, &out).as_ref() != Some(&out)
        {
            let found = format!("bias of shape {:?}", bias.shape);
            return Err(view.shape_error(found, format!("shape {out:?}")));
        }
        let weight = |i: usize, o: usize| {
            let at = if transposed { o * inputs + i } else { i * outputs + o };
            alpha * weights.get(at).copied().unwrap_or(f32::NAN)
        };
        let Some(bias) = bias else {
            return self.layer(view, &a, (inputs, outputs), out, weight, |_| 0.0);
        };
        let values: Vec<f32> = self.weights(view, bias.place, "the bias")?.iter().map(|v| beta * v).collect();
        if bias.shape.len() < 2 || bias.shape.first() == Some(&1) || rows == 1 {
            let table = shape::broadcast_table(&bias.shape, &[1, outputs]);
            let start = |o: usize| table.get(o).and_then(|at| values.get(*at)).copied().unwrap_or(f32::NAN);
            return self.layer(view, &a, (inputs, outputs), out, weight, start);
        }
        // Another bias for each row: a step of its own.
        let product = format!("{}\u{0}product", view.label());
        let layer = self.pack(view, (inputs, outputs), weight, |_| 0.0)?;
        self.emit_layer(&product, a.element, out.clone(), a.place, layer)?;
        let product = self.known(&product).cloned().ok_or_else(|| view.shape_error("no product", "one"))?;
        let product = view.operand(self, product)?;
        let bias_at = self.constant(&values);
        let lineup = self.lineup(&bias.shape, &out, &view.label())?;
        let sum = Action::Binary { op: Binary::Add, a: (product.place, Lineup::Same), b: (bias_at, lineup) };
        self.emit(view.output()?, a.element, out, sum)
    }

    pub(super) fn matmul(&mut self, view: &NodeView<'_>) -> Result<(), CompileError> {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, b) = (view.float_input(self, 0)?, view.float_input(self, 1)?);
        let mismatch =
            |expected: &str| view.shape_error(format!("shapes {:?} and {:?}", a.shape, b.shape), expected);
        let (Some((inputs, leading)), Some((outputs, b_leading))) =
            (a.shape.split_last(), b.shape.split_last())
        else {
            return Err(mismatch("two tensors with dimensions"));
        };
        let Some((b_inputs, batch)) = b_leading.split_last() else {
            return Err(mismatch("a matrix on the right"));
        };
        let (inputs, outputs) = (*inputs, *outputs);
        if inputs != *b_inputs {
            return Err(mismatch("matching inner dimensions"));
        }
        let mut out = leading.to_vec();
        out.push(outputs);
        if matches!(b.place, Place::Constant { .. }) && batch.is_empty() {
            let weights = self.weights(view, b.place, "the weight matrix")?;
            let weight = |i: usize, o: usize| weights.get(i * outputs + o).copied().unwrap_or(f32::NAN);
            return self.layer(view, &a, (inputs, outputs), out, weight, |_| 0.0);
        }
        // One matrix for all rows, or one for each of the batch.
        let rows = match leading.split_last() {
            _ if batch.is_empty() => shape::len(leading),
            Some((rows, a_batch)) if a_batch == batch => *rows,
            _ => return Err(mismatch("equal leading dimensions, or a matrix of rank 2 on the right")),
        };
        let action = Action::Product { a: a.place, b: b.place, size: (rows, inputs, outputs) };
        self.emit(view.output()?, a.element, out, action)
    }

    /// A layer of constant weights; worked out at once when its input is constant, too.
    fn layer(
        &mut self,
        view: &NodeView<'_>,
        input: &Operand,
        size: (usize, usize),
        out: Vec<usize>,
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Result<(), CompileError> {
        let layer = self.pack(view, size, weight, bias)?;
        if input.place.is_constant() {
            let action = Action::Dense { input: input.place, layer, then: None };
            return self.emit(view.output()?, input.element, out, action);
        }
        self.emit_layer(view.output()?, input.element, out, input.place, layer)
    }
}
