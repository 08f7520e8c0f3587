//! What a policy sees: every order, layout and unit that has been got wrong before, with tensors computed by hand.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use std::f64::consts::{PI, TAU};

use toy::{EVERY, close, nth, observing, seen, state};

/// A term; `keys` are further lines.
fn term(kind: &str, keys: &str) -> String {
    format!("[[input.term]]\nkind = \"{kind}\"\n{keys}\n")
}

const HISTORY: &str = "history = { len = 3, order = \"oldest_first\" }";

#[test]
fn term_major_histories_stand_one_behind_the_other() {
    let terms = term("state/joint/position", HISTORY) + &term("state/joint/velocity", HISTORY);
    let model = observing(12, "", &terms);
    let seen = seen(&model, "obs", (0..4).map(nth));
    // All of the past is the first observation.
    close(&seen[0], &[1.0, 10.0, 1.0, 10.0, 1.0, 10.0, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2]);
    close(&seen[1], &[1.0, 10.0, 1.0, 10.0, 2.0, 20.0, 0.1, 0.2, 0.1, 0.2, 0.2, 0.4]);
    close(&seen[3], &[2.0, 20.0, 3.0, 30.0, 4.0, 40.0, 0.2, 0.4, 0.3, 0.6, 0.4, 0.8]);
}

#[test]
fn time_major_histories_stand_side_by_side() {
    let terms = term("state/joint/position", HISTORY) + &term("state/joint/velocity", HISTORY);
    let model = observing(12, "history_layout = \"time_major\"", &terms);
    let seen = seen(&model, "obs", (0..4).map(nth));
    close(&seen[3], &[2.0, 20.0, 0.2, 0.4, 3.0, 30.0, 0.3, 0.6, 4.0, 40.0, 0.4, 0.8]);
}

#[test]
fn a_history_may_start_with_the_newest() {
    let newest = "history = { len = 3, order = \"newest_first\" }";
    let model = observing(6, "", &term("state/joint/position", newest));
    close(&seen(&model, "obs", (0..4).map(nth))[3], &[4.0, 40.0, 3.0, 30.0, 2.0, 20.0]);
}

#[test]
fn a_history_may_leave_runs_out() {
    let strided = "joints = [\"a\"]\nhistory = { len = 3, stride = 2, order = \"oldest_first\" }";
    let model = observing(3, "", &term("state/joint/position", strided));
    let seen = seen(&model, "obs", (0..7).map(nth));
    close(&seen[1], &[1.0, 1.0, 2.0]);
    close(&seen[2], &[1.0, 1.0, 3.0]);
    close(&seen[6], &[3.0, 5.0, 7.0]);
}

#[test]
fn a_history_may_start_with_zeros() {
    let zeros = "joints = [\"a\"]\nhistory = { len = 3, order = \"oldest_first\", init = \"zeros\" }";
    let model = observing(3, "", &term("state/joint/position", zeros));
    let seen = seen(&model, "obs", (0..3).map(nth));
    close(&seen[0], &[0.0, 0.0, 1.0]);
    close(&seen[1], &[0.0, 1.0, 2.0]);
}

#[test]
fn a_new_activation_forgets_the_past_in_every_layout() {
    for layout in ["term_major", "time_major"] {
        for init in ["repeat_first", "zeros"] {
            let keys = format!("history = {{ len = 3, order = \"newest_first\", init = \"{init}\" }}");
            let layout = format!("history_layout = \"{layout}\"");
            let terms = term("state/joint/position", &keys)
                + &term("feedback/action", &format!("stage = \"raw\"\n{keys}"));
            let model = observing(12, &layout, &terms);
            let again = (0..4).map(|run| {
                let mut state = nth(run);
                state.header.step += 4 * EVERY;
                state.body.activation = 2;
                state
            });
            let both = seen(&model, "obs", (0..4).map(nth).chain(again));
            // The scripted engine counts on, so what is fed back differs after the first run; measurements do not.
            assert_eq!(both[0], both[4], "{layout} {init}");
        }
    }
}

