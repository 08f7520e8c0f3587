//! LeRobot: normalisation outside the network, modes, units, names, chunks.

use super::*;
use sinew_inference::import::{DraftNormalize, OutputWhat, TermWhat};

const BEFORE: &str = "policy_preprocessor.json";
const AFTER: &str = "policy_postprocessor.json";
const STATS_AFTER: &str = "policy_postprocessor_step_0_unnormalizer_processor.safetensors";
const STATS_BEFORE: &str = "policy_preprocessor_step_1_normalizer_processor.safetensors";

fn fixture() -> Fixture {
    Fixture::complete("quad_lerobot")
}

fn action(fixture: &Fixture) -> (Vec<f64>, Vec<f64>) {
    let draft = fixture.draft();
    let OutputWhat::Position { scale, offset_rad, .. } = &draft.outputs[0].what else { panic!() };
    (scale.value().unwrap().clone(), offset_rad.value().unwrap().clone())
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-5 * expected.abs().max(1.0)
}

/// A safetensors file of f32 lists.
fn safetensors(lists: &[(&str, &[f32])]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, values) in lists {
        let begin = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        entries.push(format!(
            "\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{begin},{}]}}",
            values.len(),
            data.len()
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

#[test]
fn units_gains_and_names_are_not_in_the_policy() {
    let bare = Fixture::load("quad_lerobot");
    assert_eq!(bare.missing(), ["joints.kp", "joints.kd", "term observation.state positions scale"]);
    bare.refused(&["units are not recorded", "--set units=rad or --set units=deg", "--set joints.kp=..."]);
    fixture().set("units=percent").refused(&["--set", "`units`", "percent", "rad or deg"]);
    let nameless = fixture().without("meta/info.json");
    let missing = nameless.missing();
    assert!(
        missing.contains(&"joints.order".to_owned()) && missing.contains(&"runtime.rate_hz".to_owned()),
        "{missing:?}"
    );
    nameless.refused(&["only the size of action (12)", "meta/info.json", "--set 'joints.order=[NAME, ...]'"]);
}

#[test]
fn degrees_are_undone_before_and_after_the_network() {
    let draft = fixture().draft();
    assert!(close(draft.inputs[0].terms[0].scale.value().unwrap()[0], 180.0 / std::f64::consts::PI));
    assert!(matches!(
        draft.inputs[0].terms[0].what,
        TermWhat::JointPosition { minus_default: false, joints: None }
    ));
    let (scale, offset) = action(&fixture());
    // Thigh: deviation 9 degrees around 45 degrees.
    assert!(
        close(scale[4], 9f64.to_radians()) && close(offset[4], 45f64.to_radians()),
        "{} {}",
        scale[4],
        offset[4]
    );
    let radians = Fixture::load("quad_lerobot").set("units=rad").set("joints.kp=1").set("joints.kd=1");
    assert!(close(action(&radians).0[4], 9.0));
}

#[test]
fn every_mode_is_undone_as_it_was_done() {
    let modes = |mode: &str, low: &str, high: &str| {
        let (lo, hi) = ([-10f32; 12], [30f32; 12]);
        let lists = [(format!("action.{low}"), lo), (format!("action.{high}"), hi)];
        let lists: Vec<(&str, &[f32])> = lists.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        fixture()
            .edit(AFTER, "\"ACTION\": \"MEAN_STD\"", &format!("\"ACTION\": \"{mode}\""))
            .with(STATS_AFTER, &safetensors(&lists))
    };
    for (mode, low, high) in [("MIN_MAX", "min", "max"), ("QUANTILES", "q01", "q99")] {
        let (scale, offset) = action(&modes(mode, low, high));
        assert!(close(scale[0], 20f64.to_radians()) && close(offset[0], 10f64.to_radians()), "{mode}");
    }
    let identity = fixture().edit(AFTER, "\"ACTION\": \"MEAN_STD\"", "\"ACTION\": \"IDENTITY\"");
    assert!(close(action(&identity).0[0], 1f64.to_radians()));
    modes("MIN_MAX", "q01", "q99").refused(&["action.min", "MIN_MAX", "statistics of this mode"]);
    fixture()
        .edit(AFTER, "\"ACTION\": \"MEAN_STD\"", "\"ACTION\": \"QUANTILE10\"")
        .refused(&["QUANTILE10", "MEAN_STD, MIN_MAX or QUANTILES"]);
    for (mode, ours) in [("MIN_MAX", "min_max"), ("QUANTILES", "quantile"), ("MEAN_STD", "mean_std")] {
        let to = format!("\"STATE\": \"{mode}\"");
        let names =
            ["mean", "std", "min", "max", "q01", "q99"].map(|list| format!("observation.state.{list}"));
        let lists: Vec<(&str, &[f32])> = names.iter().map(|n| (n.as_str(), [1f32; 12].as_slice())).collect();
        let fixture = fixture().with(STATS_BEFORE, &safetensors(&lists));
        let draft = fixture.edit(BEFORE, "\"STATE\": \"MEAN_STD\"", &to).draft();
        let DraftNormalize::Stats { mode, file, prefix, .. } = &draft.inputs[0].normalize else { panic!() };
        assert_eq!((*mode, file.as_str(), prefix.as_str()), (ours, STATS_BEFORE, "observation.state."));
    }
}

#[test]
fn a_graph_that_normalises_too_is_refused() {
    // The fixture's graph with the processor's own mean among its constants.
    let stats = sinew_inference::Stats::parse(&fixture().bytes(STATS_BEFORE)).unwrap();
    let mean: Vec<f32> =
        stats.list("observation.state.mean", 12).unwrap().iter().map(|v| *v as f32).collect();
    let mut graph = sinew_inference::onnx::Graph::parse(&fixture().bytes("policy.onnx")).unwrap();
    graph.constants.push(sinew_inference::onnx::Constant {
        name: "mean".to_owned(),
        element: sinew_inference::ElementType::F32,
        shape: vec![12],
        data: sinew_inference::onnx::ConstantData::F32(mean),
    });
    fixture().with("policy.onnx", &graph.to_bytes()).refused(&[
        "constant `mean`",
        "normalised twice",
        "IDENTITY",
    ]);
}

#[test]
fn chunks_are_followed_by_the_data_sets_rate() {
    let draft = fixture().draft();
    let chunk = draft.outputs[0].chunk.as_ref().unwrap();
    assert_eq!((chunk.steps, chunk.execute.value(), chunk.dt_s.value()), (25, Some(&25), Some(&0.02)));
    assert_eq!(draft.rate_hz.value(), Some(&50.0));
    let text = fixture().written().unwrap().manifest;
    assert!(text.contains("steps = 25, dt_ms = 20.0, execute = 25, mode = \"open_loop\""), "{text}");
    let ensemble = fixture().edit(
        "config.json",
        "\"temporal_ensemble_coeff\": null",
        "\"temporal_ensemble_coeff\": 0.01",
    );
    ensemble.refused(&[
        "config.json:27: `n_action_steps`",
        "found 25",
        "expected 1",
        "temporal_ensemble_coeff to null",
    ]);
    let ensemble = ensemble.edit("config.json", "\"n_action_steps\": 25", "\"n_action_steps\": 1");
    assert!(
        ensemble
            .written()
            .unwrap()
            .manifest
            .contains("coeff = 0.01, execute = 1, mode = \"temporal_ensemble\"")
    );
    fixture().edit("config.json", "\"chunk_size\": 25", "\"chunk_size\": 20").refused(&[
        "chunk_size",
        "20",
        "[1, 25, 12]",
    ]);
}

#[test]
fn cameras_other_steps_and_older_formats_are_refused() {
    let camera = "\"input_features\": {\n    \"observation.images.front\": {\"type\": \"VISUAL\", \"shape\": [3, 240, 320]},";
    fixture().edit("config.json", "\"input_features\": {", camera).refused(&[
        "observation.images.front",
        "VISUAL",
        "no cameras",
    ]);
    fixture()
        .edit("config.json", "\"n_obs_steps\": 1", "\"n_obs_steps\": 2")
        .refused(&["n_obs_steps", "several moments"]);
    fixture().edit(AFTER, "device_processor", "clamp_processor").refused(&["clamp_processor", "by hand"]);
    fixture().without(BEFORE).refused(&["no policy_preprocessor.json", "migration"]);
    fixture().without(STATS_BEFORE).refused(&[STATS_BEFORE, "whole policy folder"]);
    fixture()
        .without("policy.onnx")
        .with("model.safetensors", &[0; 2000])
        .refused(&["model.safetensors", "weights without a graph"]);
    for file in ["config.json", BEFORE, AFTER, STATS_BEFORE, STATS_AFTER, "meta/info.json", "policy.onnx"] {
        fixture().with(file, POINTER).refused(&[file, "Git LFS pointer"]);
    }
}

#[test]
fn what_would_divide_by_nothing_is_refused_by_its_place() {
    for fps in ["0", "-30", "1e9"] {
        fixture().edit("meta/info.json", "\"fps\": 50", &format!("\"fps\": {fps}")).refused(&[
            "`fps`",
            "1 to 1000 frames/s",
            "copy the data set's own",
        ]);
    }
    for steps in ["0", "26"] {
        let to = format!("\"n_action_steps\": {steps}");
        fixture().edit("config.json", "\"n_action_steps\": 25", &to).refused(&[
            "config.json:27: `n_action_steps`",
            steps,
            "1 to 25",
        ]);
    }
    fixture().edit(BEFORE, "\"STATE\": \"MEAN_STD\"", "\"STATE\": \"MIN_MAX\"").refused(&[
        STATS_BEFORE,
        "observation.state.min",
        "MIN_MAX",
        "statistics of this mode",
    ]);
}
