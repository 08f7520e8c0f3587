//! Who may command, and how torque comes in.
use sinew_bridge::BridgeConfig;
use sinew_devices::damiao::Request;
use sinew_devices::emulator::DriveFault;
use sinew_robot::Robot;
use sinew_wire::{ArmAnswer, Intent, JointCommand, LinkState, Refusal, Source};

use crate::rig::{CONTROL_BOOT, Rig, robot};

#[test]
fn an_arm_is_granted_at_rest_and_names_the_writer() {
    let rig = Rig::active();
    let body = &rig.state.body;
    assert_eq!((body.writer_source, body.writer_boot), (Source::CONTROL.0, CONTROL_BOOT));
    assert!(body.writer_epoch > 0);
    assert_eq!(rig.drives_on(), 12);
}

#[test]
fn each_condition_has_its_answer() {
    type Case = (ArmAnswer, fn() -> Rig);
    let cases: &[Case] = &[
        (ArmAnswer::NotChecked, || {
            let mut rig = Rig::new();
            rig.cycles(3);
            rig
        }),
        (ArmAnswer::NotDisabled, || {
            let mut rig = Rig::stiff();
            rig.cycles(30);
            assert_eq!(rig.bridge.link(), LinkState::Damping);
            rig
        }),
        (ArmAnswer::Moving, || {
            let mut rig = Rig::disabled();
            rig.truth[7].dq_rad_s = 0.2;
            rig.cycles(100);
            rig
        }),
        (ArmAnswer::Moving, || {
            let mut rig = Rig::disabled();
            rig.gyro_rad_s = [0.0, 0.0, 0.2];
            rig.cycles(100);
            rig
        }),
        (ArmAnswer::DriveFault, || {
            let mut rig = Rig::disabled();
            rig.drives[2].inject(DriveFault::Deaf);
            rig.cycles(2);
            rig
        }),
        (ArmAnswer::LimitsHash, || {
            let mut rig = Rig::disabled();
            rig.config.limits_hash ^= 1;
            rig
        }),
        (ArmAnswer::Calibration, || {
            let mut rig = Rig::disabled();
            rig.config.calibration_id = 5;
            rig
        }),
        (ArmAnswer::EStop, || {
            let mut rig = Rig::disabled();
            rig.bridge.estop_input(true);
            rig.cycle();
            rig
        }),
    ];
    for (expected, made) in cases {
        let mut rig = made();
        let link = rig.bridge.link();
        assert_eq!(rig.arm(), *expected);
        assert_eq!(rig.bridge.link(), link, "{expected}: refused means nothing happens");
    }
}

#[test]
fn a_robot_that_was_never_heard_is_not_at_rest() {
    let mut rig = Rig::new();
    rig.until(LinkState::Disabled);
    assert_ne!(rig.arm(), ArmAnswer::Granted, "the first poll has not even been answered");
}

#[test]
fn another_joint_order_is_another_robot() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../launch/robots/quad");
    let yaml = std::fs::read_to_string(folder.join("robot.yaml")).unwrap();
    let model = std::fs::read_to_string(folder.join("quad.xml")).unwrap();
    // FR and FL hips change places in the file, their wiring stays with the names: limits are the same numbers.
    let line = |name: &str| yaml.lines().find(|l| l.contains(&format!("name: {name},"))).unwrap().to_owned();
    let (right, left) = (line("FR_hip"), line("FL_hip"));
    let swapped = yaml.replace(&right, "@").replace(&left, &right).replace('@', &left);
    let other = Robot::parse(&swapped, &model).unwrap();
    let (ours, theirs) = (BridgeConfig::new(&robot(), "quad", 1), BridgeConfig::new(&other, "quad", 1));
    assert_eq!(ours.limits.joints.len(), theirs.limits.joints.len());
    let mut rig = Rig::disabled();
    rig.config.limits_hash = theirs.limits_hash;
    assert_eq!(rig.arm(), ArmAnswer::LimitsHash);
    rig.config.limits_hash = ours.limits_hash;
    assert_eq!(rig.arm(), ArmAnswer::Granted);
}

#[test]
fn an_old_arm_is_refused() {
    let mut rig = Rig::disabled();
    let frame = rig.frame(Intent::Arm, &[]);
    rig.cycles(6);
    assert_eq!(rig.send(&frame), Err(Refusal::Age));
    let mut other = rig.frame(Intent::Arm, &[]);
    other.header.robot ^= 1;
    assert_eq!(rig.send(&other), Err(Refusal::Robot));
    assert_eq!(rig.bridge.link(), LinkState::Disabled);
}

