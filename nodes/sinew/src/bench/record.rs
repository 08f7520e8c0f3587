//! The emulators' log: one record per drive and cycle, and the checker that reads it.
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sinew_guard::Limits;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Bytes per record; the layout stands in the checker.
pub const BYTES: usize = 64;

/// The checker, standard library only; it travels with the executable.
const CHECKER: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench_guard/checker.py"));

/// What one drive did in one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Record {
    pub step: u32,
    pub based_on: u32,
    pub joint: u8,
    pub flags: u8,
    pub stage: u8,
    /// q, dq measured; q, dq, kp, kd, tau applied; true torque; q, dq, kp, kd, tau sent.
    pub values: [f32; 13],
}

impl Record {
    pub fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let head = [self.joint, self.flags, self.stage, 0];
        let words = [self.step.to_le_bytes(), self.based_on.to_le_bytes(), head]
            .into_iter()
            .chain(self.values.iter().map(|v| v.to_le_bytes()));
        for (slot, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *slot = word;
        }
        bytes
    }
}

/// A checker at work.
pub struct Checker {
    child: Child,
    input: BufWriter<ChildStdin>,
}

impl Checker {
    /// Starts the independent checker; it reads `limits` from a file.
    pub fn start(limits: &Path) -> Result<Self> {
        let mut child = Command::new("python3")
            .args(["-c", CHECKER])
            .arg(limits)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3, for the checker")?;
        let Some(input) = child.stdin.take() else { bail!("no pipe to the checker") };
        Ok(Self { child, input: BufWriter::with_capacity(1 << 18, input) })
    }

    pub fn write(&mut self, record: &Record) -> Result<()> {
        self.input.write_all(&record.bytes()).context("checker")
    }

    /// The checker's verdict.
    pub fn finish(mut self) -> Result<Value> {
        self.input.flush().context("checker")?;
        drop(self.input);
        let output = self.child.wait_with_output().context("checker")?;
        serde_json::from_slice(&output.stdout).context("the checker gave no verdict")
    }
}

/// Writes the limits for the checker.
pub fn limits_file(folder: &Path, limits: &Limits, quantum: &Value) -> Result<PathBuf> {
    let joints: Vec<Value> = limits
        .joints
        .iter()
        .map(|j| {
            json!({
                "q_min_rad": j.q_min_rad,
                "q_max_rad": j.q_max_rad,
                "dq_max_rad_s": j.dq_max_rad_s,
                "ddq_max_rad_s2": j.ddq_max_rad_s2,
                "tau_max_nm": j.tau_max_nm,
                "kp_max": j.kp_max,
                "kd_max": j.kd_max,
            })
        })
        .collect();
    let period_s = limits.timing.period_s();
    let path = folder.join("limits.json");
    std::fs::write(&path, json!({ "joints": joints, "period_s": period_s, "quantum": quantum }).to_string())
        .with_context(|| path.display().to_string())?;
    Ok(path)
}
