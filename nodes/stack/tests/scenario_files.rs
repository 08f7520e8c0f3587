//! Scenario files: those of the tree fit their robot, wrong ones are refused with the place and what was expected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;

use sinew_robot::Robot;
use sinew_stack::{BodyVelocity, Choice, Engine, EngineError, Scenario, SetupError, resolve};

const GOOD: &str = "name: good
robot: quad
policies: [quad_walk]
duration_s: 5
goals:
  - {at_s: 0, goal: stand}
  - {at_s: 2, goal: policy, policy: 0}
segments:
  from_s: 2
  for_s: 2
  velocities:
    - [0.5, 0, 0]
events:
  - {kind: stop, at_s: 3, for_s: 1, target: bridge}
expect:
  falls: 0
";

fn for_robot(robot: &str) -> Choice {
    Choice { robot: Some(robot.to_owned()), ..Choice::default() }
}

#[test]
fn every_robot_of_the_tree_has_its_walk() {
    let walk = support::read(&support::root().join("tests/scenarios/walk.yaml"));
    for entry in std::fs::read_dir(support::root().join("launch/robots")).unwrap() {
        let robot = entry.unwrap().file_name().into_string().unwrap();
        assert!(walk.robots().contains(&robot.as_str()), "walk.yaml has no entry for {robot}");
    }
}

#[test]
fn another_robot_gets_its_own_values_and_the_files_own_keeps_them() {
    let text = GOOD.replace(
        "goals:",
        "robots:
  biped:
    policies: [biped_walk]
    segments: {from_s: 2, for_s: 3, settle_s: 2, average_over_s: 0.6, velocities: [[0.3, 0, 0]]}
    expect: {falls: 1}
goals:",
    );
    let scenario = support::parse(&text);
    assert_eq!(scenario.robots(), ["quad", "biped"]);
    let own = scenario.clone().choose(&for_robot("quad"), "good.yaml").unwrap();
    assert_eq!((own.policies.as_slice(), own.segments.settle_s), (&["quad_walk".to_owned()][..], 1.0));
    let choice = Choice {
        engine: Some(Engine::Mujoco),
        seed: Some(7),
        latency_ticks: Some(6),
        solver_iterations: Some(4),
        ..for_robot("biped")
    };
    let biped = scenario.clone().choose(&choice, "good.yaml").unwrap();
    assert_eq!((biped.robot.as_str(), biped.policies.as_slice()), ("biped", &["biped_walk".to_owned()][..]));
    assert_eq!(
        (biped.engine, biped.seed, biped.latency_ticks, biped.solver_iterations),
        (Engine::Mujoco, 7, 6, 4)
    );
    assert_eq!((biped.segments.average_over_s, biped.expect.falls), (0.6, Some(1)));
    assert_eq!(
        (biped.goals, biped.duration_s),
        (scenario.goals.clone(), scenario.duration_s),
        "the rest is the file's"
    );
    let error = scenario.clone().choose(&for_robot("snake"), "good.yaml").expect_err("no entry").to_string();
    assert!(["good.yaml", "snake", "quad, biped"].iter().all(|word| error.contains(word)), "{error}");
    let many = Choice { latency_ticks: Some(1000), ..Choice::default() };
    let error = scenario.choose(&many, "good.yaml").expect_err("too late").to_string();
    assert!(error.contains("latency_ticks") && error.contains("0 to 100"), "{error}");
}

#[test]
fn an_engine_that_nobody_brought_is_refused_by_its_name() {
    let scenario = support::parse(&GOOD.replace("robot: quad", "robot: quad\nengine: mujoco"));
    let setup = support::setup(&scenario, &support::root().join("test.yaml")).unwrap();
    let error = setup.twin().err().expect("a core opens no library");
    assert!(matches!(error, SetupError::Physics(EngineError::Absent(Engine::Mujoco))), "{error}");
    assert!(error.to_string().contains("mujoco"), "{error}");
    assert_eq!(scenario.policy_body_velocity, BodyVelocity::Estimator);
    let aided = GOOD.replace("robot: quad", "robot: quad\npolicy_body_velocity: truth");
    assert_eq!(support::parse(&aided).policy_body_velocity, BodyVelocity::Truth);
}

