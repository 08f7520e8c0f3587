//! LSTM and GRU as exporters write them: forward, one or more time steps, the state in and out as tensors.

use super::super::compiler::{Compiler, Kind, Operand};
use super::super::error::CompileError;
use super::super::recurrent::{Extent, Gru, Lstm};
use super::super::step::{Action, Place};
use super::super::view::NodeView;
use crate::engine::ElementType;
use crate::onnx::AttributeValue;

type Verdict = Result<(), CompileError>;

/// What both kinds read.
struct Cell {
    input: Operand,
    extent: Extent,
    /// `[gates * hidden, inputs]`.
    weights: Vec<f32>,
    /// `[gates * hidden, hidden]`.
    recurrence: Vec<f32>,
    /// Biases of the input and of the hidden state, `gates * hidden` each.
    bias: Vec<f32>,
    hidden_start: Option<Place>,
}

impl Compiler {
    pub(super) fn lstm(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(3, 8)?;
        view.only_attributes(&["hidden_size", "direction", "activations", "layout", "input_forget"])?;
        if view.int("input_forget", 0)? != 0 {
            return Err(view.attribute_kind("input_forget", "expected 0"));
        }
        activations(view, &["Sigmoid", "Tanh", "Tanh"])?;
        let cell = self.cell(view, 4)?;
        let cell_start = self.start(view, 6, cell.extent)?;
        if view.optional(self, 7)?.is_some() {
            return Err(view.shape_error("peephole weights", "an LSTM without peepholes"));
        }
        let Extent { inputs, hidden, .. } = cell.extent;
        let rows = 4 * hidden;
        let at = |values: &[f32], i: usize| values.get(i).copied().unwrap_or(f32::NAN);
        // The runtime wants input, output, forget, cell: the order of ONNX.
        let weight = |i: usize, gate: usize| match i.checked_sub(inputs) {
            None => at(&cell.weights, gate * inputs + i),
            Some(h) => at(&cell.recurrence, gate * hidden + h),
        };
        let bias = |gate: usize| at(&cell.bias, gate) + at(&cell.bias, rows + gate);
        let gates = self.pack(view, (inputs.saturating_add(hidden), rows), weight, bias)?;
        let extent = cell.extent;
        let (input, hidden_start) = (cell.input.place, cell.hidden_start);
        let lstm = Lstm { input, hidden_start, cell_start, gates, extent };
        let scratch = Lstm::scratch(extent);
        self.recurrent(view, Action::Lstm(Box::new(lstm)), cell.input.element, extent, 2, scratch)
    }

    pub(super) fn gru(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(3, 6)?;
        view.only_attributes(&["hidden_size", "direction", "activations", "layout", "linear_before_reset"])?;
        activations(view, &["Sigmoid", "Tanh"])?;
        let reset_after = view.int("linear_before_reset", 0)? != 0;
        let cell = self.cell(view, 3)?;
        let Extent { inputs, hidden, .. } = cell.extent;
        let rows = 3 * hidden;
        let at = |values: &[f32], i: usize| values.get(i).copied().unwrap_or(f32::NAN);
        // Biases of both sides are added where nothing comes between them.
        let joined = |gate: usize| gate < 2 * hidden || !reset_after;
        let input_bias =
            |gate: usize| at(&cell.bias, gate) + if joined(gate) { at(&cell.bias, rows + gate) } else { 0.0 };
        let weight = |i: usize, gate: usize| at(&cell.weights, gate * inputs + i);
        let from_input = self.pack(view, (inputs, rows), weight, input_bias)?;
        let recurrence = |h: usize, gate: usize| at(&cell.recurrence, gate * hidden + h);
        let width = if reset_after { rows } else { 2 * hidden };
        let hidden_bias = |gate: usize| if joined(gate) { 0.0 } else { at(&cell.bias, rows + gate) };
        let from_hidden = self.pack(view, (hidden, width), recurrence, hidden_bias)?;
        let from_reset = match reset_after {
            true => None,
            false => {
                let last = |h: usize, gate: usize| recurrence(h, 2 * hidden + gate);
                Some(self.pack(view, (hidden, hidden), last, |_| 0.0)?)
            }
        };
        let extent = cell.extent;
        let (input, hidden_start) = (cell.input.place, cell.hidden_start);
        let gru = Gru { input, hidden_start, from_input, from_hidden, from_reset, extent };
        let scratch = Gru::scratch(extent);
        self.recurrent(view, Action::Gru(Box::new(gru)), cell.input.element, extent, 1, scratch)
    }

