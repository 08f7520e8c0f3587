//! Files that lie: whatever the bytes, reading and compiling end with a graph or a reason, soon and in little memory.
//! In a file of its own, since it replaces the allocator of the whole program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
#![allow(unsafe_code)] // a counting allocator has to forward raw requests

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;
use sinew_inference::conformance::Case;
use sinew_inference::onnx::{
    Attribute, AttributeValue, Constant, ConstantData, Dimension, Graph, GraphError, Node, Port,
};
use sinew_inference::{CompileError, ElementType, Engine, NativeEngine, TensorInfo};

/// Counts live bytes per thread, and the most there were.
struct Counting;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread past its end has nobody to report to.
    let _gone = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.try_with(|peak| peak.set(peak.get().max(live.get())))
    });
}

// SAFETY: every request goes to the system allocator unchanged; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` needed at most beyond what was there before, bytes.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, PEAK.get() - before)
}

/// A field is two bytes at least and becomes a number of eight, or a name of its own with a head of 24.
fn reading_allows(file: usize) -> i64 {
    64 * file as i64 + 4096
}

/// Values of a graph, each with its place in a table or two while they are written.
const COMPILING_ALLOWS: i64 = (16 << 20) * 32;

fn attempt(case: &Case, bytes: &[u8]) {
    let external = |file: &str| case.external.iter().find(|(name, _)| *name == file).map(|(_, b)| *b);
    let outside: usize = case.external.iter().map(|(_, b)| b.len()).sum();
    let (graph, peak) = peak_of(|| Graph::parse_with(bytes, &external));
    let allowed = reading_allows(bytes.len()) + 64 * outside as i64;
    assert!(peak <= allowed, "{}: {peak} bytes to read {}", case.name, bytes.len());
    let Ok(graph) = graph else { return };
    let (engine, peak) = peak_of(|| NativeEngine::compile(&graph, &case.io.inputs));
    assert!(peak <= COMPILING_ALLOWS, "{}: {peak} bytes to compile {}", case.name, bytes.len());
    if let Ok(mut engine) = engine {
        engine.run().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes altered anywhere in any model, weights rather seldom: they are most of a file and say least.
    #[test]
    fn altered_models_end_with_a_reason(
        which in 0usize..14,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let case = &cases()[which];
        let mut bytes = case.graph.to_vec();
        let structure = structure_of(&bytes);
        for (at, value) in edits {
            bytes[structure[at.index(structure.len())]] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        attempt(case, &bytes);
    }

    /// Altered where it hurts: sizes, axes, indices and attributes of a graph that is well formed.
    #[test]
    fn altered_numbers_end_with_a_reason(
        which in 0usize..14,
        at in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just(0i64), Just(-1), Just(i64::MAX), Just(i64::MIN), Just(1 << 24), Just(1 << 40), -20i64..20
        ],
    ) {
        let case = &cases()[which];
        let external = |file: &str| case.external.iter().find(|(name, _)| *name == file).map(|(_, b)| *b);
        let mut graph = Graph::parse_with(case.graph, &external).unwrap();
        let mut numbers: Vec<&mut i64> = Vec::new();
        for constant in &mut graph.constants {
            if let ConstantData::I64(values) = &mut constant.data {
                numbers.extend(values);
            }
        }
        for attribute in graph.nodes.iter_mut().flat_map(|n| &mut n.attributes) {
            match &mut attribute.value {
                AttributeValue::Int(v) => numbers.push(v),
                AttributeValue::Ints(v) => numbers.extend(v),
                _ => {}
            }
        }
        if !numbers.is_empty() {
            let at = at.index(numbers.len());
            *numbers[at] = value;
        }
        attempt(case, &graph.to_bytes());
    }
}

fn cases() -> Vec<Case> {
    Case::all().unwrap()
}

/// Positions that are no raw weights: runs of more than 64 bytes within a tensor's field 9 are left out.
fn structure_of(bytes: &[u8]) -> Vec<usize> {
    let mut positions = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        positions.push(at);
        // 0x4a is the tag of a tensor's raw data; what follows is its length.
        if bytes[at] == 0x4a && at + 2 < bytes.len() && bytes[at + 1] & 0x80 != 0 {
            let length = usize::from(bytes[at + 1] & 0x7f) | usize::from(bytes[at + 2] & 0x7f) << 7;
            positions.extend([at + 1, at + 2]);
            at += 3 + length;
        } else {
            at += 1;
        }
    }
    positions
}

