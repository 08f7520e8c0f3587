//! From the robot's state to the ROS messages that are due.
mod diagnostics;
mod frames;
mod messages;
mod topic;

pub use diagnostics::{FaultName, Level};
pub use messages::{Face, FaceConfig, FaceCounters, FaceError};
pub use topic::{Topic, topic_table};
