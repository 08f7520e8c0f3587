//! Hand-over between two sources of joint commands without a step in position or stiffness.
use sinew_wire::{JointCommand, JointMode};

/// Share of the new source, from 0 to 1, smooth at both ends.
#[derive(Clone, Copy, Debug)]
pub struct Blend {
    duration_s: f32,
    elapsed_s: f32,
}

impl Blend {
    /// A finished blend: the new source has everything.
    #[must_use]
    pub fn done() -> Self {
        Self { duration_s: 0.0, elapsed_s: 0.0 }
    }
    #[must_use]
    pub fn over(duration_s: f32) -> Self {
        Self { duration_s, elapsed_s: 0.0 }
    }
    pub fn step(&mut self, dt_s: f32) {
        self.elapsed_s = (self.elapsed_s + dt_s).min(self.duration_s);
    }
    #[must_use]
    pub fn share(&self) -> f32 {
        if self.elapsed_s >= self.duration_s {
            return 1.0;
        }
        let s = self.elapsed_s / self.duration_s;
        s * s * (3.0 - 2.0 * s)
    }
    /// `old` and `new` weighted by the share; at share 1 exactly `new`.
    ///
    /// Damping and torque are impedance laws with fields at 0, so an impedance command fades into them as one. A
    /// mode with a loop of its own in the drive (position, velocity, brake) begins at once.
    #[must_use]
    pub fn mix(&self, old: &JointCommand, new: &JointCommand) -> JointCommand {
        let s = self.share();
        if s >= 1.0 || old.mode() != JointMode::Impedance {
            return *new;
        }
        let target = match new.mode() {
            JointMode::Impedance => *new,
            JointMode::Damping => JointCommand::impedance(old.q_rad, 0.0, 0.0, 0.0, new.kd),
            JointMode::Torque => JointCommand::impedance(old.q_rad, 0.0, new.tau_nm, 0.0, 0.0),
            JointMode::Disabled | JointMode::Position | JointMode::Velocity | JointMode::Brake => {
                return *new;
            }
        };
        let mix = |a: f32, b: f32| a + (b - a) * s;
        JointCommand {
            q_rad: mix(old.q_rad, target.q_rad),
            dq_rad_s: mix(old.dq_rad_s, target.dq_rad_s),
            tau_nm: mix(old.tau_nm, target.tau_nm),
            kp: mix(old.kp, target.kp),
            kd: mix(old.kd, target.kd),
            ..target
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DT_S: f32 = 0.002;

    fn impedance() -> impl Strategy<Value = JointCommand> {
        (-2.0..2.0f32, -5.0..5.0f32, -20.0..20.0f32, 0.0..120.0f32, 0.0..5.0f32)
            .prop_map(|(q, dq, tau, kp, kd)| JointCommand::impedance(q, dq, tau, kp, kd))
    }

    fn any_law() -> impl Strategy<Value = JointCommand> {
        prop_oneof![
            impedance(),
            (0.0..5.0f32).prop_map(JointCommand::damping),
            (-20.0..20.0f32).prop_map(|tau_nm| JointCommand {
                tau_nm,
                mode: JointMode::Torque as u8,
                ..JointCommand::default()
            }),
        ]
    }

    proptest! {
        /// No field moves faster than the steepest part of the curve allows, and the end is `new`, bit for bit.
        #[test]
        fn no_field_steps(old in impedance(), new in any_law(), duration_s in 0.05..0.5f32) {
            let mut blend = Blend::over(duration_s);
            let mut last = old;
            let most = 1.51 * DT_S / duration_s;
            while blend.share() < 1.0 {
                blend.step(DT_S);
                let now = blend.mix(&old, &new);
                if blend.share() < 1.0 {
                    prop_assert_eq!(now.mode(), JointMode::Impedance);
                    for (a, b, span) in [
                        (last.q_rad, now.q_rad, 4.0),
                        (last.dq_rad_s, now.dq_rad_s, 10.0),
                        (last.tau_nm, now.tau_nm, 40.0),
                        (last.kp, now.kp, 120.0),
                        (last.kd, now.kd, 5.0),
                    ] {
                        prop_assert!((b - a).abs() <= most * span + 1e-4);
                    }
                } else {
                    prop_assert_eq!(now, new);
                }
                last = now;
            }
        }
    }
}
