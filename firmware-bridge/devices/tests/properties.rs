//! Properties of all codecs: total decoders, refusing encoders, round trips within one quantum.
#![allow(clippy::unwrap_used, reason = "an unexpected refusal is a failed test")]

use proptest::prelude::*;
use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Feedback, Model, Register, RegisterValue};
use sinew_devices::imu::{self, Sample, SensorStatus};
use sinew_devices::mit::{self, Arithmetic, MitCommand, MitScaling};
use sinew_devices::{DecodeError, EncodeError, foot};

fn scalings() -> impl Strategy<Value = MitScaling> {
    (0..Model::ALL.len(), any::<bool>()).prop_map(|(i, single)| {
        let scaling = damiao::scaling(Model::ALL[i]);
        let arithmetic = if single { Arithmetic::Single } else { Arithmetic::Double };
        MitScaling { arithmetic, ..scaling }
    })
}

/// Values around the ranges, beyond them, and anything finite.
fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        -60.0..60.0f64,
        -0.01..0.01f64,
        -600.0..600.0f64,
        any::<f64>().prop_filter("finite", |x| x.is_finite())
    ]
}

fn commands() -> impl Strategy<Value = MitCommand> {
    [finite(), finite(), finite(), finite(), finite()]
        .prop_map(|[q_rad, dq_rad_s, kp, kd, tau_nm]| MitCommand { q_rad, dq_rad_s, kp, kd, tau_nm })
}

fn standard(id: u16, data: &[u8]) -> CanFrame {
    CanFrame::classic(CanId::Standard(id & 0x7FF), data).unwrap()
}

fn not_finite() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)]
}

