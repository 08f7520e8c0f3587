//! The quadruped's model files in memory, to be altered by tests.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

use std::collections::BTreeMap;
use std::path::PathBuf;

use sinew_inference::{Directory, Source, SourceError, sha256_hex};

pub const MANIFEST: &str = "quad_walk.model.toml";
pub const GRAPH: &str = "quad_walk.onnx";
pub const GOLDEN: &str = "quad_walk.golden.json";

pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn quad() -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad/models");
        let source = Directory::new(folder);
        Self([MANIFEST, GRAPH, GOLDEN].map(|name| (name.to_owned(), source.read(name).unwrap())).into())
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.0[name].clone()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub fn set_text(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), text.as_bytes().to_vec());
    }

    pub fn flip_byte(&mut self, name: &str, at: usize) {
        self.0.get_mut(name).unwrap()[at] ^= 1;
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Another golden file, with its hash in the manifest.
    pub fn replace_golden(&mut self, golden: &str) {
        let old = sha256_hex(&self.bytes(GOLDEN));
        let manifest = self.text(MANIFEST).replace(&old, &sha256_hex(golden.as_bytes()));
        self.set_text(MANIFEST, &manifest);
        self.set_text(GOLDEN, golden);
    }
}

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}
