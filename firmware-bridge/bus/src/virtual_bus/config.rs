//! What a simulated bus is made of, what can go wrong on it, and what it counts.

/// Make of one simulated bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VirtualBusConfig {
    /// Nominal bit rate, in bits per second. Zero is taken as one.
    pub bitrate_bps: u32,
    /// Bit rate of FD payloads, in bits per second; none: all bits are nominal.
    pub data_bitrate_bps: Option<u32>,
    /// From the end of a frame at a device to its reply being ready, in nanoseconds.
    pub turnaround_ns: u64,
    /// Faults from the start on.
    pub faults: BusFaults,
}

impl VirtualBusConfig {
    /// Classic CAN at 1 Mbit/s, 50 us turn-around, no faults.
    pub const CLASSIC_1M: VirtualBusConfig = VirtualBusConfig {
        bitrate_bps: 1_000_000,
        data_bitrate_bps: None,
        turnaround_ns: 50_000,
        faults: BusFaults::NONE,
    };
}

/// Fault rates: probabilities in `[0, 1]`; what is not a number counts as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BusFaults {
    /// Per frame: it used the wire, but its receivers did not get it.
    pub loss: f64,
    /// Per frame: the sender sends it a second time.
    pub duplication: f64,
    /// Per frame: its sender is late by `delay_ns`.
    pub delay: f64,
    /// How late a delayed sender is, in nanoseconds.
    pub delay_ns: u64,
    /// Per attempt: an error is detected; an error frame and a retransmission follow. At 1 nothing passes
    /// and the host goes bus-off.
    pub corruption: f64,
    /// Per frame: one payload bit flips and no CRC notices.
    pub undetected_corruption: f64,
    /// Per cycle: the host's controller goes bus-off, for 1,408 bit times. At 1 the bus is dead.
    pub bus_off: f64,
}

impl BusFaults {
    /// A healthy bus.
    pub const NONE: BusFaults = BusFaults {
        loss: 0.0,
        duplication: 0.0,
        delay: 0.0,
        delay_ns: 0,
        corruption: 0.0,
        undetected_corruption: 0.0,
        bus_off: 0.0,
    };
}

/// Totals since construction, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounters {
    /// Frames of the host that went over the wire whole; copies are not counted again.
    pub host_frames: u64,
    /// Frames of devices that went over the wire whole; copies are not counted again.
    pub device_frames: u64,
    /// Frames of the host that were dropped because its controller was off the bus.
    pub host_refused: u64,
    /// Frames that used the wire and reached nobody.
    pub lost: u64,
    /// Frames sent twice.
    pub duplicated: u64,
    /// Frames whose sender was late.
    pub delayed: u64,
    /// Attempts that ended in an error frame.
    pub corrupted: u64,
    /// Frames delivered with a flipped bit.
    pub undetected: u64,
    /// Times the host left the bus.
    pub bus_off: u64,
    /// Frames that did not fit into the cycle's list for the host.
    pub overruns: u64,
    /// Frames that did not fit into the senders' queues.
    pub queue_full: u64,
    /// Frames still queued at the end of the last cycle.
    pub carried: u64,
    /// Time the wire was occupied, in nanoseconds.
    pub busy_ns: u64,
}
