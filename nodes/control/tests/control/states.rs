//! The robot's states, tick by tick.
use sinew_control::{Control, Degrade, PolicyTiming};
use sinew_guard::Fault;
use sinew_wire::{Intent, LeaseRefusal, LinkState, Request, RobotMode, Source};

use crate::rig::{Rig, config};

fn refusal(rig: &Rig) -> LeaseRefusal {
    LeaseRefusal::ALL[usize::from(rig.seen.body.lease_refusal)]
}

#[test]
fn from_off_to_policy_and_back() {
    let mut rig = Rig::policy();
    assert_eq!((rig.seen.body.active_policy, rig.link()), (0, LinkState::Active));
    rig.request(Request::Stand, 0);
    assert_eq!(rig.mode(), RobotMode::Stand);
    rig.request(Request::LieDown, 0);
    rig.until(RobotMode::Damping);
    assert_eq!(rig.link(), LinkState::Active);
    assert!(rig.is_damped());
}

#[test]
fn nothing_climbs_without_the_lease() {
    let mut rig = Rig::new();
    rig.operator_alive = false;
    rig.ticks(600);
    for request in [Request::Arm, Request::StandUp, Request::Policy, Request::ResetStep1] {
        rig.request(request, 0);
        rig.ticks(20);
        assert_eq!((rig.mode(), refusal(&rig)), (RobotMode::Off, LeaseRefusal::NoLease), "{request}");
        assert_eq!((rig.link(), rig.command.body.intent()), (LinkState::Disabled, Intent::Observe));
    }
}

#[test]
fn a_lease_lost_while_arming_ends_the_arming() {
    let mut rig = Rig::new();
    rig.ticks(600);
    rig.request(Request::Acquire, 0);
    // The bridge never grants; the operator asks and goes away.
    rig.request(Request::Arm, 0);
    rig.request(Request::Release, 0);
    rig.operator_alive = false;
    rig.ticks(200);
    assert_eq!((rig.mode(), rig.link()), (RobotMode::Off, LinkState::Disabled));
    assert_ne!(rig.command.body.intent(), Intent::Run);
}

#[test]
fn standing_up_needs_a_healthy_estimator_and_an_upright_robot() {
    let mut rig = Rig::new();
    rig.tick();
    rig.request(Request::Acquire, 0);
    rig.request(Request::Arm, 0);
    rig.until(RobotMode::Damping);
    rig.request(Request::StandUp, 0);
    assert_eq!((rig.mode(), refusal(&rig)), (RobotMode::Damping, LeaseRefusal::Guard), "not yet initialised");
    let mut rig = Rig::new();
    rig.tilt(0.8);
    rig.ticks(600);
    rig.request(Request::Acquire, 0);
    rig.request(Request::Arm, 0);
    rig.until(RobotMode::Damping);
    rig.request(Request::StandUp, 0);
    assert_eq!((rig.mode(), refusal(&rig)), (RobotMode::Damping, LeaseRefusal::Guard), "on a steep slope");
}

#[test]
fn damping_and_estop_come_within_one_tick_from_anybody_in_every_state() {
    let states: [fn() -> Rig; 4] = [Rig::damping, Rig::stand, Rig::policy, || {
        let mut rig = Rig::damping();
        rig.request(Request::StandUp, 0);
        rig.ticks(300);
        assert_eq!(rig.mode(), RobotMode::StandUp);
        rig
    }];
    for made in states {
        for (request, mode) in [(Request::Damping, RobotMode::Damping), (Request::EStop, RobotMode::EStop)] {
            let mut rig = made();
            let mut frame = rig.ask(request, 0);
            frame.header.source = 0x5555;
            frame.header.set_based_on(sinew_wire::FrameId::default());
            rig.tick_with(&[frame]);
            assert_eq!(rig.mode(), mode);
            assert!(rig.is_damped(), "in the same tick");
        }
    }
}

