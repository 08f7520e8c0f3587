//! One lease, one holder; stops from anybody.
use proptest::prelude::*;
use sinew_control::{Arbiter, MotionSource};
use sinew_wire::{FrameId, LeaseRefusal, MotionCommand, Request, Source, StepTime};

const ROBOT: u32 = 9;
const OWN_BOOT: u32 = 5;
const TICK_NS: u64 = 2_000_000;

/// An arbiter and the clock and own states it judges by.
struct Desk {
    arbiter: Arbiter,
    tick: u64,
    seq: u32,
}

impl Desk {
    fn new() -> Self {
        let sources = [(Source::CMD_VEL, 50), (Source::SCENARIO, 90), (Source::DRIVE, 100)]
            .map(|(source, priority)| MotionSource { source, priority });
        let mut desk = Self { arbiter: Arbiter::new(&sources), tick: 0, seq: 0 };
        desk.wait(1);
        desk
    }

    fn now(&self) -> StepTime {
        StepTime::from_ns(self.tick * TICK_NS)
    }

    /// Ticks without a frame.
    fn wait(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.tick += 1;
            let now = self.now();
            self.arbiter.hear(ROBOT, &[], now);
            self.arbiter.published(FrameId { boot_id: OWN_BOOT, seq: self.tick as u32 }, now);
        }
    }

    fn frame(&mut self, source: Source, request: Request) -> MotionCommand {
        self.seq += 1;
        let mut frame = MotionCommand::default();
        frame.header.robot = ROBOT;
        frame.header.source = source.0;
        frame.header.boot_id = 1;
        frame.header.seq = self.seq;
        frame.header.epoch = self.arbiter.epoch();
        frame.header.valid_for_us = 200_000;
        frame.header.set_based_on(FrameId { boot_id: OWN_BOOT, seq: self.tick as u32 });
        frame.body.request = request as u8;
        frame
    }

    /// Hears one frame in a tick of its own; the requests it lets through.
    fn hear(&mut self, frame: &MotionCommand) -> Vec<Request> {
        self.tick += 1;
        let now = self.now();
        let granted =
            self.arbiter.hear(ROBOT, std::slice::from_ref(frame), now).iter().map(|g| g.request).collect();
        self.arbiter.published(FrameId { boot_id: OWN_BOOT, seq: self.tick as u32 }, now);
        granted
    }

    fn ask(&mut self, source: Source, request: Request) -> Vec<Request> {
        let frame = self.frame(source, request);
        self.hear(&frame)
    }

    fn steer(&mut self, source: Source, vx: f32) {
        let mut frame = self.frame(source, Request::None);
        frame.body.velocity = [vx, 0.0, 0.0];
        self.hear(&frame);
    }

    /// What the frame is refused for.
    fn refusal_of(&mut self, frame: &MotionCommand) -> LeaseRefusal {
        let refused = self.arbiter.refused();
        self.hear(frame);
        if self.arbiter.refused() == refused { LeaseRefusal::None } else { self.arbiter.refusal() }
    }
}

#[test]
fn a_request_needs_the_lease_its_epoch_a_new_frame_and_a_fresh_state() {
    let mut desk = Desk::new();
    assert_eq!(desk.ask(Source::DRIVE, Request::StandUp), []);
    assert_eq!(desk.arbiter.refusal(), LeaseRefusal::NoLease);
    desk.ask(Source::DRIVE, Request::Acquire);
    assert_eq!(desk.arbiter.holder(), Some(Source::DRIVE));
    assert_eq!(desk.ask(Source::DRIVE, Request::StandUp), [Request::StandUp]);

    let good = desk.frame(Source::DRIVE, Request::Policy);
    assert_eq!(desk.hear(&good), [Request::Policy]);
    assert_eq!(desk.refusal_of(&good), LeaseRefusal::Sequence, "the same frame twice");
    type Case = (LeaseRefusal, fn(&mut MotionCommand));
    let cases: &[Case] = &[
        (LeaseRefusal::Epoch, |f| f.header.epoch -= 1),
        (LeaseRefusal::Malformed, |f| f.header.robot ^= 1),
        (LeaseRefusal::Source, |f| f.header.source = Source::CONTROL.0),
        (LeaseRefusal::Age, |f| f.header.set_based_on(FrameId { boot_id: 99, seq: 1 })),
        (LeaseRefusal::NonFinite, |f| f.body.velocity[1] = f32::NAN),
        (LeaseRefusal::NonFinite, |f| f.body.velocity[2] = f32::INFINITY),
        (LeaseRefusal::NoLease, |f| f.header.boot_id = 2),
    ];
    for (expected, spoil) in cases {
        let mut frame = desk.frame(Source::DRIVE, Request::Policy);
        spoil(&mut frame);
        assert_eq!(desk.refusal_of(&frame), *expected);
    }
    let old = desk.frame(Source::DRIVE, Request::Policy);
    desk.wait(101);
    assert_eq!(desk.refusal_of(&old), LeaseRefusal::Age);
}

