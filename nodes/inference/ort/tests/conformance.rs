//! One suite for the `Engine` seam, passed by the native executor and by ONNX Runtime; and both give the same.
//!
//! The library is taken from where it is found, else fetched by pip into the build folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::path::PathBuf;

use sinew_inference::conformance::{Case, run};
use sinew_inference::onnx::Graph;
use sinew_inference::{Directory, ElementType, Engine, EngineIo, Model, NativeEngine, TensorInfo, Tolerance};
use sinew_inference_ort::{
    ConfigError, GraphBytes, OpenError, OrtEngine, OrtEngineError, Provider, ProviderConfig, Runtime, places,
};
use sinew_pinned::Places;
use sinew_policy::{Policy, PolicyConfig, verify};

fn runtime() -> Runtime {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    let places = Places { runtime_dir: Some(build), ..places() };
    Runtime::find_or_fetch(&places).unwrap()
}

fn model() -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../launch/robots/quad/models");
    Model::load(&Directory::new(folder), "quad_walk.model.toml").unwrap()
}

fn engines(model: &Model) -> Vec<Box<dyn Engine>> {
    let foreign = OrtEngine::new(&runtime(), model, &[Provider::Cpu]).unwrap();
    vec![Box::new(NativeEngine::new(model).unwrap()), Box::new(foreign)]
}

/// A simple repeatable sequence in -1..1.
fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

fn foreign(case: &Case, io: &EngineIo) -> Result<Box<dyn Engine>, String> {
    let external = case.external.iter().map(|(name, bytes)| ((*name).to_owned(), (*bytes).into())).collect();
    let graph = GraphBytes { onnx: case.graph.to_vec(), external };
    OrtEngine::build(&runtime(), &graph, io, &ProviderConfig::default(), None)
        .map(|engine| Box::new(engine) as Box<dyn Engine>)
        .map_err(|e| e.to_string())
}

#[test]
fn onnx_runtime_conforms() {
    for case in Case::all().unwrap() {
        let report = run(&case, &foreign);
        println!("{:18} {:.1e}  {}", case.name, report.max_abs_error, case.shows);
        assert!(report.passed(), "{}: {:?}", case.name, report.violations);
    }
}

#[test]
fn both_engines_give_the_golden_targets_within_1e_5_rad() {
    let model = model();
    let mut joints = model.manifest.joints.order.clone();
    joints.rotate_left(5);
    for engine in engines(&model) {
        let name = engine.name().to_owned();
        let config = PolicyConfig {
            number: 0,
            joints: &joints,
            feet: &[],
            max_gains: None,
            stand_kp_nm_per_rad: None,
            position_limits: None,
            period_ns: 2_000_000,
            latency_ticks_min: 0,
            boot_id: 1,
        };
        let mut policy = Policy::new(&model, engine, &config).unwrap();
        let report = verify(&mut policy, &model.golden, Tolerance { atol: 1e-5, rtol: 0.0 }).unwrap();
        println!("{name}: {} ticks, worst {:.1e} rad", report.ticks, report.worst_rad);
    }
}

#[test]
fn both_engines_agree_on_a_thousand_observations() {
    let mut engines = engines(&model());
    let mut next = noise(2);
    let mut worst = 0.0f32;
    for _ in 0..1000 {
        let input: Vec<f32> = (0..47).map(|_| 3.0 * next()).collect();
        for engine in &mut engines {
            engine.input_mut(0).copy_from_slice(&input);
            engine.run().unwrap();
        }
        let [a, b] = [&engines[0], &engines[1]];
        for index in 0..2 {
            let pairs = a.output(index).iter().zip(b.output(index));
            worst = pairs.map(|(x, y)| (x - y).abs() / (1.0 + y.abs())).fold(worst, f32::max);
        }
    }
    println!("worst difference {worst:.1e}");
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn both_engines_agree_on_every_operator() {
    let cases: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/operators.json")).unwrap();
    let structures: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/structures.json")).unwrap();
    let runtime = runtime();
    let mut newer = Vec::new();
    for case in cases.as_array().unwrap().iter().chain(structures.as_array().unwrap()) {
        let name = case["name"].as_str().unwrap();
        let digits = case["onnx"].as_str().unwrap().as_bytes().chunks(2);
        let bytes: Vec<u8> =
            digits.map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap()).collect();
        let sizes = |v: &serde_json::Value| {
            v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let info = |v: &serde_json::Value, name: &str| -> TensorInfo {
            let shape: Vec<usize> = sizes(&v["shape"]);
            let all = [1, 6, 7, 9, 10].map(|n| ElementType::from_onnx(n).unwrap());
            let element = all.into_iter().find(|e| v["element"].as_str() == Some(e.name())).unwrap();
            TensorInfo { name: name.to_owned(), element, shape }
        };
        let inputs = case["inputs"].as_array().unwrap();
        let io = EngineIo {
            inputs: inputs.iter().map(|i| info(i, i["name"].as_str().unwrap())).collect(),
            outputs: vec![info(case, "y")],
        };
        let mut native = NativeEngine::compile(&Graph::parse(&bytes).unwrap(), &io.inputs).unwrap();
        let mut foreign = match OrtEngine::with_io(&runtime, &bytes, &io, &[Provider::Cpu]) {
            Ok(engine) => engine,
            // Libraries of 1.20 to 1.23 do not know the newest operator sets.
            Err(e) if cfg!(not(feature = "ort-api-24")) && e.to_string().contains("is under development") => {
                newer.push(name);
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        for input in inputs {
            let values: Vec<f32> =
                input["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            for engine in [&mut native as &mut dyn Engine, &mut foreign] {
                let index = engine.io().input_index(input["name"].as_str().unwrap()).unwrap();
                engine.input_mut(index).copy_from_slice(&values);
            }
        }
        native.run().unwrap();
        foreign.run().unwrap();
        for (a, b) in native.output(0).iter().zip(foreign.output(0)) {
            assert!((a - b).abs() <= 2e-6 + 2e-6 * b.abs(), "{name}: native {a}, onnxruntime {b}");
        }
    }
    assert!(newer.len() <= 2, "{newer:?}"); // RMSNormalization of set 23, Swish of set 24
}

#[test]
fn what_cannot_run_is_refused_with_a_reason() {
    let (runtime, model) = (runtime(), model());
    let unnamed = OrtEngine::new(&runtime, &model, &[]).err().unwrap();
    assert!(matches!(unnamed, OrtEngineError::Config(ConfigError::NoProvider)), "{unnamed}");

    let mut renamed = model.clone();
    renamed.manifest.outputs[0].tensor = "nothing".to_owned();
    let error = OrtEngine::new(&runtime, &renamed, &[Provider::Cpu]).err().unwrap().to_string();
    assert!(error.contains("nothing") && error.contains("actions"), "{error}");

    let mut cut = model;
    cut.graph_bytes.truncate(50_000);
    assert!(matches!(OrtEngine::new(&runtime, &cut, &[Provider::Cpu]), Err(OrtEngineError::Session { .. })));

    // A second library in one process is refused, the same one is not.
    Runtime::open(runtime.library()).unwrap();
    let other = Runtime::open(&PathBuf::from("/nowhere/libonnxruntime.so.1.40.0"));
    assert!(matches!(other, Err(OpenError::Another { .. })));

    let named = Places { named: Some("/nowhere/libonnxruntime.so".into()), ..places() };
    assert!(matches!(Runtime::find_or_fetch(&named), Err(OpenError::NotFound(_))));
}
