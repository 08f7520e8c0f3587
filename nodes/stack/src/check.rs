//! What a scenario may say: every number in its range, every name one that exists.
//!
//! A misspelt expectation is refused here, because in a negative control it would count as the failure that is wanted.
use sinew_guard::FAULTS;
use sinew_wire::{Refusal, RobotMode};

use crate::choice::Choice;
use crate::offboard::OffboardPlan;
use crate::scenario::{Event, Expect, GoalName, Pushes, Scenario, ScenarioError};

/// Longest run, s.
const DURATION_MAX_S: f64 = 3600.0;

struct Checker<'a> {
    file: &'a str,
}

impl Checker<'_> {
    fn wrong<T>(&self, field: &str, expected: String, found: String) -> Result<T, ScenarioError> {
        Err(ScenarioError::Value { file: self.file.into(), field: field.into(), expected, found })
    }

    /// A value that is no number is in no range.
    fn range(&self, field: &str, found: f64, least: f64, most: f64) -> Result<(), ScenarioError> {
        if (least..=most).contains(&found) {
            return Ok(());
        }
        self.wrong(field, format!("{least} to {most}"), found.to_string())
    }

    /// A name that becomes part of a path.
    fn file_name(&self, field: &str, found: &str) -> Result<(), ScenarioError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !found.is_empty() && found.chars().all(plain) {
            return Ok(());
        }
        self.wrong(field, "letters, digits, _ and -".into(), format!("{found:?}"))
    }

    fn one_of<'n>(
        &self,
        field: &str,
        found: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Result<(), ScenarioError> {
        let known: Vec<_> = known.collect();
        if known.contains(&found) {
            return Ok(());
        }
        self.wrong(field, format!("one of {}", known.join(", ")), format!("{found:?}"))
    }
}

/// Checks what the parser alone cannot.
///
/// # Errors
/// The first value that does not fit; joints and buses are looked up when the robot is known.
pub fn check(scenario: &Scenario, file: &str) -> Result<(), ScenarioError> {
    let c = Checker { file };
    c.range("duration_s", scenario.duration_s, 0.1, DURATION_MAX_S)?;
    c.file_name("robot", &scenario.robot)?;
    for policy in &scenario.policies {
        c.file_name("policies", policy)?;
    }
    c.range("noise_scale", scenario.noise_scale, 0.0, 100.0)?;
    c.range("payload_kg", scenario.payload_kg, 0.0, 1000.0)?;
    c.range("friction", scenario.friction.unwrap_or(0.7), 0.0, 10.0)?;
    c.range("latency_ticks", scenario.latency_ticks as f64, 0.0, 100.0)?;
    c.range("solver_iterations", scenario.solver_iterations as f64, 1.0, 64.0)?;
    let policies = scenario.policies.len() as f64;
    for goal in &scenario.goals {
        c.range("goals.at_s", goal.at_s, 0.0, scenario.duration_s)?;
        if goal.goal == GoalName::Policy {
            c.range("goals.policy", f64::from(goal.policy), 0.0, policies - 1.0)?;
        }
    }
    let segments = &scenario.segments;
    c.range("segments.from_s", segments.from_s, 0.0, scenario.duration_s)?;
    if !segments.velocities.is_empty() {
        c.range("segments.settle_s", segments.settle_s, 0.0, 60.0)?;
        c.range("segments.average_over_s", segments.average_over_s, 0.0, 10.0)?;
        // Something must be left to judge.
        let least_s = segments.settle_s + segments.average_over_s + 0.1;
        c.range("segments.for_s", segments.for_s, least_s, scenario.duration_s)?;
    }
    for velocity in segments.velocities.iter().flatten() {
        c.range("segments.velocities", f64::from(*velocity), -5.0, 5.0)?;
    }
    if let Some(pushes) = &scenario.pushes {
        check_pushes(&c, pushes, segments.for_s)?;
    }
    if let Some(plan) = &scenario.offboard {
        check_offboard(&c, plan, scenario.latency_ticks)?;
    } else if scenario.events.iter().any(|e| matches!(e, Event::OffboardCut { .. })) {
        return c.wrong("events.kind", "offboard_cut only beside `offboard`".into(), "no `offboard`".into());
    }
    for event in &scenario.events {
        check_event(&c, event, scenario.duration_s)?;
    }
    check_expect(&c, &scenario.expect)?;
    scenario.robots.keys().try_for_each(|robot| check_entry(&c, scenario, robot))
}

/// What an entry makes of the file is a scenario of its own.
fn check_entry(c: &Checker<'_>, scenario: &Scenario, robot: &str) -> Result<(), ScenarioError> {
    c.file_name("robots", robot)?;
    if robot == scenario.robot {
        return c.wrong("robots", "robots beside the file's own".into(), format!("{robot:?} again"));
    }
    let choice = Choice { robot: Some(robot.to_owned()), ..Choice::default() };
    scenario.clone().choose(&choice, &format!("{}: robots.{robot}", c.file)).map(|_| ())
}

