//! Imported fixtures do what the policy they were made of does: the same targets, joint by joint, tick by tick.
//!
//! Each fixture wraps quad_walk in another joint order, with other scales and histories. An order, scale or history
//! taken wrongly gives other targets; that is planted below and must be seen.
#![allow(clippy::unwrap_used, clippy::panic)] // a failing set-up is a failing test
mod quad;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sinew_inference::import::{self, Folder, Overrides, Plan, RobotFacts, Written};
use sinew_inference::{Directory, Model, Source, SourceError, sha256_hex};
use sinew_policy::Policy;
use sinew_wire::{PolicyStatus, RobotState, StepTime};

/// A written model in memory.
struct Files(BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() };
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

fn names(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            names(&entry.path(), &format!("{name}/"), found)
        } else {
            found.push(name)
        }
    }
}

/// Imports a fixture and loads it with `alter` applied to its manifest.
fn imported(name: &str, alter: impl Fn(String) -> String) -> Model {
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/import/fixtures").join(name);
    let mut files = Vec::new();
    names(&root, "", &mut files);
    files.sort();
    let source = Directory::new(&root);
    let folder = Folder { name: name.to_owned(), files, source: &source };
    let robot = RobotFacts { joints: quad::policy_order(), stand_rad: vec![0.0; 12] };
    let sets = [format!("motors=[{}]", quad::policy_order().join(", "))];
    let said = std::fs::read(root.join("said.yaml"));
    let overrides = match (name, &said) {
        ("quad_unitree", _) => Overrides::parse(None, &sets),
        (_, Ok(bytes)) => Overrides::parse(Some(("said.yaml", bytes)), &[]),
        _ => Overrides::parse(None, &[]),
    };
    let draft = import::read(&folder, None, &robot, &overrides.unwrap()).unwrap();
    let plan = Plan { name: "model", version: "1", engines: &["native"], engine_note: "" };
    let written = Written::of(&draft, &folder, &plan).unwrap();
    let mut files: BTreeMap<String, Vec<u8>> = written.files.into_iter().collect();
    let zeros = ["0.0"; 12].join(",");
    let golden = format!(
        "{{\"schema\":1,\"graph_sha256\":\"{}\",\"rate_hz\":50.0,\"joints\":[\"{}\"],\"cases\":[{{\"name\":\"n\",\"ticks\":[{{\
         \"gyro_rad_s\":[0,0,0],\"projected_gravity\":[0,0,-1],\"command\":[0,0,0],\"q_rad\":[{zeros}],\"dq_rad_s\":[{zeros}],\
         \"orientation_wxyz\":[1,0,0,0],\"target_rad\":[{zeros}]}}]}}]}}",
        sha256_hex(&files["model.onnx"]),
        draft.joints.value().unwrap().join("\",\""),
    );
    let verify = import::verify_section("golden.json", &sha256_hex(golden.as_bytes()), "test");
    files.insert("golden.json".to_owned(), golden.into_bytes());
    files.insert("model.model.toml".to_owned(), alter(format!("{}{verify}", written.manifest)).into_bytes());
    Model::load(&Files(files), "model.model.toml").unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A walk with measurements drawn anew each time, the same for everybody.
fn walk() -> Vec<RobotState> {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut draw = |size: f32| (rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) * size;
    let joints = quad::other_order();
    let state = |tick: u64| {
        let mut state = quad::standing(&joints, tick * 10, 1, [0.5 + draw(0.3), draw(0.3), draw(0.5)]);
        let (roll, pitch) = (draw(0.2), draw(0.2));
        let (cr, sr) = ((roll / 2.0).cos(), (roll / 2.0).sin());
        let (cp, sp) = ((pitch / 2.0).cos(), (pitch / 2.0).sin());
        state.body.orientation = [cr * cp, sr * cp, cr * sp, -sr * sp];
        let [w, x, y, z] = state.body.orientation;
        state.body.projected_gravity =
            [2.0 * (w * y - x * z), -2.0 * (y * z + w * x), x * x + y * y - z * z - w * w];
        state.body.angular_velocity_rad_s = [draw(1.0), draw(1.0), draw(1.0)];
        for joint in &mut state.joints {
            joint.q_rad += draw(0.3);
            joint.dq_rad_s = draw(4.0);
        }
        state
    };
    (0..40).map(state).collect()
}

/// Largest difference of a target from those of the policy inside over the walk, rad.
fn worst(model: &Model) -> f32 {
    let joints = quad::other_order();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/import/fixtures/quad_walk");
    let inside = Model::load(&Directory::new(folder), quad::MANIFEST).unwrap();
    let mut original = Policy::new(&inside, quad::native(&inside), &quad::config(&joints)).unwrap();
    let mut foreign = Policy::new(model, quad::native(model), &quad::config(&joints)).unwrap();
    let mut worst = 0f32;
    for state in walk() {
        let expected = original.step(&state, StepTime::default());
        let found = foreign.step(&state, StepTime::default());
        assert_eq!(found.body.status(), PolicyStatus::Targets, "{:?}", foreign.fault());
        for (found, expected) in found.joints.iter().zip(&expected.joints) {
            worst = worst.max((found.q_rad - expected.q_rad).abs());
        }
    }
    worst
}

const EQUAL: f32 = 2e-5;

#[test]
fn targets_are_those_of_the_policy_inside() {
    for name in ["quad_unitree", "quad_metadata", "quad_leapp"] {
        let worst = worst(&imported(name, |text| text));
        assert!(worst < EQUAL, "{name}: {worst} rad");
    }
}

#[test]
fn orders_scales_and_histories_taken_wrongly_are_seen() {
    let planted: [(&str, &str, &str, &str); 8] = [
        ("joint order", "quad_unitree", "order = [\"FL_hip\", \"FR_hip\"", "order = [\"FR_hip\", \"FL_hip\""),
        ("history order", "quad_unitree", "order = \"oldest_first\"", "order = \"newest_first\""),
        ("scale", "quad_unitree", "scale = 0.2 ", "scale = 0.25 "),
        ("action scale", "quad_unitree", "scale = [0.25, ", "scale = [0.5, "),
        ("feedback stage", "quad_unitree", "stage = \"raw\"", "stage = \"scaled\""),
        ("default position", "quad_metadata", "minus = \"default_pos\"\n", "minus = 0.0\n"),
        ("order of one tensor", "quad_leapp", "[\"FL_calf\", \"FL_hip\"", "[\"FL_hip\", \"FL_calf\""),
        ("quaternion order", "quad_leapp", "as = \"quaternion_xyzw\"", "as = \"quaternion_wxyz\""),
    ];
    for (what, name, from, to) in planted {
        let alter = |text: String| {
            assert!(text.contains(from), "{what}: `{from}` in\n{text}");
            text.replace(from, to)
        };
        let worst = worst(&imported(name, alter));
        assert!(worst > 50.0 * EQUAL, "{what}: only {worst} rad");
    }
}

#[test]
fn a_first_value_of_a_state_is_not_zero_when_the_bundle_says_so() {
    let zeros = |text: String| {
        let at = text.find("init = { file").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        // The clock's state is the first.
        format!("{}init = \"zeros\"{}", &text[..at], &text[end..])
    };
    assert!(worst(&imported("quad_leapp", zeros)) > 50.0 * EQUAL);
}
