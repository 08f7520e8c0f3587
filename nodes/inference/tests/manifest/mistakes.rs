//! Every mistake a manifest can make is refused with its line, what was found, what was expected, and a way out.
use sinew_inference::Manifest;

use crate::FULL;

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
