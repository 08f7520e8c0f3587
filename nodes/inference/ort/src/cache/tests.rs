#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
use super::*;

fn key() -> EngineKey {
    EngineKey {
        graph_sha256: EngineKey::hash_graph(&GraphBytes::whole(*b"graph")),
        onnxruntime: "1.32.0".into(),
        tensorrt: "10.16.2".into(),
        capability: "8.7".into(),
        options: vec!["trt_builder_optimization_level=3".into()],
    }
}

/// Stands in for a GPU: writes bytes that say so.
struct Fake {
    simulated: bool,
    fails: bool,
    builds: u32,
}

fn fake() -> Fake {
    Fake { simulated: false, fails: false, builds: 0 }
}

impl EngineBuilder for Fake {
    fn name(&self) -> &str {
        "test builder"
    }
    fn simulated(&self) -> bool {
        self.simulated
    }
    fn build(
        &mut self,
        key: &EngineKey,
        folder: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), String> {
        self.builds += 1;
        progress("kernel 1 of 1");
        std::fs::write(folder.join(CONTEXT), format!("engine {}", key.id())).map_err(|e| e.to_string())?;
        std::fs::write(folder.join("a.profile"), b"shapes").map_err(|e| e.to_string())?;
        if self.fails { Err("out of memory".into()) } else { Ok(()) }
    }
}

fn filled() -> (tempfile::TempDir, EngineCache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = EngineCache::new(dir.path().join("engines"));
    cache.build(&key(), &mut fake(), false, &mut |_| {}).unwrap();
    (dir, cache)
}

#[test]
fn built_once_then_found() {
    let dir = tempfile::tempdir().unwrap();
    let cache = EngineCache::new(dir.path().join("engines"));
    let error = cache.prepared(&key()).unwrap_err();
    assert!(matches!(error, CacheError::NotBuilt { .. }));
    let told = error.to_string();
    assert!(told.contains("sinew model build FILE") && told.contains("TensorRT 10.16.2"), "{told}");
    let (mut builder, mut words) = (fake(), Vec::new());
    let first = cache.build(&key(), &mut builder, false, &mut |w| words.push(w.to_owned())).unwrap();
    assert!(first.built && words.iter().any(|w| w.contains("kernel")), "{words:?}");
    let again = cache.build(&key(), &mut builder, false, &mut |_| {}).unwrap();
    assert!(!again.built && builder.builds == 1);
    assert_eq!(cache.prepared(&key()).unwrap().context, format!("engine {}", key().id()).into_bytes());
    // Nothing but the entry is left behind.
    let names: Vec<_> = std::fs::read_dir(dir.path().join("engines")).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn everything_the_engine_depends_on_is_in_the_key() {
    let (_dir, cache) = filled();
    let changes: [fn(&mut EngineKey); 5] = [
        |k| k.graph_sha256 = "0".repeat(64),
        |k| k.onnxruntime = "1.33.0".into(),
        |k| k.tensorrt = "10.16.3".into(),
        |k| k.capability = "11.0".into(),
        |k| k.options.push("trt_fp16_enable=1".into()),
    ];
    for change in changes {
        let mut other = key();
        change(&mut other);
        assert!(matches!(cache.prepared(&other), Err(CacheError::NotBuilt { .. })));
    }
    let mut weights = GraphBytes::whole(*b"graph");
    weights.external.push(("w.data".into(), b"1".as_slice().into()));
    assert_ne!(EngineKey::hash_graph(&weights), key().graph_sha256);
}

#[test]
fn damage_is_refused_and_mended_only_on_request() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("SHA-256", |e| {
            let mut bytes = std::fs::read(e.join(CONTEXT)).unwrap();
            bytes[3] ^= 1;
            std::fs::write(e.join(CONTEXT), bytes).unwrap();
        }),
        ("bytes; index.json says", |e| std::fs::write(e.join(CONTEXT), b"engine").unwrap()),
        ("a.profile", |e| std::fs::remove_file(e.join("a.profile")).unwrap()),
        ("index.json", |e| std::fs::remove_file(e.join(INDEX)).unwrap()),
        ("index.json", |e| std::fs::write(e.join(INDEX), b"{").unwrap()),
        ("stands there and not", |e| std::fs::write(e.join("b.engine"), b"rebuilt in flight").unwrap()),
    ];
    for (expected, damage) in damages {
        let (_dir, cache) = filled();
        damage(&cache.entry(&key()));
        let error = cache.prepared(&key()).unwrap_err();
        assert!(matches!(error, CacheError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        let mut builder = fake();
        assert!(cache.build(&key(), &mut builder, false, &mut |_| {}).is_err());
        assert_eq!(builder.builds, 0, "nothing is rebuilt unasked");
        assert!(cache.build(&key(), &mut builder, true, &mut |_| {}).unwrap().built);
        cache.prepared(&key()).unwrap();
    }
}

#[test]
fn an_entry_of_another_device_under_this_name_is_refused() {
    let (_dir, cache) = filled();
    let path = cache.entry(&key()).join(INDEX);
    let text = std::fs::read_to_string(&path).unwrap().replace("8.7", "9.0");
    std::fs::write(&path, text).unwrap();
    let error = cache.prepared(&key()).unwrap_err();
    assert!(matches!(&error, CacheError::Foreign { field: "capability", .. }), "{error}");
    assert!(error.to_string().contains("capability 9.0; expected 8.7"), "{error}");
}

#[test]
fn a_simulated_engine_never_reaches_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let cache = EngineCache::new(dir.path());
    let mut builder = Fake { simulated: true, ..fake() };
    assert!(cache.build(&key(), &mut builder, false, &mut |_| {}).unwrap().simulated);
    assert!(matches!(cache.prepared(&key()), Err(CacheError::Simulated { .. })));
}

#[test]
fn a_build_that_fails_leaves_what_was_there() {
    let (_dir, cache) = filled();
    let mut builder = Fake { fails: true, ..fake() };
    let error = cache.build(&key(), &mut builder, true, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("test builder failed") && error.contains("out of memory"), "{error}");
    cache.prepared(&key()).unwrap();
    let mut other = key();
    other.tensorrt = "10.17".into();
    cache.build(&other, &mut builder, false, &mut |_| {}).unwrap_err();
    assert!(matches!(cache.prepared(&other), Err(CacheError::NotBuilt { .. })));
}
