//! Element types, states and external data on the real library; and files that must not run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod onnx;

use std::path::PathBuf;

use onnx::{BOOL, F16, F32, Graph, I32, I64};
use sinew_inference::{ElementType, Engine, EngineIo, RunError, TensorInfo};
use sinew_inference_ort::{GraphBytes, OrtEngine, OrtEngineError, ProviderConfig, Runtime, places};
use sinew_pinned::Places;

fn runtime() -> Runtime {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    Runtime::find_or_fetch(&Places { runtime_dir: Some(build), ..places() }).unwrap()
}

fn info(name: &str, element: ElementType, shape: &[usize]) -> TensorInfo {
    TensorInfo { name: name.to_owned(), element, shape: shape.to_vec() }
}

fn io(inputs: Vec<TensorInfo>, outputs: Vec<TensorInfo>) -> EngineIo {
    EngineIo { inputs, outputs }
}

fn proven(graph: &GraphBytes, io: &EngineIo) -> Result<OrtEngine, OrtEngineError> {
    let config = ProviderConfig { warmup: 2, ..ProviderConfig::default() };
    OrtEngine::proven(&runtime(), graph, io, &config, None).map(|(engine, _)| engine)
}

fn refused(file: Vec<u8>, io: &EngineIo) -> OrtEngineError {
    proven(&GraphBytes::whole(file), io).err().expect("a refusal")
}

/// y = x + w, with two values each.
fn add() -> (Graph, EngineIo) {
    let graph = Graph::default()
        .node("Add", &["x", "w"], &["y"], &[])
        .constant("w", &[1, 2], &[10.0, 20.0])
        .input("x", F32, &[1, 2])
        .output("y", F32, &[1, 2]);
    let tensor = |name| info(name, ElementType::F32, &[1, 2]);
    (graph, io(vec![tensor("x")], vec![tensor("y")]))
}

#[test]
fn every_element_type_is_converted_at_the_seam() {
    let types = [
        (F32, ElementType::F32, [1.5, -2.25]),
        (F16, ElementType::F16, [1.5, -2.25]),
        (I64, ElementType::I64, [3.0, -70_000.0]),
        (I32, ElementType::I32, [3.0, -70_000.0]),
        (BOOL, ElementType::Bool, [1.0, 0.0]),
    ];
    for (number, element, values) in types {
        // In as f32 of the graph through a cast, and back out in its own type.
        let graph = Graph::default()
            .node("Identity", &["x"], &["same"], &[])
            .node("Cast", &["x"], &["wide"], &[("to", F32)])
            .input("x", number, &[1, 2])
            .output("same", number, &[1, 2])
            .output("wide", F32, &[1, 2]);
        let io = io(
            vec![info("x", element, &[1, 2])],
            vec![info("same", element, &[1, 2]), info("wide", ElementType::F32, &[1, 2])],
        );
        let mut engine = proven(&GraphBytes::whole(graph.file(17)), &io).unwrap();
        assert_eq!(engine.input_mut(0), [0.0, 0.0], "{element}: inputs start at zero");
        engine.input_mut(0).copy_from_slice(&values);
        engine.run().unwrap();
        assert_eq!((engine.output(0), engine.output(1)), (values.as_slice(), values.as_slice()), "{element}");
        assert_eq!(engine.input_mut(0), values, "{element}: a run leaves the inputs alone");
        engine.input_mut(0)[1] = f32::NAN;
        match engine.run() {
            Ok(()) => assert!(element.is_float() && engine.output(1)[1].is_nan(), "{element}"),
            Err(error) => assert!(matches!(error, RunError::Value { input: 0, index: 1, .. }), "{element}"),
        }
    }
}

#[test]
fn a_recurrent_graph_carries_its_state_through_the_caller() {
    // h' = h + x; y = 2 h', without any state inside the session.
    let graph = Graph::default()
        .node("Add", &["h_in", "x"], &["h_out"], &[])
        .node("Add", &["h_out", "h_out"], &["y"], &[])
        .input("x", F32, &[1, 2])
        .input("h_in", F32, &[1, 2])
        .output("y", F32, &[1, 2])
        .output("h_out", F32, &[1, 2]);
    let tensor = |name| info(name, ElementType::F32, &[1, 2]);
    // The manifest's order is not the graph's.
    let io = io(vec![tensor("h_in"), tensor("x")], vec![tensor("h_out"), tensor("y")]);
    let mut engine = proven(&GraphBytes::whole(graph.file(17)), &io).unwrap();
    let [x, h_in] = ["x", "h_in"].map(|n| engine.io().input_index(n).unwrap());
    let [y, h_out] = ["y", "h_out"].map(|n| engine.io().output_index(n).unwrap());
    engine.input_mut(x).copy_from_slice(&[1.0, -2.0]);
    for tick in 1..=5 {
        engine.run().unwrap();
        let state = engine.output(h_out).to_vec();
        assert_eq!(state, [tick as f32, -2.0 * tick as f32]);
        assert_eq!(engine.output(y), [2.0 * state[0], 2.0 * state[1]]);
        engine.input_mut(h_in).copy_from_slice(&state);
    }
}

