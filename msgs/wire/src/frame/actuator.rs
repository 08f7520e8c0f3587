//! Between bridge and control: what the drives report, and what they are told.
use super::codec::{Body, Frame};
use crate::enums::{ArmAnswer, FrameKind, Intent, JointMode, LinkState, Refusal, Stage, UnknownVariant};
use crate::header::Header;
use crate::layout::{FNV_OFFSET, fnv1a};
use crate::{MAX_CONTACTS, MAX_IMUS};

wire_struct! {
    /// One joint as measured, joint side (after gear, sign and offset).
    pub struct JointState[24] {
        /// Position, rad.
        pub q_rad: f32,
        /// Velocity, rad/s.
        pub dq_rad_s: f32,
        /// Torque, N m.
        pub tau_nm: f32,
        /// Hottest sensor of the drive, degrees Celsius.
        pub temperature_c: f32,
        /// Since the sample was taken, microseconds.
        pub age_us: u32,
        /// [`JointMode`] the drive is in.
        pub mode: u8,
        /// Fault code of the drive's own family, 0 = none.
        pub fault: u8,
        /// 1 when this cycle's sample arrived.
        pub valid: u8,
        pub reserved: u8,
    }
}
wire_struct! {
    /// One joint as commanded, joint side.
    pub struct JointCommand[24] {
        /// Position target, rad.
        pub q_rad: f32,
        /// Velocity target, rad/s.
        pub dq_rad_s: f32,
        /// Feed-forward torque, N m.
        pub tau_nm: f32,
        /// Stiffness, N m/rad.
        pub kp: f32,
        /// Damping, N m s/rad.
        pub kd: f32,
        /// [`JointMode`].
        pub mode: u8,
        pub reserved: [u8; 3],
    }
}
wire_struct! {
    /// One inertial sample in the body frame (REP-103: x forward, y left, z up).
    pub struct ImuSample[36] {
        /// Angular rate, rad/s.
        pub gyro_rad_s: [f32; 3],
        /// Specific force, m/s^2 (at rest: +9.81 on z).
        pub accel_m_s2: [f32; 3],
        pub temperature_c: f32,
        /// Since the sample was taken, microseconds.
        pub age_us: u32,
        /// 1 when this cycle's sample arrived.
        pub valid: u8,
        pub reserved: [u8; 3],
    }
}
wire_struct! {
    /// One contact sensor.
    pub struct ContactSample[12] {
        /// Normal force, N.
        pub force_n: f32,
        /// Since the sample was taken, microseconds.
        pub age_us: u32,
        /// 1 when this cycle's sample arrived.
        pub valid: u8,
        pub reserved: [u8; 3],
    }
}
wire_struct! {
    /// What one bus cycle found, and what the bridge makes of its commander.
    pub struct ActuatorStateBody[240] {
        /// Hash of the limits the bridge enforces.
        pub limits_hash: u64,
        /// Name of the calibration in force.
        pub calibration_id: u32,
        /// Sequence number of the command in force.
        pub applied_seq: u32,
        /// Commands refused since boot.
        pub refused: u32,
        /// Joint values saturated since boot.
        pub saturated: u32,
        /// Replies missing since boot.
        pub missing: u32,
        /// Boot id of the process that holds the writer epoch, 0 = nobody.
        pub writer_boot: u32,
        /// The fencing number of that process.
        pub writer_epoch: u32,
        /// Who takes part in this step of a lockstep run, a bit per participant; all ones on a robot.
        pub participants: u32,
        /// Battery voltage, V.
        pub bus_voltage_v: f32,
        /// Battery current, A.
        pub bus_current_a: f32,
        /// [`crate::Source`] of the writer.
        pub writer_source: u16,
        /// [`LinkState`].
        pub link_state: u8,
        /// [`Stage`] of the last send.
        pub stage: u8,
        /// [`Refusal`] of the last refused command.
        pub last_refusal: u8,
        /// [`ArmAnswer`] to the last Arm.
        pub arm_answer: u8,
        /// 1 while the emergency stop input is pressed.
        pub estop_input: u8,
        /// 1 when voltage and current are measured.
        pub power_valid: u8,
        pub imu_count: u8,
        pub contact_count: u8,
        pub reserved: [u8; 6],
        /// Faults of the bridge, a bit per row of the fault table.
        pub faults: u64,
        pub imus: [ImuSample; 2],
        pub contacts: [ContactSample; 8],
    }
}
wire_struct! {
    /// What the commanding process wants this period.
    pub struct ActuatorCommandBody[32] {
        /// Hash of the limits the sender was built with; counts with [`Intent::Arm`].
        pub limits_hash: u64,
        /// Calibration the sender expects; counts with [`Intent::Arm`].
        pub calibration_id: u32,
        /// [`Intent`].
        pub intent: u8,
        pub reserved: [u8; 3],
        /// Auxiliary outputs (lamps, fans), a bit each.
        pub aux: u64,
        pub reserved2: u64,
    }
}
const _: () = assert!(MAX_IMUS == 2 && MAX_CONTACTS == 8);

