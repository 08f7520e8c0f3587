//! A policy with chunks behind a way that loses messages: twelve joints, so that a chunk takes several of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
use std::collections::BTreeMap;

use sinew_inference::onnx::{Dimension, Graph, Port};
use sinew_inference::{
    ElementType, Engine, EngineIo, Model, RunError, Source, SourceError, TensorInfo, sha256_hex,
};
use sinew_policy::remote::Driver;
use sinew_policy::{PolicyConfig, RemoteConfig, RemoteRefusal, Slot, SlotConfig};
use sinew_wire::{PolicyFlags, RobotJoint, StepTime};

use super::super::results::{decode_results, encode_results};
use super::*;

const JOINTS: usize = 12;
const ELEMENTS: usize = 32;
const NUMBER: u8 = 1;
const PERIOD_NS: u64 = 2_000_000;
/// Control ticks from one run to the next.
const EVERY: u64 = 10;
/// From one element to the next, rad.
const STEP_RAD: f32 = 0.01;

struct Files(BTreeMap<&'static str, Vec<u8>>);

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

fn joints() -> Vec<String> {
    (0..JOINTS).map(|joint| format!("j{joint}")).collect()
}

fn port(name: &str, shape: &[usize]) -> Port {
    let shape = shape.iter().map(|n| Dimension::Fixed(*n)).collect();
    Port { name: name.to_owned(), element_type: ElementType::F32.onnx(), shape: Some(shape) }
}

/// A model of ports alone: one value in, targets of all joints out, `chunk` of them.
fn model(shape: &[usize], chunk: &str) -> Model {
    let graph = Graph {
        opset: 17,
        ir_version: 8,
        inputs: vec![port("obs", &[1, 1])],
        outputs: vec![port("act", shape)],
        ..Graph::default()
    };
    let (graph, names) = (graph.to_bytes(), format!("{:?}", joints()));
    let each = |value: &str| format!("[{}]", [value; JOINTS].join(", "));
    let zeros = each("0.0");
    let golden = format!(
        r#"{{"schema": 1, "graph_sha256": "{}", "rate_hz": 50, "joints": {names}, "feet": [], "cases": [{{"name": "one",
        "ticks": [{{"gyro_rad_s": [0, 0, 0], "projected_gravity": [0, 0, -1], "command": [0, 0, 0], "q_rad": {zeros},
        "dq_rad_s": {zeros}, "tau_nm": {zeros}, "velocity_m_s": [0, 0, 0], "orientation_wxyz": [1, 0, 0, 0],
        "position_m": [0, 0, 0], "height_m": 0.3, "contact": [], "target_rad": {zeros}, "target_dq_rad_s": {zeros},
        "target_tau_nm": {zeros}}}]}}]}}"#,
        sha256_hex(&graph)
    );
    let manifest = format!(
        r#"
schema = 1
[model]
name = "long"
version = "1"
task = "policy"
[[graph]]
file = "long.onnx"
sha256 = "{}"
[runtime]
rate_hz = 50
deadline_ms = 4.0
engine = ["native"]
[joints]
order = {names}
default_pos = {zeros}
kp = {}
kd = {}
[[input]]
tensor = "obs"
dtype = "f32"
shape = [1, 1]
[[input.term]]
kind = "state/joint/position"
joints = ["j0"]
[[output]]
tensor = "act"
kind = "target/joint/position"
joints = "@joints"
{chunk}
[verify]
golden = "long.golden.json"
sha256 = "{}"
atol = 1e-4
rtol = 1e-4
"#,
        sha256_hex(&graph),
        each("20.0"),
        each("1.0"),
        sha256_hex(golden.as_bytes()),
    );
    let files = [
        ("long.model.toml", manifest.into_bytes()),
        ("long.onnx", graph),
        ("long.golden.json", golden.into_bytes()),
    ];
    Model::load(&Files(files.into()), "long.model.toml").unwrap()
}

/// Answers with the same numbers whatever it is asked.
struct Constant {
    io: EngineIo,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Engine for Constant {
    fn name(&self) -> &str {
        "native"
    }
    fn io(&self) -> &EngineIo {
        &self.io
    }
    fn input_mut(&mut self, _index: usize) -> &mut [f32] {
        &mut self.input
    }
    fn run(&mut self) -> Result<(), RunError> {
        Ok(())
    }
    fn output(&self, _index: usize) -> &[f32] {
        &self.output
    }
}

fn policy(model: &Model, value: impl Fn(usize) -> f32) -> Policy {
    let io = EngineIo { inputs: model.inputs(), outputs: model.outputs() };
    let output = (0..io.outputs.iter().map(TensorInfo::len).sum()).map(value).collect();
    let config = PolicyConfig {
        number: NUMBER,
        joints: &joints(),
        feet: &[],
        max_gains: None,
        position_limits: None,
        period_ns: PERIOD_NS,
        latency_ticks_min: 0,
        boot_id: 1,
    };
    Policy::new(model, Box::new(Constant { io, input: vec![0.0], output }), &config).unwrap()
}

/// A chunk in every run: its k-th element is k steps from 0 rad.
fn there() -> Policy {
    let chunk = format!("chunk = {{ steps = {ELEMENTS}, dt_ms = 20.0, mode = \"open_loop\", execute = 1 }}");
    policy(&model(&[1, ELEMENTS, JOINTS], &chunk), |index| (index / JOINTS) as f32 * STEP_RAD)
}

/// A robot that wants 0 rad by itself, and the other machine behind a way that loses three in ten and is cut after the
/// chunk of `run`.
struct Robot {
    slot: Slot,
    offboard: SimulatedOffboard,
    run: u64,
}

impl Robot {
    fn new(seed: u64, run: u64) -> Self {
        let config = SlotConfig { transition_rad: vec![0.5; JOINTS], latency_ticks: 2 };
        let mut slot = Slot::new(policy(&model(&[1, JOINTS], ""), |_| 0.0), config);
        let there = there();
        let expected = RemoteConfig::of(there.model_hash());
        let remote = RemoteConfig { max_age_ns: 1_000_000_000, return_runs: 1, blend_runs: 1, ..expected };
        slot.set_remote(Remote::new(remote, 0, NUMBER, PERIOD_NS));
        let plan = OffboardPlan {
            model: "long".to_owned(),
            delay_ms: 0.0,
            loss: 0.3,
            wait_ticks: 0,
            max_age_ms: 1000.0,
        };
        let cut = (run * EVERY + 1, u64::MAX);
        Self { slot, offboard: SimulatedOffboard::new(&plan, there, seed, PERIOD_NS, vec![cut]), run: 0 }
    }

