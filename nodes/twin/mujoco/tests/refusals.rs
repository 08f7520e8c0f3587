//! What cannot be used is refused with its name: libraries when they are opened, models when they are built.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking
mod support;

use sinew_pinned::Places;
use sinew_twin_mujoco::{Library, OpenError, find_or_fetch, places};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{FEET, JOINTS, QUAD, build, library};

/// What every MuJoCo since 3.2 has; the newest function of those needed is not among them.
const OLD: &str = "const char* mj_versionString(void) { return \"3.3.0\"; }
void* mj_parseXMLString(const char* x, void* v, char* e, int n) { return (void*)1; }
void* mj_compile(void* s, void* v) { return (void*)1; }
const char* mjs_getError(void* s) { return \"\"; }
void* mj_makeData(void* m) { return (void*)1; }
void mj_resetData(void* m, void* d) {}
void mj_step(void* m, void* d) {}
void mj_kinematics(void* m, void* d) {}
void mj_sensorPos(void* m, void* d) {}
void mj_getState(void* m, void* d, double* s, int b) {}
void mj_setState(void* m, void* d, const double* s, int b) {}
int mj_name2id(void* m, int t, const char* n) { return 0; }
double mj_getTotalmass(void* m) { return 1; }
void mj_deleteSpec(void* s) {}
void mj_deleteModel(void* m) {}
void mj_deleteData(void* d) {}
void (*mju_user_warning)(const char*);
";
/// State parts as before a part was put in between.
const OTHER_LAYOUT: &str = "int mj_stateSize(void* m, int bits) {
    int n = 0;
    for (int b = 0; b < 10; b++) if (bits >> b & 1) n += b == 1 ? 19 : b == 2 ? 18 : b == 5 ? 0 : b == 8 ? 84 : 18;
    return n;
}
const double* mj_readSensor(void* m, void* d, int i, double t, double* r, int k) { return 0; }
";
const NO_SENSORS: &str = "int mj_stateSize(void* m, int bits) { return 0; }\n";

fn compiled(folder: &Path, name: &str, parts: &[&str]) -> PathBuf {
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&source, parts.concat()).unwrap();
    let status =
        Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).arg(&library).arg(&source).status();
    assert!(status.unwrap().success());
    library
}

#[test]
fn a_library_too_old_is_refused_by_the_function_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let old = compiled(dir.path(), "old", &[OLD, NO_SENSORS]);
    let error = Library::open(&old).unwrap_err();
    assert!(matches!(error, OpenError::TooOld { symbol: "mj_readSensor", .. }), "{error}");
    let said = error.to_string();
    for word in ["old.so", "MuJoCo 3.3.0", "mj_readSensor", "3.17.0"] {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

#[test]
fn a_library_with_another_state_is_refused_before_anything_moves() {
    let dir = tempfile::tempdir().unwrap();
    let other = Library::open(&compiled(dir.path(), "other", &[OLD, OTHER_LAYOUT])).unwrap();
    let said = build(&other, QUAD, &JOINTS).err().expect("refused").to_string();
    assert!(said.contains("state part 32") && said.contains("18"), "{said}");
}

#[test]
fn what_is_no_library_and_what_is_not_there_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("libmujoco.so.3.17.0");
    std::fs::write(&text, "text").unwrap();
    let error = Library::open(&text).unwrap_err();
    assert!(
        matches!(error, OpenError::Load { .. }) && error.to_string().contains("libmujoco.so.3.17.0"),
        "{error}"
    );
    // A library that was named is not replaced by another, nor fetched.
    let places = Places { named: Some(dir.path().join("gone.so")), ..places() };
    let error = find_or_fetch(&places).unwrap_err();
    assert!(matches!(error, OpenError::NotFound(_)) && error.to_string().contains("gone.so"), "{error}");
}

#[test]
fn the_library_says_which_it_is() {
    let library = library();
    assert!(format!("{library:?}").contains(library.version()), "{library:?}");
    assert!(library.path().is_file());
}

#[test]
fn wrong_models_are_refused_by_name_or_line() {
    let library = library();
    let said = |model: &str, joints: &[&str], parts: &[&str]| {
        let text = build(&library, model, joints).err().expect("refused").to_string();
        assert!(parts.iter().all(|p| text.contains(p)), "'{text}' lacks one of {parts:?}");
    };
    said("<mujoco", &JOINTS, &["MJCF"]);
    said(&QUAD.replace("<freejoint name=\"root\"/>", ""), &JOINTS, &["floating base", "0"]);
    said(QUAD, &JOINTS[..11], &["RL_calf", "driven by nothing"]);
    let mut twice = JOINTS;
    twice[5] = "FR_hip";
    said(QUAD, &twice, &["FR_hip", "twice"]);
    let mut unknown = JOINTS;
    unknown[5] = "tail";
    said(QUAD, &unknown, &["tail", "FL_calf"]);
    said(
        &QUAD.replace("name=\"FR_hip\" axis", "name=\"FR_hip\" ref=\"0.1\" axis"),
        &JOINTS,
        &["FR_hip", "0.1"],
    );
    said(
        &QUAD.replace("name=\"FR_hip\" axis", "name=\"FR_hip\" type=\"slide\" axis"),
        &JOINTS,
        &["FR_hip", "slide"],
    );
    said(
        &QUAD.replace("</worldbody>", "</worldbody>\n<include file=\"x.xml\"/>"),
        &JOINTS,
        &["<include>", "line"],
    );
    let bare = QUAD.replace("<inertial pos=\"0 0 0\" mass=\"8.0\" diaginertia=\"0.05 0.12 0.14\"/>", "");
    said(&bare, &JOINTS, &["line", "inertial", "payload"]);
    for foot in FEET {
        let nameless = ["geom", "site"].iter().fold(QUAD.to_owned(), |model, tag| {
            model.replace(&format!("<{tag} name=\"{foot}\""), &format!("<{tag}"))
        });
        said(&nameless, &JOINTS, &[foot, "neither"]);
    }
    // MuJoCo's own verdicts keep the line of the robot's file.
    let line = 1 + QUAD.lines().position(|l| l.contains("<body name=\"RL_hip\"")).unwrap();
    let wrong = QUAD.replace("<body name=\"RL_hip\" pos", "<body name=\"RL_hip\" posture");
    said(&wrong, &JOINTS, &["MuJoCo 3", "posture", &line.to_string()]);
    said(&QUAD.replace("mass=\"0.22\"", "mass=\"-0.22\""), &JOINTS, &["MuJoCo 3", "mass"]);
}
