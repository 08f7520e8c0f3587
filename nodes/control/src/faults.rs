//! What is wrong right now, as rows of the fault table.
use sinew_estimator::Status;
use sinew_guard::{Fault, FaultSet, Latch};
use sinew_wire::ActuatorState;

use crate::config::ControlConfig;

/// Ticks in a row with saturated joints that make saturation a fault (one second at 500 Hz).
const SUSTAINED_TICKS: u32 = 500;

/// Conditions the tick has found itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    pub tilt_rad: f64,
    pub policy_missed: bool,
    pub policy_lost: bool,
    pub policy_fault: bool,
    pub step_jumped: bool,
    pub saturated_in_row: u32,
    /// The state machine needs the link and it is down, or somebody else's.
    pub link_missing: bool,
    /// The robot is meant to be upright.
    pub upright_needed: bool,
}

impl Findings {
    /// Meant to be upright and tilted beyond the limit; a tilt that is no number counts as one.
    pub fn is_toppled(&self, config: &ControlConfig) -> bool {
        let within = self.tilt_rad <= config.tilt_limit_rad;
        self.upright_needed && !within
    }
}

/// The faults present in this tick.
pub fn present(
    config: &ControlConfig,
    state: &ActuatorState,
    estimator: Status,
    findings: &Findings,
) -> FaultSet {
    let mut faults = FaultSet::from_bits(state.body.faults);
    let hottest = |limit: fn(&sinew_guard::JointLimits) -> f32| {
        state
            .joints
            .iter()
            .zip(&config.limits.joints)
            .any(|(joint, limits)| joint.is_valid() && joint.temperature_c > limit(limits))
    };
    let volts = f64::from(state.body.bus_voltage_v);
    let measured = state.body.power_valid == 1;
    for (is_present, fault) in [
        (estimator == Status::Degraded, Fault::EstimatorDegraded),
        (estimator == Status::Invalid, Fault::EstimatorInvalid),
        (findings.is_toppled(config), Fault::TiltLimit),
        (findings.policy_missed, Fault::PolicyMiss),
        (findings.policy_lost, Fault::PolicyLost),
        (findings.policy_fault, Fault::PolicyFault),
        (findings.step_jumped, Fault::StateGap),
        (findings.saturated_in_row > SUSTAINED_TICKS, Fault::SustainedSaturation),
        (findings.link_missing, Fault::LinkDown),
        (hottest(|l| l.temperature_warn_c), Fault::OverTemperatureWarn),
        (hottest(|l| l.temperature_max_c), Fault::OverTemperature),
        (measured && volts < config.battery_warn_v, Fault::BatteryLow),
        (measured && volts < config.battery_min_v, Fault::BatteryCritical),
    ] {
        if is_present {
            faults.insert(fault);
        }
    }
    faults
}

/// Faults whose latch the bridge's own link state keeps.
const LATCHED_BY_THE_LINK: [Fault; 5] =
    [Fault::DriveFault, Fault::DriveSilent, Fault::ConfigMismatch, Fault::EStopInput, Fault::CommandLost];

/// Those that control itself keeps until an operator resets.
pub fn latching(present: FaultSet) -> FaultSet {
    present
        .iter()
        .filter(|fault| fault.latch() == Latch::UntilReset && !LATCHED_BY_THE_LINK.contains(fault))
        .collect()
}
