//! A policy of twelve joints with chunks so long that each takes several messages, and a robot state for it.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
use std::collections::BTreeMap;

use sinew_inference::onnx::{Dimension, Graph, Port};
use sinew_inference::{
    ElementType, Engine, EngineIo, Model, RunError, Source, SourceError, TensorInfo, sha256_hex,
};
use sinew_policy::{Policy, PolicyConfig};
use sinew_wire::{RobotJoint, RobotState};

pub const JOINTS: usize = 12;
pub const ELEMENTS: usize = 32;
pub const NUMBER: u8 = 1;
pub const PERIOD_NS: u64 = 2_000_000;
/// Control ticks from one run to the next.
pub const EVERY: u64 = 10;
/// From one element to the next, rad.
pub const STEP_RAD: f32 = 0.01;

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
pub fn model(shape: &[usize], chunk: &str) -> Model {
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

pub fn policy(model: &Model, value: impl Fn(usize) -> f32) -> Policy {
    let io = EngineIo { inputs: model.inputs(), outputs: model.outputs() };
    let output = (0..io.outputs.iter().map(TensorInfo::len).sum()).map(value).collect();
    let config = PolicyConfig {
        number: NUMBER,
        joints: &joints(),
        feet: &[],
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: PERIOD_NS,
        latency_ticks_min: 0,
        boot_id: 1,
    };
    Policy::new(model, Box::new(Constant { io, input: vec![0.0], output }), &config).unwrap()
}

/// A chunk in every run, used by `mode` of the manifest: its k-th element is k steps from 0 rad.
pub fn there(mode: &str) -> Policy {
    let chunk = format!("chunk = {{ steps = {ELEMENTS}, dt_ms = 20.0, mode = \"{mode}\", execute = 1 }}");
    policy(&model(&[1, ELEMENTS, JOINTS], &chunk), |index| (index / JOINTS) as f32 * STEP_RAD)
}

/// The state of run `run` (from 0), with the policy active.
pub fn state(run: u64) -> RobotState {
    let mut state = RobotState::default();
    state.header.step = run * EVERY;
    state.header.boot_id = 5;
    state.body.projected_gravity = [0.0, 0.0, -1.0];
    state.body.orientation = [1.0, 0.0, 0.0, 0.0];
    (state.body.active_policy, state.body.activation) = (NUMBER, 1);
    state.joints.extend((0..JOINTS).map(|_| RobotJoint::default()));
    state
}
