//! Golden vectors at robot level: what the robot measures in, what its joints shall do out.
//!
//! Written by the trainer's exporter, which has a joint list of its own; columns are named, so a manifest with
//! two joints exchanged gives other targets and is found out. One case is one activation: history, last action,
//! phase, counters and recurrent state start anew, ticks follow at the policy's rate. What a model reads must be
//! there; what it does not read may be left out.

use serde::Deserialize;

use crate::manifest::{Input, Manifest, Quantity, TermKind};

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
    /// Torque per column, N m.
    #[serde(default)]
    pub tau_nm: Option<Vec<f32>>,
    /// Linear velocity of the base, m/s, base frame.
    #[serde(default)]
    pub velocity_m_s: Option<[f32; 3]>,
    /// Base in the odometry frame, quaternion (w, x, y, z).
    #[serde(default)]
    pub orientation_wxyz: Option<[f32; 4]>,
    /// Base in the odometry frame, m.
    #[serde(default)]
    pub position_m: Option<[f64; 3]>,
    /// Base above the support plane, m.
    #[serde(default)]
    pub height_m: Option<f32>,
    /// Contact probability per foot of [`Golden::feet`].
    #[serde(default)]
    pub contact: Option<Vec<f32>>,
    /// Target expected per column, rad.
    pub target_rad: Vec<f32>,
    /// Velocity target expected per column, rad/s.
    #[serde(default)]
    pub target_dq_rad_s: Option<Vec<f32>>,
    /// Feed-forward torque expected per column, N m.
    #[serde(default)]
    pub target_tau_nm: Option<Vec<f32>>,
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
    /// Foot name of each contact column.
    #[serde(default)]
    pub feet: Vec<String>,
    /// Stiffness of each column, N m/rad; targets alone do not show gains in another order.
    #[serde(default)]
    pub kp: Option<Vec<f64>>,
    /// Damping of each column, N m s/rad.
    #[serde(default)]
    pub kd: Option<Vec<f64>>,
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
        if width == 0 || !distinct(&self.joints) || !distinct(&self.feet) {
            return content(
                "joints".to_owned(),
                format!("{width} names, some equal or none"),
                "distinct names",
            );
        }
        for case in &self.cases {
            for (index, tick) in case.ticks.iter().enumerate() {
                let at = |column: &str| format!("cases[\"{}\"].ticks[{index}].{column}", case.name);
                let columns = [
                    ("q_rad", Some(&tick.q_rad), width),
                    ("dq_rad_s", Some(&tick.dq_rad_s), width),
                    ("target_rad", Some(&tick.target_rad), width),
                    ("tau_nm", tick.tau_nm.as_ref(), width),
                    ("target_dq_rad_s", tick.target_dq_rad_s.as_ref(), width),
                    ("target_tau_nm", tick.target_tau_nm.as_ref(), width),
                    ("contact", tick.contact.as_ref(), self.feet.len()),
                ];
                for (name, values, width) in columns {
                    let Some(values) = values else { continue };
                    if values.len() != width || values.iter().any(|v| !v.is_finite()) {
                        let found = format!("{} values", values.len());
                        return content(at(name), found, &format!("{width} finite values"));
                    }
                }
                if let Some(name) = tick.not_finite() {
                    let found = "a value that is not finite".to_owned();
                    return content(at(name), found, "finite values");
                }
            }
        }
        Ok(())
    }

    /// Itself, when it was written for the model of `manifest` and has what the model reads.
    pub(crate) fn belonging_to(self, manifest: &Manifest) -> Result<Self, GoldenError> {
        let content = |field: &str, found: String, expected: String| {
            Err(GoldenError::Content { field: field.to_owned(), found, expected })
        };
        if self.graph_sha256 != manifest.graph.sha256 {
            let expected = format!("{}, the graph's", manifest.graph.sha256);
            return content("graph_sha256", self.graph_sha256, expected);
        }
        if (self.rate_hz - manifest.runtime.rate_hz).abs() > 1e-9 {
            let expected = format!("{}, the manifest's", manifest.runtime.rate_hz);
            return content("rate_hz", self.rate_hz.to_string(), expected);
        }
        let mut names = self.joints.clone();
        let mut wanted = manifest.joints.order.clone();
        names.sort_unstable();
        wanted.sort_unstable();
        if names != wanted {
            let expected = format!("in any order {}", wanted.join(", "));
            return content("joints", self.joints.join(", "), expected);
        }
        let gains = [
            ("kp", &self.kp, &manifest.joints.kp_nm_per_rad),
            ("kd", &self.kd, &manifest.joints.kd_nm_s_per_rad),
        ];
        for (name, golden, of_manifest) in gains {
            let Some(golden) = golden else { continue };
            if golden.len() != self.joints.len() {
                return content(name, format!("{} values", golden.len()), "one per joint column".to_owned());
            }
            for (joint, expected) in manifest.joints.order.iter().zip(of_manifest) {
                let column = self.joints.iter().position(|n| n == joint);
                let found = column.and_then(|c| golden.get(c)).copied().unwrap_or(f64::NAN);
                if (found - expected).abs() > 1e-6 * expected.abs().max(1.0) || found.is_nan() {
                    let expected = format!(
                        "{expected}, joints.{name} of the manifest; is a list of gains in another order?"
                    );
                    return content(&format!("{name} of `{joint}`"), found.to_string(), expected);
                }
            }
        }
        for kind in manifest.inputs.iter().flat_map(Input::terms).map(|t| &t.kind) {
            if let TermKind::Contact { feet, .. } = kind
                && let Some(foot) = feet.iter().find(|foot| !self.feet.contains(foot))
            {
                let found = format!("no `{foot}`");
                return content("feet", found, format!("the feet that {} reads", kind.name()));
            }
            if let Some(field) = self.lacks(|tick| tick.missing_for(kind)) {
                let expected = format!("it in each tick, since the model reads {}", kind.name());
                return content(field, "nothing".to_owned(), expected);
            }
        }
        for target in manifest.outputs.iter().filter_map(|o| o.target()) {
            let missing = |tick: &GoldenTick| match target.quantity {
                Quantity::Position => None,
                Quantity::Velocity => tick.target_dq_rad_s.is_none().then_some("target_dq_rad_s"),
                Quantity::Effort => tick.target_tau_nm.is_none().then_some("target_tau_nm"),
            };
            if let Some(field) = self.lacks(missing) {
                return content(
                    field,
                    "nothing".to_owned(),
                    "it in each tick, since the model gives it".to_owned(),
                );
            }
        }
        Ok(self)
    }

    fn lacks(&self, missing: impl Fn(&GoldenTick) -> Option<&'static str>) -> Option<&'static str> {
        self.cases.iter().flat_map(|c| &c.ticks).find_map(missing)
    }
}