fn check_pushes(c: &Checker<'_>, pushes: &Pushes, segment_s: f64) -> Result<(), ScenarioError> {
    c.range("pushes.delta_v_m_s", pushes.delta_v_m_s, 0.0, 10.0)?;
    for into_s in &pushes.into_segment_s {
        c.range("pushes.into_segment_s", *into_s, 0.0, segment_s)?;
    }
    Ok(())
}

fn check_offboard(c: &Checker<'_>, plan: &OffboardPlan, latency_ticks: u64) -> Result<(), ScenarioError> {
    c.file_name("offboard.model", &plan.model)?;
    c.range("offboard.delay_ms", plan.delay_ms, 0.0, 1000.0)?;
    c.range("offboard.loss", plan.loss, 0.0, 1.0)?;
    c.range("offboard.max_age_ms", plan.max_age_ms, 1.0, 10_000.0)?;
    // What leaves in tick k + wait enters control at k + latency, and takes a tick to get there.
    c.range("offboard.wait_ticks", plan.wait_ticks as f64, 0.0, latency_ticks.saturating_sub(1) as f64)
}

fn check_event(c: &Checker<'_>, event: &Event, duration_s: f64) -> Result<(), ScenarioError> {
    c.range("events.at_s", event.at_s(), 0.0, duration_s)?;
    match event {
        Event::Stop { for_s, .. }
        | Event::Link { for_s, .. }
        | Event::BusSilent { for_s, .. }
        | Event::ImuDead { for_s, .. }
        | Event::TorqueLoss { for_s, .. } => c.range("events.for_s", *for_s, 0.0, DURATION_MAX_S),
        Event::BusNoise { for_s, rate, .. } => {
            c.range("events.for_s", *for_s, 0.0, DURATION_MAX_S)?;
            c.range("events.rate", *rate, 0.0, 1.0)
        }
        Event::FlipCommandBit { joint, bit, .. } => {
            c.range("events.joint", *joint as f64, 0.0, (sinew_wire::MAX_JOINTS - 1) as f64)?;
            c.range("events.bit", f64::from(*bit), 0.0, 31.0)
        }
        Event::EncoderJump { rad, .. } => c.range("events.rad", *rad, -100.0, 100.0),
        Event::Push { delta_v_m_s, .. } => {
            delta_v_m_s.iter().try_for_each(|v| c.range("events.delta_v_m_s", *v, -10.0, 10.0))
        }
        Event::Friction { mu, .. } => c.range("events.mu", *mu, 0.0, 10.0),
        Event::PolicyLate { runs, .. } => c.range("events.runs", f64::from(*runs), 1.0, 10_000.0),
        Event::Swap { model, shadow_ticks, blend_s, max_difference_rad, .. } => {
            c.file_name("events.model", model)?;
            c.range("events.shadow_ticks", *shadow_ticks as f64, 1.0, 1e6)?;
            c.range("events.blend_s", *blend_s, 0.0, 60.0)?;
            c.range("events.max_difference_rad", *max_difference_rad, 0.0, 10.0)
        }
        Event::OffboardCut { for_s, .. } => c.range("events.for_s", *for_s, 0.0, DURATION_MAX_S),
        Event::Kill { .. } | Event::OverTemperature { .. } | Event::DriveReset { .. } => Ok(()),
    }
}

fn check_expect(c: &Checker<'_>, expect: &Expect) -> Result<(), ScenarioError> {
    let bars = [
        ("expect.rmse_vx", expect.rmse_vx),
        ("expect.rmse_vy", expect.rmse_vy),
        ("expect.rmse_wz", expect.rmse_wz),
        ("expect.t_damp_ms", expect.t_damp_ms),
        ("expect.max_target_step_rad", expect.max_target_step_rad),
    ];
    for (field, bar) in bars {
        c.range(field, bar.unwrap_or(0.0), 0.0, 1e6)?;
    }
    if let Some(mode) = &expect.mode {
        c.one_of("expect.mode", mode, RobotMode::ALL.iter().map(|m| m.name()))?;
    }
    if let Some(swap) = &expect.swap {
        c.one_of("expect.swap", swap, ["done", "refused"].into_iter())?;
    }
    for fault in &expect.faults {
        c.one_of("expect.faults", fault, FAULTS.iter().map(|row| row.code))?;
    }
    for refusal in &expect.refusals {
        c.one_of("expect.refusals", refusal, Refusal::ALL.iter().map(|r| r.name()))?;
    }
    let nothing = Expect { fails: expect.fails, ..Expect::default() };
    if expect.fails && *expect == nothing {
        return c.wrong("expect.fails", "an assertion beside it that breaks".into(), "none".into());
    }
    Ok(())
}
