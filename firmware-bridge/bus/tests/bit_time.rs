//! Properties of the bit-time arithmetic over arbitrary frames.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use proptest::prelude::*;
use sinew_bus::bit_time::duration_ns;
use sinew_bus::{BitRates, CanFrame, CanId, FrameShape};

proptest! {
    #[test]
    fn a_frame_never_takes_longer_than_its_worst_case(
        id in 0u32..0x2000_0000,
        extended: bool,
        data in prop::collection::vec(prop_oneof![Just(0u8), Just(0xFF), any::<u8>()], 0..=8),
    ) {
        let id = if extended { CanId::Extended(id) } else { CanId::Standard((id & 0x7FF) as u16) };
        let frame = CanFrame::classic(id, &data).unwrap();
        let exact = duration_ns(&frame, BitRates::CLASSIC_1M);
        let bare = 1000 * (if extended { 67 } else { 47 } + 8 * data.len() as u64);
        prop_assert!(exact >= bare);
        prop_assert!(exact <= FrameShape::of(&frame).worst_case_ns(BitRates::CLASSIC_1M));
    }
}
