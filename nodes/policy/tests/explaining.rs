//! `explain` names every number of every input, whatever the manifest.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use proptest::prelude::*;
use sinew_inference::Model;
use sinew_policy::{Explained, MemoryKind, PolicyConfig, Row, explain, memories};
use toy::{Scripted, f32, names};

/// On the toy robot, with actions 1, 2 in the first run, 2, 4 in the second and so on.
fn explained(model: &Model) -> Explained {
    let config = PolicyConfig {
        number: toy::NUMBER,
        joints: &names("b a"),
        feet: &names("left right"),
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: toy::PERIOD_NS,
        latency_ticks_min: 0,
        boot_id: 1,
    };
    let mut runs = 0.0;
    let engine = Scripted::new(model, move |_, outputs| {
        runs += 1.0;
        for output in outputs {
            for (index, value) in output.iter_mut().enumerate() {
                *value = 0.01 * runs * (index + 1) as f32;
            }
        }
    });
    Explained::new(model, engine, &config).unwrap()
}

fn row<'a>(rows: &'a [Row], tensor: &str, index: usize) -> &'a Row {
    rows.iter().find(|r| r.tensor == tensor && r.index == index).unwrap()
}

#[test]
fn rows_say_where_a_number_comes_from_what_happens_to_it_and_what_it_is() {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 8]\nhistory_layout = \"time_major\"\n\
         [[input.term]]\nkind = \"state/joint/position\"\nminus = \"default_pos\"\nclip = [-9.0, 9.0]\nscale = 2.0\n\
         history = {{ len = 2, stride = 3, order = \"newest_first\" }}\n\
         [[input.term]]\nkind = \"command/body/velocity\"\naxes = [\"wz\", \"vx\"]\n\
         history = {{ len = 2, stride = 3, order = \"newest_first\" }}\n\
         [[input]]\ntensor = \"t\"\ndtype = \"f32\"\nshape = [1, 1]\nsource = \"counter\"\nstart = 3\nlength = 5\non_end = \"hold\"\n\
         [[state]]\ninput = \"past\"\noutput = \"now\"\nshape = [1, 2, 2]\nring = {{ len = 4, stride = 2 }}\n{}",
        toy::TARGET
    );
    let model = toy::model(
        &[f32("obs", &[1, 8]), f32("t", &[1, 1]), f32("past", &[1, 2, 2])],
        &[f32("act", &[1, 2]), f32("now", &[1, 2])],
        &body,
    );
    let mut explained = explained(&model);
    let rows = explained.golden_rows(&model).unwrap();
    assert_eq!(rows.len(), 8 + 1 + 4);

    let knee = row(rows, "obs", 1);
    assert_eq!(
        (knee.term.as_str(), knee.item.as_str(), knee.unit, knee.ago),
        ("state/joint/position", "b", "rad", 0)
    );
    assert_eq!((knee.pipeline.as_str(), knee.scale), ("- -0.5, clip -9 .. 9, x 2", 2.0));
    assert_eq!((knee.measured, knee.value), (Some(0.25), Some(1.5))); // b stands at 0.25: (0.25 + 0.5) * 2
    let turn = row(rows, "obs", 6);
    assert_eq!((turn.item.as_str(), turn.unit, turn.ago, turn.value), ("wz", "rad/s", 3, Some(-0.2)));
    let count = row(rows, "t", 0);
    assert_eq!((count.term.as_str(), count.item.as_str(), count.value), ("counter", "3 to 7", Some(3.0)));
    let oldest = row(rows, "past", 1);
    assert_eq!(
        (oldest.term.as_str(), oldest.item.as_str(), oldest.ago, oldest.value),
        ("state", "now[1]", 3, Some(0.0))
    );
    // Nothing is left of it.
    assert_eq!(explained.policy().counters(), Default::default());
}

