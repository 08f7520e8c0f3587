//! State of the robot, as control holds it: a table of transitions with the conditions each one asks for.
//!
//! ```text
//! Off -> Damping -> StandUp -> Stand <-> Policy      EStop and FaultStop are latched
//!           ^---- LieDown <----'-----------'         Damping is one step away from every state that moves
//! ```
//! Operator events come through the arbiter, which has checked lease and epoch of the asking source. Downward
//! events ask for nothing here, because control itself, a fault or a shutdown sends them too. Faults press as long
//! as they last: control feeds the worst one in every tick, so climbing with an active fault ends at once.
use sinew_wire::RobotMode;

use crate::fault::Severity;
use crate::guards::Guards;

/// What happens to the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotEvent {
    /// Asked by the operator; control sends the bridge an Arm while only "link active" is missing.
    Arm,
    StandUp,
    StandUpDone,
    /// Start a policy, or change to another.
    Policy,
    /// The policy says that it is done.
    PolicyEnd,
    Stand,
    LieDown,
    LieDownDone,
    /// From anyone, without lease.
    Damping,
    /// From anyone, without lease.
    EStop,
    ResetStep1,
    /// Held, after step 1.
    ResetStep2,
    /// Nobody holds the lease any more.
    LeaseLost,
    /// The worst active fault.
    Fault(Severity),
    /// The bridge's link is not Active, or its states jumped a step.
    LinkDown,
    TiltExceeded,
}

impl RobotEvent {
    /// Every event, faults by severity.
    pub const ALL: &'static [Self] = &[
        Self::Arm,
        Self::StandUp,
        Self::StandUpDone,
        Self::Policy,
        Self::PolicyEnd,
        Self::Stand,
        Self::LieDown,
        Self::LieDownDone,
        Self::Damping,
        Self::EStop,
        Self::ResetStep1,
        Self::ResetStep2,
        Self::LeaseLost,
        Self::LinkDown,
        Self::TiltExceeded,
        Self::Fault(Severity::Info),
        Self::Fault(Severity::Warn),
        Self::Fault(Severity::Degrade),
        Self::Fault(Severity::Stand),
        Self::Fault(Severity::LieDown),
        Self::Fault(Severity::Damp),
        Self::Fault(Severity::EStop),
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arm => "Arm",
            Self::StandUp => "StandUp",
            Self::StandUpDone => "StandUpDone",
            Self::Policy => "Policy",
            Self::PolicyEnd => "PolicyEnd",
            Self::Stand => "Stand",
            Self::LieDown => "LieDown",
            Self::LieDownDone => "LieDownDone",
            Self::Damping => "Damping",
            Self::EStop => "EStop",
            Self::ResetStep1 => "ResetStep1",
            Self::ResetStep2 => "ResetStep2",
            Self::LeaseLost => "LeaseLost",
            Self::LinkDown => "LinkDown",
            Self::TiltExceeded => "TiltExceeded",
            Self::Fault(Severity::Info) => "Fault(Info)",
            Self::Fault(Severity::Warn) => "Fault(Warn)",
            Self::Fault(Severity::Degrade) => "Fault(Degrade)",
            Self::Fault(Severity::Stand) => "Fault(Stand)",
            Self::Fault(Severity::LieDown) => "Fault(LieDown)",
            Self::Fault(Severity::Damp) => "Fault(Damp)",
            Self::Fault(Severity::EStop) => "Fault(EStop)",
        }
    }
}

/// What an event leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event has no meaning in this state.
    Stay,
    Go(RobotMode),
    /// There is such a transition, but these conditions do not hold.
    Refused(Guards),
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotRow {
    pub from: RobotMode,
    pub event: RobotEvent,
    pub to: RobotMode,
    /// All of them must hold.
    pub needs: Guards,
}

const fn go(from: RobotMode, event: RobotEvent, to: RobotMode) -> RobotRow {
    RobotRow { from, event, to, needs: Guards::NONE }
}

const fn climb(from: RobotMode, event: RobotEvent, to: RobotMode, needs: Guards) -> RobotRow {
    RobotRow { from, event, to, needs }
}

