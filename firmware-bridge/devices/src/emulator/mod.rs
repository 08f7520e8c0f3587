//! The device side: simulated drives and sensors behind the real codecs.
//!
//! They are the actuators and sensors of the twin and the peers of the bridge's tests. Each has its own
//! noise stream, so that what one draws never shifts another. A cycle of the twin is:
//!
//! ```text
//!  observe(truth at t_n) ─▶ bus cycle: on_frame, replies ─▶ substep(truth), torque back, k times
//! ```
//!
//! Truth is at the output of the device and in its own coordinates: sign, gear and offset of the robot
//! description are applied by whoever owns the truth. Values that are not finite are refused: they count
//! as a failed sensor or as no torque, and never reach the wire.

mod drive;
mod drive_config;
mod fault;
mod foot;
mod imu;
pub mod noise;
mod registers;
mod thermal;

pub use drive::{DamiaoEmulator, DriveStatus, JointTruth};
pub use drive_config::{DamiaoEmulatorConfig, EncoderNoise, SpeedTorque};
pub use fault::{DriveFault, SensorFault};
pub use foot::{FootEmulator, FootEmulatorConfig};
pub use imu::{ImuEmulator, ImuEmulatorConfig};
pub use thermal::ThermalModel;
