//! The verification ladder on the CPU of this machine, against the real library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::path::PathBuf;

use sinew_inference::{Directory, Engine, Model};
use sinew_inference_ort::{
    GraphBytes, OrtEngine, OrtEngineError, PlacementError, Places, Provider, ProviderConfig, Runtime, io_of,
};

fn runtime() -> Runtime {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    let places = Places { runtime_dir: Some(build), ..Places::of_process() };
    Runtime::find_or_fetch(&places).unwrap()
}

fn model() -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../launch/robots/quad/models");
    Model::load(&Directory::new(folder), "quad_walk.model.toml").unwrap()
}

#[test]
fn a_model_on_the_cpu_is_proven_to_be_there() {
    let (runtime, model) = (runtime(), model());
    let graph = GraphBytes::whole(model.graph_bytes.clone());
    let config = ProviderConfig { deadline_us: Some(1e6), ..ProviderConfig::default() };
    let (mut engine, placement) = OrtEngine::proven(&runtime, &graph, &io_of(&model), &config, None).unwrap();
    println!("{placement}");
    println!("{}", placement.to_json());
    println!("{}", engine.name());
    engine.run().unwrap();
    for provider in Provider::all() {
        let config = ProviderConfig::of(&[provider]);
        match OrtEngine::proven(&runtime, &graph, &io_of(&model), &config, None) {
            Ok(_) => println!("{provider} ok"),
            Err(e) => println!("{provider}: {e}"),
        }
    }
}
