//! What leaves a policy: targets by joint, their limits, and what ends an activation.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use sinew_inference::Model;
use sinew_policy::{PolicyFault, SetupError};
use sinew_wire::{PolicyCommand, PolicyStatus};
use toy::{EVERY, Scripted, f32, nth, policy, state, step, targets};

const OBS: &str = "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n\
                   [[input.term]]\nkind = \"state/body/height\"\n";

/// A model whose outputs are those of `outputs`, each two values wide unless said otherwise.
fn acting(tensors: &[toy::Tensor<'_>], sections: &str) -> Model {
    toy::model(&[f32("obs", &[1, 1])], tensors, &format!("{OBS}{sections}"))
}

/// Frames of runs in which the graph gives `values`, one list per run and output.
fn frames(model: &Model, values: &[&[&[f32]]]) -> Vec<PolicyCommand> {
    let script: Vec<Vec<Vec<f32>>> =
        values.iter().map(|run| run.iter().map(|output| output.to_vec()).collect()).collect();
    let mut run = 0;
    let engine = Scripted::new(model, move |_, outputs| {
        outputs.clone_from_slice(&script[run]);
        run += 1;
    });
    let mut policy = policy(model, engine);
    (0..values.len() as u64).map(|run| step(&mut policy, &nth(run))).collect()
}

#[test]
fn values_are_clipped_scaled_offset_and_clipped_again() {
    let model = acting(
        &[f32("act", &[1, 2])],
        &format!(
            "{}scale = [0.5, 2.0]\noffset = \"default_pos\"\nclip_raw = [-2.0, 2.0]\nclip = [-1.2, 1.2]\n",
            toy::TARGET
        ),
    );
    let frames = frames(&model, &[&[&[0.2, 0.1]], &[&[9.0, 9.0]], &[&[-9.0, -0.1]]]);
    toy::close(&targets(&frames[0]), &[0.6, -0.3]);
    toy::close(&targets(&frames[1]), &[1.2, 1.2]); // 0.5 + 0.5 * 2 = 1.5; -0.5 + 2 * 2 = 3.5
    toy::close(&targets(&frames[2]), &[-0.5, -0.7]);
}

#[test]
fn gains_leave_with_the_joint_they_were_written_for() {
    let by_policy = acting(&[f32("act", &[1, 2])], toy::TARGET);
    let frame = &frames(&by_policy, &[&[&[0.0, 0.0]]])[0];
    // The robot's order is b, a.
    assert_eq!([frame.joints[0].kp, frame.joints[1].kp], [20.0, 10.0]);
    assert_eq!([frame.joints[0].kd, frame.joints[1].kd], [2.0, 1.0]);
    // The same numbers written in the order of the motors.
    let text = toy::manifest(&format!("{OBS}{}", toy::TARGET))
        .replace("kd = [1.0, 2.0]", "kd = [1.0, 2.0]\ngain_order = [\"b\", \"a\"]");
    let graph = toy::ports(&[f32("obs", &[1, 1])], &[f32("act", &[1, 2])]);
    let by_motor = Model::load(&toy::files(&graph, &text), toy::MANIFEST).unwrap();
    let frame = &frames(&by_motor, &[&[&[0.0, 0.0]]])[0];
    assert_eq!([frame.joints[0].kp, frame.joints[1].kp], [10.0, 20.0]);
    assert_eq!([frame.joints[0].kd, frame.joints[1].kd], [1.0, 2.0]);
}

#[test]
fn joints_in_no_output_stay_at_their_default() {
    let section = "[[output]]\ntensor = \"act\"\nkind = \"target/joint/position\"\njoints = [\"b\"]\n";
    let model = acting(&[f32("act", &[1, 1])], section);
    for frame in frames(&model, &[&[&[0.3]], &[&[0.4]]]) {
        assert_eq!(targets(&frame)[0], 0.5);
    }
}

#[test]
fn velocity_and_effort_go_on_top_of_the_position() {
    let sections = "[[output]]\ntensor = \"q\"\nkind = \"target/joint/position\"\njoints = \"@joints\"\n\
                    [[output]]\ntensor = \"dq\"\nkind = \"target/joint/velocity\"\njoints = [\"b\"]\nscale = 10.0\n\
                    [[output]]\ntensor = \"tau\"\nkind = \"target/joint/effort\"\njoints = [\"a\", \"b\"]\nclip = [-5.0, 5.0]\n\
                    [[output]]\ntensor = \"value\"\nkind = \"ignore\"\nreason = \"the critic's\"\nshape = [1, 1]\n";
    let tensors = [f32("q", &[1, 2]), f32("dq", &[1, 1]), f32("tau", &[1, 2]), f32("value", &[1, 1])];
    let model = acting(&tensors, sections);
    let frame = &frames(&model, &[&[&[0.1, 0.2], &[0.3], &[4.0, 6.0], &[f32::NAN]]])[0];
    let [b, a] = [frame.joints[0], frame.joints[1]];
    assert_eq!([a.q_rad, a.dq_rad_s, a.tau_nm], [0.1, 0.0, 4.0]);
    assert_eq!([b.q_rad, b.dq_rad_s, b.tau_nm], [0.2, 3.0, 5.0]);
}

#[test]
fn a_rate_limit_holds_from_the_second_frame_on() {
    let model = acting(&[f32("act", &[1, 2])], &format!("{}rate_limit = [5.0, 50.0]\n", toy::TARGET));
    let frames = frames(&model, &[&[&[1.0, 1.0]], &[&[0.0, 0.5]], &[&[0.95, 9.0]]]);
    toy::close(&targets(&frames[0]), &[1.0, 1.0]);
    toy::close(&targets(&frames[1]), &[0.9, 0.5]); // 5 rad/s * 20 ms = 0.1
    toy::close(&targets(&frames[2]), &[0.95, 1.5]);
}

/// Status of each frame and the fault at the end.
fn until_fault(model: &Model, values: &[f32]) -> (Vec<PolicyStatus>, Option<PolicyFault>) {
    let script = values.to_vec();
    let mut run = 0;
    let engine = Scripted::new(model, move |_, outputs| {
        outputs.iter_mut().for_each(|output| output.fill(script[run]));
        run += 1;
    });
    let mut policy = policy(model, engine);
    let statuses = (0..values.len() as u64).map(|run| step(&mut policy, &nth(run)).body.status()).collect();
    (statuses, policy.fault().cloned())
}

const T: PolicyStatus = PolicyStatus::Targets;
const F: PolicyStatus = PolicyStatus::Fault;

#[test]
fn a_jump_of_the_target_ends_the_activation() {
    let model =
        acting(&[f32("act", &[1, 2])], &format!("[safety]\nmax_action_jump = [0.6, 0.2]\n{}", toy::TARGET));
    // The first target may be anywhere: control judges it against the measurement.
    let (statuses, fault) = until_fault(&model, &[3.0, 2.9, 2.75, 2.5, 2.5]);
    assert_eq!(statuses, [T, T, T, F, F]);
    assert!(matches!(fault, Some(PolicyFault::Jump { joint: 1, .. })), "{fault:?}");
    assert!(fault.unwrap().to_string().contains("max_action_jump"));
}

#[test]
fn a_value_that_is_not_finite_ends_the_activation_wherever_it_comes_out() {
    let plain = acting(&[f32("act", &[1, 2])], toy::TARGET);
    let limited = acting(
        &[f32("act", &[1, 2])],
        &format!("{}clip_raw = [-1.0, 1.0]\nclip = [-1.0, 1.0]\nrate_limit = 1.0\n", toy::TARGET),
    );
    for model in [plain, limited] {
        let (statuses, fault) = until_fault(&model, &[0.1, f32::NAN, 0.1]);
        assert_eq!((statuses.as_slice(), fault), ([T, F, F].as_slice(), Some(PolicyFault::Output)));
    }
    let fed_back = "[[output]]\ntensor = \"fed\"\nkind = \"feedback/action\"\n";
    let body = format!(
        "{OBS}[[input]]\ntensor = \"last\"\ndtype = \"f32\"\nshape = [1, 2]\n[[input.term]]\nkind = \"feedback/action\"\n\
         stage = \"raw\"\n{}{fed_back}",
        toy::TARGET
    );
    let model = toy::model(
        &[f32("obs", &[1, 1]), f32("last", &[1, 2])],
        &[f32("act", &[1, 2]), f32("fed", &[1, 2])],
        &body,
    );
    let mut policy = policy(&model, Scripted::new(&model, |_, outputs| outputs[1].fill(f32::INFINITY)));
    assert_eq!(step(&mut policy, &nth(0)).body.status(), F);
    assert_eq!(policy.fault(), Some(&PolicyFault::Output));
}

fn ranged(policy: &str) -> Model {
    let safety = format!(
        "[[safety.obs_range]]\ntensor = \"obs\"\nmin = 0.0\nmax = 2.5\nshare_max = 0.0\nruns_max = 2\npolicy = \"{policy}\"\n"
    );
    acting(&[f32("act", &[1, 2])], &format!("{safety}{}", toy::TARGET))
}

fn at_height(run: u64, height_m: f32) -> sinew_wire::RobotState {
    let mut state = state(run * EVERY, 1, [0.0; 3], [0.0; 3]);
    state.body.height_m = height_m;
    state
}

#[test]
fn observations_unlike_training_are_flagged_or_end_the_activation() {
    let heights = [1.0, 3.0, 3.0, 3.0, 1.0];
    let model = ranged("warn");
    let mut warned = policy(&model, Scripted::new(&model, |_, _| ()));
    let flags: Vec<bool> = (0..5)
        .map(|run| {
            assert_eq!(step(&mut warned, &at_height(run, heights[run as usize])).body.status(), T);
            warned.is_out_of_range()
        })
        .collect();
    assert_eq!(flags, [false, false, true, true, false]);
    assert_eq!((warned.runs_outside(), warned.counters().out_of_range), (3, 2));

    let model = ranged("fault");
    let mut faulted = policy(&model, Scripted::new(&model, |_, _| ()));
    let statuses: Vec<_> =
        (0..5).map(|run| step(&mut faulted, &at_height(run, heights[run as usize])).body.status()).collect();
    assert_eq!(statuses, [T, T, F, F, F]);
    assert_eq!(faulted.fault(), Some(&PolicyFault::OutOfRange));
}

#[test]
fn a_foot_the_robot_does_not_have_is_refused_by_name() {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n[[input.term]]\nkind = \"state/contact\"\n\
         feet = [\"left\"]\n{}",
        toy::TARGET
    );
    let mut model = toy::model(&[f32("obs", &[1, 1])], &[f32("act", &[1, 2])], &body);
    assert!(toy::try_policy(&model, Scripted::new(&model, |_, _| ())).is_ok());
    // The golden file knows the foot, the robot does not.
    let text = format!("{:?}", model.manifest);
    assert!(text.contains("left"));
    model.manifest.inputs.iter_mut().for_each(|input| {
        if let sinew_inference::manifest::InputSource::Terms(observed) = &mut input.source {
            observed.terms[0].kind =
                sinew_inference::manifest::TermKind::Contact { feet: vec!["middle".into()], threshold: None };
        }
    });
    let error = toy::try_policy(&model, Scripted::new(&model, |_, _| ())).err().unwrap().to_string();
    assert!(error.contains("`middle`") && error.contains("left, right"), "{error}");
}

