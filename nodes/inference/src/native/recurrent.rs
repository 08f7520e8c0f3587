//! LSTM and GRU, forward, in the gate order of ONNX (LSTM: input, output, forget, cell; GRU: update, reset, new).
//!
//! A step writes its outputs and keeps its scratch behind them. The state comes in and goes out as tensors, so an
//! engine remembers nothing from run to run.

use super::dense::{Dense, Weights};
use super::elementwise::{Unary, unary};
use super::kernels::Arithmetic;
use super::step::{Place, copy};

/// Sizes of a recurrent step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Time steps in one run.
    pub(super) steps: usize,
    /// Independent sequences.
    pub(super) batch: usize,
    /// Values per input.
    pub(super) inputs: usize,
    /// Values of hidden state.
    pub(super) hidden: usize,
}

impl Extent {
    /// Values of all hidden states of a run.
    pub(super) fn all(&self) -> Option<usize> {
        self.steps.checked_mul(self.one()?)
    }

    /// Values of the hidden states after a run.
    pub(super) fn one(&self) -> Option<usize> {
        self.batch.checked_mul(self.hidden)
    }
}

/// A long short-term memory. Its output is laid out as all hidden states, the last ones, the last cells, scratch.
#[derive(Clone, Debug)]
pub(super) struct Lstm {
    pub(super) input: Place,
    pub(super) hidden_start: Option<Place>,
    pub(super) cell_start: Option<Place>,
    /// From input and hidden state, one behind the other, to the four gates.
    pub(super) gates: Dense,
    pub(super) extent: Extent,
}

impl Lstm {
    /// Values of scratch behind the outputs.
    pub(super) fn scratch(extent: Extent) -> Option<usize> {
        extent.hidden.checked_mul(5)?.checked_add(extent.inputs)
    }

    #[inline(always)]
    pub(super) fn run<A: Arithmetic>(
        &self,
        weights: &Weights,
        input: &[f32],
        hidden_start: Option<&[f32]>,
        cell_start: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let Extent { steps, batch, inputs, hidden } = self.extent;
        let Some((all, rest)) = out.split_at_mut_checked(steps * batch * hidden) else { return };
        let Some((last, rest)) = rest.split_at_mut_checked(batch * hidden) else { return };
        let Some((cells, rest)) = rest.split_at_mut_checked(batch * hidden) else { return };
        let Some((joined, gates)) = rest.split_at_mut_checked(inputs + hidden) else { return };
        start(hidden_start, last);
        start(cell_start, cells);
        if hidden == 0 {
            return;
        }
        for step in 0..steps {
            let states = last.chunks_exact_mut(hidden).zip(cells.chunks_exact_mut(hidden)).enumerate();
            for (sequence, (state, cell)) in states {
                let at = step * batch + sequence;
                join(input.get(at * inputs..).unwrap_or(&[]), state, joined, inputs);
                self.gates.run::<A>(weights, joined, gates);
                let Some((squashed, new)) = gates.split_at_mut_checked(3 * hidden) else { return };
                unary::<A>(Unary::Sigmoid, squashed);
                unary::<A>(Unary::Tanh, new);
                let Some((enter, rest)) = squashed.split_at_checked(hidden) else { return };
                let Some((leave, forget)) = rest.split_at_checked(hidden) else { return };
                for (((cell, enter), forget), new) in cell.iter_mut().zip(enter).zip(forget).zip(&*new) {
                    *cell = forget * *cell + enter * new;
                }
                copy(cell, state);
                unary::<A>(Unary::Tanh, state);
                for (state, leave) in state.iter_mut().zip(leave) {
                    *state *= leave;
                }
                copy(state, all.get_mut(at * hidden..).unwrap_or(&mut []));
            }
        }
    }
}

/// A gated recurrent unit. Its output is laid out as all hidden states, the last ones, scratch.
#[derive(Clone, Debug)]
pub(super) struct Gru {
    pub(super) input: Place,
    pub(super) hidden_start: Option<Place>,
    /// From the input to the three gates.
    pub(super) from_input: Dense,
    /// From the hidden state to the update and reset gates, and to the new value when reset comes after.
    pub(super) from_hidden: Dense,
    /// From the hidden state already reset to the new value.
    pub(super) from_reset: Option<Dense>,
    pub(super) extent: Extent,
}

impl Gru {
    /// Values of scratch behind the outputs.
    pub(super) fn scratch(extent: Extent) -> Option<usize> {
        extent.hidden.checked_mul(7)
    }

    #[inline(always)]
    pub(super) fn run<A: Arithmetic>(
        &self,
        weights: &Weights,
        input: &[f32],
        hidden_start: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let Extent { steps, batch, inputs, hidden } = self.extent;
        let Some((all, rest)) = out.split_at_mut_checked(steps * batch * hidden) else { return };
        let Some((last, rest)) = rest.split_at_mut_checked(batch * hidden) else { return };
        let Some((gates, rest)) = rest.split_at_mut_checked(3 * hidden) else { return };
        let Some((recurrent, scratch)) = rest.split_at_mut_checked(3 * hidden) else { return };
        start(hidden_start, last);
        if hidden == 0 {
            return;
        }
        for step in 0..steps {
            for (sequence, state) in last.chunks_exact_mut(hidden).enumerate() {
                let at = step * batch + sequence;
                let from = input.get(at * inputs..(at + 1) * inputs).unwrap_or(&[]);
                self.from_input.run::<A>(weights, from, gates);
                let Some((both, new)) = gates.split_at_mut_checked(2 * hidden) else { return };
                let width = self.from_hidden.outputs();
                let Some(first) = recurrent.get_mut(..width) else { return };
                self.from_hidden.run::<A>(weights, state, first);
                let Some((gated, linear)) = recurrent.split_at_mut_checked(2 * hidden) else { return };
                for (gate, add) in both.iter_mut().zip(gated) {
                    *gate += *add;
                }
                unary::<A>(Unary::Sigmoid, both);
                let Some((update, reset)) = both.split_at_checked(hidden) else { return };
                if let Some(layer) = &self.from_reset {
                    for ((kept, reset), state) in scratch.iter_mut().zip(reset).zip(&*state) {
                        *kept = reset * state;
                    }
                    layer.run::<A>(weights, scratch, linear);
                    for (new, linear) in new.iter_mut().zip(&*linear) {
                        *new += linear;
                    }
                } else {
                    for ((new, reset), linear) in new.iter_mut().zip(reset).zip(&*linear) {
                        *new += reset * linear;
                    }
                }
                unary::<A>(Unary::Tanh, new);
                for ((state, update), new) in state.iter_mut().zip(update).zip(&*new) {
                    *state = (1.0 - update) * new + update * *state;
                }
                copy(state, all.get_mut(at * hidden..).unwrap_or(&mut []));
            }
        }
    }
}

#[inline(always)]
fn start(from: Option<&[f32]>, state: &mut [f32]) {
    match from {
        Some(from) => copy(from, state),
        None => state.fill(0.0),
    }
}

#[inline(always)]
fn join(input: &[f32], state: &[f32], joined: &mut [f32], inputs: usize) {
    let Some((head, tail)) = joined.split_at_mut_checked(inputs) else { return };
    copy(input, head);
    copy(state, tail);
}
