//! The simulated drive as the bridge meets it: orders, watchdog, registers, torque, heat, faults.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use proptest::prelude::*;
use sinew_bus::{CanFrame, CanId, Device};
use sinew_devices::EncodeError;
use sinew_devices::damiao::{self, Fault, Feedback, Model, Register, RegisterReply, RegisterValue};
use sinew_devices::emulator::{
    DamiaoEmulator, DamiaoEmulatorConfig, DriveFault, EncoderNoise, JointTruth, ThermalModel,
};
use sinew_devices::mit::MitCommand;

const ID: u16 = 3;
const MS: u64 = 1_000_000;

struct Rig {
    drive: DamiaoEmulator,
    now_ns: u64,
    truth: JointTruth,
}

impl Rig {
    fn new() -> Self {
        Self::with(DamiaoEmulatorConfig::of(Model::Dm8009, ID))
    }

    fn with(config: DamiaoEmulatorConfig) -> Self {
        Rig { drive: DamiaoEmulator::new(config, 1), now_ns: 0, truth: JointTruth::default() }
    }

    /// With the watchdog at 55 ms and enabled.
    fn running() -> Self {
        let mut rig = Self::new();
        assert!(rig.drive.store_register(Register::Timeout, RegisterValue::Integer(1100)));
        assert!(rig.feedback(damiao::enable(ID)).unwrap().enabled());
        rig
    }

    fn exchange(&mut self, frame: Result<CanFrame, EncodeError>) -> Option<CanFrame> {
        let mut replies = Vec::new();
        self.drive.on_frame(&frame.unwrap(), self.now_ns, &mut |reply| replies.push(reply));
        assert!(replies.len() <= 1);
        let reply = replies.pop()?;
        assert_eq!(reply.id(), CanId::Standard(0x10 + ID));
        Some(reply)
    }

    fn feedback(&mut self, frame: Result<CanFrame, EncodeError>) -> Option<Feedback> {
        let scaling = damiao::scaling(Model::Dm8009);
        self.exchange(frame).map(|reply| damiao::decode_feedback(&scaling, reply.payload()).unwrap())
    }

    fn register(&mut self, frame: Result<CanFrame, EncodeError>) -> Option<RegisterReply> {
        self.exchange(frame).map(|reply| damiao::decode_register_reply(reply.payload()).unwrap())
    }

    fn command(&mut self, command: MitCommand) -> Option<Feedback> {
        self.feedback(damiao::command(ID, &damiao::scaling(Model::Dm8009), &command))
    }

    /// One substep of 1 ms; returns the torque on the joint.
    fn step(&mut self) -> f64 {
        let torque_nm = self.drive.substep(self.truth, self.now_ns, MS);
        self.now_ns += MS;
        torque_nm
    }
}

impl Rig {
    fn steps(&mut self, count: u32) {
        for _ in 0..count {
            self.step();
        }
    }
}

fn push(tau_nm: f64) -> MitCommand {
    MitCommand { tau_nm, ..MitCommand::default() }
}

fn spring(q_rad: f64) -> MitCommand {
    MitCommand { q_rad, kp: 40.0, kd: 1.0, ..MitCommand::default() }
}

#[test]
fn a_disabled_drive_answers_everything_and_gives_no_torque() {
    let mut rig = Rig::new();
    rig.drive.observe(JointTruth { q_rad: 0.5, dq_rad_s: -1.0 });
    for frame in
        [damiao::refresh(ID), damiao::disable(ID), damiao::clear_fault(ID), damiao::velocity(ID, 1.0)]
    {
        let feedback = rig.feedback(frame).unwrap();
        assert!(!feedback.enabled() && (feedback.q_rad - 0.5).abs() < 1e-3);
    }
    assert!(!rig.command(spring(1.0)).unwrap().enabled());
    assert_eq!(rig.step(), 0.0);
    assert_eq!(rig.drive.status().frames, 5);
    assert!(rig.exchange(damiao::refresh(ID + 1)).is_none(), "not addressed");
    assert!(rig.exchange(damiao::enable(ID + 1)).is_none());
}

