//! Loading a model: what is accepted, and that everything else is refused with a place and a hint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod files;

use files::Files;
use proptest::prelude::*;
use sinew_inference::onnx::Graph;
use sinew_inference::{Engine, LoadError, Model, NativeEngine};

fn refusal(files: &Files) -> String {
    Model::load(files, files::MANIFEST).map(drop).expect_err("must be refused").to_string()
}

/// The refusal of a manifest in which `from` was replaced by `to`, and the line where that happened.
fn edited(from: &str, to: &str) -> (String, String) {
    let mut files = Files::quad();
    let text = files.text(files::MANIFEST);
    let at = text.find(from).unwrap_or_else(|| panic!("`{from}` is not in the manifest"));
    files.set_text(files::MANIFEST, &text.replacen(from, to, 1));
    let line = text[..at].lines().count().max(1) + usize::from(text[..at].ends_with('\n'));
    (refusal(&files), format!(":{line}:"))
}

#[test]
fn the_quadruped_loads_and_runs() {
    let model = Model::load(&Files::quad(), files::MANIFEST).unwrap();
    assert_eq!(model.manifest.joints.order.len(), 12);
    assert_eq!(model.manifest.runtime.rate_hz, 50.0);
    let mut engine = NativeEngine::new(&model).unwrap();
    assert_eq!((engine.io().inputs.len(), engine.io().outputs.len()), (1, 2));
    engine.run().unwrap();
    assert!(engine.output(1).iter().all(|v| v.is_finite()));
    assert_eq!(engine.output(1).len(), 12);
}

#[test]
fn each_mistake_in_the_manifest_is_named_with_its_line() {
    let edits = [
        ("deadline_ms = 4.0", "deadline_ns = 4.0", "runtime.deadline_ns"),
        ("deadline_ms = 4.0", "deadline_ms = \"4\"", "runtime.deadline_ms"),
        ("deadline_ms = 4.0", "deadline_ms = nan", "runtime.deadline_ms"),
        ("latency_ticks = 2", "latency_ticks = 0", "runtime.latency_ticks"),
        ("rate_hz = 50", "rate_hz = 50000", "runtime.rate_hz"),
        ("\"native\", \"onnxruntime\"", "\"native\", \"torch\"", "runtime.engine[1]"),
        ("task = \"policy\"", "task = \"detect2d\"", "model.task"),
        ("scale = [2.0, 2.0, 1.0]", "scale = [2.0, 2.0]", "input[0].term[2].scale"),
        ("scale = 0.25", "scle = 0.25", "input[0].term[0].scle"),
        ("state/joint/velocity", "state/joint/speed", "input[0].term[4].kind"),
        ("shape = [1, 47]", "shape = [1, 45]", "input[0].shape"),
        ("stage = \"raw\"", "stage = \"cooked\"", "input[0].term[5].stage"),
        ("freeze_below = 0.05", "freeze_below = -1.0", "input[0].term[6].freeze_below"),
        ("tensor = \"actions\"", "tensor = \"action\"", "output[0].tensor"),
        ("\"FL_hip\", \"FL_thigh\"", "\"FL_hip\", \"FL_hip\"", "joints.order[4]"),
        ("kd = 1.0", "kd = -1.0", "joints.kd"),
        ("schema = 1", "schema = 2", "schema"),
        ("mode = \"none\"", "mode = \"zero_one\"", "input[0].normalize.mode"),
    ];
    for (from, to, field) in edits {
        let (message, line) = edited(from, to);
        for part in [line.as_str(), field, "expected", "found"] {
            assert!(message.contains(part), "{from} -> {to}: `{part}` is missing in: {message}");
        }
    }
}

#[test]
fn keys_of_models_that_are_no_policies_are_refused_as_such() {
    let (message, _) = edited("normalize = { mode = \"none\" }", "image = { slot = \"front\" }");
    assert!(message.contains("input[0].image") && message.contains("no policies"), "{message}");
    let mut files = Files::quad();
    let text = files.text(files::MANIFEST);
    files.set_text(files::MANIFEST, &text.replace("[verify]", "[[stage]]\ngraph = \"prefix\"\n\n[verify]"));
    let message = refusal(&files);
    assert!(message.contains("`stage`") && message.contains("no policies"), "{message}");
}

#[test]
fn broken_toml_names_its_line() {
    let (message, line) = edited("[runtime]", "[runtime");
    assert!(message.contains(&line), "{message}");
}

#[test]
fn tensors_left_out_are_missed() {
    let text = Files::quad().text(files::MANIFEST);
    let output = "[[output]]\ntensor = \"actions\"\nkind = \"feedback/action\"\n";
    let mut files = Files::quad();
    files.set_text(files::MANIFEST, &text.replace(output, ""));
    let message = refusal(&files);
    assert!(message.contains("`actions`") && message.contains("account for every tensor"), "{message}");

    let term = "[[input.term]]\nkind = \"state/body/projected_gravity\"\n";
    files.set_text(files::MANIFEST, &text.replace(term, ""));
    let message = refusal(&files);
    assert!(message.contains("44 values"), "{message}");

    let pinned = text.replace(term, "").replace("shape = [1, 47]", "shape = [1, 44]");
    files.set_text(files::MANIFEST, &pinned);
    let message = refusal(&files);
    assert!(message.contains("[1, 44]") && message.contains("[1, 47]"), "{message}");
}

