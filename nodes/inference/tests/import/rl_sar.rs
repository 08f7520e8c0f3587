//! rl_sar: policy order, run 0 the newest, layout by time or term, what only the base says.

use super::*;
use sinew_inference::import::{DraftHistory, OutputWhat, TermWhat};

const CONFIG: &str = "trot/config.yaml";
const BASE: &str = "base.yaml";

fn fixture() -> Fixture {
    Fixture::complete("quad_rl_sar")
}

#[test]
fn all_lists_are_in_policy_order_and_names_go_through_the_mapping() {
    let draft = fixture().draft();
    let order = robot().joints; // the fixture's policy order
    assert_eq!(draft.joints.value().unwrap(), &order);
    let (kp, kd) = gains(&order);
    assert_eq!((draft.kp.value().unwrap(), draft.kd.value().unwrap()), (&kp, &kd));
    assert_eq!(draft.rate_hz.value(), Some(&50.0));
    let OutputWhat::Position { scale, offset_rad, clip_raw, .. } = &draft.outputs[0].what else { panic!() };
    assert_eq!(scale.value().unwrap()[6], 0.001);
    assert_eq!(offset_rad, &draft.default_pos_rad);
    assert_eq!(clip_raw.as_ref().unwrap().value().unwrap()[0], [-100.0, 100.0]);
}

#[test]
fn history_is_newest_first_from_zeros_by_time_or_by_term() {
    let draft = fixture().draft();
    let newest = DraftHistory { len: 3, stride: 1, newest_first: true, zeros: true };
    assert!(draft.inputs[0].time_major);
    assert!(draft.inputs[0].terms.iter().all(|t| t.history.value() == Some(&newest)));
    let oldest = fixture().edit(CONFIG, "[0, 1, 2]", "[2, 1, 0]").draft();
    assert_eq!(
        oldest.inputs[0].terms[0].history.value(),
        Some(&DraftHistory { newest_first: false, ..newest })
    );
    let strided = fixture().edit(CONFIG, "[0, 1, 2]", "[0, 4, 8]").draft();
    assert_eq!(strided.inputs[0].terms[0].history.value(), Some(&DraftHistory { stride: 4, ..newest }));
    let by_term = fixture().edit(CONFIG, "\"time\"", "\"term\"").draft();
    assert!(!by_term.inputs[0].time_major);
    fixture().edit(CONFIG, "[0, 1, 2]", "[0, 1, 3]").refused(&[
        "observations_history",
        "[0, 1, 3]",
        "newest first",
    ]);
    fixture().edit(CONFIG, "\"time\"", "\"both\"").refused(&[
        "observations_history_priority",
        "both",
        "\"time\" or \"term\"",
    ]);
}

#[test]
fn values_are_scaled_then_clipped_and_actions_are_fed_back_clipped() {
    let draft = fixture().draft();
    let terms = &draft.inputs[0].terms;
    assert!(
        terms
            .iter()
            .all(|t| t.clip_after_scale && t.clip.as_ref().unwrap().value() == Some(&[-100.0, 100.0]))
    );
    assert_eq!(terms[2].scale.value().unwrap(), &[1.0, 1.0, 0.5]);
    assert!(matches!(terms[5].what, TermWhat::LastAction("clipped")));
}

#[test]
fn what_only_the_base_says_is_asked_for_without_it() {
    let alone = fixture().without(BASE).edit(
        CONFIG,
        "num_observations: 45",
        "num_observations: 45\n  num_of_dofs: 12",
    );
    assert_eq!(alone.missing(), ["runtime.rate_hz", "joints.order"]);
    alone.refused(&[
        "dt and decimation",
        "joint_names is in the robot's base.yaml",
        "--set runtime.rate_hz=50",
    ]);
    let names = robot().joints.join(", ");
    let said = alone.set("runtime.rate_hz=50").set(&format!("joints.order=[{names}]"));
    assert_eq!(said.missing(), Vec::<String>::new());
}

#[test]
fn gains_that_stand_in_the_base_only_are_not_taken_in_the_wrong_order() {
    let lines = |key: &str| {
        let text = String::from_utf8(fixture().bytes(CONFIG)).unwrap();
        text.lines().find(|l| l.trim_start().starts_with(key)).unwrap().to_owned()
    };
    let kp = lines("rl_kp");
    let moved =
        fixture().edit(CONFIG, &format!("{kp}\n"), "").edit(BASE, "quad:\n", &format!("quad:\n{kp}\n"));
    // Legs are alike here, so the other mapping of the base changes nothing.
    assert_eq!(moved.draft().kp.value(), fixture().draft().kp.value());
    let unlike = moved.edit(BASE, "rl_kp: [38,", "rl_kp: [20,");
    assert_eq!(unlike.missing(), ["joints.kp"]);
    unlike.refused(&[
        "stands only in base.yaml",
        "another joint_mapping",
        "--set joints.kp={JOINT: VALUE, ...}",
    ]);
}

#[test]
fn torchscript_is_refused_with_what_to_do() {
    let pt = fixture().edit(CONFIG, "policy.onnx", "policy.pt").with("trot/policy.pt", b"PK\x03\x04");
    pt.refused(&["trot/policy.pt", "TorchScript", "torch.onnx.export", "--set graph=FILE"]);
    assert_eq!(pt.set("graph=trot/policy.onnx").draft().graph.file, "trot/policy.onnx");
    fixture()
        .edit(CONFIG, "policy.onnx", "other.onnx")
        .refused(&["no `trot/other.onnx`", "trot/policy.onnx"]);
    fixture().with("trot/policy.onnx", POINTER).refused(&["trot/policy.onnx", "Git LFS pointer"]);
    fixture().with(BASE, POINTER).refused(&[BASE, "Git LFS pointer"]);
}

#[test]
fn wrong_files_are_refused_by_key() {
    fixture().edit(CONFIG, "\"gravity_vec\"", "\"phase\"").refused(&["observations[1]", "the term `phase`"]);
    fixture().edit(CONFIG, "num_observations: 45", "num_observations: 48").refused(&[
        "num_observations",
        "48",
        "45, the sum",
    ]);
    fixture()
        .edit(CONFIG, "clip_obs: 100.0", "clip_obs: 100.0\n  motion_file: a.csv")
        .refused(&["motion_file", "not known"]);
    fixture()
        .edit(BASE, "wheel_indices: []", "wheel_indices: [2]")
        .refused(&["wheel_indices", "position alone"]);
    fixture()
        .edit(CONFIG, "joint_mapping: [3, 4,", "joint_mapping: [3, 3,")
        .refused(&["joint_mapping", "each of 0 to 11 once"]);
    fixture().edit(CONFIG, "[0, 1, 2]", "[0, 1]").refused(&["90 values", "135, the size of `obs`"]);
    fixture().edit(BASE, "FL_hip", "FLhip").refused(&[
        "found joints FLhip",
        "joints of this robot",
        "rename={FLhip: JOINT}",
    ]);
    let stranger = fixture().edit(BASE, "FL_hip", "FL_hip_joint");
    stranger.refused(&["rename={FL_hip_joint: FL_hip}"]);
    assert_eq!(
        stranger.set("rename={FL_hip_joint: FL_hip}").draft().joints.value(),
        fixture().draft().joints.value()
    );
    fixture().set("joints.kpp=3").refused(&["--set joints.kpp", "no use"]);
}