#[test]
fn every_file_of_the_tree_fits_its_robot() {
    let files = support::scenario_files();
    assert!(files.len() > 30, "found only {}", files.len());
    for file in files {
        let scenario = support::read(&file);
        assert_eq!(
            Some(scenario.name.as_str()),
            file.file_stem().and_then(|s| s.to_str()),
            "name and file differ"
        );
        assert!(!scenario.about.is_empty(), "{}: says nothing about itself", file.display());
        for robot in scenario.robots() {
            let chosen = scenario.clone().choose(&for_robot(robot), &file.display().to_string()).unwrap();
            let robot = Robot::load(&support::robot_folder(&chosen.robot)).unwrap();
            resolve(&chosen, &robot, &file.display().to_string()).unwrap();
        }
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_place() {
    Scenario::parse("good.yaml", GOOD).unwrap();
    // What is written instead, and what the refusal must name.
    let table: &[(&str, &str, &[&str])] = &[
        ("duration_s: 5", "duration: 5", &["line 4", "duration"]),
        ("duration_s: 5", "duration_s: long", &["line 4"]),
        ("duration_s: 5", "duration_s: .nan", &["duration_s", "0.1 to 3600", "NaN"]),
        ("duration_s: 5", "duration_s: 0", &["duration_s", "0.1 to 3600", "0"]),
        ("  falls: 0\n", "", &["line"]),
        ("goal: stand", "goal: fly", &["line 6", "fly"]),
        ("at_s: 2, goal", "at_s: 9, goal", &["goals.at_s", "0 to 5", "9"]),
        ("policy: 0}", "policy: 1}", &["goals.policy", "0 to 0", "1"]),
        ("robot: quad", "robot: ../quad", &["robot", "letters", "../quad"]),
        ("[quad_walk]", "[\"../x\"]", &["policies", "letters", "../x"]),
        ("for_s: 2", "for_s: 1", &["segments.for_s", "1.1"]),
        ("[0.5, 0, 0]", "[50, 0, 0]", &["segments.velocities", "-5 to 5", "50"]),
        ("[0.5, 0, 0]", "[0.5, 0]", &["line 12"]),
        ("target: bridge", "target: brigde", &["line 14", "brigde"]),
        ("kind: stop", "kind: pause", &["line 14", "pause"]),
        ("at_s: 3, for_s: 1", "at_s: 30, for_s: 1", &["events.at_s", "0 to 5", "30"]),
        ("at_s: 3, for_s: 1", "at_s: 3, for_s: -1", &["events.for_s", "-1"]),
        ("falls: 0", "fals: 0", &["line 16", "fals"]),
        ("falls: 0", "mode: Standing", &["expect.mode", "Stand", "Standing"]),
        ("falls: 0", "faults: [comand_lost]", &["expect.faults", "command_lost", "comand_lost"]),
        ("falls: 0", "refusals: [age]", &["expect.refusals", "Age", "age"]),
        ("robot: quad", "robot: quad\nengine: bullet", &["line 3", "bullet", "mujoco"]),
        ("robot: quad", "robot: quad\nsolver_iterations: 0", &["solver_iterations", "1 to 64", "0"]),
        ("robot: quad", "robot: quad\npolicy_body_velocity: guess", &["line 3", "guess"]),
        ("for_s: 2", "for_s: 2\n  settle_s: -1", &["segments.settle_s", "-1"]),
        ("for_s: 2", "for_s: 2\n  average_over_s: 1", &["segments.for_s", "2.1", "2"]),
        ("robot: quad", "robot: quad\nrobots: {quad: {policies: []}}", &["robots", "quad"]),
        ("robot: quad", "robot: quad\nrobots: {biped: {polcies: []}}", &["line 3", "polcies"]),
        ("robot: quad", "robot: quad\nrobots: {biped: {policies: []}}", &["robots.biped", "goals.policy"]),
        ("falls: 0", "rmse_vx: -1", &["expect.rmse_vx", "-1"]),
        (
            "kind: stop, at_s: 3, for_s: 1, target: bridge",
            "kind: policy_late, at_s: 3, runs: 0",
            &["events.runs", "0"],
        ),
        (
            "kind: stop, at_s: 3, for_s: 1, target: bridge",
            "kind: swap, at_s: 3, model: ../x, shadow_ticks: 9, blend_s: 1",
            &["events.model", "../x"],
        ),
        (
            "kind: stop, at_s: 3, for_s: 1, target: bridge",
            "kind: swap, at_s: 3, model: x, shadow_ticks: 0, blend_s: 1",
            &["events.shadow_ticks", "0"],
        ),
        (
            "kind: stop, at_s: 3, for_s: 1, target: bridge",
            "kind: offboard_cut, at_s: 3, for_s: 1",
            &["events.kind", "offboard"],
        ),
        (
            "duration_s: 5",
            "offboard: {model: x, delay_ms: 5, loss: 1.5, wait_ticks: 0, max_age_ms: 60}\nduration_s: 5",
            &["offboard.loss", "0 to 1", "1.5"],
        ),
        (
            "duration_s: 5",
            "latency_ticks: 5\noffboard: {model: x, delay_ms: 5, loss: 0, wait_ticks: 5, max_age_ms: 60}\nduration_s: 5",
            &["offboard.wait_ticks", "0 to 4", "5"],
        ),
        ("falls: 0", "swap: maybe", &["expect.swap", "done, refused", "maybe"]),
        ("falls: 0", "fails: true", &["expect.fails", "an assertion"]),
    ];
    for (right, wrong, said) in table {
        assert!(GOOD.contains(right), "{right} is not in the good file");
        let error = Scenario::parse("bad.yaml", &GOOD.replace(right, wrong)).expect_err(wrong).to_string();
        assert!(error.starts_with("bad.yaml: "), "{error}");
        for word in *said {
            assert!(error.contains(word), "{wrong:?}: {word:?} is missing in {error:?}");
        }
    }
}

#[test]
fn an_event_on_a_part_the_robot_does_not_have_is_refused() {
    let robot = Robot::load(&support::robot_folder("quad")).unwrap();
    for (event, said) in [
        ("{kind: torque_loss, at_s: 1, for_s: 1, joint: tail}", ["events.joint", "FR_hip", "tail"]),
        ("{kind: bus_silent, at_s: 1, for_s: 1, bus: can9}", ["events.bus", "can0", "can9"]),
    ] {
        let text = GOOD.replace("{kind: stop, at_s: 3, for_s: 1, target: bridge}", event);
        let error = resolve(&support::parse(&text), &robot, "bad.yaml").expect_err(event).to_string();
        assert!(said.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn a_model_with_swapped_joints_is_refused_and_a_missing_one_is_no_such_verdict() {
    let mut refused = 0;
    for file in support::scenario_files() {
        let scenario = support::read(&file);
        if scenario.expect.policy_refused {
            let error = support::setup(&scenario, &file).expect_err(&scenario.name);
            assert!(error.is_policy_refusal() && error.to_string().contains("golden"), "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2);
    let missing = support::parse(&GOOD.replace("[quad_walk]", "[quad_run]"));
    let error = support::setup(&missing, &support::root().join("test.yaml")).expect_err("no such file");
    assert!(!error.is_policy_refusal(), "{error}");
}
