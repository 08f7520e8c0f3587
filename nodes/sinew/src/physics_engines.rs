//! Every physics engine of this program, and how much time it takes.
use sinew_robot::Robot;
use sinew_rt::clock;
use sinew_stack::{BuiltIn, Engine, EngineError, Engines};
use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, RobotNames, StateError};
use sinew_twin_mujoco::{MujocoPhysics, find_or_fetch, places};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// rapier built in, MuJoCo found or fetched; each one metered.
#[derive(Debug, Default)]
pub struct AllEngines {
    spent_ns: Arc<AtomicU64>,
}

impl AllEngines {
    /// Time spent within the steps of the engines built here, s.
    #[must_use]
    pub fn spent_s(&self) -> f64 {
        self.spent_ns.load(Ordering::Relaxed) as f64 * 1e-9
    }
}

impl Engines for AllEngines {
    fn build(
        &self,
        engine: Engine,
        robot: &Robot,
        iterations: usize,
    ) -> Result<Box<dyn Physics>, EngineError> {
        let physics = match engine {
            Engine::Rapier => BuiltIn.build(engine, robot, iterations)?,
            Engine::Mujoco => mujoco(robot).map_err(|reason| EngineError::Foreign { engine, reason })?,
        };
        Ok(Box::new(Metered { physics, spent_ns: Arc::clone(&self.spent_ns) }))
    }
}

fn mujoco(robot: &Robot) -> Result<Box<dyn Physics>, String> {
    let library = find_or_fetch(&places()).map_err(|e| e.to_string())?;
    let joints: Vec<&str> = robot.joint_names().collect();
    let feet: Vec<&str> = robot.feet.iter().map(|foot| foot.site.as_str()).collect();
    let names = RobotNames { joints: &joints, feet: &feet };
    let physics = MujocoPhysics::new(&library, &robot.model_text, &names).map_err(|e| e.to_string())?;
    Ok(Box::new(physics))
}

/// An engine whose steps are timed from outside; what it computes is not touched.
struct Metered {
    physics: Box<dyn Physics>,
    spent_ns: Arc<AtomicU64>,
}

impl Physics for Metered {
    fn name(&self) -> &'static str {
        self.physics.name()
    }
    fn joint_count(&self) -> usize {
        self.physics.joint_count()
    }
    fn foot_count(&self) -> usize {
        self.physics.foot_count()
    }
    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        self.physics.set_state(base, q_rad)
    }
    fn step(&mut self, torques_nm: &[f64], dt_s: f64) {
        let began = clock::now();
        self.physics.step(torques_nm, dt_s);
        self.spent_ns.fetch_add(clock::now().since_ns(began), Ordering::Relaxed);
    }
    fn joint_state(&self, i: usize) -> (f64, f64) {
        self.physics.joint_state(i)
    }
    fn base(&self) -> BaseTruth {
        self.physics.base()
    }
    fn foot(&self, i: usize) -> FootTruth {
        self.physics.foot(i)
    }
    fn trunk_contact(&self) -> bool {
        self.physics.trunk_contact()
    }
    fn contact_force_n(&self) -> f64 {
        self.physics.contact_force_n()
    }
    fn push(&mut self, delta_v_m_s: [f64; 3]) {
        self.physics.push(delta_v_m_s);
    }
    fn set_base_wrench(&mut self, force_n: [f64; 3], torque_nm: [f64; 3]) {
        self.physics.set_base_wrench(force_n, torque_nm);
    }
    fn set_friction(&mut self, mu: f64) {
        self.physics.set_friction(mu);
    }
    fn set_payload(&mut self, kg: f64) {
        self.physics.set_payload(kg);
    }
    fn mass_kg(&self) -> f64 {
        self.physics.mass_kg()
    }
    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        self.physics.state_bits(sink);
    }
}
