//! What a scenario can do to the robot and its world, as data.
//!
//! | group | event | outcome a scenario asserts |
//! |---|---|---|
//! | drive | stall, torque loss, over-temperature, encoder jump, silence, reset | fault named; damping or safe stop |
//! | sensor | dead, frozen or shifted IMU or foot sensor | refused and counted; estimator health falls |
//! | bus | loss, duplication, delay, corruption, bus-off (all lost: a silent bus) | nothing stale applied; ladder on time |
//! | world | push, payload, friction | stays up, or falls into damping |
//!
//! A fault with an end is two events: one that begins it and one that clears it.

use sinew_bus::BusFaults;
use sinew_devices::emulator::{DriveFault, SensorFault};

/// One thing that happens at the start of a bus cycle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorldEvent {
    /// A fault in the drive of a joint.
    Drive {
        /// Joint index of the robot.
        joint: usize,
        /// What breaks, or heals.
        fault: DriveFault,
    },
    /// A fault in an IMU.
    Imu {
        /// IMU index of the robot.
        imu: usize,
        /// What breaks, or heals.
        fault: SensorFault,
    },
    /// A fault in a foot sensor.
    Foot {
        /// Foot index of the robot.
        foot: usize,
        /// What breaks, or heals.
        fault: SensorFault,
    },
    /// New fault rates of a bus; [`BusFaults::NONE`] heals it.
    Bus {
        /// Bus index of the robot.
        bus: usize,
        /// Rates from now on.
        faults: BusFaults,
    },
    /// A push of the whole robot.
    Push {
        /// Change of velocity, world frame, m/s.
        delta_v_m_s: [f64; 3],
        /// Spread evenly over this time, s; 0 is one physics step.
        over_s: f64,
    },
    /// A horizontal push in a direction drawn from the world's stream.
    PushAnywhere {
        /// Size of the change of velocity, m/s.
        delta_v_m_s: f64,
        /// Spread evenly over this time, s.
        over_s: f64,
    },
    /// Mass carried by the trunk from now on.
    Payload {
        /// Mass, kg.
        kg: f64,
    },
    /// Coulomb friction of every contact from now on.
    Friction {
        /// Coefficient.
        mu: f64,
    },
}

/// Why an event was refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EventError {
    /// No such part.
    #[error("event: {part} {found} does not exist, expected an index below {count}")]
    NoSuchPart {
        /// Joint, IMU, foot or bus.
        part: &'static str,
        /// Index given.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// A number outside its range.
    #[error("event: {field} is {found}, expected {expected}")]
    OutOfRange {
        /// Which number.
        field: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
}

impl WorldEvent {
    /// Check the numbers that do not depend on the robot.
    pub(crate) fn check_numbers(&self) -> Result<(), EventError> {
        let within = |field, found: f64, max: f64, expected| {
            if (0.0..=max).contains(&found) {
                Ok(())
            } else {
                Err(EventError::OutOfRange { field, found, expected })
            }
        };
        match *self {
            WorldEvent::Push { delta_v_m_s, over_s } => {
                let size = delta_v_m_s.iter().map(|v| v * v).sum::<f64>().sqrt();
                within("push delta_v", size, 20.0, "0 to 20 m/s")?;
                within("push over", over_s, 2.0, "0 to 2 s")
            }
            WorldEvent::PushAnywhere { delta_v_m_s, over_s } => {
                within("push delta_v", delta_v_m_s, 20.0, "0 to 20 m/s")?;
                within("push over", over_s, 2.0, "0 to 2 s")
            }
            WorldEvent::Payload { kg } => within("payload", kg, 1000.0, "0 to 1000 kg"),
            WorldEvent::Friction { mu } => within("friction", mu, 10.0, "0 to 10"),
            WorldEvent::Drive { .. }
            | WorldEvent::Imu { .. }
            | WorldEvent::Foot { .. }
            | WorldEvent::Bus { .. } => Ok(()),
        }
    }
}
