//! The suite that every [`Port`] passes: simulated, loopback, kernel, serial.
//!
//! It needs two ports joined by a wire with nothing else on it, and a `wait` that is called when
//! nothing has arrived yet (poll the descriptor; for an in-process wire do nothing). It judges order,
//! content, counting and refusal; it never judges a time.

#![allow(clippy::result_large_err, reason = "a violation shows both frames; this suite is not on a hot path")]

use crate::port::{Port, ReceiveError, Received, SendError};
use crate::{CanFrame, CanId};
use core::fmt;

/// What a port did wrong. Each variant names the rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A port gave out a frame that nobody sent (it may hear itself, or repeat).
    Unexpected { found: CanFrame },
    /// A frame did not arrive within the waits granted.
    Missing { expected: CanFrame },
    /// A frame arrived changed or out of order.
    Different { expected: CanFrame, found: CanFrame },
    /// A stamp went back.
    StampWentBack { before_ns: u64, after_ns: u64 },
    /// A frame within the declared capabilities was refused.
    Refused { frame: CanFrame, error: SendError },
    /// A frame outside the declared capabilities was not refused with `NotSupported`.
    NotRefused { frame: CanFrame },
    /// Receiving failed although nothing was wrong.
    Receive { error: ReceiveError },
    /// A counter differs from what happened.
    Counter { name: &'static str, expected: u64, found: u64 },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Unexpected { found } => write!(f, "received {found:?}, expected nothing"),
            Violation::Missing { expected } => write!(f, "received nothing, expected {expected:?}"),
            Violation::Different { expected, found } => {
                write!(f, "received {found:?}, expected {expected:?}")
            }
            Violation::StampWentBack { before_ns, after_ns } => {
                write!(f, "stamp {after_ns} ns follows {before_ns} ns")
            }
            Violation::Refused { frame, error } => write!(f, "refused {frame:?}: {error}"),
            Violation::NotRefused { frame } => {
                write!(f, "accepted {frame:?}, which the declared capabilities exclude")
            }
            Violation::Receive { error } => write!(f, "receiving failed: {error}"),
            Violation::Counter { name, expected, found } => {
                write!(f, "counter {name} is {found}, expected {expected}")
            }
        }
    }
}

impl core::error::Error for Violation {}

/// How often `wait` is called before a frame counts as missing.
const WAITS: u32 = 1000;
/// Frames pushed without reading, to see a full queue.
const FLOOD: u32 = 4096;

