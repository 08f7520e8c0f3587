//! A simulated IMU on the sensor bus.

use super::fault::SensorFault;
use super::noise::Noise;
use crate::imu::{
    ACCEL_RANGE_M_S2, GYRO_RANGE_RAD_S, Message, Sample, SensorStatus, decode, encode_accel, encode_gyro,
};
use sinew_bus::{CanFrame, Device};

/// Errors of one IMU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImuEmulatorConfig {
    /// Standard deviation per sample and axis, rad/s.
    pub gyro_std_rad_s: f64,
    /// Standard deviation per sample and axis, m/s^2.
    pub accel_std_m_s2: f64,
    /// Constant error, rad/s.
    pub gyro_bias_rad_s: [f64; 3],
    /// Constant error, m/s^2.
    pub accel_bias_m_s2: [f64; 3],
}

/// The IMU: answers each SYNC with a gyroscope and an accelerometer frame.
#[derive(Clone, Debug)]
pub struct ImuEmulator {
    config: ImuEmulatorConfig,
    index: u8,
    noise: Noise,
    fault: Option<SensorFault>,
    gyro_rad_s: [f64; 3],
    accel_m_s2: [f64; 3],
    /// Truth was not finite: the sensor says that it failed.
    bad_truth: bool,
    sequence: u8,
}

impl ImuEmulator {
    /// IMU 0 of its bus.
    pub fn new(config: ImuEmulatorConfig, seed: u64) -> Self {
        Self::with_index(config, 0, seed)
    }

    /// IMU `index` of its bus; beyond the protocol's last index it is silent.
    pub fn with_index(config: ImuEmulatorConfig, index: u8, seed: u64) -> Self {
        ImuEmulator {
            config,
            index,
            noise: Noise::new(seed),
            fault: None,
            gyro_rad_s: [0.0; 3],
            accel_m_s2: [0.0; 3],
            bad_truth: false,
            sequence: 0,
        }
    }

    /// Latches the sample of this cycle: truth in the sensor's axes, bias and noise. Call once per cycle.
    pub fn observe(&mut self, gyro_rad_s: [f64; 3], accel_m_s2: [f64; 3]) {
        let mut measure = |truth: [f64; 3], bias: [f64; 3], std: f64| {
            let mut measured = truth;
            for (value, bias) in measured.iter_mut().zip(bias) {
                *value += bias + std * self.noise.normal();
            }
            measured
        };
        let gyro = measure(gyro_rad_s, self.config.gyro_bias_rad_s, self.config.gyro_std_rad_s);
        let accel = measure(accel_m_s2, self.config.accel_bias_m_s2, self.config.accel_std_m_s2);
        self.bad_truth = !gyro.iter().chain(&accel).all(|value| value.is_finite());
        let held = matches!(self.fault, Some(SensorFault::Frozen | SensorFault::Replayed));
        if !self.bad_truth && !held {
            (self.gyro_rad_s, self.accel_m_s2) = (gyro, accel);
        }
    }

    /// Injects a fault now.
    pub fn inject(&mut self, fault: SensorFault) {
        self.fault = if fault == SensorFault::Recover { None } else { Some(fault) };
    }

    fn sample(&self, vector: [f64; 3], range: f64) -> Sample {
        let vector = if self.fault == Some(SensorFault::Saturated) { [2.0 * range; 3] } else { vector };
        let failed = self.bad_truth || self.fault == Some(SensorFault::Failed);
        let status = SensorStatus { saturated: false, failed };
        Sample { index: self.index, vector, sequence: self.sequence, status }
    }
}

impl Device for ImuEmulator {
    fn on_frame(&mut self, frame: &CanFrame, _at_ns: u64, reply: &mut dyn FnMut(CanFrame)) {
        let Ok(Message::Sync { sequence }) = decode(frame) else { return };
        if self.fault == Some(SensorFault::Silent) {
            return;
        }
        if self.fault != Some(SensorFault::Replayed) {
            self.sequence = sequence;
        }
        // Latched values are finite, so the only refusal left is an index beyond the protocol.
        if let Ok(gyro) = encode_gyro(&self.sample(self.gyro_rad_s, GYRO_RANGE_RAD_S)) {
            reply(gyro);
        }
        if let Ok(accel) = encode_accel(&self.sample(self.accel_m_s2, ACCEL_RANGE_M_S2)) {
            reply(accel);
        }
    }
}
