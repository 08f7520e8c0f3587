//! `explain` names every number of every input, whatever the manifest.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test

mod toy;

use proptest::prelude::*;
use sinew_policy::{Row, explain, explain::fill_from_golden};
use toy::{Scripted, f32, policy};

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
    let mut rows = explain(&model);
    assert_eq!(rows.len(), 8 + 1 + 4);
    let mut policy = policy(&model, Scripted::new(&model, |_, _| ()));
    fill_from_golden(&mut rows, &model, &mut policy).unwrap();

    let knee = row(&rows, "obs", 1);
    assert_eq!(
        (knee.term.as_str(), knee.item.as_str(), knee.unit, knee.ago),
        ("state/joint/position", "b", "rad", 0)
    );
    assert_eq!((knee.pipeline.as_str(), knee.scale), ("- -0.5, clip -9 .. 9, x 2", 2.0));
    assert_eq!(knee.value, Some(1.5)); // b stands at 0.25 in the golden tick: (0.25 + 0.5) * 2
    let turn = row(&rows, "obs", 6);
    assert_eq!((turn.item.as_str(), turn.unit, turn.ago, turn.value), ("wz", "rad/s", 3, Some(-0.2)));
    let count = row(&rows, "t", 0);
    assert_eq!((count.term.as_str(), count.item.as_str(), count.value), ("counter", "3 to 7", Some(3.0)));
    let oldest = row(&rows, "past", 1);
    assert_eq!(
        (oldest.term.as_str(), oldest.item.as_str(), oldest.ago, oldest.value),
        ("state", "now[1]", 3, Some(0.0))
    );
    // Nothing is left of it.
    assert_eq!(policy.counters(), Default::default());
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
        let mut rows = rows;
        let mut policy = policy(&model, Scripted::new(&model, |_, _| ()));
        fill_from_golden(&mut rows, &model, &mut policy).unwrap();
        for row in &rows {
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
