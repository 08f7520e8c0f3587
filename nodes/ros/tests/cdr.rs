//! CDR against known bytes, against itself, and against bytes that lie.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use proptest::prelude::*;
use sinew_ros::cdr::{DecodeError, EncodeError, MAX_BYTES};
use sinew_ros::msg::builtin_interfaces::Time;
use sinew_ros::msg::diagnostic_msgs::{DiagnosticArray, DiagnosticStatus, KeyValue};
use sinew_ros::msg::geometry_msgs::{TransformStamped, TwistStamped};
use sinew_ros::msg::nav_msgs::Odometry;
use sinew_ros::msg::sensor_msgs::{Imu, JointState};
use sinew_ros::msg::std_msgs::{self, Header};
use sinew_ros::msg::tf2_msgs::TFMessage;
use sinew_ros::msg::{Byte, Message};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn written<M: Message>(message: &M) -> Vec<u8> {
    let mut out = Vec::new();
    message.to_cdr(&mut out).unwrap();
    out
}

fn check<M: Message + PartialEq + std::fmt::Debug>(message: &M, hex: &str) {
    assert_eq!(written(message), bytes(hex));
    assert_eq!(M::from_cdr(&bytes(hex)).as_ref(), Ok(message));
}

fn header() -> Header {
    Header { stamp: Time { sec: 1, nanosec: 2 }, frame_id: "ab".to_owned() }
}

#[test]
fn known_bytes() {
    check(&std_msgs::String { data: "hi".to_owned() }, "00010000 03000000 686900");
    check(&std_msgs::String { data: String::new() }, "00010000 01000000 00");
    check(&header(), "00010000 01000000 02000000 03000000 616200");
    let joints = JointState {
        header: header(),
        name: vec!["j".to_owned()],
        position: vec![1.0],
        ..JointState::default()
    };
    check(
        &joints,
        "00010000 01000000 02000000 03000000 61620000 01000000 02000000 6a000000 01000000 \
         000000000000f03f 00000000 00000000",
    );
    check(
        &KeyValue { key: "a".to_owned(), value: "b".to_owned() },
        "00010000 02000000 61000000 02000000 6200",
    );
}

#[test]
fn what_other_writers_do_is_read() {
    let text = std_msgs::String { data: String::new() };
    assert_eq!(std_msgs::String::from_cdr(&bytes("00010000 00000000")), Ok(text), "a string of length 0");
    let big = bytes("00000000 00000001 00000002 00000003 616200");
    assert_eq!(Header::from_cdr(&big), Ok(header()), "big-endian");
    let padded = bytes("00010003 02000000 6a000000");
    assert_eq!(std_msgs::String::from_cdr(&padded).unwrap().data, "j", "padding at the end");
}

#[test]
fn each_lie_is_named_with_its_place() {
    let read = |hex: &str| std_msgs::String::from_cdr(&bytes(hex));
    assert_eq!(read("0001"), Err(DecodeError::Short { at: 0, needed: 4, left: 2 }));
    assert_eq!(read("00060000 00000000"), Err(DecodeError::Header { found: [0, 6] }));
    assert_eq!(read("00010000 0300"), Err(DecodeError::Short { at: 4, needed: 4, left: 2 }));
    let longest = DecodeError::Count { at: 4, count: u32::MAX, element: 1, left: 1 };
    assert_eq!(read("00010000 ffffffff 00"), Err(longest));
    assert_eq!(read("00010000 02000000 6869"), Err(DecodeError::Unterminated { at: 8 }));
    assert_eq!(read("00010000 02000000 ff00"), Err(DecodeError::Utf8 { at: 8 }));
    let found = MAX_BYTES + 1;
    assert_eq!(std_msgs::String::from_cdr(&vec![0; found]), Err(DecodeError::TooLarge { found }));
    // 2^28 transforms claimed in sixteen bytes: refused before anything is reserved.
    let claimed = TFMessage::from_cdr(&bytes("00010000 00000010 00000000 00000000"));
    assert!(matches!(claimed, Err(DecodeError::Count { count: 0x1000_0000, .. })), "{claimed:?}");
}

#[test]
fn what_cdr_cannot_carry_is_not_written() {
    let mut out = Vec::new();
    let zero = std_msgs::String { data: "a\0b".to_owned() };
    assert_eq!(zero.to_cdr(&mut out), Err(EncodeError::ZeroInString));
    let long = std_msgs::String { data: "x".repeat(MAX_BYTES) };
    assert!(matches!(long.to_cdr(&mut out), Err(EncodeError::TooLarge { .. })));
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_/ äß]{0,12}"
}

fn any_header() -> impl Strategy<Value = Header> {
    (any::<i32>(), any::<u32>(), text())
        .prop_map(|(sec, nanosec, frame_id)| Header { stamp: Time { sec, nanosec }, frame_id })
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1e9..1e9_f64, 0..30)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        header in any_header(),
        name in proptest::collection::vec(text(), 0..30),
        (position, velocity, effort) in (numbers(), numbers(), numbers()),
        level: u8,
    ) {
        let value = KeyValue { key: header.frame_id.clone(), value: "x".to_owned() };
        let diagnostics = DiagnosticArray {
            header: header.clone(),
            status: name
                .iter()
                .map(|name| DiagnosticStatus {
                    level: Byte(level),
                    name: name.clone(),
                    message: name.clone(),
                    hardware_id: String::new(),
                    values: vec![value.clone(); 3],
                })
                .collect(),
        };
        prop_assert_eq!(DiagnosticArray::from_cdr(&written(&diagnostics)), Ok(diagnostics));
        let child = header.frame_id.clone();
        let transform =
            TransformStamped { header: header.clone(), child_frame_id: child, ..TransformStamped::default() };
        let transforms = TFMessage { transforms: vec![transform; name.len()] };
        prop_assert_eq!(TFMessage::from_cdr(&written(&transforms)), Ok(transforms));
        let joints = JointState { header, name, position, velocity, effort };
        prop_assert_eq!(JointState::from_cdr(&written(&joints)), Ok(joints));
    }

    #[test]
    fn any_bytes_give_a_message_or_a_reason(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(&tail);
        for bytes in [&bytes, &tail] {
            drop(JointState::from_cdr(bytes));
            drop(TFMessage::from_cdr(bytes));
            drop(DiagnosticArray::from_cdr(bytes));
            drop(Odometry::from_cdr(bytes));
            drop(Imu::from_cdr(bytes));
            drop(TwistStamped::from_cdr(bytes));
        }
    }

    #[test]
    fn a_cut_message_is_refused(cut in 0_usize..100) {
        let twist = TwistStamped { header: header(), ..TwistStamped::default() };
        let whole = written(&twist);
        let cut = cut.min(whole.len() - 1);
        prop_assert!(TwistStamped::from_cdr(&whole[..cut]).is_err());
    }
}