/// From a bridge, once per bus cycle.
pub type ActuatorState = Frame<ActuatorStateBody>;
/// To a bridge; the command computed from state n is in force in cycle n + 1.
pub type ActuatorCommand = Frame<ActuatorCommandBody>;

impl Body for ActuatorStateBody {
    type Joint = JointState;
    const KIND: FrameKind = FrameKind::ActuatorState;
    const SCHEMA: u32 = {
        let hash = fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET));
        fnv1a(ContactSample::LAYOUT, fnv1a(ImuSample::LAYOUT, fnv1a(JointState::LAYOUT, hash)))
    };
    fn check(&self) -> Result<(), UnknownVariant> {
        LinkState::try_from(self.link_state)?;
        Stage::try_from(self.stage)?;
        Refusal::try_from(self.last_refusal)?;
        ArmAnswer::try_from(self.arm_answer)?;
        if usize::from(self.imu_count) > MAX_IMUS {
            return Err(UnknownVariant { enumeration: "imu_count", found: self.imu_count });
        }
        if usize::from(self.contact_count) > MAX_CONTACTS {
            return Err(UnknownVariant { enumeration: "contact_count", found: self.contact_count });
        }
        Ok(())
    }
    fn check_joint(joint: &JointState) -> Result<(), UnknownVariant> {
        JointMode::try_from(joint.mode).map(drop)
    }
}

impl Body for ActuatorCommandBody {
    type Joint = JointCommand;
    const KIND: FrameKind = FrameKind::ActuatorCommand;
    const SCHEMA: u32 = fnv1a(JointCommand::LAYOUT, fnv1a(Self::LAYOUT, fnv1a(Header::LAYOUT, FNV_OFFSET)));
    fn check(&self) -> Result<(), UnknownVariant> {
        Intent::try_from(self.intent).map(drop)
    }
    fn check_joint(joint: &JointCommand) -> Result<(), UnknownVariant> {
        JointMode::try_from(joint.mode).map(drop)
    }
}

impl ActuatorStateBody {
    /// [`LinkState`]; decoding has refused anything else.
    #[must_use]
    pub fn link_state(&self) -> LinkState {
        LinkState::try_from(self.link_state).unwrap_or_default()
    }
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage::try_from(self.stage).unwrap_or_default()
    }
    #[must_use]
    pub fn last_refusal(&self) -> Refusal {
        Refusal::try_from(self.last_refusal).unwrap_or_default()
    }
    #[must_use]
    pub fn arm_answer(&self) -> ArmAnswer {
        ArmAnswer::try_from(self.arm_answer).unwrap_or_default()
    }
    /// The inertial samples present.
    #[must_use]
    pub fn imus(&self) -> &[ImuSample] {
        self.imus.get(..usize::from(self.imu_count)).unwrap_or(&self.imus)
    }
    /// The contact samples present.
    #[must_use]
    pub fn contacts(&self) -> &[ContactSample] {
        self.contacts.get(..usize::from(self.contact_count)).unwrap_or(&self.contacts)
    }
}

impl ActuatorCommandBody {
    /// [`Intent`]; decoding has refused anything else.
    #[must_use]
    pub fn intent(&self) -> Intent {
        Intent::try_from(self.intent).unwrap_or_default()
    }
}

impl JointState {
    #[must_use]
    pub fn mode(&self) -> JointMode {
        JointMode::try_from(self.mode).unwrap_or_default()
    }
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.valid == 1
    }
}

impl JointCommand {
    /// `kp (q - q_measured) + kd (dq - dq_measured) + tau`, all fields in joint units.
    #[must_use]
    pub fn impedance(q_rad: f32, dq_rad_s: f32, tau_nm: f32, kp: f32, kd: f32) -> Self {
        Self { q_rad, dq_rad_s, tau_nm, kp, kd, mode: JointMode::Impedance as u8, reserved: [0; 3] }
    }
    /// Resists motion with `kd`, N m s/rad.
    #[must_use]
    pub fn damping(kd: f32) -> Self {
        Self { kd, mode: JointMode::Damping as u8, ..Self::default() }
    }
    #[must_use]
    pub fn mode(&self) -> JointMode {
        JointMode::try_from(self.mode).unwrap_or_default()
    }
    /// No NaN, no infinity in any field.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.q_rad, self.dq_rad_s, self.tau_nm, self.kp, self.kd].iter().all(|x| x.is_finite())
    }
}
