//! LEAPP bundles: both names of the feedback, initial values, element orders, gains, frames, unknown keys.

use super::*;
use sinew_inference::import::{OutputWhat, TermWhat};
use sinew_inference::onnx::Node;

const YAML: &str = "quad_leapp.yaml";
const VALUES: &str = "quad_leapp_initial_values.safetensors";

fn fixture() -> Fixture {
    Fixture::complete("quad_leapp")
}

#[test]
fn each_tensor_keeps_its_own_order_and_gains_go_by_name() {
    let draft = fixture().draft();
    assert_eq!(draft.joints.value().unwrap(), &by_type());
    let (kp, kd) = gains(&by_type());
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near(draft.kp.value().unwrap(), &kp) && near(draft.kd.value().unwrap(), &kd));
    let term = |i: usize| &draft.inputs[i].terms[0].what;
    let TermWhat::JointPosition { joints: Some(positions), minus_default: false } = term(0) else { panic!() };
    let mut sorted = robot().joints;
    sorted.sort();
    assert_eq!(positions, &sorted);
    let TermWhat::JointVelocity { joints: Some(velocities) } = term(1) else { panic!() };
    assert_eq!(velocities[0], "RL_calf");
    assert!(matches!(term(3), TermWhat::Rotation("quaternion_xyzw")));
    assert!(matches!(term(4), TermWhat::Command(axes) if *axes == ["wz", "vx", "vy"]));
    assert_eq!(draft.rate_hz.value(), Some(&50.0));
}

#[test]
fn a_gain_list_in_another_order_than_the_targets_is_taken_by_its_names() {
    // The two hips of the first names exchanged in the gains' element names alone: the values follow the names.
    let text = String::from_utf8(fixture().bytes(YAML)).unwrap();
    let (before, kp) = text.split_once("name: joint_pos_kp_gains").unwrap();
    let swapped = kp.replacen(
        "[[FL_hip, FR_hip, RL_hip, RR_hip, FL_thigh",
        "[[FL_thigh, FR_hip, RL_hip, RR_hip, FL_hip",
        1,
    );
    assert_ne!(kp, swapped);
    let fixture = fixture().with(YAML, format!("{before}name: joint_pos_kp_gains{swapped}").as_bytes());
    let draft = fixture.draft();
    let kp = draft.kp.value().unwrap();
    assert_eq!((kp[0], kp[4]), (40.0, 38.0));
}

#[test]
fn feedback_is_taken_under_both_names_and_never_dropped() {
    let states = |f: &Fixture| {
        let mut pairs: Vec<(String, String)> =
            f.draft().states.iter().map(|s| (s.output.clone(), s.input.clone())).collect();
        pairs.sort();
        pairs
    };
    let expected = [("clock_out", "clock_in"), ("last_action_out", "last_action_in")]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(states(&fixture()), expected);
    let other = fixture().edit(YAML, "feedback_flow:", "feedback_connections:");
    assert_eq!(states(&other), expected);
    let list = fixture().edit(
        YAML,
        "  feedback_flow:\n    policy/clock_out: [policy/clock_in]\n    policy/last_action_out: [policy/last_action_in]\n",
        "  feedback_connections:\n  - {source: policy/clock_out, target: policy/clock_in}\n  - {source: policy/last_action_out, targets: [policy/last_action_in]}\n",
    );
    assert_eq!(states(&list), expected);
    fixture()
        .edit(YAML, "feedback_flow:", "feedback_edges:")
        .refused(&["pipeline.feedback_edges", "not known"]);
    let lost = fixture().edit(YAML, "    policy/clock_out: [policy/clock_in]\n", "");
    lost.refused(&["`clock_in` neither fed from outside nor fed back", "feedback_connections"]);
    fixture()
        .edit(YAML, "[policy/clock_in]", "[policy/clock]")
        .refused(&["`policy/clock`", "policy/clock_in"]);
    fixture()
        .edit(
            YAML,
            "policy/clock_out: [policy/clock_in]",
            "policy/clock_out: [policy/clock_in, policy/last_action_in]",
        )
        .refused(&["`last_action_in` fed by both"]);
}

