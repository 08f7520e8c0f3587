//! The closed enumerations of the wire. An unknown number is a decoding error, never a default.

/// A byte that names no variant of the enum it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVariant {
    pub enumeration: &'static str,
    pub found: u8,
}

macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { #[default] $($(#[$vmeta])* $variant = $value,)* }
        impl $name {
            /// Every variant, in order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The variant's name as written in code, topics and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
        impl TryFrom<u8> for $name {
            type Error = UnknownVariant;
            fn try_from(value: u8) -> Result<Self, UnknownVariant> {
                match value {
                    $($value => Ok(Self::$variant),)*
                    found => Err(UnknownVariant { enumeration: stringify!($name), found }),
                }
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str(self.name()) }
        }
    };
}

wire_enum! {
    /// What a frame is.
    FrameKind { ActuatorState = 1, ActuatorCommand = 2, RobotState = 3, PolicyCommand = 4, MotionCommand = 5, SensorFrame = 6, }
}
wire_enum! {
    /// What a joint is asked to do, and which fields of its command count.
    JointMode {
        /// No torque; no field counts.
        Disabled = 0,
        /// `-kd dq`; only kd counts.
        Damping = 1,
        /// `kp (q - q) + kd (dq - dq) + tau`; all fields count.
        Impedance = 2,
        /// The drive's own position loop to q.
        Position = 3,
        /// The drive's own velocity loop to dq.
        Velocity = 4,
        /// tau alone.
        Torque = 5,
        /// Windings shorted or brake closed.
        Brake = 6,
    }
}
wire_enum! {
    /// State of the link between one commanding process and the drives of one bridge.
    LinkState { Boot = 0, ConfigCheck = 1, Disabled = 2, Arming = 3, Active = 4, Damping = 5, Fault = 6, EStop = 7, }
}
wire_enum! {
    /// State of the robot, held by control.
    RobotMode { Off = 0, Damping = 1, StandUp = 2, Stand = 3, Policy = 4, LieDown = 5, FaultStop = 6, EStop = 7, }
}
wire_enum! {
    /// Rung of the timeout ladder, by the age of the newest accepted command.
    Stage {
        /// Nothing was ever accepted: drives are polled.
        Idle = 0,
        Fresh = 1, Hold = 2, Ramp = 3, Damp = 4, Disable = 5,
    }
}
wire_enum! {
    /// What the commanding process wants from the bridge.
    Intent { Observe = 0, Arm = 1, Run = 2, Disarm = 3, }
}
wire_enum! {
    /// Why the bridge did not take a command.
    Refusal {
        None = 0,
        /// Wrong length, magic, version, CRC or an unknown number.
        Malformed = 1,
        /// Another layout of the same frame kind.
        Schema = 2,
        /// Addressed to another robot.
        Robot = 3,
        /// Not the process that holds the writer epoch.
        Writer = 4,
        /// Older or unknown `writer_epoch`.
        Epoch = 5,
        /// Not newer than the last accepted: duplicate, replay or reorder.
        Sequence = 6,
        /// Older than `valid_for` or than the bridge's own maximum.
        Age = 7,
        /// A NaN or an infinity.
        NonFinite = 8,
        /// A mode the joint does not have.
        Mode = 9,
        /// A gain outside the declared range.
        Gains = 10,
        /// Another number of joints than the robot has.
        Joints = 11,
        /// Run or Arm in a link state that does not take it.
        Link = 12,
        /// The first command after arming is too far from the measured position.
        Start = 13,
    }
}
wire_enum! {
    /// The bridge's answer to the last Arm.
    ArmAnswer {
        None = 0, Granted = 1,
        /// Not in LinkState Disabled.
        NotDisabled = 2,
        /// A joint moves.
        Moving = 3,
        /// Start-up check has not passed.
        NotChecked = 4,
        /// The limits this process was built with are not the bridge's.
        LimitsHash = 5,
        Calibration = 6,
        /// Another writer is active.
        Busy = 7,
        /// A drive reports a fault or does not answer.
        DriveFault = 8,
        /// An emergency stop is latched.
        EStop = 9,
    }
}
wire_enum! {
    /// What a motion source asks of control.
    Request {
        None = 0, Acquire = 1, Release = 2, Arm = 3, StandUp = 4,
        /// `argument` is the policy's number.
        Policy = 5,
        Stand = 6, LieDown = 7, Damping = 8, EStop = 9, ResetStep1 = 10, ResetStep2 = 11,
    }
}
wire_enum! {
    /// Control's answer to the last request that it did not carry out.
    LeaseRefusal {
        None = 0,
        /// Somebody else holds the lease.
        Held = 1,
        /// The request needs the lease.
        NoLease = 2,
        /// An older lease epoch.
        Epoch = 3,
        /// Duplicate, replay or reorder.
        Sequence = 4,
        /// Computed from a robot state that is too old.
        Age = 5,
        NonFinite = 6,
        /// Not possible from the present state.
        State = 7,
        /// A condition of the transition does not hold; the faults say which.
        Guard = 8,
        /// Not a declared motion source.
        Source = 9,
        Malformed = 10,
    }
}
wire_enum! {
    /// What a policy's frame holds.
    PolicyStatus {
        /// Nothing to say this time; sent so that a receiver need not guess.
        Empty = 0,
        Targets = 1,
        /// The model gave a non-finite value or failed.
        Fault = 2,
    }
}
wire_enum! {
    /// What a policy's network ran on: of several, the one with the most nodes. All shares stand in the report of
    /// the node that ran it.
    Provider {
        /// The built-in executor.
        Native = 0,
        /// ONNX Runtime on the processor.
        Cpu = 1,
        Cuda = 2, TensorRt = 3,
        /// Any other that a configuration names.
        Other = 4,
    }
}
wire_enum! {
    /// Health of the state estimate.
    EstimatorStatus { Initialising = 0, Healthy = 1, Degraded = 2, Invalid = 3, }
}

impl RobotMode {
    /// Control commands the drives in this mode, so the link must be up.
    #[must_use]
    pub const fn is_powered(self) -> bool {
        !matches!(self, Self::Off | Self::FaultStop | Self::EStop)
    }
}
