//! One model on tract: shapes pinned, optimised once, values converted at the seam.

use std::path::{Component, Path};
use std::sync::Arc;

use sinew_inference::{ElementType, Engine, EngineIo, RunError, TensorInfo, check_values};
use tract_onnx::prelude::TractError as TractFailure;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, IntoTValue, TVec,
    Tensor, TractResult, TypedRunnableModel,
};
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

/// Why a model does not run on tract.
#[derive(Debug, thiserror::Error)]
pub enum TractError {
    /// tract refused the graph.
    #[error("tract: {reason}; use operators that it has, or engine = [\"native\", \"onnxruntime\"]")]
    Graph {
        /// What it said.
        reason: String,
    },
    /// Other tensors than the manifest's.
    #[error("tract: the graph has the {direction}s {found}; expected {expected}; export the model again")]
    Tensors {
        /// `input` or `output`.
        direction: &'static str,
        /// In the graph.
        found: String,
        /// In the manifest.
        expected: String,
    },
    /// A tensor of another type or shape.
    #[error(
        "tract: {direction} `{tensor}` is {found}; expected {expected}; correct the manifest or export again"
    )]
    Tensor {
        /// `input` or `output`.
        direction: &'static str,
        /// Tensor.
        tensor: String,
        /// In the graph.
        found: String,
        /// In the manifest.
        expected: String,
    },
    /// Weights are read from files; they are laid out in a temporary folder.
    #[error("tract: cannot lay out `{file}`: {reason}; check that the temporary folder can be written")]
    Layout {
        /// File.
        file: String,
        /// Why not.
        reason: String,
    },
}

/// A plan with its buffers.
pub struct TractEngine {
    io: EngineIo,
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
}

impl TractEngine {
    /// Builds the engine of a graph with its external data, all tensors as in `io`, which may be in any order.
    pub fn new(graph: &[u8], external: &[(String, Arc<[u8]>)], io: &EngineIo) -> Result<Self, TractError> {
        let told = |e: TractFailure| TractError::Graph { reason: format!("{e:#}") };
        let mut model = parse(graph, external)?;
        let input_names: Vec<String> =
            model.input_outlets().map_err(told)?.iter().map(|o| model.node(o.node).name.clone()).collect();
        let inputs = ordered("input", &input_names, &io.inputs)?;
        for (index, info) in inputs.iter().enumerate() {
            let fact = model.input_fact(index).map_err(told)?.clone();
            let declared = fact.datum_type.concretize();
            let shape = fact
                .shape
                .concretize()
                .and_then(|s| s.iter().map(|d| d.to_usize().ok()).collect::<Option<Vec<_>>>());
            let other_shape = shape.as_ref().is_some_and(|s| *s != info.shape);
            if declared.is_some_and(|d| d != datum(info.element)) || other_shape {
                let found = format!("{:?} {:?}", declared, shape);
                return Err(wrong("input", info, found));
            }
            let pinned = InferenceFact::dt_shape(datum(info.element), info.shape.clone());
            model.set_input_fact(index, pinned).map_err(told)?;
        }
        let output_names: Vec<String> = model
            .output_outlets()
            .map_err(told)?
            .iter()
            .map(|o| model.outlet_label(*o).map_or_else(|| model.node(o.node).name.clone(), str::to_owned))
            .collect();
        let outputs = ordered("output", &output_names, &io.outputs)?;
        let typed = model.into_optimized().map_err(told)?;
        for (index, info) in outputs.iter().enumerate() {
            let fact = typed.output_fact(index).map_err(told)?;
            let shape = fact.shape.as_concrete();
            if fact.datum_type != datum(info.element) || shape != Some(info.shape.as_slice()) {
                return Err(wrong("output", info, format!("{:?} {:?}", fact.datum_type, fact.shape)));
            }
        }
        let plan = typed.into_runnable().map_err(told)?;
        Ok(Self {
            inputs: inputs.iter().map(|i| vec![0.0; i.len()]).collect(),
            outputs: outputs.iter().map(|o| vec![0.0; o.len()]).collect(),
            io: EngineIo { inputs, outputs },
            plan,
        })
    }

