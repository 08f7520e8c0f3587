//! A robot whose policy asks for an accelerator that is not there does not start, and says why; one that asks for the
//! CPU of ONNX Runtime walks on it, and says where it runs whatever else is tried in its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::{Robot, free_port, json, run};

const MODEL: &str = "models/quad_walk.model.toml";

/// The quadruped, its policy with these lines in `[runtime]`.
fn robot(folder: &Path, runtime: &str) -> PathBuf {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("launch/robots/quad"), folder);
    let path = folder.join(MODEL);
    let text = std::fs::read_to_string(&path).unwrap();
    let engine = "engine = [\"native\", \"onnxruntime\"]";
    assert!(text.contains(engine), "{text}");
    std::fs::write(&path, text.replace(engine, runtime)).unwrap();
    path
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn refused(args: &[&str], said: &[&str]) {
    let output = run(args);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{args:?} was accepted:\n{text}");
    for part in said {
        assert!(text.contains(part), "{args:?}: {part:?} not said in:\n{text}");
    }
}

fn up(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let robot = format!("robot:={name}_{}", std::process::id());
    let description = format!("description:={}", folder.display());
    let port = format!("ros_port:={}", support::free_port());
    ["up", "--until", "stand", &description, &robot, &port].map(str::to_owned).to_vec()
}

#[test]
fn a_policy_that_asks_for_tensorrt_and_does_not_get_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("asks_trt");
    let file = robot(
        &folder,
        "engine = [\"onnxruntime\"]\nproviders = [\"tensorrt\", \"cuda\", \"cpu\"]\nrequire = \"cpu\"",
    );
    let file = file.to_str().unwrap();
    let said = ["was built without the provider `tensorrt`", "it has cpu"];
    refused(&["model", "check", file], &said);
    refused(&["model", "build", file], &said);
    refused(&["doctor", "gpu", "--model", file], &said);
    let args = up(&folder);
    refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), &said);

    let misspelt = dir.path().join("misspelt");
    let file = robot(&misspelt, "engine = [\"onnxruntime\"]\nproviders = [\"cudda\"]");
    refused(&["model", "check", file.to_str().unwrap()], &["unknown provider `cudda`", "cuda, tensorrt"]);
}

#[test]
fn a_policy_on_the_cpu_of_onnx_runtime_is_proven_and_stands() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("on_cpu");
    let file = robot(&folder, "engine = [\"onnxruntime\"]");
    let file = file.to_str().unwrap();
    let report = json(&["model", "check", file, "--json"]);
    assert_eq!(
        (&report["passed"], &report["placement"]["node_share"]),
        (&true.into(), &1.0.into()),
        "{report}"
    );
    assert_eq!(report["placement"]["kernels"][0]["provider"], "cpu");
    let args = up(&folder);
    let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let report = json(&["doctor", "gpu", "--provider", "cpu", "--json"]);
    assert_eq!(report["works"], true, "{report}");
    assert!(run(&["doctor", "gpu", "--provider", "cpu"]).status.success());
    assert!(!run(&["doctor", "gpu", "--provider", "qnn"]).status.success());
    // Nothing to prepare is said, not done in silence.
    refused(&["model", "build", file], &["only `tensorrt` needs an engine built beforehand"]);
}

#[test]
fn a_refused_swap_for_the_same_weights_says_nothing_about_the_policy_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("asked");
    let file = robot(&folder, "engine = [\"onnxruntime\"]");
    // Fetches the library where it is not there yet.
    json(&["model", "check", file.to_str().unwrap(), "--json"]);
    let other = folder.join("models/other.model.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen("name = \"quad_walk\"", "name = \"other\"", 1);
    std::fs::write(&other, text.replacen("latency_ticks = 2", "latency_ticks = 2\non_miss = \"damp\"", 1))
        .unwrap();

    let robot = Robot::standing("asked", free_port(), &[&format!("description:={}", folder.display())]);
    let said = || robot.status()["policy_report"]["placement"].clone();
    let own = said();
    assert_eq!(own["quad_walk"]["node_share"], 1.0, "{own}");
    let output = run(&["policy", "swap", "--robot", &robot.name, other.to_str().unwrap(), "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["reason"].as_str().unwrap().contains("runtime.on_miss"), "{answer}");
    assert_eq!(said(), own);
    assert!(robot.stop().success());
}
