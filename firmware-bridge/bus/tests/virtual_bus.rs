//! The virtual bus as its users see it: timing, arbitration, each fault, determinism.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use arrayvec::ArrayVec;
use proptest::prelude::*;
use sinew_bus::{BusFaults, CanFrame, CanId, Device, Received, TO_HOST, VirtualBus, VirtualBusConfig};

const P_NS: u64 = 2_000_000;

/// Answers frames of its id with `replies` frames of id + 0x10; worst-case stuffing if `zeros`.
struct Echo {
    id: u16,
    replies: u16,
    heard: Vec<(CanFrame, u64)>,
}

impl Echo {
    fn new(id: u16, replies: u16) -> Self {
        Echo { id, replies, heard: Vec::new() }
    }
}

impl Device for Echo {
    fn on_frame(&mut self, frame: &CanFrame, at_ns: u64, reply: &mut dyn FnMut(CanFrame)) {
        if frame.id() != CanId::Standard(self.id) {
            return;
        }
        self.heard.push((*frame, at_ns));
        for i in 0..self.replies {
            reply(CanFrame::classic(CanId::Standard(0x10 + self.id + i), frame.payload()).unwrap());
        }
    }
}

fn frame(id: u16, data: &[u8]) -> CanFrame {
    CanFrame::classic(CanId::Standard(id), data).unwrap()
}

struct Rig {
    bus: VirtualBus,
    echoes: Vec<Echo>,
    n: u64,
}

impl Rig {
    fn new(faults: BusFaults, seed: u64) -> Self {
        let config = VirtualBusConfig { faults, ..VirtualBusConfig::CLASSIC_1M };
        Rig { bus: VirtualBus::new(config, seed), echoes: (1..=4).map(|id| Echo::new(id, 1)).collect(), n: 0 }
    }

    fn cycle(&mut self, frames: &[CanFrame]) -> Vec<Received> {
        let mut to_host = ArrayVec::<Received, TO_HOST>::new();
        let mut devices: Vec<&mut dyn Device> =
            self.echoes.iter_mut().map(|d| d as &mut dyn Device).collect();
        self.bus.cycle(self.n * P_NS, (self.n + 1) * P_NS, frames, &mut devices, &mut to_host);
        self.n += 1;
        to_host.to_vec()
    }

    fn commands() -> Vec<CanFrame> {
        (1..=4).map(|id| frame(id, &[0; 8])).collect()
    }
}

#[test]
fn four_pairs_take_at_most_their_budget_and_arrive_in_order() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    let replies = rig.cycle(&Rig::commands());
    let ids: Vec<_> = replies.iter().map(|r| r.frame.id()).collect();
    assert_eq!(ids, [0x11, 0x12, 0x13, 0x14].map(CanId::Standard));
    let last_ns = replies.last().unwrap().at_ns;
    assert!((888_000..=1_080_000).contains(&last_ns), "{last_ns}");
    assert!(rig.bus.load() > 0.44 && rig.bus.load() <= 0.54, "{}", rig.bus.load());
    let counters = rig.bus.counters();
    assert_eq!((counters.host_frames, counters.device_frames, counters.carried), (4, 4, 0));
}

#[test]
fn the_lowest_identifier_that_is_ready_wins() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    rig.echoes = vec![Echo::new(0x300, 1), Echo::new(0x200, 1)];
    rig.cycle(&[frame(0x300, &[]), frame(0x200, &[])]);
    let heard = |i: usize| rig.echoes[i].heard[0].1;
    assert!(heard(1) < heard(0), "queued later, lower id, sent first");
}

#[test]
fn a_reply_waits_for_its_turnaround_and_for_the_wire() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    let replies = rig.cycle(&[frame(1, &[])]);
    let heard_ns = rig.echoes[0].heard[0].1;
    // 47 bits bare, at most 55 stuffed, without intermission 44 to 52.
    assert!((44_000..=52_000).contains(&heard_ns), "{heard_ns}");
    assert!(replies[0].at_ns >= heard_ns + 50_000 + 44_000, "{replies:?}");
}

