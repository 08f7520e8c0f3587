//! The topics of the face: name, type, quality, and the node that stands behind each.
use crate::msg::diagnostic_msgs::DiagnosticArray;
use crate::msg::nav_msgs::Odometry;
use crate::msg::rosgraph_msgs::Clock;
use crate::msg::sensor_msgs::{Imu, JointState};
use crate::msg::std_msgs;
use crate::msg::tf2_msgs::TFMessage;
use crate::qos::Qos;
use crate::session::MessageType;

/// What the face publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    JointStates,
    Imu,
    Odom,
    Tf,
    TfStatic,
    RobotDescription,
    Diagnostics,
    Clock,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 8] = [
        Self::JointStates,
        Self::Imu,
        Self::Odom,
        Self::Tf,
        Self::TfStatic,
        Self::RobotDescription,
        Self::Diagnostics,
        Self::Clock,
    ];

    /// Name below the robot's namespace.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JointStates => "joint_states",
            Self::Imu => "imu/data",
            Self::Odom => "odom",
            Self::Tf => "tf",
            Self::TfStatic => "tf_static",
            Self::RobotDescription => "robot_description",
            Self::Diagnostics => "diagnostics",
            Self::Clock => "clock",
        }
    }

    /// Node it is shown under: drives and sensors are the bridge's, everything else control's.
    #[must_use]
    pub const fn node(self) -> &'static str {
        match self {
            Self::JointStates | Self::Imu => "bridge",
            _ => "control",
        }
    }

    /// Quality it is published with; all match the readers of RViz, Nav2 and the command line under any middleware.
    #[must_use]
    pub const fn qos(self) -> Qos {
        match self {
            Self::JointStates | Self::Imu | Self::Odom => Qos::reliable(10),
            Self::Tf => Qos::reliable(100),
            Self::TfStatic | Self::RobotDescription => Qos::latched(1),
            Self::Diagnostics | Self::Clock => Qos::reliable(1),
        }
    }

    /// Its message type.
    #[must_use]
    pub fn message_type(self) -> MessageType {
        match self {
            Self::JointStates => MessageType::of::<JointState>(),
            Self::Imu => MessageType::of::<Imu>(),
            Self::Odom => MessageType::of::<Odometry>(),
            Self::Tf | Self::TfStatic => MessageType::of::<TFMessage>(),
            Self::RobotDescription => MessageType::of::<std_msgs::String>(),
            Self::Diagnostics => MessageType::of::<DiagnosticArray>(),
            Self::Clock => MessageType::of::<Clock>(),
        }
    }
}

/// Topics of a face, with or without a clock.
#[must_use]
pub fn topic_table(publish_clock: bool) -> Vec<Topic> {
    Topic::ALL.into_iter().filter(|topic| publish_clock || *topic != Topic::Clock).collect()
}
