//! A planned node to the command line that starts it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::plan::NodePlan;
use super::surroundings::ament_prefixes;

/// A program that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("package `{pkg}` has no executable `{exec}`; looked for {looked_for}. {hint}")]
pub struct ProgramError {
    /// ROS package.
    pub pkg: String,
    /// Executable name.
    pub exec: String,
    /// The places looked at.
    pub looked_for: String,
    /// How to mend it.
    pub hint: &'static str,
}

/// Finds programs: the running executable for its own package, `lib/PKG/EXEC` under
/// `AMENT_PREFIX_PATH` for others.
#[derive(Clone, Debug)]
pub struct Programs {
    own: Option<(String, String, PathBuf)>,
    prefixes: Vec<PathBuf>,
}

impl Programs {
    /// Programs of the packages under the given installation prefixes.
    #[must_use]
    pub fn under(prefixes: Vec<PathBuf>) -> Self {
        Self { own: None, prefixes }
    }

    /// Programs of the packages under `AMENT_PREFIX_PATH`.
    #[must_use]
    pub fn installed() -> Self {
        Self::under(ament_prefixes().collect())
    }

    /// Answers `pkg`, `exec` with `program` (the running executable), whatever is installed.
    #[must_use]
    pub fn with_own(mut self, pkg: &str, exec: &str, program: PathBuf) -> Self {
        self.own = Some((pkg.to_owned(), exec.to_owned(), program));
        self
    }

    /// The program of a package.
    ///
    /// # Errors
    /// [`ProgramError`] with the places looked at.
    pub fn find(&self, pkg: &str, exec: &str) -> Result<PathBuf, ProgramError> {
        if let Some((own_pkg, own_exec, program)) = &self.own
            && own_pkg == pkg
            && own_exec == exec
        {
            return Ok(program.clone());
        }
        let candidates: Vec<PathBuf> =
            self.prefixes.iter().map(|prefix| prefix.join("lib").join(pkg).join(exec)).collect();
        if let Some(program) = candidates.iter().find(|c| c.is_file()) {
            return Ok(program.clone());
        }
        let places: Vec<String> = candidates.iter().map(|c| c.display().to_string()).collect();
        Err(ProgramError {
            pkg: pkg.to_owned(),
            exec: exec.to_owned(),
            looked_for: if places.is_empty() { "nothing".to_owned() } else { places.join(", ") },
            hint: "Source the setup file of its workspace (AMENT_PREFIX_PATH), or mend pkg and exec",
        })
    }
}

impl NodePlan {
    /// The command line, program first, in the order of ROS 2 launch:
    /// `EXE ARGS --ros-args -r __node:=N [-r __ns:=/NS] [--params-file F]… [-p name:=value]…`.
    ///
    /// # Errors
    /// [`ProgramError`] if the program is not found.
    pub fn command_line(&self, programs: &Programs) -> Result<Vec<OsString>, ProgramError> {
        let mut line: Vec<OsString> = vec![programs.find(&self.pkg, &self.exec)?.into()];
        line.extend(self.args.iter().map(OsString::from));
        line.push("--ros-args".into());
        line.extend(["-r".into(), format!("__node:={}", self.name).into()]);
        if !self.namespace.is_empty() {
            line.extend(["-r".into(), format!("__ns:={}", self.namespace).into()]);
        }
        for file in &self.param_files {
            line.extend(["--params-file".into(), file.clone().into_os_string()]);
        }
        for (name, value) in &self.params {
            line.extend(["-p".into(), format!("{name}:={}", value.to_yaml()).into()]);
        }
        Ok(line)
    }
}