#[test]
fn a_normalised_value_stands_beside_what_was_measured_and_says_its_limit() {
    let joints = "[[input.term]]\nkind = \"state/joint/position\"\nscale = 2.0\n";
    for (normalize, pipeline, value) in [
        // a stands at 1: 2 after the pipeline.
        ("mode = \"mean_std\", mean = 1.5, std = 0.25, eps = 0.25", "x 2, - 1.5, / 0.5", 1.0),
        ("mode = \"mean_std\", mean = 1.0, std = 0.5, clip = 1.5", "x 2, - 1, / 0.5, clip -1.5 .. 1.5", 1.5),
        ("mode = \"min_max\", min = 0.0, max = 4.0", "x 2, 0 .. 4 to -1 .. 1", 0.0),
        ("mode = \"min_max\", min = 0.0, max = 1.0, clip = 2.0", "x 2, 0 .. 1 to -1 .. 1, clip -2 .. 2", 2.0),
        ("mode = \"min_max\", min = [1.0, 0.0], max = 1.0, eps = 1.0", "x 2, 1 .. 2 to -1 .. 1", 1.0),
    ] {
        let model = toy::observing(2, &format!("normalize = {{ {normalize} }}"), joints);
        let mut explained = explained(&model);
        explained.step(&toy::nth(0));
        let a = explained.rows().iter().find(|row| row.item == "a").unwrap();
        assert_eq!((a.pipeline.as_str(), a.measured, a.value), (pipeline, Some(1.0), Some(value)));
    }
}

#[test]
fn what_is_fed_back_is_measured_as_the_policys_own_action() {
    let terms = "[[input.term]]\nkind = \"feedback/action\"\nstage = \"raw\"\nscale = 4.0\n";
    let model = toy::observing(2, "", terms);
    let mut explained = explained(&model);
    for run in 0..3 {
        explained.step(&toy::nth(run));
    }
    let seen: Vec<_> = explained.rows().iter().map(|row| (row.measured, row.value)).collect();
    // Of the second run.
    assert_eq!(seen, [(Some(0.02), Some(0.08)), (Some(0.04), Some(0.16))]);
}

#[test]
fn a_later_copy_has_the_measurements_and_nothing_that_began_with_the_activation() {
    let body = format!(
        "[[input]]\ntensor = \"obs\"\ndtype = \"f32\"\nshape = [1, 13]\n\
         [[input.term]]\nkind = \"state/joint/position\"\nhistory = {{ len = 3, stride = 2, order = \"oldest_first\" }}\n\
         [[input.term]]\nkind = \"state/joint/velocity\"\n\
         [[input.term]]\nkind = \"feedback/action\"\nstage = \"raw\"\n\
         [[input.term]]\nkind = \"phase/sin_cos\"\nrate_hz = 1.0\nfreeze_below = \"never\"\noffsets_turns = [0.0]\n\
         [[input.term]]\nkind = \"constant\"\nvalues = [1.0]\n\
         [[input]]\ntensor = \"t\"\ndtype = \"f32\"\nshape = [1, 1]\nsource = \"counter\"\nstart = 0\nlength = 5\non_end = \"hold\"\n\
         [[state]]\ninput = \"h\"\noutput = \"h_out\"\nshape = [1, 2]\n{}",
        toy::TARGET
    );
    let inputs = [f32("obs", &[1, 13]), f32("t", &[1, 1]), f32("h", &[1, 2])];
    let model = toy::model(&inputs, &[f32("act", &[1, 2]), f32("h_out", &[1, 2])], &body);
    let list = memories(&model);
    let kinds: Vec<MemoryKind> = list.iter().map(|memory| memory.kind).collect();
    let expected = [
        MemoryKind::History(5),
        MemoryKind::Feedback(1),
        MemoryKind::Clock(1),
        MemoryKind::Counter,
        MemoryKind::Recurrent,
    ];
    assert_eq!(kinds, expected);
    let same = |runs, saw| list.iter().map(|m| m.is_the_same_after(runs, saw)).collect::<Vec<_>>();
    assert_eq!(same(4, false), [false; 5]);
    assert_eq!(same(5, false), [true, false, false, false, false]);
    assert_eq!(same(1, true), [true; 5]);
}

