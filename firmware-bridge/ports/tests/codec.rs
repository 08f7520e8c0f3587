//! The datagram codec: round trip, one spelling per message, and every lie named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failed test should stop where it failed

use proptest::prelude::*;
use sinew_bus::{CanFrame, CanId, FrameError};
use sinew_ports::{BusMessage, DecodeError, Kind, MAX_BUSES, MAX_FRAMES, MAX_MESSAGE_BYTES, decode, encode};

fn any_frame() -> impl Strategy<Value = CanFrame> {
    let id = prop_oneof![
        (0..=0x7ff_u16).prop_map(CanId::Standard),
        (0..=0x1fff_ffff_u32).prop_map(CanId::Extended)
    ];
    let classic = (id.clone(), prop::collection::vec(any::<u8>(), 0..=8))
        .prop_map(|(id, data)| CanFrame::classic(id, &data).unwrap());
    let fd_len = prop::sample::select(vec![0_usize, 1, 8, 12, 16, 20, 24, 32, 48, 64]);
    let fd = (id.clone(), fd_len, any::<u8>(), any::<bool>())
        .prop_map(|(id, len, byte, brs)| CanFrame::fd(id, &vec![byte; len], brs).unwrap());
    let remote = (id, 0..=8_u8).prop_map(|(id, len)| CanFrame::remote(id, len).unwrap());
    prop_oneof![4 => classic, 1 => fd, 1 => remote]
}

fn any_message() -> impl Strategy<Value = BusMessage> {
    let kind = prop_oneof![
        Just(Kind::Ready),
        any::<u32>().prop_map(|mask| Kind::Tick { mask }),
        Just(Kind::Frames),
        Just(Kind::Replies),
        Just(Kind::Done),
        Just(Kind::Leave),
    ];
    let frames = prop::collection::vec((0..MAX_BUSES, any::<u64>(), any_frame()), 0..40);
    (kind, any::<u64>(), any::<u32>(), any::<u32>(), frames).prop_map(|(kind, step, boot_id, seq, frames)| {
        let mut message = BusMessage::new();
        message.restart(kind, step, boot_id, seq);
        frames.into_iter().for_each(|(bus, at_ns, frame)| message.push(bus, at_ns, frame).unwrap());
        message
    })
}

fn bytes_of(message: &BusMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    bytes
}

fn read(bytes: &[u8]) -> Result<BusMessage, DecodeError> {
    let mut message = BusMessage::new();
    decode(bytes, &mut message).map(|()| message)
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in any_message()) {
        prop_assert_eq!(read(&bytes_of(&message)), Ok(message));
    }

    #[test]
    fn any_bytes_give_a_message_or_a_reason(mut bytes in prop::collection::vec(any::<u8>(), 0..600), headed: bool) {
        if headed && bytes.len() > 6 {
            bytes[..5].copy_from_slice(b"SNBM\x01");
            bytes[5] %= 6;
        }
        if let Ok(message) = read(&bytes) {
            prop_assert_eq!(bytes_of(&message), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_another_message_or_none(message in any_message(), at: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = bytes_of(&message);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = read(&bytes) {
            prop_assert_ne!(&other, &message);
            prop_assert_eq!(bytes_of(&other), bytes);
        }
    }

    #[test]
    fn every_cut_and_every_addition_is_noticed(message in any_message(), at: prop::sample::Index) {
        let mut bytes = bytes_of(&message);
        let cut = at.index(bytes.len());
        let is_short = matches!(read(&bytes[..cut]), Err(DecodeError::Short { .. }));
        prop_assert!(is_short);
        bytes.push(0);
        prop_assert_eq!(read(&bytes), Err(DecodeError::Trailing { found: 1 }));
    }
}

#[test]
fn the_largest_message_fits_its_bound_and_needs_no_more_memory() {
    let mut message = BusMessage::new();
    message.restart(Kind::Replies, u64::MAX, u32::MAX, u32::MAX);
    let frame = CanFrame::fd(CanId::Extended(0x1fff_ffff), &[0xff; 64], true).unwrap();
    (0..MAX_FRAMES).for_each(|_| message.push(MAX_BUSES - 1, u64::MAX, frame).unwrap());
    let mut bytes = Vec::with_capacity(MAX_MESSAGE_BYTES);
    encode(&message, &mut bytes);
    assert_eq!((bytes.len(), bytes.capacity()), (MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES));
    assert_eq!(read(&bytes), Ok(message));
}

#[test]
fn each_lie_is_named() {
    let mut message = BusMessage::new();
    message.restart(Kind::Frames, 1, 2, 3);
    message.push(1, 9, CanFrame::standard_8(0x123, [7; 8])).unwrap();
    let good = bytes_of(&message);
    let lie = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        read(&bytes).unwrap_err()
    };
    assert_eq!(lie(0, b"X"), DecodeError::Magic { found: *b"XNBM" });
    assert_eq!(lie(4, &[2]), DecodeError::Version { found: 2 });
    assert_eq!(lie(5, &[6]), DecodeError::Kind { found: 6 });
    assert_eq!(lie(6, &257_u16.to_le_bytes()), DecodeError::Count { found: 257 });
    assert_eq!(lie(6, &2_u16.to_le_bytes()), DecodeError::Short { found: good.len(), what: "a frame" });
    assert_eq!(lie(24, &[1]), DecodeError::Mask { found: 1 });
    assert_eq!(lie(28, &[8]), DecodeError::Bus { index: 0, found: 8 });
    for flags in [4, 10, 12, 16, 128] {
        // A remote flag also says that no payload follows, so the flags are looked at before what is left over.
        assert_eq!(lie(29, &[flags]), DecodeError::Flags { index: 0, found: flags });
    }
    assert_eq!(lie(30, &[200]), DecodeError::Short { found: good.len(), what: "a payload" });
    assert_eq!(lie(30, &[7]), DecodeError::Trailing { found: 1 });
    let source = FrameError::Identifier { found: CanId::Standard(0x800) };
    assert_eq!(lie(31, &[0, 8, 0, 0]), DecodeError::Frame { index: 0, source });
    // 0x10123 must not be cut down to 0x123.
    assert!(matches!(lie(31, &[0x23, 1, 1, 0]), DecodeError::Frame { index: 0, .. }));
}
