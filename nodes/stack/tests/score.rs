//! The judge, shown runs in which one thing is wrong: each must be noticed, and nothing else.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
mod support;

use sinew_guard::Fault;
use sinew_stack::{OffboardReport, PolicyReport, Scenario, Score, Scorer, StepTrace, SwapReport, Trace};
use sinew_wire::RobotMode;

const PERIOD_NS: u64 = 2_000_000;
const STAND_M: f64 = 0.29;
/// The step in which the script takes control away.
const LOST: usize = 2500;

fn scenario() -> Scenario {
    support::parse(
        "name: t
robot: quad
policies: [quad_walk]
duration_s: 6
goals:
  - {at_s: 0, goal: stand}
segments:
  from_s: 2
  for_s: 1.5
  velocities: [[0.5, 0, 0], [0, 0, 0.8]]
events:
  - {kind: kill, at_s: 5, target: control}
expect:
  falls: 0
  rmse_vx: 0.1
  rmse_vy: 0.1
  rmse_wz: 0.2
  mode: Damping
  t_damp_ms: 52
  stale_accepted: 0
  stiff_after_damp: 0
  faults: [command_lost]
  refusals: [Age]
  watchdog: false
",
    )
}

/// A run without fault: stands, follows, loses its commander at 5 s and is damped 48 ms later.
fn good(scenario: &Scenario) -> Trace {
    let scorer = Scorer::new(scenario, PERIOD_NS, STAND_M);
    let step = |step: u64| {
        let command = scorer.command(step);
        let damped = step as usize >= LOST + 24;
        StepTrace {
            step,
            command,
            velocity: command.map(f64::from),
            height_m: if damped { 0.16 } else { 0.3 },
            stiff: if damped { 0 } else { 0xfff },
            mode: if damped { RobotMode::Damping } else { RobotMode::Policy },
            faults: if damped { 1 << Fault::CommandLost as u64 } else { 0 },
            ..StepTrace::default()
        }
    };
    Trace { steps: (0..3000).map(step).collect() }
}

fn judge(scenario: &Scenario, trace: &Trace) -> Score {
    Scorer::new(scenario, PERIOD_NS, STAND_M).judge(trace, 0, &["Age".to_owned()])
}

/// What is broken, by the word before the colon.
fn broken(score: &Score) -> Vec<&str> {
    score.broken.iter().filter_map(|b| b.split(':').next()).collect()
}

#[test]
fn a_run_without_fault_passes() {
    let scenario = scenario();
    let score = judge(&scenario, &good(&scenario));
    assert!(score.passed, "{:?}", score.broken);
    assert_eq!((score.falls, score.stiff_after_damp, score.watchdog), (0, 0, false));
    assert!((score.t_damp_ms.unwrap() - 48.0).abs() < 1e-9);
    assert!(score.rmse_vx.unwrap() < 1e-6 && score.rmse_wz.unwrap() < 1e-6);
}

#[test]
fn each_planted_fault_is_noticed_and_nothing_else() {
    type Plant = fn(&mut [StepTrace]);
    let plants: &[(&str, Plant)] = &[
        ("falls", |s| s[1700].trunk_contact = true),
        ("falls", |s| s[1700].tilt_rad = 1.1),
        ("falls", |s| s[1700].height_m = 0.14),
        ("stand", |s| s.iter_mut().for_each(|s| s.height_m = 0.1)),
        ("stand", |s| s.iter_mut().for_each(|s| s.held = true)),
        ("rmse_vx", |s| s.iter_mut().for_each(|s| s.velocity[0] += 0.11)),
        ("rmse_vy", |s| s.iter_mut().for_each(|s| s.velocity[1] -= 0.11)),
        ("rmse_wz", |s| s.iter_mut().for_each(|s| s.velocity[2] += 0.21)),
        ("rmse_vx", |s| s[1600].velocity[0] = f64::NAN),
        ("mode", |s| s[2999].mode = RobotMode::Stand),
        ("t_damp_ms", |s| s[LOST..LOST + 27].iter_mut().for_each(|s| s.stiff |= 1 << 7)),
        ("stiff_after_damp", |s| s[2800].stiff = 1 << 3),
        ("watchdog", |s| s[2900].watchdogs = 1),
        ("faults", |s| s.iter_mut().for_each(|s| s.faults = 0)),
    ];
    let scenario = scenario();
    for (what, plant) in plants {
        let mut trace = good(&scenario);
        plant(&mut trace.steps);
        let score = judge(&scenario, &trace);
        assert!(!score.passed, "{what} went unnoticed");
        assert_eq!(broken(&score), [*what]);
    }
    let scorer = Scorer::new(&scenario, PERIOD_NS, STAND_M);
    let trace = good(&scenario);
    assert_eq!(broken(&scorer.judge(&trace, 1, &["Age".to_owned()])), ["stale_accepted"]);
    assert_eq!(broken(&scorer.judge(&trace, 0, &[])), ["refusals"]);
}

