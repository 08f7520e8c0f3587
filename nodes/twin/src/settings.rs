//! What a run may set that is not the robot's, and every reason for which a twin refuses.

use crate::physics::Physics;
use crate::rapier::ModelError;
use crate::start::StartError;
use crate::wiring::WiringError;
use sinew_robot::Robot;

/// Settings of a run that are not the robot's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwinConfig {
    /// Scenario seed: every random stream of the run derives from it.
    pub seed: u64,
    /// Length of a physics step, ns; the bus period is a whole multiple of it.
    pub physics_dt_ns: u64,
    /// Factor on the robot's nominal sensor noise and biases; 0 makes perfect sensors.
    pub noise_scale: f64,
    /// Time a device takes to answer a frame, ns.
    pub turnaround_ns: u64,
    /// Temperature of the surroundings, deg C.
    pub ambient_c: f64,
}

impl Default for TwinConfig {
    fn default() -> Self {
        Self { seed: 1, physics_dt_ns: 1_000_000, noise_scale: 1.0, turnaround_ns: 20_000, ambient_c: 25.0 }
    }
}

/// Why a twin could not be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TwinError {
    /// The engine refused the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A device cannot be emulated.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The robot would not lie still.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine was built for another robot.
    #[error("physics has {found} {part}, the robot {expected}: build the engine with the robot's names")]
    Mismatch {
        /// Joints or feet.
        part: &'static str,
        /// The engine's count.
        found: usize,
        /// The robot's count.
        expected: usize,
    },
    /// A setting is out of range.
    #[error("twin: {field} is {found}, expected {expected}")]
    Setting {
        /// Which one.
        field: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
}

/// Why a cycle was refused; nothing has moved then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The caller counts other steps than the twin.
    #[error(
        "exchange of step {found}, expected {expected}: exchange and integrate alternate, steps count up by one"
    )]
    Step {
        /// Step given.
        found: u64,
        /// Step due.
        expected: u64,
    },
    /// Lists for another number of buses.
    #[error("exchange with {found} bus lists, expected {expected}, one per bus of the robot")]
    Buses {
        /// Lists given.
        found: usize,
        /// Buses of the robot.
        expected: usize,
    },
}

/// Check settings and sizes; returns physics steps per bus period.
pub(crate) fn check(robot: &Robot, physics: &dyn Physics, config: &TwinConfig) -> Result<u64, TwinError> {
    for (part, found, expected) in [
        ("joints", physics.joint_count(), robot.joints.len()),
        ("feet", physics.foot_count(), robot.feet.len()),
    ] {
        if found != expected {
            return Err(TwinError::Mismatch { part, found, expected });
        }
    }
    let setting = |field, found, expected| Err(TwinError::Setting { field, found, expected });
    let dt = config.physics_dt_ns;
    if dt < 100_000 || dt > robot.period_ns || !robot.period_ns.is_multiple_of(dt) {
        return setting("physics_dt_ns", dt as f64, "a whole fraction of the bus period, at least 100000");
    }
    if !(0.0..=100.0).contains(&config.noise_scale) {
        return setting("noise_scale", config.noise_scale, "0 to 100");
    }
    if config.turnaround_ns > robot.period_ns {
        return setting("turnaround_ns", config.turnaround_ns as f64, "at most one bus period");
    }
    if !(-60.0..=80.0).contains(&config.ambient_c) {
        return setting("ambient_c", config.ambient_c, "-60 to 80 deg C");
    }
    Ok(robot.period_ns / dt)
}