#[test]
fn every_model_of_the_suite_is_written_and_read_back_the_same() {
    for case in cases().iter().filter(|c| c.name != "half") {
        let external = |file: &str| case.external.iter().find(|(name, _)| *name == file).map(|(_, b)| *b);
        let graph = Graph::parse_with(case.graph, &external).unwrap();
        assert_eq!(Graph::parse(&graph.to_bytes()).unwrap(), graph, "{}", case.name);
    }
}

#[test]
fn every_cut_of_every_model_is_refused() {
    for case in cases() {
        for len in (0..case.graph.len()).step_by(61) {
            attempt(&case, &case.graph[..len]);
        }
    }
}

#[test]
fn external_data_that_is_not_there_is_named() {
    let cases = cases();
    let case = cases.iter().find(|c| c.name == "external").unwrap();
    let (file, data) = case.external[0];
    let read = |bytes: Option<&'static [u8]>| {
        Graph::parse_with(case.graph, &move |name| bytes.filter(|_| name == file))
    };
    assert!(read(Some(data)).is_ok());
    let missing = read(None).unwrap_err();
    assert!(
        matches!(&missing, GraphError::ExternalMissing { file: named, .. } if named == file),
        "{missing}"
    );
    assert_eq!(missing, Graph::parse(case.graph).unwrap_err());
    let short = read(Some(&data[..1000])).unwrap_err();
    assert!(matches!(&short, GraphError::ExternalRange { bytes: 1000, .. }), "{short}");
    assert!(short.to_string().contains(file), "{short}");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 13568\n";
    let lfs = read(Some(pointer)).unwrap_err();
    assert!(matches!(&lfs, GraphError::LfsPointer { file: named, .. } if named == file), "{lfs}");
    let lfs = Graph::parse(pointer).unwrap_err().to_string();
    assert!(lfs.contains("git lfs pull"), "{lfs}");

    // The name of the file replaced by others of its length; none may lead out of the folder.
    let out_of_here = |name: &[u8]| {
        let mut bytes = case.graph.to_vec();
        while let Some(at) = bytes.windows(file.len()).position(|w| w == file.as_bytes()) {
            bytes[at..at + name.len()].copy_from_slice(name);
        }
        Graph::parse_with(&bytes, &|_| Some(data))
    };
    for name in [b"../ernal.onnx.data", b"/xternal.onnx.data", b"a/../nal.onnx.data"] {
        assert!(matches!(out_of_here(name).unwrap_err(), GraphError::External { .. }));
    }
    assert!(out_of_here(b"another.onnx..data").is_ok());
}

