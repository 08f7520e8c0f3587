//! A policy begins where the joints are, and ends in Stand.
use sinew_control::{Degrade, OnMiss};
use sinew_guard::Fault;
use sinew_robot::OnLoss;
use sinew_wire::{JointCommand, JointMode, LeaseRefusal, NO_POLICY, Request, RobotMode};

use crate::rig::{Rig, standing};

fn far(_: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    Some(stand.iter().map(|q| JointCommand::impedance(*q as f32 + 0.9, 0.0, 0.0, 30.0, 1.0)).collect())
}

fn silent(_: u64, _: &[f64]) -> Option<Vec<JointCommand>> {
    None
}

fn no_number(_: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    let mut joints = standing(0, stand)?;
    joints[3].q_rad = f32::NAN;
    Some(joints)
}

/// Leaves the two front hips alone.
fn partial(_: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    let mut joints = standing(0, stand)?;
    joints[0] = JointCommand::default();
    joints[3] = JointCommand::default();
    Some(joints)
}

fn refused(thought: crate::rig::Thought) -> Rig {
    let mut rig = Rig::stand();
    rig.thought = Some(thought);
    rig.request(Request::Policy, 0);
    assert_eq!(rig.seen.body.active_policy, 0, "it runs beside Stand until its first output");
    rig.ticks(60);
    assert_eq!((rig.mode(), rig.seen.body.active_policy), (RobotMode::Stand, NO_POLICY));
    rig
}

#[test]
fn a_first_action_far_away_is_not_followed() {
    let rig = refused(far);
    assert_eq!(rig.seen.body.lease_refusal, LeaseRefusal::Guard as u8);
    assert!(rig.command.joints.iter().all(|j| (j.kp - 60.0).abs() < 1e-3));
}

/// Pulls the hips to where they are, and says of the others, far from 0 rad, nothing about a position.
fn hips_alone(step: u64, stand: &[f64], other: JointCommand) -> Option<Vec<JointCommand>> {
    let mut joints = standing(step, stand)?;
    joints.iter_mut().enumerate().filter(|(i, _)| i % 3 != 0).for_each(|(_, joint)| *joint = other);
    Some(joints)
}

thread_local! {
    static PUSH: std::cell::Cell<JointMode> = const { std::cell::Cell::new(JointMode::Torque) };
}

#[test]
fn only_joints_that_the_policy_pulls_to_a_position_have_to_be_near_it() {
    let thoughts: [crate::rig::Thought; 3] = [
        |step, stand| hips_alone(step, stand, JointCommand::default()),
        |step, stand| hips_alone(step, stand, JointCommand::damping(3.0)),
        |step, stand| hips_alone(step, stand, JointCommand::impedance(0.0, 0.0, 0.0, 0.0, 3.0)),
    ];
    for thought in thoughts {
        let rig = Rig::policy_of(thought);
        assert_eq!((rig.mode(), rig.seen.body.active_policy), (RobotMode::Policy, 0));
    }
    // What cannot be compared with where the joint is does not begin.
    for push in [JointMode::Torque, JointMode::Velocity] {
        PUSH.with(|mode| mode.set(push));
        refused(|step, stand| {
            let mode = PUSH.with(std::cell::Cell::get) as u8;
            hips_alone(
                step,
                stand,
                JointCommand { tau_nm: 30.0, dq_rad_s: 5.0, mode, ..JointCommand::default() },
            )
        });
    }
    refused(|step, stand| hips_alone(step, stand, JointCommand::impedance(0.0, 0.0, 30.0, 0.0, 3.0)));
    // The least stiffness pulls, and one joint of it is enough.
    refused(|step, stand| {
        let mut joints = hips_alone(step, stand, JointCommand::default())?;
        joints[1] = JointCommand::impedance(stand[1] as f32 + 0.9, 0.0, 0.0, 0.1, 3.0);
        Some(joints)
    });
}

#[test]
fn a_policy_that_says_nothing_or_nonsense_never_begins() {
    refused(silent);
    refused(no_number);
}

