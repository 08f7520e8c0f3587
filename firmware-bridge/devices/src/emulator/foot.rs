//! A simulated foot-force sensor on the sensor bus.

use super::fault::SensorFault;
use super::noise::Noise;
use crate::foot::{FORCE_QUANTUM_N, Force, encode};
use crate::imu::{self, SensorStatus};
use sinew_bus::{CanFrame, Device};

/// Errors of one foot sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FootEmulatorConfig {
    /// Which foot of its bus; beyond the protocol's last index it is silent.
    pub index: u8,
    /// Standard deviation per sample, N.
    pub force_std_n: f64,
    /// Constant error, N.
    pub bias_n: f64,
}

/// The sensor: answers each SYNC with one force frame.
#[derive(Clone, Debug)]
pub struct FootEmulator {
    config: FootEmulatorConfig,
    noise: Noise,
    fault: Option<SensorFault>,
    force_n: f64,
    /// Truth was not finite: the sensor says that it failed.
    bad_truth: bool,
    sequence: u8,
}

impl FootEmulator {
    /// A sensor without load.
    pub fn new(config: FootEmulatorConfig, seed: u64) -> Self {
        FootEmulator {
            config,
            noise: Noise::new(seed),
            fault: None,
            force_n: 0.0,
            bad_truth: false,
            sequence: 0,
        }
    }

    /// Latches the sample of this cycle: true normal force, bias and noise. Call once per cycle.
    pub fn observe(&mut self, force_n: f64) {
        let measured = force_n + self.config.bias_n + self.config.force_std_n * self.noise.normal();
        self.bad_truth = !measured.is_finite();
        let held = matches!(self.fault, Some(SensorFault::Frozen | SensorFault::Replayed));
        if !self.bad_truth && !held {
            self.force_n = measured;
        }
    }

    /// Injects a fault now.
    pub fn inject(&mut self, fault: SensorFault) {
        self.fault = if fault == SensorFault::Recover { None } else { Some(fault) };
    }
}

impl Device for FootEmulator {
    fn on_frame(&mut self, frame: &CanFrame, _at_ns: u64, reply: &mut dyn FnMut(CanFrame)) {
        let Ok(imu::Message::Sync { sequence }) = imu::decode(frame) else { return };
        if self.fault == Some(SensorFault::Silent) {
            return;
        }
        if self.fault != Some(SensorFault::Replayed) {
            self.sequence = sequence;
        }
        let saturated = self.fault == Some(SensorFault::Saturated);
        let force_n = if saturated { 40_000.0 * FORCE_QUANTUM_N } else { self.force_n };
        let failed = self.bad_truth || self.fault == Some(SensorFault::Failed);
        let status = SensorStatus { saturated: false, failed };
        let force = Force { index: self.config.index, force_n, sequence: self.sequence, status };
        // Latched values are finite, so the only refusal left is an index beyond the protocol.
        if let Ok(frame) = encode(&force) {
            reply(frame);
        }
    }
}