#[test]
fn damping_and_estop_need_nothing_at_all() {
    for request in [Request::Damping, Request::EStop] {
        let mut desk = Desk::new();
        desk.ask(Source::DRIVE, Request::Acquire);
        let mut frame = MotionCommand::default();
        frame.header.robot = ROBOT;
        frame.header.source = 0x7777;
        frame.body.request = request as u8;
        frame.body.velocity = [f32::NAN; 3];
        // Neither declared, nor new, nor based on anything, nor valid for any time; and again.
        assert_eq!(desk.hear(&frame), [request]);
        assert_eq!(desk.hear(&frame), [request]);
        frame.header.robot ^= 1;
        assert_eq!(desk.hear(&frame), [], "another robot's stop is not ours");
    }
}

#[test]
fn silence_ramps_stops_asks_for_safety_and_frees() {
    let mut desk = Desk::new();
    desk.ask(Source::DRIVE, Request::Acquire);
    desk.steer(Source::DRIVE, 0.5);
    for age_ms in (2..=3010).step_by(2) {
        desk.wait(1);
        let (vx, now) = (desk.arbiter.velocity()[0], desk.now());
        assert_eq!(vx, if age_ms <= 100 { 0.5 } else { 0.0 }, "{age_ms} ms");
        let held = age_ms <= 3000;
        assert_eq!(desk.arbiter.holder().is_some(), held, "{age_ms} ms");
        assert_eq!(desk.arbiter.wants_safe_posture(now), age_ms > 1000, "{age_ms} ms");
    }
}

#[test]
fn after_a_controlled_stop_the_stick_has_to_be_let_go() {
    let mut desk = Desk::new();
    desk.ask(Source::DRIVE, Request::Acquire);
    // Up to 200 ms a pause is forgiven.
    desk.steer(Source::DRIVE, 0.5);
    desk.wait(95);
    desk.steer(Source::DRIVE, 0.5);
    assert_eq!(desk.arbiter.velocity()[0], 0.5);
    desk.wait(101);
    for _ in 0..5 {
        desk.steer(Source::DRIVE, 0.5);
        assert_eq!(desk.arbiter.velocity()[0], 0.0, "latched");
    }
    desk.steer(Source::DRIVE, 0.0);
    desk.steer(Source::DRIVE, 0.3);
    assert_eq!(desk.arbiter.velocity()[0], 0.3);
}

#[test]
fn only_a_higher_priority_takes_over_and_the_loser_is_fenced() {
    let mut desk = Desk::new();
    desk.ask(Source::SCENARIO, Request::Acquire);
    let first = desk.arbiter.epoch();
    desk.steer(Source::SCENARIO, 0.4);
    for lower in [Source::CMD_VEL, Source::SCENARIO] {
        let mut frame = desk.frame(lower, Request::Acquire);
        frame.header.boot_id = 40;
        assert_eq!(desk.refusal_of(&frame), LeaseRefusal::Held);
    }
    assert_eq!(desk.arbiter.velocity()[0], 0.4, "the holder goes on");
    desk.ask(Source::DRIVE, Request::Acquire);
    assert_eq!(desk.arbiter.holder(), Some(Source::DRIVE));
    assert!(desk.arbiter.epoch() > first);
    assert_eq!(desk.arbiter.velocity(), [0.0; 3], "the new holder starts from rest");
    let loser = desk.frame(Source::SCENARIO, Request::LieDown);
    assert_eq!(desk.refusal_of(&loser), LeaseRefusal::NoLease);
    desk.ask(Source::DRIVE, Request::Release);
    assert_eq!(desk.arbiter.holder(), None);
}

#[test]
fn a_source_that_was_started_anew_is_somebody_else() {
    let mut desk = Desk::new();
    desk.ask(Source::DRIVE, Request::Acquire);
    let first = desk.arbiter.epoch();
    let again = |desk: &mut Desk| {
        let mut frame = desk.frame(Source::DRIVE, Request::Acquire);
        frame.header.boot_id = 2;
        desk.refusal_of(&frame)
    };
    assert_eq!(again(&mut desk), LeaseRefusal::Held, "the first one lives");
    desk.wait(101);
    assert_eq!(again(&mut desk), LeaseRefusal::None);
    assert!(desk.arbiter.epoch() > first);
    let ghost = desk.frame(Source::DRIVE, Request::StandUp);
    assert_eq!(desk.refusal_of(&ghost), LeaseRefusal::NoLease);
}