#[test]
fn estop_reaches_the_bridge_and_is_left_by_two_steps_under_a_fresh_lease() {
    let mut rig = Rig::policy();
    rig.request(Request::EStop, 0);
    assert_eq!((rig.mode(), rig.link()), (RobotMode::EStop, LinkState::EStop));
    assert_eq!(rig.seen.body.lease_holder, 0, "the lease is gone");
    rig.request(Request::ResetStep1, 0);
    rig.request(Request::ResetStep2, 0);
    assert_eq!(rig.mode(), RobotMode::EStop);
    rig.request(Request::Acquire, 0);
    rig.request(Request::ResetStep2, 0);
    assert_eq!((rig.mode(), refusal(&rig)), (RobotMode::EStop, LeaseRefusal::Guard), "step 1 first");
    rig.request(Request::ResetStep1, 0);
    assert_eq!(rig.mode(), RobotMode::EStop);
    // Another lease in between takes the first step away.
    rig.request(Request::Release, 0);
    rig.request(Request::Acquire, 0);
    rig.request(Request::ResetStep2, 0);
    assert_eq!(rig.mode(), RobotMode::EStop);
    rig.request(Request::ResetStep1, 0);
    rig.request(Request::ResetStep2, 0);
    assert_eq!(rig.mode(), RobotMode::Off);
    rig.ticks(5);
    assert_eq!((rig.mode(), rig.link()), (RobotMode::Off, LinkState::Disabled));
    rig.request(Request::Arm, 0);
    rig.until(RobotMode::Damping);
}

#[test]
fn a_pressed_input_wins_over_a_reset() {
    let mut rig = Rig::stand();
    rig.state.body.faults = 1 << Fault::EStopInput as u8;
    rig.set_link(LinkState::EStop);
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::EStop);
    rig.request(Request::Acquire, 0);
    rig.request(Request::ResetStep1, 0);
    rig.request(Request::ResetStep2, 0);
    rig.set_link(LinkState::EStop);
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::EStop);
    assert_eq!(rig.command.body.intent(), Intent::Observe);
}

#[test]
fn a_reset_that_the_bridge_does_not_take_is_given_up() {
    let mut rig = Rig::stand();
    rig.set_link(LinkState::Fault);
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::FaultStop);
    rig.request(Request::Acquire, 0);
    rig.request(Request::ResetStep1, 0);
    assert_eq!(rig.mode(), RobotMode::Off);
    rig.request(Request::ResetStep2, 0);
    let mut asked = 0;
    for _ in 0..1200 {
        rig.set_link(LinkState::Fault);
        asked += u32::from(rig.command.body.intent() == Intent::Disarm);
        rig.tick();
    }
    assert!((900..1100).contains(&asked), "{asked}");
    assert_eq!(rig.command.body.intent(), Intent::Observe);
}

#[test]
fn a_link_that_goes_down_stops_the_robot() {
    for link in [LinkState::Damping, LinkState::Fault, LinkState::Disabled, LinkState::Boot] {
        let mut rig = Rig::policy();
        rig.set_link(link);
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::FaultStop, "{link}");
        assert!(rig.is_damped());
        assert!(rig.control.faults().contains(Fault::LinkDown));
    }
}

#[test]
fn a_link_under_another_writer_is_not_ours() {
    let mut rig = Rig::stand();
    rig.state.body.writer_boot = 4711;
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::FaultStop);
    assert_eq!(rig.command.body.intent(), Intent::Observe, "nothing is said in another's name");
    // And nothing is armed on it.
    let mut rig = Rig::new();
    rig.ticks(600);
    rig.request(Request::Acquire, 0);
    rig.state.body.writer_boot = 4711;
    rig.state.body.writer_epoch = 3;
    rig.state.body.writer_source = Source::CONTROL.0;
    rig.state.body.link_state = LinkState::Active as u8;
    rig.request(Request::Arm, 0);
    rig.ticks(10);
    assert_eq!(rig.mode(), RobotMode::Off);
}

#[test]
fn a_gap_in_the_states_stops_and_disarms() {
    for made in [Rig::damping as fn() -> Rig, Rig::stand, Rig::policy] {
        let mut rig = made();
        let expected = if rig.mode() == RobotMode::Damping { RobotMode::Off } else { RobotMode::FaultStop };
        rig.state.header.step += 1500;
        rig.tick();
        assert_eq!(rig.mode(), expected);
        assert!(rig.control.faults().contains(Fault::StateGap));
        assert_eq!(rig.command.body.intent(), Intent::Disarm);
        rig.ticks(5);
        assert_ne!(rig.link(), LinkState::Active);
    }
    // Backwards, too; but a state or two lost on the way are none.
    let mut rig = Rig::stand();
    rig.state.header.step += 3;
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::Stand);
    rig.state.header.step -= 10;
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::FaultStop);
}

#[test]
fn a_gap_is_forgotten_by_a_reset_alone() {
    let mut rig = Rig::stand();
    rig.state.header.step += 1500;
    rig.tick();
    rig.ticks(100);
    assert!(rig.control.faults().contains(Fault::StateGap));
    rig.request(Request::Acquire, 0);
    rig.request(Request::ResetStep1, 0);
    assert_eq!(rig.mode(), RobotMode::Off);
    rig.request(Request::ResetStep2, 0);
    rig.ticks(5);
    assert!(!rig.control.faults().contains(Fault::StateGap));
    rig.request(Request::Arm, 0);
    rig.until(RobotMode::Damping);
}

