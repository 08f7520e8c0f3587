//! The quadruped's model, as it is or altered, and robot states to feed it.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test

use std::path::PathBuf;

use sinew_inference::{Directory, Engine, Model, NativeEngine, Source, SourceError};
use sinew_policy::{Policy, PolicyConfig};
use sinew_wire::{RobotJoint, RobotState};

pub const MANIFEST: &str = "quad_walk.model.toml";
pub const PERIOD_NS: u64 = 2_000_000;
pub const NUMBER: u8 = 3;

/// The model's folder with another manifest text.
pub struct Edited(Directory, String);

impl Edited {
    pub fn as_it_is() -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../launch/robots/quad/models");
        let source = Directory::new(folder);
        let text = String::from_utf8(source.read(MANIFEST).unwrap()).unwrap();
        Self(source, text)
    }

    pub fn replacing(edits: &[(&str, &str)]) -> Self {
        let Self(source, mut text) = Self::as_it_is();
        for (from, to) in edits {
            assert!(text.contains(from), "`{from}` is not in the manifest");
            text = text.replacen(from, to, 1);
        }
        Self(source, text)
    }

    pub fn model(&self) -> Model {
        Model::load(self, MANIFEST).unwrap()
    }
}

impl Source for Edited {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        if name == MANIFEST { Ok(self.1.clone().into_bytes()) } else { self.0.read(name) }
    }
}

pub fn model() -> Model {
    Edited::as_it_is().model()
}

pub fn native(model: &Model) -> Box<dyn Engine> {
    Box::new(NativeEngine::new(model).unwrap())
}

/// Joint names in the order of the policy.
pub fn policy_order() -> Vec<String> {
    model().manifest.joints.order
}

/// A robot order that leaves no joint in its place.
pub fn other_order() -> Vec<String> {
    let mut names = policy_order();
    names.reverse();
    names.rotate_left(5);
    names
}

pub fn config(joints: &[String]) -> PolicyConfig<'_> {
    PolicyConfig {
        number: NUMBER,
        joints,
        feet: &[],
        max_gains: None,
        stand_kp_nm_per_rad: None,
        position_limits: None,
        period_ns: PERIOD_NS,
        latency_ticks_min: 0,
        boot_id: 9,
    }
}

pub fn policy(joints: &[String]) -> Policy {
    let model = model();
    Policy::new(&model, native(&model), &config(joints)).unwrap()
}

/// A robot standing still, upright, with policy `NUMBER` active.
pub fn standing(joints: &[String], step: u64, activation: u32, command: [f32; 3]) -> RobotState {
    let mut state = RobotState::default();
    state.header.step = step;
    state.header.seq = step as u32;
    state.header.boot_id = 77;
    state.body.projected_gravity = [0.0, 0.0, -1.0];
    state.body.command = command;
    state.body.active_policy = NUMBER;
    state.body.activation = activation;
    let stand = |name: &String| match name.split_once('_').unwrap().1 {
        "hip" => 0.0,
        "thigh" => 0.8,
        _ => -1.5,
    };
    state.joints.extend(joints.iter().map(|name| RobotJoint { q_rad: stand(name), ..RobotJoint::default() }));
    state
}