/// A frame somebody sends in a tick.
#[derive(Clone, Copy, Debug)]
struct Sent {
    source: usize,
    boot: u32,
    request: usize,
    epoch_back: u32,
    state_back: u32,
    seq_back: u32,
    velocity: f32,
    pause: u64,
}

const SOURCES: [Source; 4] = [Source::CMD_VEL, Source::SCENARIO, Source::DRIVE, Source(999)];
const PRIORITIES: [u8; 3] = [50, 90, 100];

fn sent() -> impl Strategy<Value = Sent> {
    let nearly_zero = |most: u32| prop_oneof![3 => Just(0), 1 => 0..most];
    (
        0..4usize,
        1..3u32,
        0..Request::ALL.len(),
        nearly_zero(3),
        nearly_zero(150),
        nearly_zero(3),
        prop_oneof![4 => -1.0..1.0f32, 1 => Just(0.0), 1 => Just(f32::NAN)],
        prop_oneof![6 => 0..10u64, 2 => 40..120u64, 1 => 400..1700u64],
    )
        .prop_map(|(source, boot, request, epoch_back, state_back, seq_back, velocity, pause)| Sent {
            source,
            boot,
            request,
            epoch_back,
            state_back,
            seq_back,
            velocity,
            pause,
        })
}

proptest! {
    #[test]
    fn no_sequence_of_frames_gets_around_the_lease(frames in prop::collection::vec(sent(), 1..80)) {
        let mut desk = Desk::new();
        // The last frame by which the holder gave a sign of life: source, boot, tick, velocity.
        let mut alive: Option<(usize, u32, u64)> = None;
        for sent in frames {
            desk.wait(sent.pause);
            let request = Request::ALL[sent.request];
            let mut frame = desk.frame(SOURCES[sent.source], request);
            frame.header.boot_id = sent.boot;
            frame.header.seq -= sent.seq_back.min(frame.header.seq - 1);
            frame.header.epoch = frame.header.epoch.saturating_sub(sent.epoch_back);
            let based_on = (desk.tick as u32).saturating_sub(sent.state_back);
            frame.header.set_based_on(FrameId { boot_id: OWN_BOOT, seq: based_on });
            frame.body.velocity = [sent.velocity, 0.0, 0.0];
            let (holder, epoch) = (desk.arbiter.holder(), desk.arbiter.epoch());
            let refused = desk.arbiter.refused();
            let granted = desk.hear(&frame);
            let stop = matches!(request, Request::Damping | Request::EStop);
            if stop {
                prop_assert_eq!(&granted, &[request]);
            }
            if !granted.is_empty() && !stop {
                prop_assert_eq!(&granted, &[request]);
                prop_assert_eq!(holder, Some(SOURCES[sent.source]));
                prop_assert_eq!(alive.map(|a| (a.0, a.1)), Some((sent.source, sent.boot)));
                prop_assert_eq!(frame.header.epoch, epoch);
                prop_assert!(sent.state_back < 101 && sent.velocity.is_finite());
            }
            let after = desk.arbiter.holder();
            prop_assert!(desk.arbiter.epoch() >= epoch);
            if desk.arbiter.epoch() > epoch {
                prop_assert_eq!(request, Request::Acquire);
                prop_assert_eq!(after, Some(SOURCES[sent.source]));
                prop_assert!(sent.source < 3);
                // Nobody lost it to an equal or a lower one while giving signs of life.
                if let (Some(held), Some((source, _, tick))) = (holder, alive) {
                    let silent = desk.tick - tick > 100 && held == SOURCES[sent.source];
                    prop_assert!(PRIORITIES[source] < PRIORITIES[sent.source] || silent);
                }
                alive = Some((sent.source, sent.boot, desk.tick));
            } else if holder.is_some() && after.is_some() {
                let heard = desk.arbiter.refused() == refused;
                if let Some(alive) = alive.as_mut()
                    && heard && !stop
                    && (alive.0, alive.1) == (sent.source, sent.boot)
                {
                    alive.2 = desk.tick;
                }
            }
            let v = desk.arbiter.velocity();
            prop_assert!(v.iter().all(|v| v.is_finite()));
            if v != [0.0; 3] {
                prop_assert!(after.is_some());
                prop_assert!(alive.is_some_and(|a| desk.tick - a.2 <= 50));
            }
        }
    }
}
