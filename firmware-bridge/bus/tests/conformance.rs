//! The conformance suite: the loopback passes it, and ports with a planted defect do not.

use sinew_bus::conformance::{Violation, check_pair};
use sinew_bus::{
    BitRates, CanFrame, Capabilities, Loopback, Port, PortCounters, ReceiveError, Received, SendError,
};

#[test]
fn the_loopback_conforms_with_and_without_fd() {
    for rates in [BitRates::CLASSIC_1M, BitRates::FD_1M_5M] {
        let mut wire = Loopback::new(rates);
        let (mut a, mut b) = wire.ends();
        assert_eq!(check_pair(&mut a, &mut b, &mut || {}), Ok(()));
    }
}

#[derive(Clone, Copy, Debug)]
enum Defect {
    Drops,
    Repeats,
    Reorders,
    Alters,
    Echoes,
    LosesCount,
    TurnsBackTime,
    ClaimsFd,
    SwallowsFullQueue,
}

/// A port that is right except for one defect, which shows from the tenth frame on.
struct Defective<P> {
    port: P,
    defect: Defect,
    frames: u32,
    kept: Option<Received>,
}

impl<P: Port> Port for Defective<P> {
    fn send(&mut self, frame: &CanFrame) -> Result<(), SendError> {
        let sent = self.port.send(frame);
        if matches!(self.defect, Defect::Echoes) && sent.is_ok() {
            self.kept = Some(Received { frame: *frame, at_ns: 0 });
        }
        if matches!(self.defect, Defect::SwallowsFullQueue) && sent == Err(SendError::QueueFull) {
            return Ok(());
        }
        sent
    }

    fn receive(&mut self) -> Result<Option<Received>, ReceiveError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        let Some(mut received) = self.port.receive()? else { return Ok(None) };
        self.frames += 1;
        if self.frames < 10 {
            return Ok(Some(received));
        }
        match self.defect {
            Defect::Drops => return self.port.receive(),
            Defect::Repeats => self.kept = Some(received),
            Defect::Reorders => {
                if let Some(next) = self.port.receive()? {
                    self.kept = Some(received);
                    received = next;
                }
            }
            Defect::Alters => received.frame.flip_bit(3),
            Defect::TurnsBackTime => received.at_ns = 1,
            _ => {}
        }
        Ok(Some(received))
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = self.port.capabilities();
        Capabilities { fd: capabilities.fd || matches!(self.defect, Defect::ClaimsFd), ..capabilities }
    }

    fn counters(&self) -> PortCounters {
        let counters = self.port.counters();
        match self.defect {
            Defect::LosesCount => PortCounters { received: counters.received / 2, ..counters },
            _ => counters,
        }
    }
}

#[test]
fn each_planted_defect_is_caught_and_named() {
    type Expected = fn(&Violation) -> bool;
    let cases: [(Defect, Expected); 9] = [
        (Defect::Drops, |v| matches!(v, Violation::Missing { .. })),
        (Defect::Repeats, |v| matches!(v, Violation::Different { .. })),
        (Defect::Reorders, |v| matches!(v, Violation::Different { .. })),
        (Defect::Alters, |v| matches!(v, Violation::Different { .. })),
        (Defect::Echoes, |v| matches!(v, Violation::Unexpected { .. })),
        (Defect::LosesCount, |v| matches!(v, Violation::Counter { name: "received", .. })),
        (Defect::TurnsBackTime, |v| matches!(v, Violation::StampWentBack { .. })),
        (Defect::ClaimsFd, |v| matches!(v, Violation::Refused { .. })),
        (Defect::SwallowsFullQueue, |v| matches!(v, Violation::Counter { .. })),
    ];
    for (defect, expected) in cases {
        let mut wire = Loopback::new(BitRates::CLASSIC_1M);
        let (a, b) = wire.ends();
        let mut a = Defective { port: a, defect, frames: 0, kept: None };
        let mut b = Defective { port: b, defect, frames: 0, kept: None };
        match check_pair(&mut a, &mut b, &mut || {}) {
            Err(violation) => assert!(expected(&violation), "{defect:?} was reported as: {violation}"),
            Ok(()) => unreachable!("{defect:?} was not caught"),
        }
    }
}
