//! The operator without hands: asks for nothing without need, asks in good order, stops without asking for leave.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
use proptest::prelude::*;
use sinew_stack::{Goal, Operator};
use sinew_wire::{EstimatorStatus, LinkState, NO_POLICY, Request, RobotMode, RobotState, Source};

const OTHER: Source = Source::DRIVE;

fn operator(goal: Goal) -> Operator {
    let mut operator = Operator::new("quad", Source::SCENARIO, 9);
    operator.set_goal(goal);
    operator
}

fn goals() -> impl Strategy<Value = Goal> {
    prop::sample::select(vec![
        Goal::Watch,
        Goal::Stand,
        Goal::Policy(0),
        Goal::Policy(1),
        Goal::LieDown,
        Goal::EStop,
        Goal::Damping,
        Goal::Reset,
    ])
}

fn states() -> impl Strategy<Value = RobotState> {
    (
        prop::sample::select(RobotMode::ALL),
        prop::sample::select(LinkState::ALL),
        prop::sample::select(EstimatorStatus::ALL),
        prop::sample::select(vec![0, Source::SCENARIO.0, OTHER.0]),
        prop::sample::select(vec![NO_POLICY, 0, 1]),
        1u32..100,
    )
        .prop_map(|(mode, link, estimator, holder, policy, epoch)| {
            let mut state = RobotState::default();
            state.body.robot_mode = mode as u8;
            state.body.link_state = link as u8;
            state.body.estimator_status = estimator as u8;
            state.body.lease_holder = holder;
            state.body.lease_epoch = epoch;
            state.body.active_policy = policy;
            state
        })
}

proptest! {
    #[test]
    fn without_the_lease_it_asks_for_the_lease_or_stops_the_robot(goal in goals(), mut state in states(), held: bool) {
        let mut operator = operator(goal);
        state.body.lease_holder = if held { OTHER.0 } else { 0 };
        let frame = operator.step(&state);
        let request = frame.body.request();
        prop_assert!(matches!(request, Request::None | Request::Acquire | Request::EStop | Request::Damping));
        prop_assert_eq!(frame.header.epoch, 0);
    }

    #[test]
    fn with_the_lease_it_speaks_under_its_epoch(goal in goals(), mut state in states()) {
        let mut operator = operator(goal);
        state.body.lease_holder = Source::SCENARIO.0;
        let frame = operator.step(&state);
        prop_assert_eq!(frame.header.epoch, state.body.lease_epoch);
        prop_assert!(frame.body.request() != Request::Acquire);
    }

    #[test]
    fn it_does_not_nag(goal in goals(), state in states()) {
        let mut operator = operator(goal);
        let requests: Vec<_> = (0..24).map(|_| operator.step(&state).body.request()).collect();
        let count = |wanted: Request| requests.iter().filter(|r| **r == wanted).count();
        for request in Request::ALL.iter().filter(|r| !matches!(r, Request::None | Request::EStop | Request::Damping)) {
            prop_assert!(count(*request) <= 1, "{:?} asked {} times", request, count(*request));
        }
        for stop in [Request::EStop, Request::Damping] {
            prop_assert!(matches!(count(stop), 0 | 24), "a stop is said until it is heard");
        }
    }

    #[test]
    fn only_a_walking_goal_carries_a_velocity(goal in goals(), state in states()) {
        let mut operator = operator(goal);
        operator.set_velocity([0.5, -0.1, 0.2]);
        let velocity = operator.step(&state).body.velocity;
        let wanted = if matches!(goal, Goal::Policy(_)) { [0.5, -0.1, 0.2] } else { [0.0; 3] };
        prop_assert_eq!(velocity, wanted);
    }

    #[test]
    fn every_frame_is_new(goal in goals(), states in prop::collection::vec(states(), 1..40)) {
        let mut operator = operator(goal);
        let mut last = None;
        for state in &states {
            let id = operator.step(state).header.id();
            prop_assert!(last.is_none_or(|last| id.is_newer_than(last)));
            last = Some(id);
        }
    }
}

fn seen(mode: RobotMode, link: LinkState, holds: bool) -> RobotState {
    let mut state = RobotState::default();
    state.body.robot_mode = mode as u8;
    state.body.link_state = link as u8;
    state.body.estimator_status = EstimatorStatus::Healthy as u8;
    state.body.active_policy = NO_POLICY;
    state.body.lease_holder = if holds { Source::SCENARIO.0 } else { 0 };
    state
}

#[test]
fn where_it_wants_to_be_it_asks_for_nothing() {
    let quiet = [
        (Goal::Watch, RobotMode::Stand, false),
        (Goal::Stand, RobotMode::Stand, true),
        (Goal::LieDown, RobotMode::Damping, true),
        (Goal::LieDown, RobotMode::Off, true),
        (Goal::Damping, RobotMode::Damping, false),
    ];
    for (goal, mode, holds) in quiet {
        let (mut operator, state) = (operator(goal), seen(mode, LinkState::Active, holds));
        assert!(operator.arrived(&state), "{goal:?}");
        assert!((0..100).all(|_| operator.step(&state).body.request() == Request::None), "{goal:?}");
    }
    let (mut operator, mut state) =
        (operator(Goal::Policy(1)), seen(RobotMode::Policy, LinkState::Active, true));
    state.body.active_policy = 1;
    assert!(operator.arrived(&state));
    assert!((0..100).all(|_| operator.step(&state).body.request() == Request::None));
}

#[test]
fn it_climbs_one_rung_at_a_time() {
    let mut operator = operator(Goal::Policy(2));
    let mut ask = |state: RobotState| {
        let frame = operator.step(&state);
        (frame.body.request(), frame.body.argument)
    };
    assert_eq!(ask(seen(RobotMode::Off, LinkState::Disabled, false)), (Request::Acquire, 0));
    assert_eq!(ask(seen(RobotMode::Off, LinkState::Disabled, true)), (Request::Arm, 0));
    assert_eq!(ask(seen(RobotMode::Off, LinkState::Arming, true)), (Request::None, 0));
    assert_eq!(ask(seen(RobotMode::Damping, LinkState::Active, true)), (Request::StandUp, 0));
    assert_eq!(ask(seen(RobotMode::StandUp, LinkState::Active, true)), (Request::None, 0));
    assert_eq!(ask(seen(RobotMode::Stand, LinkState::Active, true)), (Request::Policy, 2));
}

#[test]
fn out_of_a_stop_there_are_two_steps_each_taken_once() {
    let mut operator = operator(Goal::Reset);
    let state = seen(RobotMode::EStop, LinkState::EStop, true);
    let requests: Vec<_> = (0..60).map(|_| operator.step(&state).body.request()).collect();
    let asked: Vec<_> = requests.into_iter().filter(|r| *r != Request::None).collect();
    assert_eq!(asked, [Request::ResetStep1, Request::ResetStep2]);
}

#[test]
fn what_has_no_effect_is_asked_again_after_half_a_second() {
    let mut operator = operator(Goal::Policy(0));
    let state = seen(RobotMode::Stand, LinkState::Active, true);
    let asked: Vec<_> = (0..60).filter(|_| operator.step(&state).body.request() == Request::Policy).collect();
    assert_eq!(asked, [0, 25, 50]);
}
