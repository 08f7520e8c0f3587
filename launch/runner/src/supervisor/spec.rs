//! What to run, and how.

use std::ffi::OsString;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::launch::{NodeOutput, NodePlan, ProgramError, Programs};

/// One process to keep.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// How it is called in events, stages and requests.
    pub name: String,
    /// Program and words.
    pub command: Vec<OsString>,
    /// Environment variables on top of the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// Where its output goes.
    pub output: ChildOutput,
    /// Whether it is started again when it ends; `None` means never.
    pub respawn: Option<Respawn>,
    /// At shutdown, from SIGTERM to SIGKILL.
    pub grace: Duration,
}

impl ChildSpec {
    /// A child with captured output, no respawn and ten seconds of grace.
    #[must_use]
    pub fn new(name: &str, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            name: name.to_owned(),
            command: command.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            output: ChildOutput::Captured,
            respawn: None,
            grace: Duration::from_secs(10),
        }
    }

    /// The child that a planned node asks for. Its name is the node's, without namespace. Stock launch
    /// asks by SIGINT, then SIGTERM, then SIGKILL; here SIGTERM comes first, and SIGKILL after the sum of
    /// the same two times.
    ///
    /// # Errors
    /// [`ProgramError`] if the program is not found.
    pub fn from_plan(plan: &NodePlan, programs: &Programs) -> Result<Self, ProgramError> {
        let respawn = plan.respawn.then(|| Respawn {
            delay: Duration::from_secs_f64(plan.respawn_delay_s.max(0.0)),
            max_retries: plan.respawn_max_retries,
        });
        let grace_s = plan.sigterm_timeout_s + plan.sigkill_timeout_s;
        Ok(Self {
            name: plan.name.clone(),
            command: plan.command_line(programs)?,
            env: plan.env.iter().map(|(n, v)| (n.into(), v.into())).collect(),
            output: match plan.output {
                NodeOutput::Log | NodeOutput::Both => ChildOutput::Captured,
                NodeOutput::Screen => ChildOutput::Inherited,
            },
            respawn,
            grace: Duration::try_from_secs_f64(grace_s).unwrap_or(Duration::from_secs(10)),
        })
    }
}

/// Where a child's standard output and error go. Its standard input is always empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildOutput {
    /// To the supervisor's own.
    Inherited,
    /// Line by line into events, and the last ones kept for error reports.
    Captured,
}

/// When a child is started again. Any end counts, also a successful one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Respawn {
    /// Wait between end and next start.
    pub delay: Duration,
    /// Most restarts; `None` means no limit. 2 means at most 3 runs.
    pub max_retries: Option<u32>,
}

/// How the children are tied to the supervisor.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who hears the terminal's Ctrl-C.
    pub process_group: ProcessGroup,
    /// What the kernel sends to each child when the supervisor dies without a word. SIGKILL is certain;
    /// SIGTERM lets a child end in good order, and lets one that ignores it live on.
    pub parent_death: Signal,
}

impl Default for Options {
    fn default() -> Self {
        Self { process_group: ProcessGroup::Own, parent_death: Signal::SIGKILL }
    }
}

/// Who hears the terminal's Ctrl-C. The session is the supervisor's in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessGroup {
    /// Each child leads a group of its own: only the supervisor hears Ctrl-C, a child hears of it once,
    /// in its stage. What a child leaves behind in its group is killed when it ends.
    Own,
    /// Children stay in the supervisor's group: all hear Ctrl-C at once, and SIGTERM again in their stage.
    Shared,
}

/// Children that stop together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Their names; unknown ones are passed over.
    pub names: Vec<String>,
}

impl Stage {
    /// A stage of these children.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        Self { names: names.iter().map(|&n| n.to_owned()).collect() }
    }
}
