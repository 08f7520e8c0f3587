//! The models of the suite, and what must come out of them; made by `tests/data/conformance/make_conformance.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::{ElementType, EngineIo, TensorInfo};
use crate::onnx::Graph;
use crate::{CompileError, NativeEngine};

/// A model with its ticks.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name, as in reports.
    pub name: String,
    /// What it shows.
    pub shows: String,
    /// The graph file.
    pub graph: &'static [u8],
    /// Files beside the graph: name as the graph calls it, and bytes.
    pub external: &'static [(&'static str, &'static [u8])],
    /// Tensors, in the order of the graph.
    pub io: EngineIo,
    /// Input and output index of each state; the first tick starts from zeros.
    pub states: Vec<(usize, usize)>,
    /// Consecutive ticks.
    pub ticks: Vec<Tick>,
}

/// Values of one tick by tensor index; those of state inputs are empty, since they come from the tick before.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Per input.
    pub inputs: Vec<Vec<f32>>,
    /// Per output.
    pub outputs: Vec<Vec<f32>>,
}

/// A file of the suite that cannot be read; only a broken build has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("conformance case `{case}`: {reason}; write it anew with make_conformance.py")]
pub struct CaseError {
    /// Which case.
    pub case: String,
    /// What is wrong.
    pub reason: String,
}

struct File {
    name: &'static str,
    graph: &'static [u8],
    text: &'static str,
    external: &'static [(&'static str, &'static [u8])],
}

macro_rules! file {
    ($name:literal) => {
        file!($name, &[])
    };
    ($name:literal, $external:expr) => {
        File {
            name: $name,
            graph: include_bytes!(concat!("../../tests/data/conformance/", $name, ".onnx")),
            text: include_str!(concat!("../../tests/data/conformance/", $name, ".json")),
            external: $external,
        }
    };
}

const FILES: &[File] = &[
    file!("mlp"),
    file!("matmul"),
    file!("activations"),
    file!("lstm"),
    file!("lstm_sequence"),
    file!("gru"),
    file!("gru_early_reset"),
    file!("layer_norm"),
    file!("layer_norm_pieces"),
    file!("normaliser"),
    file!(
        "external",
        &[("external.onnx.data", include_bytes!("../../tests/data/conformance/external.onnx.data"))]
    ),
    file!("half"),
    file!("motion"),
    file!("attention"),
    file!("quantised"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    shows: String,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    states: Vec<State>,
    ticks: Vec<TickText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    name: String,
    element: String,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    input: String,
    output: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TickText {
    inputs: BTreeMap<String, Vec<f32>>,
    outputs: BTreeMap<String, Vec<f32>>,
}

impl Case {
    /// Every case of the suite.
    pub fn all() -> Result<Vec<Self>, CaseError> {
        FILES.iter().map(Self::read).collect()
    }

    /// Builds the native executor of the case, its tensors as in `io`.
    pub fn native(&self, io: &EngineIo) -> Result<NativeEngine, CaseBuildError> {
        let external = |file: &str| self.external.iter().find(|(name, _)| *name == file).map(|(_, b)| *b);
        let graph = Graph::parse_with(self.graph, &external)?;
        Ok(NativeEngine::compile(&graph, &io.inputs)?)
    }

    fn read(file: &File) -> Result<Self, CaseError> {
        let wrong = |reason: String| CaseError { case: file.name.to_owned(), reason };
        let text: Text = serde_json::from_str(file.text).map_err(|e| wrong(e.to_string()))?;
        let info = |tensor: &Tensor| {
            let all =
                [ElementType::F32, ElementType::F16, ElementType::I64, ElementType::I32, ElementType::Bool];
            let element = all.into_iter().find(|e| e.name() == tensor.element);
            let element = element.ok_or_else(|| wrong(format!("element type {}", tensor.element)))?;
            Ok(TensorInfo { name: tensor.name.clone(), element, shape: tensor.shape.clone() })
        };
        let io = EngineIo {
            inputs: text.inputs.iter().map(info).collect::<Result<_, CaseError>>()?,
            outputs: text.outputs.iter().map(info).collect::<Result<_, CaseError>>()?,
        };
        let state = |s: &State| {
            let pair = io.input_index(&s.input).zip(io.output_index(&s.output));
            pair.ok_or_else(|| wrong(format!("state {} from {}", s.input, s.output)))
        };
        let states = text.states.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        let values = |tensors: &[TensorInfo], given: &BTreeMap<String, Vec<f32>>, left_out: &[usize]| {
            let one = |(index, info): (usize, &TensorInfo)| match given.get(&info.name) {
                Some(values) if values.len() == info.len() => Ok(values.clone()),
                None if left_out.contains(&index) => Ok(Vec::new()),
                _ => Err(wrong(format!("values of `{}`", info.name))),
            };
            tensors.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()
        };
        let fed: Vec<usize> = states.iter().map(|(input, _)| *input).collect();
        let tick = |tick: &TickText| {
            Ok(Tick {
                inputs: values(&io.inputs, &tick.inputs, &fed)?,
                outputs: values(&io.outputs, &tick.outputs, &[])?,
            })
        };
        let ticks = text.ticks.iter().map(tick).collect::<Result<Vec<_>, CaseError>>()?;
        if text.name != file.name || ticks.len() < 2 {
            return Err(wrong(format!("name {}, {} ticks", text.name, ticks.len())));
        }
        let (graph, external) = (file.graph, file.external);
        Ok(Self { name: text.name, shows: text.shows, graph, external, io, states, ticks })
    }
}

/// Why the native executor of a case was not built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CaseBuildError {
    /// The graph was not read.
    #[error(transparent)]
    Graph(#[from] crate::onnx::GraphError),
    /// The graph was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}