#[test]
fn clip_before_scale_is_not_scale_before_clip() {
    let keys =
        |order: &str| format!("minus = [1.0, 2.0]\nclip = [-4.0, 5.0]\nscale = 0.5\npipeline = [{order}]");
    for (order, expected) in [
        (r#""minus", "clip", "scale""#, [1.5, 2.5]), // 4-1=3 -> 3 -> 1.5; 40-2=38 -> 5 -> 2.5
        (r#""clip", "minus", "scale""#, [1.5, 1.5]), // 4-1=3; 5-2=3
        (r#""minus", "scale", "clip""#, [1.5, 5.0]), // 1.5; 19 -> 5
        (r#""scale", "minus", "clip""#, [1.0, 5.0]), // 2-1; 20-2=18 -> 5
        (r#""clip", "scale", "minus""#, [1.0, 0.5]), // 2-1; 2.5-2
        (r#""scale", "clip", "minus""#, [1.0, 3.0]), // 2-1; 5-2
    ] {
        let model = observing(2, "", &term("state/joint/position", &keys(order)));
        close(&seen(&model, "obs", [state(0, 1, [4.0, 0.0, 0.0], [40.0, 0.0, 0.0])])[0], &expected);
    }
    let standard = observing(2, "", &term("state/joint/position", "clip = [-4.0, 5.0]\nscale = 0.5"));
    close(&seen(&standard, "obs", [nth(3)])[0], &[2.0, 2.5]);
}

#[test]
fn joints_are_taken_by_name_in_the_order_asked_for() {
    let terms = term("state/joint/position", "joints = [\"b\", \"a\"]\nminus = \"default_pos\"")
        + &term("state/joint/velocity", "joints = [\"b\"]")
        + &term("state/joint/effort", "");
    let model = observing(5, "", &terms);
    let seen = seen(&model, "obs", [state(0, 1, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])]);
    close(&seen[0], &[4.5, 0.5, 5.0, 3.0, 6.0]);
}

#[test]
fn the_body_is_seen_in_every_form() {
    let terms = term("state/body/linear_velocity", "")
        + &term("state/body/angular_velocity", "")
        + &term("state/body/height", "")
        + &term("state/body/position", "")
        + &term("state/body/rotation", "as = \"quaternion_xyzw\"")
        + &term("state/body/rotation", "as = \"matrix_6d_rows\"")
        + &term("state/contact", "feet = [\"right\", \"left\"]")
        + &term("state/contact", "feet = [\"left\"]\nthreshold = 0.5")
        + &term("command/body/velocity", "axes = [\"wz\", \"vx\"]")
        + &term("constant", "values = [7.0, 8.0]");
    let model = observing(27, "", &terms);
    let mut state = state(0, 1, [0.0; 3], [0.0; 3]);
    state.body.velocity_m_s = [1.0, 2.0, 3.0];
    state.body.angular_velocity_rad_s = [4.0, 5.0, 6.0];
    state.body.height_m = 0.3;
    state.body.position_m = [10.0, 11.0, 12.0];
    let half = std::f32::consts::FRAC_1_SQRT_2;
    state.body.orientation = [half, 0.0, 0.0, half]; // a quarter turn to the left
    state.body.contact_probability = [0.25, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    state.body.command = [0.5, 0.1, -0.2];
    let h = f64::from(half);
    close(
        &seen(&model, "obs", [state])[0],
        &[
            1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.3, 10.0, 11.0, 12.0, 0.0, 0.0, h, h, 0.0, -1.0, 1.0, 0.0, 0.0,
            0.0, 0.75, 0.25, 0.0, -0.2, 0.5, 7.0, 8.0,
        ],
    );
}

#[test]
fn each_stage_of_the_action_is_what_it_says() {
    // Raw values are 0.1 run + 0.01 index: 0.1, 0.11 after the first run.
    let stages = ["raw", "clipped", "scaled", "applied"];
    let terms: String = stages.map(|s| term("feedback/action", &format!("stage = \"{s}\""))).concat();
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 8]\n{terms}\n{}scale = 2.0\n\
         offset = \"default_pos\"\nclip_raw = [-0.105, 0.105]\nclip = [-0.3, 1.0]\n",
        toy::TARGET
    );
    let model = toy::model(&[toy::f32("obs", &[1, 8])], &[toy::f32("act", &[1, 2])], &body);
    let seen = seen(&model, "obs", (0..2).map(nth));
    close(&seen[0], &[0.0; 8]);
    close(&seen[1], &[0.1, 0.11, 0.1, 0.105, 0.2, 0.21, 0.7, -0.29]);
}

#[test]
fn a_part_of_the_action_may_be_fed_back_by_name() {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 3]\n{}{}\
         [[output]]\ntensor = \"act\"\nkind = \"target/joint/position\"\njoints = [\"b\"]\n\
         [[output]]\ntensor = \"fed\"\nkind = \"feedback/action\"\njoints = [\"b\", \"a\"]\n",
        term("feedback/action", "stage = \"raw\""),
        term("feedback/action", "stage = \"raw\"\njoints = [\"a\"]")
    );
    let outputs = [toy::f32("act", &[1, 1]), toy::f32("fed", &[1, 2])];
    let model = toy::model(&[toy::f32("obs", &[1, 3])], &outputs, &body);
    // The output is in the order b, a; so is the plain term.
    close(&seen(&model, "obs", (0..2).map(nth))[1], &[0.1, 0.11, 0.11]);
}

fn commanded(step: u64, vx: f32) -> sinew_wire::RobotState {
    let mut state = state(step, 1, [0.0; 3], [0.0; 3]);
    state.body.command = [vx, 0.0, 0.0];
    state
}

#[test]
fn feet_have_offsets_and_an_order() {
    let circle = |t: f64| [(TAU * t).sin(), (TAU * t).cos()];
    // 2 Hz at 50 runs a second: 0.04 turns per run; the second foot is half a turn ahead.
    let ([s0, c0], [s1, c1]) = (circle(0.04), circle(0.54));
    for (kind, layout, expected) in [
        ("phase/sin_cos", "by_foot", [s0, c0, s1, c1]),
        ("phase/sin_cos", "by_function", [s0, s1, c0, c1]),
        ("phase/cos_sin", "by_foot", [c0, s0, c1, s1]),
        ("phase/cos_sin", "by_function", [c0, c1, s0, s1]),
    ] {
        for rate in ["rate_hz = 2.0", "period_s = 0.5"] {
            let keys =
                format!("{rate}\nfreeze_below = 0.1\noffsets_turns = [0.0, 0.5]\nlayout = \"{layout}\"");
            let model = observing(4, "", &term(kind, &keys));
            close(&seen(&model, "obs", [commanded(0, 0.5), commanded(EVERY, 0.5)])[1], &expected);
        }
    }
}

#[test]
fn a_phase_shown_as_it_is_has_its_range() {
    let keys = |range: &str| {
        format!("period_s = 0.05\nfreeze_below = \"never\"\nstart_turns = 0.25\nrange = \"{range}\"")
    };
    // 0.4 turns per run, from 0.25: 0.25, 0.65, 0.05.
    for (range, expected) in [
        ("turns", [0.25, 0.65, 0.05]),
        ("two_pi", [0.25 * TAU, 0.65 * TAU, 0.05 * TAU]),
        ("pi", [0.25 * TAU, (0.65 - 1.0) * TAU, 0.05 * TAU]),
    ] {
        let model = observing(1, "", &term("phase/value", &keys(range)));
        // Never frozen, although nothing is commanded.
        let seen = seen(&model, "obs", (0..3).map(|run| commanded(run * EVERY, 0.0)));
        for (seen, expected) in seen.iter().zip(expected) {
            close(seen, &[expected]);
        }
    }
}

#[test]
fn feet_may_rest_at_pi() {
    let keys =
        "rate_hz = 2.0\nfreeze_below = 0.1\noffsets_turns = [0.0, 0.5]\nrest = \"pi\"\nrange = \"two_pi\"";
    let model = observing(2, "", &term("phase/value", keys));
    let states = [0.5, 0.5, 0.0, 0.0, 0.5].iter().enumerate().map(|(i, vx)| commanded(i as u64 * EVERY, *vx));
    let seen = seen(&model, "obs", states);
    let turns = |a: f64, b: f64| [a * TAU, b * TAU];
    close(&seen[0], &turns(0.0, 0.5));
    close(&seen[2], &turns(0.08, 0.58));
    close(&seen[3], &[PI, PI]);
    close(&seen[4], &[PI, PI]); // what is commanded in this run counts for the next
}

#[test]
fn an_amplitude_ramps_up_and_the_clock_runs_until_it_is_down() {
    // 0.1 s of ramp is five runs.
    let keys = "rate_hz = 2.0\nfreeze_below = 0.1\nramp_s = 0.1";
    let model = observing(2, "", &term("phase/sin_cos", keys));
    let commands = [0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0];
    let seen =
        seen(&model, "obs", commands.iter().enumerate().map(|(i, vx)| commanded(i as u64 * EVERY, *vx)));
    let amplitudes = [0.0, 0.2, 0.4, 0.6, 0.4, 0.2, 0.0];
    for (run, (seen, amplitude)) in seen.iter().zip(amplitudes).enumerate() {
        let angle = if amplitude == 0.0 { 0.0 } else { TAU * 0.04 * run as f64 };
        close(seen, &[amplitude * angle.sin(), amplitude * angle.cos()]);
    }
}

#[test]
fn the_command_is_clamped_and_ramped_before_any_term_sees_it() {
    let body = format!(
        "[command]\nrange = {{ vx = [-0.3, 0.6] }}\nslew_per_s = [1.0, 1.0, 1.0]\n\
         [[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 3]\n{}{}",
        term("command/body/velocity", "scale = [2.0, 1.0, 1.0]"),
        toy::TARGET
    );
    let model = toy::model(&[toy::f32("obs", &[1, 3])], &[toy::f32("act", &[1, 2])], &body);
    let seen = seen(&model, "obs", (0..40).map(|run| commanded(run * EVERY, 0.9)));
    close(&seen[0], &[0.0; 3]);
    close(&seen[1], &[0.04, 0.0, 0.0]);
    close(&seen[39], &[1.2, 0.0, 0.0]);
}

#[test]
fn a_ramped_command_still_starts_the_gait_at_once() {
    let body = format!(
        "[command]\nslew_per_s = [1.0, 1.0, 1.0]\n\
         [[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 1]\n{}{}",
        term("phase/value", "rate_hz = 2.0\nfreeze_below = 0.1\nrange = \"turns\""),
        toy::TARGET
    );
    let model = toy::model(&[toy::f32("obs", &[1, 1])], &[toy::f32("act", &[1, 2])], &body);
    let commands = [0.5, 0.5, 0.0, 0.0];
    let seen =
        seen(&model, "obs", commands.iter().enumerate().map(|(i, vx)| commanded(i as u64 * EVERY, *vx)));
    // The goal is above the threshold in the first run, although the command stands at zero.
    close(&seen.concat(), &[0.0, 0.04, 0.08, 0.0]);
}

#[test]
fn whole_inputs_are_normalised_in_every_mode() {
    let values = term("constant", "values = [1.0, 4.0]");
    for (normalize, expected) in [
        ("mode = \"mean_std\", mean = [0.5, 3.0], std = [0.25, 2.0]", [2.0, 0.5]),
        ("mode = \"mean_std\", mean = 0.0, std = 0.5, eps = 0.5, clip = 2.0", [1.0, 2.0]),
        ("mode = \"min_max\", min = [0.0, 2.0], max = [2.0, 10.0]", [0.0, -0.5]),
        ("mode = \"min_max\", min = [0.0, 2.0], max = [2.0, 10.0], to = [0.0, 1.0]", [0.5, 0.25]),
        ("mode = \"quantile\", q01 = [0.0, 2.0], q99 = [0.5, 10.0], clip = 1.5", [1.5, -0.5]),
        ("mode = \"min_max\", min = [1.0, 3.9], max = [1.0, 4.4], eps = 0.1", [-1.0, -0.6]),
    ] {
        let model = observing(2, &format!("normalize = {{ {normalize} }}"), &values);
        close(&seen(&model, "obs", [nth(0)])[0], &expected);
    }
}

#[test]
fn numbers_of_a_normalisation_may_stand_in_a_file() {
    use sinew_inference::{Model, sha256_hex};
    let stats = br#"{"observation.state": {"mean": [0.5, 3.0], "std": [0.25, 2.0]},
        "flat": {"mean": [0, 0], "std": [0, 0]}}"#;
    let body = |prefix: &str| {
        format!(
            "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 2]\nnormalize = {{ mode = \"mean_std\", \
             stats = {{ file = \"stats.json\", sha256 = \"{}\", prefix = \"{prefix}\" }} }}\n{}{}",
            sha256_hex(stats),
            term("constant", "values = [1.0, 4.0]"),
            toy::TARGET
        )
    };
    let graph = toy::ports(&[toy::f32("obs", &[1, 2])], &[toy::f32("act", &[1, 2])]);
    let mut files = toy::files(&graph, &toy::manifest(&body("observation.state.")));
    let missing = Model::load(&files, toy::MANIFEST).unwrap_err().to_string();
    assert!(missing.contains("stats.json"), "{missing}");
    files.0.insert("stats.json".into(), stats.to_vec());
    let model = Model::load(&files, toy::MANIFEST).unwrap();
    close(&seen(&model, "obs", [nth(0)])[0], &[2.0, 0.5]);

    let mut other = files.clone();
    other.0.insert("stats.json".into(), b"{}".to_vec());
    let error = Model::load(&other, toy::MANIFEST).unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains("stats.json"), "{error}");

    // Division by eps alone would make any measurement enormous.
    let flat = body("flat.").replace("mean_std\",", "mean_std\", eps = 1e-8,");
    let mut flat = toy::files(&graph, &toy::manifest(&flat));
    flat.0.insert("stats.json".into(), stats.to_vec());
    let error = Model::load(&flat, toy::MANIFEST).unwrap_err().to_string();
    for part in ["stats.json", "`flat.std`", "a deviation of 0 at each of 2 values", "mode = \"none\""] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }

    let mut unprefixed = toy::files(&graph, &toy::manifest(&body("action.")));
    unprefixed.0.insert("stats.json".into(), stats.to_vec());
    let error = Model::load(&unprefixed, toy::MANIFEST).unwrap_err().to_string();
    assert!(
        error.contains("input[0].normalize.stats") && error.contains("observation.state.mean"),
        "{error}"
    );
}
