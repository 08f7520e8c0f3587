//! The state of a compilation: what every tensor is, what has been emitted, how much room is left.
//!
//! Whatever depends on constants alone is worked out here and leaves no step: integers (shapes, axes, indices)
//! exactly, numbers by running the step once. Moving values about is an index table, or nothing at all.

use std::collections::BTreeMap;

use super::dense::Dense;
use super::elementwise::{Lineup, Unary};
use super::error::CompileError;
use super::kernels::Separate;
use super::shape;
use super::step::{Action, Memory, Place, Step};
use super::view::NodeView;
use crate::engine::{ElementType, LARGEST_WHOLE};
use crate::onnx::{ConstantData, Graph};

/// Most values a graph may make: packed weights, arena, folded constants and index tables together (64 MiB).
pub const ARENA_MAX: usize = 16 << 20;

/// What is known of a named tensor while compiling.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
}

/// Where its values are.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Numbers of a run, or constant ones.
    Number(Place),
    /// Constant whole numbers or truth values.
    Index(Vec<i64>),
}

/// A tensor as a step reads it.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) place: Place,
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
}

/// The compiler's state.
#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) opset: i64,
    pub(super) steps: Vec<Step>,
    pub(super) memory: Memory,
    pub(super) arena_len: usize,
    known: BTreeMap<String, Known>,
    /// How often a tensor is read by nodes or leaves the graph.
    uses: BTreeMap<String, usize>,
    /// The tensor the last step wrote, when that is a layer to which a bias or an activation may still be added.
    open_layer: Option<String>,
    /// Values made so far, against [`ARENA_MAX`].
    made: usize,
}

