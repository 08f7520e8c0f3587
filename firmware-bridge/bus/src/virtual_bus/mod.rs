//! A simulated CAN bus: one host, any number of devices, one wire.
//!
//! A discrete-event simulation in integer nanoseconds. Whenever the wire is free, the lowest identifier
//! among the frames that are ready wins it and keeps it for the time its bits take; devices answer one
//! turn-around after they heard a frame. What does not end within a cycle is carried into the next one.
//!
//! ```text
//!            ready, lowest id           drawn             ends
//!  queued ───────────────────▶ on the wire ──▶ delivered ──▶ devices or host
//!    ▲                              │  │
//!    │  corrupted: error frame,     │  └────▶ lost, or one bit flipped
//!    └──────────── sent again ◀─────┘
//! ```
//!
//! Simplifications: devices hear the host, not each other; every node sends the lowest identifier of its
//! own queue first; a device never goes bus-off, the host does.
//!
//! Invariant: the same seed and the same calls give the same frames with the same stamps, and `cycle`
//! allocates nothing.

mod config;
mod queue;

pub use config::{BusCounters, BusFaults, VirtualBusConfig};

use crate::bit_time::{BitRates, ERROR_FRAME_BITS, INTERMISSION_BITS, duration_ns};
use crate::{CanFrame, Device, Received, SplitMix64};
use arrayvec::ArrayVec;
use queue::{Pending, Queue, Source};

/// Most frames one cycle can hand to the host; more are counted as overruns.
pub const TO_HOST: usize = 64;
/// What one cycle hands to the host, in order of arrival.
pub type ToHost = ArrayVec<Received, TO_HOST>;

/// Error counter at which a controller leaves the bus (ISO 11898-1, fault confinement).
const BUS_OFF_LIMIT: u32 = 256;
/// Bits of silence after which it comes back: 128 times 11.
const RECOVERY_BITS: u64 = 128 * 11;

/// The bus. See the module head.
#[derive(Debug)]
pub struct VirtualBus {
    rates: BitRates,
    turnaround_ns: u64,
    faults: BusFaults,
    random: SplitMix64,
    queue: Queue,
    /// The wire is busy until then.
    free_ns: u64,
    host_error_count: u32,
    host_off_until_ns: u64,
    busy_in_cycle_ns: u64,
    cycle_ns: u64,
    /// End of the last cycle.
    end_ns: u64,
    counters: BusCounters,
}

/// The dice of one transmission. All are thrown for every attempt, so that changing one rate does not
/// shift the others' draws.
struct Dice {
    loss: f64,
    duplication: f64,
    corruption: f64,
    undetected: f64,
    /// Where in the frame an error strikes, or which bit flips.
    place: f64,
}

impl VirtualBus {
    /// A silent bus at time zero; `seed` feeds its own stream of faults.
    pub fn new(config: VirtualBusConfig, seed: u64) -> Self {
        VirtualBus {
            rates: BitRates { nominal_bps: config.bitrate_bps, data_bps: config.data_bitrate_bps },
            turnaround_ns: config.turnaround_ns,
            faults: config.faults,
            random: SplitMix64::new(seed),
            queue: Queue::new(),
            free_ns: 0,
            host_error_count: 0,
            host_off_until_ns: 0,
            busy_in_cycle_ns: 0,
            cycle_ns: 0,
            end_ns: 0,
            counters: BusCounters::default(),
        }
    }

    /// Changes the fault rates from the next transmission on.
    pub fn set_faults(&mut self, faults: BusFaults) {
        self.faults = faults;
    }

    /// The fault rates in force.
    pub const fn faults(&self) -> BusFaults {
        self.faults
    }

    /// Totals since construction.
    pub const fn counters(&self) -> BusCounters {
        self.counters
    }

    /// Occupied share of the last cycle; 1 is a wire that was never free.
    pub fn load(&self) -> f32 {
        if self.cycle_ns == 0 {
            return 0.0;
        }
        self.busy_in_cycle_ns as f32 / self.cycle_ns as f32
    }

    /// True if the host's controller is off the bus at `now_ns`.
    pub const fn host_is_off(&self, now_ns: u64) -> bool {
        now_ns < self.host_off_until_ns
    }