    fn compute(&mut self) -> Result<(), String> {
        let told = |e: TractFailure| format!("{e:#}");
        let mut values = TVec::new();
        for (info, seam) in self.io.inputs.iter().zip(&self.inputs) {
            values.push(tensor(info, seam).map_err(told)?.into_tvalue());
        }
        let results = self.plan.run(values).map_err(told)?;
        for ((info, seam), result) in self.io.outputs.iter().zip(&mut self.outputs).zip(&results) {
            let wide = result.cast_to::<f32>().map_err(told)?;
            let view = wide.to_plain_array_view::<f32>().map_err(told)?;
            if view.len() != seam.len() {
                return Err(format!("`{}` has {} values, expected {}", info.name, view.len(), seam.len()));
            }
            for (to, from) in seam.iter_mut().zip(view.iter()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl Engine for TractEngine {
    fn name(&self) -> &str {
        "tract"
    }

    fn io(&self) -> &EngineIo {
        &self.io
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inputs.get_mut(index).map_or(&mut [], Vec::as_mut_slice)
    }

    fn run(&mut self) -> Result<(), RunError> {
        for (index, (info, values)) in self.io.inputs.iter().zip(&self.inputs).enumerate() {
            check_values(index, info.element, values)?;
        }
        self.compute().map_err(|reason| RunError::Engine { engine: "tract".to_owned(), reason })?;
        // tract's activation kernels clamp, and a NaN comes out of them as a number: a measurement that is none would
        // become a joint target. One that arises inside the graph can still be lost.
        if self.inputs.iter().flatten().any(|v| v.is_nan()) {
            for (info, values) in self.io.outputs.iter().zip(&mut self.outputs) {
                if info.element.is_float() {
                    values.fill(f32::NAN);
                }
            }
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }
}

/// tract reads external data from files beside the graph, so they are laid out for as long as it reads.
fn parse(graph: &[u8], external: &[(String, Arc<[u8]>)]) -> Result<InferenceModel, TractError> {
    let layout = |file: &str, reason: String| TractError::Layout { file: file.to_owned(), reason };
    let folder = tempfile::tempdir().map_err(|e| layout("a folder", e.to_string()))?;
    let files = external.iter().map(|(name, bytes)| (name.as_str(), &**bytes));
    for (name, bytes) in files.chain([("graph.onnx", graph)]) {
        let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
        if !plain || Path::new(name).components().count() != 1 {
            return Err(layout(name, "not a plain file name".to_owned()));
        }
        std::fs::write(folder.path().join(name), bytes).map_err(|e| layout(name, e.to_string()))?;
    }
    tract_onnx::onnx()
        .model_for_path(folder.path().join("graph.onnx"))
        .map_err(|e| TractError::Graph { reason: format!("{e:#}") })
}

fn datum(element: ElementType) -> DatumType {
    match element {
        ElementType::F32 => DatumType::F32,
        ElementType::F16 => DatumType::F16,
        ElementType::I64 => DatumType::I64,
        ElementType::I32 => DatumType::I32,
        ElementType::Bool => DatumType::Bool,
        ElementType::I8 => DatumType::I8,
        ElementType::U8 => DatumType::U8,
    }
}

fn tensor(info: &TensorInfo, seam: &[f32]) -> TractResult<Tensor> {
    match info.element {
        ElementType::F32 => Tensor::from_shape(&info.shape, seam),
        ElementType::Bool => {
            let values: Vec<bool> = seam.iter().map(|v| *v != 0.0).collect();
            Tensor::from_shape(&info.shape, &values)
        }
        other => Tensor::from_shape(&info.shape, seam)?.cast_to_dt(datum(other)).map(|t| t.into_owned()),
    }
}

/// The tensors in the graph's order; both sides must have the same names.
fn ordered(
    direction: &'static str,
    names: &[String],
    wanted: &[TensorInfo],
) -> Result<Vec<TensorInfo>, TractError> {
    let found: Vec<TensorInfo> =
        names.iter().filter_map(|name| wanted.iter().find(|w| w.name == *name)).cloned().collect();
    if found.len() == names.len() && names.len() == wanted.len() {
        return Ok(found);
    }
    let expected: Vec<&str> = wanted.iter().map(|w| w.name.as_str()).collect();
    Err(TractError::Tensors { direction, found: names.join(", "), expected: expected.join(", ") })
}

fn wrong(direction: &'static str, info: &TensorInfo, found: String) -> TractError {
    let expected = format!("{} {:?}", info.element, info.shape);
    TractError::Tensor { direction, tensor: info.name.clone(), found, expected }
}