#[test]
fn initial_values_come_from_the_bundle() {
    let draft = fixture().draft();
    let clock = draft.states.iter().find(|s| s.input == "clock_in").unwrap();
    let (file, key) = clock.init.value().unwrap().clone().unwrap();
    assert_eq!((file.as_str(), key.as_str()), (VALUES, "policy/clock_in"));
    let written = fixture().written().unwrap();
    assert!(
        written.manifest.contains("init = { file = \"model.quad_leapp_initial_values.safetensors\""),
        "{}",
        written.manifest
    );
    assert!(written.files.iter().any(|(name, _)| name == "model.quad_leapp_initial_values.safetensors"));
    fixture().without(VALUES).refused(&["pipeline.initial_values", VALUES, "copy the whole bundle"]);
    fixture().with(VALUES, POINTER).refused(&[VALUES, "Git LFS pointer"]);
    fixture().with(VALUES, b"junk").refused(&["initial_values", "safetensors"]);
    let zeros = fixture().edit(YAML, &format!("  initial_values: {VALUES}\n"), "");
    assert_eq!(zeros.draft().states[0].init.value(), Some(&None));
}

#[test]
fn a_model_changed_after_the_export_is_refused_by_its_hash() {
    let mut bytes = fixture().bytes("policy.onnx");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let changed = fixture().with("policy.onnx", &bytes);
    changed.refused(&["sha256sum", "SHA-256", "changed after the export"]);
    fixture().edit(YAML, "sha256sum: 0", "sha256sum: 1").refused(&[
        "sha256sum",
        "SHA-256",
        "changed after the export",
    ]);
    fixture().edit(YAML, "md5sum: 3", "md5sum: 4").refused(&["md5sum", "MD5", "changed after the export"]);
    // Where only one of the two is there, that one decides.
    let text = String::from_utf8(fixture().bytes(YAML)).unwrap();
    let sha256 = text.lines().find(|l| l.contains("sha256sum")).unwrap();
    changed.edit(YAML, &format!("{sha256}\n"), "").refused(&["md5sum", "MD5", "changed after the export"]);
    fixture().with("policy.onnx", POINTER).refused(&["policy.onnx", "Git LFS pointer"]);
    fixture().with(YAML, POINTER).refused(&[YAML, "Git LFS pointer"]);
}

#[test]
fn frames_orders_and_names_that_are_not_said_are_asked_for() {
    let world = fixture().edit(YAML, "state:robot:root_ang_vel_b", "state:robot:root_ang_vel_w");
    world.refused(&["root_ang_vel_w", "world frame", "base frame"]);
    let silent = fixture().edit(YAML, "      isaaclab_connection: state:robot:root_ang_vel_b\n", "");
    assert_eq!(silent.missing(), ["term robot_root_ang_vel_b scale"]);
    silent.refused(&["does not say its frame", "--set frame.robot_root_ang_vel_b=base"]);
    assert_eq!(silent.set("frame.robot_root_ang_vel_b=base").missing(), Vec::<String>::new());

    let turned = fixture().edit(YAML, "[[qx, qy, qz, qw]]", "[[qw, qx, qy, qz]]").draft();
    assert!(matches!(turned.inputs[3].terms[0].what, TermWhat::Rotation("quaternion_wxyz")));
    let unnamed = fixture().edit(YAML, "      element_names: [[qx, qy, qz, qw]]\n", "");
    unnamed.refused(&[
        "robot_root_quat_w",
        "order of its elements",
        "--set 'elements.robot_root_quat_w=[qw, qx, qy, qz]'",
    ]);

    let command = fixture().edit(YAML, "      element_names: [[ang_vel_z, lin_vel_x, lin_vel_y]]\n", "");
    command.refused(&[
        "base_velocity",
        "does not name its elements",
        "--set 'elements.base_velocity=[vx, vy, wz]'",
    ]);
    let said = command.set("elements.base_velocity=[vx, vy, wz]").draft();
    assert!(matches!(&said.inputs[4].terms[0].what, TermWhat::Command(axes) if *axes == ["vx", "vy", "wz"]));

    let rate = fixture().edit(YAML, "  configs:\n    frequency: 50.0\n", "");
    assert_eq!(rate.missing(), ["runtime.rate_hz"]);
}

/// The bundle with another model, as if it had been exported so.
fn with_model(bytes: &[u8]) -> Fixture {
    let hash = sinew_inference::sha256_hex(bytes);
    let text = String::from_utf8(fixture().bytes(YAML)).unwrap();
    let line = |key: &str| text.lines().find(|l| l.contains(key)).unwrap().to_owned();
    let sums = format!("{}\n{}\n", line("md5sum"), line("sha256sum"));
    fixture().with("policy.onnx", bytes).edit(YAML, &sums, &format!("      sha256sum: {hash}\n"))
}

