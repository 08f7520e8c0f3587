//! Verdicts on planted evidence.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
use super::*;
use crate::provider::{Provider, key_of};
use crate::subgraph::AssignedNode;

fn subgraph(provider: &str, operators: &[&str]) -> Subgraph {
    let node = |op: &&str| AssignedNode {
        name: format!("/{op}"),
        domain: String::new(),
        operator: (*op).to_owned(),
    };
    Subgraph { provider: provider.to_owned(), nodes: operators.iter().map(node).collect() }
}

fn kernels(provider: &str, kernels: usize) -> Kernels {
    Kernels { provider: provider.to_owned(), kernels, us_per_run: 10.0 }
}

fn config(require: &str, least: f64) -> ProviderConfig {
    let mut config = ProviderConfig::of(&[Provider::TensorRt, Provider::Cuda, Provider::Cpu]);
    config.require = require.to_owned();
    config.min_node_share = least;
    config
}

/// 8 nodes on TensorRT in one piece, one on CUDA, one on the CPU.
fn placed(require: &str, least: f64) -> Placement {
    placed_with(require, least, 0)
}

/// As [`placed`], the node on the CPU reading `nms` bytes of constants, those on TensorRT 900.
fn placed_with(require: &str, least: f64, nms: u64) -> Placement {
    let subgraphs = [
        subgraph("CPUExecutionProvider", &["NonMaxSuppression"]),
        subgraph("TensorrtExecutionProvider", &["Conv"; 8]),
        subgraph("CUDAExecutionProvider", &["Resize"]),
    ];
    let weights = Weights::of_nodes(&[("/Conv", 900), ("/Resize", 0), ("/NonMaxSuppression", nms)]);
    let call = |p: &str| key_of(p).to_owned();
    Placement::of_assignment("1.32.0", &config(require, least), &subgraphs, &weights, &call)
}

#[test]
fn shares_count_everything_up_to_the_weakest_allowed() {
    assert_eq!(placed("tensorrt", 1.0).node_share, 0.8);
    assert_eq!(placed("cuda", 1.0).node_share, 0.9);
    assert_eq!(placed("cpu", 1.0).node_share, 1.0);
    let placement = placed("cuda", 0.9);
    placement.judge_assignment().unwrap();
    assert_eq!(placement.summary(), "tensorrt 80 %, cuda 10 %, cpu 10 %");
    assert!(placement.is_mixed());
    assert!(placement.to_string().contains("tensorrt: 8 of 10 nodes (80 %) in 1 subgraphs"), "{placement}");
    assert_eq!(placement.to_json()["providers"][0]["operators"][0], "Conv");
}

#[test]
fn a_share_below_the_manifest_is_refused_with_the_operators() {
    let error = placed("cuda", 0.95).judge_assignment().unwrap_err().to_string();
    assert!(error.contains("9 of 10 nodes (90.0 %) run on tensorrt, cuda"), "{error}");
    assert!(error.contains("95.0 %") && error.contains("cpu (NonMaxSuppression)"), "{error}");
    let nothing =
        Placement::of_assignment("1.32.0", &config("cpu", 0.0), &[], &Weights::default(), &|p| p.to_owned());
    assert_eq!(nothing.judge_assignment(), Err(PlacementError::Nothing));
}

#[test]
fn shares_of_a_profile_are_judged_alike_and_called_what_they_are() {
    let kernels = [
        subgraph("CPUExecutionProvider", &["NonMaxSuppression", "Add"]),
        subgraph("CUDAExecutionProvider", &["Conv"; 8]),
    ];
    let call = |p: &str| key_of(p).to_owned();
    let of = |require: &str, least: f64, nms: u64| {
        let weights = Weights::of_nodes(&[("/Conv", 900), ("/NonMaxSuppression", nms)]);
        Placement::of_profile("1.22.1", &config(require, least), &kernels, &weights, &call)
    };
    of("cuda", 0.8, 0).judge_assignment().unwrap();
    let error = of("cuda", 0.9, 0).judge_assignment().unwrap_err().to_string();
    assert!(error.contains("8 of 10 kernels of the profile (80.0 %) run on tensorrt, cuda"), "{error}");
    let error = of("cuda", 0.8, 8100).judge_assignment().unwrap_err();
    assert!(matches!(error, PlacementError::ParameterShare { .. }), "{error}");
    let text = of("cuda", 0.8, 0).to_string();
    assert!(text.contains("no record of its assignment"), "{text}");
    assert_eq!(of("cuda", 0.8, 0).to_json()["evidence"], "profile");
    assert_eq!(placed("cpu", 1.0).to_json()["evidence"], "record");
}

