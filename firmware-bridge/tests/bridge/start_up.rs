//! Nothing is armed before every drive has confirmed what robot.yaml says about it.
use sinew_bridge::{Bridge, CheckFailure, ConfigError};
use sinew_bus::CanFrame;
use sinew_devices::damiao::{self, Register, RegisterValue, Request};
use sinew_devices::emulator::DriveFault;
use sinew_guard::{Fault, FaultSet};
use sinew_wire::{ArmAnswer, Intent, LinkState};

use crate::rig::{Rig, config};

const JOINT: usize = 4;

fn failure(rig: &mut Rig) -> CheckFailure {
    rig.until(LinkState::Fault);
    assert!(FaultSet::from_bits(rig.state.body.faults).contains(Fault::ConfigMismatch));
    let failures = rig.bridge.check_failures().to_vec();
    assert_eq!(failures.len(), 1, "{failures:?}");
    rig.say(Intent::Arm, &[]).unwrap();
    rig.cycle();
    assert_eq!(rig.state.body.arm_answer(), ArmAnswer::NotChecked);
    assert_eq!(rig.drives_on(), 0);
    failures[0]
}

/// Drops or changes what the host sends to drive `JOINT`.
fn tamper(rig: &mut Rig, mut with: impl FnMut(Request) -> Option<CanFrame> + 'static) {
    let plan = rig.config.drives[JOINT];
    rig.tamper = Some(Box::new(move |bus, frame| match damiao::decode_request(plan.id, &frame) {
        Some(request) if bus == plan.bus => with(request),
        _ => Some(frame),
    }));
}

#[test]
fn healthy_drives_pass_and_get_their_watchdog() {
    let mut rig = Rig::new();
    rig.until(LinkState::Disabled);
    assert!(rig.step < 60, "{}", rig.step);
    assert!(rig.bridge.check_failures().is_empty());
    for drive in &rig.drives {
        assert_eq!(drive.register(Register::Timeout), RegisterValue::Integer(1100));
    }
}

