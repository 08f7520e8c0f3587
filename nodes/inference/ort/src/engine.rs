//! One model on ONNX Runtime: inputs written in place, outputs allocated once.

use ort::ep;
use ort::memory::Allocator;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::Tensor;
use sinew_inference::{Engine, EngineIo, Model, RunError, TensorInfo};

use crate::runtime::Runtime;

/// Something that executes nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// The library's own CPU kernels.
    Cpu,
}

impl Provider {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
        }
    }
}

/// Why a model does not run on this library.
#[derive(Debug, thiserror::Error)]
pub enum OrtEngineError {
    /// Without a named provider the library would choose one itself.
    #[error("no provider was named; expected at least one; name Provider::Cpu")]
    NoProvider,
    /// The library refused the graph or a setting.
    #[error(
        "onnxruntime {version}: {reason}; check the graph with `sinew model check`, or use engine = [\"native\"]"
    )]
    Session {
        /// Version of the library.
        version: String,
        /// What it said.
        reason: String,
    },
    /// The library sees other tensors than the manifest.
    #[error(
        "onnxruntime {version}: the session has the {direction}s {found}; expected {expected}; export the model again"
    )]
    Tensors {
        /// Version of the library.
        version: String,
        /// `input` or `output`.
        direction: &'static str,
        /// Names found.
        found: String,
        /// Names expected.
        expected: String,
    },
}

/// A session with its tensors.
pub struct OrtEngine {
    name: String,
    io: EngineIo,
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    inputs: Vec<Tensor<f32>>,
    outputs: Vec<Vec<f32>>,
}

impl OrtEngine {
    /// Builds the engine of a checked model; `providers` in order of preference.
    pub fn new(runtime: &Runtime, model: &Model, providers: &[Provider]) -> Result<Self, OrtEngineError> {
        let io = EngineIo { inputs: model.inputs(), outputs: model.outputs() };
        Self::with_io(runtime, &model.graph_bytes, &io, providers)
    }

    /// Builds the engine of any graph whose tensors all have the shapes in `io`.
    pub fn with_io(
        runtime: &Runtime,
        graph: &[u8],
        io: &EngineIo,
        providers: &[Provider],
    ) -> Result<Self, OrtEngineError> {
        let version = runtime.version();
        let failed =
            |e: ort::Error| OrtEngineError::Session { version: version.clone(), reason: e.to_string() };
        let first = providers.first().ok_or(OrtEngineError::NoProvider)?;
        let session = session(runtime, graph, providers).map_err(&failed)?;
        let inputs =
            in_session_order("input", &version, session.inputs().iter().map(|o| o.name()), &io.inputs)?;
        let outputs =
            in_session_order("output", &version, session.outputs().iter().map(|o| o.name()), &io.outputs)?;
        let tensor = |info: &TensorInfo| {
            let shape: Vec<i64> = info.shape.iter().map(|d| *d as i64).collect();
            let mut tensor = Tensor::<f32>::new(&Allocator::default(), shape)?;
            tensor.extract_tensor_mut().1.fill(0.0);
            Ok(tensor)
        };
        let mut selector = OutputSelector::default();
        for info in &outputs {
            selector = selector.preallocate(info.name.clone(), tensor(info).map_err(&failed)?);
        }
        let options = RunOptions::new().map_err(&failed)?.with_outputs(selector);
        let input_tensors = inputs.iter().map(tensor).collect::<Result<Vec<_>, _>>().map_err(&failed)?;
        let output_values = outputs.iter().map(|info| vec![0.0; info.len()]).collect();
        Ok(Self {
            name: format!("onnxruntime {version} ({})", first.name()),
            io: EngineIo { inputs, outputs },
            session,
            options,
            inputs: input_tensors,
            outputs: output_values,
        })
    }

    fn failure(&self, reason: String) -> RunError {
        RunError::Engine { engine: self.name.clone(), reason }
    }
}

/// One thread, no spinning (a spinning pool starves the control loop), each provider by name.
fn session(runtime: &Runtime, graph: &[u8], providers: &[Provider]) -> Result<Session, ort::Error> {
    let dispatch: Vec<_> = providers
        .iter()
        .map(|provider| match provider {
            Provider::Cpu => ep::CPU::default().with_arena_allocator(true).build().error_on_failure(),
        })
        .collect();
    let builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_execution_providers(dispatch)?;
    let mut builder = builder;
    builder.commit_from_memory(graph)
}

/// The tensors in the session's own order; both sides must have the same.
fn in_session_order<'a>(
    direction: &'static str,
    version: &str,
    session: impl Iterator<Item = &'a str>,
    wanted: &[TensorInfo],
) -> Result<Vec<TensorInfo>, OrtEngineError> {
    let names: Vec<&str> = session.collect();
    let ordered: Vec<TensorInfo> =
        names.iter().filter_map(|name| wanted.iter().find(|info| info.name == **name)).cloned().collect();
    if ordered.len() == names.len() && names.len() == wanted.len() {
        return Ok(ordered);
    }
    let expected: Vec<&str> = wanted.iter().map(|info| info.name.as_str()).collect();
    Err(OrtEngineError::Tensors {
        version: version.to_owned(),
        direction,
        found: names.join(", "),
        expected: expected.join(", "),
    })
}

impl Engine for OrtEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn io(&self) -> &EngineIo {
        &self.io
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inputs.get_mut(index).map_or(&mut [], |tensor| tensor.extract_tensor_mut().1)
    }

    fn run(&mut self) -> Result<(), RunError> {
        let inputs: Vec<SessionInputValue<'_>> = self.inputs.iter().map(Into::into).collect();
        let mut reason = None;
        match self.session.run_with_options(inputs.as_slice(), &self.options) {
            Err(error) => reason = Some(error.to_string()),
            Ok(results) => {
                for (info, values) in self.io.outputs.iter().zip(&mut self.outputs) {
                    let found = results.get(&info.name).map(|v| v.try_extract_tensor::<f32>());
                    match found {
                        Some(Ok((_, found))) if found.len() == values.len() => values.copy_from_slice(found),
                        Some(Ok((shape, _))) => {
                            reason = Some(format!(
                                "`{}` has shape {shape:?}, expected {:?}",
                                info.name, info.shape
                            ));
                        }
                        Some(Err(error)) => reason = Some(error.to_string()),
                        None => reason = Some(format!("`{}` is missing", info.name)),
                    }
                }
            }
        }
        reason.map_or(Ok(()), |reason| Err(self.failure(reason)))
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }
}
