//! A manifest, its graph and its other files agree in every tensor, type, shape, file and hash, or nothing loads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::collections::BTreeMap;

use sinew_inference::onnx::{Constant, ConstantData, Dimension, Graph, Port};
use sinew_inference::{ElementType, Model, Source, SourceError, sha256_hex};

#[derive(Clone)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

fn port(name: &str, element: ElementType, shape: &[usize]) -> Port {
    let shape = shape.iter().map(|n| Dimension::Fixed(*n)).collect();
    Port { name: name.to_owned(), element_type: element.onnx(), shape: Some(shape) }
}

fn graph() -> Graph {
    Graph {
        opset: 17,
        ir_version: 8,
        inputs: vec![
            port("obs", ElementType::F32, &[1, 6]),
            port("t", ElementType::I64, &[1]),
            port("h_in", ElementType::F32, &[1, 1, 4]),
        ],
        outputs: vec![
            port("act", ElementType::F32, &[1, 1]),
            port("h_out", ElementType::F32, &[1, 1, 4]),
            port("value", ElementType::F32, &[1, 1]),
        ],
        constants: vec![Constant {
            name: "w".to_owned(),
            element: ElementType::F32,
            shape: vec![2],
            data: ConstantData::F32(vec![1.0, 2.0]),
        }],
        ..Graph::default()
    }
}

const MANIFEST: &str = r#"schema = 1
[model]
name = "m"
version = "1"
task = "policy"
[[graph]]
file = "m.onnx"
sha256 = "GRAPH"
[runtime]
rate_hz = 50
deadline_ms = 4.0
engine = ["native"]
[joints]
order = ["a"]
default_pos = 0.0
kp = 10
kd = 1
[[input]]
tensor = "obs"
dtype = "f32"
shape = [1, 6]
[[input.term]]
kind = "state/body/linear_velocity"
[[input.term]]
kind = "state/contact"
feet = ["left"]
[[input.term]]
kind = "state/joint/effort"
[[input.term]]
kind = "state/body/height"
[[input]]
tensor = "t"
dtype = "i64"
shape = [1]
source = "counter"
length = 9
on_end = "hold"
[[state]]
input = "h_in"
output = "h_out"
shape = [1, 1, 4]
[[output]]
tensor = "act"
kind = "target/joint/position"
joints = "@joints"
[[output]]
tensor = "value"
kind = "ignore"
reason = "the critic's"
shape = [1, 1]
[verify]
golden = "m.golden.json"
sha256 = "GOLDEN"
atol = 1e-4
rtol = 1e-4
"#;

const GOLDEN: &str = r#"{"schema": 1, "graph_sha256": "GRAPH", "rate_hz": 50, "joints": ["a"], "feet": ["left"],
"cases": [{"name": "one", "ticks": [{"gyro_rad_s": [0, 0, 0], "projected_gravity": [0, 0, -1], "command": [0, 0, 0],
"q_rad": [0], "dq_rad_s": [0], "tau_nm": [1], "velocity_m_s": [0, 0, 0], "height_m": 0.3, "contact": [1],
"target_rad": [0]}]}]}"#;

