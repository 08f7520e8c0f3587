//! Moves from where the joints are to a posture: quintic in time, duration from the largest distance.
use arrayvec::ArrayVec;
use sinew_wire::MAX_JOINTS;

/// Largest ratio of peak to mean velocity of the quintic with zero velocity and acceleration at both ends.
const QUINTIC_PEAK: f64 = 1.875;

/// A running move of all joints.
#[derive(Clone, Debug, Default)]
pub struct Move {
    from_rad: ArrayVec<f64, MAX_JOINTS>,
    to_rad: ArrayVec<f64, MAX_JOINTS>,
    duration_s: f64,
    elapsed_s: f64,
}

/// Position and velocity along a move.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waypoint {
    pub q_rad: f64,
    pub dq_rad_s: f64,
}

impl Move {
    /// From the measured positions to `to_rad`; no joint exceeds `speed_rad_s`, and it takes at least `least_s`.
    pub fn begin(
        &mut self,
        from_rad: impl Iterator<Item = f64>,
        to_rad: &[f64],
        speed_rad_s: f64,
        least_s: f64,
    ) {
        self.from_rad.clear();
        self.from_rad.extend(from_rad.take(MAX_JOINTS));
        self.to_rad.clear();
        self.to_rad.extend(to_rad.iter().copied().take(MAX_JOINTS));
        let farthest = self.from_rad.iter().zip(&self.to_rad).map(|(a, b)| (b - a).abs()).fold(0.0, f64::max);
        self.duration_s = (QUINTIC_PEAK * farthest / speed_rad_s.max(1e-3)).max(least_s);
        self.elapsed_s = 0.0;
    }

    /// Advances by `dt_s`.
    pub fn step(&mut self, dt_s: f64) {
        self.elapsed_s = (self.elapsed_s + dt_s).min(self.duration_s);
    }

    /// 0 at the start, 1 at the end.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.duration_s > 0.0 { self.elapsed_s / self.duration_s } else { 1.0 }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.elapsed_s >= self.duration_s
    }

    /// Seconds since the move began.
    #[must_use]
    pub fn elapsed_s(&self) -> f64 {
        self.elapsed_s
    }

    /// Where joint `i` should be now.
    #[must_use]
    pub fn waypoint(&self, i: usize) -> Waypoint {
        let (Some(from), Some(to)) = (self.from_rad.get(i), self.to_rad.get(i)) else {
            return Waypoint::default();
        };
        let s = self.share();
        let blend = s * s * s * (10.0 + s * (-15.0 + 6.0 * s));
        let rate = 30.0 * s * s * (1.0 - s) * (1.0 - s) / self.duration_s.max(1e-9);
        Waypoint { q_rad: from + (to - from) * blend, dq_rad_s: (to - from) * rate }
    }
}