    /// Reads and checks what LSTM and GRU have in common; `gates` per hidden value.
    fn cell(&mut self, view: &NodeView<'_>, gates: usize) -> Result<Cell, CompileError> {
        if view.text("direction", "forward")? != "forward" {
            return Err(view.attribute_kind("direction", "expected `forward`"));
        }
        if view.int("layout", 0)? != 0 {
            return Err(view.attribute_kind("layout", "expected 0 (time steps first)"));
        }
        let input = view.float_input(self, 0)?;
        let (w, r) = (view.float_input(self, 1)?, view.float_input(self, 2)?);
        let ([steps, batch, inputs], [1, w_rows, w_inputs], [1, r_rows, hidden]) =
            (input.shape.as_slice(), w.shape.as_slice(), r.shape.as_slice())
        else {
            let found = format!("shapes {:?}, {:?} and {:?}", input.shape, w.shape, r.shape);
            return Err(view.shape_error(found, "[steps, batch, inputs] and weights of one direction"));
        };
        let extent = Extent { steps: *steps, batch: *batch, inputs: *inputs, hidden: *hidden };
        let rows = gates.checked_mul(*hidden).filter(|n| n == w_rows && n == r_rows && w_inputs == inputs);
        let named = usize::try_from(view.int("hidden_size", *hidden as i64)?).ok();
        let Some(rows) = rows.filter(|_| named == Some(*hidden)) else {
            let found =
                format!("hidden_size {named:?}, shapes {:?}, {:?}, {:?}", input.shape, w.shape, r.shape);
            return Err(view.shape_error(found, format!("{gates} gates for each of {hidden} hidden values")));
        };
        let bias = match view.optional_float(self, 3)? {
            None => vec![0.0; 2 * rows],
            Some(b) if b.shape == [1, 2 * rows] => self.weights(view, b.place, "the bias")?,
            Some(b) => {
                return Err(
                    view.shape_error(format!("bias of shape {:?}", b.shape), format!("[1, {}]", 2 * rows))
                );
            }
        };
        if let Some(lengths) = view.integers(self, 4, "the sequence lengths")?
            && lengths.iter().any(|n| usize::try_from(*n).ok() != Some(*steps))
        {
            return Err(view.shape_error(format!("sequence lengths {lengths:?}"), format!("all {steps}")));
        }
        let weights = self.weights(view, w.place, "the input weights")?;
        let recurrence = self.weights(view, r.place, "the recurrent weights")?;
        let hidden_start = self.start(view, 5, extent)?;
        Ok(Cell { input: input.clone(), extent, weights, recurrence, bias, hidden_start })
    }

    /// A state at the start, `[1, batch, hidden]`; zeros when it is left out.
    fn start(
        &mut self,
        view: &NodeView<'_>,
        index: usize,
        extent: Extent,
    ) -> Result<Option<Place>, CompileError> {
        let Some(state) = view.optional_float(self, index)? else { return Ok(None) };
        if state.shape != [1, extent.batch, extent.hidden] {
            let expected = format!("[1, {}, {}]", extent.batch, extent.hidden);
            return Err(view.shape_error(format!("a state of shape {:?}", state.shape), expected));
        }
        Ok(Some(state.place))
    }

    /// Appends the step and names its outputs: all hidden states, the last ones, for an LSTM the last cells.
    fn recurrent(
        &mut self,
        view: &NodeView<'_>,
        action: Action,
        element: ElementType,
        extent: Extent,
        states: usize,
        scratch: Option<usize>,
    ) -> Verdict {
        let too_large = || CompileError::Size { at: view.label() };
        let (all, one) = extent.all().zip(extent.one()).ok_or_else(too_large)?;
        let len = one.checked_mul(states).and_then(|n| n.checked_add(all)?.checked_add(scratch?));
        let len = len.ok_or_else(too_large)?;
        self.take_room(len, &view.label())?;
        let place = self.push_step(action, len);
        if view.node.outputs.len() > states + 1 {
            let found = format!("{} outputs", view.node.outputs.len());
            return Err(view.shape_error(found, format!("at most {}", states + 1)));
        }
        for index in 0..=states {
            let Some(output) = view.wanted_output(index) else { continue };
            let (first, count, shape) = match index {
                0 => (0, all, vec![extent.steps, 1, extent.batch, extent.hidden]),
                n => (all + (n - 1) * one, one, vec![1, extent.batch, extent.hidden]),
            };
            self.define(output, element, shape, Kind::Number(place.part(first, count)))?;
        }
        Ok(())
    }
}

/// The usual functions only.
fn activations(view: &NodeView<'_>, usual: &[&str]) -> Verdict {
    match view.attribute("activations") {
        None => Ok(()),
        Some(AttributeValue::Texts(names)) if names == usual => Ok(()),
        Some(_) => Err(view.attribute_kind("activations", "expected the usual Sigmoid and Tanh")),
    }
}
