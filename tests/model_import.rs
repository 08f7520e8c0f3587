//! `sinew model import`: foreign policies become models of the quadruped, pass the check and walk; what is not in their
//! files is listed with the option that supplies it, and nothing is left behind by a refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

const MOTORS: &str = "motors=[FR_hip, FR_thigh, FR_calf, FL_hip, FL_thigh, FL_calf, \
                      RR_hip, RR_thigh, RR_calf, RL_hip, RL_thigh, RL_calf]";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("nodes/inference/tests/import/fixtures").join(name)
}

/// What the fixtures' files do not say.
fn said(name: &str) -> Vec<String> {
    let set = |values: &[&str]| values.iter().flat_map(|v| ["--set".to_owned(), (*v).to_owned()]).collect();
    match name {
        "quad_unitree" => set(&[MOTORS]),
        "quad_lerobot" => set(&["units=deg", "joints.kp=60", "joints.kd=2"]),
        "quad_metadata" => {
            vec!["--set-file".to_owned(), fixture(name).join("said.yaml").display().to_string()]
        }
        _ => Vec::new(),
    }
}

fn import(source: &Path, out: &Path, more: &[String]) -> Output {
    let mut command = support::sinew();
    command.args(["model", "import"]).arg(source).args(["--robot", "quad", "--out"]).arg(out).args(more);
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Files below a folder, hidden ones too.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default()
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

/// Imports a fixture and runs it; gives the scenario's row.
fn imported_and_run(name: &str, scenario: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    let output = import(&fixture(name), &models, &said(name));
    assert!(output.status.success(), "{name}:\n{}", text(&output));
    let said = text(&output);
    let assumed = "runtime.deadline_ms = 4: a longer run is a miss";
    for part in ["golden run, native", "golden run, onnxruntime", "passed", assumed, "--set safety.fallback="]
    {
        assert!(said.contains(part), "{name}: {part} in\n{said}");
    }
    assert!(left_in(&models).iter().all(|f| !f.file_name().unwrap().to_string_lossy().starts_with('.')));
    let file = dir.path().join("run.yaml");
    std::fs::write(&file, scenario.replace("MODEL", name)).unwrap();
    let result = support::json(&["scenario", file.to_str().unwrap(), "--json"]);
    assert_eq!(result["passed"], true, "{name}: {result:#}");
    result
}

const WALK: &str = "name: imported\nrobot: quad\npolicies: [MODEL]\nseed: 1\nduration_s: 14\n\
    goals:\n  - {at_s: 0, goal: stand}\n  - {at_s: 4, goal: policy, policy: 0}\n\
    segments:\n  from_s: 5\n  for_s: 3\n  velocities:\n    - [0.5, 0, 0]\n    - [0, 0, 0.8]\n    - [0, 0.3, 0]\n\
    expect:\n  falls: 0\n  mode: Policy\n  rmse_vx: 0.10\n";

const STRAIGHT: &str = "  rmse_vy: 0.10\n  rmse_wz: 0.20\n";

#[test]
fn a_leapp_bundle_of_its_own_exporter_walks() {
    imported_and_run("quad_leapp", &format!("{WALK}{STRAIGHT}"));
}

#[test]
fn a_unitree_policy_walks() {
    imported_and_run("quad_unitree", &format!("{WALK}{STRAIGHT}"));
}

#[test]
fn a_policy_described_by_its_metadata_walks() {
    imported_and_run("quad_metadata", &format!("{WALK}{STRAIGHT}"));
}

/// rl_sar has no gait clock, so this fixture carries it in the action of one hip, which therefore stays still: it walks
/// ahead as well as the others, sideways and turning worse.
#[test]
fn an_rl_sar_policy_walks() {
    imported_and_run("quad_rl_sar", &format!("{WALK}  rmse_vy: 0.15\n  rmse_wz: 0.40\n"));
}

/// A chunked policy of degrees bends the knees, half a second of targets at a time.
#[test]
fn a_lerobot_policy_bends_the_knees() {
    let scenario = "name: imported\nrobot: quad\npolicies: [MODEL]\nseed: 1\nduration_s: 9\n\
        goals:\n  - {at_s: 0, goal: stand}\n  - {at_s: 4, goal: policy, policy: 0}\n\
        expect:\n  falls: 0\n  mode: Policy\n";
    imported_and_run("quad_lerobot", scenario);
}

/// The same policy as a temporal ensemble: a run each tick, the mean of all chunks at the time of use.
#[test]
fn an_ensemble_of_chunks_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("quad_lerobot");
    copy(&fixture("quad_lerobot"), &source);
    let config = source.join("config.json");
    let old = std::fs::read_to_string(&config).unwrap();
    let new = old
        .replace("\"n_action_steps\": 25", "\"n_action_steps\": 1")
        .replace("\"temporal_ensemble_coeff\": null", "\"temporal_ensemble_coeff\": 0.01");
    assert_eq!(new.matches("0.01").count(), 1);
    std::fs::write(&config, &new).unwrap();
    // What an import that was ended from outside has left; no process has such a number.
    let left = dir.path().join("models0/.import-4194305-aB3");
    copy(&source, &left);
    for more in [&[][..], &["chunk.interp=hold"], &["runtime.latency_ticks=5"]] {
        let set = more.iter().flat_map(|m| ["--set".to_owned(), (*m).to_owned()]);
        let said: Vec<String> = said("quad_lerobot").into_iter().chain(set).collect();
        let models = dir.path().join(format!("models{}", more.len()));
        let output = import(&source, &models, &[said, vec!["--force".to_owned()]].concat());
        assert!(output.status.success(), "{more:?}: {}", text(&output));
    }
    assert!(!left.exists());
}

