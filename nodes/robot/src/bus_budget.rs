//! Worst-case load of each bus per period, in the stuffed bit times of classic CAN (ISO 11898-1).

use crate::robot::{Bus, BusKind, Foot, Imu, Joint};

/// Bus time of one command and its reply, both 8 data bytes with worst-case stuffing, at 1 Mbit/s.
pub const DRIVE_PAIR_US: f64 = 270.0;
/// Bus time of one 8-byte frame with worst-case stuffing, at 1 Mbit/s.
pub const SENSOR_FRAME_US: f64 = 135.0;
/// Largest fraction of the period a bus may be busy.
pub const MAX_BUS_LOAD: f64 = 0.8;

/// What one bus carries per period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BusLoad {
    /// Frames per period, both directions.
    pub frames: usize,
    /// Worst-case busy time per period, us.
    pub busy_us: f64,
    /// Busy time over the period.
    pub load: f64,
}

/// Load of every bus.
pub(crate) fn loads(
    buses: &[Bus],
    joints: &[Joint],
    imus: &[Imu],
    feet: &[Foot],
    period_ns: u64,
) -> Vec<BusLoad> {
    let load_of = |(index, bus): (usize, &Bus)| {
        let slowdown = 1e6 / f64::from(bus.bitrate_bps);
        let (frames, busy_us) = match bus.kind {
            BusKind::Drives => {
                let drives = joints.iter().filter(|joint| joint.device.bus == index).count();
                (2 * drives, drives as f64 * DRIVE_PAIR_US)
            }
            BusKind::Sensors { .. } => {
                let imus = imus.iter().filter(|imu| imu.bus == index).count();
                let feet = feet.iter().filter(|foot| foot.bus == index).count();
                let frames = 1 + 2 * imus + feet;
                (frames, frames as f64 * SENSOR_FRAME_US)
            }
        };
        let busy_us = busy_us * slowdown;
        BusLoad { frames, busy_us, load: busy_us * 1e3 / period_ns as f64 }
    };
    buses.iter().enumerate().map(load_of).collect()
}
