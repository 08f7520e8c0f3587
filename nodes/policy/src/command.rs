//! The velocity command as the policy sees it: clamped, ramped, and zero when nobody speaks.

use sinew_inference::manifest::CommandLimits;

/// A motion frame's identity: source and sequence number.
pub(crate) type MotionId = (u16, u32);

/// Clamp, ramp and watch.
#[derive(Clone, Debug)]
pub(crate) struct CommandFilter {
    limits: CommandLimits,
    /// Seconds from run to run.
    period_s: f64,
    command: [f64; 3],
    goal: [f64; 3],
    heard: Option<(MotionId, u64)>,
}

impl CommandFilter {
    pub(crate) fn new(limits: &CommandLimits, period_s: f64) -> Self {
        Self { limits: limits.clone(), period_s, command: [0.0; 3], goal: [0.0; 3], heard: None }
    }

    /// As after an activation: the ramp stands at zero.
    pub(crate) fn reset(&mut self) {
        self.command = [0.0; 3];
        self.heard = None;
    }

    /// Takes the arbitrated command and the motion frame last heard, `elapsed` runs after the last time; gives what
    /// terms see and where it goes.
    pub(crate) fn observe(
        &mut self,
        arbitrated: [f64; 3],
        id: MotionId,
        now_ns: u64,
        elapsed: u32,
    ) -> ([f64; 3], [f64; 3]) {
        // What was left out has passed by now.
        self.ramp(elapsed.saturating_sub(1));
        let since_ns = match self.heard {
            Some((last, since_ns)) if last == id => since_ns,
            _ => now_ns,
        };
        self.heard = Some((id, since_ns));
        let silent_ms = now_ns.saturating_sub(since_ns) as f64 / 1e6;
        let timed_out = self.limits.timeout_ms.is_some_and(|limit| silent_ms > limit);
        self.goal = if timed_out { [0.0; 3] } else { arbitrated };
        for (goal, range) in self.goal.iter_mut().zip(&self.limits.range) {
            if let Some([lo, hi]) = range {
                // Written so that a NaN stays one and is found later.
                *goal = if *goal < *lo {
                    *lo
                } else if *goal > *hi {
                    *hi
                } else {
                    *goal
                };
            }
        }
        if self.limits.slew_per_s.is_none() {
            self.command = self.goal;
        }
        (self.command, self.goal)
    }

    /// After the observation: the ramp moves by one run.
    pub(crate) fn advance(&mut self) {
        self.ramp(1);
    }

    fn ramp(&mut self, runs: u32) {
        let Some(slew) = self.limits.slew_per_s else { return };
        for ((command, goal), slew) in self.command.iter_mut().zip(&self.goal).zip(slew) {
            let most = slew * self.period_s * f64::from(runs);
            let change = goal - *command;
            *command += if change > most {
                most
            } else if change < -most {
                -most
            } else {
                change
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_command_is_clamped_and_ramps_from_zero_after_each_observation() {
        let limits = CommandLimits {
            range: [Some([-0.3, 0.6]), None, Some([-1.0, 1.0])],
            slew_per_s: Some([1.0, 0.5, 2.0]),
            timeout_ms: None,
        };
        let mut filter = CommandFilter::new(&limits, 0.02);
        let mut seen = Vec::new();
        for (run, asked) in [[0.9, 0.2, -3.0]; 40].into_iter().enumerate() {
            seen.push(filter.observe(asked, (1, run as u32), run as u64 * 20 * MS, 1).0);
            filter.advance();
        }
        assert_eq!(seen[0], [0.0; 3]);
        let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(seen[1], [0.02, 0.01, -0.04]), "{:?}", seen[1]);
        assert!(close(seen[39], [0.6, 0.2, -1.0]), "{:?}", seen[39]);
        filter.reset();
        assert_eq!(filter.observe([0.9, 0.2, -3.0], (1, 0), 0, 1).0, [0.0; 3]);
        // Runs left out count.
        filter.advance();
        assert!(close(filter.observe([0.9, 0.2, -3.0], (1, 0), 0, 3).0, [0.06, 0.03, -0.12]));
    }

    #[test]
    fn a_command_nobody_renews_becomes_zero() {
        let limits = CommandLimits { timeout_ms: Some(100.0), ..CommandLimits::default() };
        let mut filter = CommandFilter::new(&limits, 0.02);
        for ms in (0..=100).step_by(20) {
            assert_eq!(filter.observe([0.5, 0.0, 0.0], (7, 3), ms * MS, 1).0, [0.5, 0.0, 0.0]);
        }
        assert_eq!(filter.observe([0.5, 0.0, 0.0], (7, 3), 120 * MS, 1).0, [0.0; 3]);
        assert_eq!(filter.observe([0.5, 0.0, 0.0], (7, 4), 140 * MS, 1).0, [0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_command_that_is_not_a_number_stays_one() {
        let limits = CommandLimits { range: [Some([-1.0, 1.0]); 3], ..CommandLimits::default() };
        let mut filter = CommandFilter::new(&limits, 0.02);
        assert!(filter.observe([f64::NAN, 0.0, 0.0], (1, 1), 0, 1).0[0].is_nan());
    }
}
