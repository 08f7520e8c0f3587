//! Compiling a graph: every shape is worked out, every index table written, every refusal made here.

use std::collections::BTreeMap;

use super::compiler::{Compiler, Kind};
use super::elementwise::Unary;
use super::error::CompileError;
use super::operators::{OPSET_MAX, OPSET_MIN};
use super::step::{Action, Memory, Place, Step};
use super::view::NodeView;
use crate::engine::{ElementType, EngineIo, TensorInfo};
use crate::onnx::{Dimension, Graph, Node, Port};

/// A compiled graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) memory: Memory,
    pub(super) arena_len: usize,
    pub(super) inputs: Vec<Place>,
    pub(super) outputs: Vec<Place>,
}

impl Plan {
    /// Compiles `graph` with its inputs fixed to `inputs`.
    pub(super) fn compile(graph: &Graph, inputs: &[TensorInfo]) -> Result<(Self, EngineIo), CompileError> {
        if !(OPSET_MIN..=OPSET_MAX).contains(&graph.opset) {
            return Err(CompileError::Opset { found: graph.opset });
        }
        let mut compiler = Compiler::new(graph);
        for constant in &graph.constants {
            let data = constant.data.clone();
            compiler.define_constant(&constant.name, constant.element, constant.shape.clone(), data)?;
        }
        let mut io = EngineIo::default();
        let mut input_places = Vec::with_capacity(graph.inputs.len());
        for port in &graph.inputs {
            let pinned = pinned(port, inputs)?;
            let len = compiler.room_for(&pinned.shape, &port.name)?;
            input_places.push(compiler.reserve(len));
            io.inputs.push(pinned.clone());
        }
        if let Some(unknown) = inputs.iter().find(|t| !graph.inputs.iter().any(|p| p.name == t.name)) {
            let names: Vec<&str> = graph.inputs.iter().map(|p| p.name.as_str()).collect();
            let found = "no such input in the graph".to_owned();
            let expected = format!("one of {}", names.join(", "));
            return Err(CompileError::Port { tensor: unknown.name.clone(), found, expected });
        }
        for (info, place) in io.inputs.iter().zip(&input_places) {
            if info.element == ElementType::F16 {
                // What other runtimes would see: the value as 16 bits hold it.
                let round = Action::Unary { op: Unary::RoundF16, input: *place };
                compiler.emit(&info.name, info.element, info.shape.clone(), round)?;
            } else {
                compiler.define(&info.name, info.element, info.shape.clone(), Kind::Number(*place))?;
            }
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            compiler.node(node, index)?;
        }
        let mut plan = Self { inputs: input_places, ..Self::default() };
        for port in &graph.outputs {
            let (place, info) = plan.output(&mut compiler, port)?;
            plan.outputs.push(place);
            io.outputs.push(info);
        }
        plan.steps = compiler.steps;
        plan.arena_len = compiler.arena_len;
        plan.memory = compiler.memory;
        plan.keep_used_constants();
        Ok((plan, io))
    }

    fn output(&self, compiler: &mut Compiler, port: &Port) -> Result<(Place, TensorInfo), CompileError> {
        let known = compiler.known(&port.name).cloned().ok_or_else(|| CompileError::Undefined {
            node: "graph outputs".to_owned(),
            tensor: port.name.clone(),
        })?;
        let label = Node { op: "Output".into(), outputs: vec![port.name.clone()], ..Node::default() };
        let mut place = match &known.kind {
            Kind::Number(place) => *place,
            Kind::Index(values) => compiler.index_as_numbers(&NodeView::new(&label, 0), values)?,
        };
        // An output that merely is an input would change when the next input is written.
        if self.inputs.iter().any(|input| overlap(*input, place)) {
            let len = compiler.room_for(&known.shape, &port.name)?;
            place = compiler.push_step(Action::Copy { input: place }, len);
        }
        Ok((place, TensorInfo { name: port.name.clone(), element: known.element, shape: known.shape }))
    }

    /// Constants in the order of their use, and no others: weights were packed elsewhere.
    fn keep_used_constants(&mut self) {
        let old = std::mem::take(&mut self.memory.constants);
        let new = &mut self.memory.constants;
        let mut moved: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut keep = |place: &mut Place| {
            if let Place::Constant { offset, len } = place {
                *offset = *moved.entry((*offset, *len)).or_insert_with(|| {
                    new.extend_from_slice(old.get(*offset..*offset + *len).unwrap_or(&[]));
                    new.len() - *len
                });
            }
        };
        self.steps.iter_mut().for_each(|step| step.action.each_input(&mut keep));
        self.outputs.iter_mut().for_each(keep);
        self.memory.constants.shrink_to_fit();
        self.memory.weights.seal();
    }
}

/// What the caller says of a graph input, when it is what the graph says, too.
fn pinned<'a>(port: &Port, inputs: &'a [TensorInfo]) -> Result<&'a TensorInfo, CompileError> {
    let wrong = |found: String, expected: String| {
        Err(CompileError::Port { tensor: port.name.clone(), found, expected })
    };
    let Some(pinned) = inputs.iter().find(|t| t.name == port.name) else {
        return wrong(
            "an input of the graph without a shape".to_owned(),
            "an [[input]] of the manifest that gives it".to_owned(),
        );
    };
    if pinned.element.onnx() != port.element_type {
        let held = ElementType::from_onnx(port.element_type)
            .map_or_else(|| format!("element type {}", port.element_type), |e| e.name().to_owned());
        return wrong(format!("{held} in the graph"), format!("{}, as the manifest says", pinned.element));
    }
    if let Some(dimensions) = &port.shape {
        let fits = dimensions.len() == pinned.shape.len()
            && dimensions.iter().zip(&pinned.shape).all(|(d, n)| match d {
                Dimension::Fixed(size) => size == n,
                Dimension::Open(_) => true,
            });
        if !fits {
            let shown: Vec<String> = dimensions.iter().map(ToString::to_string).collect();
            let found = format!("shape [{}] in the graph", shown.join(", "));
            return wrong(found, format!("{:?}, as the manifest says", pinned.shape));
        }
    }
    Ok(pinned)
}

fn overlap(a: Place, b: Place) -> bool {
    match (a, b) {
        (Place::Arena { offset: a, len: n }, Place::Arena { offset: b, len: m }) => a < b + m && b < a + n,
        _ => false,
    }
}
