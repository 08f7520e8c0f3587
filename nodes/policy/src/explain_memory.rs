//! What a policy remembers from run to run, and how much of it a copy that began later has, too.

use sinew_inference::Model;
use sinew_inference::manifest::{InputSource, TermKind};

/// Why a number depends on the runs before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Measurements of so many runs.
    History(usize),
    /// The policy's own action; and so many runs of it.
    Feedback(usize),
    /// A gait clock.
    Clock(usize),
    /// Runs counted since the activation.
    Counter,
    /// Numbers drawn since the activation.
    Noise,
    /// An output of the run before.
    Recurrent,
    /// A command that follows its goal by a ramp; and so many runs of it.
    CommandRamp(usize),
    /// Actions computed in advance.
    Chunk,
}

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Tensor it is in.
    pub tensor: String,
    /// Kind of term, or `counter`, `gaussian`, `state`, `chunk`.
    pub term: String,
    /// What is remembered.
    pub kind: MemoryKind,
}

impl Memory {
    /// Runs of it that stand side by side.
    pub fn runs(&self) -> usize {
        match self.kind {
            MemoryKind::History(runs)
            | MemoryKind::Feedback(runs)
            | MemoryKind::Clock(runs)
            | MemoryKind::CommandRamp(runs) => runs,
            MemoryKind::Counter | MemoryKind::Noise | MemoryKind::Recurrent | MemoryKind::Chunk => 1,
        }
    }

    /// Does a copy that saw the last `runs` runs have the same? One that saw the activation has everything.
    pub fn is_the_same_after(&self, runs: u64, saw_activation: bool) -> bool {
        saw_activation || matches!(self.kind, MemoryKind::History(length) if runs >= length as u64)
    }

    /// What it is, for people.
    pub fn what(&self) -> String {
        match self.kind {
            MemoryKind::History(runs) => format!("history of {runs} runs"),
            MemoryKind::Feedback(_) => "own actions fed back".to_owned(),
            MemoryKind::Clock(_) => "gait clock".to_owned(),
            MemoryKind::Counter => "runs counted".to_owned(),
            MemoryKind::Noise => "numbers drawn".to_owned(),
            MemoryKind::Recurrent => "recurrent state".to_owned(),
            MemoryKind::CommandRamp(_) => "ramp of the command".to_owned(),
            MemoryKind::Chunk => "actions computed in advance".to_owned(),
        }
    }
}

/// Everything a model remembers, in the order of its manifest.
pub fn memories(model: &Model) -> Vec<Memory> {
    let manifest = &model.manifest;
    let mut list = Vec::new();
    for input in &manifest.inputs {
        let mut add = |term: &str, kind| {
            list.push(Memory { tensor: input.tensor.clone(), term: term.to_owned(), kind });
        };
        match &input.source {
            InputSource::Counter(_) => add("counter", MemoryKind::Counter),
            InputSource::Gaussian(_) => add("gaussian", MemoryKind::Noise),
            InputSource::Terms(observed) => {
                for term in &observed.terms {
                    let runs = term.history.runs();
                    let kind = match &term.kind {
                        TermKind::LastAction(_) => Some(MemoryKind::Feedback(runs)),
                        TermKind::Phase(_) => Some(MemoryKind::Clock(runs)),
                        TermKind::VelocityCommand(_) if manifest.command.slew_per_s.is_some() => {
                            Some(MemoryKind::CommandRamp(runs))
                        }
                        TermKind::Constant(_) => None,
                        _ => (runs > 1).then_some(MemoryKind::History(runs)),
                    };
                    if let Some(kind) = kind {
                        add(term.kind.name(), kind);
                    }
                }
            }
        }
    }
    for state in &manifest.states {
        let (tensor, term) = (state.input.clone(), "state".to_owned());
        list.push(Memory { tensor, term, kind: MemoryKind::Recurrent });
    }
    for output in &manifest.outputs {
        if output.target().is_some_and(|target| target.chunk.is_some()) {
            let (tensor, term) = (output.tensor.clone(), "chunk".to_owned());
            list.push(Memory { tensor, term, kind: MemoryKind::Chunk });
        }
    }
    list
}
