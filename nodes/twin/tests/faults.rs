//! Each scripted disturbance is felt where it should be, and healed when it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking

mod host;
use host::Host;
use sinew_bus::BusFaults;
use sinew_devices::damiao::{self, Fault, Register, RegisterValue};
use sinew_devices::emulator::{DriveFault, SensorFault};
use sinew_twin::{EventError, ExchangeError, HostFrames, Replies, WorldEvent};

fn standing() -> Host {
    let mut host = Host::seeded(5);
    host.stand_up(1.5);
    host.hold(250);
    host
}

#[test]
fn a_push_is_seen_in_velocity_and_felt_by_the_imu() {
    let mut host = standing();
    host.twin.apply(&WorldEvent::Push { delta_v_m_s: [0.4, 0.0, 0.0], over_s: 0.0 }).unwrap();
    host.hold(1);
    let truth = host.twin.truth();
    assert!(truth.velocity_body_m_s[0] > 0.2, "{:?}", truth.velocity_body_m_s);
    assert!(truth.imus[0].accel_m_s2[0] > 100.0, "{:?}", truth.imus[0]);
    assert_eq!(truth.last_push.map(|p| p.step), Some(host.step - 1));
    assert_eq!(truth.pushes, 1);
    host.hold(1000);
    assert!(host.twin.truth().tilt_rad < 0.2, "a small push does not fell it");
}

#[test]
fn a_push_spread_over_time_gives_the_same_velocity_gently() {
    let mut host = standing();
    // In the air, so that the ground takes none of it.
    let q = host.robot.postures.stand.q_rad.clone();
    let pose = sinew_twin::BasePose { position_m: [0.0, 0.0, 2.0], orientation: [1.0, 0.0, 0.0, 0.0] };
    host.twin.place(&pose, &q).unwrap();
    host.twin.apply(&WorldEvent::Push { delta_v_m_s: [0.0, 0.5, 0.0], over_s: 0.05 }).unwrap();
    let mut most: f64 = 0.0;
    for _ in 0..25 {
        host.hold(1);
        most = most.max(host.twin.truth().imus[0].accel_m_s2[1].abs());
    }
    assert!((host.twin.truth().base.linear_velocity_m_s[1] - 0.5).abs() < 0.01);
    assert!((8.0..14.0).contains(&most), "0.5 m/s over 0.05 s is 10 m/s^2, felt {most}");
}

#[test]
fn random_pushes_repeat_with_the_seed() {
    let directions = |seed| {
        let mut host = Host::seeded(seed);
        (0..5)
            .map(|_| {
                host.twin.apply(&WorldEvent::PushAnywhere { delta_v_m_s: 1.0, over_s: 0.0 }).unwrap();
                host.twin.truth().last_push.unwrap().delta_v_m_s
            })
            .collect::<Vec<_>>()
    };
    let first = directions(1);
    assert_eq!(first, directions(1));
    assert_ne!(first, directions(2));
    assert!(first.iter().all(|v| ((v[0] * v[0] + v[1] * v[1]).sqrt() - 1.0).abs() < 1e-12 && v[2] == 0.0));
    assert!(first.windows(2).all(|w| w[0] != w[1]));
}

#[test]
fn payload_is_carried_and_friction_lost() {
    let mut host = standing();
    let before = host.twin.mass_kg();
    host.twin.apply(&WorldEvent::Payload { kg: 3.0 }).unwrap();
    assert!((host.twin.mass_kg() - before - 3.0).abs() < 1e-9);
    host.hold(500);
    let carried: f64 = host.twin.truth().feet.iter().map(|f| f.force_n).sum();
    assert!((carried - (before + 3.0) * 9.81).abs() < 8.0, "{carried} N");

    host.twin.apply(&WorldEvent::Friction { mu: 0.0 }).unwrap();
    host.twin.apply(&WorldEvent::Push { delta_v_m_s: [0.2, 0.0, 0.0], over_s: 0.0 }).unwrap();
    let from = host.twin.truth().base.position_m[0];
    host.hold(250);
    let way = host.twin.truth().base.position_m[0] - from;
    assert!((0.07..0.13).contains(&way), "slides half a second at 0.2 m/s, went {way} m");
}