#[test]
fn unfinished_traffic_is_carried_into_the_next_cycle() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    rig.echoes = vec![Echo::new(1, 20)];
    let first = rig.cycle(&[frame(1, &[0; 8])]);
    assert!(first.len() < 20 && rig.bus.counters().carried == 20 - first.len() as u64);
    let second = rig.cycle(&[]);
    assert_eq!(first.len() + second.len(), 20);
    assert!(first.iter().all(|r| r.at_ns <= P_NS) && second.iter().all(|r| r.at_ns > P_NS));
    // The wire did not idle between the cycles.
    assert!(second[0].at_ns - first.last().unwrap().at_ns <= 135_000);
}

#[test]
fn every_device_hears_a_broadcast() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    rig.echoes = vec![Echo::new(0x80, 0), Echo::new(0x80, 0)];
    rig.cycle(&[frame(0x80, &[1])]);
    assert_eq!(rig.echoes[0].heard, rig.echoes[1].heard);
    assert_eq!(rig.echoes[0].heard.len(), 1);
}

#[test]
fn loss_uses_the_wire_and_reaches_nobody() {
    let mut rig = Rig::new(BusFaults { loss: 1.0, ..BusFaults::NONE }, 1);
    assert!(rig.cycle(&Rig::commands()).is_empty());
    assert!(rig.echoes.iter().all(|echo| echo.heard.is_empty()));
    assert_eq!(rig.bus.counters().lost, 4);
    assert!(rig.bus.load() > 0.2);
}

#[test]
fn duplication_delivers_twice_and_costs_time() {
    let mut rig = Rig::new(BusFaults { duplication: 1.0, ..BusFaults::NONE }, 1);
    let replies = rig.cycle(&[frame(1, &[])]);
    // Command twice, each answered, each answer twice.
    assert_eq!((rig.echoes[0].heard.len(), replies.len()), (2, 4));
    assert_eq!(rig.bus.counters().duplicated, 3);
    assert!(replies.windows(2).all(|pair| pair[0].at_ns < pair[1].at_ns));
}

#[test]
fn a_delayed_sender_is_late() {
    let delay_ns = 700_000;
    let mut rig = Rig::new(BusFaults { delay: 1.0, delay_ns, ..BusFaults::NONE }, 1);
    let replies = rig.cycle(&[frame(1, &[])]);
    assert!(rig.echoes[0].heard[0].1 >= delay_ns);
    assert!(replies[0].at_ns >= 2 * delay_ns);
    assert_eq!(rig.bus.counters().delayed, 2);
}

#[test]
fn detected_corruption_is_sent_again() {
    let mut rig = Rig::new(BusFaults { corruption: 0.3, ..BusFaults::NONE }, 1);
    for _ in 0..50 {
        rig.cycle(&[frame(1, &[7])]);
    }
    let counters = rig.bus.counters();
    assert!(counters.corrupted > 10, "{counters:?}");
    assert_eq!((rig.echoes[0].heard.len(), counters.device_frames, counters.lost), (50, 50, 0));
    assert!(rig.echoes[0].heard.iter().all(|(f, _)| f.payload() == [7]));
}

#[test]
fn nothing_but_errors_drives_the_host_off_the_bus_and_it_recovers() {
    let mut rig = Rig::new(BusFaults { corruption: 1.0, ..BusFaults::NONE }, 1);
    for _ in 0..3 {
        assert!(rig.cycle(&Rig::commands()).is_empty());
    }
    assert_eq!(rig.bus.counters().bus_off, 1);
    assert!(rig.bus.counters().host_refused > 0);
    rig.bus.set_faults(BusFaults::NONE);
    rig.cycle(&[]);
    rig.cycle(&[]);
    assert_eq!(rig.cycle(&Rig::commands()).len(), 4);
}

#[test]
fn undetected_corruption_flips_one_bit() {
    let mut rig = Rig::new(BusFaults { undetected_corruption: 1.0, ..BusFaults::NONE }, 1);
    let replies = rig.cycle(&[frame(1, &[0; 8])]);
    let ones = |f: &CanFrame| f.payload().iter().map(|b| b.count_ones()).sum::<u32>();
    assert_eq!(ones(&rig.echoes[0].heard[0].0), 1);
    assert!(ones(&replies[0].frame) <= 2);
    assert_eq!(rig.bus.counters().undetected, 2);
}

