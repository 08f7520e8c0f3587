//! An emergency stop is heard from anybody, and left only by two steps meant for this stop.
use sinew_devices::emulator::DriveFault;
use sinew_wire::{Intent, LinkState, Refusal, Source};

use crate::rig::Rig;

fn stopped() -> Rig {
    let mut rig = Rig::stiff();
    let frame = rig.estop_frame();
    rig.bridge.hear(&frame);
    rig.cycle();
    assert_eq!(rig.bridge.link(), LinkState::EStop);
    assert!(rig.is_limp());
    rig
}

#[test]
fn it_is_heard_from_a_motion_source_a_command_and_the_input_in_every_state() {
    let states: [fn() -> Rig; 4] = [Rig::new, Rig::disabled, Rig::active, Rig::stiff];
    for made in states {
        let ways: [fn(&mut Rig); 3] = [
            |rig| {
                let frame = rig.estop_frame();
                rig.bridge.hear(&frame);
            },
            |rig| {
                // Neither writer nor epoch nor age fit.
                let mut frame = rig.estop_flag();
                frame.header.boot_id = 4321;
                frame.header.set_based_on(sinew_wire::FrameId { boot_id: 9, seq: 9 });
                rig.send(&frame).unwrap();
            },
            |rig| rig.bridge.estop_input(true),
        ];
        for way in ways {
            let mut rig = made();
            way(&mut rig);
            assert_eq!(rig.bridge.link(), LinkState::EStop);
            rig.cycle();
            assert!(rig.is_limp());
            assert_eq!(rig.state.body.writer_epoch, 0);
        }
    }
}

#[test]
fn other_robots_and_other_requests_are_not_meant() {
    let mut rig = Rig::stiff();
    let mut frame = rig.estop_frame();
    frame.header.robot ^= 1;
    rig.bridge.hear(&frame);
    let mut frame = rig.estop_frame();
    frame.body.request = sinew_wire::Request::Damping as u8;
    rig.bridge.hear(&frame);
    let mut flag = rig.estop_flag();
    flag.header.robot ^= 1;
    assert_eq!(rig.send(&flag), Ok(()));
    assert_eq!(rig.bridge.link(), LinkState::Active);
}

#[test]
fn two_steps_lead_out_by_way_of_a_new_check() {
    let mut rig = stopped();
    rig.cycles(100);
    rig.say(Intent::Disarm, &[]).unwrap();
    assert_eq!(rig.bridge.link(), LinkState::Fault, "one step is not enough");
    rig.cycle();
    rig.say(Intent::Disarm, &[]).unwrap();
    assert_eq!(rig.bridge.link(), LinkState::ConfigCheck);
    rig.until(LinkState::Disabled);
    assert_eq!(rig.drives_on(), 0);
    rig.cycles(100);
    rig.armed();
}

#[test]
fn nothing_meant_for_earlier_leads_out() {
    let mut rig = Rig::stiff();
    let old_epoch = rig.frame(Intent::Disarm, &[]);
    let mut old = rig.frame(Intent::Disarm, &[]);
    old.header.epoch = 0;
    let stop = rig.estop_frame();
    rig.bridge.hear(&stop);
    assert_eq!(rig.send(&old_epoch), Err(Refusal::Epoch), "the Disarm of a writer that is no more");
    rig.cycles(100);
    assert_eq!(rig.send(&old), Err(Refusal::Age), "a replay");
    let mut foreign = rig.frame(Intent::Disarm, &[]);
    foreign.header.source = Source::DRIVE.0;
    assert_eq!(rig.send(&foreign), Err(Refusal::Writer));
    let holding = rig.holding();
    assert!(rig.say(Intent::Run, &holding).is_err());
    rig.say(Intent::Arm, &[]).unwrap();
    assert_eq!(rig.bridge.link(), LinkState::EStop);
}

#[test]
fn a_pressed_input_or_a_moving_robot_keeps_it() {
    let mut rig = stopped();
    rig.cycles(100);
    rig.bridge.estop_input(true);
    assert_eq!(rig.say(Intent::Disarm, &[]), Err(Refusal::Link));
    rig.bridge.estop_input(false);
    rig.truth[0].dq_rad_s = 1.0;
    rig.cycles(100);
    assert_eq!(rig.say(Intent::Disarm, &[]), Err(Refusal::Link));
    rig.truth[0].dq_rad_s = 0.0;
    rig.cycles(200);
    assert_eq!(rig.say(Intent::Disarm, &[]), Ok(()));
}

#[test]
fn a_drive_fault_or_a_silent_drive_damps_all_the_others() {
    for (fault, within) in [(DriveFault::Silent, 7), (DriveFault::OverTemperature, 3)] {
        let mut rig = Rig::stiff();
        rig.drives[9].inject(fault);
        for _ in 0..within {
            rig.hold().unwrap();
            rig.cycle();
            if rig.bridge.link() != LinkState::Active {
                break;
            }
        }
        assert_eq!(rig.bridge.link(), LinkState::Fault, "{fault:?}");
        rig.cycle();
        assert!(rig.is_limp());
        assert!(rig.state.body.faults != 0);
    }
}

#[test]
fn silence_is_counted_in_the_misses_of_robot_yaml() {
    for misses_max in [1, 3, 12] {
        let mut config = crate::rig::config();
        config.reply_misses_max = misses_max;
        let mut rig = Rig::with(config);
        rig.until(LinkState::Disabled);
        rig.cycles(100);
        let mut rig = rig.armed();
        rig.drives[9].inject(DriveFault::Silent);
        let mut cycles = 0;
        while rig.bridge.link() == LinkState::Active {
            rig.hold().unwrap();
            rig.cycle();
            cycles += 1;
        }
        assert_eq!(cycles, misses_max);
    }
}