proptest! {
    #[test]
    fn mit_round_trip_is_within_one_quantum(scaling in scalings(), command in commands()) {
        let bytes = match mit::encode(&scaling, &command) {
            Ok(bytes) => bytes,
            Err(error) => {
                prop_assert_eq!(error, EncodeError::ReadsAsSpecial);
                return Ok(());
            }
        };
        prop_assert!(!mit::is_special(&bytes));
        let back = mit::decode_command(&scaling, &bytes);
        for (sent, got, min, max, levels) in [
            (command.q_rad, back.q_rad, -scaling.p_max_rad, scaling.p_max_rad, 65535.0),
            (command.dq_rad_s, back.dq_rad_s, -scaling.v_max_rad_s, scaling.v_max_rad_s, 4095.0),
            (command.kp, back.kp, 0.0, scaling.kp_max, 4095.0),
            (command.kd, back.kd, 0.0, scaling.kd_max, 4095.0),
            (command.tau_nm, back.tau_nm, -scaling.t_max_nm, scaling.t_max_nm, 4095.0),
        ] {
            let quantum = (max - min) / levels;
            // Single precision adds its own rounding at the ends of the range.
            let slack = 2.0 * max * f64::from(f32::EPSILON);
            prop_assert!((sent.clamp(min, max) - got).abs() <= quantum + slack, "{} {}", sent, got);
            prop_assert!(got >= min - slack && got <= max + slack);
        }
    }

    #[test]
    fn mit_decoders_are_total_and_finite(scaling in scalings(), bytes: [u8; 8], any_bytes: Vec<u8>) {
        let command = mit::decode_command(&scaling, &bytes);
        prop_assert!([command.q_rad, command.dq_rad_s, command.kp, command.kd, command.tau_nm]
            .iter().all(|x| x.is_finite()));
        let decoded = mit::decode_reply(&scaling, &any_bytes);
        prop_assert_eq!(decoded.is_ok(), matches!(any_bytes.len(), 6 | 8));
        prop_assert_eq!(damiao::decode_feedback(&scaling, &any_bytes).is_ok(), any_bytes.len() == 8);
        prop_assert!(damiao::decode_feedback(&scaling, &bytes).is_ok());
        prop_assert!(any_bytes.len() == 8 || damiao::decode_register_reply(&any_bytes).is_err());
        prop_assert!(any_bytes.len() == 8 || !damiao::is_register_reply(1, &any_bytes));
        if let Ok(reply) = damiao::decode_register_reply(&bytes) {
            prop_assert!(reply.value.is_finite());
        }
    }

    #[test]
    fn encoders_refuse_what_is_not_finite(scaling in scalings(), good in commands(), bad in not_finite(), field in 0usize..5) {
        let mut command = good;
        *[&mut command.q_rad, &mut command.dq_rad_s, &mut command.kp, &mut command.kd, &mut command.tau_nm][field] = bad;
        let name = ["q_rad", "dq_rad_s", "kp", "kd", "tau_nm"][field];
        prop_assert_eq!(mit::encode(&scaling, &command), Err(EncodeError::NotFinite { field: name }));
        prop_assert!(damiao::pos_vel(1, bad, 0.0).is_err() && damiao::pos_vel(1, 0.0, bad).is_err());
        prop_assert!(damiao::velocity(1, bad).is_err());
        prop_assert!(damiao::pos_force(1, 0.0, bad, 0.0).is_err() && damiao::pos_force(1, 0.0, 0.0, bad).is_err());
        prop_assert!(damiao::write_register(1, Register::PositionMax, RegisterValue::Float(bad as f32)).is_err());
        let mut feedback = Feedback { id: 1, status: 1, q_rad: 0.0, dq_rad_s: 0.0, tau_nm: 0.0, t_mos_c: 0, t_rotor_c: 0 };
        *[&mut feedback.q_rad, &mut feedback.dq_rad_s, &mut feedback.tau_nm][field % 3] = bad;
        prop_assert!(damiao::encode_feedback(&scaling, &feedback).is_err());
        let mut vector = [0.0; 3];
        vector[field % 3] = bad;
        let sample = Sample { index: 0, vector, sequence: 0, status: SensorStatus::default() };
        prop_assert!(imu::encode_gyro(&sample).is_err() && imu::encode_accel(&sample).is_err());
        let force = foot::Force { index: 0, force_n: bad, sequence: 0, status: SensorStatus::default() };
        prop_assert!(foot::encode(&force).is_err());
    }

    #[test]
    fn feedback_round_trip_keeps_head_and_temperatures(
        scaling in scalings(), id in 0u8..16, status in 0u8..16,
        q in finite(), dq in finite(), tau in finite(), t_mos_c: u8, t_rotor_c: u8,
    ) {
        let sent = Feedback { id, status, q_rad: q, dq_rad_s: dq, tau_nm: tau, t_mos_c, t_rotor_c };
        let bytes = damiao::encode_feedback(&scaling, &sent).unwrap();
        let got = damiao::decode_feedback(&scaling, &bytes).unwrap();
        prop_assert_eq!((got.id, got.status, got.t_mos_c, got.t_rotor_c), (id, status, t_mos_c, t_rotor_c));
        let error = (got.q_rad - q.clamp(-scaling.p_max_rad, scaling.p_max_rad)).abs();
        prop_assert!(error <= 1.01 * scaling.q_quantum_rad());
        prop_assert_eq!(got.fault().map(damiao::Fault::nibble), (status > 1).then_some(status));
    }

    #[test]
    fn registers_round_trip(id in 0u16..0x800, i in 0usize..Register::ALL.len(), bits: u32) {
        let register = Register::ALL[i];
        let value = register.value(bits.to_le_bytes());
        match damiao::write_register(id, register, value) {
            Ok(frame) => {
                let request = damiao::decode_request(id, &frame).unwrap();
                prop_assert_eq!(request, damiao::Request::WriteRegister(register.number(), bits.to_le_bytes()));
                let reply = damiao::encode_register_reply(id, damiao::Access::Write, register, value);
                prop_assert!(damiao::is_register_reply(id, &reply));
                let reply = damiao::decode_register_reply(&reply).unwrap();
                prop_assert_eq!((reply.id, reply.register, reply.value), (id, register, value));
            }
            Err(error) => {
                prop_assert_eq!(error, EncodeError::NotFinite { field: "register value" });
                prop_assert!(!value.is_finite());
            }
        }
    }

    #[test]
    fn sensor_decoders_are_total(id in 0u16..0x800, data in prop::collection::vec(any::<u8>(), 0..=8), extended: bool) {
        let frame = if extended {
            CanFrame::classic(CanId::Extended(u32::from(id)), &data).unwrap()
        } else {
            standard(id, &data)
        };
        prop_assert!(!extended || damiao::decode_request(1, &frame).is_none());
        match imu::decode(&frame) {
            Ok(imu::Message::Gyro(sample)) => prop_assert!(!extended && imu::encode_gyro(&sample).is_ok()),
            Ok(imu::Message::Accel(sample)) => prop_assert!(!extended && imu::encode_accel(&sample).is_ok()),
            Ok(imu::Message::Sync { .. }) => prop_assert!(id == imu::SYNC_ID && data.len() == 1),
            Err(_) => {}
        }
        if let Ok(force) = foot::decode(&frame) {
            prop_assert_eq!(force.index, (id - foot::FORCE_ID) as u8);
        }
    }

    #[test]
    fn imu_round_trip_is_within_half_a_quantum(index in 0..imu::IMUS, vector in [-300.0..300.0f64, -300.0..300.0, -300.0..300.0], sequence: u8) {
        let sample = Sample { index, vector, sequence, status: SensorStatus::default() };
        for (frame, range, quantum) in [
            (imu::encode_gyro(&sample).unwrap(), imu::GYRO_RANGE_RAD_S, imu::GYRO_QUANTUM_RAD_S),
            (imu::encode_accel(&sample).unwrap(), imu::ACCEL_RANGE_M_S2, imu::ACCEL_QUANTUM_M_S2),
        ] {
            let (imu::Message::Gyro(got) | imu::Message::Accel(got)) = imu::decode(&frame).unwrap() else {
                return Err(TestCaseError::fail("a sample came back as SYNC"));
            };
            prop_assert_eq!((got.index, got.sequence), (index, sequence));
            let beyond = vector.iter().any(|x| x.abs() > range + quantum);
            prop_assert!(!beyond || got.status.saturated);
            for (sent, got) in vector.iter().zip(got.vector) {
                prop_assert!((sent.clamp(-range, range) - got).abs() <= 0.501 * quantum);
            }
        }
    }

    #[test]
    fn foot_round_trip_is_within_half_a_quantum(index in 0..foot::FEET, force_n in -5000.0..5000.0f64, sequence: u8) {
        let force = foot::Force { index, force_n, sequence, status: SensorStatus::default() };
        let got = foot::decode(&foot::encode(&force).unwrap()).unwrap();
        prop_assert_eq!((got.index, got.sequence), (index, sequence));
        prop_assert!((force_n.clamp(-3276.7, 3276.7) - got.force_n).abs() <= 0.0501);
        prop_assert_eq!(got.status.saturated, force_n.abs() > 3276.75);
    }
}

