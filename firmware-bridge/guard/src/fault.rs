//! Every fault the stack knows, with what it does, how long it lasts and how to get rid of it.

/// What an active fault asks for; the worst one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    #[default]
    Info,
    /// Worth doing something about soon.
    Warn,
    /// Goes on with reduced speed.
    Degrade,
    /// Hands over to Stand.
    Stand,
    /// Lies down in a controlled way.
    LieDown,
    /// Damping at once.
    Damp,
    /// Damping at once, latched, left by two explicit steps.
    EStop,
}

impl Severity {
    pub const ALL: [Self; 7] =
        [Self::Info, Self::Warn, Self::Degrade, Self::Stand, Self::LieDown, Self::Damp, Self::EStop];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "Info",
            Self::Warn => "Warn",
            Self::Degrade => "Degrade",
            Self::Stand => "Stand",
            Self::LieDown => "LieDown",
            Self::Damp => "Damp",
            Self::EStop => "EStop",
        }
    }
}

/// How long a fault stays in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latch {
    /// As long as its cause.
    None,
    /// Until an operator resets it, even when the cause is gone.
    UntilReset,
}

/// Who finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Bridge,
    Control,
}

/// One row of the fault table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRow {
    pub fault: Fault,
    /// As written in topics, logs and scenario files.
    pub code: &'static str,
    pub side: Side,
    pub severity: Severity,
    pub latch: Latch,
    /// When it goes away.
    pub clear: &'static str,
    /// What a person can do.
    pub hint: &'static str,
}

macro_rules! faults {
    ($($name:ident = $bit:literal, $code:literal, $side:ident, $severity:ident, $latch:ident, $clear:literal, $hint:literal;)*) => {
        /// A fault; its number is its bit in a [`FaultSet`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Fault { $($name = $bit,)* }

        /// The fault table, by bit.
        pub const FAULTS: &[FaultRow] = &[$(FaultRow {
            fault: Fault::$name,
            code: $code,
            side: Side::$side,
            severity: Severity::$severity,
            latch: Latch::$latch,
            clear: $clear,
            hint: $hint,
        },)*];

        impl Fault {
            /// The fault's row.
            #[must_use]
            pub const fn row(self) -> &'static FaultRow {
                match self { $(Self::$name => &FaultRow {
                    fault: Fault::$name,
                    code: $code,
                    side: Side::$side,
                    severity: Severity::$severity,
                    latch: Latch::$latch,
                    clear: $clear,
                    hint: $hint,
                },)* }
            }
        }
    };
}