#[test]
fn tilt_damps_in_the_tick_in_which_it_is_known() {
    for made in [Rig::stand as fn() -> Rig, Rig::policy] {
        let mut rig = made();
        // It falls over: 4 rad/s of pitch.
        rig.gyro_rad_s = [0.0, 4.0, 0.0];
        let limit = rig.robot.protection.tilt_limit_rad as f32;
        let standing = rig.mode();
        for _ in 0..500 {
            rig.tick();
            let tilt = (-rig.seen.body.projected_gravity[2]).clamp(-1.0, 1.0).acos();
            if tilt > limit {
                break;
            }
            assert_eq!(rig.mode(), standing, "tilt {tilt}");
        }
        assert_eq!(rig.mode(), RobotMode::Damping);
        assert!(rig.is_damped());
    }
}

#[test]
fn a_dead_inertial_sensor_lies_the_robot_down() {
    let mut rig = Rig::stand();
    rig.state.body.faults = 1 << Fault::ImuSilent as u8;
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::LieDown);
    rig.until(RobotMode::Damping);
    rig.request(Request::StandUp, 0);
    rig.tick();
    assert_ne!(rig.mode(), RobotMode::Stand, "the fault presses as long as it lasts");
}

#[test]
fn standing_up_again_while_lying_down() {
    let mut rig = Rig::stand();
    rig.request(Request::LieDown, 0);
    rig.ticks(200);
    rig.request(Request::StandUp, 0);
    assert_eq!(rig.mode(), RobotMode::StandUp);
    rig.until(RobotMode::Stand);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let robot = Rig::new().robot;
    type Case = (&'static str, fn(&mut sinew_control::ControlConfig));
    let cases: &[Case] = &[
        ("postures.stand", |c| c.stand_posture_rad.truncate(11)),
        ("legs", |c| c.legs.clear()),
        ("policy 1: latency_ticks", |c| c.policies[1].latency_ticks = 0),
        ("policy 1: latency_ticks: found 71, allowed are 70", |c| c.policies[1].latency_ticks = 71),
        ("policy 0: latency_ticks: found 8, allowed are 7", |c| {
            c.policies[0] = PolicyTiming { decimation: 1, latency_ticks: 8 };
        }),
        ("policy 0: decimation", |c| c.policies[0].decimation = 0),
        ("limits", |c| c.limits.joints[0].tau_max_nm = 99.0),
    ];
    for (expected, spoil) in cases {
        let mut config = config(&robot);
        spoil(&mut config);
        let error = Control::new(config).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_policy_may_be_missing_for_a_fifth_of_a_second_at_most() {
    let robot = Rig::new().robot;
    // Runs of 20 ms.
    for (misses_max, decimation, expected) in [
        (10, 10, None),
        (
            11,
            10,
            Some("policy 1: misses_max: 11 missed runs are 220 ms without a new target, allowed are 200 ms"),
        ),
        (1000, 10, Some("20000 ms")),
        (u32::MAX, u64::MAX, Some("policy 1: misses_max")),
        // What is not declared is bounded all the same.
        (2, 50, None),
        (2, 51, Some("204 ms")),
    ] {
        let mut config = config(&robot);
        config.policies[1].decimation = decimation;
        if misses_max != Degrade::default().misses_max {
            config.degrades = vec![Degrade::default(), Degrade { misses_max, ..Degrade::default() }];
        }
        let error = Control::new(config).err().map(|e| e.to_string());
        match (expected, &error) {
            (None, None) => {}
            (Some(expected), Some(error)) => assert!(error.contains(expected), "{error}"),
            _ => panic!("{misses_max} of {decimation} ticks: {error:?}"),
        }
    }
}

#[test]
fn measurements_that_are_no_numbers_never_become_a_push() {
    let mut rig = Rig::stand();
    rig.state.joints[4].q_rad = f32::NAN;
    rig.state.joints[5].dq_rad_s = f32::INFINITY;
    for _ in 0..50 {
        rig.tick();
        assert!(rig.command.joints.iter().all(sinew_wire::JointCommand::is_finite));
        assert!(rig.command.joints[4].kp == 0.0 || rig.command.body.intent() != Intent::Run);
        assert!(rig.seen.body.projected_gravity.iter().all(|g| g.is_finite()));
        rig.state.joints[4].q_rad = f32::NAN;
    }
}