impl Compiler {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut uses = BTreeMap::new();
        let read = graph.nodes.iter().flat_map(|n| &n.inputs);
        for name in read.chain(graph.outputs.iter().map(|p| &p.name)) {
            *uses.entry(name.clone()).or_insert(0) += 1;
        }
        Self {
            opset: graph.opset,
            steps: Vec::new(),
            memory: Memory::default(),
            arena_len: 0,
            known: BTreeMap::new(),
            uses,
            open_layer: None,
            made: 0,
        }
    }

    /// What is known of `name`.
    pub(super) fn known(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// Gives `name` a meaning.
    pub(super) fn define(
        &mut self,
        name: &str,
        element: ElementType,
        shape: Vec<usize>,
        kind: Kind,
    ) -> Result<(), CompileError> {
        let known = Known { name: name.to_owned(), element, shape, kind };
        if name.is_empty() || self.known.contains_key(name) {
            return Err(CompileError::Redefined { tensor: name.to_owned() });
        }
        self.known.insert(name.to_owned(), known);
        Ok(())
    }

    /// Defines a constant tensor.
    pub(super) fn define_constant(
        &mut self,
        name: &str,
        element: ElementType,
        shape: Vec<usize>,
        data: ConstantData,
    ) -> Result<(), CompileError> {
        let kind = match data {
            ConstantData::I64(values) => Kind::Index(values),
            ConstantData::F32(values) => Kind::Number(self.constant(&values)),
        };
        self.define(name, element, shape, kind)
    }

    /// A place for constant numbers.
    pub(super) fn constant(&mut self, values: &[f32]) -> Place {
        let offset = self.memory.constants.len();
        self.memory.constants.extend_from_slice(values);
        Place::Constant { offset, len: values.len() }
    }

    /// Values of a constant operand.
    pub(super) fn weights(
        &self,
        view: &NodeView<'_>,
        place: Place,
        operand: &'static str,
    ) -> Result<Vec<f32>, CompileError> {
        match place {
            Place::Constant { .. } => Ok(place.read(&self.memory.constants, &[]).to_vec()),
            Place::Arena { .. } => Err(CompileError::NotConstant { node: view.label(), operand }),
        }
    }

    /// Whole numbers as numbers of a run.
    pub(super) fn index_as_numbers(
        &mut self,
        at: &NodeView<'_>,
        values: &[i64],
    ) -> Result<Place, CompileError> {
        self.take_room(values.len(), &at.label())?;
        if let Some(large) = values.iter().find(|v| v.unsigned_abs() > LARGEST_WHOLE as u64) {
            return Err(at.shape_error(format!("the whole number {large}"), "at most 2^24 in magnitude"));
        }
        let numbers: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        Ok(self.constant(&numbers))
    }

    /// Counts `values` more; refuses what no policy needs before anything is made for it.
    pub(super) fn take_room(&mut self, values: usize, at: &str) -> Result<(), CompileError> {
        let made = self.made.checked_add(values).filter(|n| *n <= ARENA_MAX);
        self.made = made.ok_or_else(|| CompileError::Size { at: at.to_owned() })?;
        Ok(())
    }

    /// Number of values of `shape`, counted as made.
    pub(super) fn room_for(&mut self, shape: &[usize], at: &str) -> Result<usize, CompileError> {
        let len = shape::checked_len(shape).ok_or_else(|| CompileError::Size { at: at.to_owned() })?;
        self.take_room(len, at)?;
        Ok(len)
    }

    /// Room in the arena, behind everything before it.
    pub(super) fn reserve(&mut self, len: usize) -> Place {
        let offset = self.arena_len;
        self.arena_len += len;
        Place::Arena { offset, len }
    }

    /// Appends a step that writes `len` values of the arena, already counted.
    pub(super) fn push_step(&mut self, action: Action, len: usize) -> Place {
        let place = self.reserve(len);
        if let Place::Arena { offset, len } = place {
            self.steps.push(Step { action, offset, len });
        }
        self.open_layer = None;
        place
    }

    /// Appends a step that writes `name`, or works it out now when everything it reads is constant.
    pub(super) fn emit(
        &mut self,
        name: &str,
        element: ElementType,
        shape: Vec<usize>,
        mut action: Action,
    ) -> Result<(), CompileError> {
        let len = self.room_for(&shape, name)?;
        let mut constant = true;
        action.each_input(&mut |place| constant &= place.is_constant());
        let place = if constant {
            let mut out = vec![0.0; len];
            Step { action, offset: 0, len }.run::<Separate>(&self.memory, &mut out);
            self.constant(&out)
        } else {
            self.push_step(action, len)
        };
        self.define(name, element, shape, Kind::Number(place))
    }

    /// Appends a layer of constant weights whose output may still take a bias and an activation.
    pub(super) fn emit_layer(
        &mut self,
        name: &str,
        element: ElementType,
        shape: Vec<usize>,
        input: Place,
        layer: Dense,
    ) -> Result<(), CompileError> {
        let len = self.room_for(&shape, name)?;
        let place = self.push_step(Action::Dense { input, layer, then: None }, len);
        self.define(name, element, shape, Kind::Number(place))?;
        self.open_layer = Some(name.to_owned());
        Ok(())
    }

    /// Packs a layer's weights behind those before it.
    pub(super) fn pack(
        &mut self,
        view: &NodeView<'_>,
        size: (usize, usize),
        weight: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Result<Dense, CompileError> {
        let len = Dense::packed_len(size.0, size.1).unwrap_or(usize::MAX);
        self.take_room(len, &view.label())?;
        Ok(Dense::pack(&mut self.memory.weights, size, weight, bias))
    }

    /// True when `name` was written by the last step, a layer, and nothing else reads it.
    fn is_open_layer(&self, name: &str) -> bool {
        self.open_layer.as_deref() == Some(name) && self.uses.get(name) == Some(&1)
    }

    /// Puts an activation into the layer that wrote `input`; false when it has to be a step of its own.
    pub(super) fn activate_layer(
        &mut self,
        input: &Known,
        output: &str,
        op: Unary,
    ) -> Result<bool, CompileError> {
        if !self.is_open_layer(&input.name) {
            return Ok(false);
        }
        let Some(Step { action: Action::Dense { then, .. }, .. }) = self.steps.last_mut() else {
            return Ok(false);
        };
        *then = Some(op);
        self.open_layer = None;
        self.define(output, input.element, input.shape.clone(), input.kind.clone())?;
        Ok(true)
    }

    /// Puts an added constant into the biases of the layer that wrote `input`; false when it has to be a step.
    pub(super) fn bias_layer(
        &mut self,
        input: &Known,
        bias: &Operand,
        output: &str,
    ) -> Result<bool, CompileError> {
        let Some((last, leading)) = bias.shape.split_last() else { return Ok(false) };
        let fits = bias.place.is_constant()
            && input.shape.len() >= bias.shape.len()
            && leading.iter().all(|d| *d == 1)
            && input.shape.last() == Some(last);
        if !fits || !self.is_open_layer(&input.name) {
            return Ok(false);
        }
        let Some(Step { action: Action::Dense { layer, .. }, .. }) = self.steps.last() else {
            return Ok(false);
        };
        let values = bias.place.read(&self.memory.constants, &[]);
        layer.add_bias(&mut self.memory.weights, |o| values.get(o).copied().unwrap_or(f32::NAN));
        self.define(output, input.element, input.shape.clone(), input.kind.clone())?;
        self.open_layer = Some(output.to_owned());
        Ok(true)
    }

    /// Defines `output` as values of `known` in another order. `table` holds the position of each.
    pub(super) fn rearrange(
        &mut self,
        known: &Known,
        output: &str,
        shape: Vec<usize>,
        table: &[usize],
    ) -> Result<(), CompileError> {
        let kind = match &known.kind {
            Kind::Index(values) => {
                Kind::Index(table.iter().filter_map(|at| values.get(*at)).copied().collect())
            }
            Kind::Number(input) => {
                let first = table.first().copied().unwrap_or(0);
                if !table.iter().enumerate().all(|(i, at)| *at == first + i) {
                    let table = table.iter().map(|at| *at as u32).collect();
                    return self.emit(output, known.element, shape, Action::Gather { input: *input, table });
                }
                Kind::Number(input.part(first, table.len()))
            }
        };
        self.define(output, known.element, shape, kind)
    }

    /// How the values of a tensor line up with a result of shape `out`.
    pub(super) fn lineup(&mut self, from: &[usize], out: &[usize], at: &str) -> Result<Lineup, CompileError> {
        Ok(match shape::len(from) {
            n if n == shape::len(out) => Lineup::Same,
            1 => Lineup::Scalar,
            _ => {
                self.take_room(shape::len(out), at)?;
                Lineup::Table(shape::broadcast_table(from, out).into_iter().map(|i| i as u32).collect())
            }
        })
    }
}