#[test]
fn an_unknown_policy_is_refused() {
    let mut rig = Rig::stand();
    rig.request(Request::Policy, 7);
    assert_eq!((rig.seen.body.active_policy, rig.mode()), (NO_POLICY, RobotMode::Stand));
    assert_eq!(rig.seen.body.lease_refusal, LeaseRefusal::Guard as u8);
}

#[test]
fn stand_calls_off_a_policy_that_has_not_begun() {
    let mut rig = Rig::stand();
    rig.thought = Some(standing);
    rig.request(Request::Policy, 0);
    rig.request(Request::Stand, 0);
    rig.ticks(60);
    assert_eq!((rig.mode(), rig.seen.body.active_policy), (RobotMode::Stand, NO_POLICY));
}

#[test]
fn a_second_policy_does_not_slip_in_under_the_first() {
    let mut rig = Rig::policy();
    let activation = rig.seen.body.activation;
    rig.request(Request::Policy, 1);
    assert_eq!((rig.seen.body.active_policy, rig.seen.body.activation), (0, activation));
    assert_eq!(rig.seen.body.lease_refusal, LeaseRefusal::State as u8);
    rig.request(Request::Policy, 0);
    assert_eq!((rig.mode(), rig.seen.body.activation), (RobotMode::Policy, activation));
}

#[test]
fn a_policy_that_dies_hands_over_to_stand_after_two_misses() {
    let mut rig = Rig::policy();
    rig.ticks(100);
    rig.thought = Some(silent);
    let mut ticks = 0;
    while rig.mode() == RobotMode::Policy {
        rig.tick();
        ticks += 1;
    }
    assert_eq!(rig.mode(), RobotMode::Stand);
    assert!((10..=24).contains(&ticks), "{ticks}");
    assert!(rig.control.faults().contains(Fault::PolicyLost));
    rig.ticks(500);
    assert_eq!(rig.mode(), RobotMode::Stand);
    // Started anew it is judged anew.
    rig.thought = Some(standing);
    rig.request(Request::Policy, 0);
    rig.until(RobotMode::Policy);
    assert!(!rig.control.faults().contains(Fault::PolicyLost));
}

#[test]
fn a_policy_that_talks_nonsense_hands_over_to_stand_and_the_nonsense_is_not_followed() {
    let mut rig = Rig::policy();
    rig.ticks(100);
    rig.thought = Some(no_number);
    for _ in 0..20 {
        rig.tick();
        assert!(rig.command.joints.iter().all(JointCommand::is_finite));
    }
    assert_eq!(rig.mode(), RobotMode::Stand);
    assert!(rig.control.faults().contains(Fault::PolicyFault));
}

#[test]
fn a_lost_lease_and_a_silent_operator_lead_to_stand() {
    let mut rig = Rig::policy();
    rig.request(Request::Release, 0);
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::Stand);

    let mut rig = Rig::policy();
    rig.velocity = [0.3, 0.0, 0.0];
    rig.ticks(200);
    assert!((rig.seen.body.command[0] - 0.3).abs() < 1e-4);
    rig.operator_alive = false;
    for tick in 1..=520u32 {
        rig.tick();
        let (vx, mode) = (rig.seen.body.command[0], rig.mode());
        // Heartbeats come every 10 ticks, the ramp takes 0.3 m/s in 38.
        if tick < 40 {
            assert!((vx - 0.3).abs() < 1e-4, "tick {tick}");
        }
        if tick > 50 + 38 {
            assert_eq!(vx, 0.0, "tick {tick}");
        }
        if tick <= 490 {
            assert_eq!(mode, RobotMode::Policy, "tick {tick}");
        }
    }
    assert_eq!(rig.mode(), RobotMode::Stand);
}

#[test]
fn the_velocity_is_bounded_and_ramped() {
    let mut rig = Rig::policy();
    rig.velocity = [100.0, -100.0, 100.0];
    let mut last = [0.0; 3];
    for _ in 0..500 {
        rig.tick();
        let now = rig.seen.body.command;
        for ((a, b), rate) in last.iter().zip(now).zip([4.0, 4.0, 8.0]) {
            assert!((b - a).abs() <= rate * 0.002 + 1e-6);
        }
        last = now;
    }
    assert_eq!(last, [1.2, -0.5, 1.0]);
    rig.request(Request::Stand, 0);
    assert_eq!(rig.seen.body.command, [0.0; 3]);
}