/// Files with their hashes put in; `manifest` and `golden` may have been altered before.
fn files(graph: &[u8], manifest: &str, golden: &str) -> Files {
    let graph_hash = sha256_hex(graph);
    let golden = golden.replace("GRAPH", &graph_hash);
    let manifest = manifest.replace("GRAPH", &graph_hash).replace("GOLDEN", &sha256_hex(golden.as_bytes()));
    let files = [
        ("m.model.toml", manifest.into_bytes()),
        ("m.onnx", graph.to_vec()),
        ("m.golden.json", golden.into_bytes()),
    ];
    Files(files.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}

fn loaded(files: &Files) -> Result<Model, String> {
    Model::load(files, "m.model.toml").map_err(|e| e.to_string())
}

fn refused(graph: &Graph, from: &str, to: &str) -> String {
    assert!(MANIFEST.contains(from), "{from}");
    loaded(&files(&graph.to_bytes(), &MANIFEST.replacen(from, to, 1), GOLDEN)).expect_err("loaded")
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn tensors_of_every_source_are_accounted_for() {
    let model = loaded(&files(&graph().to_bytes(), MANIFEST, GOLDEN)).unwrap();
    let names = |tensors: Vec<sinew_inference::TensorInfo>| {
        tensors.iter().map(|t| format!("{} {} {:?}", t.name, t.element, t.shape)).collect::<Vec<_>>()
    };
    assert_eq!(names(model.inputs()), ["obs f32 [1, 6]", "t i64 [1]", "h_in f32 [1, 1, 4]"]);
    assert_eq!(names(model.outputs()), ["act f32 [1, 1]", "value f32 [1, 1]", "h_out f32 [1, 1, 4]"]);
    assert_eq!(model.weights_sha256(), model.graph_sha256);
}

#[test]
fn a_recurrent_tensor_left_out_is_missed() {
    let state = "[[state]]\ninput = \"h_in\"\noutput = \"h_out\"\nshape = [1, 1, 4]\n";
    says(&refused(&graph(), state, ""), &["nothing for `h_in`", "[[state]]"]);
    let ignored =
        "[[output]]\ntensor = \"value\"\nkind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]\n";
    says(&refused(&graph(), ignored, ""), &["nothing for `value`", "kind = \"ignore\""]);
    says(
        &refused(&graph(), "output = \"h_out\"", "output = \"h\""),
        &["state[0].output", "`h`", "act, h_out, value"],
    );
    says(&refused(&graph(), "output = \"h_out\"", "output = \"value\""), &["nothing for `h_out`"]);
    let mut without = graph();
    without.outputs.remove(1);
    says(
        &refused(&without, "output = \"h_out\"", "output = \"value\""),
        &["state[0].output", "1 values", "4 values"],
    );
    says(&refused(&graph(), "tensor = \"t\"", "tensor = \"obs\""), &["input[1].tensor", "second time"]);
}

#[test]
fn a_type_or_shape_that_is_not_the_graphs_is_refused_with_both() {
    says(
        &refused(&graph(), "dtype = \"i64\"", "dtype = \"f32\""),
        &["input[1].tensor", "\"f32\"", "`t` is i64"],
    );
    says(&refused(&graph(), "dtype = \"f32\"", "dtype = \"f16\""), &["input[0].tensor", "`obs` is f32"]);
    says(
        &refused(&graph(), "output = \"h_out\"\nshape = [1, 1, 4]", "output = \"h_out\"\nshape = [1, 2, 2]"),
        &["state[0].input", "[1, 2, 2]", "[1, 1, 4]"],
    );
    let mut double = graph();
    double.inputs[0].element_type = 11;
    let message = loaded(&files(&double.to_bytes(), MANIFEST, GOLDEN)).unwrap_err();
    says(&message, &["input[0].tensor", "type 11", "export with f32"]);
    let mut unshaped = graph();
    unshaped.outputs[0].shape = None;
    says(
        &loaded(&files(&unshaped.to_bytes(), MANIFEST, GOLDEN)).unwrap_err(),
        &["output[0]", "without a shape"],
    );
}

#[test]
fn precision_is_what_the_graph_holds() {
    let with = |precision: &str| format!("sha256 = \"GRAPH\"\nprecision = \"{precision}\"");
    let full = graph().to_bytes();
    // Two values of 32 bits (dims 2, type 1, name w) are four of 16 (dims 4, type 10).
    let head = full.windows(7).position(|w| w == b"\x08\x02\x10\x01\x42\x01w").unwrap();
    let mut half = full.clone();
    (half[head + 1], half[head + 3]) = (4, 10);
    let mut quantised = graph();
    quantised.constants[0].element = ElementType::I8;
    quantised.constants[0].data = ConstantData::I64(vec![-128, 127]);
    let byte = quantised.to_bytes();
    for (graph, right, is) in [(full, "fp32", "32-bit"), (half, "fp16", "16-bit"), (byte, "int8", "8-bit")] {
        let saying = |precision: &str| {
            let text = MANIFEST.replacen("sha256 = \"GRAPH\"", &with(precision), 1);
            loaded(&files(&graph, &text, GOLDEN))
        };
        saying(right).unwrap();
        for wrong in ["fp32", "fp16", "int8"].into_iter().filter(|p| *p != right) {
            let message = saying(wrong).expect_err("loaded");
            says(&message, &["graph[0].precision", wrong, is, "m.model.toml:"]);
        }
    }
}

/// The graph with its weights in `m.onnx.data`: the tensor's data field is cut out and a location put in.
fn external() -> Vec<u8> {
    let mut message = Vec::new();
    let field = |message: &mut Vec<u8>, tag: u8, bytes: &[u8]| {
        message.push(tag);
        message.push(u8::try_from(bytes.len()).unwrap());
        message.extend_from_slice(bytes);
    };
    message.extend([0x08, 2, 0x10, 1]); // dims = 2, data_type = f32
    field(&mut message, 0x42, b"w"); // name
    let mut entry = Vec::new();
    field(&mut entry, 0x0a, b"location");
    field(&mut entry, 0x12, b"m.onnx.data");
    field(&mut message, 0x6a, &entry); // external_data
    message.extend([0x70, 1]); // data_location = EXTERNAL
    let mut graph = graph();
    graph.constants.clear();
    let mut bytes = graph.to_bytes();
    // A second occurrence of a message field is merged into the first; readers take the initialiser either way.
    let at = bytes.windows(5).position(|w| w == b"graph").unwrap() + 5;
    let mut tensor = Vec::new();
    field(&mut tensor, 0x2a, &message); // GraphProto.initializer
    bytes.splice(at..at, tensor.iter().copied());
    // The graph (field 7 of the model) has become longer.
    let head = bytes.iter().position(|b| *b == 0x3a).unwrap();
    let (mut len, mut shift, mut end) = (0usize, 0, head + 1);
    loop {
        len |= usize::from(bytes[end] & 0x7f) << shift;
        shift += 7;
        end += 1;
        if bytes[end - 1] & 0x80 == 0 {
            break;
        }
    }
    len += tensor.len();
    let mut varint = Vec::new();
    while len >= 0x80 {
        varint.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    varint.push(len as u8);
    bytes.splice(head + 1..end, varint);
    bytes
}

#[test]
fn external_data_is_listed_hashed_and_nothing_else() {
    let bytes = external();
    assert_eq!(Graph::external_files(&bytes).unwrap(), ["m.onnx.data"]);
    let data: Vec<u8> = [1.5f32, 2.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let listed = |entries: &str| {
        MANIFEST.replacen("sha256 = \"GRAPH\"", &format!("sha256 = \"GRAPH\"\nexternal = [{entries}]"), 1)
    };
    let entry =
        |file: &str, bytes: &[u8]| format!("{{ file = \"{file}\", sha256 = \"{}\" }}", sha256_hex(bytes));

    let mut good = files(&bytes, &listed(&entry("m.onnx.data", &data)), GOLDEN);
    says(&loaded(&good).unwrap_err(), &["m.onnx.data", "copied along"]);
    good.0.insert("m.onnx.data".into(), data.clone());
    let model = loaded(&good).unwrap();
    assert_eq!(model.graph.constants[0].data, ConstantData::F32(vec![1.5, 2.5]));
    assert_eq!(model.external("m.onnx.data"), Some(data.as_slice()));
    // The same graph with other weights is another model, on the wire, too.
    let other_data: Vec<u8> = data.iter().rev().copied().collect();
    assert_ne!(model.weights_sha256(), model.graph_sha256);

    let mut other = good.clone();
    other.0.insert("m.onnx.data".into(), other_data);
    says(&loaded(&other).unwrap_err(), &["m.onnx.data: SHA-256", "m.model.toml:"]);

    let mut pointer = good.clone();
    pointer.0.insert("m.onnx.data".into(), b"version https://git-lfs.github.com/spec/v1\n".to_vec());
    says(&loaded(&pointer).unwrap_err(), &["m.onnx.data", "Git LFS pointer"]);

    let mut unlisted = files(&bytes, MANIFEST, GOLDEN);
    unlisted.0.insert("m.onnx.data".into(), data.clone());
    says(&loaded(&unlisted).unwrap_err(), &["graph[0].external", "no entry for `m.onnx.data`", "ship it"]);

    let two = format!("{}, {}", entry("m.onnx.data", &data), entry("more.data", &data));
    let mut extra = files(&bytes, &listed(&two), GOLDEN);
    extra.0.insert("m.onnx.data".into(), data.clone());
    extra.0.insert("more.data".into(), data);
    says(&loaded(&extra).unwrap_err(), &["`more.data`, which m.onnx does not name", "remove the entry"]);
}

#[test]
fn golden_vectors_hold_what_the_model_reads() {
    for (from, field, kind) in [
        ("\"velocity_m_s\": [0, 0, 0], ", "velocity_m_s", "state/body/linear_velocity"),
        ("\"tau_nm\": [1], ", "tau_nm", "state/joint/effort"),
        ("\"height_m\": 0.3, ", "height_m", "state/body/height"),
        ("\"contact\": [1],", "contact", "state/contact"),
    ] {
        let golden = GOLDEN.replacen(from, "", 1);
        assert_ne!(golden, GOLDEN);
        let message = loaded(&files(&graph().to_bytes(), MANIFEST, &golden)).unwrap_err();
        says(&message, &["m.golden.json", field, kind]);
    }
    let feet = GOLDEN.replace("\"left\"", "\"right\"");
    says(&loaded(&files(&graph().to_bytes(), MANIFEST, &feet)).unwrap_err(), &["feet", "no `left`"]);
    for (from, to, field) in [
        ("\"contact\": [1]", "\"contact\": [1, 1]", "contact"),
        ("\"tau_nm\": [1]", "\"tau_nm\": []", "tau_nm"),
        ("\"height_m\": 0.3", "\"height_m\": 1e39", "height_m"),
    ] {
        let message =
            loaded(&files(&graph().to_bytes(), MANIFEST, &GOLDEN.replacen(from, to, 1))).unwrap_err();
        says(&message, &["m.golden.json", field]);
    }
    // What moves joints otherwise has to be in the golden file, too.
    let velocity = "[[output]]\ntensor = \"value\"\nkind = \"target/joint/velocity\"\njoints = \"@joints\"\n";
    let ignored =
        "[[output]]\ntensor = \"value\"\nkind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]\n";
    says(&refused(&graph(), ignored, velocity), &["target_dq_rad_s"]);
}