#[test]
fn degrees_are_recognised_by_the_range_of_the_joint() {
    // 5.7 degrees and 0.1 radians: within a turn either way, so only the robot's range can tell.
    let text = toy::manifest(&format!("{OBS}{}", toy::TARGET)).replace("[0.5, -0.5]", "[5.7, -0.5]");
    let graph = toy::ports(&[f32("obs", &[1, 1])], &[f32("act", &[1, 2])]);
    let model = Model::load(&toy::files(&graph, &text), toy::MANIFEST).unwrap();
    let setup = |limits: &[(f64, f64)]| {
        let (joints, feet) = (toy::names("b a"), toy::names("left right"));
        let config = sinew_policy::PolicyConfig {
            number: 1,
            joints: &joints,
            feet: &feet,
            max_gains: None,
            stand_kp_nm_per_rad: None,
            position_limits: Some(limits),
            period_ns: toy::PERIOD_NS,
            latency_ticks_min: 0,
            boot_id: 1,
        };
        sinew_policy::Policy::new(&model, Scripted::new(&model, |_, _| ()), &config).map(drop)
    };
    let error = setup(&[(-1.0, 1.0), (-1.0, 1.0)]).unwrap_err();
    assert!(matches!(&error, SetupError::Position(e) if e.joint == "a"), "{error}");
    let error = error.to_string();
    for part in ["toy.model.toml:", "joints.default_pos", "`a`", "5.7", "-1 to 1", "degrees"] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    // Out of range in either unit: no guess about degrees.
    let error = setup(&[(-1.0, 1.0), (-0.05, 0.05)]).unwrap_err().to_string();
    assert!(error.contains("5.7") && !error.contains("degrees"), "{error}");
    assert!(setup(&[(-1.0, 1.0), (-6.0, 6.0)]).is_ok());
}