#[test]
fn joints_that_a_policy_leaves_alone_are_held() {
    let mut rig = Rig::stand();
    let before: Vec<f32> = rig.command.joints.iter().map(|j| j.q_rad).collect();
    rig.thought = Some(partial);
    rig.request(Request::Policy, 0);
    rig.until(RobotMode::Policy);
    for _ in 0..400 {
        rig.tick();
        for joint in [0, 3] {
            let told = rig.command.joints[joint];
            assert!((told.q_rad - before[joint]).abs() < 0.02, "{}", told.q_rad);
            assert!((told.kp - 60.0).abs() < 1e-3 && (told.kd - 2.0).abs() < 1e-3);
        }
    }
    assert!((rig.command.joints[1].kp - 30.0).abs() < 1e-3, "the others are the policy's");
}

/// Ticks of silence until the policy is over, and what came of it.
fn silence(degrade: Degrade) -> (usize, Rig) {
    let mut rig = Rig::policy_declaring(degrade);
    rig.ticks(100);
    rig.thought = Some(silent);
    for tick in 1..400 {
        rig.tick();
        if rig.mode() != RobotMode::Policy {
            return (tick, rig);
        }
    }
    panic!("the policy is never over");
}

#[test]
fn misses_lead_where_the_policy_declares() {
    for (misses_max, on_miss, on_loss, ticks, mode, fault) in [
        (1, OnMiss::Hold, OnLoss::Stand, 1..=13, RobotMode::Stand, Fault::PolicyLost),
        (2, OnMiss::Hold, OnLoss::Stand, 11..=23, RobotMode::Stand, Fault::PolicyLost),
        (2, OnMiss::Hold, OnLoss::Damping, 11..=23, RobotMode::Damping, Fault::PolicyLost),
        (5, OnMiss::Damp, OnLoss::Stand, 41..=53, RobotMode::Stand, Fault::PolicyLost),
        (10, OnMiss::Hold, OnLoss::Stand, 91..=103, RobotMode::Stand, Fault::PolicyLost),
        (5, OnMiss::Fault, OnLoss::Stand, 1..=13, RobotMode::Stand, Fault::PolicyFault),
        (5, OnMiss::Fault, OnLoss::Damping, 1..=13, RobotMode::Damping, Fault::PolicyFault),
    ] {
        let degrade = Degrade { on_miss, misses_max, on_loss };
        let (after, rig) = silence(degrade);
        assert!(ticks.contains(&after), "{degrade:?}: {after}");
        assert_eq!(rig.mode(), mode, "{degrade:?}");
        assert!(rig.control.faults().contains(fault), "{degrade:?}");
    }
}

#[test]
fn a_policy_that_fails_is_followed_by_what_it_declares() {
    for (on_loss, mode) in [(OnLoss::Stand, RobotMode::Stand), (OnLoss::Damping, RobotMode::Damping)] {
        let mut rig = Rig::policy_declaring(Degrade { on_loss, ..Degrade::default() });
        rig.ticks(100);
        rig.thought = Some(no_number);
        rig.ticks(20);
        assert_eq!(rig.mode(), mode);
    }
}

/// Says nothing in every third run.
fn hesitant(step: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    if (step / 10).is_multiple_of(3) { None } else { standing(step, stand) }
}

#[test]
fn a_damped_miss_takes_the_stiffness_and_the_next_output_brings_it_back_without_a_step() {
    let mut rig = Rig::policy_declaring(Degrade { on_miss: OnMiss::Damp, ..Degrade::default() });
    rig.ticks(200);
    rig.thought = Some(hesitant);
    let (mut damped, mut last) = (0, rig.command.joints.clone());
    for _ in 0..300 {
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::Policy);
        let stiff = rig.command.joints[1].kp > 0.0;
        damped += usize::from(!stiff);
        for (now, before) in rig.command.joints.iter().zip(&last) {
            // Losing it is at once, gaining it is not.
            assert!(now.kp - before.kp < 2.0, "{} {}", before.kp, now.kp);
            assert!(now.kd > 0.0);
        }
        last.clone_from(&rig.command.joints);
    }
    assert!((80..=120).contains(&damped), "{damped}");
}