faults! {
    DriveFault = 0, "drive_fault", Bridge, Damp, UntilReset,
        "the drive reports none and an operator has reset",
        "read the drive's fault code; let it cool, check supply and wiring, then reset and arm";
    DriveSilent = 1, "drive_silent", Bridge, Damp, UntilReset,
        "every drive answers and an operator has reset",
        "check the bus's wiring, termination and the drive's supply";
    ImuSilent = 2, "imu_silent", Bridge, LieDown, UntilReset,
        "samples arrive and an operator has reset",
        "check the inertial sensor's supply and bus";
    BusBudget = 3, "bus_budget", Bridge, Degrade, None,
        "the bus carries its frames within the period again",
        "fewer devices on this bus, a higher bit rate or a longer period";
    ConfigMismatch = 4, "config_mismatch", Bridge, Damp, UntilReset,
        "the start-up check passes after a reset",
        "compare the drive's scaling and watchdog registers with robot.yaml; write them or mend the file";
    EStopInput = 5, "estop_input", Bridge, EStop, UntilReset,
        "the input is released and both reset steps were taken",
        "make the area safe, release the button, take the lease, reset step 1, hold reset step 2";
    CommandLost = 6, "command_lost", Bridge, Damp, UntilReset,
        "a writer has armed again",
        "control stopped or was late: see its log; arm again";
    RefusalBurst = 7, "refusal_burst", Bridge, Warn, None,
        "a second without refusals",
        "see the refusal counters: two commanders, an old process, or a wrong clock";
    EstimatorDegraded = 16, "estimator_degraded", Control, Degrade, None,
        "the estimator is healthy",
        "check contacts and the inertial sensor; slow down on soft or slippery ground";
    EstimatorInvalid = 17, "estimator_invalid", Control, LieDown, None,
        "the estimator is healthy after standing still",
        "let the robot rest: the estimator starts again from standstill";
    TiltLimit = 18, "tilt_limit", Control, Damp, None,
        "the body is within the tilt limit",
        "set the robot on its belly, legs folded, then stand up";
    PolicyMiss = 19, "policy_miss", Control, Warn, None,
        "the policy's outputs are on time",
        "the policy is slow: see its run time and the machine's load";
    PolicyFault = 20, "policy_fault", Control, Stand, UntilReset,
        "a policy is started anew",
        "the model gave a non-finite or refused output: see the policy's log";
    PolicyLost = 21, "policy_lost", Control, Stand, UntilReset,
        "a policy is started anew",
        "two outputs in a row were missed: see whether its process lives";
    SustainedSaturation = 22, "sustained_saturation", Control, Degrade, None,
        "a second without sustained saturation",
        "the commander asks for more than the limits allow: lower speed or gains, check the payload";
    OverTemperatureWarn = 23, "over_temperature_warn", Control, Warn, None,
        "every drive is below its warning temperature",
        "rest the robot or walk more slowly";
    OverTemperature = 24, "over_temperature", Control, LieDown, UntilReset,
        "every drive is below its warning temperature and an operator has reset",
        "let the drives cool down";
    StateGap = 25, "state_gap", Control, Damp, UntilReset,
        "an operator has reset",
        "bridge or control was held up: see step numbers and machine load";
    LinkDown = 26, "link_down", Control, Damp, None,
        "the bridge's link is Active",
        "see the bridge's link state and faults; arm again";
    LeaseLost = 27, "lease_lost", Control, Stand, None,
        "a source holds the lease",
        "the operator's link fell silent: take the lease again";
    BatteryLow = 28, "battery_low", Control, Degrade, None,
        "the voltage is above the low threshold",
        "go home and charge";
    BatteryCritical = 29, "battery_critical", Control, LieDown, UntilReset,
        "the voltage is above the low threshold and an operator has reset",
        "charge or change the battery";
}

impl Fault {
    /// The fault of a bit.
    #[must_use]
    pub fn from_bit(bit: u8) -> Option<Self> {
        FAULTS.iter().map(|row| row.fault).find(|fault| *fault as u8 == bit)
    }
    /// As written in topics, logs and scenario files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().code
    }
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.row().severity
    }
    #[must_use]
    pub const fn latch(self) -> Latch {
        self.row().latch
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code())
    }
}

/// Active faults, as the wire carries them: a bit per row of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSet(u64);

impl FaultSet {
    pub const EMPTY: Self = Self(0);

    /// Bits that no row of the table stands for are dropped.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let known = FAULTS.iter().fold(0, |all, row| all | bit(row.fault));
        Self(bits & known)
    }
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    #[must_use]
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & bit(fault) != 0
    }
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Adds; true when it was not there before.
    pub fn insert(&mut self, fault: Fault) -> bool {
        let new = !self.contains(fault);
        self.0 |= bit(fault);
        new
    }
    /// Takes away whatever the latch; true when it was there.
    pub fn remove(&mut self, fault: Fault) -> bool {
        let there = self.contains(fault);
        self.0 &= !bit(fault);
        there
    }
    /// Follows the cause: adds when `present`, and takes away when absent unless the fault is latched.
    pub fn set(&mut self, fault: Fault, present: bool) {
        if present {
            self.insert(fault);
        } else if fault.latch() == Latch::None {
            self.remove(fault);
        }
    }
    /// An operator's reset: takes away the latched faults; a cause that lasts brings its fault back.
    pub fn reset(&mut self) {
        for row in FAULTS {
            if row.latch == Latch::UntilReset {
                self.remove(row.fault);
            }
        }
    }
    /// In the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        FAULTS.iter().map(|row| row.fault).filter(move |fault| self.contains(*fault))
    }
}

impl FromIterator<Fault> for FaultSet {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut set = Self::EMPTY;
        for fault in faults {
            set.insert(fault);
        }
        set
    }
}

const fn bit(fault: Fault) -> u64 {
    1 << fault as u8
}

/// The worst severity in the set; [`Severity::Info`] when it is empty.
#[must_use]
pub fn worst(faults: FaultSet) -> Severity {
    faults.iter().map(Fault::severity).max().unwrap_or(Severity::Info)
}
