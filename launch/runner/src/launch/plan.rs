//! What a launch file comes down to: processes in document order.

use std::path::PathBuf;

use super::error::Location;
use super::value::ParamValue;

/// An evaluated launch file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The processes, in document order.
    pub nodes: Vec<NodePlan>,
    /// The arguments met on the way, in document order, with the values they had.
    pub args: Vec<DeclaredArg>,
}

impl Plan {
    /// The value that a declared argument had, the outermost file's if several declare it.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|a| a.name == name)?.value.as_deref()
    }
}

/// An `<arg>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredArg {
    /// Its name, for `name:=value`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its default as written, substitutions not expanded; `None` means a value must be given.
    pub default: Option<String>,
    /// The values allowed; empty means any.
    pub choices: Vec<String>,
    /// The value it had in an evaluation; `None` where the file was only looked at.
    pub value: Option<String>,
    /// Where it is declared.
    pub source: Location,
}

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// ROS package.
    pub pkg: String,
    /// Executable in it.
    pub exec: String,
    /// Node name, without namespace.
    pub name: String,
    /// Absolute namespace (`/quad`), or empty where the file gives none.
    pub namespace: String,
    /// Words for the program, before its ROS arguments.
    pub args: Vec<String>,
    /// Parameters, in document order; of one name only the last.
    pub params: Vec<(String, ParamValue)>,
    /// Parameter files, read before `params`.
    pub param_files: Vec<PathBuf>,
    /// Environment variables to set on top of the inherited ones.
    pub env: Vec<(String, String)>,
    /// Start it again whenever it ends, also after success.
    pub respawn: bool,
    /// Wait before starting it again, s.
    pub respawn_delay_s: f64,
    /// Most restarts; `None` means no limit.
    pub respawn_max_retries: Option<u32>,
    /// At shutdown, s between the first request to stop and SIGTERM.
    pub sigterm_timeout_s: f64,
    /// At shutdown, s between SIGTERM and SIGKILL.
    pub sigkill_timeout_s: f64,
    /// Its end ends the whole launch.
    pub on_exit_shutdown: bool,
    /// Where its output goes.
    pub output: NodeOutput,
    /// Where the file says so.
    pub source: Location,
}

impl NodePlan {
    /// The node's fully qualified name, `/quad/control`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace.trim_end_matches('/'), self.name)
    }
}

/// Where a node's output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeOutput {
    /// Kept for error reports (`log`, launch's default).
    #[default]
    Log,
    /// Shown (`screen`).
    Screen,
    /// Kept and shown (`both`).
    Both,
}
