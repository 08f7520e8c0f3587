//! deploy.yaml: motor order against policy order, term order, history, clip and scale.

use super::*;
use sinew_inference::import::{DraftHistory, OutputWhat, TermWhat};

const FILE: &str = "params/deploy.yaml";

fn fixture() -> Fixture {
    Fixture::complete("quad_unitree")
}

#[test]
fn gains_come_from_motor_order_and_all_else_from_policy_order() {
    let draft = fixture().draft();
    assert_eq!(draft.joints.value().unwrap(), &by_type());
    let (kp, kd) = gains(&by_type());
    assert_eq!((draft.kp.value().unwrap(), draft.kd.value().unwrap()), (&kp, &kd));
    assert!(draft.kp.origin().contains("motor order"), "{}", draft.kp.origin());
    let stand: Vec<f64> = by_type().iter().map(|n| of(n, [0.0, 0.8, -1.5])).collect();
    assert_eq!(draft.default_pos_rad.value().unwrap(), &stand);
    let OutputWhat::Position { scale, offset_rad, .. } = &draft.outputs[0].what else { panic!() };
    assert_eq!(offset_rad.value().unwrap(), &stand);
    let scales: Vec<f64> = by_type().iter().map(|n| of(n, [0.25, 0.5, 0.5])).collect();
    assert_eq!(scale.value().unwrap(), &scales);
    assert_eq!(draft.rate_hz.value(), Some(&50.0));
}

#[test]
fn terms_keep_the_files_order_with_their_history_clip_and_scale() {
    let draft = fixture().draft();
    let terms = &draft.inputs[0].terms;
    let names: Vec<&str> = terms.iter().map(|t| t.name.as_str()).collect();
    let expected = [
        "base_ang_vel",
        "projected_gravity",
        "velocity_commands",
        "joint_pos_rel",
        "joint_vel_rel",
        "last_action",
        "gait_phase",
    ];
    assert_eq!(names, expected);
    let two = DraftHistory { len: 2, stride: 1, newest_first: false, zeros: false };
    assert_eq!(terms[2].history.value(), Some(&two));
    assert!(!draft.inputs[0].time_major);
    assert_eq!(terms[4].clip.as_ref().unwrap().value(), Some(&[-100.0, 100.0]));
    assert!(!terms[4].clip_after_scale, "deploy.yaml clips, then scales");
    assert_eq!(terms[0].scale.value().unwrap(), &[0.2; 3]);
    assert!(matches!(terms[5].what, TermWhat::LastAction("raw")));
    let TermWhat::Phase(phase) = &terms[6].what else { panic!() };
    assert_eq!((phase.value().unwrap().period_s, phase.value().unwrap().freeze_below), (0.5, None));
    let range = draft.command_range.unwrap();
    assert_eq!(range.value().unwrap(), &[Some([-0.6, 1.2]), Some([-0.5, 0.5]), Some([-1.0, 1.0])]);
}

#[test]
fn motors_have_numbers_only_and_their_names_are_asked_for() {
    let fixture = Fixture::load("quad_unitree");
    assert_eq!(fixture.missing(), ["joints.order"]);
    fixture.refused(&["joints.order", "names none", "--set 'motors=[NAME, ...]'", "FR_hip, FR_thigh"]);
    fixture.set("motors=[a, b]").refused(&["--set motors", "2 names", "12 motors"]);
}

#[test]
fn a_slice_tag_means_all_joints_and_a_list_of_some_is_refused() {
    let slice = "!!python/object/apply:builtins.slice [null, null, null]";
    let all = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]";
    assert_eq!(fixture().edit(FILE, slice, all).draft().kp, fixture().draft().kp);
    fixture()
        .edit(FILE, slice, "[0, 1, 2]")
        .refused(&["actions.JointPositionAction.joint_ids", "all 12 joints"]);
    fixture().edit(FILE, slice, "[1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]").refused(&[
        "joint_ids",
        "in order",
        "by hand",
    ]);
}

#[test]
fn maps_that_are_no_maps_are_refused() {
    fixture()
        .edit(FILE, "joint_ids_map: [3, 0,", "joint_ids_map: [3, 3,")
        .refused(&["joint_ids_map", "motor 3 twice"]);
    fixture().edit(FILE, "joint_ids_map: [3, 0,", "joint_ids_map: [12, 0,").refused(&[
        "deploy.yaml:1",
        "motor 12",
        "0 to 11",
    ]);
    fixture()
        .edit(FILE, "joint_ids_map: [3, 0,", "joint_ids_map: [-3, 0,")
        .refused(&["joint_ids_map[0]", "-3"]);
}

#[test]
fn lists_of_another_robot_are_refused_by_name_and_count() {
    fixture().edit(FILE, "damping: [0.9, 1, 1.1, ", "damping: [0.9, ").refused(&[
        "damping",
        "10 values",
        "12",
    ]);
    fixture().edit(FILE, "offset: [0,", "offset: [0, 0,").refused(&["offset", "13 values", "12"]);
    fixture().edit(FILE, "scale: [0.2, 0.2, 0.2]", "scale: [0.2, 0.2]").refused(&[
        "base_ang_vel.scale",
        "2 values",
        "3",
    ]);
}

