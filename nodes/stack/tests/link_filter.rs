//! The impaired link: what it does to a step depends on seed and step alone, and it does what its name says.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
mod support;

use sinew_stack::{Delivery, LinkFilter};
use sinew_wire::{ActuatorCommand, Intent, JointCommand, MAX_FRAME};

const PERIOD_NS: u64 = 2_000_000;

fn filter(seed: u64, fault: &str) -> LinkFilter {
    let text = format!(
        "name: t\nrobot: quad\nseed: {seed}\nduration_s: 1\nevents: [{{kind: link, at_s: 0.1, for_s: 0.2, fault: {fault}}}]\nexpect: {{falls: 0}}\n"
    );
    LinkFilter::new(&support::parse(&text), PERIOD_NS)
}

fn sent(step: u64) -> Vec<u8> {
    let mut frame = ActuatorCommand::default();
    frame.header.seq = step as u32 + 1;
    frame.header.step = step;
    frame.header.epoch = 3;
    frame.body.intent = Intent::Run as u8;
    frame.joints.extend((0..12).map(|_| JointCommand::impedance(step as f32 * 1e-3, 0.0, 0.0, 40.0, 1.0)));
    let mut buffer = [0; MAX_FRAME];
    frame.encode(&mut buffer).unwrap().to_vec()
}

fn run(filter: &mut LinkFilter, steps: u64) -> Vec<Vec<Delivery>> {
    (0..steps)
        .map(|step| {
            let mut out = Vec::new();
            filter.pass(step, Some(&sent(step)), &mut out);
            out
        })
        .collect()
}

/// Steps with the fault on: 0.1 s to 0.3 s.
const ON: std::ops::Range<usize> = 50..150;

#[test]
fn the_same_seed_does_the_same_and_another_seed_something_else() {
    for fault in ["loss", "duplicate", "reorder", "replay", "non_finite", "wrong_epoch", "stale"] {
        let once = run(&mut filter(1, fault), 200);
        assert_eq!(once, run(&mut filter(1, fault), 200), "{fault}");
        let drawn = matches!(fault, "replay" | "non_finite");
        assert_eq!(once != run(&mut filter(2, fault), 200), drawn, "{fault}");
    }
}

#[test]
fn what_is_drawn_in_a_step_does_not_depend_on_the_steps_before() {
    let whole = run(&mut filter(5, "non_finite"), 100);
    let mut late = filter(5, "non_finite");
    let mut out = Vec::new();
    for step in 80..100 {
        late.pass(step, Some(&sent(step)), &mut out);
        assert_eq!(Some(&out), whole.get(step as usize));
    }
}

#[test]
fn outside_its_time_the_link_is_clear() {
    for fault in ["loss", "duplicate", "reorder", "replay", "non_finite", "wrong_epoch", "stale"] {
        for (step, out) in run(&mut filter(1, fault), 200).iter().enumerate() {
            // A pair that began inside may end one step outside.
            if !(ON.start..=ON.end).contains(&step) {
                assert_eq!(*out, [Delivery { bytes: sent(step as u64), forged: false }], "{fault} at {step}");
            }
        }
    }
}

#[test]
fn each_fault_does_what_its_name_says() {
    let seqs = |fault: &str| -> Vec<Vec<u64>> {
        let all = run(&mut filter(1, fault), 200);
        let seq = |d: &Delivery| u64::from(ActuatorCommand::decode(&d.bytes).unwrap().header.seq) - 1;
        all.get(ON).unwrap().iter().map(|out| out.iter().map(seq).collect()).collect()
    };
    let steps = || (50u64..150).enumerate();
    assert!(seqs("loss").iter().all(Vec::is_empty));
    for (i, step) in steps() {
        assert_eq!(seqs("duplicate")[i], [step, step]);
        assert_eq!(seqs("stale")[i], [step - 10]);
        let replayed = &seqs("replay")[i];
        assert!(replayed[0] < step && replayed[1] == step, "{replayed:?} at {step}");
    }
    let pairs = seqs("reorder");
    assert!(
        pairs
            .chunks(2)
            .zip((50u64..).step_by(2))
            .all(|(pair, step)| { pair[0].is_empty() && pair[1] == [step + 1, step] })
    );
    for out in run(&mut filter(1, "non_finite"), 200).get(ON).unwrap() {
        let frame = ActuatorCommand::decode(&out[0].bytes).unwrap();
        assert_eq!(frame.joints.iter().filter(|j| !j.is_finite()).count(), 1);
    }
    for out in run(&mut filter(1, "wrong_epoch"), 200).get(ON).unwrap() {
        let epoch = |d: &Delivery| ActuatorCommand::decode(&d.bytes).unwrap().header.epoch;
        assert_eq!(out.iter().map(epoch).collect::<Vec<_>>(), [4, 3]);
    }
}

#[test]
fn taking_a_forged_frame_is_noticed_and_hearing_an_idle_one_is_not() {
    let run = Delivery { bytes: sent(3), forged: true };
    assert!(run.is_stale_taken(true));
    assert!(!run.is_stale_taken(false));
    assert!(!Delivery { forged: false, ..run.clone() }.is_stale_taken(true));
    let mut frame = ActuatorCommand::decode(&run.bytes).unwrap();
    frame.body.intent = Intent::Observe as u8;
    let mut buffer = [0; MAX_FRAME];
    let bytes = frame.encode(&mut buffer).unwrap().to_vec();
    assert!(!Delivery { bytes, forged: true }.is_stale_taken(true));
}
