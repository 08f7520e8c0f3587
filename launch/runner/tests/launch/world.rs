//! A world of a few files to evaluate launch files in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sinew_runner::{LaunchError, Plan, Surroundings, evaluate, parse_overrides};

/// A world of a few files, variables and packages.
#[derive(Default)]
pub struct World {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
}

impl World {
    pub fn with(text: &str) -> Self {
        Self::default().file("/l/main.launch.xml", text)
    }

    /// A file whose body goes into `<launch>`.
    pub fn body(body: &str) -> Self {
        Self::with(&format!("<launch>\n{body}\n</launch>"))
    }

    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    pub fn evaluate(&self, words: &[&str]) -> Result<Plan, LaunchError> {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        evaluate(Path::new("/l/main.launch.xml"), &parse_overrides(&words)?, self)
    }

    pub fn plan(&self, words: &[&str]) -> Plan {
        self.evaluate(words).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn refusal(&self, words: &[&str]) -> String {
        self.evaluate(words).expect_err("this file must be refused").to_string()
    }
}

impl Surroundings for World {
    fn read(&self, file: &Path) -> Result<String, String> {
        self.files.get(file).cloned().ok_or_else(|| "no such file".to_owned())
    }
    fn is_file(&self, file: &Path) -> bool {
        self.files.contains_key(file)
    }
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
    fn package_share(&self, package: &str) -> Option<PathBuf> {
        (package == "demo").then(|| PathBuf::from("/opt/share/demo"))
    }
}
