//! What a receiver may rely on: round trips, golden bytes, and a reason for every byte that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by failing
use proptest::prelude::*;
use sinew_wire::*;

fn header() -> Header {
    Header {
        robot: robot_id("quad"),
        source: Source::CONTROL.0,
        flags: 3,
        epoch: 7,
        boot_id: 0x1234_5678,
        seq: 42,
        step: 0x0102_0304_0506,
        t_sent_ns: 9_000_000_001,
        valid_for_us: 8_000,
        based_on_boot: 0x9abc_def0,
        based_on_seq: 41,
        ..Header::default()
    }
}

fn golden_command() -> ActuatorCommand {
    let mut frame = ActuatorCommand { header: header(), ..Default::default() };
    frame.body = ActuatorCommandBody {
        limits_hash: 0x1122_3344_5566_7788,
        calibration_id: 5,
        intent: Intent::Run as u8,
        aux: 1,
        ..Default::default()
    };
    frame.joints.push(JointCommand::impedance(0.5, -1.0, 2.25, 40.0, 1.0));
    frame.joints.push(JointCommand::damping(2.0));
    frame
}

fn encoded<B: Body>(frame: &Frame<B>) -> Vec<u8> {
    let mut buffer = [0; MAX_FRAME];
    frame.encode(&mut buffer).unwrap().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// One frame of each kind, written out. A difference here is a changed wire: bump VERSION and renew the file with
/// `WRITE_GOLDEN=1`.
#[test]
fn golden_bytes() {
    let mut state = ActuatorState { header: header(), ..Default::default() };
    state.body.imu_count = 1;
    state.body.imus[0].accel_m_s2 = [0.0, 0.0, 9.81];
    state.body.link_state = LinkState::Active as u8;
    state.joints.push(JointState { q_rad: 0.25, valid: 1, ..Default::default() });
    let mut robot = RobotState { header: header(), ..Default::default() };
    robot.body.position_m = [1.0, 2.0, 0.29];
    robot.body.robot_mode = RobotMode::Policy as u8;
    robot.joints.push(RobotJoint { q_rad: 1.5, ..Default::default() });
    let mut policy = PolicyCommand { header: header(), ..Default::default() };
    policy.body = PolicyCommandBody {
        activation: 3,
        model_hash: 0x7346_4f91,
        policy: 1,
        status: PolicyStatus::Targets as u8,
        provider: Provider::TensorRt as u8,
        flags: PolicyFlags::DEADLINE_MISSED | PolicyFlags::CHUNK,
        run_us: 4_321,
        age_us: 20_000,
        ahead_us: 0,
    };
    policy.joints.push(JointCommand::impedance(0.1, 0.0, 0.0, 40.0, 1.0));
    let mut motion = MotionCommand { header: header(), ..Default::default() };
    motion.body.velocity = [0.5, 0.0, -0.25];
    motion.body.request = Request::StandUp as u8;
    let mut sensor = SensorFrame { header: header(), ..Default::default() };
    sensor.body.count = 2;
    sensor.body.values[1] = -1.0;
    let written = format!(
        "actuator_command {}\nactuator_state {}\nrobot_state {}\npolicy_command {}\nmotion_command {}\nsensor_frame {}\n",
        hex(&encoded(&golden_command())),
        hex(&encoded(&state)),
        hex(&encoded(&robot)),
        hex(&encoded(&policy)),
        hex(&encoded(&motion)),
        hex(&encoded(&sensor)),
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/golden.txt");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), written);
}

#[test]
fn crc_matches_the_published_check_value() {
    assert_eq!(crc32_p4(b"123456789"), 0x1697_d06a);
    let vectors = include_str!("data/crc_check_values.json");
    assert!(vectors.contains("1697d06a"), "the vector file lists profile 4");
}

#[test]
fn crc_is_the_same_for_any_split_into_blocks() {
    let bytes: Vec<u8> = (0..200u32).map(|i| (i * 37 % 251) as u8).collect();
    for n in 0..bytes.len() {
        let mut slow = u32::MAX;
        for b in &bytes[..n] {
            slow ^= u32::from(*b);
            for _ in 0..8 {
                slow = if slow & 1 == 1 { (slow >> 1) ^ 0xF4AC_FB13_u32.reverse_bits() } else { slow >> 1 };
            }
        }
        assert_eq!(crc32_p4(&bytes[..n]), !slow, "length {n}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = encoded(&golden_command());
    for bit in 0..bytes.len() * 8 {
        let mut lying = bytes.clone();
        lying[bit / 8] ^= 1 << (bit % 8);
        assert!(ActuatorCommand::decode(&lying).is_err(), "bit {bit} flipped unnoticed");
    }
}

#[test]
fn each_lie_has_its_reason() {
    let bytes = encoded(&golden_command());
    let lie = |at: usize, value: u8| {
        let mut lying = bytes.clone();
        lying[at] = value;
        ActuatorCommand::decode(&lying).unwrap_err()
    };
    assert!(matches!(lie(0, b'X'), DecodeError::Magic { .. }));
    assert!(matches!(lie(4, 9), DecodeError::Version { found: 9 }));
    assert!(matches!(lie(6, 3), DecodeError::Kind { expected: FrameKind::ActuatorCommand, found: 3 }));
    assert!(matches!(lie(7, 65), DecodeError::Joints { found: 65 }));
    assert!(matches!(lie(7, 3), DecodeError::Length { .. }));
    assert!(matches!(lie(8, bytes[8] ^ 1), DecodeError::Schema { .. }));
    assert!(matches!(lie(70, bytes[70] ^ 1), DecodeError::Crc { .. }));
    assert!(matches!(ActuatorCommand::decode(&bytes[..bytes.len() - 1]), Err(DecodeError::Length { .. })));
    assert!(matches!(ActuatorCommand::decode(&[]), Err(DecodeError::Length { .. })));
    let mut unknown_intent = golden_command();
    unknown_intent.body.intent = 77;
    assert!(matches!(
        ActuatorCommand::decode(&encoded(&unknown_intent)),
        Err(DecodeError::Variant(v)) if v.enumeration == "Intent" && v.found == 77
    ));
    let mut policy = PolicyCommand::default();
    policy.body.provider = 5;
    assert!(matches!(
        PolicyCommand::decode(&encoded(&policy)),
        Err(DecodeError::Variant(v)) if v.enumeration == "Provider" && v.found == 5
    ));
    policy.body.provider = Provider::Native as u8;
    policy.body.flags = PolicyFlags::KNOWN;
    assert!(PolicyCommand::decode(&encoded(&policy)).is_ok());
    policy.body.flags = PolicyFlags::KNOWN + 1;
    assert!(matches!(
        PolicyCommand::decode(&encoded(&policy)),
        Err(DecodeError::Variant(v)) if v.enumeration == "PolicyFlags"
    ));
    let mut unknown_mode = golden_command();
    unknown_mode.joints[1].mode = 200;
    assert!(matches!(ActuatorCommand::decode(&encoded(&unknown_mode)), Err(DecodeError::Variant(_))));
}

#[test]
fn schema_differs_between_kinds() {
    let all = [
        ActuatorStateBody::SCHEMA,
        ActuatorCommandBody::SCHEMA,
        RobotStateBody::SCHEMA,
        PolicyCommandBody::SCHEMA,
        MotionCommandBody::SCHEMA,
        SensorFrameBody::SCHEMA,
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn short_buffer_is_refused() {
    assert!(matches!(
        golden_command().encode(&mut [0; 10]),
        Err(EncodeError::Buffer { needed: 148, found: 10 })
    ));
}

#[test]
fn newer_is_wrap_safe_and_boot_bound() {
    let id = |boot_id, seq| FrameId { boot_id, seq };
    assert!(id(1, 0).is_newer_than(id(1, u32::MAX)));
    assert!(!id(1, u32::MAX).is_newer_than(id(1, 0)));
    assert!(!id(1, 5).is_newer_than(id(1, 5)));
    assert!(!id(2, 9).is_newer_than(id(1, 5)));
}

proptest! {
    #[test]
    fn any_command_survives_the_wire(
        seq: u32, epoch: u32, step: u64, aux: u64,
        joints in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), 0u8..=6), 0..=MAX_JOINTS),
    ) {
        let mut frame = ActuatorCommand { header: Header { seq, epoch, step, ..header() }, ..Default::default() };
        frame.body.aux = aux;
        for (q, dq, tau, kp, kd, mode) in joints {
            let f = f32::from_bits;
            frame.joints.push(JointCommand { mode, ..JointCommand::impedance(f(q), f(dq), f(tau), f(kp), f(kd)) });
        }
        let bytes = encoded(&frame);
        prop_assert!(bytes.len() <= MAX_FRAME);
        // Compared as bytes: a NaN must come through unchanged, so that the receiver can refuse it.
        prop_assert_eq!(encoded(&ActuatorCommand::decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn decoders_are_total(bytes in prop::collection::vec(any::<u8>(), 0..2100)) {
        prop_assert!(ActuatorState::decode(&bytes).is_err());
        prop_assert!(RobotState::decode(&bytes).is_err());
        prop_assert!(SensorFrame::decode(&bytes).is_err());
    }

    #[test]
    fn mutated_frames_never_panic(at in 0usize..148, value: u8) {
        let mut bytes = encoded(&golden_command());
        bytes[at] = value;
        // A change of a byte to itself is the only one that may pass.
        let same = bytes == encoded(&golden_command());
        prop_assert_eq!(ActuatorCommand::decode(&bytes).is_ok(), same);
        prop_assert!(MotionCommand::decode(&bytes).is_err());
    }
}
