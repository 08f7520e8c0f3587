//! Devices on the virtual bus: the quadruped's bus schedules, their time, and determinism.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use arrayvec::ArrayVec;
use sinew_bus::{BusFaults, CanFrame, CanId, Device, Received, TO_HOST, VirtualBus, VirtualBusConfig};
use sinew_devices::damiao::{self, Model};
use sinew_devices::emulator::{
    DamiaoEmulator, DamiaoEmulatorConfig, EncoderNoise, FootEmulator, FootEmulatorConfig, ImuEmulator,
    ImuEmulatorConfig, JointTruth,
};
use sinew_devices::imu;
use sinew_devices::mit::MitCommand;

const P_NS: u64 = 2_000_000;

fn leg_drives() -> Vec<DamiaoEmulator> {
    let noise = EncoderNoise { q_std_rad: 0.001, dq_std_rad_s: 0.05, q_bias_rad: 0.002 };
    (1..=4)
        .map(|id| {
            let config = DamiaoEmulatorConfig { noise, ..DamiaoEmulatorConfig::of(Model::Dm8009, id) };
            DamiaoEmulator::new(config, u64::from(id))
        })
        .collect()
}

/// Enables four drives, holds them with a spring on a free 0.05 kg m^2 joint each; returns all replies.
fn hold(faults: BusFaults, cycles: u64, seed: u64) -> (Vec<Received>, VirtualBus, Vec<f64>) {
    let mut bus = VirtualBus::new(VirtualBusConfig { faults, ..VirtualBusConfig::CLASSIC_1M }, seed);
    let mut drives = leg_drives();
    let mut truth = vec![JointTruth { q_rad: 0.3, dq_rad_s: 0.0 }; 4];
    let mut to_host = ArrayVec::<Received, TO_HOST>::new();
    let mut all = Vec::new();
    let scaling = damiao::scaling(Model::Dm8009);
    let command = MitCommand { q_rad: 0.5, kp: 40.0, kd: 2.0, ..MitCommand::default() };
    for n in 0..cycles {
        let frames: Vec<CanFrame> = (1..=4)
            .map(|id| {
                if n == 0 { damiao::enable(id) } else { damiao::command(id, &scaling, &command) }.unwrap()
            })
            .collect();
        drives.iter_mut().zip(&truth).for_each(|(drive, truth)| drive.observe(*truth));
        let mut devices: Vec<&mut dyn Device> = drives.iter_mut().map(|d| d as &mut dyn Device).collect();
        to_host.clear();
        bus.cycle(n * P_NS, (n + 1) * P_NS, &frames, &mut devices, &mut to_host);
        all.extend(to_host.iter().copied());
        for (drive, truth) in drives.iter_mut().zip(&mut truth) {
            for k in 0..2 {
                let torque_nm = drive.substep(*truth, n * P_NS + k * P_NS / 2, P_NS / 2);
                truth.dq_rad_s += torque_nm / 0.05 * 1e-3;
                truth.q_rad += truth.dq_rad_s * 1e-3;
            }
        }
    }
    (all, bus, truth.iter().map(|truth| truth.q_rad).collect())
}

#[test]
fn four_drives_are_held_within_their_bus_budget() {
    let (replies, bus, positions) = hold(BusFaults::NONE, 500, 1);
    assert_eq!(replies.len(), 2000);
    for received in &replies {
        assert!(received.at_ns % P_NS <= 1_080_000, "{received:?}");
        assert!(received.at_ns % P_NS <= 7 * P_NS / 10, "before the cutoff");
    }
    assert!(bus.load() <= 0.54);
    for q_rad in positions {
        assert!((q_rad - 0.498).abs() < 0.002, "the spring pulls the encoder, bias included: {q_rad}");
    }
}

#[test]
fn faults_and_noise_repeat_with_their_seed() {
    let faults = BusFaults {
        loss: 0.02,
        duplication: 0.02,
        delay: 0.02,
        delay_ns: 900_000,
        corruption: 0.02,
        undetected_corruption: 0.0,
        bus_off: 0.005,
    };
    let run = |seed| {
        let (replies, bus, positions) = hold(faults, 300, seed);
        (replies, bus.counters(), positions.iter().map(|q| q.to_bits()).collect::<Vec<_>>())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn the_sensor_bus_carries_seven_frames_in_its_budget() {
    let mut bus = VirtualBus::new(VirtualBusConfig::CLASSIC_1M, 1);
    let mut imu_device = ImuEmulator::new(ImuEmulatorConfig::default(), 1);
    let mut feet: Vec<FootEmulator> = (0..4)
        .map(|index| FootEmulator::new(FootEmulatorConfig { index, ..Default::default() }, 1))
        .collect();
    for n in 0..256u64 {
        imu_device.observe([0.0; 3], [0.0, 0.0, 9.81]);
        feet.iter_mut().for_each(|foot| foot.observe(35.0));
        let mut devices: Vec<&mut dyn Device> = vec![&mut imu_device];
        devices.extend(feet.iter_mut().map(|foot| foot as &mut dyn Device));
        let mut to_host = ArrayVec::<Received, TO_HOST>::new();
        let frames = [imu::encode_sync(n as u8).unwrap()];
        bus.cycle(n * P_NS, (n + 1) * P_NS, &frames, &mut devices, &mut to_host);
        let ids: Vec<_> = to_host.iter().map(|received| received.frame.id()).collect();
        assert_eq!(ids, [0xA0, 0xA1, 0xB0, 0xB1, 0xB2, 0xB3].map(CanId::Standard));
        assert!(to_host.iter().all(|received| received.at_ns - n * P_NS <= 945_000));
    }
    let counters = bus.counters();
    assert_eq!((counters.host_frames, counters.device_frames), (256, 6 * 256));
}