/// Runs the whole suite in both directions.
pub fn check_pair(a: &mut dyn Port, b: &mut dyn Port, wait: &mut dyn FnMut()) -> Result<(), Violation> {
    silent(a)?;
    silent(b)?;
    let one_way = check_direction(a, b, wait)?;
    let other_way = check_direction(b, a, wait)?;
    for (port, sends, receives) in [(&*a, one_way, other_way), (&*b, other_way, one_way)] {
        let found = port.counters();
        for (name, expected, found) in [
            ("sent", sends.sent, found.sent),
            ("refused", sends.refused, found.refused),
            ("received", receives.sent - receives.lost, found.received),
            ("overruns", receives.lost, found.overruns),
            ("errors", 0, found.errors),
        ] {
            if expected != found {
                return Err(Violation::Counter { name, expected, found });
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Tally {
    sent: u64,
    refused: u64,
    lost: u64,
}

fn check_direction(
    from: &mut dyn Port,
    to: &mut dyn Port,
    wait: &mut dyn FnMut(),
) -> Result<Tally, Violation> {
    let mut tally = Tally::default();
    let mut last_ns = 0;
    formats(from, to, wait, &mut tally, &mut last_ns)?;
    burst(from, to, wait, &mut tally, &mut last_ns)?;
    flood(from, to, wait, &mut tally, &mut last_ns)?;
    silent(to)?;
    silent(from)?;
    Ok(tally)
}

const PATTERN: [u8; 64] = {
    let mut pattern = [0; 64];
    let mut i = 0;
    while i < 64 {
        pattern[i] = (i as u8).wrapping_mul(37).wrapping_add(0x81);
        i += 1;
    }
    pattern
};

/// Every length and identifier edge, one frame at a time.
fn formats(
    from: &mut dyn Port,
    to: &mut dyn Port,
    wait: &mut dyn FnMut(),
    tally: &mut Tally,
    last_ns: &mut u64,
) -> Result<(), Violation> {
    let capabilities = from.capabilities();
    let ids = [
        CanId::Standard(0),
        CanId::Standard(0x123),
        CanId::Standard(0x7FF),
        CanId::Extended(0),
        CanId::Extended(0x7FF),
        CanId::Extended(0x1FFF_FFFF),
    ];
    let mut one = |frame: CanFrame, supported: bool| -> Result<(), Violation> {
        match (from.send(&frame), supported) {
            (Ok(()), true) => {
                tally.sent += 1;
                let received = expect(to, wait, &frame)?;
                stamped(received, last_ns)
            }
            (Err(SendError::NotSupported), false) => {
                tally.refused += 1;
                Ok(())
            }
            (Err(error), true) => Err(Violation::Refused { frame, error }),
            (_, false) => Err(Violation::NotRefused { frame }),
        }
    };
    for id in ids {
        for payload in (0..=8).filter_map(|len| PATTERN.get(..len)) {
            if let Ok(frame) = CanFrame::classic(id, payload) {
                one(frame, true)?;
            }
        }
        if let Ok(frame) = CanFrame::remote(id, 4) {
            one(frame, capabilities.remote)?;
        }
        for payload in (0..=64).filter_map(|len| PATTERN.get(..len)) {
            for bit_rate_switch in [false, true] {
                if let Ok(frame) = CanFrame::fd(id, payload, bit_rate_switch) {
                    one(frame, capabilities.fd)?;
                }
            }
        }
    }
    Ok(())
}

/// A burst as long as a control cycle, in falling order of identifier: order of arrival is order of
/// sending.
fn burst(
    from: &mut dyn Port,
    to: &mut dyn Port,
    wait: &mut dyn FnMut(),
    tally: &mut Tally,
    last_ns: &mut u64,
) -> Result<(), Violation> {
    for i in 0..8 {
        let frame = numbered(0x100 - i as u16, i);
        from.send(&frame).map_err(|error| Violation::Refused { frame, error })?;
        tally.sent += 1;
    }
    for i in 0..8 {
        let received = expect(to, wait, &numbered(0x100 - i as u16, i))?;
        stamped(received, last_ns)?;
    }
    Ok(())
}

/// More than any queue holds, never read meanwhile: what was accepted arrives once and in order, or its
/// loss is counted by the receiving port.
fn flood(
    from: &mut dyn Port,
    to: &mut dyn Port,
    wait: &mut dyn FnMut(),
    tally: &mut Tally,
    last_ns: &mut u64,
) -> Result<(), Violation> {
    let lost_before = to.counters().overruns;
    let mut accepted = 0;
    while accepted < FLOOD {
        let frame = numbered(0x100, accepted);
        match from.send(&frame) {
            Ok(()) => accepted += 1,
            Err(SendError::QueueFull) => {
                tally.refused += 1;
                break;
            }
            Err(error) => return Err(Violation::Refused { frame, error }),
        }
    }
    tally.sent += u64::from(accepted);
    let (mut next, mut arrived, mut waits) = (0, 0, 0);
    while next < accepted && waits < WAITS {
        match to.receive() {
            Ok(Some(received)) => {
                let number = (next..accepted).find(|number| numbered(0x100, *number) == received.frame);
                let Some(number) = number else {
                    return Err(Violation::Different {
                        expected: numbered(0x100, next),
                        found: received.frame,
                    });
                };
                (next, arrived, waits) = (number + 1, arrived + 1, 0);
                stamped(received, last_ns)?;
            }
            Ok(None) => {
                waits += 1;
                wait();
            }
            Err(ReceiveError::Overrun { .. }) => {}
            Err(error) => return Err(Violation::Receive { error }),
        }
    }
    let lost = u64::from(accepted - arrived);
    let counted = to.counters().overruns - lost_before;
    if lost != counted {
        return Err(Violation::Counter { name: "overruns", expected: lost, found: counted });
    }
    tally.lost += lost;
    Ok(())
}

fn numbered(id: u16, number: u32) -> CanFrame {
    let [a, b, c, d] = number.to_le_bytes();
    CanFrame::standard_8(id & 0x7FF, [a, b, c, d, 0x55, 0xAA, 0x00, 0xFF])
}

fn silent(port: &mut dyn Port) -> Result<(), Violation> {
    match port.receive() {
        Ok(None) => Ok(()),
        Ok(Some(received)) => Err(Violation::Unexpected { found: received.frame }),
        Err(error) => Err(Violation::Receive { error }),
    }
}

fn expect(port: &mut dyn Port, wait: &mut dyn FnMut(), expected: &CanFrame) -> Result<Received, Violation> {
    for _ in 0..WAITS {
        match port.receive() {
            Ok(Some(received)) if received.frame == *expected => return Ok(received),
            Ok(Some(received)) => {
                return Err(Violation::Different { expected: *expected, found: received.frame });
            }
            Ok(None) => wait(),
            Err(error) => return Err(Violation::Receive { error }),
        }
    }
    Err(Violation::Missing { expected: *expected })
}

fn stamped(received: Received, last_ns: &mut u64) -> Result<(), Violation> {
    if received.at_ns < *last_ns {
        return Err(Violation::StampWentBack { before_ns: *last_ns, after_ns: received.at_ns });
    }
    *last_ns = received.at_ns;
    Ok(())
}
