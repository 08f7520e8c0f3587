//! How far a joint's position target jumps from one step to the next, as the drives see it.
use sinew_robot::Robot;
use sinew_twin::Twin;

/// Remembers the targets of the last step.
#[derive(Clone, Debug)]
pub struct TargetMeter {
    gears: Vec<f64>,
    /// Joint side, rad; `None` where the drive had no stiffness.
    last: Vec<Option<f64>>,
}

impl TargetMeter {
    /// For the joints of `robot`.
    #[must_use]
    pub fn new(robot: &Robot) -> Self {
        let gears: Vec<f64> = robot.joints.iter().map(|j| j.device.gear).collect();
        Self { last: vec![None; gears.len()], gears }
    }

    /// Largest jump of any joint's target since the last call, rad; 0 where stiffness came or went.
    pub fn step(&mut self, twin: &Twin) -> f64 {
        let mut most = 0.0_f64;
        for (joint, (gear, last)) in self.gears.iter().zip(&mut self.last).enumerate() {
            let stiff = twin.drive_status(joint).filter(|s| s.enabled && s.applied.kp > 0.0);
            let now = stiff.map(|s| s.applied.q_rad / gear);
            if let (Some(now), Some(last)) = (now, *last) {
                most = most.max((now - last).abs());
            }
            *last = now;
        }
        most
    }
}
