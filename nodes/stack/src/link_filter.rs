//! Impairs the link from control to bridge on purpose, at the receiver, the same way in both compositions.
//!
//! Its random stream is drawn anew from (seed, step), so what it does to a step does not depend on what came before.
use std::collections::VecDeque;

use sinew_bus::SplitMix64;
use sinew_wire::{ActuatorCommand, Intent, MAX_FRAME};

use crate::scenario::{Event, LinkFault, Scenario};

/// What the receiver gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub bytes: Vec<u8>,
    /// Put there by the filter, or older than it should be: if the bridge takes it, it has taken a stale command.
    pub forged: bool,
}

impl Delivery {
    /// True when the bridge has `taken` what it should have refused: a frame that is no true one and moves joints or
    /// asks for the right to. An Observe says nothing that could be stale.
    #[must_use]
    pub fn is_stale_taken(&self, taken: bool) -> bool {
        let moves = || {
            ActuatorCommand::decode(&self.bytes)
                .is_ok_and(|frame| matches!(frame.body.intent(), Intent::Run | Intent::Arm))
        };
        self.forged && taken && moves()
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    to: u64,
    fault: LinkFault,
}

/// The filter of one link.
#[derive(Clone, Debug)]
pub struct LinkFilter {
    seed: u64,
    spans: Vec<Span>,
    /// (step, joint, bit)
    flips: Vec<(u64, usize, u8)>,
    history: VecDeque<(u64, Vec<u8>)>,
    held: Option<Vec<u8>>,
}

/// Frames remembered for replay, one second.
const REMEMBERED: usize = 500;
/// How late a stale frame comes, steps: beyond any `valid_for`.
const STALE_STEPS: u64 = 10;

impl LinkFilter {
    /// The faults that `scenario` lays on the link.
    #[must_use]
    pub fn new(scenario: &Scenario, period_ns: u64) -> Self {
        let step = |s: f64| (s * 1e9 / period_ns as f64).round() as u64;
        let mut filter = Self {
            seed: scenario.seed,
            spans: Vec::new(),
            flips: Vec::new(),
            history: VecDeque::with_capacity(REMEMBERED + 1),
            held: None,
        };
        for event in &scenario.events {
            match event {
                Event::Link { at_s, for_s, fault } => {
                    filter.spans.push(Span { from: step(*at_s), to: step(at_s + for_s), fault: *fault });
                }
                Event::FlipCommandBit { at_s, joint, bit } => {
                    filter.flips.push((step(*at_s), *joint, *bit));
                }
                _ => {}
            }
        }
        filter
    }

    /// True when no fault is planned: frames may pass it by.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.spans.is_empty() && self.flips.is_empty()
    }

    /// What arrives in step `step` when `bytes` was sent (nothing, when the sender was silent).
    pub fn pass(&mut self, step: u64, bytes: Option<&[u8]>, out: &mut Vec<Delivery>) {
        out.clear();
        let fault = self.spans.iter().find(|s| (s.from..s.to).contains(&step)).map(|s| s.fault);
        let mut random = SplitMix64::new(self.seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let genuine = |bytes: Vec<u8>| Delivery { bytes, forged: false };
        let forged = |bytes: Vec<u8>| Delivery { bytes, forged: true };
        if let Some(held) = self.held.take() {
            // Held back for one step: it arrives after its successor.
            if let Some(bytes) = bytes {
                out.push(genuine(bytes.to_vec()));
            }
            out.push(forged(held));
        } else if let Some(bytes) = bytes {
            let mut bytes = bytes.to_vec();
            for (_, joint, bit) in self.flips.iter().filter(|(at, _, _)| *at == step) {
                bytes = edit(&bytes, |frame| {
                    if let Some(joint) = frame.joints.get_mut(*joint) {
                        joint.q_rad = f32::from_bits(joint.q_rad.to_bits() ^ (1 << (bit % 32)));
                    }
                });
            }
            match fault {
                None => out.push(genuine(bytes)),
                Some(LinkFault::Loss) => {}
                Some(LinkFault::Duplicate) => {
                    out.push(genuine(bytes.clone()));
                    out.push(forged(bytes));
                }
                Some(LinkFault::Reorder) => self.held = Some(bytes),
                Some(LinkFault::Replay) => {
                    let past = (random.unit() * self.history.len() as f64) as usize;
                    if let Some((_, old)) = self.history.get(past) {
                        out.push(forged(old.clone()));
                    }
                    out.push(genuine(bytes));
                }
                Some(LinkFault::NonFinite) => {
                    let joints = ActuatorCommand::decode(&bytes).map_or(1, |f| f.joints.len().max(1));
                    let joint = (random.unit() * joints as f64) as usize;
                    out.push(forged(edit(&bytes, |frame| {
                        if let Some(joint) = frame.joints.get_mut(joint) {
                            joint.q_rad = f32::NAN;
                        }
                    })));
                }
                Some(LinkFault::WrongEpoch) => {
                    out.push(forged(edit(&bytes, |frame| {
                        frame.header.epoch = frame.header.epoch.wrapping_add(1)
                    })));
                    out.push(genuine(bytes));
                }
                Some(LinkFault::Stale) => {
                    let old = self.history.iter().find(|(at, _)| *at + STALE_STEPS == step);
                    if let Some((_, old)) = old {
                        out.push(forged(old.clone()));
                    }
                }
            }
        }
        if let Some(bytes) = bytes.filter(|_| !self.is_clear()) {
            self.history.push_back((step, bytes.to_vec()));
            if self.history.len() > REMEMBERED {
                self.history.pop_front();
            }
        }
    }
}

/// The frame with a change and a new CRC; bytes that are no frame stay as they are.
fn edit(bytes: &[u8], change: impl FnOnce(&mut ActuatorCommand)) -> Vec<u8> {
    let Ok(mut frame) = ActuatorCommand::decode(bytes) else { return bytes.to_vec() };
    change(&mut frame);
    let mut buffer = [0; MAX_FRAME];
    frame.encode(&mut buffer).map_or_else(|_| bytes.to_vec(), <[u8]>::to_vec)
}