fn a_term() -> impl Strategy<Value = (String, usize)> {
    let kinds = prop::sample::select(vec![
        ("state/body/angular_velocity", "", 3),
        ("state/body/linear_velocity", "", 3),
        ("state/body/projected_gravity", "", 3),
        ("state/body/height", "", 1),
        ("state/body/position", "", 3),
        ("state/body/rotation", "as = \"matrix\"\n", 9),
        ("state/body/rotation", "as = \"rpy\"\n", 3),
        ("state/joint/position", "minus = \"default_pos\"\n", 2),
        ("state/joint/velocity", "joints = [\"b\"]\n", 1),
        ("state/joint/effort", "", 2),
        ("state/contact", "feet = [\"left\"]\n", 1),
        ("command/body/velocity", "axes = [\"vy\"]\n", 1),
        ("feedback/action", "stage = \"applied\"\n", 2),
        ("phase/sin_cos", "rate_hz = 1.0\nfreeze_below = 0.1\noffsets_turns = [0.0, 0.5, 0.25]\n", 6),
        ("phase/value", "rate_hz = 1.0\nfreeze_below = \"never\"\nrange = \"pi\"\n", 1),
        ("constant", "values = [1.0, 2.0, 3.0, 4.0]\n", 4),
    ]);
    kinds.prop_map(|(kind, keys, width)| (format!("[[input.term]]\nkind = \"{kind}\"\n{keys}"), width))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_of_every_tensor_has_a_row_of_its_own(
        terms in prop::collection::vec(a_term(), 1..8),
        len in 1usize..5,
        stride in 1usize..4,
        time_major: bool,
        newest_first: bool,
    ) {
        let order = if newest_first { "newest_first" } else { "oldest_first" };
        let history = format!("history = {{ len = {len}, stride = {stride}, order = \"{order}\" }}\n");
        let layout = if time_major { "time_major" } else { "term_major" };
        let text: String = terms.iter().map(|(term, _)| format!("{term}{history}")).collect();
        let values = len * terms.iter().map(|(_, width)| width).sum::<usize>();
        let model = toy::observing(values, &format!("history_layout = \"{layout}\""), &text);
        let rows = explain(&model);
        prop_assert_eq!(rows.len(), model.inputs()[0].len());
        prop_assert!(rows.iter().enumerate().all(|(index, row)| row.index == index && !row.item.is_empty()));
        // Each term has as many moments as its history, and each moment as many numbers as it is wide.
        for ago in (0..len).map(|moment| moment * stride) {
            prop_assert_eq!(rows.iter().filter(|row| row.ago == ago).count() * len, values);
        }
        // What explain says of a number is what the policy puts there.
        let mut explained = explained(&model);
        for row in explained.golden_rows(&model).unwrap() {
            let expected = match (row.term.as_str(), row.item.as_str()) {
                ("state/joint/position", "a") => 0.75 - 0.5,
                ("state/joint/position", "b") => 0.25 + 0.5,
                ("state/joint/velocity", "b") => 2.0,
                ("state/joint/effort", "a") => 3.0,
                ("state/body/linear_velocity", "x") => 0.4,
                ("state/body/position", "z") => 3.0,
                ("command/body/velocity", "vy") => 0.1,
                ("state/contact", "left") => 0.9,
                ("state/body/rotation", "r11") => 1.0,
                ("phase/sin_cos", "cos of foot 1") => -1.0,
                ("constant", "number 2") => 3.0,
                _ => continue,
            };
            prop_assert!((f64::from(row.value.unwrap()) - expected).abs() < 1e-6, "{row:?}");
        }
    }
}