#[test]
fn a_drive_with_another_scaling_is_refused_with_both_numbers() {
    for (register, found) in
        [(Register::PositionMax, 6.25), (Register::VelocityMax, 30.0), (Register::TorqueMax, 40.0)]
    {
        let mut rig = Rig::new();
        assert!(rig.drives[JOINT].store_register(register, RegisterValue::Float(found)));
        let failure = failure(&mut rig);
        let text = failure.to_string();
        let expected = match register {
            Register::PositionMax => "12.5",
            Register::VelocityMax => "45",
            _ => "54",
        };
        for part in ["joint 4", &register.number().to_string(), expected, &found.to_string(), "robot.yaml"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}

#[test]
fn a_drive_in_another_control_mode_is_refused() {
    let mut rig = Rig::new();
    assert!(rig.drives[JOINT].store_register(Register::ControlMode, RegisterValue::Integer(2)));
    assert!(matches!(
        failure(&mut rig),
        CheckFailure::Differs { joint: JOINT, expected: 1.0, found: 2.0, .. }
    ));
}

#[test]
fn a_silent_drive_is_refused_and_taken_after_repair_and_reset() {
    let mut rig = Rig::new();
    rig.drives[JOINT].inject(DriveFault::Deaf);
    let failure = failure(&mut rig);
    assert!(matches!(failure, CheckFailure::Silent { joint: JOINT, .. }));
    assert!(failure.to_string().contains("check power, bus wiring"));
    rig.drives[JOINT].inject(DriveFault::Recover);
    rig.cycles(100);
    rig.say(Intent::Disarm, &[]).unwrap();
    rig.until(LinkState::Disabled);
    assert!(rig.bridge.check_failures().is_empty());
    assert_eq!(rig.state.body.faults, 0);
}

#[test]
fn a_watchdog_that_cannot_be_set_is_refused() {
    // The drive hears another value than was sent: what counts is what it says it holds.
    let mut rig = Rig::new();
    let id = rig.config.drives[JOINT].id;
    tamper(&mut rig, move |request| match request {
        Request::WriteRegister(number, _) if number == Register::Timeout.number() => {
            damiao::write_register(id, Register::Timeout, RegisterValue::Integer(0)).ok()
        }
        Request::ReadRegister(number) => damiao::read_register(id, Register::from_number(number)?).ok(),
        Request::Disable => damiao::disable(id).ok(),
        _ => damiao::refresh(id).ok(),
    });
    rig.until(LinkState::Fault);
    let failures = rig.bridge.check_failures();
    let differs = |f: &CheckFailure| {
        matches!(f, CheckFailure::Differs { joint: JOINT, expected: 1100.0, found: 0.0, .. })
    };
    assert!(!failures.is_empty() && failures.iter().all(differs), "{failures:?}");

    // It does not take the register at all.
    let mut rig = Rig::new();
    tamper(&mut rig, move |request| match request {
        Request::WriteRegister(..) => None,
        Request::ReadRegister(number) => damiao::read_register(id, Register::from_number(number)?).ok(),
        Request::Disable => damiao::disable(id).ok(),
        _ => damiao::refresh(id).ok(),
    });
    assert!(matches!(failure(&mut rig), CheckFailure::NoAnswer { joint: JOINT, register, .. }
        if register == Register::Timeout.number()));
}

#[test]
fn a_drive_that_is_still_on_is_switched_off_before_anything_else() {
    let mut rig = Rig::active();
    rig.hold().unwrap();
    rig.cycle();
    assert_eq!(rig.drives_on(), 12);
    // The bridge dies and comes back; the drives' watchdogs have not fired yet.
    rig.bridge = Bridge::new(rig.config.clone()).unwrap();
    rig.cycles(4);
    assert_eq!(rig.drives_on(), 0);
    rig.until(LinkState::Disabled);
}

#[test]
fn a_drive_that_cannot_be_switched_off_is_refused() {
    let mut rig = Rig::active();
    let id = rig.config.drives[JOINT].id;
    // Its orders are lost, and someone else feeds its watchdog.
    tamper(&mut rig, move |_| {
        damiao::command(id, &damiao::scaling(damiao::Model::Dm8009), &Default::default()).ok()
    });
    rig.bridge = Bridge::new(rig.config.clone()).unwrap();
    rig.until(LinkState::Fault);
    assert!(matches!(rig.bridge.check_failures(), [CheckFailure::StaysOn { joint: JOINT, .. }]));
}

#[test]
fn a_plan_that_cannot_work_is_refused_before_the_first_frame() {
    type Case = (&'static str, fn(&mut sinew_bridge::BridgeConfig), &'static str);
    let cases: &[Case] = &[
        ("one bus for all", |c| c.drives.iter_mut().for_each(|d| d.bus = 0), "bus can0: load"),
        ("slow sensor bus", |c| c.buses[3].bitrate_bps = 250_000, "bus can3: load"),
        ("no such bus", |c| c.drives[3].bus = 9, "bus 9 does not exist"),
        ("a drive too few", |c| c.drives.truncate(11), "one per joint (12), found 11"),
        ("cutoff", |c| c.cutoff_ns = 2_000_000, "cutoff"),
        ("watchdog within the ladder", |c| c.drives[5].watchdog_ticks = 1000, "drive 5: watchdog_ms"),
        ("gyro id", |c| c.imus[0].gyro_id = 0xA1, "gyro_id"),
        ("accel id", |c| c.imus[0].accel_id = 0xA3, "one above gyro_id"),
        ("foot id", |c| c.feet[2].id = 0xB8, "foot 2: id"),
        ("sync id", |c| c.buses[3].sync_id = Some(0x81), "bus can3: sync_id"),
        ("misses", |c| c.reply_misses_max = 0, "reply_misses_max"),
        ("limits changed after sealing", |c| c.limits.joints[0].tau_max_nm = 99.0, "limits"),
    ];
    assert!(config().check().is_ok());
    for (what, spoil, expected) in cases {
        let mut config = config();
        spoil(&mut config);
        let error: ConfigError =
            Bridge::new(config).err().unwrap_or_else(|| panic!("{what} was not refused"));
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}