#[test]
fn enabling_starts_from_zero_even_after_an_earlier_command() {
    let mut rig = Rig::new();
    rig.command(spring(1.0));
    assert!(rig.feedback(damiao::enable(ID)).unwrap().enabled());
    assert_eq!(rig.step(), 0.0);
    rig.command(spring(1.0));
    assert!((rig.step() - 40.0).abs() < 0.5);
}

#[test]
fn the_inner_loop_runs_on_the_true_state_at_each_substep() {
    let mut rig = Rig::running();
    rig.command(spring(0.5));
    for (q_rad, dq_rad_s) in [(0.0, 0.0), (0.5, 0.0), (0.4, 2.0), (0.9, -3.0)] {
        rig.truth = JointTruth { q_rad, dq_rad_s };
        let expected = 40.0 * (0.5 - q_rad) - dq_rad_s;
        let found = rig.step();
        assert!((found - expected).abs() < 0.15, "{found} is not {expected}");
    }
}

#[test]
fn torque_clips_at_the_current_limit_and_falls_off_with_speed() {
    let mut rig = Rig::with(DamiaoEmulatorConfig {
        torque_limit_nm: 24.0,
        ..DamiaoEmulatorConfig::of(Model::Dm8009, ID)
    });
    rig.feedback(damiao::enable(ID));
    rig.command(push(54.0));
    let mut at = |dq_rad_s| {
        rig.truth.dq_rad_s = dq_rad_s;
        rig.step()
    };
    assert_eq!(at(0.0), 24.0);
    assert_eq!(at(22.0), 24.0, "below the corner");
    assert!((at(33.75) - 12.0).abs() < 1e-9, "half way to no-load speed");
    assert_eq!(at(60.0), 0.0);
    assert_eq!(at(-60.0), 24.0, "braking is not limited by speed");
}

#[test]
fn the_watchdog_fires_at_its_time_and_needs_clear_then_enable() {
    let mut rig = Rig::running();
    rig.now_ns = 10 * MS;
    rig.command(push(5.0));
    let fed_ns = rig.now_ns;
    while rig.now_ns < fed_ns + 55 * MS {
        assert!(rig.step() > 4.9);
    }
    assert!(!rig.drive.status().watchdog_fired);
    assert_eq!(rig.step(), 0.0, "the first substep at 55 ms has no torque");
    let status = rig.drive.status();
    assert!(status.watchdog_fired && !status.enabled);
    assert_eq!((status.fault, status.last_command_ns), (0xD, Some(fed_ns)));

    assert_eq!(rig.command(push(5.0)).unwrap().fault(), Some(Fault::LostCommunication));
    assert_eq!(rig.step(), 0.0, "commands do not bring it back");
    assert_eq!(rig.feedback(damiao::enable(ID)).unwrap().fault(), Some(Fault::LostCommunication));
    let cleared = rig.feedback(damiao::clear_fault(ID)).unwrap();
    assert!(cleared.fault().is_none() && !cleared.enabled());
    rig.command(push(5.0));
    assert_eq!(rig.step(), 0.0, "cleared is not enabled");
    assert!(rig.feedback(damiao::enable(ID)).unwrap().enabled());
    rig.command(push(5.0));
    assert!(rig.step() > 4.9);
}

#[test]
fn only_commands_feed_the_watchdog() {
    let mut rig = Rig::running();
    rig.command(push(0.0));
    for _ in 0..56 {
        rig.feedback(damiao::refresh(ID));
        rig.register(damiao::read_register(ID, Register::Timeout));
        rig.step();
    }
    assert_eq!(rig.drive.status().fault, 0xD);

    let mut rig = Rig::running();
    for _ in 0..200 {
        rig.command(push(0.0));
        rig.step();
    }
    assert_eq!(rig.drive.status().fault, 0);
}

