//! What follows outputs of a policy that do not come: declared by its manifest, carried out by control.
//!
//! | misses in a row | `on_miss: hold` | `on_miss: damp` | `on_miss: fault` |
//! |---|---|---|---|
//! | below `misses_max` | the last target stays | joints damped until the next output | fault, and the fallback |
//! | `misses_max` | lost, and the fallback | lost, and the fallback | fault, and the fallback |
//!
//! The fallback is Stand or Damping ([`OnLoss`]); of all of it only the numbers may be declared, not that there is an
//! end: it comes within [`MISSED_MAX_NS`], or control does not start.
use sinew_robot::OnLoss;

/// Longest time without a new target that a policy may declare (`misses_max` of its runs), ns.
pub const MISSED_MAX_NS: u64 = 200_000_000;

/// What one missed output does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMiss {
    /// The last target stays in force.
    #[default]
    Hold,
    /// The joints are damped until the next output.
    Damp,
    /// The policy has failed.
    Fault,
}

/// The declaration of one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degrade {
    pub on_miss: OnMiss,
    /// That many in a row, and the policy is lost; at least 1.
    pub misses_max: u32,
    /// The fallback, where the robot's own `on_loss` does not ask for Damping anyway.
    pub on_loss: OnLoss,
}

impl Default for Degrade {
    fn default() -> Self {
        Self { on_miss: OnMiss::Hold, misses_max: 2, on_loss: OnLoss::Stand }
    }
}

/// What a row of misses has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// Nothing was missed.
    Nothing,
    Hold,
    Damp,
    /// The policy has failed; the fallback follows.
    Fault,
    /// The policy is lost; the fallback follows.
    Lost,
}

impl Degrade {
    /// The table above.
    #[must_use]
    pub const fn judge(&self, misses_in_row: u32) -> Missed {
        match self.on_miss {
            _ if misses_in_row == 0 => Missed::Nothing,
            OnMiss::Fault => Missed::Fault,
            _ if misses_in_row >= self.misses_max => Missed::Lost,
            OnMiss::Hold => Missed::Hold,
            OnMiss::Damp => Missed::Damp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_full() {
        for misses_max in [1, 2, 3, 10] {
            for in_row in 0..15 {
                let judged = |on_miss| Degrade { on_miss, misses_max, ..Degrade::default() }.judge(in_row);
                let expected = match in_row {
                    0 => [Missed::Nothing; 3],
                    n if n < misses_max => [Missed::Hold, Missed::Damp, Missed::Fault],
                    _ => [Missed::Lost, Missed::Lost, Missed::Fault],
                };
                assert_eq!([OnMiss::Hold, OnMiss::Damp, OnMiss::Fault].map(judged), expected, "{in_row}");
            }
        }
    }

    #[test]
    fn what_is_not_declared_is_as_it_always_was() {
        let default = Degrade::default();
        assert_eq!([1, 2].map(|n| default.judge(n)), [Missed::Hold, Missed::Lost]);
        assert_eq!(default.on_loss, OnLoss::Stand);
    }
}
