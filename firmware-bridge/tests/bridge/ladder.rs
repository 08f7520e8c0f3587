//! What a drive is told when commands stop, measured on the frames.
use sinew_devices::damiao::Request;
use sinew_guard::{Fault, FaultSet};
use sinew_wire::{Intent, LinkState, Refusal, Stage};

use crate::rig::{Rig, config};

/// Stops commanding a stiff robot that pushes with 5 N m; kp, kd and torque at the first drive, by age in ms.
fn fall_silent(mut rig: Rig, cycles: u64) -> Vec<(u64, Stage, f64, f64, f64)> {
    let mut pushing = rig.holding();
    pushing.iter_mut().for_each(|joint| joint.tau_nm = 5.0);
    rig.say(Intent::Run, &pushing).unwrap();
    let at = rig.state.header.step;
    (0..cycles)
        .map(|_| {
            rig.cycle();
            let c = rig.mit().next().unwrap().unwrap();
            assert!(
                rig.mit().flatten().all(|o| (o.kp, o.kd, o.tau_nm) == (c.kp, c.kd, c.tau_nm)),
                "all joints walk down the same ladder"
            );
            (2 * (rig.state.header.step - at), rig.bridge.stage(), c.kp, c.kd, c.tau_nm)
        })
        .collect()
}

#[test]
fn rungs_lie_at_8_10_and_50_ms() {
    let mut last_kp = 60.1;
    let log = fall_silent(Rig::stiff(), 40);
    for (age_ms, stage, kp, kd, tau_nm) in log {
        match age_ms {
            0..=8 => {
                assert_eq!(stage, Stage::Fresh, "{age_ms}");
                assert!((kp - 60.0).abs() < 0.1 && (kd - 2.0).abs() < 0.01 && (tau_nm - 5.0).abs() < 0.05);
            }
            9..=48 => {
                assert_eq!(stage, Stage::Ramp, "{age_ms}");
                let progress = (age_ms - 10) as f64 / 40.0;
                assert!((kp - 60.0 * (1.0 - progress)).abs() < 0.2, "{age_ms}: {kp}");
                assert!((kd - 2.0 - progress).abs() < 0.01 && tau_nm.abs() < 0.02);
            }
            _ => {
                assert_eq!(stage, Stage::Damp, "{age_ms}");
                assert!(kp == 0.0 && (kd - 3.0).abs() < 0.01 && tau_nm.abs() < 0.02);
            }
        }
        assert!(kp <= last_kp);
        last_kp = kp;
    }
}

#[test]
fn between_fresh_and_ramp_the_command_is_held() {
    let mut config = config();
    config.limits.timing.valid_for_ns = 6_000_000;
    config.limits = config.limits.seal();
    let mut rig = Rig::with(config);
    rig.until(LinkState::Disabled);
    rig.cycles(100);
    let mut rig = rig.armed();
    for _ in 0..120 {
        rig.hold().unwrap();
        rig.cycle();
    }
    let log = fall_silent(rig, 5);
    assert_eq!(log.iter().map(|entry| entry.1).collect::<Vec<_>>(), {
        use Stage::{Fresh, Hold, Ramp};
        [Fresh, Fresh, Fresh, Hold, Ramp]
    });
    assert!((log[3].2 - 60.0).abs() < 0.1 && (log[3].4 - 5.0).abs() < 0.05);
}

#[test]
fn damping_is_latched_until_armed_again() {
    let mut rig = Rig::stiff();
    rig.cycles(30);
    assert_eq!(rig.bridge.link(), LinkState::Damping);
    assert!(FaultSet::from_bits(rig.state.body.faults).contains(Fault::CommandLost));
    for _ in 0..20 {
        assert_eq!(rig.hold(), Err(Refusal::Link));
        rig.cycle();
        assert!(rig.is_limp());
    }
    rig.until(LinkState::Disabled);
    assert_ne!(rig.hold(), Ok(()), "the epoch is gone, too");
    let mut rig = rig.armed();
    assert_eq!(rig.state.body.faults, 0);
    rig.hold().unwrap();
}

