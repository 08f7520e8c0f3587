//! The device side of every bus: which emulators hang on which wire, and how a joint maps to its drive.

use crate::seed::{Stream, within};
use crate::settings::TwinConfig;
use arrayvec::ArrayVec;
use sinew_bus::{CanFrame, Device, Received, TO_HOST, VirtualBus, VirtualBusConfig};
use sinew_devices::damiao::{Model, Register, RegisterValue, TIMEOUT_UNIT_NS};
use sinew_devices::emulator::{
    DamiaoEmulator, DamiaoEmulatorConfig, EncoderNoise, FootEmulator, FootEmulatorConfig, ImuEmulator,
    ImuEmulatorConfig,
};
use sinew_devices::{foot, imu};
use sinew_robot::{BusKind, Family, Foot, Imu, Joint, Noise, Robot};

/// Most devices on one bus.
pub const DEVICES_PER_BUS: usize = 32;

/// One bus with everything wired to it. Order of devices: drives, IMUs, feet, each in robot order.
pub(crate) struct BusSide {
    pub(crate) bus: VirtualBus,
    pub(crate) drives: Vec<DamiaoEmulator>,
    pub(crate) imus: Vec<ImuEmulator>,
    pub(crate) feet: Vec<FootEmulator>,
}

/// Where a device sits: bus, and slot among those of its kind there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bus: usize,
    pub(crate) slot: usize,
}

impl BusSide {
    /// One bus cycle: host frames in, replies out.
    pub(crate) fn cycle(
        &mut self,
        start_ns: u64,
        end_ns: u64,
        host: &[CanFrame],
        replies: &mut ArrayVec<Received, TO_HOST>,
    ) {
        let mut devices: ArrayVec<&mut dyn Device, DEVICES_PER_BUS> = ArrayVec::new();
        let drives = self.drives.iter_mut().map(|d| d as &mut dyn Device);
        let imus = self.imus.iter_mut().map(|d| d as &mut dyn Device);
        let feet = self.feet.iter_mut().map(|d| d as &mut dyn Device);
        devices.extend(drives.chain(imus).chain(feet).take(DEVICES_PER_BUS));
        self.bus.cycle(start_ns, end_ns, host, &mut devices, replies);
    }
}

/// The whole robot's device side, with the maps from robot order to places.
pub(crate) struct Wiring {
    pub(crate) buses: Vec<BusSide>,
    pub(crate) drive_at: Vec<Place>,
    pub(crate) imu_at: Vec<Place>,
    pub(crate) foot_at: Vec<Place>,
}

/// Why a device of the robot cannot be emulated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WiringError {
    /// The model of a drive is unknown to the emulator.
    #[error("joint '{joint}': no emulator for drive model '{model}', expected a Damiao model such as DM8009")]
    DriveModel {
        /// The joint.
        joint: String,
        /// What robot.yaml says.
        model: String,
    },
    /// A drive does not take a value that robot.yaml wants it to hold.
    #[error("joint '{joint}': the drive does not take {found} in register {register:?}: mend robot.yaml")]
    Register {
        /// The joint.
        joint: String,
        /// The register.
        register: Register,
        /// The value.
        found: f64,
    },
    /// A device on a bus that does not exist.
    #[error("{device}: bus {found} does not exist")]
    NoBus {
        /// The device.
        device: String,
        /// Bus index.
        found: usize,
    },
    /// An id that the sensor protocol does not give to such a device.
    #[error("{device}: {field} is {found:#x}, expected {expected}")]
    SensorId {
        /// The device.
        device: String,
        /// Which id.
        field: &'static str,
        /// What robot.yaml says.
        found: u16,
        /// What the protocol allows.
        expected: &'static str,
    },
    /// A bus with more devices than the twin can carry.
    #[error("bus '{bus}': {found} devices, expected at most {DEVICES_PER_BUS}")]
    Crowded {
        /// The bus.
        bus: String,
        /// Devices on it.
        found: usize,
    },
}

/// A device and where it goes.
fn put<D>(devices: &mut Vec<D>, bus: usize, device: D) -> Place {
    devices.push(device);
    Place { bus, slot: devices.len() - 1 }
}

impl Wiring {
    /// Build every device of `robot`, set up as its description says, each with its own noise stream.
    pub(crate) fn of(robot: &Robot, config: &TwinConfig) -> Result<Self, WiringError> {
        let mut wiring =
            Wiring { buses: Vec::new(), drive_at: Vec::new(), imu_at: Vec::new(), foot_at: Vec::new() };
        for (i, bus) in robot.buses.iter().enumerate() {
            if let BusKind::Sensors { sync_id } = bus.kind {
                check_id(&bus.name, "sync_id", sync_id, imu::SYNC_ID, 1, "0x80")?;
            }
            let make = VirtualBusConfig {
                bitrate_bps: bus.bitrate_bps,
                turnaround_ns: config.turnaround_ns,
                ..VirtualBusConfig::CLASSIC_1M
            };
            wiring.buses.push(BusSide {
                bus: VirtualBus::new(make, Stream::Bus(i).seed(config.seed)),
                drives: Vec::new(),
                imus: Vec::new(),
                feet: Vec::new(),
            });
        }
        for (i, joint) in robot.joints.iter().enumerate() {
            let drive = drive(i, joint, &robot.noise, config)?;
            let at = joint.device.bus;
            let side = bus_of(&mut wiring.buses, at, &joint.name)?;
            wiring.drive_at.push(put(&mut side.drives, at, drive));
        }
        for (i, imu) in robot.imus.iter().enumerate() {
            let emulator = imu_emulator(i, imu, &robot.noise, config)?;
            let side = bus_of(&mut wiring.buses, imu.bus, &imu.name)?;
            wiring.imu_at.push(put(&mut side.imus, imu.bus, emulator));
        }
        for (i, foot) in robot.feet.iter().enumerate() {
            let emulator = foot_emulator(i, foot, &robot.noise, config)?;
            let side = bus_of(&mut wiring.buses, foot.bus, &foot.name)?;
            wiring.foot_at.push(put(&mut side.feet, foot.bus, emulator));
        }
        for (side, bus) in wiring.buses.iter().zip(&robot.buses) {
            let found = side.drives.len() + side.imus.len() + side.feet.len();
            if found > DEVICES_PER_BUS {
                return Err(WiringError::Crowded { bus: bus.name.clone(), found });
            }
        }
        Ok(wiring)
    }
}