#[test]
fn a_term_or_a_history_left_out_is_found_by_the_graphs_size() {
    let shorter =
        fixture().edit(FILE, "scale: [1, 1]\n    history_length: 2", "scale: [1, 1]\n    history_length: 1");
    shorter.refused(&["observations", "50 values", "gait_phase 2", "52, the size of `obs`"]);
}

#[test]
fn what_is_not_known_is_refused_by_key_and_line() {
    fixture().edit(FILE, "step_dt: 0.02", "step_dt: 0.02\nuse_gym_history: true").refused(&[
        "deploy.yaml:3",
        "use_gym_history",
        "not known",
    ]);
    fixture()
        .edit(FILE, "  projected_gravity:", "  height_scan:")
        .refused(&["the term `height_scan`", "base_ang_vel"]);
    fixture()
        .edit(
            FILE,
            "history_length: 1\n  projected_gravity",
            "history_length: 1\n    flatten: true\n  projected_gravity",
        )
        .refused(&["base_ang_vel.flatten", "not known"]);
    fixture()
        .edit(FILE, "JointPositionAction", "JointVelocityAction")
        .refused(&["JointVelocityAction", "JointPositionAction alone"]);
    fixture().edit(FILE, "step_dt: 0.02", "step_dt: 20").refused(&["step_dt", "20", "0.001 to 1 s"]);
    fixture()
        .edit(FILE, "lin_vel_x: [-0.6, 1.2]", "lin_vel_x: [1.2, -0.6]")
        .refused(&["lin_vel_x", "low below high"]);
    let walking = fixture().edit(FILE, "lin_vel_x: [-0.6, 1.2]", "lin_vel_x: [0.5, 1.2]");
    walking.refused(&["deploy.yaml", "lin_vel_x", "[0.5, 1.2]", "a stop asks for", "--set 'command.range"]);
    // The way out that the message names.
    let said = walking.set("command.range={vx: [0, 1.2]}").draft().command_range.unwrap();
    assert_eq!(said.value(), Some(&[Some([0.0, 1.2]), None, None]));
}

#[test]
fn an_axis_of_the_command_may_stay_still() {
    let still = fixture().edit(FILE, "lin_vel_y: [-0.5, 0.5]", "lin_vel_y: [0.0, 0.0]");
    let range = *still.draft().command_range.unwrap().value().unwrap();
    assert_eq!(range[1], Some([0.0, 0.0]));
    let text = still.written().unwrap().manifest;
    assert!(text.contains("vy = [0.0, 0.0]"), "{text}");
    let said = fixture().set("command.range={vx: [-1, 1], vy: [0, 0]}").draft().command_range.unwrap();
    assert_eq!(said.value(), Some(&[Some([-1.0, 1.0]), Some([0.0, 0.0]), None]));
}

#[test]
fn a_pointer_instead_of_a_file_is_said_for_every_file() {
    for file in [FILE, "exported/policy.onnx"] {
        fixture().with(file, POINTER).refused(&[file, "Git LFS pointer", "git lfs pull"]);
    }
}

#[test]
fn a_graph_that_is_missing_doubled_or_of_another_sort_is_refused() {
    let graph = "exported/policy.onnx";
    fixture().without(graph).refused(&["found params/deploy.yaml", "one ONNX file"]);
    fixture().without(graph).with("exported/policy.pt", b"PK").refused(&[
        "policy.pt",
        "TorchScript",
        "torch.onnx.export",
    ]);
    let two = fixture().with("exported/other.onnx", &fixture().bytes(graph));
    two.refused(&["exported/other.onnx, exported/policy.onnx", "--set graph=FILE"]);
    let chosen = two.set("graph=exported/policy.onnx").draft();
    assert_eq!(chosen.graph.file, graph);
    fixture().with(graph, b"not an onnx file").refused(&[graph, "ONNX"]);
    let cut = fixture().bytes(graph)[..20_000].to_vec();
    fixture().with(graph, &cut).refused(&[graph, "copy the file again"]);
}

#[test]
fn an_action_of_some_joints_is_refused_by_their_names() {
    let some = fixture().edit(FILE, "joint_names: [.*]", "joint_names: [.*_hip]");
    some.refused(&["params/deploy.yaml:16", "actions.JointPositionAction.joint_names", ".*_hip", "by hand"]);
}

#[test]
fn a_clock_that_stands_and_a_term_that_stands_twice_are_refused() {
    for period in ["0", "-0.5"] {
        let stands = fixture().edit(FILE, "period: 0.5", &format!("period: {period}"));
        stands.refused(&["observations.gait_phase.params.period", period, "above zero"]);
    }
    let twice = fixture().edit(FILE, "  gait_phase:", "  base_ang_vel: {scale: [1, 1, 1]}\n  gait_phase:");
    twice.refused(&["params/deploy.yaml:51: `observations.base_ang_vel`", "second time", "remove one"]);
}