#[test]
fn weights_in_a_file_of_their_own_are_taken_from_memory() {
    let graph = Graph::default()
        .node("Add", &["x", "w"], &["y"], &[])
        .external("w", &[1, 2], "weights.data")
        .input("x", F32, &[1, 2])
        .output("y", F32, &[1, 2]);
    let (_, io) = add();
    let data: Vec<u8> = [10.0f32, 20.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let whole = GraphBytes {
        onnx: graph.file(17),
        external: vec![("weights.data".to_owned(), data.as_slice().into())],
    };
    let mut engine = proven(&whole, &io).unwrap();
    engine.input_mut(0).copy_from_slice(&[1.0, 2.0]);
    engine.run().unwrap();
    assert_eq!(engine.output(0), [11.0, 22.0]);

    let error = proven(&GraphBytes::whole(whole.onnx.clone()), &io).err().unwrap();
    assert!(matches!(&error, OrtEngineError::External { file, .. } if file == "weights.data"), "{error}");
    assert!(error.to_string().contains("weights.data"), "{error}");
    let cut = GraphBytes {
        onnx: whole.onnx,
        external: vec![("weights.data".to_owned(), data[..4].to_vec().into())],
    };
    let error = proven(&cut, &io).err().unwrap();
    assert!(matches!(&error, OrtEngineError::Session { .. }), "{error}");
}

#[test]
fn corrupt_and_truncated_files_are_an_error_each() {
    let (graph, io) = add();
    let whole = graph.file(17);
    assert!(proven(&GraphBytes::whole(whole.clone()), &io).is_ok());
    for length in 0..whole.len() {
        let error = refused(whole[..length].to_vec(), &io);
        let typed = matches!(error, OrtEngineError::Session { .. } | OrtEngineError::Tensors { .. });
        assert!(typed, "{length} of {}: {error}", whole.len());
    }
    let text =
        refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(), &io).to_string();
    assert!(text.starts_with("onnxruntime 1."), "{text}");
    // Every byte altered once: an error or a run, never the end of the process.
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 0x15;
        if let Ok(mut engine) =
            OrtEngine::build(&runtime(), &GraphBytes::whole(altered), &io, &ProviderConfig::default(), None)
        {
            drop(engine.run());
        }
    }
}

#[test]
fn a_wrong_opset_operator_shape_or_type_is_named() {
    let (graph, io) = add();
    let told = refused(graph.file(9999), &io).to_string();
    assert!(told.contains("9999") || told.contains("opset"), "{told}");

    let unknown = Graph::default().node("Wobble", &["x"], &["y"], &[]).input("x", F32, &[1, 2]).output(
        "y",
        F32,
        &[1, 2],
    );
    let told = refused(unknown.file(17), &io).to_string();
    assert!(told.contains("Wobble"), "{told}");

    // The manifest says three values, the graph two.
    let mut wider = io.clone();
    wider.inputs[0].shape = vec![1, 3];
    let error = refused(graph.file(17), &wider);
    assert!(matches!(&error, OrtEngineError::Tensor { direction: "input", .. }), "{error}");
    assert!(error.to_string().contains("f32 [1, 3]"), "{error}");

    // The manifest says whole numbers, the graph floats; and the other way round.
    let mut whole_numbers = io.clone();
    whole_numbers.outputs[0].element = ElementType::I64;
    let error = refused(graph.file(17), &whole_numbers).to_string();
    assert!(error.contains("output `y`") && error.contains("expected i64 [1, 2]"), "{error}");

    // A type that the seam does not carry.
    let doubles = Graph::default().node("Identity", &["x"], &["y"], &[]).input("x", 11, &[1, 2]).output(
        "y",
        11,
        &[1, 2],
    );
    let error = refused(doubles.file(17), &io).to_string();
    assert!(error.contains("f64") && error.contains("expected f32"), "{error}");

    // A graph whose own shapes contradict each other.
    let crooked = Graph::default()
        .node("Add", &["x", "w"], &["y"], &[])
        .constant("w", &[1, 3], &[1.0, 2.0, 3.0])
        .input("x", F32, &[1, 2])
        .output("y", F32, &[1, 2]);
    assert!(matches!(refused(crooked.file(17), &io), OrtEngineError::Session { .. }));

    // Another name.
    let mut renamed = io;
    renamed.inputs[0].name = "obs".to_owned();
    let error = refused(graph.file(17), &renamed).to_string();
    assert!(error.contains("inputs x; expected obs"), "{error}");
}