#[test]
fn a_silent_bus_is_silent_and_its_drives_watchdogs_fire() {
    let mut host = standing();
    let dead = BusFaults { loss: 1.0, ..BusFaults::NONE };
    host.twin.apply(&WorldEvent::Bus { bus: 1, faults: dead }).unwrap();
    let last_heard = host.step - 1;
    host.hold(40);
    for (joint, feedback) in host.robot.joints.iter().zip(&host.feedback) {
        let heard = feedback.as_ref().unwrap().0;
        let expected = if joint.device.bus == 1 { last_heard } else { host.step - 1 };
        assert_eq!(heard, expected, "{}", joint.name);
    }
    for (i, joint) in host.robot.joints.iter().enumerate() {
        let status = host.twin.drive_status(i).unwrap();
        assert_eq!(status.watchdog_fired, joint.device.bus == 1, "{}", joint.name);
        assert_eq!(status.enabled, joint.device.bus != 1, "{}", joint.name);
    }
    host.twin.apply(&WorldEvent::Bus { bus: 1, faults: BusFaults::NONE }).unwrap();
    host.hold(1);
    let back = host.feedback.iter().map(|f| f.as_ref().unwrap());
    assert!(back.clone().all(|(step, _)| *step == host.step - 1), "all answer again");
    let lost = back.filter(|(_, f)| f.fault() == Some(Fault::LostCommunication)).count();
    assert_eq!(lost, 4, "and four say what happened to them");
}

#[test]
fn a_host_that_falls_silent_leaves_the_drives_to_their_watchdogs() {
    let mut host = standing();
    let mut fired_after = None;
    for k in 0..60u64 {
        host.twin.integrate();
        host.step += 1;
        let all = (0..12).all(|j| host.twin.drive_status(j).unwrap().watchdog_fired);
        if all && fired_after.is_none() {
            fired_after = Some(k);
        }
    }
    // The last frame was heard up to 1.1 ms into the cycle before; 55 ms later falls into the 28th period.
    assert!((26..=28).contains(&fired_after.expect("watchdogs fired")), "{fired_after:?}");
    assert!(host.twin.truth().joints.iter().all(|j| j.torque_nm == 0.0), "no torque afterwards");
    host.exchange();
}

#[test]
fn drive_faults_reach_their_joint_alone() {
    for (fault, name) in [
        (DriveFault::TorqueLoss, "torque loss"),
        (DriveFault::OverTemperature, "over-temperature"),
        (DriveFault::Stall, "stall"),
        (DriveFault::EncoderJump(0.1), "encoder jump"),
    ] {
        let mut host = standing();
        let joint = host.robot.joint_index("RL_calf").unwrap();
        let before = host.twin.truth().joints[joint];
        host.twin.apply(&WorldEvent::Drive { joint, fault }).unwrap();
        host.hold(10);
        let (truth, status) = (host.twin.truth(), host.twin.drive_status(joint).unwrap());
        let feedback = host.feedback[joint].as_ref().unwrap().1;
        match fault {
            DriveFault::TorqueLoss => {
                assert_eq!(truth.joints[joint].torque_nm, 0.0, "{name}");
                assert!(status.enabled, "{name}: the drive believes it works");
            }
            DriveFault::OverTemperature => {
                assert_eq!(feedback.fault(), Some(Fault::RotorOverTemperature), "{name}");
                assert_eq!(truth.joints[joint].torque_nm, 0.0, "{name}");
            }
            DriveFault::Stall => {
                assert!((truth.joints[joint].q_rad - before.q_rad).abs() < 0.02, "{name}: it does not move");
            }
            _ => {
                let seen = feedback.q_rad - truth.joints[joint].q_rad;
                assert!(seen > 0.08, "{name}: reported {seen} off");
            }
        }
        for other in (0..12).filter(|j| *j != joint) {
            let status = host.twin.drive_status(other).unwrap();
            assert!(status.enabled && status.fault == 0, "{name} touched joint {other}");
        }
    }
}

