//! Faults that a scenario injects.

use crate::damiao::Fault;

/// What goes wrong in a drive. Conditions last until `Recover`; events happen once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DriveFault {
    /// Condition: the gearbox jams where it is; the output is held, the motor pushes in vain.
    Stall,
    /// Condition: the output gets no torque while the drive believes it gives it.
    TorqueLoss,
    /// Condition: it hears and obeys, but no longer answers.
    Silent,
    /// Condition: it neither hears nor answers; its watchdog will fire.
    Deaf,
    /// Condition: the gains of the present command stay in force whatever is commanded.
    StuckGain,
    /// Condition: the encoder stands still.
    EncoderFreeze,
    /// Event: the encoder is off by so much from now on, rad; the inner loop believes it. Adds up.
    EncoderJump(f64),
    /// Event: the windings are 5 K above their trip temperature and cool down from there.
    OverTemperature,
    /// Event: the drive latches this fault.
    Latch(Fault),
    /// Event: power dip; disabled, unwritten registers back as stored, faults forgotten, zero kept.
    Reset,
    /// Ends all conditions and undoes encoder jumps. A latched fault stays until it is cleared.
    Recover,
}

/// What goes wrong in a sensor. Conditions replace each other and last until `Recover`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorFault {
    /// It no longer answers.
    Silent,
    /// Its values stand still while its counter goes on.
    Frozen,
    /// Values and counter stand still: the same frames again and again.
    Replayed,
    /// All values at the end of the range.
    Saturated,
    /// Its self-test fails: the status says so, the values go on.
    Failed,
    /// Healthy again.
    Recover,
}