#[test]
fn what_is_not_known_is_listed_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    let output = import(&fixture("quad_lerobot"), &models, &["--json".to_owned()]);
    assert!(!output.status.success());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["imported"], &result["kind"]), (&Value::Bool(false), &Value::from("lerobot")));
    let missing: Vec<&str> =
        result["missing"].as_array().unwrap().iter().map(|m| m["what"].as_str().unwrap()).collect();
    assert_eq!(missing, ["joints.kp", "joints.kd", "term observation.state positions scale"]);
    let assumed: Vec<&str> =
        result["assumed"].as_array().unwrap().iter().map(|m| m["what"].as_str().unwrap()).collect();
    for what in ["runtime.deadline_ms", "runtime.latency_ticks", "output action chunk.interp"] {
        assert!(assumed.contains(&what), "{what} in {assumed:?}");
    }
    assert!(
        result["missing"].as_array().unwrap().iter().all(|m| m["supply"].as_str().unwrap().contains("--set"))
    );
    assert_eq!(left_in(&models), Vec::<PathBuf>::new());
    let output = import(&fixture("quad_unitree"), &models, &[]);
    let said = text(&output);
    assert!(
        !output.status.success() && said.contains("names none") && said.contains("--set 'motors="),
        "{said}"
    );
    assert_eq!(left_in(&models), Vec::<PathBuf>::new());
}

/// Motor names given in another order put other gains on left and right, and other joints into the observation; both
/// readers believe the user, the mirrored legs do not.
#[test]
fn a_model_that_does_not_pass_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (source, models) = (dir.path().join("source"), dir.path().join("models"));
    copy(&fixture("quad_unitree"), &source);
    let swapped = MOTORS.replace("FR_hip, FR_thigh", "FR_thigh, FR_hip");
    let output = import(&source, &models, &["--set".to_owned(), swapped]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("equal gains left and right"), "{said}");
    assert_eq!(left_in(&models), Vec::<PathBuf>::new(), "{said}");
    let file = source.join("params/deploy.yaml");
    let strong = std::fs::read_to_string(&file).unwrap().replace("38", "238");
    std::fs::write(&file, strong).unwrap();
    let output = import(&source, &models, &self::said("quad_unitree"));
    let said = text(&output);
    assert!(!output.status.success() && said.contains("joints.kp") && said.contains("238"), "{said}");
    assert_eq!(left_in(&models), Vec::<PathBuf>::new(), "{said}");
}

#[test]
fn pointers_other_joints_and_names_taken_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (source, models) = (dir.path().join("source"), dir.path().join("models"));
    copy(&fixture("quad_unitree"), &source);
    let graph = source.join("exported/policy.onnx");
    std::fs::write(&graph, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n").unwrap();
    let output = import(&source, &models, &said("quad_unitree"));
    assert!(!output.status.success() && text(&output).contains("git lfs pull"), "{}", text(&output));
    let strangers = vec!["--set".to_owned(), MOTORS.replace("FR_hip", "fr_hip")];
    let output = import(&fixture("quad_unitree"), &models, &strangers);
    assert!(text(&output).contains("found joints fr_hip"), "{}", text(&output));
    std::fs::create_dir_all(&models).unwrap();
    std::fs::write(models.join("quad_unitree.model.toml"), "taken").unwrap();
    let output = import(&fixture("quad_unitree"), &models, &said("quad_unitree"));
    assert!(!output.status.success() && text(&output).contains("--force"), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(models.join("quad_unitree.model.toml")).unwrap(), "taken");
}

#[test]
fn nothing_of_the_source_is_executed() {
    let dir = tempfile::tempdir().unwrap();
    let (source, marker) = (dir.path().join("quad_leapp"), dir.path().join("ran"));
    copy(&fixture("quad_leapp"), &source);
    let planted = format!("open({:?}, 'w').close()\n", marker.display().to_string());
    for name in ["__init__.py", "source.py", "numpy.py"] {
        std::fs::write(source.join(name), &planted).unwrap();
    }
    let output = import(&source, &dir.path().join("models"), &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!marker.exists(), "a file of the source was run");
}

#[test]
fn a_file_of_another_model_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let models = dir.path().join("models");
    std::fs::create_dir_all(&models).unwrap();
    let theirs = models.join("quad_leapp.onnx");
    std::fs::write(&theirs, b"another model's weights").unwrap();
    for more in [vec![], vec!["--force".to_owned()]] {
        let output = import(&fixture("quad_leapp"), &models, &more);
        assert!(!output.status.success());
        assert!(text(&output).contains("is another file"), "{}", text(&output));
        assert_eq!(std::fs::read(&theirs).unwrap(), b"another model's weights");
        assert_eq!(left_in(&models), std::slice::from_ref(&theirs));
    }
}
