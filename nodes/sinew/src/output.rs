//! What a command says on standard output: a reader that has seen enough is no fault, a full device is one.
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a result has been printed.
static SAID: AtomicBool = AtomicBool::new(false);
/// Why standard output took no more, once it did not.
static FAILED: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Prints a line; what cannot be written is told by [`verdict`].
macro_rules! out {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use out;

/// See [`out!`].
pub fn line(text: std::fmt::Arguments<'_>) {
    SAID.store(true, Ordering::Relaxed);
    let Ok(mut failed) = FAILED.lock() else { return };
    if failed.is_none() {
        let mut stdout = std::io::stdout().lock();
        *failed = writeln!(stdout, "{text}").and_then(|()| stdout.flush()).err();
    }
}

/// Prints lines, or nothing.
pub fn text(text: &str) {
    text.lines().for_each(|one| line(format_args!("{one}")));
}

/// An error as one object, unless the command has printed its own result.
pub fn error_object(error: &anyhow::Error) {
    if !SAID.load(Ordering::Relaxed) {
        out!("{}", serde_json::json!({ "passed": false, "error": format!("{error:#}") }));
    }
}

/// `code`, or failure with a word on standard error where a result could not be written.
pub fn verdict(code: ExitCode) -> ExitCode {
    match FAILED.lock().ok().and_then(|mut failed| failed.take()) {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("sinew: the result could not be written to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}