#[test]
fn a_drive_that_stays_stiff_is_no_short_time() {
    let scenario = scenario();
    let mut trace = good(&scenario);
    trace.steps.iter_mut().for_each(|s| s.stiff |= 1);
    let score = judge(&scenario, &trace);
    assert_eq!(score.t_damp_ms, None);
    assert_eq!(broken(&score), ["t_damp_ms", "stiff_after_damp"]);
}

#[test]
fn bouncing_is_one_fall_and_falling_again_another() {
    let scenario = scenario();
    let mut trace = good(&scenario);
    for step in [1000, 1010, 1020] {
        trace.steps[step].trunk_contact = true;
    }
    trace.steps[1000..1100].iter_mut().for_each(|s| s.height_m = 0.1);
    assert_eq!(judge(&scenario, &trace).falls, 1);
    trace.steps[1500].trunk_contact = true;
    assert_eq!(judge(&scenario, &trace).falls, 2);
}

#[test]
fn the_second_after_a_push_is_not_judged_and_the_time_after_it_is() {
    let mut scenario = scenario();
    scenario.segments.for_s = 3.0;
    scenario.segments.velocities.truncate(1);
    scenario.events.clear();
    scenario.expect = sinew_stack::Expect { rmse_vx: Some(0.1), ..scenario.expect };
    scenario.expect.t_damp_ms = None;
    scenario.expect.stiff_after_damp = None;
    // Judged: 3 s to 5 s; pushed at 3.5 s, so off for 3.5 s to 4.5 s.
    let pushed = |off: std::ops::Range<usize>| {
        let mut trace = good(&scenario);
        trace.steps[1750..].iter_mut().for_each(|s| s.pushes = 1);
        trace.steps[off].iter_mut().for_each(|s| s.velocity[0] += 1.0);
        judge(&scenario, &trace).passed
    };
    assert!(pushed(1750..2250), "the second after the push");
    assert!(!pushed(1750..2270), "20 ms more");
    assert!(!pushed(1740..1750), "20 ms before");
}

#[test]
fn pushes_that_were_not_given_are_missed() {
    let mut scenario = scenario();
    scenario.expect.pushes = Some(2);
    let mut trace = good(&scenario);
    trace.steps[2400..].iter_mut().for_each(|s| s.pushes = 1);
    assert_eq!(broken(&judge(&scenario, &trace)), ["pushes"]);
    trace.steps[2450..].iter_mut().for_each(|s| s.pushes = 2);
    assert!(judge(&scenario, &trace).passed);
}

#[test]
fn a_negative_control_passes_when_its_run_fails() {
    let mut scenario = scenario();
    scenario.expect.fails = true;
    let trace = good(&scenario);
    assert!(!judge(&scenario, &trace).passed, "a good run is no negative control");
    let mut bad = trace;
    bad.steps[1700].trunk_contact = true;
    assert!(judge(&scenario, &bad).passed);
}

