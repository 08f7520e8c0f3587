//! Golden vectors from a second reader of the source: Python, NumPy, ONNX Runtime and PyYAML, pinned by hash.
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_inference::import::{Kind, Overrides, RobotFacts};
use sinew_inference_ort::places;
use sinew_pinned::{Packages, last_words};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
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

/// Reads the source anew and runs its graph; `work` is a folder for what comes of it, `lead_s` the time from a state to the
/// use of its result.
///
/// # Errors
/// See [`Failure`].
pub fn make(
    work: &Path,
    listed: &Listed,
    kind: Kind,
    robot: &RobotFacts,
    overrides: &Overrides,
    lead_s: f64,
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
        "lead_s": lead_s,
        "robot": { "joints": robot.joints, "stand_rad": robot.stand_rad },
        "golden": golden,
        "facts": facts,
    });
    let mut python = Command::new("python3");
    python.arg("-sB").arg(scratch.path().join("golden.py")).env("PYTHONPATH", &packages).current_dir(work);
    let output = fed(&mut python, &request).map_err(|e| Failure::NoPython(e.to_string()))?;
    if !output.status.success() {
        let words = last_words(&output.stderr);
        return Err(Failure::Reader(match output.status.signal() {
            Some(signal) => {
                format!("ended by signal {signal} beyond 300 s of processor time or 6 GiB; {words}")
            }
            None => words,
        }));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    /// What YAML 1.1 and 1.2 take differently, and the spellings of exporters.
    const SCALARS: &str = "[1, +1, .5, -.5, +.5, 1., 1e3, 1e-1, 1E+3, 1.0e-05, 12e03, 0x1F, -0x1F, 0o17, 010, 08, \
        0b11, 1_000, 1_000.5, '1:30', 1:30, 190:20:30.15, yes, No, on, off, y, n, true, FALSE, tRue, null, Null, ~, \
        inf, nan, 1e, 2024-01-01, =, '1', \"1e3\", -0, 0., 1__0, 0X1F, !!python/tuple [1, 2]]";

    #[test]
    fn both_readers_take_the_same_values_from_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        for (name, text) in FILES {
            std::fs::write(scratch.path().join(name), text).unwrap();
        }
        let file = scratch.path().join("scalars.yaml");
        let text = format!("values: {SCALARS}\nbase: &b {{x: 1e-1, y: 2}}\nmerged: {{<<: *b, y: 3}}\n");
        std::fs::write(&file, &text).unwrap();
        let ours = Overrides::parse(Some(("scalars.yaml", text.as_bytes())), &[]).unwrap().to_json();
        let script = "import json, sys; sys.path.insert(0, sys.argv[1]); import source; \
            print(json.dumps(source.load(sys.argv[2])))";
        let output = Command::new("python3")
            .args(["-sBc", script])
            .args([scratch.path(), &file])
            .env("PYTHONPATH", packages().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (ours, theirs) = (flat(&ours), flat(&theirs));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let same = match (ours.1.as_f64(), theirs.1.as_f64()) {
                (Some(a), Some(b)) => a == b,
                _ => ours.1 == theirs.1,
            };
            assert!(same, "{} here, {} there, at {}", ours.1, theirs.1, ours.0);
        }
    }

    /// Leaves and their paths, by path.
    fn flat(value: &Value) -> Vec<(String, Value)> {
        let below = |key: String, value: &Value| -> Vec<(String, Value)> {
            flat(value).into_iter().map(|(path, leaf)| (format!("{key}/{path}"), leaf)).collect()
        };
        let mut leaves: Vec<(String, Value)> = match value {
            Value::Object(map) => map.iter().flat_map(|(k, v)| below(k.clone(), v)).collect(),
            Value::Array(list) => {
                list.iter().enumerate().flat_map(|(i, v)| below(i.to_string(), v)).collect()
            }
            leaf => vec![(String::new(), leaf.clone())],
        };
        leaves.sort_by(|a, b| a.0.cmp(&b.0));
        leaves
    }
}
