//! The golden run proves the joint order: right ones pass in any robot order, exchanged ones are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod quad;

use quad::{Edited, MANIFEST, PERIOD_NS, config, model, native, other_order, policy_order};
use sinew_inference::golden::GoldenTick;
use sinew_inference::manifest::EngineKind;
use sinew_inference::{Engine, Model, NativeEngine};
use sinew_policy::{EngineBuilder, GoldenColumns, GoldenFailure, Outcome, Policy, SetupError, Site, check};

fn golden_failure(edits: &[(&str, &str)]) -> GoldenFailure {
    let model = Edited::replacing(edits).model();
    let joints = other_order();
    match Policy::verified(&model, native(&model), &config(&joints)) {
        Err(SetupError::Golden { error, .. }) => error,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok((_, report)) => panic!("accepted with a worst difference of {} rad", report.worst_rad),
    }
}

#[test]
fn the_walking_policy_passes_whatever_the_order_of_the_robot() {
    let model = model();
    for joints in [policy_order(), other_order()] {
        let (policy, report) = Policy::verified(&model, native(&model), &config(&joints)).unwrap();
        assert!(report.ticks >= 60 && report.worst_rad < 2e-6, "{report:?}");
        assert_eq!((policy.decimation(), policy.latency_ticks()), (10, 2));
        // The golden run leaves no trace.
        assert_eq!(policy.counters(), Default::default());
    }
}

#[test]
fn a_robot_with_more_joints_than_the_policy_moves_is_served() {
    let mut joints = other_order();
    joints.insert(4, "neck".to_owned());
    let model = model();
    Policy::verified(&model, native(&model), &config(&joints)).unwrap();
}

#[test]
fn hip_and_thigh_exchanged_is_refused() {
    for leg in ["FR", "FL", "RR", "RL"] {
        let (right, wrong) =
            (format!("\"{leg}_hip\", \"{leg}_thigh\""), format!("\"{leg}_thigh\", \"{leg}_hip\""));
        let failure = golden_failure(&[(&right, &wrong)]);
        assert!(matches!(failure, GoldenFailure::Target { .. }), "{failure}");
    }
}

#[test]
fn left_and_right_thigh_exchanged_is_refused() {
    let failure = golden_failure(&[
        ("\"FR_thigh\"", "\"?\""),
        ("\"FL_thigh\"", "\"FR_thigh\""),
        ("\"?\"", "\"FL_thigh\""),
    ]);
    assert!(matches!(failure, GoldenFailure::Target { .. }), "{failure}");
}

#[test]
fn every_exchange_of_two_joints_is_refused() {
    let model = model();
    let robot = other_order();
    for a in 0..12 {
        for b in 0..a {
            let mut wrong = model.clone();
            wrong.manifest.joints.order.swap(a, b);
            let outcome = Policy::verified(&wrong, native(&wrong), &config(&robot));
            assert!(matches!(outcome, Err(SetupError::Golden { .. })), "{a} and {b}");
        }
    }
}

#[test]
fn a_wrong_scale_default_phase_or_feedback_is_refused() {
    for edit in [
        ("scale = 0.25", "scale = 0.26"),
        ("scale = 0.05", "scale = 0.5"),
        ("scale = [2.0, 2.0, 1.0]", "scale = [2.0, 2.0, 2.0]"),
        ("minus = \"default_pos\"", "scale = 1.0"),
        ("rate_hz = 2.0", "rate_hz = 2.1"),
        ("freeze_below = 0.05", "freeze_below = 0.0"),
        ("freeze_below = 0.05", "freeze_below = 0.1"),
        ("joints = \"@joints\"", "joints = \"@joints\"\nscale = 0.9"),
        ("joints = \"@joints\"", "joints = \"@joints\"\noffset = \"default_pos\""),
    ] {
        golden_failure(&[edit]);
    }
    // Feeding back what was applied leaves an output unread, which does not even load.
    let applied = Edited::replacing(&[("stage = \"raw\"", "stage = \"applied\"")]);
    let error = Model::load(&applied, MANIFEST).unwrap_err().to_string();
    assert!(error.contains("no term reads"), "{error}");
}

/// The model with golden vectors in which `still` makes a value stay where it is, and the targets that belong to them.
fn resting(edits: &[(&str, &str)], still: impl Fn(&mut GoldenTick)) -> Model {
    let mut model = Edited::replacing(edits).model();
    model.golden.cases.iter_mut().flat_map(|c| &mut c.ticks).for_each(still);
    let joints = policy_order();
    let mut policy = Policy::new(&model, native(&model), &config(&joints)).unwrap();
    let columns = GoldenColumns::new(&model.golden, &joints, &[]).unwrap();
    let mut step = 0;
    for (activation, case) in (1..).zip(&mut model.golden.cases) {
        for tick in &mut case.ticks {
            let state = columns.state(tick, quad::NUMBER, activation, step);
            let frame = policy.step(&state, sinew_wire::StepTime::default());
            step += policy.decimation();
            let target = |name| frame.joints[joints.iter().position(|j| j == name).unwrap()].q_rad;
            tick.target_rad = model.golden.joints.iter().map(target).collect();
        }
    }
    model
}

