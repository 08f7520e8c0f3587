//! State of the link between one commanding process and the drives of one bridge: a table, and nothing else.
//!
//! ```text
//! Boot -> ConfigCheck -> Disabled -> Arming -> Active -> Damping -> Disabled
//!              ^-- reset 2 -- Fault <-- reset 1 -- EStop <-- from anywhere
//! ```
//! The two steps out of EStop are two states: step 1 leads to Fault, which moves nothing either, and only step 2
//! leaves Fault, by way of a new configuration check.
use sinew_wire::LinkState;

macro_rules! link_events {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// What happens to a link.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LinkEvent { $($(#[$meta])* $name,)* }
        impl LinkEvent {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$name => stringify!($name),)* } }
        }
    };
}

link_events! {
    /// Ports are open and the robot description is loaded.
    BootDone,
    /// Every drive answers and reads back what the robot description says.
    CheckPassed,
    /// Something is missing or differs.
    CheckFailed,
    /// An Arm fulfilled every condition; the writer has its epoch.
    ArmGranted,
    /// Every drive reports that it is enabled.
    DrivesEnabled,
    /// A drive did not enable, or the writer gave up.
    ArmFailed,
    /// The writer lets go.
    Disarm,
    /// The ladder reached Damp.
    LadderDamp,
    /// The ladder reached Disable: the robot lies still.
    LadderDisable,
    /// A drive reports a fault or has fallen silent.
    DriveFault,
    /// Input, key or operator.
    EStop,
    /// First explicit step of an operator out of EStop.
    ResetStep1,
    /// Second explicit step.
    ResetStep2,
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRow {
    pub from: LinkState,
    pub event: LinkEvent,
    pub to: LinkState,
}

const fn row(from: LinkState, event: LinkEvent, to: LinkState) -> LinkRow {
    LinkRow { from, event, to }
}

/// Every transition; an event without a row changes nothing.
pub const LINK: &[LinkRow] = {
    use LinkEvent as E;
    use LinkState as S;
    &[
        row(S::Boot, E::BootDone, S::ConfigCheck),
        row(S::Boot, E::EStop, S::EStop),
        row(S::ConfigCheck, E::CheckPassed, S::Disabled),
        row(S::ConfigCheck, E::CheckFailed, S::Fault),
        row(S::ConfigCheck, E::EStop, S::EStop),
        // A drive's fault does not leave Disabled: arming clears it or refuses with the reason.
        row(S::Disabled, E::ArmGranted, S::Arming),
        row(S::Disabled, E::EStop, S::EStop),
        row(S::Arming, E::DrivesEnabled, S::Active),
        row(S::Arming, E::ArmFailed, S::Disabled),
        row(S::Arming, E::Disarm, S::Disabled),
        row(S::Arming, E::DriveFault, S::Fault),
        row(S::Arming, E::EStop, S::EStop),
        row(S::Active, E::Disarm, S::Damping),
        row(S::Active, E::LadderDamp, S::Damping),
        row(S::Active, E::LadderDisable, S::Disabled),
        row(S::Active, E::DriveFault, S::Fault),
        row(S::Active, E::EStop, S::EStop),
        row(S::Damping, E::LadderDisable, S::Disabled),
        row(S::Damping, E::EStop, S::EStop),
        row(S::Fault, E::ResetStep2, S::ConfigCheck),
        row(S::Fault, E::EStop, S::EStop),
        row(S::EStop, E::ResetStep1, S::Fault),
    ]
};

/// Where an event leads, or nothing when it has no meaning in this state.
#[must_use]
pub fn next(state: LinkState, event: LinkEvent) -> Option<LinkState> {
    LINK.iter().find(|row| row.from == state && row.event == event).map(|row| row.to)
}
