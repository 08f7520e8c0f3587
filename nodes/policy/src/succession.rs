//! How the state of a run follows the one before: what may be carried on, and what starts anew.

use sinew_wire::RobotState;

/// The state of a run, and the activation it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    activation: u32,
    control_boot: u32,
    step: u64,
}

impl Running {
    pub(crate) fn of(state: &RobotState) -> Self {
        Self {
            activation: state.body.activation,
            control_boot: state.header.boot_id,
            step: state.header.step,
        }
    }
}

/// How one run follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Succession {
    pub(crate) same_activation: bool,
    /// Everything starts anew.
    pub(crate) fresh: bool,
    /// Runs since the last one; 1 when fresh.
    pub(crate) elapsed: u32,
    /// Time since the last one, ns; without end for a first one.
    pub(crate) gap_ns: u64,
}

impl Succession {
    /// `survived_ns`: the longest time between two states after which a run is not fresh.
    pub(crate) fn between(
        last: Option<Running>,
        current: Running,
        period_ns: u64,
        decimation: u64,
        survived_ns: u64,
    ) -> Self {
        let same_activation = last.is_some_and(|last| {
            (last.activation, last.control_boot) == (current.activation, current.control_boot)
        });
        let ticks = last.and_then(|last| current.step.checked_sub(last.step));
        let Some(ticks) = ticks.filter(|ticks| same_activation && *ticks > 0) else {
            return Self { same_activation, fresh: true, elapsed: 1, gap_ns: u64::MAX };
        };
        let gap_ns = ticks.saturating_mul(period_ns);
        let fresh = gap_ns > survived_ns;
        let runs = u32::try_from(ticks / decimation.max(1)).unwrap_or(u32::MAX).max(1);
        Self { same_activation, fresh, elapsed: if fresh { 1 } else { runs }, gap_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(step: u64) -> Running {
        Running { activation: 3, control_boot: 9, step }
    }

    /// A run every 10 ticks of 2 ms, gaps of 40 ms allowed.
    fn after(last: Option<Running>, current: Running) -> Succession {
        Succession::between(last, current, 2 * MS, 10, 40 * MS)
    }

    #[test]
    fn only_a_short_gap_of_one_activation_is_carried_over() {
        let carried =
            |elapsed, ms| Succession { same_activation: true, fresh: false, elapsed, gap_ns: ms * MS };
        assert_eq!(after(Some(at(10)), at(20)), carried(1, 20));
        assert_eq!(after(Some(at(10)), at(30)), carried(2, 40));
        let long = after(Some(at(10)), at(40));
        assert!(long.fresh && long.same_activation && (long.elapsed, long.gap_ns) == (1, 60 * MS));
        let others = [
            (None, at(20)),
            (Some(at(20)), at(20)),
            (Some(at(30)), at(20)),
            (Some(at(10)), Running { activation: 4, ..at(20) }),
            (Some(at(10)), Running { control_boot: 8, ..at(20) }),
        ];
        for (last, current) in others {
            let first = after(last, current);
            assert!(first.fresh && (first.elapsed, first.gap_ns) == (1, u64::MAX), "{last:?} {current:?}");
        }
    }
}