impl GoldenTick {
    /// The field that a term of this kind reads and that is not there.
    fn missing_for(&self, kind: &TermKind) -> Option<&'static str> {
        match kind {
            TermKind::LinearVelocity if self.velocity_m_s.is_none() => Some("velocity_m_s"),
            TermKind::Rotation(_) if self.orientation_wxyz.is_none() => Some("orientation_wxyz"),
            TermKind::Position if self.position_m.is_none() => Some("position_m"),
            TermKind::Height if self.height_m.is_none() => Some("height_m"),
            TermKind::JointEffort if self.tau_nm.is_none() => Some("tau_nm"),
            TermKind::Contact { .. } if self.contact.is_none() => Some("contact"),
            _ => None,
        }
    }

    /// The first field of the base that is not finite.
    fn not_finite(&self) -> Option<&'static str> {
        let bad = |values: &[f32]| values.iter().any(|v| !v.is_finite());
        let fields = [
            ("gyro_rad_s", bad(&self.gyro_rad_s)),
            ("projected_gravity", bad(&self.projected_gravity)),
            ("command", bad(&self.command)),
            ("velocity_m_s", self.velocity_m_s.is_some_and(|v| bad(&v))),
            ("orientation_wxyz", self.orientation_wxyz.is_some_and(|v| bad(&v))),
            ("position_m", self.position_m.is_some_and(|v| v.iter().any(|x| !x.is_finite()))),
            ("height_m", self.height_m.is_some_and(|v| !v.is_finite())),
        ];
        fields.iter().find(|(_, bad)| *bad).map(|(name, _)| *name)
    }
}

fn distinct(names: &[String]) -> bool {
    names.iter().enumerate().all(|(i, n)| !names.iter().take(i).any(|m| m == n))
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
