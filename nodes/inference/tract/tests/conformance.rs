//! tract keeps the promises of the seam: `cargo test -p sinew-inference-tract --features tract`.
#![cfg(feature = "tract")]
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

use std::sync::Arc;

use sinew_inference::conformance::{Case, run};
use sinew_inference::{Engine, EngineIo};
use sinew_inference_tract::TractEngine;

fn tract(case: &Case, io: &EngineIo) -> Result<Box<dyn Engine>, String> {
    let file = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), Arc::from(*bytes));
    let external: Vec<_> = case.external.iter().map(file).collect();
    TractEngine::new(case.graph, &external, io)
        .map(|e| Box::new(e) as Box<dyn Engine>)
        .map_err(|e| e.to_string())
}

#[test]
fn tract_conforms() {
    let mut failed = Vec::new();
    for case in Case::all().unwrap() {
        let report = run(&case, &tract);
        println!("{:18} {:.1e}  {:?}", case.name, report.max_abs_error, report.violations);
        if !report.passed() {
            failed.push(case.name.clone());
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn files_that_are_no_graphs_are_an_error() {
    let case = Case::all().unwrap().remove(0);
    for length in [0, 1, case.graph.len() / 2, case.graph.len() - 1] {
        assert!(TractEngine::new(&case.graph[..length], &[], &case.io).is_err(), "{length}");
    }
    let outside = [("../weights".to_owned(), Arc::from([0u8; 4]))];
    let error = TractEngine::new(case.graph, &outside, &case.io).err().unwrap().to_string();
    assert!(error.contains("not a plain file name"), "{error}");
}
