//! Every operator of the native executor against NumPy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use serde::Deserialize;
use sinew_inference::native::OPERATORS;
use sinew_inference::onnx::{Graph, Node};
use sinew_inference::{CompileError, ElementType, Engine, Kernels, NativeEngine, TensorInfo};
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Tensor {
    name: String,
    element: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    onnx: String,
    inputs: Vec<Tensor>,
    element: String,
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = serde_json::from_str(include_str!("data/operators.json")).unwrap();
    let structures: Vec<Case> = serde_json::from_str(include_str!("data/structures.json")).unwrap();
    cases.extend(structures);
    cases
}

fn graph(case: &Case) -> Graph {
    let digits = case.onnx.as_bytes().chunks(2).map(|d| str::from_utf8(d).unwrap());
    let bytes: Vec<u8> = digits.map(|d| u8::from_str_radix(d, 16).unwrap()).collect();
    Graph::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

fn element(name: &str) -> ElementType {
    let all = [ElementType::F32, ElementType::F16, ElementType::I64, ElementType::I32, ElementType::Bool];
    all.into_iter().find(|e| e.name() == name).unwrap_or_else(|| panic!("{name}"))
}

fn pins(case: &Case) -> Vec<TensorInfo> {
    let pin = |t: &Tensor| TensorInfo {
        name: t.name.clone(),
        element: element(&t.element),
        shape: t.shape.clone(),
    };
    case.inputs.iter().map(pin).collect()
}

/// With the instructions of this CPU and with plain code.
fn engines(case: &Case) -> [NativeEngine; 2] {
    [Kernels::best(), Kernels::PORTABLE].map(|kernels| {
        NativeEngine::compile_for(&graph(case), &pins(case), kernels)
            .unwrap_or_else(|e| panic!("{}: {e}", case.name))
    })
}

#[test]
fn every_operator_gives_what_numpy_gives() {
    let cases = cases();
    for case in &cases {
        for mut engine in engines(case) {
            let name = format!("{} ({})", case.name, engine.kernels().name());
            assert_eq!(engine.io().outputs[0].shape, case.shape, "{name}");
            assert_eq!(engine.io().outputs[0].element, element(&case.element), "{name}");
            for tensor in &case.inputs {
                let index = engine.io().input_index(&tensor.name).unwrap();
                engine.input_mut(index).copy_from_slice(&tensor.values);
            }
            engine.run().unwrap();
            let found = engine.output(0).to_vec();
            assert_eq!(found.len(), case.values.len(), "{name}");
            for (found, expected) in found.iter().zip(&case.values) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error <= 1e-6 + 1e-6 * expected.abs(), "{name}: {found} instead of {expected}");
            }
            // The same inputs again give the same bits, and a run leaves the inputs alone.
            engine.run().unwrap();
            let same = engine.output(0).iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name}");
            for tensor in &case.inputs {
                let index = engine.io().input_index(&tensor.name).unwrap();
                assert_eq!(engine.input_mut(index), tensor.values, "{name}");
            }
        }
    }
}

#[test]
fn every_operator_of_the_list_has_a_case() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        seen.extend(graph(&case).nodes.into_iter().map(|n| n.op));
    }
    let missing: Vec<&&str> = OPERATORS.iter().filter(|op| !seen.contains(**op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_nan_at_the_input_reaches_the_output() {
    // Comparisons, and what moves or drops the one value that is NaN, have no NaN to give.
    let exempt = |op: &str| {
        ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "Shape", "Size", "Cast"]
            .contains(&op)
    };
    for case in cases().iter().filter(|c| c.inputs.iter().all(|t| t.element == "f32")) {
        if graph(case).nodes.iter().any(|n| exempt(&n.op)) {
            continue;
        }
        for mut engine in engines(case) {
            for index in 0..case.inputs.len() {
                engine.input_mut(index).fill(f32::NAN);
            }
            engine.run().unwrap();
            assert!(engine.output(0).iter().any(|v| v.is_nan()), "{}", case.name);
        }
    }
}

#[test]
fn what_the_executor_cannot_do_is_refused_by_name() {
    let all = cases();
    let gemm = all.iter().find(|c| c.name == "Gemm").unwrap();
    let good = graph(gemm);

    let mut unknown = good.clone();
    unknown.nodes[0].op = "Conv".to_owned();
    let error = NativeEngine::compile(&unknown, &pins(gemm)).unwrap_err().to_string();
    assert!(error.contains("Conv") && error.contains("Gemm") && error.contains("onnxruntime"), "{error}");

    let mut narrow = pins(gemm);
    narrow[0].shape = vec![1, 6];
    let error = NativeEngine::compile(&good, &narrow).unwrap_err();
    assert!(matches!(&error, CompileError::Port { expected, .. } if expected.contains('6')), "{error}");
    let mut unshaped = good.clone();
    unshaped.inputs[0].shape = None;
    let error = NativeEngine::compile(&unshaped, &narrow).unwrap_err();
    assert!(matches!(&error, CompileError::Shape { found, .. } if found.contains('6')), "{error}");

    let mut whole = pins(gemm);
    whole[0].element = ElementType::I64;
    let error = NativeEngine::compile(&good, &whole).unwrap_err().to_string();
    assert!(error.contains("f32 in the graph") && error.contains("i64"), "{error}");
    let mut retyped = good.clone();
    retyped.inputs[0].element_type = 7;
    let error = NativeEngine::compile(&retyped, &whole).unwrap_err();
    assert!(matches!(&error, CompileError::Element { tensor, .. } if tensor == "x"), "{error}");
    retyped.inputs[0].element_type = 11;
    let error = NativeEngine::compile(&retyped, &pins(gemm)).unwrap_err().to_string();
    assert!(error.contains("element type 11"), "{error}");

    let mut dangling = good.clone();
    dangling.nodes[0].inputs[1] = "nowhere".to_owned();
    let error = NativeEngine::compile(&dangling, &pins(gemm)).unwrap_err();
    assert!(matches!(&error, CompileError::Undefined { tensor, .. } if tensor == "nowhere"), "{error}");

    let mut twice = good.clone();
    twice.nodes.push(good.nodes[0].clone());
    let error = NativeEngine::compile(&twice, &pins(gemm)).unwrap_err();
    assert!(matches!(&error, CompileError::Redefined { tensor } if tensor == "y"), "{error}");

    let mut old = good.clone();
    for opset in [0, 6, 10, 26, i64::MAX] {
        old.opset = opset;
        assert_eq!(
            NativeEngine::compile(&old, &pins(gemm)).unwrap_err(),
            CompileError::Opset { found: opset }
        );
    }

    let mut unpinned = good;
    unpinned.nodes.push(Node {
        op: "Relu".into(),
        inputs: vec!["y".into()],
        outputs: vec![],
        ..Node::default()
    });
    assert!(NativeEngine::compile(&unpinned, &pins(gemm)).is_err());
    assert!(NativeEngine::compile(&unpinned, &[]).is_err());
}