/// Its first run alone.
fn once(step: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    FIRST.with(|first| {
        let first_step = first.get().unwrap_or(step);
        first.set(Some(first_step));
        if step == first_step { standing(step, stand) } else { None }
    })
}

thread_local! {
    static FIRST: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

#[test]
fn a_miss_in_the_first_quarter_of_a_second_is_damped_in_its_very_tick() {
    let mut rig = Rig::declaring(Degrade { on_miss: OnMiss::Damp, misses_max: 5, ..Degrade::default() })
        .into_policy(once);
    let misses = rig.seen.body.policy_misses;
    let (mut stiff, mut damped) = (0, 0);
    for _ in 0..30 {
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::Policy);
        let missed = rig.seen.body.policy_misses > misses;
        for joint in &rig.command.joints {
            assert_eq!(joint.kp == 0.0, missed);
            assert!(!missed || joint.tau_nm == 0.0);
        }
        *(if missed { &mut damped } else { &mut stiff }) += 1;
    }
    assert!(stiff > 5 && damped > 15, "{stiff} {damped}");
}

/// Leaves a thigh and a calf alone.
fn without_two(step: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    let mut joints = standing(step, stand)?;
    joints[1] = JointCommand::default();
    joints[5] = JointCommand::default();
    Some(joints)
}

/// As [`without_two`], and says nothing in every third run.
fn without_two_and_hesitant(step: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    hesitant(step, stand).and_then(|_| without_two(step, stand))
}

#[test]
fn joints_that_a_policy_leaves_alone_stay_where_they_are_through_damped_misses() {
    let mut rig = Rig::policy_declaring(Degrade { on_miss: OnMiss::Damp, ..Degrade::default() });
    let began: Vec<f32> = rig.command.joints.iter().map(|j| j.q_rad).collect();
    assert!(began[1] > 0.5 && began[5] < -1.0, "far from zero: {began:?}");
    rig.thought = Some(without_two);
    rig.ticks(200);
    rig.thought = Some(without_two_and_hesitant);
    let (mut damped, mut stiff) = (0, 0);
    for _ in 0..300 {
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::Policy);
        for joint in [1, 5] {
            let told = rig.command.joints[joint];
            assert!((told.q_rad - began[joint]).abs() < 0.02, "joint {joint}: {}", told.q_rad);
            damped += usize::from(told.kp == 0.0);
            stiff += usize::from(told.kp > 0.0);
        }
    }
    assert!(damped > 100 && stiff > 100, "both happen: {damped} {stiff}");
}

fn policy_with(change: impl Fn(&mut sinew_control::ControlConfig)) -> Rig {
    let mut rig = Rig::new();
    let mut config = crate::rig::config(&rig.robot);
    change(&mut config);
    rig.control = sinew_control::Control::new(config).unwrap();
    rig.ticks(600);
    rig.request(Request::Acquire, 0);
    rig.request(Request::Arm, 0);
    rig.until(RobotMode::Damping);
    rig.request(Request::StandUp, 0);
    rig.until(RobotMode::Stand);
    rig.ticks(300);
    rig.thought = Some(standing);
    rig.request(Request::Policy, 0);
    rig.until(RobotMode::Policy);
    rig.velocity = [0.3, 0.0, 0.0];
    rig.ticks(200);
    rig
}

fn stops_first(config: &mut sinew_control::ControlConfig) {
    config.stop_first_s = 1.0;
}