#[test]
fn the_watchdog_is_off_as_shipped_and_while_disabled() {
    let mut rig = Rig::new();
    rig.feedback(damiao::enable(ID));
    rig.steps(1000);
    assert!(rig.drive.status().enabled);
    let mut rig = Rig::running();
    rig.feedback(damiao::disable(ID));
    rig.steps(1000);
    assert_eq!(rig.drive.status().fault, 0);
}

#[test]
fn registers_read_back_what_was_written_while_disabled_only() {
    let mut rig = Rig::new();
    let read = |rig: &mut Rig, register| rig.register(damiao::read_register(ID, register)).unwrap().value;
    assert_eq!(read(&mut rig, Register::PositionMax), RegisterValue::Float(12.5));
    assert_eq!(read(&mut rig, Register::VelocityMax), RegisterValue::Float(45.0));
    assert_eq!(read(&mut rig, Register::TorqueMax), RegisterValue::Float(54.0));
    assert_eq!(read(&mut rig, Register::Timeout), RegisterValue::Integer(0));
    assert_eq!(read(&mut rig, Register::ControlMode), RegisterValue::Integer(1));

    let write = |value| damiao::write_register(ID, Register::Timeout, RegisterValue::Integer(value));
    let reply = rig.register(write(1100)).unwrap();
    assert_eq!((reply.access, reply.value), (damiao::Access::Write, RegisterValue::Integer(1100)));
    rig.feedback(damiao::enable(ID));
    assert_eq!(rig.register(write(0)).unwrap().value, RegisterValue::Integer(1100), "enabled: refused");
    assert_eq!(read(&mut rig, Register::Timeout), RegisterValue::Integer(1100));
    rig.feedback(damiao::disable(ID));
    let bad_mode = damiao::write_register(ID, Register::ControlMode, RegisterValue::Integer(9));
    assert_eq!(rig.register(bad_mode).unwrap().value, RegisterValue::Integer(1));
}

#[test]
fn a_reset_forgets_what_was_not_stored() {
    let mut rig = Rig::new();
    let timeout = |value| damiao::write_register(ID, Register::Timeout, RegisterValue::Integer(value));
    rig.register(timeout(1100));
    rig.feedback(damiao::store_registers(ID));
    rig.register(timeout(7));
    rig.feedback(damiao::enable(ID));
    rig.command(push(5.0));
    rig.drive.inject(DriveFault::Reset);
    assert_eq!(rig.drive.register(Register::Timeout), RegisterValue::Integer(1100));
    let status = rig.drive.status();
    assert!(!status.enabled && status.last_command_ns.is_none());
    assert_eq!(rig.step(), 0.0);
}

#[test]
fn wrong_ranges_in_the_drive_are_visible_and_scale_wrongly() {
    let mut rig = Rig::running();
    assert!(rig.drive.store_register(Register::TorqueMax, RegisterValue::Float(10.0)));
    assert_eq!(
        rig.register(damiao::read_register(ID, Register::TorqueMax)).unwrap().value,
        RegisterValue::Float(10.0)
    );
    rig.command(push(54.0));
    assert!((rig.step() - 10.0).abs() < 1e-6);
}

#[test]
fn in_another_control_mode_mit_commands_do_nothing() {
    let mut rig = Rig::new();
    rig.register(damiao::write_register(ID, Register::ControlMode, RegisterValue::Integer(2)));
    rig.feedback(damiao::enable(ID));
    rig.command(push(20.0));
    assert_eq!(rig.step(), 0.0);
}

#[test]
fn set_zero_makes_the_present_position_zero() {
    let mut rig = Rig::new();
    rig.truth.q_rad = 0.7;
    rig.drive.observe(rig.truth);
    rig.feedback(damiao::set_zero(ID));
    rig.drive.observe(rig.truth);
    assert!(rig.feedback(damiao::refresh(ID)).unwrap().q_rad.abs() < 1e-3);
    rig.feedback(damiao::enable(ID));
    rig.command(spring(0.0));
    assert!(rig.step().abs() < 0.1, "the inner loop follows");
}