#[test]
fn a_wrong_assignment_is_found_by_the_profile() {
    // The record says TensorRT, the kernels ran on the CPU.
    let all = [subgraph("TensorrtExecutionProvider", &["Conv"; 10])];
    let key = |p: &str| key_of(p).to_owned();
    let mut placement =
        Placement::of_assignment("1.32.0", &config("tensorrt", 1.0), &all, &Weights::default(), &key);
    placement.judge_assignment().unwrap();
    let error = placement.judge_kernels(vec![kernels("cpu", 10)]).unwrap_err();
    assert_eq!(error, PlacementError::Contradiction { provider: "cpu".into(), kernels: 10 });
    // It says so and nothing ran there.
    let error = placed("cpu", 1.0).judge_kernels(vec![kernels("cpu", 9), kernels("cuda", 1)]);
    assert!(matches!(error, Err(PlacementError::Idle { nodes: 8, .. })), "{error:?}");
}

#[test]
fn heavy_layers_elsewhere_are_found_by_their_parameters() {
    // Nine of ten nodes are where they should be; the one with the weights is not.
    let error = placed_with("cuda", 0.9, 8100).judge_assignment().unwrap_err().to_string();
    assert!(error.contains("10.0 %") && error.contains("8100 bytes on cpu"), "{error}");
    let light = placed_with("cuda", 0.9, 50);
    light.judge_assignment().unwrap();
    assert!(light.parameter_share.unwrap() > 0.9);
    // All nodes in place: their parameters are, too. A file without constants has no such share.
    assert_eq!(placed_with("cpu", 1.0, 8100).parameter_share, Some(1.0));
    let subgraphs = [subgraph("CPUExecutionProvider", &["Add"])];
    let none = Weights::default();
    let placement =
        Placement::of_assignment("1.32.0", &config("cpu", 1.0), &subgraphs, &none, &|p| key_of(p).to_owned());
    assert_eq!(placement.parameter_share, None);
}

#[test]
fn on_a_processor_a_rare_slow_run_is_a_warning_unless_it_has_a_bound() {
    let subgraphs = [subgraph("CPUExecutionProvider", &["Gemm"; 3])];
    let call = |p: &str| key_of(p).to_owned();
    let config = config("cpu", 1.0);
    let mut placement = Placement::of_assignment("1.32.0", &config, &subgraphs, &Weights::default(), &call);
    placement.deadline_us = Some(100.0);
    let times = || (0..200).map(|i| if i < 190 { 50.0 } else { 400.0 }).collect::<Vec<_>>();
    placement.judge_times(5000.0, times()).unwrap();
    let warning = placement.warning.clone().unwrap();
    assert!(warning.contains("99th percentile 400 us"), "{warning}");
    assert!(warning.contains("runtime.deadline_ms, 100 us"), "{warning}");
    assert!(placement.to_string().contains(&warning), "{placement}");
    assert_eq!(placement.to_json()["warning"], warning);
    placement.p99_limit_us = Some(300.0);
    let error = placement.judge_times(5000.0, times()).unwrap_err();
    assert!(matches!(error, PlacementError::TooSlow { key: "verify.p99_ms", .. }), "{error}");
    // The median has no excuse.
    let error = placement.judge_times(0.0, vec![120.0; 10]).unwrap_err();
    assert!(matches!(error, PlacementError::TooSlow { what: "median", .. }), "{error}");
}

#[test]
fn times_are_held_against_the_manifest() {
    let mut placement = placed("cpu", 1.0);
    placement.deadline_us = Some(100.0);
    let times = |slow: f64| (0..200).map(|i| if i < 190 { 50.0 } else { slow }).collect::<Vec<_>>();
    // Part of it is on an accelerator: the 99th percentile has to keep the deadline.
    let error = placement.judge_times(5000.0, times(400.0)).unwrap_err().to_string();
    assert!(error.contains("99th percentile 400 us") && error.contains("runtime.deadline_ms"), "{error}");
    placement.judge_times(5000.0, times(90.0)).unwrap();
    assert_eq!(placement.warning, None);
    // A bound of its own takes the deadline's place, and what lies between is said.
    placement.p99_limit_us = Some(500.0);
    placement.judge_times(5000.0, times(400.0)).unwrap();
    assert!(placement.to_string().contains("WARNING: 99th percentile 400 us"), "{placement}");
    placement.p99_limit_us = Some(300.0);
    let error = placement.judge_times(5000.0, times(400.0)).unwrap_err().to_string();
    assert!(error.contains("99th percentile 400 us") && error.contains("verify.p99_ms"), "{error}");
    let error = placement.judge_times(0.0, vec![120.0; 10]).unwrap_err().to_string();
    assert!(error.contains("median 120 us"), "{error}");
    assert!(placement.judge_times(0.0, Vec::new()).is_err(), "no measurement proves nothing");
}
