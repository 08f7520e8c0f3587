//! The native executor keeps every promise of the seam, and the suite finds engines that do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sinew_inference::conformance::{BAR, CHECKS, Case, Report, run};
use sinew_inference::onnx::{ConstantData, Graph};
use sinew_inference::{Engine, EngineIo, NativeEngine, RunError};

fn native(case: &Case, io: &EngineIo) -> Result<Box<dyn Engine>, String> {
    case.native(io).map(|e| Box::new(e) as Box<dyn Engine>).map_err(|e| e.to_string())
}

#[test]
fn the_native_executor_conforms() {
    for case in Case::all().unwrap() {
        let report = run(&case, &native);
        println!("{:18} {:.1e}  {}", case.name, report.max_abs_error, case.shows);
        assert!(report.passed(), "{}: {:?}", case.name, report.violations);
        assert!(report.max_abs_error < BAR / 2.0);
    }
}

/// How an engine is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Negated,
    SwappedGates,
    ForgetsState,
    RemembersState,
    WritesInputs,
    HidesNan,
    KeepsNan,
    RoundsWhole,
    HearsOthers,
    AnyTensors,
    AnyName,
    OneBitLater,
    StartsWithOnes,
}

/// The native executor with a fault.
struct Broken {
    inner: NativeEngine,
    fault: Fault,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    runs: u32,
    runs_of_all: Arc<AtomicU32>,
    broken_for_good: bool,
}

impl Broken {
    fn new(case: &Case, io: &EngineIo, fault: Fault, runs_of_all: &Arc<AtomicU32>) -> Result<Self, String> {
        let io = match fault {
            Fault::AnyTensors => EngineIo { inputs: case.io.inputs.clone(), outputs: io.outputs.clone() },
            Fault::AnyName => {
                let mut renamed = io.clone();
                for (info, original) in renamed.inputs.iter_mut().zip(&case.io.inputs) {
                    info.name.clone_from(&original.name);
                }
                renamed
            }
            _ => io.clone(),
        };
        let inner = match fault {
            Fault::SwappedGates => {
                NativeEngine::compile(&with_swapped_gates(case), &io.inputs).map_err(|e| e.to_string())?
            }
            _ => case.native(&io).map_err(|e| e.to_string())?,
        };
        let fill = if fault == Fault::StartsWithOnes { 1.0 } else { 0.0 };
        let inputs = inner.io().inputs.iter().map(|info| vec![fill; info.len()]).collect();
        let outputs = inner.io().outputs.iter().map(|info| vec![0.0; info.len()]).collect();
        let runs_of_all = Arc::clone(runs_of_all);
        Ok(Self { inner, fault, inputs, outputs, runs: 0, runs_of_all, broken_for_good: false })
    }
}

/// The first two gates of the recurrent layer exchanged, as an exporter with another gate order would have them.
fn with_swapped_gates(case: &Case) -> Graph {
    let mut graph = Graph::parse(case.graph).unwrap();
    let node = graph.nodes.iter().find(|n| ["GRU", "LSTM"].contains(&n.op.as_str())).unwrap();
    let weights = node.inputs[1].clone();
    let gates = if node.op == "GRU" { 3 } else { 4 };
    let constant = graph.constants.iter_mut().find(|c| c.name == weights).unwrap();
    let ConstantData::F32(values) = &mut constant.data else { panic!("weights of floats") };
    let gate = values.len() / gates;
    let (first, rest) = values.split_at_mut(gate);
    first.swap_with_slice(&mut rest[..gate]);
    graph
}

