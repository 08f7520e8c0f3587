//! `sinew bench policy`: what one step of a policy costs at 50 Hz, when everything else has run in between.
//!
//! Each tick evicts the caches, sleeps until its time and runs one subject; the subjects take turns, so they meet
//! the same machine. A subject is an engine (values in, run, values out), the library's plain C interface, or the
//! whole step of the policy node over an engine.
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use sinew_inference::{Engine, EngineIo, Kernels, Model, NativeEngine};
use sinew_inference_ort::{OrtEngine, Provider, RawSession, Runtime, io_of, places};
use sinew_policy::{Policy, PolicyConfig};
use sinew_rt::account::thread_allocations;
use sinew_rt::clock;
use sinew_wire::{PolicyStatus, RobotJoint, RobotState, StepTime};
use std::process::ExitCode;
use std::time::Duration;

use super::policy_model::{JOINTS, OBSERVATION, joint, policy};

/// Ticks per second.
const RATE_HZ: u64 = 50;
/// Turns that are not counted: memory is faulted in, branch predictors are what they will be.
const WARM_TURNS: u64 = 2;
/// Networks: key and hidden layers.
const NETWORKS: [(&str, &[usize]); 2] = [("mlp", &[256, 128]), ("mlp_1m", &[768, 768, 512])];
const SUBJECTS: [&str; 5] = ["native", "onnxruntime", "raw", "node_native", "node_onnxruntime"];

/// Largest allowed ratios of the medians.
const NATIVE_TO_ORT_MLP: f64 = 0.25;
const NODE_TO_RAW_MLP: f64 = 1.5;
const NODE_TO_RAW_1M: f64 = 1.05;