#[test]
fn no_command_can_be_taken_for_an_order() {
    let scaling = damiao::scaling(Model::Dm8009);
    let full = MitCommand { q_rad: 99.0, dq_rad_s: 99.0, kp: 999.0, kd: 9.0, tau_nm: 99.0 };
    assert_eq!(mit::encode(&scaling, &full).unwrap(), [0xFF; 8]);
    let mut refused = 0;
    for steps in 1..=6 {
        let tau_nm = scaling.t_max_nm - (f64::from(steps) - 0.5) * scaling.tau_quantum_nm();
        match mit::encode(&scaling, &MitCommand { tau_nm, ..full }) {
            Err(error) => {
                assert_eq!(error, EncodeError::ReadsAsSpecial);
                refused += 1;
            }
            Ok(bytes) => assert!(!mit::is_special(&bytes)),
        }
    }
    assert_eq!(refused, 4, "FB, FC, FD and FE");
}

#[test]
fn impossible_scalings_ids_and_indices_are_refused_by_name() {
    let good = damiao::scaling(Model::Dm8009);
    let bad = MitScaling { v_max_rad_s: 0.0, ..good };
    assert_eq!(mit::encode(&bad, &MitCommand::default()), Err(EncodeError::Scaling { field: "v_max_rad_s" }));
    let bad = MitScaling { kd_max: f64::NAN, ..good };
    assert_eq!(mit::encode(&bad, &MitCommand::default()), Err(EncodeError::Scaling { field: "kd_max" }));
    assert!(matches!(damiao::enable(0x800), Err(EncodeError::Frame(_))));
    assert!(matches!(damiao::refresh(0xFFFF), Err(EncodeError::Frame(_))));
    assert!(matches!(damiao::velocity(0xFFFF, 0.0), Err(EncodeError::Frame(_))));
    let mixed = damiao::write_register(1, Register::Timeout, RegisterValue::Float(1.0));
    assert_eq!(mixed, Err(EncodeError::RegisterType { register: 9 }));
    let sample = Sample { index: 8, vector: [0.0; 3], sequence: 0, status: SensorStatus::default() };
    assert_eq!(imu::encode_gyro(&sample), Err(EncodeError::Index { found: 8, most: 7 }));
    assert_eq!(
        damiao::decode_register_reply(&[1, 0, 0x33, 200, 0, 0, 0, 0]),
        Err(DecodeError::Register { found: 200 })
    );
}

#[test]
fn zero_is_half_a_quantum_below_zero() {
    let scaling = damiao::scaling(Model::Dm4310);
    let back = mit::decode_command(&scaling, &mit::encode(&scaling, &MitCommand::default()).unwrap());
    assert!((back.dq_rad_s + 0.0073).abs() < 1e-4 && (back.tau_nm + 0.0024).abs() < 1e-4);
}

#[test]
fn unknown_status_bits_of_a_sensor_count_as_failed() {
    let mut frame =
        foot::encode(&foot::Force { index: 0, force_n: 1.0, sequence: 0, status: SensorStatus::default() })
            .unwrap();
    frame.flip_bit(8 * 3 + 5);
    assert!(foot::decode(&frame).unwrap().status.failed);
}

#[test]
fn every_fault_nibble_has_a_name_and_comes_back() {
    for nibble in 0..16 {
        assert_eq!(
            damiao::Fault::from_nibble(nibble).map(damiao::Fault::nibble),
            (nibble > 1).then_some(nibble)
        );
    }
}
