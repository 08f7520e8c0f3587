//! What a manifest says is read, and every mistake it can make is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod mistakes;

use sinew_inference::Manifest;
use sinew_inference::manifest::{
    ChunkMode, CommandAxis, CounterEnd, Fallback, HistoryInit, HistoryLayout, InputSource, Normalize, OnMiss,
    OutputKind, PhaseForm, Precision, Quantity, RangePolicy, Stage, StateInit, TermKind,
};

/// A manifest that uses every section; joints as an exporter of a biped would name them.
const FULL: &str = r#"schema = 1
[model]
name = "full"
version = "2"
task = "policy"
license = "Apache-2.0"
trained_with = "own"
checkpoint = "a.pt"
exported = "2026-11-01"
[[graph]]
id = "policy"
file = "full.onnx"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
precision = "fp16"
external = [{ file = "full.onnx.data", sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" }]
[runtime]
rate_hz = 50
deadline_ms = 4.0
latency_ticks = 3
on_miss = "damp"
misses_max = 4
engine = ["onnxruntime", "native", "tract"]
providers = ["tensorrt", "cuda", "cpu"]
require = "cuda"
min_node_share = 0.9
warmup = 5
threads = 2
spin = false
[runtime.tensorrt]
build = "install"
workspace_mb = 512
builder_level = 3
dla_core = -1
cuda_graph = true
profiles = { obs = { min = [1, 9], opt = [1, 9], max = [1, 9] } }
[runtime.extra]
"cuda.cudnn_conv_algo_search" = "HEURISTIC"
"cuda.use_tf32" = false
[[runtime.plugin]]
name = "MusaEP"
library = "libonnxruntime_providers_musa.so"
sha256 = "6666666666666666666666666666666666666666666666666666666666666666"
[safety]
nan = "fault"
max_action_jump = 0.6
fallback = "damp"
[[safety.obs_range]]
tensor = "obs"
q01 = -1.0
q99 = 1.0
margin = 0.5
policy = "warn"
[command]
range = { vx = [-0.3, 0.6], wz = [-1.0, 1.0] }
slew_per_s = [1.0, 0.6, 2.0]
timeout_ms = 300
[joints]
order = ["left_hip", "left_knee", "right_hip", "right_knee", "waist"]
default_pos = [0.1, 0.5, 0.1, 0.5, 0.0]
kp = [40, 60, 40, 60, 80]
kd = 1.0
[[input]]
tensor = "obs"
dtype = "f16"
shape = [1, 9]
history_layout = "time_major"
normalize = { mode = "quantile", q01 = -1.0, q99 = 1.0, eps = 1e-6, clip = 5.0 }
[[input.term]]
kind = "state/body/rotation"
as = "quaternion_xyzw"
[[input.term]]
kind = "command/body/velocity"
axes = ["vx", "wz"]
pipeline = ["scale", "clip"]
clip = [-1.0, 1.0]
scale = 2.0
[[input.term]]
kind = "phase/sin_cos"
period_s = 0.6
freeze_below = "never"
ramp_s = 0.3
[[input.term]]
kind = "state/contact"
feet = ["left"]
[[input]]
tensor = "act_in"
dtype = "f32"
shape = [1, 8]
[[input.term]]
kind = "feedback/action"
stage = "scaled"
history = { len = 2, stride = 2, order = "newest_first", init = "zeros" }
[[input]]
tensor = "step"
dtype = "i64"
shape = [1]
source = "counter"
length = 100
on_end = "wrap"
[[input]]
tensor = "noise"
dtype = "f32"
shape = [1, 4]
source = "gaussian"
seed = 7
[[state]]
input = "h_in"
output = "h_out"
shape = [1, 1, 8]
init = { file = "init.safetensors", sha256 = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", key = "h" }
reset_on = ["activate", "gap>40ms"]
[[state]]
input = "past"
output = "now"
shape = [1, 24, 2]
ring = { len = 99, stride = 4 }
[[output]]
tensor = "act"
kind = "target/joint/position"
joints = ["left_hip", "left_knee", "right_hip", "right_knee"]
scale = 0.25
offset = "default_pos"
clip_raw = [-100.0, 100.0]
clip = [-1.5, 1.5]
rate_limit = 8.0
[[output]]
tensor = "value"
kind = "ignore"
reason = "the critic's"
shape = [1, 1]
[verify]
golden = "full.golden.json"
sha256 = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
atol = 1e-4
rtol = 1e-3
fp16_atol = 2e-2
p99_ms = 3.0
"#;

fn parsed(text: &str) -> Manifest {
    Manifest::parse("full.model.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_key_is_read() {
    let m = parsed(FULL);
    assert_eq!(m.notes.checkpoint.as_deref(), Some("a.pt"));
    assert_eq!((m.precision, m.external[0].file.as_str()), (Some(Precision::Fp16), "full.onnx.data"));
    assert_eq!((m.runtime.on_miss, m.runtime.misses_max, m.runtime.engines.len()), (OnMiss::Damp, 4, 3));
    let placement = &m.runtime.placement;
    assert_eq!((placement.require.as_str(), placement.min_node_share, placement.warmup), ("cuda", 0.9, 5));
    assert_eq!((placement.threads, placement.spin), (2, false));
    assert_eq!((placement.tensorrt.workspace_mb, placement.tensorrt.dla_core), (Some(512), None));
    assert_eq!(placement.tensorrt.profiles[0].max, [1, 9]);
    let extra: Vec<_> = placement.extra.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(extra, [("cuda.cudnn_conv_algo_search", "HEURISTIC"), ("cuda.use_tf32", "false")]);
    assert_eq!(placement.plugins[0].name, "MusaEP");
    assert_eq!(placement.plugins[0].library.file, "libonnxruntime_providers_musa.so");
    assert_eq!(placement.plugins[0].library.sha256, "6".repeat(64));

    assert_eq!(
        (m.safety.fallback, m.safety.max_action_jump_rad.as_deref()),
        (Fallback::Damp, Some(&[0.6; 5][..]))
    );
    let range = &m.safety.obs_ranges[0];
    assert_eq!((range.range[8], range.share_max, range.policy), ([-2.0, 2.0], 0.2, RangePolicy::Warn));
    assert_eq!(m.command.range, [Some([-0.3, 0.6]), None, Some([-1.0, 1.0])]);
    assert_eq!((m.command.slew_per_s, m.command.timeout_ms), (Some([1.0, 0.6, 2.0]), Some(300.0)));

    let InputSource::Terms(observed) = &m.inputs[0].source else { panic!() };
    assert_eq!(observed.layout, HistoryLayout::TimeMajor);
    assert!(matches!(&observed.normalize, Normalize::Range { to: [-1.0, 1.0], clip: Some(5.0), .. }));
    assert_eq!(observed.terms[1].kind, TermKind::VelocityCommand(vec![CommandAxis::Vx, CommandAxis::Wz]));
    let TermKind::Phase(phase) = &observed.terms[2].kind else { panic!() };
    assert_eq!((phase.form, phase.freeze_below, phase.ramp_s), (PhaseForm::SinCos, None, 0.3));
    assert!((phase.rate_hz - 1.0 / 0.6).abs() < 1e-12);
    let fed_back = &m.inputs[1].terms()[0];
    assert_eq!((&fed_back.kind, fed_back.width()), (&TermKind::LastAction(Stage::Scaled), 4));
    assert_eq!((fed_back.history.runs(), fed_back.history.init), (3, HistoryInit::Zeros));
    let InputSource::Counter(counter) = m.inputs[2].source else { panic!() };
    assert_eq!((counter.start, counter.length, counter.on_end), (0, 100, CounterEnd::Wrap));

    assert_eq!(m.states[0].gap_ms, Some(40.0));
    assert!(matches!(&m.states[0].init, StateInit::File { key, .. } if key == "h"));
    let ring = m.states[1].ring.unwrap();
    assert_eq!((ring.slots, ring.runs(), m.states[1].output_shape.as_slice()), (24, 93, &[1, 2][..]));

    let OutputKind::Target(target) = &m.outputs[0].kind else { panic!() };
    assert_eq!((target.quantity, target.joints.as_slice()), (Quantity::Position, &[0, 1, 2, 3][..]));
    assert_eq!(target.offset, [0.1, 0.5, 0.1, 0.5]);
    assert_eq!(m.outputs[0].shape, [1, 4]);
    assert_eq!((m.verify.fp16_atol, m.verify.p99_ms), (Some(2e-2), Some(3.0)));
}

#[test]
fn unequal_histories_cannot_stand_side_by_side() {
    let text = FULL
        .replace("feet = [\"left\"]", "feet = [\"left\"]\nhistory = { len = 2, order = \"oldest_first\" }")
        .replace("shape = [1, 9]", "shape = [1, 10]");
    let message = Manifest::parse("full.model.toml", &text).unwrap_err().to_string();
    for part in ["input[0].history_layout", "state/contact", "equal histories", "term_major"] {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn gains_that_differ_left_and_right_are_taken_when_it_is_said() {
    let lopsided = FULL.replace("kp = [40, 60, 40, 60, 80]", "kp = [40, 40, 60, 60, 80]");
    assert!(Manifest::parse("x", &lopsided).is_err());
    let meant = lopsided.replace("kd = 1.0", "kd = 1.0\ngain_order = \"policy\"");
    assert_eq!(parsed(&meant).joints.kp_nm_per_rad, [40.0, 40.0, 60.0, 60.0, 80.0]);
    // The same list, in the order of the motors: hips, knees, waist.
    let order = "gain_order = [\"left_hip\", \"right_hip\", \"left_knee\", \"right_knee\", \"waist\"]";
    let motors = lopsided.replace("kd = 1.0", &format!("kd = 1.0\n{order}"));
    assert_eq!(parsed(&motors).joints.kp_nm_per_rad, [40.0, 60.0, 40.0, 60.0, 80.0]);
}

#[test]
fn a_joint_that_no_position_target_moves_alone_may_be_slack() {
    // The waist has no target; a joint with a torque of its own needs no stiffness.
    parsed(&FULL.replace("kp = [40, 60, 40, 60, 80]", "kp = [40, 60, 40, 60, 0]"));
    let torques = FULL.replace("kp = [40, 60, 40, 60, 80]", "kp = [0, 0, 0, 0, 80]").replace(
        "kind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]",
        "kind = \"target/joint/effort\"\njoints = [\"left_hip\", \"left_knee\", \"right_hip\", \"right_knee\"]",
    );
    let manifest = parsed(&torques);
    assert!(!manifest.is_held_by_stiffness(0) && parsed(FULL).is_held_by_stiffness(0));
}

#[test]
fn an_axis_of_the_command_may_stay_still() {
    let still = FULL.replace("wz = [-1.0, 1.0] }", "vy = [0.0, 0.0], wz = [-1, 0] }");
    assert_eq!(parsed(&still).command.range, [Some([-0.3, 0.6]), Some([0.0, 0.0]), Some([-1.0, 0.0])]);
}

#[test]
fn a_chunk_stands_alone() {
    let chunk = "chunk = { steps = 4, dt_ms = 20.0, mode = \"temporal_ensemble\", coeff = 0.01 }";
    let applied = FULL
        .replace("rate_limit = 8.0", chunk)
        .replace("stage = \"scaled\"", "stage = \"applied\"")
        .replace("shape = [1, 8]\n[[input.term]]", "shape = [1, 10]\n[[input.term]]");
    let manifest = parsed(&applied);
    assert_eq!(manifest.outputs[0].shape, [1, 4, 4]);
    let chunk = manifest.outputs[0].target().unwrap().chunk.unwrap();
    assert_eq!((chunk.mode, chunk.execute), (ChunkMode::TemporalEnsemble { coeff: 0.01 }, 1));
    let beside = applied.replace(
        "kind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]",
        "kind = \"target/joint/velocity\"\njoints = [\"waist\"]",
    );
    let message = Manifest::parse("x", &beside).unwrap_err().to_string();
    assert!(message.contains("a chunk beside 1 other"), "{message}");
}