#[test]
fn windings_heat_fault_and_fault_again_while_hot() {
    let thermal = ThermalModel { rotor_time_s: 0.5, mos_rise_c: 0.0, ..ThermalModel::of(Model::Dm8009) };
    let mut rig = Rig::with(DamiaoEmulatorConfig { thermal, ..DamiaoEmulatorConfig::of(Model::Dm8009, ID) });
    rig.feedback(damiao::enable(ID));
    let mut steps = 0;
    while rig.drive.status().fault == 0 && steps < 5000 {
        rig.command(push(40.0));
        rig.step();
        steps += 1;
    }
    // 25 C + 240 K (1 - exp(-t / 0.5 s)) reaches 100 C after 0.187 s.
    assert!((185..=192).contains(&steps), "{steps}");
    let feedback = rig.feedback(damiao::refresh(ID)).unwrap();
    assert_eq!((feedback.fault(), feedback.t_rotor_c), (Some(Fault::RotorOverTemperature), 100));
    rig.steps(500);
    assert!(rig.drive.status().rotor_c < 60.0, "it cools");
    rig.feedback(damiao::clear_fault(ID));
    rig.step();
    assert_eq!(rig.drive.status().fault, 0);
    rig.drive.inject(DriveFault::OverTemperature);
    rig.step();
    rig.feedback(damiao::clear_fault(ID));
    rig.step();
    assert_eq!(rig.drive.status().fault, 0xC, "still hot");
}

#[test]
fn a_hot_power_stage_has_its_own_nibble() {
    let thermal = ThermalModel { mos_time_s: 0.1, ..ThermalModel::of(Model::Dm8009) };
    let mut rig = Rig::with(DamiaoEmulatorConfig { thermal, ..DamiaoEmulatorConfig::of(Model::Dm8009, ID) });
    rig.feedback(damiao::enable(ID));
    rig.command(push(54.0));
    rig.steps(1000);
    assert_eq!(rig.drive.status().fault, 0xB);
}

#[test]
fn each_injected_fault_shows() {
    let mut rig = Rig::running();
    rig.command(push(10.0));
    rig.drive.inject(DriveFault::TorqueLoss);
    assert_eq!(rig.step(), 0.0);
    assert!(rig.feedback(damiao::refresh(ID)).unwrap().tau_nm > 9.9, "the drive does not notice");

    let mut rig = Rig::running();
    rig.command(push(10.0));
    rig.step();
    rig.drive.inject(DriveFault::Stall);
    rig.truth = JointTruth { q_rad: 0.01, dq_rad_s: 1.0 };
    assert!(rig.step() < -5.0, "the jam holds the output");
    rig.drive.inject(DriveFault::Recover);
    assert!(rig.step() > 9.9);

    let mut rig = Rig::running();
    rig.drive.inject(DriveFault::Silent);
    assert!(rig.command(push(10.0)).is_none());
    assert!(rig.step() > 9.9, "it still obeys");

    let mut rig = Rig::running();
    rig.command(push(10.0));
    rig.drive.inject(DriveFault::Deaf);
    for _ in 0..60 {
        assert!(rig.command(push(10.0)).is_none());
        rig.step();
    }
    assert_eq!(rig.drive.status().fault, 0xD);

    let mut rig = Rig::running();
    rig.command(spring(0.0));
    rig.drive.inject(DriveFault::StuckGain);
    rig.command(MitCommand { q_rad: 1.0, kd: 2.0, ..MitCommand::default() });
    assert!(rig.step() > 39.0, "kp 0 was commanded");

    let mut rig = Rig::running();
    rig.truth.q_rad = 0.3;
    rig.drive.observe(rig.truth);
    rig.drive.inject(DriveFault::EncoderFreeze);
    rig.drive.observe(JointTruth { q_rad: 0.9, dq_rad_s: 5.0 });
    let feedback = rig.feedback(damiao::refresh(ID)).unwrap();
    assert!((feedback.q_rad - 0.3).abs() < 1e-3 && feedback.dq_rad_s.abs() < 0.03);

    let mut rig = Rig::running();
    rig.drive.inject(DriveFault::EncoderJump(0.4));
    rig.drive.inject(DriveFault::EncoderJump(f64::NAN));
    rig.drive.observe(rig.truth);
    assert!((rig.feedback(damiao::refresh(ID)).unwrap().q_rad - 0.4).abs() < 1e-3);
    rig.command(spring(0.0));
    assert!((rig.step() + 16.0).abs() < 0.2, "the inner loop believes it");

    let mut rig = Rig::running();
    rig.drive.inject(DriveFault::Latch(Fault::OverVoltage));
    assert_eq!(rig.command(push(10.0)).unwrap().fault(), Some(Fault::OverVoltage));
    assert_eq!(rig.step(), 0.0);
}