#[test]
fn asked_to_leave_a_policy_that_must_stop_first_it_is_given_the_time() {
    for (request, next) in [(Request::Stand, RobotMode::Stand), (Request::LieDown, RobotMode::LieDown)] {
        let mut rig = policy_with(stops_first);
        assert!((rig.seen.body.command[0] - 0.3).abs() < 1e-4);
        rig.request(request, 0);
        let mut ticks = 0;
        while rig.mode() == RobotMode::Policy {
            rig.tick();
            ticks += 1;
            // The stick is still pressed; 0.3 m/s are gone in 38 ticks.
            assert!(ticks <= 40 || rig.seen.body.command[0] == 0.0, "tick {ticks}");
            assert!(ticks < 600);
            if ticks % 50 == 0 {
                rig.request(request, 0);
            }
        }
        assert!((480..=510).contains(&ticks), "asking again does not put it off: {ticks}");
        assert_eq!(rig.mode(), next);
    }
}

#[test]
fn a_policy_on_its_way_out_can_be_kept_and_damping_does_not_wait() {
    let mut rig = policy_with(stops_first);
    rig.request(Request::Stand, 0);
    rig.ticks(300);
    rig.request(Request::Policy, 0);
    rig.ticks(600);
    assert_eq!(rig.mode(), RobotMode::Policy);
    assert!((rig.seen.body.command[0] - 0.3).abs() < 1e-4, "and follows again");
    rig.request(Request::Stand, 0);
    rig.ticks(10);
    rig.request(Request::Damping, 0);
    assert_eq!(rig.mode(), RobotMode::Damping);
}

#[test]
fn a_lost_lease_lets_it_stop_first_while_the_operator_ladder_allows() {
    // Ticks after the last word in which the policy still moves the robot; the ladder's safe posture comes at 1 s.
    for (stop_first_s, last) in [(0.5, 249), (1.0, 499), (1.2, 500), (5.0, 500)] {
        let mut rig = policy_with(|config| config.stop_first_s = stop_first_s);
        rig.request(Request::Release, 0);
        for tick in 1..=last {
            rig.tick();
            assert_eq!(rig.mode(), RobotMode::Policy, "tick {tick}");
            assert!(tick < 40 || rig.seen.body.command == [0.0; 3], "tick {tick}");
        }
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::Stand, "tick {}", last + 1);
    }
}

#[test]
fn a_silent_operator_leads_to_stand_after_a_second_however_long_it_would_stop() {
    // Also where it was on its way out already.
    for (stop_first_s, last_word) in
        [(0.0, Request::None), (1.2, Request::None), (5.0, Request::None), (5.0, Request::Stand)]
    {
        let mut rig = policy_with(|config| config.stop_first_s = stop_first_s);
        rig.request(last_word, 0);
        rig.operator_alive = false;
        for tick in 1..=500 {
            rig.tick();
            assert_eq!(rig.mode(), RobotMode::Policy, "tick {tick}");
        }
        rig.tick();
        assert_eq!(rig.mode(), RobotMode::Stand, "{stop_first_s} {last_word}: 1.002 s after the last word");
    }
}

#[test]
fn who_asked_to_lie_down_and_fell_silent_is_obeyed() {
    let mut rig = policy_with(|config| config.stop_first_s = 5.0);
    rig.request(Request::LieDown, 0);
    rig.operator_alive = false;
    rig.ticks(500);
    assert_eq!(rig.mode(), RobotMode::Policy);
    rig.tick();
    assert_eq!(rig.mode(), RobotMode::LieDown);
}

#[test]
fn a_lost_policy_is_not_asked_to_stop() {
    let mut rig = policy_with(stops_first);
    rig.request(Request::Stand, 0);
    rig.thought = Some(silent);
    rig.ticks(40);
    assert_eq!(rig.mode(), RobotMode::Stand, "there is nobody left to stop");
    assert!(rig.control.faults().contains(Fault::PolicyLost));
}

#[test]
fn where_stand_cannot_catch_the_robot_a_lost_policy_is_damped() {
    for thought in [silent as crate::rig::Thought, no_number] {
        let mut rig = policy_with(|config| config.on_policy_loss = OnLoss::Damping);
        rig.thought = Some(thought);
        while rig.mode() == RobotMode::Policy {
            rig.tick();
        }
        assert_eq!(rig.mode(), RobotMode::Damping);
        assert!(rig.is_damped());
    }
}
