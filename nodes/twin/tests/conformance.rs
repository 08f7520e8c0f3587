//! The conformance suite over the engines of this room, and proof that each check can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking

use sinew_twin::conformance::{Builder, CHECKS, Subject, Violation};
use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, StateError};
use sinew_twin::{ModelError, RapierConfig, RapierPhysics, RobotNames};
use std::cell::Cell;

const JOINTS: [&str; 12] = [
    "FR_hip", "FR_thigh", "FR_calf", "FL_hip", "FL_thigh", "FL_calf", "RR_hip", "RR_thigh", "RR_calf",
    "RL_hip", "RL_thigh", "RL_calf",
];
const FEET: [&str; 4] = ["FR_foot", "FL_foot", "RR_foot", "RL_foot"];
const STAND: [f64; 12] = [0.0, 0.8, -1.5, 0.0, 0.8, -1.5, 0.0, 0.8, -1.5, 0.0, 0.8, -1.5];
const QUAD: &str = include_str!("../../../launch/robots/quad/quad.xml");

fn rapier(order: &[&str]) -> Result<Box<dyn Physics>, String> {
    rapier_with(order, RapierConfig::default().solver_iterations)
}

fn rapier_with(order: &[&str], solver_iterations: usize) -> Result<Box<dyn Physics>, String> {
    let names = RobotNames { joints: order, feet: &FEET };
    let config = RapierConfig { solver_iterations, ..RapierConfig::default() };
    RapierPhysics::new(QUAD, &names, &config)
        .map(|p| Box::new(p) as Box<dyn Physics>)
        .map_err(|e| e.to_string())
}

fn subject<'a>(build: &'a Builder<'a>) -> Subject<'a> {
    // 0.21 cos 0.8 + 0.21 cos 0.7 + 0.022
    Subject { build, joints: &JOINTS, stand_q_rad: &STAND, stand_height_m: 0.329 }
}

fn check(name: &str, build: &Builder<'_>) -> Result<(), Violation> {
    let (_, run) = CHECKS.iter().find(|(n, _)| *n == name).expect("a check of that name");
    run(&subject(build))
}

macro_rules! rapier_passes {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name), &rapier).unwrap(); })+
        #[test]
        fn every_check_is_run() {
            let run = [$(stringify!($name)),+];
            assert!(CHECKS.iter().all(|(name, _)| run.contains(name)), "a check is missing from this file");
        }
    };
}
rapier_passes!(
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

#[test]
fn the_suite_holds_with_four_solver_iterations_too() {
    for (name, _) in CHECKS {
        check(name, &|order: &[&str]| rapier_with(order, 4)).unwrap();
    }
}

/// One lie told by an otherwise honest engine.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Lie {
    WeakGravity,
    LosesForce,
    ForgetsPayload,
    NanInTheAir,
    Noisy,
    FlippedTorque,
    SwappedJoints,
    HalfPush,
    WrenchUpsideDown,
    WrenchAtTheFeet,
    ClingingWrench,
    StickyIce,
    IgnoresOrder,
    NoStops,
    SetStateOffByOne,
    TakesNan,
    MovesOnChange,
    OwnStep,
    LateFeet,
    NeverOnTrunk,
}

struct Liar {
    inner: Box<dyn Physics>,
    lie: Lie,
    steps: u64,
    noise: f64,
    feet_before: Vec<FootTruth>,
}

impl Physics for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }
    fn joint_count(&self) -> usize {
        self.inner.joint_count()
    }
    fn foot_count(&self) -> usize {
        self.inner.foot_count()
    }
    fn set_state(&mut self, base: &BasePose, q: &[f64]) -> Result<(), StateError> {
        let mut q = q.to_vec();
        if self.lie == Lie::SetStateOffByOne {
            q.rotate_left(1);
        }
        self.inner.set_state(base, &q)
    }
    fn step(&mut self, torques: &[f64], dt_s: f64) {
        let mut torques = torques.to_vec();
        match self.lie {
            Lie::WeakGravity => self.inner.push([0.0, 0.0, 0.2 * dt_s]),
            Lie::Noisy => self.inner.push([self.noise, 0.0, 0.0]),
            Lie::FlippedTorque => torques.iter_mut().skip(4).take(1).for_each(|t| *t = -*t),
            Lie::TakesNan if torques.iter().any(|t| t.is_nan()) => torques.fill(1.0),
            _ => {}
        }
        self.steps += 1;
        self.feet_before = (0..self.inner.foot_count()).map(|i| self.inner.foot(i)).collect();
        self.inner.step(&torques, if self.lie == Lie::OwnStep { 0.001 } else { dt_s });
    }
    fn joint_state(&self, i: usize) -> (f64, f64) {
        match self.lie {
            Lie::SwappedJoints if i < 2 => self.inner.joint_state(1 - i),
            Lie::NoStops => {
                let (q, dq) = self.inner.joint_state(i);
                (q + 1e-3 * self.steps as f64, dq)
            }
            _ => self.inner.joint_state(i),
        }
    }
    fn base(&self) -> BaseTruth {
        let mut base = self.inner.base();
        if self.lie == Lie::NanInTheAir && self.steps == 400 {
            base.position_m[1] = f64::NAN;
        }
        base
    }
    fn foot(&self, i: usize) -> FootTruth {
        let mut foot = self.inner.foot(i);
        if self.lie == Lie::LosesForce && i == 2 {
            foot.force_n *= 0.9;
        }
        if self.lie == Lie::LateFeet && self.steps > 0 {
            foot.position_m = self.feet_before[i].position_m;
        }
        foot
    }
    fn trunk_contact(&self) -> bool {
        self.lie != Lie::NeverOnTrunk && self.inner.trunk_contact()
    }
    fn contact_force_n(&self) -> f64 {
        self.inner.contact_force_n()
    }
    fn push(&mut self, dv: [f64; 3]) {
        let factor = if self.lie == Lie::HalfPush { 0.5 } else { 1.0 };
        self.inner.push(dv.map(|v| v * factor));
    }
    fn set_base_wrench(&mut self, force: [f64; 3], torque: [f64; 3]) {
        match self.lie {
            Lie::WrenchUpsideDown => self.inner.set_base_wrench(force, torque.map(|t| -t)),
            Lie::WrenchAtTheFeet => {
                let [x, y, z] = force;
                let [tx, ty, tz] = torque;
                self.inner.set_base_wrench([x, y, z], [tx + 0.3 * y, ty - 0.3 * x, tz]);
            }
            Lie::ClingingWrench if torque.iter().any(|t| t.is_nan()) => {}
            _ => self.inner.set_base_wrench(force, torque),
        }
    }
    fn set_friction(&mut self, mu: f64) {
        if self.lie == Lie::MovesOnChange {
            self.inner.push([1e-6, 0.0, 0.0]);
        }
        self.inner.set_friction(if self.lie == Lie::StickyIce { mu.max(0.4) } else { mu });
    }
    fn set_payload(&mut self, kg: f64) {
        if self.lie != Lie::ForgetsPayload {
            self.inner.set_payload(kg);
        }
    }
    fn mass_kg(&self) -> f64 {
        self.inner.mass_kg()
    }
    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        self.inner.state_bits(sink);
    }
}

