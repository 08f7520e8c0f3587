//! What a run says to people and to programs.
use anyhow::Result;
use serde::Serialize;
use sinew_stack::{Outcome, Scenario, Score, SetupError};
use std::fmt;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub robot: String,
    pub engine: &'static str,
    pub seed: u64,
    /// A negative control: it passes when the run fails, and its figures are left out of a summary.
    pub negative: bool,
    pub passed: bool,
    #[serde(flatten)]
    pub score: Score,
    pub saturated_ticks: u64,
    /// Step time over wall time.
    pub rtf: f64,
    /// Step time over processor time: what an idle machine would do; inline only.
    pub rtf_cpu: Option<f64>,
    /// Share of the wall time within the physics engine's steps; inline only.
    pub physics_share: Option<f64>,
    pub wall_s: f64,
    pub hash: String,
    pub steps: u64,
    pub messages: u64,
    pub pids: Vec<u32>,
    /// Why the robot refused to begin, if it did.
    pub refused: Option<String>,
}

impl Row {
    pub fn new(scenario: &Scenario, outcome: Outcome, pids: Vec<u32>, wall_s: f64, period_ns: u64) -> Self {
        let robot_s = outcome.steps as f64 * period_ns as f64 * 1e-9;
        let mut row = Self {
            name: scenario.name.clone(),
            robot: scenario.robot.clone(),
            engine: scenario.engine.name(),
            seed: scenario.seed,
            negative: scenario.expect.fails,
            passed: outcome.score.passed,
            score: outcome.score,
            saturated_ticks: outcome.saturated_ticks,
            rtf: robot_s / wall_s.max(1e-9),
            rtf_cpu: None,
            physics_share: None,
            wall_s,
            hash: outcome.hash,
            steps: outcome.steps,
            messages: outcome.messages,
            pids,
            refused: None,
        };
        if scenario.expect.policy_refused {
            row.passed = false;
            row.score.broken.push("policy_refused: expected a refusal, the robot ran".into());
        }
        row
    }

    /// A robot that refused to begin; as expected only where the policy itself was judged unfit.
    pub fn refused(scenario: &Scenario, error: &SetupError) -> Self {
        let expected = scenario.expect.policy_refused && error.is_policy_refusal();
        let score = Score { passed: expected, ..Score::default() };
        Self {
            name: scenario.name.clone(),
            robot: scenario.robot.clone(),
            engine: scenario.engine.name(),
            seed: scenario.seed,
            negative: scenario.expect.policy_refused,
            passed: score.passed,
            score,
            saturated_ticks: 0,
            rtf: 0.0,
            rtf_cpu: None,
            physics_share: None,
            wall_s: 0.0,
            hash: String::new(),
            steps: 0,
            messages: 0,
            pids: Vec::new(),
            refused: Some(error.to_string()),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        write!(f, "{verdict}  {} {} in {} seed {}", self.name, self.robot, self.engine, self.seed)?;
        if let Some(reason) = &self.refused {
            return write!(f, ": refused: {reason}");
        }
        if let (Some(vx), Some(vy), Some(wz)) = (self.score.rmse_vx, self.score.rmse_vy, self.score.rmse_wz) {
            write!(f, "  rmse {vx:.3}/{vy:.3}/{wz:.3}")?;
        }
        write!(f, "  falls {}", self.score.falls)?;
        if self.score.pushes > 0 {
            write!(f, " in {} pushes", self.score.pushes)?;
        }
        if let Some(t_damp_ms) = self.score.t_damp_ms {
            write!(f, "  damped in {t_damp_ms:.0} ms")?;
        }
        write!(f, "  {:.1}x real time", self.rtf)?;
        if let (Some(cpu), Some(share)) = (self.rtf_cpu, self.physics_share) {
            write!(f, " ({cpu:.1}x by processor time, physics {:.0} %)", share * 100.0)?;
        }
        write!(f, "  hash {:.12}", self.hash)?;
        for broken in &self.score.broken {
            write!(f, "\n        {broken}")?;
        }
        Ok(())
    }
}

/// One object: the run itself, or for a folder its summary with every run.
///
/// # Errors
/// Never in practice: every field can be written.
pub fn json(rows: &[Row], folder: bool) -> Result<String> {
    if let ([row], false) = (rows, folder) {
        return Ok(serde_json::to_string(row)?);
    }
    let positive = || rows.iter().filter(|r| !r.negative);
    let most = |f: fn(&Score) -> Option<f64>| positive().filter_map(|r| f(&r.score)).reduce(f64::max);
    Ok(serde_json::to_string(&serde_json::json!({
        "runs": rows.len(),
        "passed": rows.iter().all(|r| r.passed),
        "negative_controls": rows.len() - positive().count(),
        "falls": positive().map(|r| r.score.falls).sum::<u64>(),
        "pushes": positive().map(|r| r.score.pushes).sum::<u64>(),
        "rmse_vx": most(|s| s.rmse_vx),
        "rmse_vy": most(|s| s.rmse_vy),
        "rmse_wz": most(|s| s.rmse_wz),
        "stale_accepted": positive().map(|r| r.score.stale_accepted).sum::<u64>(),
        "results": rows,
    }))?)
}
