//! Small foreign libraries, compiled by the C compiler that a build needs anyway.

use std::path::Path;
use std::process::Command;

/// Compiles `source` (C) to the shared library `out`.
pub fn compile(source: &str, out: &Path, flags: &[String]) {
    let file = out.with_extension("c");
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(&file, source).unwrap();
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .arg(out)
        .arg(&file)
        .args(flags)
        .output()
        .expect("a C compiler, cc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `-DNAME=value`, a text in quotes.
#[allow(dead_code)] // each test file takes what it needs
pub fn define(name: &str, value: &str) -> String {
    format!("-D{name}=\"{value}\"")
}
