//! An engine that goes while the robot walks on it, as a device that falls off its bus: the policy faults, the robot
//! stands.
#![allow(clippy::unwrap_used)] // a failing set-up is a failing test
mod support;

use sinew_inference::{Engine, EngineIo, Model, RunError};
use sinew_robot::Robot;
use sinew_stack::{Models, Setup, SetupError, Stack, native_engine};

const WALK: &str = "name: engine_lost
robot: quad
policies: [quad_walk]
duration_s: 14
goals:
  - {at_s: 0, goal: stand}
  - {at_s: 7, goal: policy, policy: 0}
segments:
  from_s: 7
  for_s: 7
  settle_s: 1
  velocities: [[0.5, 0, 0]]
expect:
  falls: 0
";

/// Runs before it is lost: the golden vectors and two seconds of walking.
const RUNS: u32 = 67 + 100;

struct Lost {
    engine: Box<dyn Engine>,
    left: u32,
}

impl Engine for Lost {
    fn name(&self) -> &str {
        "onnxruntime 0 (cuda)"
    }
    fn io(&self) -> &EngineIo {
        self.engine.io()
    }
    fn input_mut(&mut self, index: usize) -> &mut [f32] {
        self.engine.input_mut(index)
    }
    fn run(&mut self) -> Result<(), RunError> {
        if self.left == 0 {
            let reason = "CUDA error 719: unspecified launch failure".to_owned();
            return Err(RunError::Engine { engine: self.name().to_owned(), reason });
        }
        self.left -= 1;
        self.engine.run()
    }
    fn output(&self, index: usize) -> &[f32] {
        self.engine.output(index)
    }
}

fn lost(model: &Model) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(Lost { engine: native_engine(model)?, left: RUNS }))
}

fn setup(make: sinew_stack::MakeEngine) -> Result<Setup, SetupError> {
    let scenario = support::parse(WALK);
    let folder = support::robot_folder("quad");
    let models = Models::of(&support::root().join("test.yaml"), &folder);
    Setup::of_with(&scenario, Robot::load(&folder).unwrap(), &models, make)
}

#[test]
fn a_robot_whose_engine_goes_while_it_walks_stands() {
    let scenario = support::parse(WALK);
    let walks = Stack::run(&setup(native_engine).unwrap(), &scenario, "test.yaml").unwrap().0.score;
    assert_eq!((walks.falls, walks.mode.as_str()), (0, "Policy"), "{:?}", walks.broken);
    let stands = Stack::run(&setup(lost).unwrap(), &scenario, "test.yaml").unwrap().0.score;
    assert_eq!((stands.falls, stands.mode.as_str()), (0, "Stand"), "{:?} {:?}", stands.faults, stands.broken);
}

#[test]
fn a_model_that_asks_for_another_engine_does_not_get_the_native_one() {
    let mut setup = setup(native_engine).unwrap();
    setup.models[0].manifest.runtime.engines = vec![sinew_inference::manifest::EngineKind::OnnxRuntime];
    let error = setup.policy(0, 1).err().unwrap().to_string();
    assert!(error.contains("asks for onnxruntime; here there is only native"), "{error}");
}
