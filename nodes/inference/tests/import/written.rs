//! What is written: a manifest that loads, in which each value says where it came from.

use super::*;
use sinew_inference::import::verify_section;
use sinew_inference::manifest::{Fallback, Interpolation, OnMiss};
use sinew_inference::onnx::protobuf::{Fields, Value};
use sinew_inference::{Model, sha256_hex};

/// Golden vectors that only have the right shape; what they say is proven elsewhere.
fn golden(draft: &Draft, graph: &[u8]) -> String {
    let joints = draft.joints.value().unwrap();
    let zeros = vec!["0.0"; joints.len()].join(",");
    format!(
        "{{\"schema\":1,\"graph_sha256\":\"{}\",\"rate_hz\":{},\"joints\":[\"{}\"],\"kp\":{:?},\"kd\":{:?},\"cases\":[{{\"name\":\"n\",\"ticks\":[{{\
         \"gyro_rad_s\":[0,0,0],\"projected_gravity\":[0,0,-1],\"command\":[0,0,0],\"q_rad\":[{zeros}],\"dq_rad_s\":[{zeros}],\
         \"velocity_m_s\":[0,0,0],\"orientation_wxyz\":[1,0,0,0],\"target_rad\":[{zeros}]}}]}}]}}",
        sha256_hex(graph),
        draft.rate_hz.value().unwrap(),
        joints.join("\",\""),
        draft.kp.value().unwrap(),
        draft.kd.value().unwrap(),
    )
}

