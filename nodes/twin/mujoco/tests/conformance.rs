//! The twin's conformance suite over MuJoCo. That each check can fail is shown in the twin's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking
mod support;

use sinew_twin::Physics;
use sinew_twin::conformance::{CHECKS, Subject};
use support::{JOINTS, QUAD, STAND};

fn check(name: &str) {
    let library = support::library();
    let build = |order: &[&str]| {
        let built = support::build(&library, QUAD, order);
        built.map(|p| Box::new(p) as Box<dyn Physics>).map_err(|e| e.to_string())
    };
    let (_, run) = CHECKS.iter().find(|(n, _)| *n == name).expect("a check of that name");
    // 0.21 cos 0.8 + 0.21 cos 0.7 + 0.022
    run(&Subject { build: &build, joints: &JOINTS, stand_q_rad: &STAND, stand_height_m: 0.329 }).unwrap();
}

macro_rules! mujoco_passes {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name)); })+
        #[test]
        fn every_check_is_run() {
            let run = [$(stringify!($name)),+];
            assert!(CHECKS.iter().all(|(name, _)| run.contains(name)), "a check is missing from this file");
        }
    };
}
mujoco_passes!(
    set_state,
    free_fall,
    standing_force,
    payload,
    rag_doll,
    determinism,
    torque_sign,
    push,
    base_wrench,
    friction,
    names,
    joint_stops,
    bad_torque,
    changes,
    step_length,
    feet,
    collapse,
);