/// A file may hold nodes that feed each other; no engine runs it, and the reading of it ends.
#[test]
fn gains_that_come_out_of_a_ring_of_nodes_are_not_known() {
    let mut graph = sinew_inference::onnx::Graph::parse(&fixture().bytes("policy.onnx")).unwrap();
    let gain = "joint_pos_kp_gains";
    assert!(fixture().missing().is_empty());
    for length in [1, 2, 5] {
        // The gain comes out of the first node, which reads the last one, which reads ... the first one.
        let name = |i: usize| if i.is_multiple_of(length) { gain.to_owned() } else { format!("ring_{i}") };
        graph.constants.retain(|c| c.name != gain);
        graph.nodes.retain(|n| !n.outputs.iter().any(|o| o == gain || o.starts_with("ring_")));
        graph.nodes.extend((0..length).map(|i| identity(&name(i + 1), &name(i))));
        let ring = with_model(&graph.to_bytes());
        assert_eq!(ring.missing(), ["joints.kp"], "{length}");
        ring.refused(&[gain, "depends on the inputs", "--set joints.kp"]);
    }
}

fn identity(input: &str, output: &str) -> Node {
    Node {
        op: "Identity".to_owned(),
        inputs: vec![input.to_owned()],
        outputs: vec![output.to_owned()],
        ..Node::default()
    }
}

#[test]
fn lost_gains_are_not_zero_gains() {
    // Exports of explicit actuators write zeros. The constant is found in the graph and emptied.
    let mut bytes = fixture().bytes("policy.onnx");
    let kp: Vec<u8> =
        by_type().iter().flat_map(|n| (of(n, [38.0, 40.0, 42.0]) as f32).to_le_bytes()).collect();
    let at = bytes.windows(kp.len()).position(|w| w == kp.as_slice()).unwrap();
    bytes[at..at + kp.len()].fill(0);
    let zeroed = with_model(&bytes);
    assert_eq!(zeroed.missing(), ["joints.kp"]);
    zeroed.refused(&["zero for all joints", "explicit actuators", "--set joints.kp"]);
    assert_eq!(zeroed.set("joints.kp=40").draft().kp.value().unwrap(), &[40.0; 12]);
}

#[test]
fn what_this_stack_cannot_do_is_refused_by_name() {
    fixture()
        .edit(YAML, "kind: state/body/rotation", "kind: state/wrench")
        .refused(&["state/wrench", "robot_root_quat_w"]);
    fixture()
        .edit(YAML, "kind: kp", "kind: target/joint/effort")
        .refused(&["target/joint/effort", "export without it"]);
    fixture()
        .edit(YAML, "kind: target/joint/position", "kind: target/body/position")
        .refused(&["target/joint/position"]);
    fixture().edit(YAML, "backend: onnx", "backend: jit").refused(&["backend", "`jit`", "onnx"]);
    fixture()
        .edit(YAML, "warp_segments: 0", "warp_segments: 2")
        .refused(&["warp_segments", "one maker's devices"]);
    let two = fixture().edit(
        YAML,
        "models:\n  policy:",
        "models:\n  other: {inputs: [], outputs: [], parameters: {}}\n  policy:",
    );
    two.refused(&["2 nodes: other, policy", "one node"]);
    let temporal = fixture().edit(
        YAML,
        "      kind: state/body/rotation",
        "      temporal_period_ms: 20.0\n      kind: state/body/rotation",
    );
    temporal.refused(&["temporal axis", "inside the graph"]);
    let extra = fixture().edit(
        YAML,
        "      kind: state/body/rotation",
        "      noise: 0.1\n      kind: state/body/rotation",
    );
    extra.refused(&["inputs[3].noise", "not known", "leapp.ignore=[KEY]"]);
    extra.set("leapp.ignore=[noise]").draft();
    fixture()
        .edit(
            YAML,
            "- name: clock_in\n      dtype: float32\n      shape: [1, 1]",
            "- name: clock_in\n      dtype: float32\n      shape: [1, 2]",
        )
        .refused(&["[1, 2]", "[1, 1] as in the graph"]);
    assert!(matches!(fixture().draft().outputs[1].what, OutputWhat::Ignore(_)));
}

#[test]
fn a_key_of_the_configs_is_measured_by_the_keys_of_the_configs() {
    let unknown = Fixture::complete("quad_leapp").edit(
        "quad_leapp.yaml",
        "    frequency: 50.0",
        "    frequency: 50.0\n    jitter: 1",
    );
    unknown.refused(&["pipeline.configs.jitter", "expected one of frequency;", "leapp.ignore=[KEY]"]);
}