#[test]
fn noise_is_reported_and_does_not_shake_the_inner_loop() {
    let noise = EncoderNoise { q_std_rad: 0.01, dq_std_rad_s: 0.5, q_bias_rad: 0.02 };
    let mut rig = Rig::with(DamiaoEmulatorConfig { noise, ..DamiaoEmulatorConfig::of(Model::Dm8009, ID) });
    rig.feedback(damiao::enable(ID));
    rig.command(spring(0.0));
    let (mut sum, mut square) = (0.0, 0.0);
    let torque_nm = rig.step();
    for _ in 0..2000 {
        rig.drive.observe(rig.truth);
        let q_rad = rig.feedback(damiao::refresh(ID)).unwrap().q_rad;
        sum += q_rad;
        square += q_rad * q_rad;
        assert_eq!(rig.step(), torque_nm);
    }
    let mean = sum / 2000.0;
    let std = (square / 2000.0 - mean * mean).sqrt();
    assert!((mean - 0.02).abs() < 0.001 && (std - 0.01).abs() < 0.001, "{mean} {std}");
    assert!((torque_nm + 0.8).abs() < 0.1, "the bias is in the encoder: {torque_nm}");
}

#[test]
fn truth_that_is_not_finite_gives_no_torque_and_reaches_no_report() {
    let mut rig = Rig::running();
    rig.command(push(10.0));
    rig.truth.q_rad = f64::NAN;
    assert_eq!(rig.step(), 0.0);
    rig.drive.observe(rig.truth);
    assert!(rig.feedback(damiao::refresh(ID)).unwrap().q_rad.abs() < 1e-3);
}

proptest! {
    #[test]
    fn no_traffic_makes_torque_beyond_the_limit_or_without_enabling(
        traffic in prop::collection::vec((0u16..6, any::<[u8; 8]>(), 0u8..8, 0u8..24, -40.0..40.0f64), 1..60),
    ) {
        let mut rig = Rig::with(DamiaoEmulatorConfig {
            torque_limit_nm: 24.0,
            ..DamiaoEmulatorConfig::of(Model::Dm8009, ID)
        });
        for (kind, mut bytes, order, register, dq_rad_s) in traffic {
            let id = match kind {
                0 => {
                    bytes = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xF8 + order];
                    ID
                }
                1 => {
                    (bytes[0], bytes[1], bytes[3]) = (ID as u8, 0, register);
                    bytes[2] = [0x33, 0x55, 0xAA, 0xCC][usize::from(order % 4)];
                    // Leave ids and mode as they are: a drive that moved away is another test.
                    if matches!(register, 7 | 8) { 0x7FE } else { damiao::PARAMETER_ID }
                }
                2 => u16::from(order),
                _ => ID,
            };
            rig.drive.on_frame(&CanFrame::standard_8(id, bytes), rig.now_ns, &mut |_| {});
            rig.truth = JointTruth { q_rad: dq_rad_s / 40.0, dq_rad_s };
            let torque_nm = rig.step();
            prop_assert!(torque_nm.abs() <= 24.0);
            prop_assert!(torque_nm == 0.0 || rig.drive.status().enabled);
        }
    }
}