#[test]
fn sensor_faults_are_visible_on_the_bus() {
    let mut host = standing();
    host.twin.apply(&WorldEvent::Imu { imu: 0, fault: SensorFault::Silent }).unwrap();
    host.twin.apply(&WorldEvent::Foot { foot: 2, fault: SensorFault::Frozen }).unwrap();
    let last = host.step - 1;
    host.hold(1);
    let frozen = host.force[2].unwrap().1.force_n;
    host.hold(20);
    assert_eq!(host.gyro.unwrap().0, last, "a dead IMU says nothing");
    assert_eq!(host.force[2].unwrap().0, host.step - 1, "a frozen foot still answers");
    assert_eq!(host.force[2].unwrap().1.force_n, frozen, "but always the same");
    host.twin.apply(&WorldEvent::Imu { imu: 0, fault: SensorFault::Recover }).unwrap();
    host.hold(1);
    assert_eq!(host.gyro.unwrap().0, host.step - 1);
}

#[test]
fn a_wrong_spare_part_reads_back_wrong() {
    let mut host = Host::seeded(1);
    assert!(host.twin.store_register(4, Register::TorqueMax, RegisterValue::Float(20.0)));
    assert!(!host.twin.store_register(99, Register::TorqueMax, RegisterValue::Float(20.0)));
    let id = host.robot.joints[4].device.id;
    host.queue(4, damiao::read_register(id, Register::TorqueMax).unwrap());
    host.frames.iter().for_each(|f| assert!(f.len() <= 1));
    let mut replies = vec![Replies::new(); host.robot.buses.len()];
    host.twin.exchange(0, &host.frames, &mut replies).unwrap();
    let bus = host.robot.joints[4].device.bus;
    let reply = damiao::decode_register_reply(replies[bus][0].frame.payload()).unwrap();
    assert_eq!(reply.value, RegisterValue::Float(20.0));
}

#[test]
fn impossible_events_and_wrong_steps_are_refused() {
    let mut host = Host::seeded(1);
    let refused = [
        WorldEvent::Drive { joint: 12, fault: DriveFault::Stall },
        WorldEvent::Bus { bus: 4, faults: BusFaults::NONE },
        WorldEvent::Imu { imu: 1, fault: SensorFault::Silent },
        WorldEvent::Foot { foot: 4, fault: SensorFault::Silent },
        WorldEvent::Push { delta_v_m_s: [f64::NAN, 0.0, 0.0], over_s: 0.0 },
        WorldEvent::Push { delta_v_m_s: [1.0, 0.0, 0.0], over_s: -1.0 },
        WorldEvent::Payload { kg: -1.0 },
        WorldEvent::Friction { mu: f64::INFINITY },
    ];
    let hash = host.twin.hash();
    for event in refused {
        assert!(host.twin.apply(&event).is_err(), "{event:?}");
    }
    let error = host.twin.apply(&refused[0]).unwrap_err();
    assert_eq!(error, EventError::NoSuchPart { part: "joint", found: 12, count: 12 });
    assert_eq!(hash, host.twin.hash());

    let frames = vec![HostFrames::new(); 4];
    let mut replies = vec![Replies::new(); 4];
    let wrong = |found, expected| Err(ExchangeError::Step { found, expected });
    assert_eq!(host.twin.exchange(1, &frames, &mut replies), wrong(1, 0));
    assert_eq!(
        host.twin.exchange(0, &frames[..3], &mut replies),
        Err(ExchangeError::Buses { found: 3, expected: 4 })
    );
    assert_eq!(host.twin.exchange(0, &frames, &mut replies), Ok(()));
    assert_eq!(host.twin.exchange(0, &frames, &mut replies), wrong(0, 1));
}
