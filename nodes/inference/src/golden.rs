//! Golden vectors at robot level: what the robot measures in, what its joints shall do out.
//!
//! Written by the trainer's exporter, which has a joint list of its own; columns are named, so a manifest with
//! two joints exchanged gives other targets and is found out. One case is one activation: history, last action
//! and phase start anew, ticks follow at the policy's rate.

use serde::Deserialize;

/// Why a golden file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoldenError {
    /// Not the JSON expected.
    #[error("line {line}: {reason}; write the file with the exporter")]
    Json {
        /// Line in the file.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Contents that contradict each other.
    #[error("`{field}`: found {found}; expected {expected}; write the file with the exporter")]
    Content {
        /// Place in the file.
        field: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
}

/// One tick: measurements by joint column, and the targets expected from them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenTick {
    /// Angular velocity of the base, rad/s, base frame.
    pub gyro_rad_s: [f32; 3],
    /// Unit vector of gravity in the base frame.
    pub projected_gravity: [f32; 3],
    /// Velocity command: m/s, m/s, rad/s.
    pub command: [f32; 3],
    /// Position per column, rad.
    pub q_rad: Vec<f32>,
    /// Velocity per column, rad/s.
    pub dq_rad_s: Vec<f32>,
    /// Target expected per column, rad.
    pub target_rad: Vec<f32>,
}

/// Ticks after one activation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// What it shows.
    pub name: String,
    /// Consecutive ticks.
    pub ticks: Vec<GoldenTick>,
}

/// A golden file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// 1.
    pub schema: u32,
    /// SHA-256 of the graph it was written from.
    pub graph_sha256: String,
    /// Ticks per second.
    pub rate_hz: f64,
    /// Joint name of each column.
    pub joints: Vec<String>,
    /// The cases.
    pub cases: Vec<GoldenCase>,
}

impl Golden {
    /// Reads and checks a golden file.
    pub fn parse(bytes: &[u8]) -> Result<Self, GoldenError> {
        let golden: Self = serde_json::from_slice(bytes)
            .map_err(|e| GoldenError::Json { line: e.line(), reason: e.to_string() })?;
        golden.check()?;
        Ok(golden)
    }

    /// Number of ticks in all cases.
    pub fn ticks(&self) -> usize {
        self.cases.iter().map(|c| c.ticks.len()).sum()
    }

    fn check(&self) -> Result<(), GoldenError> {
        let content = |field: String, found: String, expected: &str| {
            Err(GoldenError::Content { field, found, expected: expected.to_owned() })
        };
        if self.schema != 1 {
            return content("schema".to_owned(), self.schema.to_string(), "1");
        }
        if self.ticks() == 0 || self.cases.iter().any(|c| c.ticks.is_empty()) {
            return content(
                "cases".to_owned(),
                "a case without ticks, or none".to_owned(),
                "ticks in each case",
            );
        }
        let width = self.joints.len();
        let distinct =
            self.joints.iter().enumerate().all(|(i, n)| !self.joints.iter().take(i).any(|m| m == n));
        if width == 0 || !distinct {
            return content(
                "joints".to_owned(),
                format!("{width} names, some equal or none"),
                "distinct names",
            );
        }
        for case in &self.cases {
            for (index, tick) in case.ticks.iter().enumerate() {
                let at = |column: &str| format!("cases[\"{}\"].ticks[{index}].{column}", case.name);
                let columns =
                    [("q_rad", &tick.q_rad), ("dq_rad_s", &tick.dq_rad_s), ("target_rad", &tick.target_rad)];
                let base = [&tick.gyro_rad_s, &tick.projected_gravity, &tick.command];
                for (name, values) in columns {
                    if values.len() != width || values.iter().any(|v| !v.is_finite()) {
                        let found = format!("{} values", values.len());
                        return content(at(name), found, &format!("{width} finite values"));
                    }
                }
                if base.iter().any(|v| v.iter().any(|x| !x.is_finite())) {
                    return content(
                        at("gyro_rad_s"),
                        "a value that is not finite".to_owned(),
                        "finite values",
                    );
                }
            }
        }
        Ok(())
    }
}

/// How far a value may be from its golden one: `atol + rtol * |golden|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute part.
    pub atol: f64,
    /// Relative part.
    pub rtol: f64,
}

impl Tolerance {
    /// True when `found` is near enough to `golden`; never for a NaN.
    pub fn accepts(&self, found: f32, golden: f32) -> bool {
        let (found, golden) = (f64::from(found), f64::from(golden));
        (found - golden).abs() <= self.atol + self.rtol * golden.abs()
    }
}
