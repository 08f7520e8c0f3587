//! Libraries that cannot be used are an error with their name and version; never an abort.
//!
//! Each `open` here fails, so they may share a process, which opens one library only.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failing set-up is a failing test

mod foreign;

use foreign::{compile, define};
use sinew_inference_ort::{OLDEST_MINOR, OpenError, Runtime};

#[test]
fn a_library_too_old_is_asked_for_nothing_but_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let before = format!("1.{}.2", OLDEST_MINOR - 1);
    for version in [before.as_str(), "1.9.0", "2.0.0", "unknown"] {
        // Any other call of this library ends the process.
        let path = dir.path().join(format!("libonnxruntime.so.{version}"));
        compile(include_str!("foreign/old.c"), &path, &[define("VERSION", version)]);
        let error = Runtime::open(&path).unwrap_err();
        assert!(matches!(&error, OpenError::TooOld { found, .. } if found == version), "{error}");
        let told = error.to_string();
        let expected = format!("expected 1.{OLDEST_MINOR} or newer");
        assert!(told.contains(&expected) && told.contains("libonnxruntime.so."), "{told}");
    }
}

#[test]
fn what_is_no_onnx_runtime_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so.1.32.0");
    std::fs::write(&path, b"text").unwrap();
    let error = Runtime::open(&path).unwrap_err();
    assert!(matches!(&error, OpenError::Load { .. }), "{error}");
    assert!(error.to_string().contains("libonnxruntime.so.1.32.0"), "{error}");

    let other = dir.path().join("libother.so");
    compile("int unrelated(void) { return 1; }", &other, &[]);
    let error = Runtime::open(&other).unwrap_err().to_string();
    assert!(error.contains("exports no `OrtGetApiBase`"), "{error}");

    let error = Runtime::open(&dir.path().join("gone.so")).unwrap_err().to_string();
    assert!(error.contains("gone.so") && error.contains("No such file"), "{error}");
}