#[test]
fn each_check_catches_a_planted_violation() {
    let planted = [
        ("set_state", Lie::SetStateOffByOne),
        ("free_fall", Lie::WeakGravity),
        ("standing_force", Lie::LosesForce),
        ("payload", Lie::ForgetsPayload),
        ("rag_doll", Lie::NanInTheAir),
        ("determinism", Lie::Noisy),
        ("torque_sign", Lie::FlippedTorque),
        ("torque_sign", Lie::SwappedJoints),
        ("push", Lie::HalfPush),
        ("base_wrench", Lie::WrenchUpsideDown),
        ("base_wrench", Lie::WrenchAtTheFeet),
        ("base_wrench", Lie::ClingingWrench),
        ("friction", Lie::StickyIce),
        ("names", Lie::IgnoresOrder),
        ("joint_stops", Lie::NoStops),
        ("bad_torque", Lie::TakesNan),
        ("changes", Lie::MovesOnChange),
        ("step_length", Lie::OwnStep),
        ("feet", Lie::LateFeet),
        ("collapse", Lie::NeverOnTrunk),
    ];
    for (name, lie) in planted {
        let built = Cell::new(0u32);
        let build = |order: &[&str]| {
            built.set(built.get() + 1);
            let order = if lie == Lie::IgnoresOrder { &JOINTS[..] } else { order };
            let noise = 1e-7 * f64::from(built.get());
            Ok(Box::new(Liar { inner: rapier(order)?, lie, steps: 0, noise, feet_before: Vec::new() })
                as Box<dyn Physics>)
        };
        let verdict = check(name, &build);
        assert!(verdict.is_err(), "{name} did not notice {lie:?}");
    }
}

#[test]
fn wrong_models_are_refused_by_name() {
    let build = |model: &str, joints: &[&str], feet: &[&str]| {
        RapierPhysics::new(model, &RobotNames { joints, feet }, &RapierConfig::default()).err()
    };
    let said = |error: Option<ModelError>, parts: &[&str]| {
        let text = error.expect("refused").to_string();
        assert!(parts.iter().all(|p| text.contains(p)), "'{text}' lacks one of {parts:?}");
    };
    said(build("<mujoco", &JOINTS, &FEET), &["MJCF"]);
    said(build(&QUAD.replace("<freejoint name=\"root\"/>", ""), &JOINTS, &FEET), &["floating base", "0"]);
    said(build(QUAD, &JOINTS[..11], &FEET), &["RL_calf", "driven by nothing"]);
    let mut twice = JOINTS;
    twice[5] = "FR_hip";
    said(build(QUAD, &twice, &FEET), &["FL_calf"]);
    let extra: Vec<&str> = JOINTS.iter().copied().chain(["FR_hip"]).collect();
    said(build(QUAD, &extra, &FEET), &["FR_hip", "twice"]);
    said(build(QUAD, &JOINTS, &["FR_paw"]), &["FR_paw"]);
    said(
        build(&QUAD.replace("name=\"FR_hip\" axis", "name=\"FR_hip\" ref=\"0.1\" axis"), &JOINTS, &FEET),
        &["FR_hip", "0.1"],
    );
    said(
        build(&QUAD.replace("</worldbody>", "</worldbody>\n<include file=\"x.xml\"/>"), &JOINTS, &FEET),
        &["<include>", "line"],
    );
    let bad = RapierConfig { solver_iterations: 0, ..RapierConfig::default() };
    let names = RobotNames { joints: &JOINTS, feet: &FEET };
    said(RapierPhysics::new(QUAD, &names, &bad).err(), &["solver_iterations", "1 to 64"]);
}