#[test]
fn bus_off_silences_the_host_for_its_recovery_time() {
    let mut rig = Rig::new(BusFaults { bus_off: 1.0, ..BusFaults::NONE }, 1);
    assert!(rig.cycle(&Rig::commands()).is_empty());
    assert_eq!((rig.bus.counters().host_refused, rig.bus.load()), (4, 0.0));
    assert!(rig.bus.host_is_off(1_000_000) && !rig.bus.host_is_off(1_500_000));
    rig.bus.set_faults(BusFaults::NONE);
    assert_eq!(rig.cycle(&Rig::commands()).len(), 4);
}

#[test]
fn too_many_frames_are_counted_not_stored() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    let many = vec![frame(1, &[]); 200];
    rig.cycle(&many);
    assert_eq!(rig.bus.counters().queue_full, 200 - 128);
    let faults = BusFaults { bus_off: f64::NAN, loss: f64::NAN, corruption: -1.0, ..BusFaults::NONE };
    let mut rig = Rig::new(faults, 1);
    assert_eq!(rig.cycle(&Rig::commands()).len(), 4, "rates that are not numbers count as zero");
}

#[test]
fn a_gap_between_cycles_is_silence() {
    let mut rig = Rig::new(BusFaults::NONE, 1);
    rig.echoes = vec![Echo::new(1, 20)];
    rig.cycle(&[frame(1, &[0; 8])]);
    rig.n = 100;
    let later = rig.cycle(&[]);
    assert!(!later.is_empty() && later.iter().all(|r| r.at_ns > 100 * P_NS && r.at_ns <= 101 * P_NS));
}

#[test]
fn zero_bit_rate_carries_nothing() {
    let config = VirtualBusConfig { bitrate_bps: 0, ..VirtualBusConfig::CLASSIC_1M };
    let mut rig = Rig::new(BusFaults::NONE, 1);
    rig.bus = VirtualBus::new(config, 1);
    assert!(rig.cycle(&Rig::commands()).is_empty());
}

fn log(seed: u64, faults: BusFaults) -> Vec<(CanFrame, u64)> {
    let mut rig = Rig::new(faults, seed);
    let mut log = Vec::new();
    for i in 0..100u8 {
        let frames: Vec<_> = (1..=4).map(|id| frame(id, &[i; 8])).collect();
        log.extend(rig.cycle(&frames).iter().map(|r| (r.frame, r.at_ns)));
    }
    log
}

const EVERYTHING: BusFaults = BusFaults {
    loss: 0.05,
    duplication: 0.05,
    delay: 0.05,
    delay_ns: 300_000,
    corruption: 0.05,
    undetected_corruption: 0.05,
    bus_off: 0.02,
};

#[test]
fn the_same_seed_gives_the_same_bus_and_another_seed_another() {
    assert_eq!(log(7, EVERYTHING), log(7, EVERYTHING));
    assert_ne!(log(7, EVERYTHING), log(8, EVERYTHING));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stamps_never_go_back_and_nothing_is_invented(
        seed: u64,
        loss in 0.0..0.5f64,
        duplication in 0.0..0.5f64,
        delay in 0.0..0.5f64,
        corruption in 0.0..0.5f64,
        bus_off in 0.0..0.2f64,
        traffic in prop::collection::vec((0u16..6, prop::collection::vec(any::<u8>(), 0..=8)), 0..12),
    ) {
        let faults = BusFaults { loss, duplication, delay, delay_ns: 900_000, corruption, bus_off, ..BusFaults::NONE };
        let mut rig = Rig::new(faults, seed);
        let frames: Vec<_> = traffic.iter().map(|(id, data)| frame(*id, data)).collect();
        let mut last_ns = 0;
        let mut arrived = 0;
        for _ in 0..20 {
            let (start_ns, end_ns) = (rig.n * P_NS, (rig.n + 1) * P_NS);
            for received in rig.cycle(&frames) {
                prop_assert!(received.at_ns > last_ns);
                prop_assert!(received.at_ns > start_ns && received.at_ns <= end_ns);
                last_ns = received.at_ns;
                arrived += 1;
            }
        }
        let counters = rig.bus.counters();
        prop_assert!(arrived <= counters.device_frames + counters.duplicated);
        prop_assert!(counters.busy_ns <= 20 * P_NS + 200_000);
    }
}