/// Golden vectors expect zeros; the graph gives its observations less what the golden tick measures.
fn golden_run(term: &str) -> Result<(), String> {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 3]\n\
         [[input.term]]\nkind = \"state/body/height\"\n{term}\n\
         [[output]]\ntensor = \"q\"\nkind = \"target/joint/position\"\njoints = [\"a\"]\n\
         [[output]]\ntensor = \"q_b\"\nkind = \"target/joint/position\"\njoints = [\"b\"]\n\
         [[output]]\ntensor = \"dq\"\nkind = \"target/joint/velocity\"\njoints = [\"a\"]\n\
         [[output]]\ntensor = \"tau\"\nkind = \"target/joint/effort\"\njoints = [\"b\"]\n"
    );
    let outputs = ["q", "q_b", "dq", "tau"].map(|name| f32(name, &[1, 1]));
    let model = toy::model(&[f32("obs", &[1, 3])], &outputs, &body);
    let engine = Scripted::new(&model, |inputs, outputs| {
        let expected = [0.3, 0.9, 3.0]; // height; contact of the left foot; torque of joint a
        for (output, at) in [(0, 0), (2, 1), (3, 2)] {
            outputs[output][0] = inputs[0][at] - expected[at];
        }
    });
    let mut policy = policy(&model, engine);
    sinew_policy::verify(&mut policy, &model.golden, model.tolerance()).map(drop).map_err(|e| e.to_string())
}

#[test]
fn golden_vectors_prove_feet_torques_and_what_goes_on_top_of_positions() {
    let term = |foot: &str, joint: &str| {
        format!(
            "[[input.term]]\nkind = \"state/contact\"\nfeet = [\"{foot}\"]\n\
             [[input.term]]\nkind = \"state/joint/effort\"\njoints = [\"{joint}\"]\n"
        )
    };
    assert_eq!(golden_run(&term("left", "a")), Ok(()));
    let foot = golden_run(&term("right", "a")).unwrap_err();
    assert!(foot.contains("joint `a`") && foot.contains("rad/s; expected 0 rad/s"), "{foot}");
    let torque = golden_run(&term("left", "b")).unwrap_err();
    assert!(torque.contains("joint `b`") && torque.contains("N m; expected 0 N m"), "{torque}");
}
