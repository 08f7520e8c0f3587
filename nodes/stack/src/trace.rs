//! What happened in each step, for scores and plots.
use crate::target_meter::TargetMeter;
use sinew_twin::Twin;
use sinew_wire::{RobotMode, Stage};

/// One step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepTrace {
    pub step: u64,
    /// True velocity of the base in the body frame: vx, vy m/s, wz rad/s.
    pub velocity: [f64; 3],
    /// Velocity the script asked for, in the same units; NaN-free, 0 outside segments.
    pub command: [f32; 3],
    pub height_m: f64,
    pub tilt_rad: f64,
    pub trunk_contact: bool,
    /// A harness still holds the robot.
    pub held: bool,
    /// Largest torque of any drive, N m.
    pub torque_peak_nm: f64,
    /// Hottest rotor, degrees Celsius.
    pub temperature_c: f64,
    /// Drives whose last frame asked for stiffness, a bit per joint.
    pub stiff: u64,
    /// Drives whose own watchdog has fired, a bit per joint.
    pub watchdogs: u64,
    /// Largest step of a joint's position target at its drive since the step before, rad.
    pub target_step_rad: f64,
    /// Pushes given so far.
    pub pushes: u64,
    /// As control and bridge see it; default where they are not heard.
    pub mode: RobotMode,
    pub stage: Stage,
    pub faults: u64,
    /// Time the policy took, microseconds; 0 when not measured.
    pub policy_us: u32,
}

impl StepTrace {
    /// The twin's half of a step, before it is integrated.
    #[must_use]
    pub fn of(twin: &Twin, joints: usize, targets: &mut TargetMeter) -> Self {
        let truth = twin.truth();
        let [vx, vy, _] = truth.velocity_body_m_s;
        let mut trace = Self {
            step: truth.step,
            velocity: [vx, vy, truth.base.angular_velocity_rad_s[2]],
            height_m: truth.height_m,
            tilt_rad: truth.tilt_rad,
            trunk_contact: truth.trunk_contact,
            held: truth.held,
            torque_peak_nm: truth.joints.iter().map(|j| j.torque_peak_nm).fold(0.0, f64::max),
            pushes: truth.pushes,
            target_step_rad: targets.step(twin),
            ..Self::default()
        };
        for joint in 0..joints.min(64) {
            let Some(status) = twin.drive_status(joint) else { continue };
            if status.enabled && status.applied.kp > 0.0 {
                trace.stiff |= 1 << joint;
            }
            if status.watchdog_fired {
                trace.watchdogs |= 1 << joint;
            }
            trace.temperature_c = trace.temperature_c.max(status.rotor_c);
        }
        trace
    }
}

/// Every step of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub steps: Vec<StepTrace>,
}
