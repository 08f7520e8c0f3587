//! The robot's ROS 2 face: what `ros2 topic`, RViz and Nav2 see of a robot that has no ROS installed.
//!
//! Two pure cores: [`Face`] turns each `RobotState` into the messages that are due (joint states, IMU, odometry,
//! tf, diagnostics, clock), [`CmdVel`] turns twists into `MotionCommand`s under the lease rule. Around them a
//! [`Session`] carries CDR bytes under a type name and hash; [`NativeSession`] is the one over Zenoh that speaks
//! the rmw_zenoh wire format, and [`RosNode`] puts all of it together for one thread. [`ensure_router`] gives
//! discovery its meeting point. Safe to touch: topics, rates, diagnostics; a new message type is one `message!`
//! in `msg` and one line in `tests/data/rihs01.tsv`.
//! Invariant: nothing here is on the path of a command, except that a fresh twist may ask, as any lease client.

mod attachment;
pub mod cdr;
mod cmd_vel;
mod face;
mod gid;
mod key;
pub mod msg;
mod name;
mod node;
mod qos;
mod rihs01;
mod router;
mod session;

pub use attachment::{Attachment, AttachmentError};
pub use cmd_vel::{Acquire, CmdVel, CmdVelConfig, CmdVelCounters, TwistRefusal};
pub use face::{Face, FaceConfig, FaceCounters, FaceError, FaultName, Level, Topic, topic_table};
pub use gid::Gid;
pub use key::{EndpointKind, EndpointToken, node_token, topic_key};
pub use name::{NameError, NodeName, TopicName};
pub use node::{RosCounters, RosNode, RosNodeConfig, StartError};
pub use qos::{Depth, Durability, Qos, Reliability};
pub use rihs01::{FieldType, TypeDescription, TypeHash, canonical_json};
pub use router::{RouterHandle, RouterReport, ensure_router};
pub use session::{
    EnvironmentError, MessageType, NativeSession, NodeHandle, Origin, PublishError, Publisher, Received,
    Session, SessionConfig, SessionError, Subscription, SubscriptionCounters,
};

/// Port on which ROS 2 over Zenoh expects its router.
pub const ROS_PORT: u16 = 7447;