impl Engine for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn io(&self) -> &EngineIo {
        self.inner.io()
    }

    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inputs.get_mut(index).map_or(&mut [], Vec::as_mut_slice)
    }

    fn run(&mut self) -> Result<(), RunError> {
        self.runs += 1;
        let others = self.runs_of_all.fetch_add(1, Ordering::Relaxed) + 1 - self.runs;
        for (index, values) in self.inputs.iter_mut().enumerate() {
            let info = self.inner.io().inputs[index].clone();
            let (whole, state) = (!info.element.is_float(), info.name.ends_with("_in"));
            let inner = self.inner.input_mut(index);
            inner.copy_from_slice(values);
            match self.fault {
                Fault::RoundsWhole if whole => {
                    inner.iter_mut().for_each(|v| *v = if v.is_finite() { v.round().min(9.0) } else { 0.0 });
                }
                Fault::HidesNan => inner.iter_mut().for_each(|v| *v = if v.is_nan() { 0.0 } else { *v }),
                Fault::KeepsNan => self.broken_for_good |= inner.iter().any(|v| v.is_nan()),
                Fault::ForgetsState if state => inner.fill(0.0),
                Fault::RemembersState if state && self.runs > 6 => inner[0] += 1e-3,
                Fault::WritesInputs => values.fill(0.25),
                _ => {}
            }
        }
        self.inner.run()?;
        for (index, output) in self.outputs.iter_mut().enumerate() {
            output.copy_from_slice(self.inner.output(index));
        }
        let first = &mut self.outputs[0];
        match self.fault {
            Fault::Negated => first.iter_mut().for_each(|v| *v = -*v),
            Fault::KeepsNan if self.broken_for_good => first[0] = f32::NAN,
            Fault::HearsOthers => first[0] += 1e-6 * (others % 5) as f32,
            Fault::OneBitLater if self.runs > 7 => first[0] = f32::from_bits(first[0].to_bits() ^ 1),
            _ => {}
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }
}

fn judged(case: &Case, fault: Fault) -> Report {
    let runs_of_all = Arc::new(AtomicU32::new(0));
    run(case, &|case, io| {
        Broken::new(case, io, fault, &runs_of_all).map(|engine| Box::new(engine) as Box<dyn Engine>)
    })
}

#[test]
fn every_planted_fault_is_found_by_the_check_it_breaks() {
    let cases = Case::all().unwrap();
    let planted = [
        (Fault::Negated, "mlp", "values"),
        (Fault::SwappedGates, "lstm_sequence", "values"),
        (Fault::SwappedGates, "gru", "values"),
        (Fault::ForgetsState, "gru", "values"),
        (Fault::ForgetsState, "lstm", "values"),
        (Fault::RemembersState, "lstm", "repeat"),
        (Fault::WritesInputs, "mlp", "inputs_kept"),
        (Fault::HidesNan, "layer_norm", "not_a_number"),
        (Fault::KeepsNan, "external", "not_a_number"),
        (Fault::RoundsWhole, "motion", "whole_numbers"),
        (Fault::HearsOthers, "normaliser", "two_engines"),
        (Fault::AnyTensors, "attention", "wrong_shape"),
        (Fault::AnyTensors, "attention", "wrong_type"),
        (Fault::AnyName, "half", "wrong_name"),
        (Fault::OneBitLater, "matmul", "repeat"),
        (Fault::StartsWithOnes, "activations", "tensors"),
    ];
    for (fault, name, check) in planted {
        let case = cases.iter().find(|c| c.name == name).unwrap();
        let report = judged(case, fault);
        assert!(!report.passed());
        assert!(report.violations.iter().any(|v| v.check == check), "{fault:?}: {:?}", report.violations);
        assert!(check != "values" || report.max_abs_error > BAR, "{fault:?}: {}", report.max_abs_error);
    }
    // Each check has found something, and the engine these are made of passes.
    let idle = CHECKS.iter().find(|(name, _)| !planted.iter().any(|(_, _, check)| check == name));
    assert!(idle.is_none(), "{:?}", idle.map(|(name, _)| name));
    for case in &cases {
        assert_eq!(judged(case, Fault::None).violations, [], "{}", case.name);
    }
}

#[test]
fn an_engine_that_cannot_be_built_fails() {
    let case = &Case::all().unwrap()[0];
    let report = run(case, &|_, _| Err("no library".to_owned()));
    assert!(report.max_abs_error.is_infinite());
    assert!(report.violations.iter().any(|v| v.to_string().contains("no library")));
}
