//! A file that is no library is an error with its name; alone, since a process opens one library only.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

use sinew_inference_ort::{OpenError, Runtime};

#[test]
fn a_file_that_is_no_library_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so.1.32.0");
    std::fs::write(&path, b"text").unwrap();
    let error = Runtime::open(&path).unwrap_err();
    assert!(matches!(&error, OpenError::Load { .. }), "{error}");
    assert!(error.to_string().contains("libonnxruntime.so.1.32.0"), "{error}");
}
