//! What the bridge needs of a robot, as plain numbers.
use arrayvec::ArrayVec;
use sinew_bus::{BitRates, Budget, FrameShape, Pair};
use sinew_devices::mit::MitScaling;
use sinew_devices::{damiao, foot, imu};
use sinew_guard::Limits;
use sinew_robot::{BusKind, Robot};
use sinew_wire::{MAX_JOINTS, robot_id};

/// One drive on a bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrivePlan {
    pub bus: usize,
    /// CAN id the drive listens to.
    pub id: u16,
    /// CAN id it answers with.
    pub master_id: u16,
    /// Ranges of its packing, as robot.yaml claims and the drive must confirm.
    pub scaling: MitScaling,
    /// Drive turns per joint turn.
    pub gear: f64,
    /// +1 or -1.
    pub sign: i8,
    /// Joint angle when the drive reports zero, rad.
    pub offset_rad: f64,
    /// Watchdog of the drive, in its register's units (Damiao: 50 us).
    pub watchdog_ticks: u32,
}

/// One inertial sensor on a bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImuPlan {
    pub bus: usize,
    pub gyro_id: u16,
    pub accel_id: u16,
    /// Rotation that takes sensor coordinates to body coordinates, row by row.
    pub body_from_sensor: [[f64; 3]; 3],
}

/// One foot-force sensor on a bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FootPlan {
    pub bus: usize,
    pub id: u16,
}

/// One bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BusPlan {
    pub name: String,
    pub bitrate_bps: u32,
    /// Sensors on this bus wait for a SYNC frame with this id.
    pub sync_id: Option<u16>,
}

/// The bridge's share of a robot description.
#[derive(Clone, Debug)]
pub struct BridgeConfig {
    /// [`sinew_wire::robot_id`] of the robot's name.
    pub robot: u32,
    pub boot_id: u32,
    pub calibration_id: u32,
    pub limits: Limits,
    /// What the commanding process must know to be armed: the limits, and the names, order and wiring of the joints
    /// behind them ([`Limits::hash`] xor [`Robot::limits_hash`]).
    pub limits_hash: u64,
    /// Cycles without a reply that make a drive or an inertial sensor silent.
    pub reply_misses_max: u32,
    /// Replies stamped later than this after the cycle's start count as missing, ns.
    pub cutoff_ns: u64,
    pub buses: Vec<BusPlan>,
    /// In the order of the joints.
    pub drives: ArrayVec<DrivePlan, MAX_JOINTS>,
    pub imus: ArrayVec<ImuPlan, { sinew_wire::MAX_IMUS }>,
    pub feet: ArrayVec<FootPlan, { sinew_wire::MAX_CONTACTS }>,
}

/// Why a bridge cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "drives: expected one per joint ({joints}), found {drives}; list every joint's drive in robot.yaml"
    )]
    Drives { joints: usize, drives: usize },
    #[error(
        "{what}: bus {bus} does not exist, there are {buses}; name a bus declared under `buses` in robot.yaml"
    )]
    Bus { what: String, bus: usize, buses: usize },
    #[error("cutoff: must lie inside the period of {period_ns} ns, found {cutoff_ns} ns")]
    Cutoff { period_ns: u64, cutoff_ns: u64 },
    #[error("limits: {0}")]
    Limits(String),
    #[error("{0}")]
    Budget(String),
    #[error(
        "{what}: the sensor protocol expects id {expected}, found {found:#05x}; correct the id in robot.yaml"
    )]
    SensorId { what: String, found: u16, expected: &'static str },
    #[error(
        "drive {drive}: watchdog_ms: must fire after the ladder's t2 of {t2_ns} ns, found {watchdog_ns} ns; raise watchdog_ms in robot.yaml"
    )]
    Watchdog { drive: usize, t2_ns: u64, watchdog_ns: u64 },
    #[error("reply_misses_max: must be at least 1, found 0; correct it in robot.yaml")]
    Misses,
}

impl BridgeConfig {
    /// The bridge's share of `robot`, named `name` in frames, guarded by [`Robot::limits`].
    #[must_use]
    pub fn new(robot: &Robot, name: &str, boot_id: u32) -> Self {
        let drive = |joint: &sinew_robot::Joint| {
            let device = &joint.device;
            // The description's ranges, the family's arithmetic and gain ranges.
            let scaling = MitScaling {
                p_max_rad: device.scaling.p_max_rad,
                v_max_rad_s: device.scaling.v_max_rad_s,
                t_max_nm: device.scaling.t_max_nm,
                ..damiao::scaling(damiao::Model::Dm8009)
            };
            DrivePlan {
                bus: device.bus,
                id: device.id,
                master_id: device.reply_id,
                scaling,
                gear: device.gear,
                sign: if device.sign < 0.0 { -1 } else { 1 },
                offset_rad: device.offset_rad,
                watchdog_ticks: (device.watchdog_ns / damiao::TIMEOUT_UNIT_NS) as u32,
            }
        };
        let limits = robot.limits();
        Self {
            robot: robot_id(name),
            boot_id,
            calibration_id: 0,
            limits_hash: limits.hash ^ robot.limits_hash,
            reply_misses_max: robot.timing.reply_misses_max,
            limits,
            cutoff_ns: (robot.timing.reply_cutoff * robot.period_ns as f64) as u64,
            buses: robot
                .buses
                .iter()
                .map(|bus| BusPlan {
                    name: bus.name.clone(),
                    bitrate_bps: bus.bitrate_bps,
                    sync_id: match bus.kind {
                        BusKind::Sensors { sync_id } => Some(sync_id),
                        BusKind::Drives => None,
                    },
                })
                .collect(),
            drives: robot.joints.iter().map(drive).collect(),
            imus: robot
                .imus
                .iter()
                .map(|imu| ImuPlan {
                    bus: imu.bus,
                    gyro_id: imu.gyro_id,
                    accel_id: imu.accel_id,
                    body_from_sensor: rotation_matrix(imu.base_from_imu.orientation_wxyz),
                })
                .collect(),
            feet: robot.feet.iter().map(|foot| FootPlan { bus: foot.bus, id: foot.id }).collect(),
        }
    }

