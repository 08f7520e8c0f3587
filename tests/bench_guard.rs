//! The guard under random and adversarial commands, judged by the independent checker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test
mod support;
use support::json;

#[test]
fn nothing_illegal_reaches_a_drive_and_nothing_legal_is_held_back() {
    let result = json(&["bench", "guard", "--n", "20000", "--json"]);
    assert_eq!(result["legal_refused"], 0, "{result}");
    assert_eq!(result["illegal_at_drive"], 0, "{result}");
    assert_eq!(result["planted_caught"], 3, "{result}");
    assert_eq!(result["guard_twice_changed"], 0, "{result}");
    assert!(result["legal_share"].as_f64().unwrap() >= 0.4, "{result}");
    // Something was there to be refused and to be trimmed.
    assert!(result["refused"].as_u64().unwrap() > 1000, "{result}");
    assert!(result["saturated"].as_u64().unwrap() > 1000, "{result}");
}