/// A graph of one input `x` of two values, with integers `n` and these nodes.
fn small(nodes: &[(&str, &[&str], &str)], numbers: &[(&str, &[i64])]) -> Graph {
    let node = |(op, inputs, output): &(&str, &[&str], &str)| Node {
        op: (*op).to_owned(),
        inputs: inputs.iter().map(|i| (*i).to_owned()).collect(),
        outputs: vec![(*output).to_owned()],
        ..Node::default()
    };
    let number = |(name, values): &(&str, &[i64])| Constant {
        name: (*name).to_owned(),
        element: ElementType::I64,
        shape: vec![values.len()],
        data: ConstantData::I64(values.to_vec()),
    };
    let port = |name: &str| Port {
        name: name.to_owned(),
        element_type: 1,
        shape: Some(vec![Dimension::Fixed(1), Dimension::Fixed(2)]),
    };
    Graph {
        opset: 17,
        ir_version: 8,
        nodes: nodes.iter().map(node).collect(),
        constants: numbers.iter().map(number).collect(),
        inputs: vec![port("x")],
        outputs: vec![Port { shape: None, ..port("y") }],
    }
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let large: &[i64] = &[1 << 13, 1 << 13];
    let grows: &[(&str, Graph)] = &[
        ("one constant", small(&[("ConstantOfShape", &["n"], "y")], &[("n", large)])),
        ("overflow", small(&[("ConstantOfShape", &["n"], "y")], &[("n", &[1 << 40, 1 << 40])])),
        ("expand", small(&[("Expand", &["x", "n"], "y")], &[("n", &[1 << 30, 2])])),
        ("tile", small(&[("Tile", &["x", "n"], "y")], &[("n", &[1 << 31, 1 << 31])])),
        ("range", small(&[("Range", &["a", "b", "c"], "y")], &[("a", &[0]), ("b", &[1 << 60]), ("c", &[1])])),
        (
            "many that are small enough each",
            small(
                &[
                    ("Expand", &["x", "n"], "a"),
                    ("Add", &["a", "a"], "b"),
                    ("Add", &["b", "a"], "c"),
                    ("Add", &["c", "a"], "d"),
                    ("Add", &["d", "a"], "e"),
                    ("Add", &["e", "a"], "y"),
                ],
                &[("n", &[1 << 21, 2])],
            ),
        ),
        (
            "outer product",
            small(
                &[
                    ("Expand", &["x", "n"], "a"),
                    ("Reshape", &["a", "column"], "b"),
                    ("Reshape", &["a", "row"], "c"),
                    ("MatMul", &["b", "c"], "y"),
                ],
                &[("n", &[1 << 14, 2]), ("column", &[-1, 1]), ("row", &[1, -1])],
            ),
        ),
    ];
    for (name, graph) in grows {
        let pins = [TensorInfo::f32("x", [1, 2])];
        let (result, peak) = peak_of(|| NativeEngine::compile(graph, &pins).map(drop));
        assert!(matches!(result, Err(CompileError::Size { .. })), "{name}: {result:?}");
        assert!(peak <= COMPILING_ALLOWS, "{name}: {peak} bytes");
    }
    // The helper makes graphs that compile when they are modest.
    let modest = small(&[("Expand", &["x", "n"], "y")], &[("n", &[3, 2])]);
    assert!(NativeEngine::compile(&modest, &[TensorInfo::f32("x", [1, 2])]).is_ok());
}

#[test]
fn a_tensor_larger_than_its_file_is_refused() {
    let mut graph = small(&[("Identity", &["x"], "y")], &[("n", &[1, 2, 3])]);
    for shape in [vec![4], vec![1 << 40], vec![1 << 33, 1 << 33], vec![0], vec![1; 17]] {
        graph.constants[0].shape = shape.clone();
        let bytes = graph.to_bytes();
        let (result, peak) = peak_of(|| Graph::parse(&bytes));
        let error = result.unwrap_err();
        assert!(
            matches!(error, GraphError::TensorSize { .. } | GraphError::Unsupported { .. }),
            "{shape:?}: {error}"
        );
        assert!(peak <= reading_allows(bytes.len()), "{shape:?}: {peak} bytes");
    }
}

#[test]
fn recurrent_layers_of_another_kind_are_refused_by_name() {
    let cases = cases();
    let graph = |name: &str| {
        let case = cases.iter().find(|c| c.name == name).unwrap();
        (Graph::parse(case.graph).unwrap(), case.io.inputs.clone())
    };
    let text = |s: &str| AttributeValue::Text(s.to_owned());
    let texts = |all: &[&str]| AttributeValue::Texts(all.iter().map(|s| (*s).to_owned()).collect());
    for (name, attribute, value) in [
        ("lstm", "direction", text("reverse")),
        ("gru", "direction", text("bidirectional")),
        ("lstm", "layout", AttributeValue::Int(1)),
        ("lstm", "input_forget", AttributeValue::Int(1)),
        ("gru", "activations", texts(&["Sigmoid", "Relu"])),
        ("lstm", "clip", AttributeValue::Float(3.0)),
    ] {
        let (mut graph, pins) = graph(name);
        let node = graph.nodes.iter_mut().find(|n| ["GRU", "LSTM"].contains(&n.op.as_str())).unwrap();
        node.attributes.retain(|a| a.name != attribute);
        node.attributes.push(Attribute { name: attribute.to_owned(), value });
        let error = NativeEngine::compile(&graph, &pins).unwrap_err();
        assert!(matches!(&error, CompileError::Attribute { attribute: a, .. } if a == attribute), "{error}");
    }
    let (mut graph, pins) = graph("lstm");
    let node = graph.nodes.iter_mut().find(|n| n.op == "LSTM").unwrap();
    node.inputs.push(node.inputs[3].clone());
    let error = NativeEngine::compile(&graph, &pins).unwrap_err().to_string();
    assert!(error.contains("peephole"), "{error}");
}