/// # Errors
/// When an engine cannot be built or gives other values than the others.
pub fn run(seconds: u64, as_json: bool) -> Result<ExitCode> {
    let runtime = Runtime::find_or_fetch(&places())?;
    let mut networks = Vec::with_capacity(NETWORKS.len());
    for (key, hidden) in NETWORKS {
        networks.push(Network::new(key, hidden, &runtime)?);
    }
    let mut evictor = Evictor::new();
    let turns = seconds * RATE_HZ / (NETWORKS.len() * SUBJECTS.len()) as u64;
    ensure!(turns > 0, "--seconds {seconds}: every subject needs at least one turn; pass at least 1");
    let progress = crate::progress::bar("policy", turns + WARM_TURNS);
    for turn in 0..turns + WARM_TURNS {
        for network in &mut networks {
            network.turn(turn, &mut evictor)?;
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    for network in &networks {
        network.outputs_agree()?;
    }
    let result = report(&networks, turns, &runtime, &evictor);
    if as_json {
        out!("{result}");
    } else {
        print_all(&result);
    }
    Ok(if result["passed"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One step of a subject: `values` in, the raw actions or the targets out.
trait Subject {
    fn step(&mut self, values: &[f32; OBSERVATION], state: &RobotState, out: &mut [f32; JOINTS]) -> bool;
}

struct OverSeam(Box<dyn Engine>);

impl Subject for OverSeam {
    fn step(&mut self, values: &[f32; OBSERVATION], _: &RobotState, out: &mut [f32; JOINTS]) -> bool {
        self.0.input_mut(0).copy_from_slice(values);
        let ran = self.0.run().is_ok();
        out.copy_from_slice(self.0.output(0));
        ran
    }
}

struct Raw(RawSession);

impl Subject for Raw {
    fn step(&mut self, values: &[f32; OBSERVATION], _: &RobotState, out: &mut [f32; JOINTS]) -> bool {
        self.0.input_mut(0).copy_from_slice(values);
        let ran = self.0.run().is_ok();
        out.copy_from_slice(self.0.output(0));
        ran
    }
}

struct Node(Policy);

impl Subject for Node {
    fn step(&mut self, _: &[f32; OBSERVATION], state: &RobotState, out: &mut [f32; JOINTS]) -> bool {
        let command = self.0.step(state, StepTime::default());
        for (out, joint) in out.iter_mut().zip(&command.joints) {
            *out = joint.q_rad;
        }
        command.body.status() == PolicyStatus::Targets
    }
}

/// Every time taken, ns: a histogram's classes are too wide for a bar of a few per cent.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    /// The smallest time within which the share `q` of all steps ended, us; 0 when there are none.
    fn quantile_us(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |ns| *ns as f64 / 1000.0)
    }
}

/// A subject and what was seen of it.
struct Measured {
    name: &'static str,
    subject: Box<dyn Subject>,
    times: Times,
    allocations: u64,
    out: [f32; JOINTS],
}

struct Network {
    key: &'static str,
    parameters: usize,
    decimation: u64,
    measured: Vec<Measured>,
}

impl Network {
    fn new(key: &'static str, hidden: &[usize], runtime: &Runtime) -> Result<Self> {
        let (model, parameters) = policy(hidden)?;
        let io = io_of(&model);
        let mut decimation = 1;
        let mut measured = Vec::with_capacity(SUBJECTS.len());
        for name in SUBJECTS {
            let subject: Box<dyn Subject> = match name {
                "native" => Box::new(OverSeam(native(&model)?)),
                "onnxruntime" => Box::new(OverSeam(onnxruntime(&model, runtime)?)),
                "raw" => Box::new(Raw(raw(&model, &io, runtime)?)),
                "node_native" | "node_onnxruntime" => {
                    let engine =
                        if name == "node_native" { native(&model)? } else { onnxruntime(&model, runtime)? };
                    let policy = node(&model, engine)?;
                    decimation = policy.decimation();
                    Box::new(Node(policy))
                }
                _ => bail!("no subject called {name}"),
            };
            let (times, out) = (Times::default(), [0.0; JOINTS]);
            measured.push(Measured { name, subject, times, allocations: 0, out });
        }
        Ok(Self { key, parameters, decimation, measured })
    }

    /// Every subject once, a tick each.
    fn turn(&mut self, turn: u64, evictor: &mut Evictor) -> Result<()> {
        let period = Duration::from_nanos(1_000_000_000 / RATE_HZ);
        for measured in &mut self.measured {
            let tick = clock::deadline_in(period);
            evictor.evict();
            clock::sleep_until(tick);
            // As in a node, where the frame has just been received: its values are at hand, all else is cold.
            let (values, state) = inputs(turn, turn * self.decimation);
            let allocations = thread_allocations();
            let began = clock::now();
            let ran = measured.subject.step(&values, &state, &mut measured.out);
            let took_ns = clock::now().since_ns(began);
            let allocations = thread_allocations() - allocations;
            ensure!(ran, "{}, {}: a step gave no targets", self.key, measured.name);
            if turn >= WARM_TURNS {
                measured.times.0.push(took_ns);
                measured.allocations += allocations;
            }
        }
        Ok(())
    }

    /// The last outputs of all engines, and of both nodes, are the same: they did the same work.
    fn outputs_agree(&self) -> Result<()> {
        let of = |name: &str| {
            self.measured.iter().find(|m| m.name == name).map(|m| m.out).context("a subject is missing")
        };
        for (one, other) in
            [("native", "onnxruntime"), ("raw", "onnxruntime"), ("node_native", "node_onnxruntime")]
        {
            let (a, b) = (of(one)?, of(other)?);
            ensure!(a.iter().chain(&b).all(|v| v.is_finite()), "{}: an output is not finite", self.key);
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            ensure!(worst < 1e-4, "{}: {one} and {other} differ by {worst}", self.key);
            ensure!(a.iter().any(|v| *v != 0.0), "{}: {one} gives zeros only", self.key);
        }
        Ok(())
    }

    fn median_us(&self, name: &str) -> f64 {
        let of = |m: &Measured| m.times.quantile_us(0.5);
        self.measured.iter().find(|m| m.name == name).map_or(f64::NAN, of)
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut map: Map<String, Value> = self
            .measured
            .iter()
            .map(|m| {
                let figures = json!({
                    "p50_us": m.times.quantile_us(0.5),
                    "p99_us": m.times.quantile_us(0.99),
                    "max_us": m.times.quantile_us(1.0),
                });
                (m.name.to_owned(), figures)
            })
            .collect();
        let ratio = |a: &str, b: &str| self.median_us(a) / self.median_us(b);
        map.insert("parameters".to_owned(), json!(self.parameters));
        map.insert("native_to_onnxruntime".to_owned(), json!(ratio("native", "onnxruntime")));
        map.insert("node_to_raw".to_owned(), json!(ratio("node_onnxruntime", "raw")));
        let native = self.measured.iter().filter(|m| m.name.ends_with("native"));
        map.insert("allocations".to_owned(), json!(native.map(|m| m.allocations).sum::<u64>()));
        map
    }
}

fn native(model: &Model) -> Result<Box<dyn Engine>> {
    Ok(Box::new(NativeEngine::new(model)?))
}

fn onnxruntime(model: &Model, runtime: &Runtime) -> Result<Box<dyn Engine>> {
    Ok(Box::new(OrtEngine::new(runtime, model, &[Provider::Cpu])?))
}

fn raw(model: &Model, io: &EngineIo, runtime: &Runtime) -> Result<RawSession> {
    RawSession::new(runtime, &model.graph_bytes, io).map_err(anyhow::Error::msg)
}

fn node(model: &Model, engine: Box<dyn Engine>) -> Result<Policy> {
    let joints: Vec<String> = (0..JOINTS).map(joint).collect();
    let config = PolicyConfig {
        number: 0,
        joints: &joints,
        feet: &[],
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: 2_000_000,
        latency_ticks_min: 0,
        boot_id: 1,
    };
    Ok(Policy::new(model, engine, &config)?)
}

/// What a walking robot measures at `step`, as values of an observation and as the frame.
fn inputs(turn: u64, step: u64) -> ([f32; OBSERVATION], RobotState) {
    let wave = |k: usize| (0.37 * turn as f32 + k as f32).sin();
    let mut state = RobotState::default();
    state.header.step = step;
    state.body.activation = 1;
    state.body.projected_gravity = [0.0, 0.0, -1.0];
    state.body.command = [0.5, 0.0, 0.1];
    state.joints.extend((0..JOINTS).map(|k| RobotJoint {
        q_rad: 0.3 * wave(k),
        dq_rad_s: 2.0 * wave(k + JOINTS),
        ..RobotJoint::default()
    }));
    (std::array::from_fn(wave), state)
}

/// Memory twice the size of the largest cache, walked through between the ticks.
struct Evictor {
    memory: Vec<u8>,
}

impl Evictor {
    fn new() -> Self {
        let bytes = (2 * largest_cache_bytes()).clamp(8 << 20, 256 << 20);
        Self { memory: vec![1; bytes] }
    }

    fn evict(&mut self) {
        for line in self.memory.iter_mut().step_by(64) {
            *line = line.wrapping_add(1);
        }
        std::hint::black_box(&mut self.memory);
    }
}

/// The last level's size as the kernel tells it; 32 MiB where it does not.
fn largest_cache_bytes() -> usize {
    let size = |index: usize| {
        let file = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let text = std::fs::read_to_string(file).ok()?;
        let kib: usize = text.trim().strip_suffix('K')?.parse().ok()?;
        Some(kib << 10)
    };
    (0..8).filter_map(size).max().unwrap_or(32 << 20)
}

fn report(networks: &[Network], turns: u64, runtime: &Runtime, evictor: &Evictor) -> Value {
    let mut result = Map::new();
    let mut passed = true;
    for network in networks {
        let figures = network.to_json();
        let at_most = |key: &str, most: f64| figures[key].as_f64().is_some_and(|found| found <= most);
        passed &= match network.key {
            "mlp" => {
                at_most("native_to_onnxruntime", NATIVE_TO_ORT_MLP) && at_most("node_to_raw", NODE_TO_RAW_MLP)
            }
            _ => at_most("node_to_raw", NODE_TO_RAW_1M),
        };
        passed &= figures["allocations"] == 0;
        if network.key == "mlp" {
            // The small network stands for itself at the top.
            result.extend(figures.clone());
        }
        result.insert(network.key.to_owned(), Value::Object(figures));
    }
    let allocations: u64 = networks
        .iter()
        .flat_map(|n| &n.measured)
        .filter(|m| m.name.ends_with("native"))
        .map(|m| m.allocations)
        .sum();
    result.insert("allocations".to_owned(), json!(allocations));
    result.insert(
        "bars".to_owned(),
        json!({
            "mlp.native_to_onnxruntime": NATIVE_TO_ORT_MLP,
            "mlp.node_to_raw": NODE_TO_RAW_MLP,
            "mlp_1m.node_to_raw": NODE_TO_RAW_1M,
            "allocations": 0,
        }),
    );
    result.insert("rate_hz".to_owned(), json!(RATE_HZ));
    result.insert("steps_each".to_owned(), json!(turns));
    result.insert("evicted_bytes".to_owned(), json!(evictor.memory.len()));
    result.insert("kernels".to_owned(), json!(Kernels::best().name()));
    result.insert("library".to_owned(), json!(format!("onnxruntime {}", runtime.version())));
    result.insert("passed".to_owned(), json!(passed));
    Value::Object(result)
}

fn print_all(result: &Value) {
    for (key, _) in NETWORKS {
        let figures = &result[key];
        out!("{key}: {} parameters", figures["parameters"]);
        out!("{:>18} {:>9} {:>9} {:>9}   us", "", "p50", "p99", "max");
        for name in SUBJECTS {
            let value = |k: &str| figures[name][k].as_f64().unwrap_or(f64::NAN);
            out!("{name:>18} {:9.1} {:9.1} {:9.1}", value("p50_us"), value("p99_us"), value("max_us"));
        }
        let ratio = |k: &str| figures[k].as_f64().unwrap_or(f64::NAN);
        out!(
            "  native / onnxruntime {:.3}; node over onnxruntime / raw {:.3}",
            ratio("native_to_onnxruntime"),
            ratio("node_to_raw")
        );
    }
    out!(
        "{} steps each at {RATE_HZ} Hz, {} MiB walked through before each; {}, {}",
        result["steps_each"],
        result["evicted_bytes"].as_u64().unwrap_or(0) >> 20,
        result["kernels"].as_str().unwrap_or(""),
        result["library"].as_str().unwrap_or("")
    );
    out!(
        "allocations of the native engine and its node: {}; passed: {}",
        result["allocations"],
        result["passed"]
    );
}
