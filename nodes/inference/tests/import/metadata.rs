//! ONNX metadata: what it says, what it never says, and exports without any.

use super::*;
use sinew_inference::import::{DraftHistory, OutputWhat, TermWhat};
use sinew_inference::onnx::{Dimension, Graph, Port};

fn fixture() -> Fixture {
    Fixture::complete("quad_metadata")
}

/// Metadata entries appended to a model: an entry of the file is field 14, length-delimited.
fn with_metadata(mut model: Vec<u8>, entries: &[(&str, &str)]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(bytes);
        out
    };
    for (key, value) in entries {
        let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
        model.extend(field(14, &entry));
    }
    model
}

/// A graph that only has ports; importers look no further.
fn ports(inputs: &[(&str, &[usize])], outputs: &[(&str, &[usize])]) -> Vec<u8> {
    let port = |(name, shape): &(&str, &[usize])| Port {
        name: (*name).to_owned(),
        element_type: 1,
        shape: Some(shape.iter().map(|n| Dimension::Fixed(*n)).collect()),
    };
    let graph = Graph {
        opset: 17,
        inputs: inputs.iter().map(port).collect(),
        outputs: outputs.iter().map(port).collect(),
        ..Graph::default()
    };
    graph.to_bytes()
}

#[test]
fn lists_are_in_policy_order_and_lengths_are_written_as_decimals() {
    let draft = fixture().draft();
    assert_eq!(draft.joints.value().unwrap(), &by_type());
    let (kp, kd) = gains(&by_type());
    assert_eq!((draft.kp.value().unwrap(), draft.kd.value().unwrap()), (&kp, &kd));
    let two = DraftHistory { len: 2, stride: 1, newest_first: false, zeros: false };
    let terms = &draft.inputs[0].terms;
    assert_eq!((terms[2].history.value(), terms[6].history.value()), (Some(&two), Some(&two)));
    assert!(matches!(terms[3].what, TermWhat::JointPosition { minus_default: true, .. }));
    let OutputWhat::Position { scale, offset_rad, .. } = &draft.outputs[0].what else { panic!() };
    assert_eq!((scale.value().unwrap(), offset_rad), (&vec![0.25; 12], &draft.default_pos_rad));
    assert_eq!(draft.notes, [("checkpoint".to_owned(), "quad/2026-10-01".to_owned())]);
}

#[test]
fn neither_rate_nor_scales_nor_the_clock_are_in_the_file() {
    let bare = Fixture::load("quad_metadata").without("said.yaml");
    let renames: Vec<String> = by_type().iter().map(|n| format!("{n}_joint: {n}")).collect();
    let bare = bare.set(&format!("rename={{{}}}", renames.join(", ")));
    let missing = bare.missing();
    assert!(
        missing.contains(&"runtime.rate_hz".to_owned()) && missing.contains(&"term phase phase".to_owned())
    );
    assert_eq!(missing.iter().filter(|m| m.ends_with(" scale")).count(), 7, "{missing:?}");
    bare.refused(&[
        "by what a term is multiplied",
        "--set terms.scale.joint_vel=...",
        "functions: sin_cos",
        "simulation step",
    ]);
}

#[test]
fn reference_motions_are_refused_by_term() {
    let model = with_metadata(
        ports(&[("obs", &[1, 32]), ("time_step", &[1, 1])], &[("actions", &[1, 12])]),
        &[
            ("joint_names", &by_type().join(",")),
            ("command_names", "motion"),
            ("observation_names", "command,base_ang_vel"),
        ],
    );
    let tracking = Fixture::load("quad_metadata").without("said.yaml").with("policy.onnx", &model);
    tracking.refused(&["`command`: the reference motion's", "write the manifest by hand"]);
    let anchor = with_metadata(
        ports(&[("obs", &[1, 9])], &[("actions", &[1, 12])]),
        &[("joint_names", &by_type().join(",")), ("observation_names", "base_ang_vel,motion_anchor_ori_b")],
    );
    tracking.with("policy.onnx", &anchor).refused(&["motion_anchor_ori_b", "anchor body"]);
}

