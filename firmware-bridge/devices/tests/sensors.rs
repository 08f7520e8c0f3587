//! The simulated sensors: what they answer to SYNC, their noise, their faults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read a reply has failed")]

use sinew_bus::{CanFrame, CanId, Device};
use sinew_devices::emulator::{
    FootEmulator, FootEmulatorConfig, ImuEmulator, ImuEmulatorConfig, SensorFault,
};
use sinew_devices::foot::{self, Force};
use sinew_devices::imu::{self, Message, Sample};

fn sync(device: &mut dyn Device, sequence: u8) -> Vec<CanFrame> {
    let mut replies = Vec::new();
    device.on_frame(&imu::encode_sync(sequence).unwrap(), 0, &mut |reply| replies.push(reply));
    replies
}

fn imu_samples(device: &mut ImuEmulator, sequence: u8) -> Option<(Sample, Sample)> {
    let replies = sync(device, sequence);
    let [gyro, accel] = replies[..] else { return None };
    match (imu::decode(&gyro).unwrap(), imu::decode(&accel).unwrap()) {
        (Message::Gyro(gyro), Message::Accel(accel)) => Some((gyro, accel)),
        other => panic!("gyroscope then accelerometer expected, found {other:?}"),
    }
}

fn force(device: &mut FootEmulator, sequence: u8) -> Option<Force> {
    sync(device, sequence).first().map(|frame| foot::decode(frame).unwrap())
}

const STILL: ([f64; 3], [f64; 3]) = ([0.1, -0.2, 0.3], [0.0, 0.0, 9.81]);

#[test]
fn an_imu_answers_sync_with_its_counter_and_the_latched_vectors() {
    let mut device = ImuEmulator::with_index(ImuEmulatorConfig::default(), 1, 1);
    device.observe(STILL.0, STILL.1);
    let (gyro, accel) = imu_samples(&mut device, 77).unwrap();
    assert_eq!((gyro.index, gyro.sequence, accel.index, accel.sequence), (1, 77, 1, 77));
    for (found, expected) in gyro.vector.iter().chain(&accel.vector).zip(STILL.0.iter().chain(&STILL.1)) {
        assert!((found - expected).abs() <= 0.003);
    }
    let mut other = Vec::new();
    let frame = CanFrame::classic(CanId::Standard(3), &[1]).unwrap();
    device.on_frame(&frame, 0, &mut |reply| other.push(reply));
    assert!(other.is_empty(), "it answers nothing but SYNC");
}

#[test]
fn imu_noise_and_bias_are_those_configured() {
    let config = ImuEmulatorConfig {
        gyro_std_rad_s: 0.01,
        accel_std_m_s2: 0.1,
        gyro_bias_rad_s: [0.02, 0.0, -0.02],
        accel_bias_m_s2: [0.0, 0.3, 0.0],
    };
    let mut device = ImuEmulator::new(config, 5);
    let n = 4000;
    let (mut sums, mut squares) = ([0.0; 6], [0.0; 6]);
    for i in 0..n {
        device.observe([0.0; 3], [0.0; 3]);
        let (gyro, accel) = imu_samples(&mut device, i as u8).unwrap();
        for (axis, value) in gyro.vector.iter().chain(&accel.vector).enumerate() {
            sums[axis] += value;
            squares[axis] += value * value;
        }
    }
    let biases = [0.02, 0.0, -0.02, 0.0, 0.3, 0.0];
    for (axis, bias) in biases.into_iter().enumerate() {
        let std = if axis < 3 { 0.01 } else { 0.1 };
        let mean = sums[axis] / f64::from(n);
        let found = (squares[axis] / f64::from(n) - mean * mean).sqrt();
        assert!((mean - bias).abs() < 0.1 * std, "axis {axis}: mean {mean}");
        assert!((found / std - 1.0).abs() < 0.06, "axis {axis}: std {found}");
    }
}

#[test]
fn same_seed_same_samples() {
    let config = ImuEmulatorConfig { gyro_std_rad_s: 0.01, accel_std_m_s2: 0.1, ..Default::default() };
    let run = |seed| {
        let mut device = ImuEmulator::new(config, seed);
        (0..50)
            .flat_map(|i| {
                device.observe([0.0; 3], [0.0; 3]);
                sync(&mut device, i)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn each_imu_fault_shows() {
    let fresh = |fault| {
        let mut device = ImuEmulator::new(ImuEmulatorConfig::default(), 1);
        device.observe(STILL.0, STILL.1);
        sync(&mut device, 1);
        device.inject(fault);
        device.observe([1.0; 3], [2.0; 3]);
        device
    };
    assert!(sync(&mut fresh(SensorFault::Silent), 2).is_empty());
    let (gyro, _) = imu_samples(&mut fresh(SensorFault::Frozen), 2).unwrap();
    assert!((gyro.vector[0] - 0.1).abs() < 1e-3 && gyro.sequence == 2);
    let (gyro, accel) = imu_samples(&mut fresh(SensorFault::Replayed), 2).unwrap();
    assert!((accel.vector[2] - 9.81).abs() < 1e-2 && gyro.sequence == 1);
    let (gyro, accel) = imu_samples(&mut fresh(SensorFault::Saturated), 2).unwrap();
    assert!(gyro.status.saturated && accel.status.saturated && gyro.vector[0] > 36.0);
    let (gyro, _) = imu_samples(&mut fresh(SensorFault::Failed), 2).unwrap();
    assert!(gyro.status.failed && (gyro.vector[0] - 1.0).abs() < 1e-3);
    let mut device = fresh(SensorFault::Silent);
    device.inject(SensorFault::Recover);
    let (gyro, _) = imu_samples(&mut device, 3).unwrap();
    assert!(!gyro.status.failed && !gyro.status.saturated && (gyro.vector[0] - 1.0).abs() < 1e-3);
}

#[test]
fn truth_that_is_not_finite_reads_as_a_failed_sensor() {
    let mut device = ImuEmulator::new(ImuEmulatorConfig::default(), 1);
    device.observe([f64::NAN, 0.0, 0.0], [0.0; 3]);
    assert!(imu_samples(&mut device, 0).unwrap().0.status.failed);
    let mut device = FootEmulator::new(FootEmulatorConfig::default(), 1);
    device.observe(f64::INFINITY);
    assert!(force(&mut device, 0).unwrap().status.failed);
}

#[test]
fn a_foot_answers_sync_and_each_of_its_faults_shows() {
    let config = FootEmulatorConfig { index: 2, force_std_n: 0.0, bias_n: 1.5 };
    let fresh = |fault| {
        let mut device = FootEmulator::new(config, 1);
        device.observe(40.0);
        sync(&mut device, 1);
        device.inject(fault);
        device.observe(80.0);
        device
    };
    let healthy = force(&mut fresh(SensorFault::Recover), 9).unwrap();
    assert_eq!((healthy.index, healthy.sequence, healthy.status.failed), (2, 9, false));
    assert!((healthy.force_n - 81.5).abs() < 0.06);
    assert!(force(&mut fresh(SensorFault::Silent), 9).is_none());
    assert!((force(&mut fresh(SensorFault::Frozen), 9).unwrap().force_n - 41.5).abs() < 0.06);
    assert_eq!(force(&mut fresh(SensorFault::Replayed), 9).unwrap().sequence, 1);
    assert!(force(&mut fresh(SensorFault::Saturated), 9).unwrap().status.saturated);
    assert!(force(&mut fresh(SensorFault::Failed), 9).unwrap().status.failed);
}