    /// One run: who drives, and where it wants the first joint, rad.
    fn step(&mut self) -> (Driver, f32) {
        let mut state = RobotState::default();
        state.header.step = self.run * EVERY;
        state.header.boot_id = 5;
        state.body.projected_gravity = [0.0, 0.0, -1.0];
        state.body.orientation = [1.0, 0.0, 0.0, 0.0];
        (state.body.active_policy, state.body.activation) = (NUMBER, 1);
        state.joints.extend((0..JOINTS).map(|_| RobotJoint::default()));
        self.run += 1;
        let remote = self.slot.remote_mut().unwrap();
        remote.serve(&state);
        self.offboard.exchange(&state, None, remote);
        let frame = self.slot.step(&state, StepTime::default());
        let driver = self.slot.remote().unwrap().driver();
        assert_eq!(frame.body.has(PolicyFlags::OFFBOARD), driver == Driver::Remote);
        (driver, frame.joints[0].q_rad)
    }

    fn torn(&self) -> u64 {
        let at = RemoteRefusal::ALL.iter().position(|r| *r == RemoteRefusal::Torn).unwrap();
        self.slot.remote().unwrap().counters().refused[at]
    }
}

/// The way's seed for which of the four messages of `run` just those arrive.
fn seed(run: u64, arrives: [bool; 4]) -> u64 {
    let way = |seed| LossyWay { seed, loss: 0.3, cuts: Vec::new() };
    let there = |seed| way(seed).passes(Direction::Out, run * EVERY, 0);
    let back = |seed| [0, 1, 2, 3].map(|index| way(seed).passes(Direction::Back, run * EVERY, index));
    (0..1000).find(|seed| there(*seed) && back(*seed) == arrives).unwrap()
}

/// Elements in each message of a chunk.
fn elements() -> Vec<usize> {
    let (mut frame, mut chunk) = (PolicyCommand::default(), Vec::new());
    frame.joints.extend((0..JOINTS).map(|_| Default::default()));
    chunk.resize(ELEMENTS, frame);
    let (mut counts, mut results) = (Vec::new(), Vec::new());
    encode_results(&chunk, &mut Vec::new(), |message| {
        decode_results(message, &mut results).unwrap();
        counts.push(results.len());
    });
    counts
}

#[test]
fn a_chunk_of_which_a_message_is_lost_is_used_up_to_the_hole() {
    const RUN: u64 = 5;
    let messages = elements();
    assert_eq!(messages.len(), 4, "{messages:?}");
    for (arrives, lasts) in [
        ([true, true, true, true], ELEMENTS),
        ([true, true, true, false], messages[..3].iter().sum()),
        ([true, true, false, true], messages[..2].iter().sum()),
        ([true, false, true, true], messages[0]),
    ] {
        let mut robot = Robot::new(seed(RUN, arrives), RUN);
        for _ in 0..RUN {
            robot.step();
        }
        let torn = robot.torn();
        for element in 0..lasts {
            let (driver, q_rad) = robot.step();
            assert_eq!(driver, Driver::Remote, "{arrives:?}: element {element}");
            assert!(
                (q_rad - STEP_RAD * element as f32).abs() < 1e-6,
                "{arrives:?}: element {element}: {q_rad}"
            );
        }
        assert_eq!(robot.step().0, Driver::Local, "{arrives:?}: after {lasts} elements");
        // What came behind the hole was refused, element by element.
        let arrived: usize = messages.iter().zip(arrives).filter(|(_, a)| *a).map(|(count, _)| count).sum();
        assert_eq!(robot.torn() - torn, (arrived - lasts) as u64, "{arrives:?}");
    }
}

#[test]
fn each_message_is_lost_on_its_own_and_as_often_as_declared() {
    let way = LossyWay { seed: 7, loss: 0.3, cuts: vec![(50_000, 60_000)] };
    let lost = |index: u64| (0..50_000).filter(|step| !way.passes(Direction::Back, *step, index)).count();
    for index in 0..4 {
        assert!((0.29..0.31).contains(&(lost(index) as f64 / 50_000.0)), "message {index}: {}", lost(index));
    }
    let both = (0..50_000)
        .filter(|step| !way.passes(Direction::Back, *step, 0) && !way.passes(Direction::Back, *step, 1));
    let share = both.count() as f64 / 50_000.0;
    assert!((0.08..0.10).contains(&share), "0.3 of 0.3: {share}");
    assert!((50_000..60_000).all(|step| (0..4).all(|index| !way.passes(Direction::Out, step, index))));
}