#[test]
fn a_commander_that_never_says_run_loses_the_drives_too() {
    let mut rig = Rig::active();
    rig.cycles(26);
    assert_eq!(rig.bridge.link(), LinkState::Damping);
}

#[test]
fn drives_go_off_after_half_a_second_of_rest_and_no_earlier() {
    let mut rig = Rig::stiff();
    rig.until(LinkState::Damping);
    let damped_at = rig.step;
    rig.cycles(20);
    rig.truth[8].dq_rad_s = 0.3;
    rig.cycles(500);
    assert_eq!(rig.bridge.link(), LinkState::Damping, "a joint moves");
    rig.truth[8].dq_rad_s = 0.0;
    let moved_until = rig.step;
    rig.until(LinkState::Disabled);
    assert!(rig.step - moved_until >= 250, "{} cycles", rig.step - moved_until);
    assert!(rig.step - moved_until < 400 && moved_until > damped_at);
    assert_eq!(rig.drives_on(), 0);
    rig.cycle();
    assert!((0..12).all(|joint| rig.told(joint) == Some(Request::Refresh)));
}

#[test]
fn disarm_damps_first_and_switches_off_at_rest() {
    let mut rig = Rig::stiff();
    rig.say(Intent::Disarm, &[]).unwrap();
    assert_eq!(rig.bridge.link(), LinkState::Damping);
    rig.cycle();
    assert!(rig.is_limp() && rig.drives_on() == 12);
    rig.until(LinkState::Disabled);
    assert_eq!(rig.drives_on(), 0);
}

#[test]
fn a_bridge_that_was_stopped_never_sends_what_it_held() {
    for gap in [25, 100, 1500, 1_000_000] {
        let mut rig = Rig::stiff();
        rig.hold().unwrap();
        rig.step += gap;
        for _ in 0..50 {
            rig.cycle();
            assert!(rig.is_limp(), "after a gap of {gap} cycles");
            assert_ne!(rig.hold(), Ok(()));
        }
        assert_ne!(rig.bridge.link(), LinkState::Active);
    }
}

#[test]
fn a_step_that_goes_back_is_no_younger_command() {
    let mut rig = Rig::stiff();
    rig.hold().unwrap();
    let restarted = rig.step / 2;
    rig.bridge.begin(restarted, u32::MAX, &mut rig.frames);
    assert!(rig.is_limp(), "an age that cannot be told is too old");
    assert_eq!(rig.bridge.link(), LinkState::Damping);
    rig.bridge.begin(restarted, u32::MAX, &mut rig.frames);
    assert!(rig.is_limp(), "the same step twice");
}

#[test]
fn commands_that_are_refused_do_not_hold_the_ladder_up() {
    let mut rig = Rig::stiff();
    rig.hold().unwrap();
    let holding = rig.holding();
    for n in 0..40u32 {
        let mut frame = rig.frame(Intent::Run, &holding);
        let expected = match n % 5 {
            0 => {
                frame.joints[2].q_rad = f32::NAN;
                Refusal::NonFinite
            }
            1 => {
                frame.joints[2].kp = 500.0;
                Refusal::Gains
            }
            2 => {
                frame.header.epoch += 1;
                Refusal::Epoch
            }
            3 => {
                frame.header.seq = 1;
                Refusal::Sequence
            }
            _ => {
                frame.joints.truncate(11);
                Refusal::Joints
            }
        };
        let refused = rig.send(&frame);
        if rig.bridge.link() == LinkState::Active {
            assert_eq!(refused, Err(expected));
        }
        assert!(refused.is_err());
        rig.cycle();
    }
    assert_eq!(rig.bridge.link(), LinkState::Damping);
    assert!(rig.is_limp());
    assert!(rig.state.body.refused >= 24);
    assert_eq!(rig.bridge.take(b"not a frame"), Err(Refusal::Malformed));
}
