//! The verification ladder on the CPU of this machine, with the real library and a real policy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::path::{Path, PathBuf};

use sinew_inference::{Directory, Engine, Manifest, Model};
use sinew_inference_ort::{
    ConfigError, GraphBytes, OrtEngine, OrtEngineError, Placement, PlacementError, Plugin, Provider,
    ProviderConfig, Runtime, io_of, places,
};
use sinew_pinned::Places;

fn runtime() -> Runtime {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    Runtime::find_or_fetch(&Places { runtime_dir: Some(build), ..places() }).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../launch/robots/quad/models")
}

fn model() -> Model {
    Model::load(&Directory::new(folder()), "quad_walk.model.toml").unwrap()
}

fn proven(config: &ProviderConfig) -> Result<(OrtEngine, Placement), OrtEngineError> {
    let model = model();
    OrtEngine::proven(&runtime(), &GraphBytes::of(&model), &io_of(&model), config, None)
}

#[test]
fn a_policy_on_the_cpu_is_proven_to_be_there() {
    let model = model();
    let mut config = ProviderConfig::of_manifest(&model.manifest, &folder()).unwrap();
    assert_eq!(
        (config.providers.as_slice(), config.require.as_str()),
        (["cpu".to_owned()].as_slice(), "cpu")
    );
    config.deadline_us = Some(1e9); // this machine may be as slow as it likes
    let (mut engine, placement) = proven(&config).unwrap();
    println!("{placement}");
    let [cpu] = placement.providers.as_slice() else { panic!("{placement}") };
    assert_eq!((cpu.provider.as_str(), cpu.node_share), ("cpu", 1.0));
    assert!(cpu.nodes > 10 && cpu.operators.contains(&"Gemm".to_owned()), "{placement}");
    assert!(placement.kernels.iter().all(|k| k.provider == "cpu" && k.kernels > 10), "{placement}");
    assert!(placement.timing.is_some_and(|t| t.runs > 0 && t.p50_us <= t.p99_us && t.p99_us <= t.max_us));
    assert_eq!(placement.parameter_share, Some(1.0));
    assert_eq!(engine.name(), format!("onnxruntime {} (cpu)", runtime().version()));
    let json = placement.to_json();
    assert_eq!((json["node_share"].as_f64(), json["require"].as_str()), (Some(1.0), Some("cpu")));
    // The warm-up leaves no trace in the inputs.
    assert!(engine.input_mut(0).iter().all(|v| *v == 0.0));
}

#[test]
fn a_run_slower_than_the_deadline_does_not_start() {
    let config = ProviderConfig { deadline_us: Some(1e-3), ..ProviderConfig::default() };
    let error = proven(&config).err().unwrap();
    let OrtEngineError::Placement { error: PlacementError::TooSlow { what: "median", .. }, .. } = &error
    else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("runtime.deadline_ms"), "{error}");
}

#[test]
fn a_plugin_library_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("libmusa_of_test.so");
    let mut config = ProviderConfig::of(&[Provider::Cpu]);
    config.providers.insert(0, "MusaEP".to_owned());
    config.plugins.push(Plugin { name: "MusaEP".into(), library: library.clone() });
    let error = proven(&config).err().unwrap().to_string();
    assert!(error.contains("plugin `MusaEP`") && error.contains("no such file"), "{error}");
    std::fs::write(&library, b"not a library").unwrap();
    let error = proven(&config).err().unwrap();
    assert!(matches!(&error, OrtEngineError::Plugin { .. }), "{error}");
    assert!(error.to_string().contains("libmusa_of_test.so"), "{error}");
}

#[test]
fn what_a_manifest_asks_for_arrives_here() {
    let text = std::fs::read_to_string(folder().join("quad_walk.model.toml")).unwrap();
    let section = r#"
providers = ["MusaEP", "tensorrt", "cuda", "cpu"]
require = "cuda"
min_node_share = 0.9
warmup = 5
threads = 2
extra = { "cuda.use_tf32" = "0", "tensorrt.trt_min_subgraph_size" = "5" }
plugin = [{ name = "MusaEP", library = "libmusa.so" }]
tensorrt = { workspace_mb = 256, builder_level = 5, dla_core = 0, cuda_graph = true, fp16 = true }
"#;
    let parse = |section: &str| {
        let text = text.replacen("[runtime]\n", &format!("[runtime]\n{section}"), 1);
        ProviderConfig::of_manifest(&Manifest::parse("m.toml", &text).unwrap(), Path::new("/models"))
    };
    let config = parse(section.trim_start()).unwrap();
    config.check().unwrap();
    assert_eq!(config.allowed(), ["MusaEP", "tensorrt", "cuda"]);
    assert_eq!((config.min_node_share, config.warmup, config.threads), (0.9, 5, 2));
    assert_eq!(config.plugins[0].library, Path::new("/models/libmusa.so"));
    assert_eq!(config.extra_of("cuda").collect::<Vec<_>>(), [("use_tf32", "0")]);
    assert!(config.tensorrt.key_options().contains(&"trt_fp16_enable=1".to_owned()));
    assert!(config.deadline_us.is_some_and(|us| us > 0.0));

    let in_flight = "providers = [\"tensorrt\"]\ntensorrt = { build = \"on_start\" }\n";
    assert_eq!(parse(in_flight), Err(ConfigError::BuildOnStart));
}
