//! Whatever a host sends, drives stay within their limits and equal input gives equal output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking

mod host;
use host::statue::Statue;
use proptest::prelude::*;
use sinew_bus::{BusFaults, CanFrame, CanId};
use sinew_devices::emulator::DriveFault;
use sinew_twin::{HostFrames, Replies, Twin, TwinConfig, WorldEvent};

/// One queued frame: bus, id, payload.
type Sent = (usize, u16, [u8; 8]);

fn frames() -> impl Strategy<Value = Vec<Vec<Sent>>> {
    // Ids that mean something, and any others; payloads at random or one of the drives' own orders.
    let id = prop_oneof![1u16..=4, Just(0x80u16), Just(0x7FFu16), 0u16..0x7FF];
    let payload = prop_oneof![
        any::<[u8; 8]>(),
        Just([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFC]),
        Just([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFB]),
    ];
    let step = proptest::collection::vec((0usize..4, id, payload), 0..12);
    proptest::collection::vec(step, 1..25)
}

/// Run the frames; returns hash, all reply bytes with stamps, and the largest torque.
fn run(steps: &[Vec<Sent>], jump_rad: f64, seed: u64) -> ([u8; 32], Vec<u8>, f64, bool) {
    let robot = host::quad();
    let statue = Statue::new(robot.joints.len(), robot.feet.len());
    let seen = statue.largest_nm.clone();
    let config = TwinConfig { seed, ..TwinConfig::default() };
    let mut twin = Twin::new(&robot, Box::new(statue), config).unwrap();
    let rough = BusFaults { loss: 0.1, duplication: 0.1, corruption: 0.1, ..BusFaults::NONE };
    twin.apply(&WorldEvent::Bus { bus: 0, faults: rough }).unwrap();
    twin.apply(&WorldEvent::Drive { joint: 3, fault: DriveFault::EncoderJump(jump_rad) }).unwrap();
    let mut log = Vec::new();
    for (step, sent) in steps.iter().enumerate() {
        let mut host = vec![HostFrames::new(); robot.buses.len()];
        for (bus, id, payload) in sent {
            host[*bus].push(CanFrame::classic(CanId::Standard(*id), payload).unwrap());
        }
        let mut replies = vec![Replies::new(); robot.buses.len()];
        twin.exchange(step as u64, &host, &mut replies).unwrap();
        twin.integrate();
        for received in replies.iter().flatten() {
            log.extend_from_slice(&received.at_ns.to_le_bytes());
            log.extend_from_slice(received.frame.payload());
        }
    }
    let (largest, bad) = *seen.lock().unwrap();
    (twin.hash(), log, largest, bad)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn torque_stays_within_the_clip_and_runs_repeat(steps in frames(), jump in -3.0f64..3.0, seed: u64) {
        let first = run(&steps, jump, seed);
        prop_assert!(!first.3, "a torque that is not finite reached the physics");
        prop_assert!(first.2 <= 36.0 + 1e-9, "{} N m beyond the largest clip", first.2);
        prop_assert_eq!(first, run(&steps, jump, seed));
    }
}