fn bus_of<'a>(buses: &'a mut [BusSide], found: usize, device: &str) -> Result<&'a mut BusSide, WiringError> {
    buses.get_mut(found).ok_or_else(|| WiringError::NoBus { device: device.to_owned(), found })
}

/// A drive that a workshop has set up as robot.yaml says: ids, ranges, watchdog.
fn drive(
    index: usize,
    joint: &Joint,
    noise: &Noise,
    config: &TwinConfig,
) -> Result<DamiaoEmulator, WiringError> {
    let device = &joint.device;
    let Family::Damiao = device.family;
    let unknown = || WiringError::DriveModel { joint: joint.name.clone(), model: device.model.clone() };
    let model = Model::from_name(&device.model).ok_or_else(unknown)?;
    let scale = config.noise_scale * device.gear;
    let mut bias = Stream::DriveBias(index).open(config.seed);
    let make = DamiaoEmulatorConfig {
        master_id: device.reply_id,
        torque_limit_nm: device.device_tau_nm(joint.limits.tau_max_nm).abs(),
        noise: EncoderNoise {
            q_std_rad: noise.q_std_rad * scale,
            dq_std_rad_s: noise.dq_std_rad_s * scale,
            q_bias_rad: within(&mut bias, noise.q_bias_max_rad * scale),
        },
        ambient_c: config.ambient_c,
        ..DamiaoEmulatorConfig::of(model, device.id)
    };
    let mut drive = DamiaoEmulator::new(make, Stream::Drive(index).seed(config.seed));
    let watchdog = u32::try_from(device.watchdog_ns / TIMEOUT_UNIT_NS).unwrap_or(u32::MAX);
    for (register, value) in [
        (Register::PositionMax, RegisterValue::Float(device.scaling.p_max_rad as f32)),
        (Register::VelocityMax, RegisterValue::Float(device.scaling.v_max_rad_s as f32)),
        (Register::TorqueMax, RegisterValue::Float(device.scaling.t_max_nm as f32)),
        (Register::Timeout, RegisterValue::Integer(watchdog)),
    ] {
        if !drive.store_register(register, value) {
            let found = match value {
                RegisterValue::Float(x) => f64::from(x),
                RegisterValue::Integer(x) => f64::from(x),
            };
            return Err(WiringError::Register { joint: joint.name.clone(), register, found });
        }
    }
    Ok(drive)
}

fn imu_emulator(
    index: usize,
    imu: &Imu,
    noise: &Noise,
    config: &TwinConfig,
) -> Result<ImuEmulator, WiringError> {
    let slot = check_id(&imu.name, "gyro_id", imu.gyro_id, imu::GYRO_ID, 2, "0xA0 + 2 k")?;
    let accel = check_id(&imu.name, "accel_id", imu.accel_id, imu::ACCEL_ID, 2, "0xA1 + 2 k")?;
    if slot != accel {
        return Err(WiringError::SensorId {
            device: imu.name.clone(),
            field: "accel_id",
            found: imu.accel_id,
            expected: "one above gyro_id",
        });
    }
    let mut bias = Stream::ImuBias(index).open(config.seed);
    let scale = config.noise_scale;
    let make = ImuEmulatorConfig {
        gyro_std_rad_s: noise.gyro_std_rad_s * scale,
        accel_std_m_s2: noise.accel_std_m_s2 * scale,
        gyro_bias_rad_s: [0; 3].map(|_| within(&mut bias, noise.gyro_bias_max_rad_s * scale)),
        accel_bias_m_s2: [0; 3].map(|_| within(&mut bias, noise.accel_bias_max_m_s2 * scale)),
    };
    Ok(ImuEmulator::with_index(make, slot, Stream::Imu(index).seed(config.seed)))
}

fn foot_emulator(
    index: usize,
    foot: &Foot,
    noise: &Noise,
    config: &TwinConfig,
) -> Result<FootEmulator, WiringError> {
    let slot = check_id(&foot.name, "id", foot.id, foot::FORCE_ID, 1, "0xB0 + k")?;
    let mut bias = Stream::FootBias(index).open(config.seed);
    let make = FootEmulatorConfig {
        index: slot,
        force_std_n: noise.force_std_n * config.noise_scale,
        bias_n: within(&mut bias, noise.force_bias_max_n * config.noise_scale),
    };
    Ok(FootEmulator::new(make, Stream::Foot(index).seed(config.seed)))
}

/// Index of a sensor from its id: `first + step * index`.
fn check_id(
    device: &str,
    field: &'static str,
    found: u16,
    first: u16,
    step: u16,
    expected: &'static str,
) -> Result<u8, WiringError> {
    let most = if field == "sync_id" { 1 } else { u16::from(foot::FEET.min(imu::IMUS)) };
    found
        .checked_sub(first)
        .filter(|above| above % step == 0 && above / step < most)
        .and_then(|above| u8::try_from(above / step).ok())
        .ok_or_else(|| WiringError::SensorId { device: device.to_owned(), field, found, expected })
}