#[test]
fn a_second_commander_is_refused_and_counted_while_the_first_goes_on() {
    let mut rig = Rig::stiff();
    let epoch = rig.state.body.writer_epoch;
    for n in 1..=20 {
        let mut intruder = rig.frame(Intent::Arm, &[]);
        intruder.header.boot_id = 1234;
        assert_eq!(rig.send(&intruder), Err(Refusal::Writer));
        let holding = rig.holding();
        let mut intruder = rig.frame(Intent::Run, &holding);
        intruder.header.boot_id = 1234;
        assert_eq!(rig.send(&intruder), Err(Refusal::Writer));
        rig.hold().unwrap();
        rig.cycle();
        assert_eq!(rig.refused(Refusal::Writer), 2 * n);
        assert_eq!(rig.state.body.arm_answer(), ArmAnswer::Busy);
    }
    assert_eq!((rig.bridge.link(), rig.state.body.writer_epoch), (LinkState::Active, epoch));
    assert!(!rig.is_limp());
}

#[test]
fn every_grant_has_a_greater_epoch_and_the_old_one_is_dead() {
    let mut rig = Rig::active();
    let first = rig.state.body.writer_epoch;
    rig.say(Intent::Disarm, &[]).unwrap();
    rig.until(LinkState::Disabled);
    let mut rig = rig.armed();
    assert!(rig.state.body.writer_epoch > first);
    let holding = rig.holding();
    let mut old = rig.frame(Intent::Run, &holding);
    old.header.epoch = first;
    assert_eq!(rig.send(&old), Err(Refusal::Epoch));
}

#[test]
fn enabled_drives_are_damped_until_the_first_run() {
    let mut rig = Rig::disabled();
    rig.say(Intent::Arm, &[]).unwrap();
    let mut damped = 0;
    for _ in 0..40 {
        rig.cycle();
        for command in rig.mit().flatten() {
            assert_eq!((command.kp, command.tau_nm.abs() < 0.02), (0.0, true));
            assert!((command.kd - 3.0).abs() < 0.01);
            damped += 1;
        }
    }
    assert!(damped > 12 * 20, "{damped}");
}

#[test]
fn stiffness_comes_in_from_zero_and_at_the_measured_position() {
    let mut rig = Rig::active();
    let mut far = rig.holding();
    far[3].q_rad += 0.2;
    assert_eq!(rig.say(Intent::Run, &far), Err(Refusal::Start));
    // Damping first does not open a way around.
    rig.say(Intent::Run, &[JointCommand::damping(2.0); 12]).unwrap();
    rig.cycle();
    assert_eq!(rig.say(Intent::Run, &far), Err(Refusal::Start));
    let mut last = 0.0;
    for n in 0..110 {
        rig.hold().unwrap();
        rig.cycle();
        let kp = rig.mit().next().unwrap().unwrap().kp;
        assert!(kp >= last && kp - last < 1.0, "cycle {n}: {last} to {kp}");
        last = kp;
    }
    assert!((last - 60.0).abs() < 0.2);
    // Once stiff, targets may move; after damping they start at the joint again, from zero.
    rig.say(Intent::Run, &far).unwrap();
    rig.cycle();
    rig.say(Intent::Run, &[JointCommand::damping(2.0); 12]).unwrap();
    rig.cycle();
    assert_eq!(rig.say(Intent::Run, &far), Err(Refusal::Start));
    rig.hold().unwrap();
    rig.cycle();
    assert!(rig.mit().all(|c| c.unwrap().kp < 1.0));
}

#[test]
fn a_drive_that_does_not_switch_on_ends_the_arming_with_every_drive_off() {
    let mut rig = Rig::disabled();
    rig.say(Intent::Arm, &[]).unwrap();
    for _ in 0..150 {
        rig.drives[6].inject(DriveFault::OverTemperature);
        rig.cycle();
    }
    assert_eq!(rig.bridge.link(), LinkState::Disabled);
    assert_eq!(rig.state.body.arm_answer(), ArmAnswer::DriveFault);
    assert_eq!(rig.drives_on(), 0);
    assert_eq!(rig.state.body.writer_epoch, 0);
}

#[test]
fn lost_orders_are_given_again() {
    let mut rig = Rig::disabled();
    // Every other frame to the third drive of the first bus is lost, orders to clear, to switch on and off included.
    let plan = rig.config.drives[6];
    let mut n = 0;
    rig.tamper = Some(Box::new(move |bus, frame| {
        let to_it = bus == plan.bus && sinew_devices::damiao::decode_request(plan.id, &frame).is_some();
        n += u32::from(to_it);
        (!to_it || n % 2 == 0).then_some(frame)
    }));
    rig.drives[6].inject(DriveFault::Latch(sinew_devices::damiao::Fault::LostCommunication));
    while rig.arm() != ArmAnswer::Granted {}
    rig.until(LinkState::Active);
    rig.say(Intent::Disarm, &[]).unwrap();
    rig.until(LinkState::Disabled);
    rig.cycles(5);
    assert_eq!(rig.drives_on(), 0);
    assert!((0..12).all(|joint| rig.told(joint) == Some(Request::Refresh)));
}
