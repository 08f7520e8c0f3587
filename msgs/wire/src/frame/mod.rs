//! The six frames and the one codec they share.
mod actuator;
mod codec;
mod motion;
mod policy;
mod robot_state;
mod sensor;

pub use actuator::{
    ActuatorCommand, ActuatorCommandBody, ActuatorState, ActuatorStateBody, ContactSample, ImuSample,
    JointCommand, JointState,
};
pub use codec::{Body, DecodeError, EncodeError, Frame, NoJoint};
pub use motion::{MotionCommand, MotionCommandBody};
pub use policy::{PolicyCommand, PolicyCommandBody, PolicyFlags};
pub use robot_state::{NO_POLICY, RobotJoint, RobotState, RobotStateBody};
pub use sensor::{SensorFrame, SensorFrameBody};