const ARM: Guards = Guards::LEASE.with(Guards::LINK_ACTIVE);
const STAND_UP: Guards = ARM.with(Guards::UPRIGHT).with(Guards::ESTIMATOR_HEALTHY);
const POLICY: Guards = STAND_UP.with(Guards::CONTRACT_VERIFIED).with(Guards::FIRST_ACTION_CONTINUOUS);
const LEAVE_ESTOP: Guards = Guards::LEASE.with(Guards::RESET_STEP1);

/// Every transition; an event without a row changes nothing.
pub const ROBOT: &[RobotRow] = {
    use RobotEvent as E;
    use RobotMode as M;
    &[
        climb(M::Off, E::Arm, M::Damping, ARM),
        go(M::Off, E::EStop, M::EStop),
        go(M::Off, E::Fault(Severity::EStop), M::EStop),
        climb(M::Damping, E::StandUp, M::StandUp, STAND_UP),
        go(M::Damping, E::LinkDown, M::Off),
        go(M::Damping, E::EStop, M::EStop),
        go(M::Damping, E::Fault(Severity::EStop), M::EStop),
        go(M::StandUp, E::StandUpDone, M::Stand),
        go(M::StandUp, E::LieDown, M::LieDown),
        go(M::StandUp, E::Damping, M::Damping),
        go(M::StandUp, E::TiltExceeded, M::Damping),
        go(M::StandUp, E::LinkDown, M::FaultStop),
        go(M::StandUp, E::EStop, M::EStop),
        go(M::StandUp, E::Fault(Severity::LieDown), M::LieDown),
        go(M::StandUp, E::Fault(Severity::Damp), M::Damping),
        go(M::StandUp, E::Fault(Severity::EStop), M::EStop),
        climb(M::Stand, E::Policy, M::Policy, POLICY),
        go(M::Stand, E::LieDown, M::LieDown),
        go(M::Stand, E::Damping, M::Damping),
        go(M::Stand, E::TiltExceeded, M::Damping),
        go(M::Stand, E::LinkDown, M::FaultStop),
        go(M::Stand, E::EStop, M::EStop),
        go(M::Stand, E::Fault(Severity::LieDown), M::LieDown),
        go(M::Stand, E::Fault(Severity::Damp), M::Damping),
        go(M::Stand, E::Fault(Severity::EStop), M::EStop),
        climb(M::Policy, E::Policy, M::Policy, POLICY),
        go(M::Policy, E::PolicyEnd, M::Stand),
        go(M::Policy, E::Stand, M::Stand),
        go(M::Policy, E::LeaseLost, M::Stand),
        go(M::Policy, E::LieDown, M::LieDown),
        go(M::Policy, E::Damping, M::Damping),
        go(M::Policy, E::TiltExceeded, M::Damping),
        go(M::Policy, E::LinkDown, M::FaultStop),
        go(M::Policy, E::EStop, M::EStop),
        go(M::Policy, E::Fault(Severity::Stand), M::Stand),
        go(M::Policy, E::Fault(Severity::LieDown), M::LieDown),
        go(M::Policy, E::Fault(Severity::Damp), M::Damping),
        go(M::Policy, E::Fault(Severity::EStop), M::EStop),
        climb(M::LieDown, E::StandUp, M::StandUp, STAND_UP),
        go(M::LieDown, E::LieDownDone, M::Damping),
        go(M::LieDown, E::Damping, M::Damping),
        go(M::LieDown, E::TiltExceeded, M::Damping),
        go(M::LieDown, E::LinkDown, M::FaultStop),
        go(M::LieDown, E::EStop, M::EStop),
        go(M::LieDown, E::Fault(Severity::Damp), M::Damping),
        go(M::LieDown, E::Fault(Severity::EStop), M::EStop),
        climb(M::FaultStop, E::ResetStep1, M::Off, Guards::LEASE),
        go(M::FaultStop, E::EStop, M::EStop),
        go(M::FaultStop, E::Fault(Severity::EStop), M::EStop),
        climb(M::EStop, E::ResetStep2, M::Off, LEAVE_ESTOP),
    ]
};

/// Where an event leads when the conditions `have` hold.
#[must_use]
pub fn next(mode: RobotMode, event: RobotEvent, have: Guards) -> Outcome {
    match ROBOT.iter().find(|row| row.from == mode && row.event == event) {
        None => Outcome::Stay,
        Some(row) if have.contains(row.needs) => Outcome::Go(row.to),
        Some(row) => Outcome::Refused(row.needs.without(have)),
    }
}
