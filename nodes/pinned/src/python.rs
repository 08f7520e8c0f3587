//! Running Python and pip, with the last words of what failed.

use std::process::Command;

/// A command that could not be started or did not succeed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Command line, as far as it is short.
    pub command: String,
    /// Its last words.
    pub reason: String,
}

/// `python3 -m pip VERB`, quiet, wheels only, nothing but what is asked for.
pub(crate) fn pip(verb: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", verb, "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]);
    pip.arg("--only-binary=:all:");
    pip
}

/// Runs a Python command and gives its standard output, trimmed.
pub(crate) fn run(mut command: Command) -> Result<String, Failed> {
    let arguments = command.get_args().filter_map(|a| a.to_str()).take_while(|a| !a.contains('\n'));
    let shown = std::iter::once("python3").chain(arguments).collect::<Vec<_>>().join(" ");
    let failed = |reason: String| Failed { command: shown.clone(), reason };
    let output = command.output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(failed(last_words(&output.stderr)))
}

/// The last three lines that are not empty.
#[must_use]
pub fn last_words(stderr: &[u8]) -> String {
    let words = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.into_iter().rev().take(3).rev().collect::<Vec<_>>().join(" | ")
}