/// A run in which a policy is swapped, the other machine cut, a run late; each claim about it is judged by its own figure.
#[test]
fn what_the_policy_node_counts_is_held_against_the_expectation() {
    let text = "name: t
robot: quad
policies: [quad_walk]
duration_s: 6
latency_ticks: 7
offboard: {model: quad_walk, delay_ms: 5, loss: 0.05, wait_ticks: 6, max_age_ms: 60}
events:
  - {kind: swap, at_s: 3, model: x, shadow_ticks: 100, blend_s: 0.2}
  - {kind: offboard_cut, at_s: 3.5, for_s: 0.2}
expect:
  max_target_step_rad: 0.4
  swap: done
  deadline_missed: 1
  fallbacks: 1
  returns: 2
";
    let scenario = support::parse(text);
    let report = PolicyReport {
        deadline_missed: 1,
        swap: Some(SwapReport { outcome: "done".into(), ..SwapReport::default() }),
        offboard: Some(OffboardReport { fallbacks: 1, returns: 2, ..OffboardReport::default() }),
        ..PolicyReport::default()
    };
    let step = |step: u64| StepTrace {
        step,
        mode: RobotMode::Policy,
        // Before and after the changes anything goes.
        target_step_rad: if (1500..2600).contains(&step) { 0.3 } else { 0.9 },
        ..StepTrace::default()
    };
    let trace = Trace { steps: (0..3000).map(step).collect() };
    let judge = |trace: &Trace, report: PolicyReport| {
        Scorer::new(&scenario, PERIOD_NS, STAND_M).policy(report).judge(trace, 0, &[])
    };
    let score = judge(&trace, report.clone());
    assert!(score.passed, "{:?}", score.broken);
    assert_eq!((score.max_target_step_rad, score.target_step_before_rad), (Some(0.3), Some(0.9)));
    let mut jump = trace.clone();
    jump.steps[1800].target_step_rad = 0.41;
    assert_eq!(broken(&judge(&jump, report.clone())), ["max_target_step_rad"]);
    // Nobody follows a policy then.
    jump.steps[1800].mode = RobotMode::Stand;
    assert!(judge(&jump, report.clone()).passed);
    type Plant = fn(&mut PolicyReport);
    let plants: [(&str, Plant); 6] = [
        ("transition_excess_rad", |r| r.transition_excess_rad = 0.01),
        ("swap", |r| r.swap = Some(SwapReport::refused("x"))),
        ("swap", |r| r.swap = None),
        ("deadline_missed", |r| r.deadline_missed = 0),
        ("fallbacks", |r| r.offboard.as_mut().unwrap().fallbacks = 0),
        ("returns", |r| r.offboard = Some(OffboardReport { fallbacks: 1, ..OffboardReport::default() })),
    ];
    for (what, plant) in plants {
        let mut report = report.clone();
        plant(&mut report);
        assert_eq!(broken(&judge(&trace, report)), [what]);
    }
}

/// Swings by `size` about the asked velocity, once in `stride_s`, in all three axes.
fn swinging(scenario: &Scenario, size: f64, stride_s: f64) -> Trace {
    let mut trace = good(scenario);
    for s in &mut trace.steps {
        let phase = s.step as f64 * 0.002 / stride_s * std::f64::consts::TAU;
        s.velocity.iter_mut().for_each(|v| *v += size * phase.sin());
    }
    trace
}

#[test]
fn a_mean_over_a_stride_forgives_the_sway_and_nothing_else() {
    let mut scenario = scenario();
    scenario.segments.for_s = 2.0;
    scenario.segments.velocities.truncate(1);
    scenario.segments.settle_s = 0.5;
    let (swaying, plain) = (swinging(&scenario, 0.3, 0.6), judge(&scenario, &swinging(&scenario, 0.3, 0.6)));
    assert_eq!(broken(&plain), ["rmse_vx", "rmse_vy", "rmse_wz"]);
    scenario.segments.average_over_s = 0.6;
    let score = judge(&scenario, &swaying);
    assert!(score.passed, "{:?}", score.broken);
    assert!(score.rmse_vx.unwrap() < 1e-6, "{score:?}");
    // A constant offset, a sway of another period and a value that is no number are all still seen.
    let mut offset = swaying.clone();
    offset.steps.iter_mut().for_each(|s| s.velocity[0] += 0.11);
    assert!((judge(&scenario, &offset).rmse_vx.unwrap() - 0.11).abs() < 1e-6);
    assert!(!judge(&scenario, &swinging(&scenario, 0.5, 0.9)).passed);
    let mut nan = swaying.clone();
    nan.steps[1700].velocity[1] = f64::NAN;
    assert_eq!(broken(&judge(&scenario, &nan)), ["rmse_vy"]);
    // The stride before the first judged moment is whole: what happens while settling does not reach into it.
    let mut early = swaying;
    early.steps[1000..1250].iter_mut().for_each(|s| s.velocity[0] = 9.0);
    assert!(judge(&scenario, &early).passed);
    early.steps[1250].velocity[0] = 9000.0;
    assert!(!judge(&scenario, &early).passed, "the first settled step counts");
}