#[test]
fn a_time_step_is_a_counter_and_the_reference_outputs_are_accounted_for() {
    let joints = by_type().join(",");
    let model = with_metadata(
        ports(
            &[("obs", &[1, 39]), ("time_step", &[1, 1])],
            &[("actions", &[1, 12]), ("joint_pos", &[1, 12]), ("body_pos_w", &[1, 14, 3])],
        ),
        &[
            ("joint_names", &joints),
            ("joint_stiffness", "40.000"),
            ("joint_damping", "1.000"),
            ("default_joint_pos", "0.000"),
            ("action_scale", "0.250"),
            ("anchor_body_name", "torso"),
            ("body_names", "torso,foot"),
            ("observation_names", "base_ang_vel,joint_pos,joint_vel,actions"),
        ],
    );
    let fixture = Fixture::load("quad_metadata").without("said.yaml").with("policy.onnx", &model);
    let fixture = fixture.set("terms.scale=1").set("runtime.rate_hz=50");
    assert_eq!(fixture.missing(), ["counter time_step length"]);
    let fixture = fixture.set("counter.length=500");
    let text = fixture.written().unwrap().manifest;
    for part in [
        "source = \"counter\"",
        "length = 500",
        "on_end = \"hold\"",
        "kind = \"ignore\"",
        "tensor = \"body_pos_w\"",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(matches!(fixture.draft().outputs[1].what, OutputWhat::Ignore(_)));
}

#[test]
fn an_export_without_metadata_is_described_by_the_same_names() {
    let model = ports(&[("obs", &[1, 52])], &[("continuous_actions", &[1, 12])]);
    let bare = Fixture::load("quad_metadata").without("said.yaml").with("policy.onnx", &model);
    bare.refused(&["found policy.onnx", "--from leapp|unitree|rl-sar|onnx-metadata|lerobot"]);
    let missing: Vec<String> =
        bare.read_as(Some(Kind::OnnxMetadata)).unwrap().missing().into_iter().map(|m| m.what).collect();
    for what in ["joints.order", "joints.kp", "joints.kd", "joints.default_pos", "runtime.rate_hz"] {
        assert!(missing.iter().any(|m| m == what), "{what} in {missing:?}");
    }
    let said = format!(
        "metadata:\n  joint_names: [{}]\n  joint_stiffness: 35\n  joint_damping: 0.5\n  action_scale: 0.5\n  \
         default_joint_pos: [{}]\n  observation_names: [linvel, gyro, gravity, command, joint_pos, joint_vel, last_act, phase]\n\
         runtime: {{rate_hz: 50}}\nterms:\n  scale: 1\n  phase: {{period_s: 0.8, functions: cos_sin, freeze_below: 0.01, \
         offsets_turns: [0.0, 0.5], rest: pi, layout: by_function}}\n",
        by_type().join(", "),
        by_type().iter().map(|n| of(n, [0.1, 0.9, -1.8]).to_string()).collect::<Vec<_>>().join(", "),
    );
    let fixture = Fixture { set_file: Some(said.into_bytes()), ..bare };
    let draft = fixture.read_as(Some(Kind::OnnxMetadata)).unwrap();
    assert_eq!(draft.missing(), Vec::new());
    let terms = &draft.inputs[0].terms;
    assert!(
        matches!(terms[0].what, TermWhat::LinearVelocity)
            && matches!(terms[6].what, TermWhat::LastAction("raw"))
    );
    let TermWhat::Phase(phase) = &terms[7].what else { panic!() };
    let phase = phase.value().unwrap();
    assert!(phase.cos_first && phase.rest_at_pi && phase.by_function && terms[7].width == 4);
    assert_eq!(phase.offsets_turns, [0.0, 0.5]);
}

#[test]
fn wrong_metadata_is_refused_by_key() {
    let graph = fixture().bytes("policy.onnx");
    let more =
        |entries: &[(&str, &str)]| fixture().with("policy.onnx", &with_metadata(graph.clone(), entries));
    more(&[("observation_scales", "0.25,1")]).refused(&[
        "metadata observation_scales",
        "not known",
        "metadata.ignore=[KEY]",
    ]);
    more(&[("observation_scales", "1")]).set("metadata.ignore=[observation_scales]").draft();
    fixture().set("metadata.joint_stiffness=[1, 2, 3]").refused(&[
        "metadata joint_stiffness",
        "3 values",
        "12",
    ]);
    fixture().set("metadata.joint_damping=[a, b, c]").refused(&[
        "metadata joint_damping",
        "`a`",
        "finite numbers",
    ]);
    fixture().set("metadata.observation_history_lengths=[1, 1, 1, 1, 1, 1, 1]").refused(&[
        "metadata observation_names",
        "47 values",
        "52",
    ]);
    fixture()
        .set("metadata.observation_names=[height_scan]")
        .set("metadata.observation_history_lengths=[1]")
        .refused(&["`height_scan`"]);
    fixture().with("policy.onnx", POINTER).refused(&["policy.onnx", "Git LFS pointer"]);
}
