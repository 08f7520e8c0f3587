//! Every mistake a manifest can make is refused with its line, what was found, what was expected, and a way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

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

/// Replaces `from` (once) by `to`; the refusal, and the text of the line it names.
fn refused(from: &str, to: &str) -> (String, String) {
    assert!(FULL.contains(from), "`{from}` is not in the manifest");
    let text = FULL.replacen(from, to, 1);
    match Manifest::parse("full.model.toml", &text) {
        Ok(_) => panic!("{from} -> {to}: accepted"),
        Err(error) => (error.to_string(), text.lines().nth(error.line - 1).unwrap().to_owned()),
    }
}

#[test]
fn each_mistake_is_named_with_its_line_and_a_way_out() {
    // What is changed, the key named, and what else the message must say.
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Unknown keys in every section.
        ("exported = ", "author = ", "model.author", &["license"]),
        ("name = \"full\"", "name = \"\\u001b[2J\\n ok\"", "model.name", &["\\u{1b}[2J\\n ok", "printable"]),
        ("\"left_hip\"", "\"left\\u202e_hip\"", "joints.order[0]", &["\\u{202e}", "printable"]),
        ("precision = \"fp16\"", "precison = \"fp16\"", "graph[0].precison", &["precision"]),
        ("spin = false", "spn = false", "runtime.spn", &["spin"]),
        ("cuda_graph = true", "cuda_grph = true", "runtime.tensorrt.cuda_grph", &["cuda_graph"]),
        ("library = \"lib", "lib = \"lib", "runtime.plugin[0].lib", &["library"]),
        ("library = \"lib", "library = \"../lib", "runtime.plugin[0].library", &["../lib", "folder", "copy"]),
        ("library = \"lib", "library = \"/usr/lib/lib", "runtime.plugin[0].library", &["/usr/lib", "copy"]),
        ("library = \"lib", "library = \"a/../../lib", "runtime.plugin[0].library", &["a/../../lib"]),
        ("sha256 = \"6666", "sha = \"6666", "runtime.plugin[0].sha256", &["64 hexadecimal digits"]),
        ("sha256 = \"6666", "sha256 = \"66", "runtime.plugin[0].sha256", &["sha256sum"]),
        ("fallback = \"damp\"", "fall_back = \"damp\"", "safety.fall_back", &["fallback"]),
        ("margin = 0.5", "margins = 0.5", "safety.obs_range[0].margins", &["margin"]),
        ("timeout_ms = 300", "timeout = 300", "command.timeout", &["timeout_ms"]),
        ("vx = [-0.3, 0.6]", "x = [-0.3, 0.6]", "command.range.x", &["vx"]),
        ("kd = 1.0", "kd = 1.0\nki = 0", "joints.ki", &["gain_order"]),
        ("ramp_s = 0.3", "ramp = 0.3", "input[0].term[2].ramp", &["ramp_s"]),
        ("seed = 7", "seed = 7\nsigma = 1.0", "input[3].sigma", &["std"]),
        ("key = \"h\"", "name = \"h\"", "state[0].init", &["key"]),
        ("ring = { len", "ring = { length", "state[1].ring.len", &["nothing"]),
        ("rate_limit = 8.0", "rate_limits = 8.0", "output[0].rate_limits", &["rate_limit"]),
        ("p99_ms", "p99_us", "verify.p99_us", &["p99_ms"]),
        ("[command]", "[comand]", "comand", &["command"]),
        // Joints.
        (
            "\"right_hip\", \"right_knee\", \"waist\"]",
            "\"left_hip\", \"right_knee\", \"waist\"]",
            "joints.order[2]",
            &["again"],
        ),
        (
            "\"left_hip\", \"left_knee\", \"right_hip\", \"right_knee\"]",
            "\"left_hip\", \"left_hip\"]",
            "output[0].joints[1]",
            &["again"],
        ),
        (
            "joints = [\"left_hip\", \"left_knee\"",
            "joints = [\"left_foot\", \"left_knee\"",
            "output[0].joints",
            &["left_foot", "joints.order"],
        ),
        ("feet = [\"left\"]", "feet = [\"left\", \"left\"]", "input[0].term[3].feet[1]", &["again"]),
        ("kp = [40, 60, 40, 60, 80]", "kp = [40, 60, 40, 60]", "joints.kp", &["4 values", "one per joint"]),
        (
            "kp = [40, 60, 40, 60, 80]",
            "kp = [40, 40, 60, 60, 80]",
            "joints.kp",
            &["left_hip", "right_hip", "motor order", "gain_order"],
        ),
        (
            "kp = [40, 60, 40, 60, 80]",
            "kp = [40, 0, 40, 0, 80]",
            "joints.kp",
            &["left_knee", "position target", "above 0", "training", "target/joint/effort"],
        ),
        ("kd = 1.0", "kd = -1.0", "joints.kd", &["negative", "at least 0"]),
        (
            "kd = 1.0",
            "kd = 1.0\ngain_order = [\"left_hip\", \"left_knee\"]",
            "joints.gain_order",
            &["2 names", "every joint"],
        ),
        // Degrees.
        (
            "default_pos = [0.1, 0.5,",
            "default_pos = [5.7, 28.6,",
            "joints.default_pos",
            &["28.6", "degrees", "0.0174533"],
        ),
        ("clip = [-1.5, 1.5]", "clip = [-90.0, 90.0]", "output[0].clip", &["degrees", "clip_raw"]),
        ("scale = 0.25", "scale = 14.3", "output[0].scale", &["degrees"]),
        // Nothing that moves.
        ("scale = 0.25", "scale = 0.0", "output[0].scale", &["0 for `left_hip`", "training", "\"ignore\""]),
        ("scale = 0.25", "scale = [0.25, 0.25, 0, 0.25]", "output[0].scale", &["0 for `right_hip`"]),
        (
            "mode = \"quantile\", q01 = -1.0, q99 = 1.0, eps",
            "mode = \"mean_std\", mean = 0.0, std = 0.0, eps",
            "input[0].normalize.std",
            &["a deviation of 0 at each of 9 values", "mode = \"none\"", "check the export"],
        ),
        (
            "q01 = -1.0, q99 = 1.0, eps",
            "q01 = 1.0, q99 = 1.0, eps",
            "input[0].normalize.q99",
            &["a width of 0 at each of 9 values"],
        ),
        (
            "offset = \"default_pos\"",
            "offset = [6.0, 30.0, 6.0, 30.0]",
            "output[0].offset",
            &["30", "degrees"],
        ),
        // Kinds that RobotState cannot feed, or nothing can carry out.
        (
            "kind = \"state/contact\"",
            "kind = \"command/joint/position\"",
            "input[0].term[3].kind",
            &["no joint command"],
        ),
        (
            "kind = \"state/contact\"",
            "kind = \"state/camera/image\"",
            "input[0].term[3].kind",
            &["perception"],
        ),
        (
            "kind = \"state/contact\"",
            "kind = \"state/height_scan\"",
            "input[0].term[3].kind",
            &["no height scan"],
        ),
        (
            "kind = \"state/contact\"",
            "kind = \"state/contacts\"",
            "input[0].term[3].kind",
            &["state/contact\"", "spelling"],
        ),
        ("require = \"cuda\"\n", "", "runtime", &["tensorrt, cuda, cpu", "weakest provider"]),
        ("kind = \"ignore\"", "kind = \"kp\"", "output[1].kind", &["gains", "[joints]"]),
        ("kind = \"ignore\"", "kind = \"target/body/velocity\"", "output[1].kind", &["only joints"]),
        ("source = \"gaussian\"", "source = \"text\"", "input[3].source", &["neither texts nor images"]),
        ("task = \"policy\"", "task = \"vla\"", "model.task", &["\"policy\""]),
        // Terms.
        (
            "pipeline = [\"scale\", \"clip\"]",
            "pipeline = [\"scale\"]",
            "input[0].term[1].pipeline",
            &["no \"clip\""],
        ),
        (
            "pipeline = [\"scale\", \"clip\"]",
            "pipeline = [\"scale\", \"clip\", \"minus\"]",
            "input[0].term[1].pipeline",
            &["\"minus\"", "not given"],
        ),
        (
            "pipeline = [\"scale\", \"clip\"]",
            "pipeline = [\"clip\", \"clip\"]",
            "input[0].term[1].pipeline[1]",
            &["again"],
        ),
        ("axes = [\"vx\", \"wz\"]", "axes = [\"vx\", \"yaw\"]", "input[0].term[1].axes[1]", &["\"wz\""]),
        ("as = \"quaternion_xyzw\"", "as = \"quaternion\"", "input[0].term[0].as", &["quaternion_wxyz"]),
        (
            "feet = [\"left\"]",
            "feet = [\"left\"]\nminus = \"default_pos\"",
            "input[0].term[3].minus",
            &["state/joint/position only"],
        ),
        (
            "feet = [\"left\"]",
            "feet = [\"left\"]\nhistory = { len = 2, order = \"oldest_first\" }",
            "input[0].shape",
            &["10 values"],
        ),
        (
            "freeze_below = \"never\"",
            "freeze_below = \"always\"",
            "input[0].term[2].freeze_below",
            &["\"never\""],
        ),
        ("period_s = 0.6", "period_s = 0.6\nrate_hz = 2.0", "input[0].term[2]", &["both"]),
        (
            "order = \"newest_first\"",
            "order = \"newest\"",
            "input[1].term[0].history.order",
            &["newest_first"],
        ),
        // Inputs.
        ("dtype = \"f16\"", "dtype = \"i64\"", "input[0].dtype", &["float"]),
        ("length = 100", "length = 16777218", "input[2].length", &["16777216"]),
        ("length = 100", "start = 16777216\nlength = 100", "input[2].length", &["exact"]),
        ("on_end = \"wrap\"", "on_end = \"stop\"", "input[2].on_end", &["\"hold\""]),
        ("q01 = -1.0, q99 = 1.0, eps", "q01 = 1.0, q99 = -1.0, eps", "input[0].normalize.q99", &["1 to -1"]),
        ("mode = \"quantile\", q01", "mode = \"mean_std\", q01", "input[0].normalize.mean", &["stats"]),
        // States.
        (
            "reset_on = [\"activate\", \"gap>40ms\"]",
            "reset_on = [\"gap>40ms\"]",
            "state[0].reset_on",
            &["no \"activate\"", "memory of another"],
        ),
        ("\"gap>40ms\"", "\"gap>40\"", "state[0].reset_on[1]", &["gap>40ms"]),
        ("shape = [1, 24, 2]", "shape = [1, 23, 2]", "state[1].shape", &["46 values", "24 outputs"]),
        // Outputs and chunks.
        (
            "rate_limit = 8.0",
            "chunk = { steps = 4, dt_ms = 20.0, mode = \"rtc_prefix\" }",
            "output[0].chunk.mode",
            &["rtc_prefix", "crossfade"],
        ),
        (
            "rate_limit = 8.0",
            "chunk = { steps = 4, dt_ms = 20.0, mode = \"open_loop\", execute = 5 }",
            "output[0].chunk.execute",
            &["1 to 4"],
        ),
        (
            "rate_limit = 8.0",
            "chunk = { steps = 4, dt_ms = 20.0, mode = \"crossfade\" }",
            "output[0].chunk.fade_ms",
            &["ms of the fade"],
        ),
        (
            "rate_limit = 8.0",
            "chunk = { steps = 4, dt_ms = 20.0, mode = \"open_loop\" }",
            "input[1].term[0].kind",
            &["an output that gives it", "stage"],
        ),
        ("rate_limit = 8.0", "rate_limit = 0.0", "output[0].rate_limit", &["above zero"]),
        ("reason = \"the critic's\"", "", "output[1].reason", &["why it is left alone"]),
        (
            "kind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]",
            "kind = \"target/joint/position\"\njoints = [\"left_hip\"]",
            "",
            &["another output moves"],
        ),
        // Runtime and safety.
        ("require = \"cuda\"", "require = \"openvino\"", "runtime.require", &["tensorrt, cuda, cpu"]),
        ("min_node_share = 0.9", "min_node_share = 90", "runtime.min_node_share", &["0 to 1"]),
        ("profiles = { obs =", "profiles = { images =", "", &["images", "obs"]),
        ("min = [1, 9], opt", "min = [1, 10], opt", "runtime.tensorrt.profiles.obs", &["min <= opt <= max"]),
        ("misses_max = 4", "misses_max = 0", "runtime.misses_max", &["1 to 1000"]),
        ("on_miss = \"damp\"", "on_miss = \"skip\"", "runtime.on_miss", &["\"hold\""]),
        (
            "deadline_ms = 4.0",
            "deadline_ms = 20.1",
            "runtime.deadline_ms",
            &["20.1 ms", "at most 20 ms", "one period of 50 Hz"],
        ),
        ("max_action_jump = 0.6", "max_action_jump = 1e300", "safety.max_action_jump", &["2 pi rad per run"]),
        ("rate_limit = 8.0", "rate_limit = 1e9", "output[0].rate_limit", &["at most 1000 rad/s", "training"]),
        (
            "kind = \"target/joint/position\"\njoints = [\"left_hip\", \"left_knee\", \"right_hip\", \"right_knee\"]\nscale = 0.25\noffset = \"default_pos\"\nclip_raw = [-100.0, 100.0]\nclip = [-1.5, 1.5]\nrate_limit = 8.0",
            "kind = \"target/joint/effort\"\njoints = [\"left_hip\", \"left_knee\", \"right_hip\", \"right_knee\"]\nrate_limit = 1e7",
            "output[0].rate_limit",
            &["N m/s"],
        ),
        ("nan = \"fault\"", "nan = \"zero\"", "safety.nan", &["\"fault\""]),
        ("max_action_jump = 0.6", "max_action_jump = 0", "safety.max_action_jump", &["above zero"]),
        ("tensor = \"obs\"\nq01", "tensor = \"step\"\nq01", "safety.obs_range[0].tensor", &["obs"]),
        (
            "q01 = -1.0\nq99 = 1.0\nmargin",
            "q01 = 1.0\nq99 = -1.0\nmargin",
            "safety.obs_range[0].q01",
            &["above"],
        ),
        (
            "slew_per_s = [1.0, 0.6, 2.0]",
            "slew_per_s = [1.0, 0.0, 2.0]",
            "command.slew_per_s",
            &["above zero"],
        ),
        ("vx = [-0.3, 0.6]", "vx = [0.6, -0.3]", "command.range.vx", &["low"]),
        (
            "vx = [-0.3, 0.6]",
            "vx = [0.3, 0.6]",
            "command.range.vx",
            &["[0.3, 0.6]", "a stop asks for 0", "widen", "leave the axis out"],
        ),
        ("vx = [-0.3, 0.6]", "vx = [0.3, 0.3]", "command.range.vx", &["a stop asks for 0"]),
        ("vx = [-0.3, 0.6]", "vx = [-0.3]", "command.range.vx", &["1 values", "two numbers"]),
        (
            "external = [{ file = \"full.onnx.data\"",
            "external = [{ file = \"full.onnx\"",
            "graph[0].external[0]",
            &["again"],
        ),
        ("golden = \"full.golden.json\"", "", "verify.golden", &["nothing"]),
    ];
    let mut wrong = Vec::new();
    for (from, to, field, parts) in cases {
        let (message, line) = refused(from, to);
        for part in ["full.model.toml:", field, "found", "expected"].iter().chain(*parts) {
            if !message.contains(part) {
                wrong.push(format!("{from} -> {to}: `{part}` is missing in: {message}"));
            }
        }
        // The line named is that of the key, or the head of a section that lacks one.
        let mut keys = field.rsplit('.').take(2).map(|key| key.split('[').next().unwrap());
        if !(keys.any(|key| line.contains(key)) || line.trim_start().starts_with('[')) {
            wrong.push(format!("{from} -> {to}: the line `{line}` is not that of `{field}`: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 70);
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
