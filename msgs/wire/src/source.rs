//! Who sends.
use crate::layout::{FNV_OFFSET, fnv1a};

/// Identity of a sender, unique on one robot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(pub u16);

impl Source {
    pub const NONE: Self = Self(0);
    pub const BRIDGE: Self = Self(1);
    pub const CONTROL: Self = Self(2);
    pub const POLICY: Self = Self(3);
    pub const TWIN: Self = Self(4);
    pub const ROS: Self = Self(5);
    /// The scripted operator of a scenario.
    pub const SCENARIO: Self = Self(16);
    /// `up`'s own motion source that arms and stands the robot.
    pub const AUTOSTART: Self = Self(17);
    /// `sinew drive` in a terminal.
    pub const DRIVE: Self = Self(18);
    /// `/cmd_vel` through the ROS face.
    pub const CMD_VEL: Self = Self(19);
    /// A tool that only ever sends Damping or EStop.
    pub const ESTOP: Self = Self(20);
}

/// Id of a robot in a frame, from its name.
#[must_use]
pub const fn robot_id(name: &str) -> u32 {
    fnv1a(name, FNV_OFFSET)
}
