//! One run, one hash: inline, as processes, and as processes beside four busy loops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use std::process::{Child, Command, Stdio};
use support::json;

const WALK: &str = "tests/scenarios/short_walk.yaml";
const FLIPPED: &str = "tests/scenarios/short_walk_flipped_bit.yaml";

fn hash(args: &[&str]) -> (String, serde_json::Value) {
    let mut all = vec!["scenario"];
    all.extend_from_slice(args);
    all.push("--json");
    let result = json(&all);
    assert_eq!(result["passed"], true, "{result}");
    (result["hash"].as_str().unwrap().to_owned(), result)
}

struct BusyLoops(Vec<Child>);

impl BusyLoops {
    fn start() -> Self {
        let one =
            || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Self((0..4).map(|_| one()).collect())
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[test]
fn every_composition_gives_the_same_hash() {
    let (inline, _) = hash(&[WALK]);
    assert_eq!(inline, hash(&[WALK]).0, "a second run");
    let (processes, result) = hash(&[WALK, "--compose", "processes"]);
    assert_eq!(inline, processes, "processes");
    assert!(result["pids"].as_array().unwrap().len() >= 4, "{result}");
    let _busy = BusyLoops::start();
    assert_eq!(inline, hash(&[WALK, "--compose", "processes"]).0, "processes on a loaded machine");
}

/// The foreign engine keeps the promise, too; its library is found, or fetched by pip.
#[test]
fn every_composition_gives_the_same_hash_in_mujoco() {
    let engine = ["--engine", "mujoco"];
    let of = |more: &[&str]| hash(&[&[WALK], &engine[..], more].concat());
    let (inline, result) = of(&[]);
    assert_eq!((&result["engine"], &result["robot"]), (&"mujoco".into(), &"quad".into()));
    assert!(result["physics_share"].as_f64().is_some_and(|share| share > 0.0 && share < 1.0), "{result}");
    assert_eq!(inline, of(&[]).0, "a second run");
    assert_eq!(inline, of(&["--compose", "processes"]).0, "processes");
    assert_ne!(inline, of(&["--seed", "2"]).0, "another seed");
    assert_ne!(inline, hash(&[WALK]).0, "the other engine");
}

#[test]
fn another_seed_and_one_flipped_bit_each_change_it() {
    let (walk, _) = hash(&[WALK]);
    assert_ne!(walk, hash(&[WALK, "--seed", "2"]).0);
    assert_ne!(walk, hash(&[FLIPPED]).0);
}

/// Late runs, a swap and another machine are the policy process's own business; they come out alike all the same.
#[test]
fn what_changes_behind_a_policy_keeps_the_hash_too() {
    for file in ["deadline/ten", "swap/walk_swap", "offboard/lossy_then_cut"] {
        let file = format!("tests/scenarios/{file}.yaml");
        let (inline, found) = hash(&[&file]);
        let (processes, same) = hash(&[&file, "--compose", "processes"]);
        assert_eq!(inline, processes, "{file}");
        assert_eq!(found["policy"]["offboard"], same["policy"]["offboard"], "{file}");
        assert_eq!(found["policy"]["deadline_missed"], same["policy"]["deadline_missed"], "{file}");
    }
}

/// A fault file each for a killed process, a stopped one and a lying link; the whole folder is for the long run.
#[test]
fn faults_keep_the_hash_too() {
    for fault in ["kill_policy", "stop_control", "link_replay"] {
        let file = format!("tests/scenarios/faults/{fault}.yaml");
        let (inline, _) = hash(&[&file]);
        assert_eq!(inline, hash(&[&file, "--compose", "processes"]).0, "{fault}");
    }
}
