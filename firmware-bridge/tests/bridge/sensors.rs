//! Samples name the cycle they were taken in, or they do not count.
use sinew_devices::emulator::SensorFault;
use sinew_guard::{Fault, FaultSet};

use crate::rig::{PERIOD_NS, Rig};

fn imu_silent(rig: &Rig) -> bool {
    FaultSet::from_bits(rig.state.body.faults).contains(Fault::ImuSilent)
}

#[test]
fn healthy_samples_are_valid_and_fresh() {
    let mut rig = Rig::disabled();
    let missing = rig.state.body.missing;
    rig.cycles(600);
    let body = &rig.state.body;
    assert_eq!((body.imu_count, body.contact_count, body.missing), (1, 4, missing));
    assert!(body.imus[0].valid == 1 && body.imus[0].age_us == 0);
    assert!((body.imus[0].accel_m_s2[2] - 9.81).abs() < 0.01);
    assert!(body.contacts.iter().take(4).all(|c| c.valid == 1 && (c.force_n - 30.0).abs() < 0.1));
}

#[test]
fn a_sensor_that_repeats_itself_is_never_believed_again() {
    let mut rig = Rig::disabled();
    rig.imu.inject(SensorFault::Replayed);
    rig.feet[2].inject(SensorFault::Replayed);
    // Longer than the counter takes to come round.
    for n in 0..600u32 {
        rig.cycle();
        let body = &rig.state.body;
        assert_eq!((body.imus[0].valid, body.contacts[2].valid), (0, 0), "cycle {n}");
        assert_eq!(body.imus[0].age_us, 2000 * (n + 1));
        assert_eq!(imu_silent(&rig), n >= 4, "cycle {n}");
    }
    assert_eq!(rig.state.body.contacts[1].valid, 1);
    rig.imu.inject(SensorFault::Recover);
    rig.cycle();
    assert_eq!((rig.state.body.imus[0].valid, rig.state.body.imus[0].age_us), (1, 0));
}

#[test]
fn failed_and_saturated_inertial_samples_are_left_out() {
    for fault in [SensorFault::Failed, SensorFault::Saturated, SensorFault::Silent] {
        let mut rig = Rig::disabled();
        rig.imu.inject(fault);
        rig.cycles(5);
        assert_eq!(rig.state.body.imus[0].valid, 0, "{fault:?}");
        assert!(imu_silent(&rig));
        assert!((rig.state.body.imus[0].accel_m_s2[2] - 9.81).abs() < 0.01, "the last good one stays");
    }
}

#[test]
fn half_a_sample_is_no_sample() {
    let mut rig = Rig::disabled();
    rig.gyro_rad_s = [0.05, 0.0, 0.0];
    rig.cycle();
    let before = rig.state.body.imus[0];
    rig.gyro_rad_s = [0.09, 0.0, 0.0];
    // The gyroscope's frame arrives, the accelerometer's is lost.
    let step = rig.step;
    rig.bridge.begin(step, u32::MAX, &mut rig.frames);
    rig.exchange(step);
    let bus = rig.config.imus[0].bus;
    rig.replies[bus].retain(|r| r.frame.id() != sinew_bus::CanId::Standard(0xA1));
    for (bus, replies) in rig.replies.iter().enumerate() {
        rig.bridge.collect(bus, replies);
    }
    let sample = rig.bridge.finish().body.imus[0];
    assert_eq!((sample.valid, sample.gyro_rad_s), (0, before.gyro_rad_s));
}

/// One cycle in which the replies `late` picks arrive after the cutoff.
fn cycle_with_late(rig: &mut Rig, late: impl Fn(u16) -> bool) {
    let step = rig.step;
    rig.bridge.begin(step, u32::MAX, &mut rig.frames);
    rig.exchange(step);
    for (bus, replies) in rig.replies.iter_mut().enumerate() {
        for reply in replies.iter_mut() {
            if let sinew_bus::CanId::Standard(id) = reply.frame.id()
                && late(id)
            {
                reply.at_ns = step * PERIOD_NS + rig.config.cutoff_ns + 1;
            }
        }
        rig.bridge.collect(bus, replies);
    }
    rig.state = rig.bridge.finish().clone();
    rig.step += 1;
}

#[test]
fn a_late_reply_is_missing_now_and_a_period_old_in_the_next_cycle() {
    let mut rig = Rig::disabled();
    let missing = rig.state.body.missing;
    // The drives with master id 0x12 (one per bus), the gyroscope and one foot.
    let late = |id| id == 0x12 || id == 0xA0 || id == 0xB1;
    cycle_with_late(&mut rig, late);
    let body = &rig.state.body;
    assert_eq!(body.missing, missing + 3 + 1 + 1);
    assert_eq!((rig.state.joints[3].valid, body.imus[0].valid, body.contacts[1].valid), (0, 0, 0));
    assert_eq!((rig.state.joints[0].valid, body.contacts[0].valid), (1, 1));
    // Nothing newer comes: the late ones are what there is.
    let silent = |rig: &mut Rig| {
        let step = rig.step;
        rig.bridge.begin(step, u32::MAX, &mut rig.frames);
        (0..rig.replies.len()).for_each(|bus| rig.bridge.collect(bus, &[]));
        rig.state = rig.bridge.finish().clone();
        rig.step += 1;
    };
    silent(&mut rig);
    let body = &rig.state.body;
    assert_eq!((rig.state.joints[3].valid, rig.state.joints[3].age_us), (1, 2000));
    assert_eq!((body.imus[0].valid, body.imus[0].age_us), (1, 2000));
    assert_eq!((body.contacts[1].valid, body.contacts[1].age_us), (1, 2000));
    assert_eq!(rig.state.joints[0].valid, 0);
    silent(&mut rig);
    assert_eq!((rig.state.joints[3].valid, rig.state.body.imus[0].valid), (0, 0), "once, not twice");
}

#[test]
fn replies_that_are_always_late_are_counted_but_keep_the_robot_alive() {
    let mut rig = Rig::stiff();
    let missing = rig.state.body.missing;
    for _ in 0..50 {
        rig.hold().unwrap();
        cycle_with_late(&mut rig, |id| id == 0x12);
    }
    assert_eq!(rig.state.body.missing, missing + 150);
    assert_eq!(rig.bridge.link(), sinew_wire::LinkState::Active);
    assert!(rig.state.joints[3].valid == 1 && rig.state.joints[3].age_us == 2000);
}

#[test]
fn late_replies_of_before_a_stop_are_not_delivered_after_it() {
    let mut rig = Rig::disabled();
    cycle_with_late(&mut rig, |id| id == 0x12);
    rig.step += 500;
    let step = rig.step;
    rig.bridge.begin(step, u32::MAX, &mut rig.frames);
    (0..rig.replies.len()).for_each(|bus| rig.bridge.collect(bus, &[]));
    assert_eq!(rig.bridge.finish().joints[3].valid, 0);
}
