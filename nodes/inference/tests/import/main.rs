//! Importers: every trap of every format is a fixture, altered here, with the message or the tensor it must lead to.
//!
//! The fixtures under `fixtures/` are written after the documented formats by `make.py`, the LEAPP bundle by its own
//! exporter (`make_leapp.py`). What they do on a robot is tested where a robot is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod detection;
mod leapp;
mod lerobot;
mod metadata;
mod rl_sar;
mod unitree;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sinew_inference::import::{self, Draft, Folder, ImportError, Kind, Overrides, Plan, RobotFacts, Written};
use sinew_inference::{Source, SourceError};

/// Motor names of the unitree fixture, in motor order.
const MOTORS: &str = "motors=[FR_hip, FR_thigh, FR_calf, FL_hip, FL_thigh, FL_calf, \
                      RR_hip, RR_thigh, RR_calf, RL_hip, RL_thigh, RL_calf]";

/// A fixture in memory, to be altered.
#[derive(Clone)]
pub struct Fixture {
    name: &'static str,
    files: BTreeMap<String, Vec<u8>>,
    sets: Vec<String>,
    set_file: Option<Vec<u8>>,
}

impl Source for Fixture {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.files.get(name).cloned().ok_or_else(missing)
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

impl Fixture {
    pub fn load(name: &'static str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import/fixtures").join(name);
        let mut files = BTreeMap::new();
        walk(&folder, "", &mut files);
        Self { name, files, sets: Vec::new(), set_file: None }
    }

    /// With what the files do not say, so that the import is complete.
    pub fn complete(name: &'static str) -> Self {
        let fixture = Self::load(name);
        match name {
            "quad_unitree" => fixture.set(MOTORS),
            "quad_metadata" => {
                let said = fixture.files["said.yaml"].clone();
                Self { set_file: Some(said), ..fixture }.without("said.yaml")
            }
            "quad_lerobot" => fixture.set("units=deg").set("joints.kp=60").set("joints.kd=2"),
            _ => fixture,
        }
    }

    pub fn set(mut self, set: &str) -> Self {
        self.sets.push(set.to_owned());
        self
    }

    pub fn without(mut self, file: &str) -> Self {
        self.files.remove(file).unwrap_or_else(|| panic!("no `{file}`"));
        self
    }

    pub fn with(mut self, file: &str, bytes: &[u8]) -> Self {
        self.files.insert(file.to_owned(), bytes.to_vec());
        self
    }

    /// Replaces text, which must be there once.
    pub fn edit(mut self, file: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.files[file].clone()).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}:\n{text}");
        self.files.insert(file.to_owned(), text.replace(from, to).into_bytes());
        self
    }

    pub fn bytes(&self, file: &str) -> Vec<u8> {
        self.files[file].clone()
    }

    fn folder(&self) -> Folder<'_> {
        Folder { name: self.name.to_owned(), files: self.files.keys().cloned().collect(), source: self }
    }

    fn overrides(&self) -> Result<Overrides, ImportError> {
        Overrides::parse(self.set_file.as_deref().map(|bytes| ("said.yaml", bytes)), &self.sets)
    }

    pub fn read_as(&self, kind: Option<Kind>) -> Result<Draft, ImportError> {
        import::read(&self.folder(), kind, &robot(), &self.overrides()?)
    }

    pub fn read(&self) -> Result<Draft, ImportError> {
        self.read_as(None)
    }

    pub fn draft(&self) -> Draft {
        self.read().unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    pub fn written(&self) -> Result<Written, ImportError> {
        let plan = Plan { name: "model", version: "1.0.0", engines: &["native"], engine_note: "" };
        Written::of(&self.read()?, &self.folder(), &plan)
    }

    /// The refusal, which must say all of `parts`.
    pub fn refused(&self, parts: &[&str]) {
        let text = match self.written() {
            Ok(written) => panic!("{}: accepted:\n{}", self.name, written.manifest),
            Err(error) => error.to_string(),
        };
        for part in parts {
            assert!(text.contains(part), "{}: `{part}` is not said in:\n{text}", self.name);
        }
    }

    /// What is missing, by name.
    pub fn missing(&self) -> Vec<String> {
        self.draft().missing().into_iter().map(|m| m.what).collect()
    }
}

pub fn legs() -> [&'static str; 4] {
    ["FR", "FL", "RR", "RL"]
}

/// The quadruped of the repository.
pub fn robot() -> RobotFacts {
    let joints: Vec<String> =
        legs().iter().flat_map(|leg| ["hip", "thigh", "calf"].map(|j| format!("{leg}_{j}"))).collect();
    let stand_rad = joints.iter().map(|n| of(n, [0.0, 0.8, -1.5])).collect();
    RobotFacts { joints, stand_rad }
}

/// Value of a joint by its kind: hip, thigh, calf.
pub fn of(joint: &str, [hip, thigh, calf]: [f64; 3]) -> f64 {
    match joint.split_once('_').unwrap().1 {
        "hip" => hip,
        "thigh" => thigh,
        _ => calf,
    }
}

/// hips, thighs, calves of FL FR RL RR.
pub fn by_type() -> Vec<String> {
    ["hip", "thigh", "calf"]
        .iter()
        .flat_map(|j| ["FL", "FR", "RL", "RR"].map(|leg| format!("{leg}_{j}")))
        .collect()
}

/// Gains of all fixtures, in the order of `joints`.
pub fn gains(joints: &[String]) -> (Vec<f64>, Vec<f64>) {
    let each = |table: [f64; 3]| joints.iter().map(|n| of(n, table)).collect();
    (each([38.0, 40.0, 42.0]), each([0.9, 1.0, 1.1]))
}

pub const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123456\n";
