//! The scripted operator of a scenario: which goal and which velocity at which step.
use sinew_wire::{MotionCommand, RobotState, Source};

use crate::operator::{Goal, Operator};
use crate::scenario::{GoalName, Scenario, Segment};

/// An [`Operator`] that follows a scenario.
#[derive(Clone, Debug)]
pub struct Script {
    operator: Operator,
    segments: Vec<Segment>,
    /// Step, goal and policy, in order; the ones reached are behind `next`.
    goals: Vec<(u64, GoalName, u8)>,
    next: usize,
    silent: bool,
}

impl Script {
    /// The operator of `scenario` for the robot named `robot`.
    #[must_use]
    pub fn new(scenario: &Scenario, robot: &str, boot_id: u32, period_ns: u64) -> Self {
        let step = |s: f64| (s * 1e9 / period_ns as f64).round() as u64;
        let mut goals: Vec<_> = scenario.goals.iter().map(|g| (step(g.at_s), g.goal, g.policy)).collect();
        goals.sort_by_key(|(at, _, _)| *at);
        Self {
            operator: Operator::new(robot, Source::SCENARIO, boot_id),
            segments: scenario.segments(period_ns),
            goals,
            next: 0,
            silent: false,
        }
    }

    /// The frame computed from `state`; an empty one while the script is silent, because a lockstep run waits for
    /// every declared source.
    pub fn step(&mut self, state: &RobotState) -> MotionCommand {
        let step = state.header.step;
        while let Some((_, goal, policy)) =
            self.goals.get(self.next).copied().filter(|(at, _, _)| *at <= step)
        {
            self.next += 1;
            self.silent = goal == GoalName::Silence;
            if let Some(goal) = goal_of(goal, policy) {
                self.operator.set_goal(goal);
            }
        }
        let segment = self.segments.iter().find(|s| (s.from_step..s.to_step).contains(&step));
        self.operator.set_velocity(segment.map_or([0.0; 3], |s| s.velocity));
        let mut frame = self.operator.step(state);
        if self.silent {
            frame.header.valid_for_us = 0;
        }
        frame
    }
}

fn goal_of(goal: GoalName, policy: u8) -> Option<Goal> {
    Some(match goal {
        GoalName::Watch => Goal::Watch,
        GoalName::Stand => Goal::Stand,
        GoalName::Policy => Goal::Policy(policy),
        GoalName::LieDown => Goal::LieDown,
        GoalName::EStop => Goal::EStop,
        GoalName::Damping => Goal::Damping,
        GoalName::Reset => Goal::Reset,
        GoalName::Silence => return None,
    })
}
