//! Golden vectors from a second reader of the source: Python, NumPy, ONNX Runtime and PyYAML, pinned by hash.
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_inference::import::{Kind, Overrides, RobotFacts};
use sinew_inference_ort::places;
use sinew_pinned::{Packages, last_words};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::folder::Listed;

/// The reader's files.
const FILES: [(&str, &str); 7] = [
    ("golden.py", include_str!("golden/golden.py")),
    ("source.py", include_str!("golden/source.py")),
    ("read_leapp.py", include_str!("golden/read_leapp.py")),
    ("read_unitree.py", include_str!("golden/read_unitree.py")),
    ("read_rl_sar.py", include_str!("golden/read_rl_sar.py")),
    ("read_metadata.py", include_str!("golden/read_metadata.py")),
    ("read_lerobot.py", include_str!("golden/read_lerobot.py")),
];
const PACKAGES: Packages = Packages {
    name: "import-python",
    said: "numpy, onnxruntime and PyYAML",
    requirements: include_str!("golden/requirements.txt"),
    pythons: "3.11 to 3.14",
};

/// What the second reader found.
#[derive(Debug)]
pub struct Golden {
    /// The golden file.
    pub text: String,
    /// The policy's joints in its order, by the robot's names.
    pub joints: Vec<String>,
    /// Stiffness in that order, N m/rad.
    pub kp: Vec<f64>,
    /// Damping in that order, N m s/rad.
    pub kd: Vec<f64>,
    /// Default position in that order, rad; none when the source has none.
    pub default_pos: Option<Vec<f64>>,
    /// Runs per second.
    pub rate_hz: f64,
}

/// Why there are none.
#[derive(Debug)]
pub enum Failure {
    /// Python, pip or the packages cannot be had.
    NoPython(String),
    /// The reader refuses the source.
    Reader(String),
}

#[derive(Deserialize)]
struct Facts {
    joints: Vec<String>,
    kp: Vec<f64>,
    kd: Vec<f64>,
    default_pos: Option<Vec<f64>>,
    rate_hz: f64,
}

/// Reads the source anew and runs its graph; `work` is a folder for what comes of it.
///
/// # Errors
/// See [`Failure`].
pub fn make(
    work: &Path,
    listed: &Listed,
    kind: Kind,
    robot: &RobotFacts,
    overrides: &Overrides,
) -> Result<Golden, Failure> {
    let packages = packages()?;
    let scratch = tempfile::tempdir().map_err(|e| Failure::NoPython(e.to_string()))?;
    let reader = |e: std::io::Error| Failure::Reader(e.to_string());
    for (name, text) in FILES {
        std::fs::write(scratch.path().join(name), text).map_err(reader)?;
    }
    // Apart from our own files: the source's must not be found by a Python import.
    let foreign = tempfile::tempdir().map_err(reader)?;
    let source = copied(listed, foreign.path())?;
    let golden = scratch.path().join("golden.json");
    let facts = scratch.path().join("facts.json");
    let request = json!({
        "kind": kind.name(),
        "folder": source,
        "said": overrides.to_json(),
        "robot": { "joints": robot.joints, "stand_rad": robot.stand_rad },
        "golden": golden,
        "facts": facts,
    });
    let mut python = Command::new("python3");
    python.arg("-sB").arg(scratch.path().join("golden.py")).env("PYTHONPATH", &packages).current_dir(work);
    let output = fed(&mut python, &request).map_err(|e| Failure::NoPython(e.to_string()))?;
    if !output.status.success() {
        return Err(Failure::Reader(last_words(&output.stderr)));
    }
    let text = std::fs::read_to_string(&golden).map_err(reader)?;
    let bytes = std::fs::read(&facts).map_err(reader)?;
    let facts: Facts = serde_json::from_slice(&bytes).map_err(|e| Failure::Reader(e.to_string()))?;
    let Facts { joints, kp, kd, default_pos, rate_hz } = facts;
    Ok(Golden { text, joints, kp, kd, default_pos, rate_hz })
}

/// The listed files, and no others, in a folder of their own: what the importer does not see the reader does not either.
fn copied(listed: &Listed, foreign: &Path) -> Result<PathBuf, Failure> {
    let root = foreign.join("source");
    for file in &listed.files {
        let to = root.join(file);
        let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        copied
            .and_then(|()| std::fs::copy(listed.root.join(file), &to))
            .map_err(|e| Failure::Reader(format!("{file}: {e}")))?;
    }
    Ok(root)
}

/// Runs `python` with `request` on its standard input.
fn fed(python: &mut Command, request: &Value) -> std::io::Result<Output> {
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(request.to_string().as_bytes())?;
    }
    child.wait_with_output()
}

/// The folder with the pinned packages for this machine's Python.
fn packages() -> Result<PathBuf, Failure> {
    let state = places().runtime_dir.ok_or_else(|| {
        Failure::NoPython("no HOME or XDG_STATE_HOME, where packages could be put".to_owned())
    })?;
    PACKAGES.folder(&state).map_err(|e| Failure::NoPython(e.to_string()))
}
