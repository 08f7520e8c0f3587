//! The biped through the whole stack, judged by truth: what it walks, what its estimator knows, how it is left alone.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
mod support;

use sinew_stack::{Choice, Outcome, Scenario, Scorer, Stack, StepTrace, Trace};
use sinew_wire::{EstimatorStatus, RobotMode};

/// Runs one of the tree's scenario files for the biped; `each` sees the robot after every step.
fn run(file: &str, mut each: impl FnMut(&Stack)) -> (Outcome, Trace) {
    let path = support::root().join("tests/scenarios").join(file);
    let choice = Choice { robot: Some("biped".into()), ..Choice::default() };
    let scenario: Scenario = support::read(&path).choose(&choice, file).unwrap();
    let setup = support::setup(&scenario, &path).unwrap();
    let scorer = Scorer::new(&scenario, setup.robot.period_ns, setup.robot.postures.stand.height_m);
    let mut stack = Stack::new(&setup, &scenario, file).unwrap();
    let steps = (scenario.duration_s * 1e9 / setup.robot.period_ns as f64).round() as u64;
    for step in 0..steps {
        stack.step(scorer.command(step)).unwrap();
        each(&stack);
    }
    let outcome = stack.outcome(&scorer);
    (outcome, stack.trace)
}

fn walking(steps: &[StepTrace]) -> impl Iterator<Item = &StepTrace> {
    steps.iter().filter(|s| s.mode == RobotMode::Policy)
}

/// Sum of squares and count.
#[derive(Default)]
struct Rms(f64, f64);

impl Rms {
    fn add(&mut self, error: f64) {
        self.0 += error * error;
        self.1 += 1.0;
    }
    fn value(&self) -> f64 {
        (self.0 / self.1.max(1.0)).sqrt()
    }
}

#[test]
fn it_walks_its_commands_and_knows_how_it_moves() {
    let [mut vx, mut vy, mut tilt, mut height] = [(); 4].map(|()| Rms::default());
    let mut unhealthy = 0;
    let (outcome, trace) = run("walk.yaml", |stack| {
        if stack.control.mode() != RobotMode::Policy {
            return;
        }
        // Robot state and trace are both of the step before its integration.
        let (Some(truth), told) = (stack.trace.steps.last(), &stack.control.robot_state().body) else {
            return;
        };
        vx.add(f64::from(told.velocity_m_s[0]) - truth.velocity[0]);
        vy.add(f64::from(told.velocity_m_s[1]) - truth.velocity[1]);
        height.add(f64::from(told.height_m) - truth.height_m);
        let up = f64::from(-told.projected_gravity[2]).clamp(-1.0, 1.0);
        tilt.add(up.acos() - truth.tilt_rad);
        unhealthy += u32::from(told.estimator_status != EstimatorStatus::Healthy as u8);
    });
    assert!(outcome.score.passed, "{:?}", outcome.score.broken);
    assert!(walking(&trace.steps).count() > 20_000);
    let errors = [&vx, &vy, &tilt, &height].map(Rms::value);
    println!(
        "estimator, rms: vx {:.4} vy {:.4} m/s, tilt {:.4} rad, height {:.4} m",
        errors[0], errors[1], errors[2], errors[3]
    );
    assert!(errors[0] < 0.02 && errors[1] < 0.02, "velocity, m/s: {errors:?}");
    assert!(errors[2] < 0.02 && errors[3] < 0.004, "tilt rad, height m: {errors:?}");
    assert_eq!(unhealthy, 0, "healthy throughout");
}

#[test]
fn it_begins_in_its_harness_which_comes_off_once_it_stands() {
    let (outcome, trace) = run("biped/leave_walk.yaml", |_| ());
    assert!(outcome.score.passed, "{:?}", outcome.score.broken);
    let first = trace.steps.first().unwrap();
    assert!(first.held && !first.trunk_contact && first.height_m < 0.3, "{first:?}");
    let off = trace.steps.iter().position(|s| !s.held).unwrap();
    assert!(trace.steps[off].height_m > 0.4 && trace.steps[off].tilt_rad < 0.05, "{:?}", trace.steps[off]);
    assert!(trace.steps[off..].iter().all(|s| !s.held), "and does not come back");
    assert!(outcome.score.stand_s.unwrap() > off as f64 * 0.002, "what is held does not stand");
}

#[test]
fn asked_to_stand_it_stops_first() {
    let (_, trace) = run("biped/leave_walk.yaml", |_| ());
    let asked = (10.07 / 0.002) as usize;
    let left = trace.steps.iter().skip(asked).position(|s| s.mode != RobotMode::Policy).unwrap();
    assert!((550..700).contains(&left), "1.2 s under the policy, were {left} steps");
    let at = &trace.steps[asked + left];
    assert_eq!(at.mode, RobotMode::Stand);
    assert!(at.velocity[0].abs() < 0.1, "it has stopped: {:?}", at.velocity);
}

#[test]
fn a_silent_operator_leaves_it_standing_a_second_after_the_last_word() {
    let (outcome, trace) = run("biped/operator_silent.yaml", |_| ());
    assert!(outcome.score.passed, "{:?}", outcome.score.broken);
    let silent = (10.07 / 0.002) as usize;
    let left = trace.steps.iter().skip(silent).position(|s| s.mode != RobotMode::Policy).unwrap();
    // The last heartbeat is up to a period of its own older.
    assert!((440..=505).contains(&left), "1 s under the policy, were {left} steps");
    assert_eq!(trace.steps[silent + left].mode, RobotMode::Stand);
}

#[test]
fn a_policy_that_dies_leads_to_stand_where_stand_can_catch_it() {
    let (outcome, _) = run("biped/kill_policy_turning.yaml", |_| ());
    assert!(outcome.score.passed, "{:?}", outcome.score.broken);
}

/// The declared outcome of the worst case: a fall, without stiffness before the trunk is down.
#[test]
fn and_in_mid_step_of_a_fast_walk_to_a_damped_fall() {
    let (outcome, trace) = run("biped/kill_policy_walking.yaml", |_| ());
    assert!(outcome.score.passed, "{:?}", outcome.score.broken);
    assert_eq!(outcome.score.falls, 1, "no fall any more: say so in robot.yaml and here");
    let damped = trace.steps.iter().rposition(|s| s.mode == RobotMode::Stand).unwrap() + 1;
    let down = trace.steps.iter().rposition(|s| !s.trunk_contact).unwrap() + 1;
    println!("damped {:.2} s before the trunk comes to rest", (down as f64 - damped as f64) * 0.002);
    let hit = trace.steps.iter().skip(damped - 100).position(|s| s.trunk_contact).unwrap() + damped - 100;
    assert!(hit > damped, "damped at step {damped}, down at {hit}");
}
