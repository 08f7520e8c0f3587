//! The order of a shutdown: lie down, damp, disarm, released.
use sinew_wire::{LinkState, Request, RobotMode};

use crate::rig::Rig;

fn stop(mut rig: Rig) -> (Rig, Vec<RobotMode>, usize) {
    rig.control.request_stop();
    let mut modes = vec![rig.mode()];
    let mut ticks = 0;
    while !rig.control.is_released() {
        rig.tick();
        ticks += 1;
        assert!(ticks < 2000, "at most four seconds, now {:?} {}", modes, rig.link());
        if modes.last() != Some(&rig.mode()) {
            modes.push(rig.mode());
        }
        // While the robot still stands the drives stay on.
        if matches!(rig.mode(), RobotMode::Stand | RobotMode::LieDown | RobotMode::Policy) {
            assert_eq!(rig.link(), LinkState::Active);
        }
    }
    (rig, modes, ticks)
}

#[test]
fn a_standing_robot_lies_down_first() {
    use RobotMode::{Damping, LieDown, Off, Policy, Stand, StandUp};
    let (rig, modes, _) = stop(Rig::stand());
    assert_eq!(modes, [Stand, LieDown, Damping, Off]);
    assert_eq!(rig.link(), LinkState::Disabled);
    let (_, modes, _) = stop(Rig::policy());
    assert_eq!(modes, [Policy, LieDown, Damping, Off]);
    let mut rising = Rig::damping();
    rising.request(Request::StandUp, 0);
    rising.ticks(400);
    let (_, modes, _) = stop(rising);
    assert_eq!(modes, [StandUp, LieDown, Damping, Off]);
    let (_, modes, _) = stop(Rig::damping());
    assert_eq!(modes, [Damping, Off]);
}

#[test]
fn stopping_while_off_is_immediate() {
    let mut rig = Rig::new();
    rig.ticks(10);
    rig.control.request_stop();
    assert!(rig.control.is_released());
    // And before the first state was ever heard.
    let mut rig = Rig::new();
    rig.control.request_stop();
    assert!(rig.control.is_released());
}

#[test]
fn stopping_while_arming_gives_the_link_back() {
    let mut rig = Rig::new();
    rig.ticks(600);
    rig.request(Request::Acquire, 0);
    rig.request(Request::Arm, 0);
    let (rig, _, ticks) = stop(rig);
    assert!(ticks < 200);
    assert_ne!(rig.link(), LinkState::Active);
}

#[test]
fn nothing_climbs_any_more_once_it_stops() {
    let mut rig = Rig::damping();
    rig.control.request_stop();
    let mut standing = Rig::stand();
    standing.control.request_stop();
    for _ in 0..2000 {
        for (rig, request) in [(&mut rig, Request::StandUp), (&mut standing, Request::Policy)] {
            rig.request(request, 0);
            assert!(!matches!(rig.mode(), RobotMode::StandUp | RobotMode::Policy));
        }
        rig.request(Request::Arm, 0);
    }
    assert!(rig.control.is_released() && standing.control.is_released());
    assert_eq!((rig.link(), standing.link()), (LinkState::Disabled, LinkState::Disabled));
}
