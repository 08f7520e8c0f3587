//! Small models made by the test: any tensors, any manifest, and an engine that does what a closure says.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

use std::collections::BTreeMap;

use sinew_inference::onnx::{Dimension, Graph, Port};
use sinew_inference::{
    ElementType, Engine, EngineIo, Model, RunError, Source, SourceError, TensorInfo, sha256_hex,
};
use sinew_policy::{Policy, PolicyConfig, SetupError};
use sinew_wire::{PolicyCommand, RobotJoint, RobotState, StepTime};

pub const MANIFEST: &str = "toy.model.toml";
pub const PERIOD_NS: u64 = 2_000_000;
pub const NUMBER: u8 = 1;
/// Control ticks from one run to the next.
pub const EVERY: u64 = 10;

/// Files in memory.
#[derive(Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

pub fn names(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

/// Name, element type, shape.
pub type Tensor<'a> = (&'a str, ElementType, &'a [usize]);

pub fn f32<'a>(name: &'a str, shape: &'a [usize]) -> Tensor<'a> {
    (name, ElementType::F32, shape)
}

pub fn port(tensor: &Tensor<'_>) -> Port {
    let (name, element, shape) = tensor;
    let shape = shape.iter().map(|n| Dimension::Fixed(*n)).collect();
    Port { name: (*name).to_owned(), element_type: element.onnx(), shape: Some(shape) }
}

/// A graph of ports alone: enough for everything but an engine.
pub fn ports(inputs: &[Tensor<'_>], outputs: &[Tensor<'_>]) -> Graph {
    Graph {
        opset: 17,
        ir_version: 8,
        inputs: inputs.iter().map(port).collect(),
        outputs: outputs.iter().map(port).collect(),
        ..Graph::default()
    }
}

/// Manifest of a robot with the joints a and b, default positions 0.5 and -0.5, and `body`.
pub fn manifest(body: &str) -> String {
    let head = r#"
schema = 1
[model]
name = "toy"
version = "1"
task = "policy"
[[graph]]
file = "toy.onnx"
sha256 = "GRAPH"
[runtime]
rate_hz = 50
deadline_ms = 4.0
engine = ["native"]
[joints]
order = ["a", "b"]
default_pos = [0.5, -0.5]
kp = [10.0, 20.0]
kd = [1.0, 2.0]
"#;
    let verify = "\n[verify]\ngolden = \"toy.golden.json\"\nsha256 = \"GOLDEN\"\natol = 1e-4\nrtol = 1e-4\n";
    format!("{head}{body}{verify}")
}

/// The files of a model, with the hashes put in.
pub fn files(graph: &Graph, manifest: &str) -> Files {
    let graph = graph.to_bytes();
    let golden = format!(
        r#"{{"schema": 1, "graph_sha256": "{}", "rate_hz": 50, "joints": ["b", "a"], "feet": ["left", "right"],
        "cases": [{{"name": "one", "ticks": [{{"gyro_rad_s": [0.1, 0.2, 0.3], "projected_gravity": [0, 0, -1],
        "command": [0.5, 0.1, -0.2], "q_rad": [0.25, 0.75], "dq_rad_s": [2, 1], "tau_nm": [4, 3],
        "velocity_m_s": [0.4, 0, 0.1], "orientation_wxyz": [1, 0, 0, 0], "position_m": [1, 2, 3], "height_m": 0.3,
        "contact": [0.9, 0.2], "target_rad": [0, 0], "target_dq_rad_s": [0, 0], "target_tau_nm": [0, 0]}}]}}]}}"#,
        sha256_hex(&graph)
    );
    let text =
        manifest.replace("GRAPH", &sha256_hex(&graph)).replace("GOLDEN", &sha256_hex(golden.as_bytes()));
    Files(
        [(MANIFEST, text.into_bytes()), ("toy.onnx", graph), ("toy.golden.json", golden.into_bytes())]
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .into(),
    )
}

/// A model of ports alone.
pub fn model(inputs: &[Tensor<'_>], outputs: &[Tensor<'_>], body: &str) -> Model {
    let files = files(&ports(inputs, outputs), &manifest(body));
    Model::load(&files, MANIFEST).unwrap_or_else(|e| panic!("{e}"))
}

type Closure = Box<dyn FnMut(&[Vec<f32>], &mut [Vec<f32>]) + Send>;

/// Computes what a closure says.
pub struct Scripted {
    io: EngineIo,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    run: Closure,
}

