//! Every operator of the native executor against NumPy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use serde::Deserialize;
use sinew_inference::onnx::{Graph, Node};
use sinew_inference::{CompileError, Engine, NativeEngine, TensorInfo};

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    onnx: String,
    inputs: Vec<Tensor>,
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("data/operators.json")).unwrap()
}

fn graph(case: &Case) -> Graph {
    let digits = case.onnx.as_bytes().chunks(2).map(|d| str::from_utf8(d).unwrap());
    let bytes: Vec<u8> = digits.map(|d| u8::from_str_radix(d, 16).unwrap()).collect();
    Graph::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

fn pins(case: &Case) -> Vec<TensorInfo> {
    case.inputs.iter().map(|t| TensorInfo::f32(t.name.clone(), t.shape.clone())).collect()
}

#[test]
fn every_operator_gives_what_numpy_gives() {
    let cases = cases();
    assert!(cases.len() > 40);
    for case in &cases {
        let mut engine =
            NativeEngine::compile(&graph(case), &pins(case)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(engine.io().outputs[0].shape, case.shape, "{}", case.name);
        for tensor in &case.inputs {
            let index = engine.io().input_index(&tensor.name).unwrap();
            engine.input_mut(index).copy_from_slice(&tensor.values);
        }
        engine.run().unwrap();
        let found = engine.output(0).to_vec();
        assert_eq!(found.len(), case.values.len(), "{}", case.name);
        for (found, expected) in found.iter().zip(&case.values) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error <= 1e-6 + 1e-6 * expected.abs(), "{}: {found} instead of {expected}", case.name);
        }
        // The same inputs again give the same bits.
        engine.run().unwrap();
        assert!(
            engine.output(0).iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()),
            "{}",
            case.name
        );
    }
}

#[test]
fn a_nan_at_the_input_reaches_the_output() {
    for case in cases()
        .iter()
        .filter(|c| ["Relu", "Elu", "Tanh", "Sigmoid", "Clip", "Gemm"].contains(&c.name.as_str()))
    {
        let mut engine = NativeEngine::compile(&graph(case), &pins(case)).unwrap();
        engine.input_mut(0).fill(f32::NAN);
        engine.run().unwrap();
        assert!(engine.output(0).iter().all(|v| v.is_nan()), "{}", case.name);
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
    assert!(matches!(&error, CompileError::Shape { found, .. } if found.contains('6')), "{error}");

    let mut dangling = good.clone();
    dangling.nodes[0].inputs[1] = "nowhere".to_owned();
    let error = NativeEngine::compile(&dangling, &pins(gemm)).unwrap_err();
    assert!(matches!(&error, CompileError::Undefined { tensor, .. } if tensor == "nowhere"), "{error}");

    let mut twice = good.clone();
    twice.nodes.push(good.nodes[0].clone());
    let error = NativeEngine::compile(&twice, &pins(gemm)).unwrap_err();
    assert!(matches!(&error, CompileError::Redefined { tensor } if tensor == "y"), "{error}");

    let mut old = good.clone();
    old.opset = 6;
    assert_eq!(NativeEngine::compile(&old, &pins(gemm)).unwrap_err(), CompileError::Opset { found: 6 });

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