/// The files a written model consists of.
struct Files(BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

fn files(fixture: &Fixture, alter: impl Fn(String) -> String) -> Files {
    let written = fixture.written().unwrap_or_else(|e| panic!("{e}"));
    let mut files: BTreeMap<String, Vec<u8>> = written.files.into_iter().collect();
    let golden = golden(&fixture.draft(), &files["model.onnx"]);
    let verify = verify_section("model.golden.json", &sha256_hex(golden.as_bytes()), "test");
    files.insert("model.golden.json".to_owned(), golden.into_bytes());
    files.insert("model.model.toml".to_owned(), alter(format!("{}{verify}", written.manifest)).into_bytes());
    Files(files)
}

#[test]
fn every_fixture_becomes_a_model_that_loads() {
    for name in ["quad_leapp", "quad_unitree", "quad_rl_sar", "quad_metadata", "quad_lerobot"] {
        let fixture = Fixture::complete(name);
        let model = Model::load(&files(&fixture, |text| text), "model.model.toml")
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(&model.manifest.joints.order, fixture.draft().joints.value().unwrap(), "{name}");
        sinew_inference::NativeEngine::new(&model).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn each_value_says_where_it_came_from() {
    let text = Fixture::complete("quad_unitree").written().unwrap().manifest;
    for part in [
        "params/deploy.yaml:3 stiffness, motor order, reordered by joint_ids_map",
        "# kp and kd stand in the order of joints.order.",
        "history_layout = \"term_major\"",
        "order = \"oldest_first\"",
        "pipeline = [\"clip\", \"scale\"]",
        "pipeline = [\"minus\", \"scale\"]",
        "range = { vx = [-0.6, 1.2]",
        "--set motors",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let time = Fixture::complete("quad_rl_sar").written().unwrap().manifest;
    for part in [
        "history_layout = \"time_major\"",
        "order = \"newest_first\", init = \"zeros\"",
        "pipeline = [\"scale\", \"clip\"]",
        "stage = \"clipped\"",
    ] {
        assert!(time.contains(part), "{part} in\n{time}");
    }
}

/// What was taken for the fixture without being said.
fn assumed(fixture: &Fixture) -> Vec<String> {
    fixture.draft().assumptions().into_iter().map(|a| a.what).collect()
}

const OF_ALL: [&str; 6] = [
    "runtime.deadline_ms",
    "runtime.latency_ticks",
    "runtime.on_miss",
    "runtime.misses_max",
    "safety.fallback",
    "safety.max_action_jump",
];

#[test]
fn what_no_source_says_is_listed_and_can_be_said() {
    let rows: [(&str, &[&str], &[&str]); 5] = [
        (
            "quad_leapp",
            &[
                "joints.default_pos",
                "command.range",
                "state clock_in reset_on",
                "state last_action_in reset_on",
            ],
            &["joints.default_pos=0.5", "command.range={vx: [-1, 1]}", "state.gap_ms=40"],
        ),
        ("quad_unitree", &[], &[]), // its ranges are in deploy.yaml
        ("quad_rl_sar", &["command.range"], &["command.range={vx: [-1, 1]}"]),
        ("quad_metadata", &["command.range"], &["command.range={wz: [-1, 1]}"]),
        (
            "quad_lerobot",
            &["joints.default_pos", "output action chunk.interp"],
            &["joints.default_pos=0.5", "chunk.interp=hold"],
        ),
    ];
    for (name, more, sets) in rows {
        let fixture = Fixture::complete(name);
        assert_eq!(assumed(&fixture), [OF_ALL.as_slice(), more].concat(), "{name}");
        for assumption in fixture.draft().assumptions() {
            assert!(assumption.supply.contains("--set "), "{name}: {assumption:?}");
            let text = fixture.written().unwrap().manifest;
            let said = format!("assumed: {}; {}", assumption.why, assumption.supply);
            assert!(text.contains(&said), "{name}: {said} in\n{text}");
        }
        let of_all = [
            "runtime.deadline_ms=1.5",
            "runtime.latency_ticks=3",
            "runtime.on_miss=damp",
            "runtime.misses_max=1",
            "safety.fallback=damp",
            "safety.max_action_jump=0.6",
        ];
        let said = of_all.iter().chain(sets).fold(fixture, |fixture, set| fixture.set(set));
        assert_eq!(assumed(&said), Vec::<String>::new(), "{name}");
        let text = said.written().unwrap().manifest;
        assert!(!text.contains("assumed:"), "{text}");
        let model = Model::load(&files(&said, |text| text), "model.model.toml").unwrap();
        let runtime = &model.manifest.runtime;
        assert_eq!((runtime.deadline_ms, runtime.latency_ticks, runtime.misses_max), (1.5, 3, 1), "{name}");
        assert_eq!(runtime.on_miss, OnMiss::Damp, "{name}");
        assert_eq!(model.manifest.safety.fallback, Fallback::Damp, "{name}");
        assert_eq!(model.manifest.safety.max_action_jump_rad, Some(vec![0.6; 12]), "{name}");
        let chunk = model.manifest.outputs.iter().find_map(|o| o.target()?.chunk.as_ref());
        assert_eq!(chunk.is_some_and(|c| c.interpolation == Interpolation::Hold), name == "quad_lerobot");
        assert!(model.manifest.states.iter().all(|s| s.gap_ms == Some(40.0)), "{name}");
    }
}

#[test]
fn an_assumed_deadline_lies_before_the_use_of_the_result_and_before_the_next_run() {
    let of = |fixture: &Fixture| {
        let runtime = fixture.draft().runtime;
        (*runtime.latency_ticks.value().unwrap(), *runtime.deadline_ms.value().unwrap())
    };
    let fixture = Fixture::complete("quad_unitree");
    assert_eq!(of(&fixture), (2, 4.0));
    assert_eq!(of(&fixture.clone().set("runtime.latency_ticks=5")), (5, 10.0));
    assert_eq!(of(&fixture.clone().set("runtime.latency_ticks=50")), (50, 20.0));
    let fast = fixture.edit("params/deploy.yaml", "step_dt: 0.02", "step_dt: 0.002");
    assert_eq!(of(&fast), (1, 2.0));
}

#[test]
fn values_of_no_sense_are_refused_where_they_are_said() {
    let rows = [
        ("quad_unitree", "runtime.deadline_ms=0", "0.01 to 20 ms"),
        ("quad_unitree", "runtime.deadline_ms=21", "0.01 to 20 ms"),
        ("quad_unitree", "runtime.latency_ticks=0", "1 to 100"),
        ("quad_unitree", "runtime.latency_ticks=1.5", "a whole number"),
        ("quad_unitree", "runtime.on_miss=ignore", "hold or damp or fault"),
        ("quad_unitree", "runtime.misses_max=0", "1 to 1000"),
        ("quad_unitree", "safety.fallback=walk", "stand or damp"),
        ("quad_unitree", "safety.max_action_jump=0", "above zero"),
        ("quad_unitree", "safety.max_action_jump=6.3", "at most 2 pi"),
        ("quad_unitree", "command.range={vx: [1, -1]}", "low below high"),
        ("quad_unitree", "command.range={vx: [0.5, 1]}", "a stop asks for"),
        ("quad_lerobot", "chunk.interp=cubic", "linear or hold"),
        ("quad_leapp", "state.gap_ms=-1", "0 to 10000 ms"),
        // A model that reads no command has no use for its range; one without a state none for a gap.
        ("quad_lerobot", "command.range={vx: [-1, 1]}", "no use"),
        ("quad_unitree", "state.gap_ms=40", "no use"),
    ];
    for (name, set, part) in rows {
        let key = set.split_once('=').unwrap().0;
        Fixture::complete(name).set(set).refused(&[key, part]);
    }
}

#[test]
fn a_model_without_golden_vectors_does_not_load() {
    let fixture = Fixture::complete("quad_unitree");
    let cut = |text: String| text.split("\n[verify]").next().unwrap().to_owned();
    let error = Model::load(&files(&fixture, cut), "model.model.toml").unwrap_err().to_string();
    assert!(error.contains("no policy runs without golden vectors"), "{error}");
}

#[test]
fn gains_written_in_motor_order_are_refused_at_every_load() {
    let fixture = Fixture::complete("quad_unitree");
    let (right, _) = gains(&by_type());
    let (motor, _) = gains(&robot().joints);
    let swap = |text: String| {
        let from = format!("kp = {right:?}");
        assert!(text.contains(&from), "{text}");
        text.replace(&from, &format!("kp = {motor:?}"))
    };
    let error = Model::load(&files(&fixture, swap), "model.model.toml").unwrap_err().to_string();
    assert!(error.contains("equal gains left and right"), "{error}");
    // Where unlike gains are allowed, the golden file still knows them by name.
    let comment = "# kp and kd stand in the order of joints.order.";
    let on_purpose = |text: String| swap(text).replace(comment, "gain_order = \"policy\"");
    let error = Model::load(&files(&fixture, on_purpose), "model.model.toml").unwrap_err().to_string();
    assert!(error.contains("kp of `FR_hip`") && error.contains("another order"), "{error}");
}

#[test]
fn gains_that_differ_left_and_right_need_a_word() {
    let unlike =
        Fixture::complete("quad_unitree").edit("params/deploy.yaml", "stiffness: [38,", "stiffness: [60,");
    let error = Model::load(&files(&unlike, |text| text), "model.model.toml").unwrap_err().to_string();
    assert!(error.contains("joints.kp") && error.contains("left and right"), "{error}");
    let said = unlike.set("joints.gain_order=policy");
    let model = Model::load(&files(&said, |text| text), "model.model.toml").unwrap();
    assert_eq!(model.manifest.joints.kp_nm_per_rad[1], 60.0);
    Fixture::complete("quad_unitree")
        .set("joints.gain_order=motor")
        .refused(&["joints.gain_order", "found motor"]);
}

#[test]
fn external_weights_travel_with_the_graph() {
    // An initialiser moved out of the graph into a file beside it.
    let fixture = Fixture::complete("quad_lerobot");
    let mut graph = sinew_inference::onnx::Graph::parse(&fixture.bytes("policy.onnx")).unwrap();
    let index = graph.constants.iter().position(|c| c.shape == [12, 300]).unwrap();
    let constant = graph.constants.remove(index);
    let sinew_inference::onnx::ConstantData::F32(values) = &constant.data else { panic!() };
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let model = outside(&graph.to_bytes(), &constant.name, [12, 300], "policy.onnx.data");
    let both = fixture.clone().with("policy.onnx", &model).with("policy.onnx.data", &data);
    let written = both.written().unwrap();
    assert!(written.manifest.contains("external = [{ file = \"policy.onnx.data\""), "{}", written.manifest);
    assert!(written.files.iter().any(|(name, bytes)| name == "policy.onnx.data" && *bytes == data));
    Model::load(&files(&both, |text| text), "model.model.toml").unwrap_or_else(|e| panic!("{e}"));
    both.clone().without("policy.onnx.data").refused(&["policy.onnx.data", "copy both files"]);
    both.with("policy.onnx.data", POINTER).refused(&["policy.onnx.data", "Git LFS pointer"]);
}

/// `model` with one more initialiser, whose values lie in `file`.
fn outside(model: &[u8], name: &str, shape: [u64; 2], file: &str) -> Vec<u8> {
    let location = [message(1, b"location"), message(2, file.as_bytes())].concat();
    let dims = [int(1, shape[0]), int(1, shape[1])].concat();
    let tensor = [dims, int(2, 1), message(8, name.as_bytes()), message(13, &location), int(14, 1)].concat();
    let mut out = Vec::new();
    let mut fields = Fields::new(model, 0);
    while let Some(field) = fields.next_field().unwrap() {
        match field.value {
            Value::Bytes(graph) if field.number == 7 => {
                out.extend(message(7, &[graph, &message(5, &tensor)].concat()))
            }
            Value::Bytes(bytes) => out.extend(message(field.number, bytes)),
            Value::Varint(value) => out.extend(int(field.number, value)),
            other => panic!("{other:?}"),
        }
    }
    out
}

fn message(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn what_is_missing_is_said_before_a_key_without_use() {
    let nameless = Fixture::load("quad_unitree").set("chunk.interp=hold");
    nameless.refused(&["joints.order", "--set 'motors="]);
    Fixture::complete("quad_unitree")
        .set("chunk.interp=hold")
        .refused(&["--set chunk.interp", "no use for it"]);
    let strangers =
        Fixture::load("quad_unitree").set(&MOTORS.replace("FR_hip", "fr_hip")).set("chunk.interp=hold");
    strangers.refused(&["found joints fr_hip"]);
}

#[test]
fn what_the_manifest_refuses_is_said_of_the_place_it_was_read_at() {
    let fixture =
        Fixture::complete("quad_unitree").edit("params/deploy.yaml", "stiffness: [38,", "stiffness: [-38,");
    let text = fixture.written().unwrap().manifest;
    let error = sinew_inference::Manifest::parse("/tmp/.import-x/m.toml", &text).unwrap_err();
    let said = import::refused(&text, &error).to_string();
    assert!(said.starts_with("params/deploy.yaml:3 stiffness"), "{said}");
    assert!(
        said.contains("`joints.kp") && said.contains("a negative gain") && !said.contains("/tmp"),
        "{said}"
    );
}