impl Scripted {
    /// Tensors in the order of the model's `inputs()` and `outputs()`.
    pub fn new(model: &Model, run: impl FnMut(&[Vec<f32>], &mut [Vec<f32>]) + Send + 'static) -> Box<Self> {
        let io = EngineIo { inputs: model.inputs(), outputs: model.outputs() };
        let buffers = |tensors: &[TensorInfo]| tensors.iter().map(|t| vec![0.0; t.len()]).collect();
        let (inputs, outputs) = (buffers(&io.inputs), buffers(&io.outputs));
        Box::new(Self { io, inputs, outputs, run: Box::new(run) })
    }
}

impl Engine for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }
    fn io(&self) -> &EngineIo {
        &self.io
    }
    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.inputs.get_mut(index).map_or(&mut [], Vec::as_mut_slice)
    }
    fn run(&mut self) -> Result<(), RunError> {
        (self.run)(&self.inputs, &mut self.outputs);
        Ok(())
    }
    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }
}

pub fn try_policy(model: &Model, engine: Box<dyn Engine>) -> Result<Policy, SetupError> {
    delayed_policy(model, engine, 0)
}

/// Where outputs count `latency_ticks_min` after their state at the earliest.
pub fn delayed_policy(
    model: &Model,
    engine: Box<dyn Engine>,
    latency_ticks_min: u32,
) -> Result<Policy, SetupError> {
    let config = PolicyConfig {
        number: NUMBER,
        joints: &names("b a"),
        feet: &names("left right"),
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: PERIOD_NS,
        latency_ticks_min,
        boot_id: 1,
    };
    Policy::new(model, engine, &config)
}

/// On a robot with the joints b and a, in this order, and the feet left and right.
pub fn policy(model: &Model, engine: Box<dyn Engine>) -> Policy {
    try_policy(model, engine).unwrap_or_else(|e| panic!("{e}"))
}

/// A robot state with the toy's policy active; q, dq, tau of joints a and b.
pub fn state(step: u64, activation: u32, a: [f32; 3], b: [f32; 3]) -> RobotState {
    let mut state = RobotState::default();
    state.header.step = step;
    state.header.boot_id = 5;
    state.body.projected_gravity = [0.0, 0.0, -1.0];
    state.body.orientation = [1.0, 0.0, 0.0, 0.0];
    state.body.active_policy = NUMBER;
    state.body.activation = activation;
    state.body.last_motion_seq = step as u32;
    let joint =
        |[q_rad, dq_rad_s, tau_nm]: [f32; 3]| RobotJoint { q_rad, dq_rad_s, tau_nm, temperature_c: 0.0 };
    state.joints.extend([joint(b), joint(a)]);
    state
}

/// The state of run `run` (from 0) of activation 1: a stands at run + 1, b at 10 times as much.
pub fn nth(run: u64) -> RobotState {
    let q = run as f32 + 1.0;
    state(run * EVERY, 1, [q, q * 0.1, 0.0], [10.0 * q, q * 0.2, 0.0])
}

pub fn step(policy: &mut Policy, state: &RobotState) -> PolicyCommand {
    policy.step(state, StepTime::from_ns(state.header.step * PERIOD_NS))
}

/// Targets of a and b, rad.
pub fn targets(frame: &PolicyCommand) -> [f32; 2] {
    [frame.joints[1].q_rad, frame.joints[0].q_rad]
}

/// What the tensor `name` held in each of the states.
pub fn seen(model: &Model, name: &str, states: impl IntoIterator<Item = RobotState>) -> Vec<Vec<f32>> {
    // Outputs count up, so that what is fed back can be told apart.
    let mut run = 0.0;
    let engine = Scripted::new(model, move |_, outputs| {
        run += 1.0;
        for output in outputs {
            for (index, value) in output.iter_mut().enumerate() {
                *value = 0.1 * run + 0.01 * index as f32;
            }
        }
    });
    let mut policy = policy(model, engine);
    states
        .into_iter()
        .map(|state| {
            step(&mut policy, &state);
            assert_eq!(policy.fault(), None);
            policy.input(name).unwrap().to_vec()
        })
        .collect()
}

/// An input `obs` of `len` values made of `terms`, further keys of the input in `keys`, and a plain target output.
pub fn observing(len: usize, keys: &str, terms: &str) -> Model {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, {len}]\n{keys}\n{terms}\n{TARGET}"
    );
    model(&[f32("obs", &[1, len])], &[f32("act", &[1, 2])], &body)
}

pub const TARGET: &str =
    "[[output]]\ntensor = \"act\"\nkind = \"target/joint/position\"\njoints = \"@joints\"\n";

/// Equal within rounding.
pub fn close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "value {index}: {found} instead of {expected}");
    }
}
