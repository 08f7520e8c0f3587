//! The engines of the program at the command line: what they promise, and what a step costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use serde_json::Value;
use std::process::Command;

fn sinew(arguments: &[&str]) -> (Value, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_sinew")).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}{errors}"));
    (value, output.status.success())
}

#[test]
fn every_engine_of_the_program_conforms() {
    let (result, success) = sinew(&["model", "conformance", "--engine", "all", "--json"]);
    assert!(success, "{result}");
    assert_eq!(result["passed"], true);
    assert!(result["max_abs_error"].as_f64().unwrap() < 1e-5);
    for engine in ["native", "onnxruntime"] {
        assert!(result["engines"][engine]["cases"].as_array().unwrap().len() >= 15, "{engine}");
    }
    let (result, _) = sinew(&["model", "conformance", "--engine", "native", "--json"]);
    assert!(result["engines"]["onnxruntime"].is_null());
}

#[test]
fn tract_is_judged_where_it_was_built_in_and_named_where_it_was_not() {
    let arguments = ["model", "conformance", "--engine", "tract", "--json"];
    if cfg!(feature = "tract") {
        let (all, success) = sinew(&["model", "conformance", "--json"]);
        assert!(success, "{all}");
        let (alone, success) = sinew(&arguments);
        assert!(success, "{alone}");
        assert!(alone["engines"]["native"].is_null(), "{alone}");
        for result in [all, alone] {
            assert!(result["engines"]["tract"]["cases"].as_array().unwrap().len() >= 15, "{result}");
        }
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_sinew")).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!output.status.success() && said["passed"] == false, "{errors}{said}");
    assert!(errors.contains("--engine tract") && errors.contains("--features tract"), "{errors}");
    let (all, _) = sinew(&["model", "conformance", "--json"]);
    assert!(all["engines"]["tract"].is_null(), "{all}");
}

/// What it measures is not asserted here, where other tests run beside it; that it measures is.
#[test]
fn the_bench_of_a_policy_measures_every_subject() {
    let (result, _) = sinew(&["bench", "policy", "--seconds", "1", "--json"]);
    for network in [&result, &result["mlp"], &result["mlp_1m"]] {
        for subject in ["native", "onnxruntime", "raw", "node_native", "node_onnxruntime"] {
            for key in ["p50_us", "p99_us", "max_us"] {
                assert!(
                    network[subject][key].as_f64().is_some_and(|us| us > 0.0),
                    "{subject} {key}: {result}"
                );
            }
        }
    }
    assert_eq!(result["allocations"], 0);
    assert!(result["mlp_1m"]["parameters"].as_u64().unwrap() > 1_000_000);
    assert!(result["passed"].is_boolean());
}
