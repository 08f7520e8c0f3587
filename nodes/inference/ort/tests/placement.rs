//! The verification ladder on the CPU of this machine, with the real library and a real policy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::path::PathBuf;

use sinew_inference::manifest::GraphFile;
use sinew_inference::{Directory, Engine, Library, LibraryError, Manifest, Model, sha256_hex};
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
    let path = dir.path().join("libmusa_of_test.so");
    std::fs::write(&path, b"not a library").unwrap();
    let sha256 = sha256_hex(b"not a library");
    let file = GraphFile { file: "libmusa_of_test.so".into(), sha256, line: 1 };
    let library = Library::verify(dir.path(), &file).unwrap();
    let mut config = ProviderConfig::of(&[Provider::Cpu]);
    config.providers.insert(0, "MusaEP".to_owned());
    config.plugins.push(Plugin { name: "MusaEP".into(), library });
    let error = proven(&config).err().unwrap();
    assert!(matches!(&error, OrtEngineError::Plugin { .. }), "{error}");
    assert!(error.to_string().contains("libmusa_of_test.so"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = proven(&config).err().unwrap().to_string();
    assert!(error.contains("plugin `MusaEP`") && error.contains("no such file"), "{error}");
}

#[test]
fn what_a_manifest_asks_for_arrives_here() {
    let text = std::fs::read_to_string(folder().join("quad_walk.model.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("libmusa.so"), b"musa").unwrap();
    std::fs::write(dir.path().join("libops.so"), b"operators").unwrap();
    let section = r#"
providers = ["MusaEP", "tensorrt", "cuda", "cpu"]
require = "cuda"
min_node_share = 0.9
warmup = 5
threads = 2
extra = { "cuda.use_tf32" = "0", "tensorrt.trt_min_subgraph_size" = "5", "tensorrt.trt_extra_plugin_lib_paths" = "libops.so" }
plugin = [{ name = "MusaEP", library = "libmusa.so", sha256 = "MUSA" }, { name = "ops", library = "libops.so", sha256 = "OPS" }]
tensorrt = { workspace_mb = 256, builder_level = 5, dla_core = 0, cuda_graph = true, fp16 = true }
"#;
    let parse = |section: &str| {
        let section = section.replace("MUSA", &sha256_hex(b"musa")).replace("OPS", &sha256_hex(b"operators"));
        let text = text.replacen("[runtime]\n", &format!("[runtime]\n{section}"), 1);
        ProviderConfig::of_manifest(&Manifest::parse("m.toml", &text).unwrap(), dir.path())
    };
    let config = parse(section.trim_start()).unwrap();
    config.check().unwrap();
    assert_eq!(config.allowed(), ["MusaEP", "tensorrt", "cuda"]);
    assert_eq!((config.min_node_share, config.warmup, config.threads), (0.9, 5, 2));
    let folder = dir.path().canonicalize().unwrap();
    assert_eq!(config.plugins[0].library.path(), folder.join("libmusa.so"));
    let operators = folder.join("libops.so").display().to_string();
    let extra: Vec<_> = config.extra_of("tensorrt").collect();
    assert_eq!(extra, [("trt_extra_plugin_lib_paths", &operators[..]), ("trt_min_subgraph_size", "5")]);
    assert_eq!(config.extra_of("cuda").collect::<Vec<_>>(), [("use_tf32", "0")]);
    assert!(config.tensorrt.key_options().contains(&"trt_fp16_enable=1".to_owned()));
    assert!(config.deadline_us.is_some_and(|us| us > 0.0));

    let in_flight = "providers = [\"tensorrt\"]\ntensorrt = { build = \"on_start\" }\n";
    assert_eq!(parse(in_flight), Err(ConfigError::BuildOnStart));

    // No library is opened that the manifest does not name with its hash.
    let other = section.trim_start().replace("= \"libops.so\" }\n", "= \"/tmp/libops.so\" }\n");
    let error = parse(&other).unwrap_err();
    assert!(matches!(&error, ConfigError::Library { .. }), "{error}");
    assert!(error.to_string().contains("trt_extra_plugin_lib_paths"), "{error}");
    assert!(error.to_string().contains("libmusa.so, libops.so"), "{error}");
    std::fs::write(dir.path().join("libmusa.so"), b"something else").unwrap();
    let error = parse(section.trim_start()).unwrap_err();
    assert!(matches!(&error, ConfigError::Plugin { error: LibraryError::Hash { .. }, .. }), "{error}");
}