    /// Checks what the cycle relies on.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (joints, drives, buses) = (self.limits.joints.len(), self.drives.len(), self.buses.len());
        if joints != drives {
            return Err(ConfigError::Drives { joints, drives });
        }
        let on_bus = |what: &str, bus: usize| {
            if bus < buses { Ok(()) } else { Err(ConfigError::Bus { what: what.into(), bus, buses }) }
        };
        self.drives.iter().try_for_each(|d| on_bus("drive", d.bus))?;
        self.imus.iter().try_for_each(|d| on_bus("imu", d.bus))?;
        self.feet.iter().try_for_each(|d| on_bus("foot", d.bus))?;
        let period_ns = self.limits.timing.period_ns;
        if self.cutoff_ns == 0 || self.cutoff_ns >= period_ns {
            return Err(ConfigError::Cutoff { period_ns, cutoff_ns: self.cutoff_ns });
        }
        if self.reply_misses_max == 0 {
            return Err(ConfigError::Misses);
        }
        self.limits.check().map_err(|e| ConfigError::Limits(e.to_string()))?;
        self.check_watchdogs()?;
        self.check_sensor_ids()?;
        (0..buses).try_for_each(|bus| self.check_budget(bus))
    }

    /// A drive must not act on its own before the ladder has come to damping.
    fn check_watchdogs(&self) -> Result<(), ConfigError> {
        let t2_ns = self.limits.timing.t2_ns;
        for (drive, plan) in self.drives.iter().enumerate() {
            let watchdog_ns = u64::from(plan.watchdog_ticks) * damiao::TIMEOUT_UNIT_NS;
            if watchdog_ns <= t2_ns {
                return Err(ConfigError::Watchdog { drive, t2_ns, watchdog_ns });
            }
        }
        Ok(())
    }

    /// The sensor protocols have fixed ids: another one would be a sensor that is never heard.
    fn check_sensor_ids(&self) -> Result<(), ConfigError> {
        let id = |what: String, found: u16, expected, fits: bool| {
            if fits { Ok(()) } else { Err(ConfigError::SensorId { what, found, expected }) }
        };
        for bus in &self.buses {
            let found = bus.sync_id.unwrap_or(imu::SYNC_ID);
            id(format!("bus {}: sync_id", bus.name), found, "0x080", found == imu::SYNC_ID)?;
        }
        for (i, plan) in self.imus.iter().enumerate() {
            let index = plan.gyro_id.wrapping_sub(imu::GYRO_ID);
            let fits = index.is_multiple_of(2) && index < 2 * u16::from(imu::IMUS);
            id(format!("imu {i}: gyro_id"), plan.gyro_id, "0x0a0 + 2 k", fits)?;
            let fits = plan.accel_id == plan.gyro_id.wrapping_add(1);
            id(format!("imu {i}: accel_id"), plan.accel_id, "one above gyro_id", fits)?;
        }
        for (i, plan) in self.feet.iter().enumerate() {
            let fits = plan.id.wrapping_sub(foot::FORCE_ID) < u16::from(foot::FEET);
            id(format!("foot {i}: id"), plan.id, "0x0b0 + k", fits)?;
        }
        Ok(())
    }

    /// Worst case of one period on `bus`.
    fn check_budget(&self, bus: usize) -> Result<(), ConfigError> {
        let Some(plan) = self.buses.get(bus) else { return Ok(()) };
        let pairs: Vec<Pair> =
            self.drives.iter().filter(|d| d.bus == bus).map(|_| Pair::MIT_CLASSIC).collect();
        let mut singles: Vec<FrameShape> = plan.sync_id.iter().map(|_| FrameShape::classic(1)).collect();
        for _ in self.imus.iter().filter(|s| s.bus == bus) {
            singles.extend([FrameShape::classic(8); 2]);
        }
        singles.extend(self.feet.iter().filter(|s| s.bus == bus).map(|_| FrameShape::classic(4)));
        let rates = BitRates { nominal_bps: plan.bitrate_bps, data_bps: None };
        let budget = Budget::of(&pairs, rates, self.limits.timing.period_ns).plus(&singles);
        budget.check(&plan.name).map(drop).map_err(|e| ConfigError::Budget(e.to_string()))
    }
}

/// Rows of the rotation matrix of a unit quaternion (w, x, y, z).
fn rotation_matrix([w, x, y, z]: [f64; 4]) -> [[f64; 3]; 3] {
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}