#[test]
fn another_graph_another_golden_file_or_a_pointer_is_refused() {
    let mut files = Files::quad();
    files.flip_byte(files::GRAPH, 5_000);
    let message = refusal(&files);
    assert!(message.contains("quad_walk.onnx: SHA-256") && message.contains(".toml:"), "{message}");

    let mut files = Files::quad();
    files.flip_byte(files::GOLDEN, 700);
    assert!(refusal(&files).contains("quad_walk.golden.json: SHA-256"));

    let mut files = Files::quad();
    files.set_text(files::GRAPH, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 98552\n");
    let message = refusal(&files);
    assert!(message.contains("Git LFS pointer") && message.contains("git lfs pull"), "{message}");

    let mut files = Files::quad();
    files.remove(files::GRAPH);
    assert!(refusal(&files).contains("quad_walk.onnx"));
}

#[test]
fn golden_vectors_must_belong_to_the_model() {
    let golden = Files::quad().text(files::GOLDEN);
    let edits = [
        ("\"rate_hz\": 50.0", "\"rate_hz\": 25.0", "rate_hz"),
        ("\"FL_calf\"", "\"FL_ankle\"", "joints"),
        ("\"FL_calf\"", "\"FL_hip\"", "joints"),
        ("\"schema\": 1", "\"schema\": 3", "schema"),
        ("\"schema\": 1", "\"schema\": 1, \"note\": 0", "note"),
        ("\"graph_sha256\": \"9", "\"graph_sha256\": \"8", "graph_sha256"),
        ("\"gyro_rad_s\": [", "\"gyro_rad_s\": [1.0, ", "line 3"),
        ("\"q_rad\": [", "\"q_rad\": [1.0, ", "q_rad"),
        ("\"q_rad\": [", "\"q_rad\": [1e999, ", "line 3"),
    ];
    for (from, to, part) in edits {
        let mut files = Files::quad();
        files.replace_golden(&golden.replacen(from, to, 1));
        let message = refusal(&files);
        assert!(message.contains(part) && message.contains("golden.json"), "{from} -> {to}: {message}");
    }
}

#[test]
fn a_graph_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let whole = Files::quad().bytes(files::GRAPH);
    for len in (0..whole.len()).step_by(997).chain(0..300) {
        let error = Graph::parse(&whole[..len]);
        assert!(error.is_err() || account(error.unwrap()).is_err(), "cut at {len}");
    }
}

fn account(graph: Graph) -> Result<(), String> {
    let inputs = Model::load(&Files::quad(), files::MANIFEST).unwrap().inputs();
    NativeEngine::compile(&graph, &inputs).map(drop).map_err(|e| e.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes are altered, the answer is a graph or a reason; and a graph that compiles also runs.
    #[test]
    fn altered_graphs_never_crash(edits in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6), in_the_structure: bool) {
        let files = Files::quad();
        let mut bytes = files.bytes(files::GRAPH);
        let len = bytes.len();
        // Most of the file is weights; half of the runs alter the structure on either side of them.
        let structure: Vec<usize> = (0..800).chain(len - 1000..len).collect();
        for (at, value) in edits {
            let at = if in_the_structure { structure[at % structure.len()] } else { at % len };
            bytes[at] = value;
        }
        if let Ok(graph) = Graph::parse(&bytes) {
            let inputs = [sinew_inference::TensorInfo::f32("obs", [1, 47])];
            if let Ok(mut engine) = NativeEngine::compile(&graph, &inputs) {
                engine.run().unwrap();
            }
        }
    }

    /// Short random files: same promise.
    #[test]
    fn random_bytes_never_crash(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(graph) = Graph::parse(&bytes) {
            prop_assert!(graph.nodes.len() <= bytes.len());
        }
    }

    /// A manifest with a line removed, doubled or cut is refused or loads; it never crashes.
    #[test]
    fn altered_manifests_never_crash(line in 0usize..90, mode in 0u8..3) {
        let mut files = Files::quad();
        let text = files.text(files::MANIFEST);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match mode {
            0 => { lines.remove(line); }
            1 => { let copy = lines[line].clone(); lines.insert(line, copy); }
            _ => { let half = lines[line].len() / 2; lines[line] = lines[line].chars().take(half).collect(); }
        }
        files.set_text(files::MANIFEST, &lines.join("\n"));
        if let Err(error) = Model::load(&files, files::MANIFEST) {
            prop_assert!(matches!(error, LoadError::Manifest(_) | LoadError::Hash { .. } | LoadError::Source(_) | LoadError::Golden { .. }), "{error}");
        }
    }
}