#[test]
fn golden_vectors_that_leave_a_value_still_are_refused_by_its_name() {
    let joints = other_order();
    let verified = |model: &Model| Policy::verified(model, native(model), &config(&joints));
    let moving = resting(&[], |_| {});
    verified(&moving).unwrap_or_else(|e| panic!("{e}"));
    let column = |name: &str| moving.golden.joints.iter().position(|n| n == name).unwrap();
    let (calf, hip) = (column("RL_calf"), column("FR_hip"));
    // What stays still, the scale that no longer shows, the value that must be named.
    type Still<'a> = &'a dyn Fn(&mut GoldenTick);
    let cases: [(Still<'_>, (&str, &str), &str); 5] = [
        (
            &|t| t.gyro_rad_s[2] = 0.0,
            ("scale = 0.25", "scale = [0.25, 0.25, 25.0]"),
            "`z` of state/body/angular_velocity",
        ),
        (
            &|t| t.command[0] = 0.0,
            ("scale = [2.0, 2.0, 1.0]", "scale = [-20.0, 2.0, 1.0]"),
            "`vx` of command/body/velocity",
        ),
        // Below the tolerance is as good as still.
        (
            &|t| t.gyro_rad_s[0] = 1e-4,
            ("scale = 0.25", "scale = [0.26, 0.25, 0.25]"),
            "`x` of state/body/angular_velocity",
        ),
        (
            &|t| t.q_rad[calf] = -1.5,
            ("minus = \"default_pos\"", "minus = \"default_pos\"\nscale = 1.0"),
            "`RL_calf` of state/joint/position",
        ),
        (&|t| t.dq_rad_s[hip] = 0.0, ("scale = 0.05", "scale = 0.05"), "`FR_hip` of state/joint/velocity"),
    ];
    for (still, wrong, named) in cases {
        for edit in [&[][..], &[wrong]] {
            let Err(SetupError::Golden { error, .. }) = verified(&resting(edit, still)) else {
                panic!("{named}: accepted")
            };
            let text = error.to_string();
            for part in [named, "`obs`", "no golden tick moves it", "line ", "model import"] {
                assert!(text.contains(part), "`{part}` is missing in: {text}");
            }
        }
    }
    // A term that is left out on purpose needs no proof.
    verified(&resting(&[("scale = 0.05", "scale = 0.0")], |t| t.dq_rad_s.fill(0.0))).unwrap();
}

#[test]
fn the_models_of_every_robot_are_proven_by_their_golden_vectors() {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (folder, name) in [
        ("launch/robots/quad/models", "quad_walk"),
        ("launch/robots/biped/models", "biped_walk"),
        ("launch/robots/quad_velocity/models", "quad_velocity_walk"),
        ("tests/scenarios/swap/models", "quad_walk_other"),
        ("nodes/inference/tests/import/fixtures/quad_walk", "quad_walk"),
    ] {
        let source = sinew_inference::Directory::new(root.join(folder));
        let model = Model::load(&source, &format!("{name}.model.toml")).unwrap();
        let joints = model.manifest.joints.order.clone();
        Policy::verified(&model, native(&model), &config(&joints))
            .unwrap_or_else(|e| panic!("{folder}: {e}"));
    }
}

#[test]
fn a_ramped_command_is_seen_from_the_second_tick_on() {
    let joints = other_order();
    let slew = ("[joints]", "slew_per_s = [4.0, 4.0, 8.0]\n[joints]");
    let mut model = resting(&[slew], |_| {});
    Policy::verified(&model, native(&model), &config(&joints)).unwrap_or_else(|e| panic!("{e}"));
    for case in &mut model.golden.cases {
        case.ticks.truncate(1);
    }
    let error = Policy::verified(&model, native(&model), &config(&joints)).err().unwrap().to_string();
    assert!(error.contains("`vx` of command/body/velocity"), "{error}");
}

#[test]
fn a_foreign_robot_or_rate_is_refused_before_the_golden_run() {
    let model = model();
    let mut joints = policy_order();
    joints[4] = "FL_femur".to_owned();
    let error = Policy::new(&model, native(&model), &config(&joints)).err().unwrap().to_string();
    assert!(error.contains("`FL_thigh`") && error.contains("FL_femur"), "{error}");

    let joints = policy_order();
    let odd = sinew_policy::PolicyConfig { period_ns: 3_000_000, ..config(&joints) };
    assert!(matches!(Policy::new(&model, native(&model), &odd), Err(SetupError::Rate { .. })));

    let gains = vec![(39.0, 5.0); 12];
    let weak = sinew_policy::PolicyConfig { max_gains: Some(&gains), ..config(&joints) };
    let error = Policy::new(&model, native(&model), &weak).err().unwrap().to_string();
    assert!(error.contains("joints.kp") && error.contains("40") && error.contains("39"), "{error}");

    // The model's 40 N m/rad on a robot that needs 801 to stand.
    let heavy = |stand| sinew_policy::PolicyConfig { stand_kp_nm_per_rad: Some(stand), ..config(&joints) };
    Policy::new(&model, native(&model), &heavy(800.0)).unwrap();
    let error = Policy::new(&model, native(&model), &heavy(801.0)).err().unwrap().to_string();
    for part in ["model.toml:34: `joints.kp` of `FR_hip`", "found 40 N m/rad", "at least 40.05", "stands"] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }

    let mut renamed = model.clone();
    renamed.manifest.inputs[0].tensor = "other".to_owned();
    assert!(matches!(
        Policy::new(&renamed, native(&model), &config(&joints)),
        Err(SetupError::Engine { .. })
    ));
}

