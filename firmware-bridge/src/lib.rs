//! The bus cycle: one core that polls drives and sensors, guards what control asks for, and obeys nobody else.
//!
//! Each period it sends what is in force on every bus ([`Bridge::begin`]), takes the replies up to the cutoff
//! ([`Bridge::collect`]), publishes one `ActuatorState` ([`Bridge::finish`]) and judges commands
//! ([`Bridge::take`]). Before torque: every drive answers, its scaling and watchdog read back equal robot.yaml
//! ([`ConfigCheck`]), the buses are within budget, and one process is granted the writer epoch ([`WriterGrant`]).
//!
//! What may be touched here: the order of the cycle, the start-up check and the arming handshake. What a legal
//! command is belongs to `guard`, bytes of a drive to `devices`. Invariant: no frame with stiffness leaves
//! for a drive unless the command behind it was accepted within the ladder's time.
mod arming;
mod config;
mod config_check;
mod cycle;
mod drive;
mod rest;
mod sensors;

pub use arming::WriterGrant;
pub use config::{BridgeConfig, BusPlan, ConfigError, DrivePlan, FootPlan, ImuPlan};
pub use config_check::{CheckFailure, ConfigCheck};
pub use cycle::{Bridge, FrameList, ReceivedList, SentFrame};
pub use rest::RestDetector;
