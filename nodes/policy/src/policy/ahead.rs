//! What a chunk holds for the runs to come, for a robot that may not hear of this policy again in time.
use sinew_wire::{PolicyCommand, PolicyStatus};

use super::Policy;
use crate::action::Moment;
use crate::remote::MAX_AHEAD;

impl Policy {
    /// Writes `frame`, the last answer of [`Policy::step`], into `out`, and behind it one frame per run to come, each
    /// with its `ahead_us`, until the chunk has ended: at most [`MAX_AHEAD`] frames in all, and `frame` alone without a
    /// chunk. What this policy does next is not changed by it.
    ///
    /// `out` is emptied first; with room for [`MAX_AHEAD`] frames nothing is allocated.
    pub fn look_ahead(&mut self, frame: &PolicyCommand, out: &mut Vec<PolicyCommand>) {
        out.clear();
        out.push(frame.clone());
        if frame.body.status() != PolicyStatus::Targets || self.chunk().is_none() {
            return;
        }
        let run_ns = self.decimation.saturating_mul(self.period_ns);
        let stamp_ns = frame.header.step.saturating_mul(self.period_ns);
        self.action.remember();
        for run in 1..MAX_AHEAD as u64 {
            let ahead_ns = run.saturating_mul(run_ns);
            let Ok(ahead_us) = u32::try_from(ahead_ns / 1000) else { break };
            let now_ns = stamp_ns.saturating_add(ahead_ns);
            let moment = Moment {
                now_ns,
                use_ns: now_ns.saturating_add(self.use_after_ns),
                dt_s: run_ns as f64 * 1e-9,
                epoch: frame.body.activation,
                ran: false,
            };
            if !self.action.look_ahead(moment) {
                break;
            }
            let mut later = frame.clone();
            later.body.ahead_us = ahead_us;
            later.joints.clear();
            self.write_targets(&mut later);
            out.push(later);
        }
        self.action.recall();
    }
}