    /// Runs the bus over `(start_ns, end_ns]`: the host's frames are queued at `start_ns`, devices
    /// answer, and what reaches the host is appended to `to_host` with the bus time of its end. Cycles
    /// follow each other: `start_ns` is the `end_ns` of the call before.
    pub fn cycle(
        &mut self,
        start_ns: u64,
        end_ns: u64,
        host_frames: &[CanFrame],
        devices: &mut [&mut dyn Device],
        to_host: &mut ToHost,
    ) {
        self.cycle_ns = end_ns.saturating_sub(start_ns);
        self.busy_in_cycle_ns = 0;
        let off = self.random.unit() < self.faults.bus_off;
        if off {
            self.leave_bus(start_ns);
        }
        if start_ns != self.end_ns {
            // A gap between cycles: the wire was silent, what waited goes on now.
            self.free_ns = self.free_ns.max(start_ns);
        }
        self.end_ns = end_ns;
        for frame in host_frames {
            if self.host_is_off(start_ns) {
                self.counters.host_refused += 1;
            } else {
                self.enqueue(*frame, Source::Host, start_ns);
            }
        }
        while let Some((index, at_ns)) = self.queue.winner(self.free_ns) {
            let Some(candidate) = self.queue.get(index) else { break };
            let frame_ns = duration_ns(&candidate.frame, self.rates);
            let intermission_ns = self.rates.nominal_ns(INTERMISSION_BITS).min(frame_ns);
            if at_ns.saturating_add(frame_ns - intermission_ns) > end_ns {
                break;
            }
            let Some(pending) = self.queue.take(index) else { break };
            let dice = self.throw();
            if pending.copy {
                // Already judged when it was sent the first time.
                self.occupy(at_ns, frame_ns);
                self.deliver(pending.frame, pending.source, devices, to_host);
            } else if dice.corruption < self.faults.corruption {
                self.corrupt(pending, at_ns, frame_ns, dice.place);
            } else {
                self.occupy(at_ns, frame_ns);
                self.complete(pending, &dice, devices, to_host);
            }
        }
        self.counters.carried = self.queue.len() as u64;
    }

    fn throw(&mut self) -> Dice {
        Dice {
            loss: self.random.unit(),
            duplication: self.random.unit(),
            corruption: self.random.unit(),
            undetected: self.random.unit(),
            place: self.random.unit(),
        }
    }

    /// A frame goes into its sender's queue; a delay fault makes the sender late.
    fn enqueue(&mut self, frame: CanFrame, source: Source, ready_ns: u64) {
        let late = self.random.unit() < self.faults.delay;
        if late {
            self.counters.delayed += 1;
        }
        let ready_ns = if late { ready_ns.saturating_add(self.faults.delay_ns) } else { ready_ns };
        if !self.queue.push(frame, source, ready_ns, false) {
            self.counters.queue_full += 1;
        }
    }

    fn occupy(&mut self, at_ns: u64, duration_ns: u64) {
        self.free_ns = at_ns + duration_ns;
        self.busy_in_cycle_ns += duration_ns;
        self.counters.busy_ns += duration_ns;
    }

    /// A detected error: the frame is broken off, an error frame follows, the sender tries again.
    fn corrupt(&mut self, pending: Pending, at_ns: u64, frame_ns: u64, place: f64) {
        self.counters.corrupted += 1;
        let broken_off_ns = (frame_ns as f64 * place) as u64;
        self.occupy(at_ns, broken_off_ns + self.rates.nominal_ns(ERROR_FRAME_BITS));
        if pending.source == Source::Host {
            self.host_error_count += 8;
            if self.host_error_count >= BUS_OFF_LIMIT {
                self.counters.host_refused += 1;
                self.leave_bus(self.free_ns);
                return;
            }
        }
        self.queue.put_back(pending);
    }

    /// The frame went over the wire whole: lost, flipped, doubled or simply delivered.
    fn complete(
        &mut self,
        pending: Pending,
        dice: &Dice,
        devices: &mut [&mut dyn Device],
        to_host: &mut ToHost,
    ) {
        let Pending { mut frame, source, .. } = pending;
        match source {
            Source::Host => {
                self.counters.host_frames += 1;
                self.host_error_count = self.host_error_count.saturating_sub(1);
            }
            Source::Device => self.counters.device_frames += 1,
        }
        if dice.duplication < self.faults.duplication {
            self.counters.duplicated += 1;
            if !self.queue.push(frame, source, self.free_ns, true) {
                self.counters.queue_full += 1;
            }
        }
        if dice.loss < self.faults.loss {
            self.counters.lost += 1;
            return;
        }
        if dice.undetected < self.faults.undetected_corruption {
            self.counters.undetected += 1;
            let bits = 8 * frame.payload().len();
            frame.flip_bit((dice.place * bits as f64) as usize);
        }
        self.deliver(frame, source, devices, to_host);
    }

    fn deliver(
        &mut self,
        frame: CanFrame,
        source: Source,
        devices: &mut [&mut dyn Device],
        to_host: &mut ToHost,
    ) {
        let at_ns = self.free_ns - self.rates.nominal_ns(INTERMISSION_BITS).min(self.free_ns);
        if source == Source::Host {
            for device in devices {
                device.on_frame(&frame, at_ns, &mut |reply| {
                    self.enqueue(reply, Source::Device, at_ns.saturating_add(self.turnaround_ns));
                });
            }
        } else if self.host_is_off(at_ns) {
            self.counters.lost += 1;
        } else if to_host.try_push(Received { frame, at_ns }).is_err() {
            self.counters.overruns += 1;
        }
    }

    /// The host's controller leaves the bus: what it had queued is gone.
    fn leave_bus(&mut self, now_ns: u64) {
        if !self.host_is_off(now_ns) {
            self.counters.bus_off += 1;
        }
        self.host_off_until_ns = now_ns + self.rates.nominal_ns(RECOVERY_BITS);
        self.host_error_count = 0;
        self.counters.host_refused += self.queue.drop_host_frames();
    }
}
