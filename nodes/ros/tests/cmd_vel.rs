//! /cmd_vel is a lease client like any other: it asks when it may, keeps quiet otherwise, and lets go.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod robot_state;

use proptest::prelude::*;
use robot_state::{led, quad, standing};
use sinew_robot::Robot;
use sinew_ros::msg::builtin_interfaces::Time;
use sinew_ros::msg::geometry_msgs::TwistStamped;
use sinew_ros::{Acquire, CmdVel, CmdVelConfig, Gid, TwistRefusal};
use sinew_wire::{Request, RobotMode, RobotState, Source, WatchTime, robot_id};

const PERIOD_NS: u64 = 2_000_000;

fn cmd_vel(acquire: Acquire) -> CmdVel {
    CmdVel::new(CmdVelConfig { robot: "spot".to_owned(), boot_id: 4, acquire, policy: 0 }, PERIOD_NS)
}

fn twist(vx: f64, vy: f64, wz: f64) -> TwistStamped {
    let mut twist = TwistStamped::default();
    twist.twist.linear.x = vx;
    twist.twist.linear.y = vy;
    twist.twist.angular.z = wz;
    twist
}

fn at_step(step: u64) -> WatchTime {
    WatchTime::from_ns(step * PERIOD_NS)
}

/// A robot with somebody steering at 20 Hz from step 0.
struct Steered {
    robot: Robot,
    cmd: CmdVel,
}

impl Steered {
    fn new(acquire: Acquire) -> Self {
        let mut steered = Self { robot: quad(), cmd: cmd_vel(acquire) };
        let at = steered.robot.clone();
        assert_eq!(steered.cmd.step(&standing(&at, 0), at_step(0)), None, "nothing heard, nothing said");
        steered.hear(0);
        steered
    }

    /// The same, having asked for the lease.
    fn asking() -> Self {
        let mut steered = Self::new(Acquire::Auto);
        let state = standing(&steered.robot, 0);
        assert_eq!(steered.answer(&state).unwrap().0, Request::Acquire);
        steered
    }

    fn hear(&mut self, step: u64) {
        self.cmd.offer(&twist(0.5, -0.1, 0.2), Some(Gid([1; 16])), at_step(step)).unwrap();
    }

    fn answer(&mut self, state: &RobotState) -> Option<(Request, [f32; 3])> {
        let frame = self.cmd.step(state, at_step(state.header.step))?;
        Some((frame.body.request(), frame.body.velocity))
    }
}

#[test]
fn a_fresh_twist_takes_a_free_lease_and_then_walks() {
    let mut steered = Steered::new(Acquire::Auto);
    let state = standing(&steered.robot, 1);
    let frame = steered.cmd.step(&state, at_step(1)).unwrap();
    assert_eq!(frame.body.request(), Request::Acquire);
    assert_eq!(frame.body.velocity, [0.0; 3], "no velocity before the lease");
    assert_eq!(frame.header.epoch, 0);
    assert_eq!(frame.header.source, Source::CMD_VEL.0);
    assert_eq!(frame.header.robot, robot_id("spot"));
    assert_eq!(frame.header.based_on(), state.header.id());

    let state = led(&steered.robot, 2);
    let frame = steered.cmd.step(&state, at_step(2)).unwrap();
    assert_eq!((frame.body.request(), frame.body.argument), (Request::Policy, 0));
    assert_eq!(frame.body.velocity, [0.5, -0.1, 0.2]);
    assert_eq!(frame.header.epoch, 9);
    assert_eq!(frame.header.seq, 2);
    assert_eq!(steered.answer(&led(&steered.robot, 3)).unwrap().0, Request::None, "asked, not nagged");
    assert_eq!(steered.answer(&led(&steered.robot, 60)).unwrap().0, Request::Policy, "asked again");

    let mut walking = led(&steered.robot, 61);
    walking.body.robot_mode = RobotMode::Policy as u8;
    walking.body.active_policy = 0;
    assert_eq!(steered.answer(&walking), Some((Request::None, [0.5, -0.1, 0.2])));
}

#[test]
fn an_old_twist_is_zero_and_then_no_lease() {
    let mut steered = Steered::asking();
    let walking = |robot: &Robot, step| {
        let mut state = led(robot, step);
        state.body.robot_mode = RobotMode::Policy as u8;
        state.body.active_policy = 0;
        state
    };
    let robot = steered.robot.clone();
    assert_eq!(steered.answer(&walking(&robot, 250)), Some((Request::None, [0.5, -0.1, 0.2])));
    assert_eq!(steered.answer(&walking(&robot, 251)), Some((Request::None, [0.0; 3])), "after 0.5 s");
    assert_eq!(steered.answer(&walking(&robot, 500)), Some((Request::None, [0.0; 3])));
    assert_eq!(steered.answer(&walking(&robot, 501)), Some((Request::Release, [0.0; 3])), "after 1 s");
    assert_eq!(steered.answer(&standing(&robot, 502)), None, "let go");
}

#[test]
fn a_world_that_stood_still_does_not_keep_a_twist_alive() {
    let mut steered = Steered::asking();
    let state = led(&steered.robot, 1);
    let late = WatchTime::from_ns(2_000_000_001);
    let frame = steered.cmd.step(&state, late).unwrap();
    assert_eq!(frame.body.request(), Request::Release);
    assert_eq!(frame.body.velocity, [0.0; 3]);
}

