//! Parameters of a node, as ROS passes them: `--ros-args -p name:=value --params-file F -r ...`.
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Name to value, as text.
#[derive(Clone, Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
}

/// Every parameter a node may be given.
const KNOWN: [&str; 19] = [
    "robot",
    "description",
    "model",
    "run_dir",
    "free_run",
    "seed",
    "scenario",
    "scenario_robot",
    "participants",
    "ros_port",
    "core",
    "engine",
    "solver_iterations",
    "latency_ticks",
    "use_sim_time",
    "offboard",
    "offboard_wait_ticks",
    "offboard_max_age_ms",
    "offboard_model",
];

impl Params {
    /// Reads the words after the node's kind.
    ///
    /// # Errors
    /// A word that is no ROS argument, a file that cannot be read, an unknown parameter.
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut params = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("argument {word}: a value must follow"));
            match word.as_str() {
                "--ros-args" | "--" => {}
                "-p" | "--param" => {
                    let pair = value()?;
                    let (name, value) = pair
                        .split_once(":=")
                        .with_context(|| format!("parameter {pair:?}: expected name:=value"))?;
                    params.set(name, value.trim_matches(['\'', '"']))?;
                }
                "--params-file" => {
                    let file = value()?.clone();
                    params.read_file(&file)?;
                }
                // Names and remaps are the ROS face's business; the core has none.
                "-r" | "--remap" | "--log-level" | "-e" | "--enclave" => {
                    value()?;
                }
                other => bail!("argument {other:?}: expected --ros-args with -p, --params-file or -r"),
            }
        }
        Ok(params)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if !KNOWN.contains(&name) {
            bail!("parameter {name:?}: unknown; expected one of {}", KNOWN.join(", "));
        }
        self.values.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn read_file(&mut self, file: &str) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| format!("parameter file {file}"))?;
        let tree: serde_json::Value =
            serde_saphyr::from_str(&text).with_context(|| format!("parameter file {file}"))?;
        self.walk(&tree, false).with_context(|| format!("parameter file {file}"))
    }

    fn walk(&mut self, tree: &serde_json::Value, inside: bool) -> Result<()> {
        let serde_json::Value::Object(map) = tree else { return Ok(()) };
        for (key, value) in map {
            if !inside {
                self.walk(value, key == "ros__parameters")?;
                continue;
            }
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            self.set(key, &text)?;
        }
        Ok(())
    }

    /// A parameter that must be there.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("parameter {name}: missing; pass -p {name}:=VALUE after --ros-args"))
    }

    /// A parameter that may be absent or empty.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(PathBuf::from)
    }

    /// A number, or `default` when absent.
    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.optional(name) {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) => Ok(number),
                Err(_) => bail!("parameter {name}: expected a number, found {text:?}"),
            },
        }
    }

    /// `true` or `false`; false when absent.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.optional(name) {
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(other) => bail!("parameter {name}: expected true or false, found {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn reads_what_ros_passes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.yaml");
        std::fs::write(&file, "/quad/twin:\n  ros__parameters:\n    seed: 7\n    free_run: true\n").unwrap();
        let line = format!("--ros-args -r __ns:=/quad -p robot:=a --params-file {}", file.display());
        let params = Params::parse(&words(&line)).unwrap();
        assert_eq!(params.text("robot").unwrap(), "a");
        assert_eq!(params.number("seed", 1u64).unwrap(), 7);
        assert!(params.flag("free_run").unwrap());
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, said) in [
            ("--ros-args -p robot=a", "expected name:=value"),
            ("--ros-args -p robto:=a", "unknown"),
            ("--ros-args -p", "a value must follow"),
            ("nonsense", "expected --ros-args"),
        ] {
            let error = Params::parse(&words(line)).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
        let params = Params::parse(&words("--ros-args -p seed:=x -p free_run:=maybe")).unwrap();
        assert!(params.number("seed", 1u64).unwrap_err().to_string().contains("expected a number"));
        assert!(params.flag("free_run").unwrap_err().to_string().contains("true or false"));
        assert!(params.text("robot").unwrap_err().to_string().contains("missing"));
    }
}