fn build_native(model: &Model) -> Result<Box<dyn Engine>, String> {
    NativeEngine::new(model).map(|e| Box::new(e) as Box<dyn Engine>).map_err(|e| e.to_string())
}

fn report(source: &Edited, joints: &[String]) -> sinew_policy::CheckReport {
    let site = Site {
        joints,
        feet: &[],
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: PERIOD_NS,
    };
    check(source, MANIFEST, &site, &[EngineBuilder { kind: EngineKind::Native, build: &build_native }])
}

#[test]
fn model_check_reports_each_check() {
    let joints = other_order();
    let good = report(&Edited::as_it_is(), &joints);
    assert!(good.passed(), "{good}");
    assert_eq!(good.model.as_deref(), Some("quad_walk 1.1.0"));
    assert!(
        good.checks.iter().any(|c| c.name == "golden run, native"
            && matches!(&c.outcome, Outcome::Passed(t) if t.contains("163 ticks"))),
        "{good}"
    );
    assert!(
        good.checks
            .iter()
            .any(|c| c.name == "golden run, onnxruntime" && matches!(c.outcome, Outcome::Skipped(_))),
        "{good}"
    );

    let swapped =
        report(&Edited::replacing(&[("\"FR_hip\", \"FR_thigh\"", "\"FR_thigh\", \"FR_hip\"")]), &joints);
    assert!(!swapped.passed());
    let text = swapped.to_string();
    assert!(text.contains("FAILED   golden run, native") && text.ends_with("refused"), "{text}");

    // The bound that control sets for runs every ten ticks.
    for (ticks, fits) in [(70, true), (71, false)] {
        let edit = ("latency_ticks = 2", format!("latency_ticks = {ticks}"));
        let text = report(&Edited::replacing(&[(edit.0, &edit.1)]), &joints).to_string();
        let told = text.contains(&format!("found {ticks}; expected at most 70 for runs every 10 ticks"));
        assert!(text.ends_with("passed") == fits && told != fits, "{text}");
    }

    let unknown = report(&Edited::replacing(&[("rate_hz = 50", "rate_hz = 50\nspeed = 3")]), &joints);
    let text = unknown.to_string();
    assert!(
        text.contains("FAILED   manifest")
            && text.contains("runtime.speed")
            && text.contains("skipped  graph"),
        "{text}"
    );

    // No engine offered: nothing failed, but nothing is proven either.
    let site = Site {
        joints: &joints,
        feet: &[],
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: PERIOD_NS,
    };
    assert!(!check(&Edited::as_it_is(), MANIFEST, &site, &[]).passed());
}

#[test]
fn a_robot_with_more_latency_verifies_for_the_manifest_and_runs_for_its_own() {
    let (model, joints) = (model(), policy_order());
    for (ticks, valid_for_us) in [(0, 44_000), (8, 56_000)] {
        let config = sinew_policy::PolicyConfig { latency_ticks_min: ticks, ..config(&joints) };
        let (mut policy, _) = Policy::verified(&model, native(&model), &config).unwrap();
        let frame = policy.step(&quad::standing(&joints, 0, 1, [0.0; 3]), sinew_wire::StepTime::default());
        // Until two runs of 10 ticks after it are missed, at 2 ms a tick.
        assert_eq!(frame.header.valid_for_us, valid_for_us);
    }
}