#[test]
fn it_takes_nothing_from_others_and_moves_nothing_that_does_not_stand() {
    let mut steered = Steered::asking();
    let mut state = standing(&steered.robot, 1);
    state.body.lease_holder = Source::DRIVE.0;
    assert_eq!(steered.answer(&state), None);
    for mode in [RobotMode::Off, RobotMode::Damping, RobotMode::StandUp, RobotMode::EStop] {
        let mut state = standing(&steered.robot, 2);
        state.body.robot_mode = mode as u8;
        assert_eq!(steered.answer(&state), None, "{mode}");
        let mut state = led(&steered.robot, 2);
        state.body.robot_mode = mode as u8;
        assert_eq!(steered.answer(&state), Some((Request::Release, [0.0; 3])), "{mode}");
    }
}

#[test]
fn on_hardware_somebody_has_to_ask_first() {
    let mut steered = Steered::new(Acquire::Explicit);
    let state = standing(&steered.robot, 1);
    assert_eq!(steered.answer(&state), None);
    steered.cmd.ask();
    assert_eq!(steered.answer(&state).unwrap().0, Request::Acquire);
    assert_eq!(steered.answer(&led(&steered.robot, 600)).unwrap().0, Request::Release);
    steered.hear(601);
    assert_eq!(steered.answer(&standing(&steered.robot, 601)), None, "one asking, one lease");
}

#[test]
fn a_lease_left_behind_by_an_earlier_process_is_not_ours() {
    let mut steered = Steered::new(Acquire::Auto);
    assert_eq!(steered.answer(&led(&steered.robot.clone(), 1)), None, "waits until it lapses");
    assert_eq!(steered.answer(&standing(&steered.robot.clone(), 2)).unwrap().0, Request::Acquire);
    assert_eq!(steered.answer(&led(&steered.robot.clone(), 3)).unwrap().0, Request::Policy);
}

#[test]
fn a_run_that_begins_anew_hears_anew() {
    let mut steered = Steered::new(Acquire::Auto);
    steered.answer(&standing(&steered.robot, 100));
    assert_eq!(steered.answer(&standing(&steered.robot, 5)), None);
}

#[test]
fn twists_that_mean_something_else_are_refused_and_counted() {
    let mut cmd = cmd_vel(Acquire::Auto);
    let (first, second) = (Some(Gid([1; 16])), Some(Gid([2; 16])));
    let now = at_step(0);
    for bad in [twist(f64::NAN, 0.0, 0.0), twist(0.0, f64::INFINITY, 0.0), twist(0.0, 0.0, 1e300)] {
        assert_eq!(cmd.offer(&bad, first, now), Err(TwistRefusal::NotFinite));
    }
    let mut elsewhere = twist(1.0, 0.0, 0.0);
    elsewhere.header.frame_id = "odom".to_owned();
    assert_eq!(cmd.offer(&elsewhere, first, now), Err(TwistRefusal::Frame));
    for frame in ["", "base_link", "spot/base_link", "base_footprint"] {
        let mut here = twist(1.0, 0.0, 0.0);
        here.header.frame_id = frame.to_owned();
        here.header.stamp = Time { sec: 10, nanosec: 0 };
        assert_eq!(cmd.offer(&here, first, now), Ok(()), "{frame}");
    }
    let mut older = twist(1.0, 0.0, 0.0);
    older.header.stamp = Time { sec: 9, nanosec: 0 };
    assert_eq!(cmd.offer(&older, first, now), Err(TwistRefusal::Older));
    assert_eq!(cmd.offer(&twist(1.0, 0.0, 0.0), first, now), Ok(()), "a zero stamp is no stamp");
    assert_eq!(cmd.offer(&twist(1.0, 0.0, 0.0), second, at_step(249)), Err(TwistRefusal::OtherPublisher));
    assert_eq!(cmd.offer(&older, second, at_step(250)), Ok(()), "the first one has gone");
    let counters = cmd.counters();
    assert_eq!((counters.taken, counters.not_finite, counters.wrong_frame), (6, 3, 1));
    assert_eq!((counters.older, counters.other_publisher), (1, 1));
}

proptest! {
    /// Whatever arrives and whatever the robot does: finite, never armed, never steered without the lease.
    #[test]
    fn no_wish_beyond_its_rights(
        events in proptest::collection::vec((0..8_u8, 0..3_u8, any::<bool>(), 0..700_u64, any::<f64>()), 1..60),
    ) {
        let robot = quad();
        let mut cmd = cmd_vel(Acquire::Auto);
        let mut step = 0;
        let mut seq = 0;
        for (mode, holder, heard, ahead, value) in events {
            step += ahead;
            if heard {
                prop_assert!(cmd.offer(&twist(value, value, value), None, at_step(step)).is_ok() || !(value as f32).is_finite());
            }
            let mut state = standing(&robot, step);
            state.body.robot_mode = mode;
            state.body.lease_holder = [0, Source::CMD_VEL.0, Source::DRIVE.0][usize::from(holder)];
            state.body.lease_epoch = 3;
            if let Some(frame) = cmd.step(&state, at_step(step)) {
                let allowed = [Request::None, Request::Acquire, Request::Release, Request::Policy];
                prop_assert!(allowed.contains(&frame.body.request()));
                prop_assert!(frame.body.velocity.iter().all(|v| v.is_finite()));
                if holder != 1 {
                    prop_assert_eq!(frame.body.request(), Request::Acquire);
                    prop_assert_eq!(frame.body.velocity, [0.0; 3]);
                    prop_assert_eq!(holder, 0);
                }
                prop_assert!(frame.header.seq > seq);
                seq = frame.header.seq;
            }
        }
    }
}
