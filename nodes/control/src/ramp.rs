//! Slew-limited velocity command.

/// Follows a target no faster than a rate per axis.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    rate_per_s: [f32; 3],
    limit: [f32; 3],
    value: [f32; 3],
}

impl Ramp {
    /// `rate_per_s`: m/s^2, m/s^2, rad/s^2. `limit`: largest magnitude per axis, m/s, m/s, rad/s.
    #[must_use]
    pub fn new(rate_per_s: [f32; 3], limit: [f32; 3]) -> Self {
        Self { rate_per_s, limit, value: [0.0; 3] }
    }

    /// One step of `dt_s` towards `target`.
    pub fn step(&mut self, target: [f32; 3], dt_s: f32) -> [f32; 3] {
        for i in 0..3 {
            let (Some(value), Some(target), Some(limit), Some(rate)) =
                (self.value.get_mut(i), target.get(i), self.limit.get(i), self.rate_per_s.get(i))
            else {
                continue;
            };
            let most = rate * dt_s;
            *value += (target.clamp(-limit, *limit) - *value).clamp(-most, most);
        }
        self.value
    }

    /// Back to zero at once.
    pub fn reset(&mut self) {
        self.value = [0.0; 3];
    }
}
