//! The robot and the scenario files of the source tree.
#![allow(dead_code, clippy::unwrap_used)] // each test uses its part; a failing set-up is a failing test
use std::path::{Path, PathBuf};

use sinew_robot::Robot;
use sinew_stack::{Models, Scenario, Setup, SetupError};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn robot_folder(name: &str) -> PathBuf {
    root().join("launch/robots").join(name)
}

/// Every scenario file of the tree.
pub fn scenario_files() -> Vec<PathBuf> {
    let mut folders = vec![root().join("tests/scenarios")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub fn read(file: &Path) -> Scenario {
    Scenario::parse(&file.display().to_string(), &std::fs::read_to_string(file).unwrap()).unwrap()
}

pub fn parse(text: &str) -> Scenario {
    Scenario::parse("test.yaml", text).unwrap()
}

pub fn setup(scenario: &Scenario, file: &Path) -> Result<Setup, SetupError> {
    let folder = robot_folder(&scenario.robot);
    Setup::of(scenario, Robot::load(&folder).unwrap(), &Models::of(file, &folder))
}
