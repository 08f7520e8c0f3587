//! Hand-over between two sources of joint commands without a step in position or stiffness.
use sinew_wire::JointCommand;

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
    #[must_use]
    pub fn mix(&self, old: &JointCommand, new: &JointCommand) -> JointCommand {
        let s = self.share();
        if s >= 1.0 {
            return *new;
        }
        let mix = |a: f32, b: f32| a + (b - a) * s;
        JointCommand {
            q_rad: mix(old.q_rad, new.q_rad),
            dq_rad_s: mix(old.dq_rad_s, new.dq_rad_s),
            tau_nm: mix(old.tau_nm, new.tau_nm),
            kp: mix(old.kp, new.kp),
            kd: mix(old.kd, new.kd),
            ..*new
        }
    }
}
