//! One robot in a MuJoCo world, behind the [`Physics`] trait.
//!
//! Generalised coordinates are laid out as the joints are numbered: seven positions and six rates of the free base,
//! one of each per hinge. Linear base velocity is that of the body's origin in the world frame, angular velocity is
//! in the body frame: what the trait asks for.

use crate::library::{Library, Sensor, World, part};
use crate::model::{ModelRefused, ROBOT, Settings, TRUNK, Template, foot_sensors};
use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, RobotNames, StateError, check_state};

/// Step for which a model is compiled first, s; another one at the first step compiles it once more.
const FIRST_DT_S: f64 = 0.001;
/// What a step reads back.
const READ: std::ffi::c_int = part::QPOS | part::QVEL | part::WARMSTART;

/// Why a robot could not be built in MuJoCo.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PhysicsError {
    /// The model was refused before MuJoCo saw it.
    #[error(transparent)]
    Model(#[from] ModelRefused),
    /// MuJoCo refused it.
    #[error("model: MuJoCo {version} refuses it: {reason}")]
    Compile {
        /// Version of the library.
        version: String,
        /// In MuJoCo's words, with the line of the robot's file where it knows one.
        reason: String,
    },
    /// The library is one that this room cannot talk to.
    #[error("MuJoCo {version}: {reason}; use the version that is fetched, or report this one")]
    Layout {
        /// Version of the library.
        version: String,
        /// What is different.
        reason: String,
    },
}

/// Where a joint's angle and rate are.
#[derive(Clone, Copy, Debug)]
struct Address {
    q: usize,
    v: usize,
}

struct Foot {
    position: Sensor<3>,
    contact: Sensor<4>,
    truth: FootTruth,
}

/// One robot in a MuJoCo world.
pub struct MujocoPhysics {
    library: Library,
    template: Template,
    settings: Settings,
    world: World,
    base: Address,
    joints: Vec<Address>,
    feet: Vec<Foot>,
    trunk: Sensor<4>,
    robot: Sensor<4>,
    trunk_force_n: f64,
    contact_force_n: f64,
    mass_kg: f64,
    /// Positions, rates and warm start, in this order.
    state: Vec<f64>,
    positions: usize,
    /// One entry per degree of freedom.
    torques_nm: Vec<f64>,
    /// On the base: force at its origin and torque, world frame.
    wrench: [[f64; 3]; 2],
}

impl MujocoPhysics {
    /// Build a world from MJCF text. Joints and feet are taken by name, in the order given.
    ///
    /// # Errors
    /// [`PhysicsError`], each naming what was looked for and what there is instead.
    pub fn new(library: &Library, mjcf: &str, names: &RobotNames<'_>) -> Result<Self, PhysicsError> {
        let template = Template::of(mjcf, names)?;
        let settings = Settings { dt_s: FIRST_DT_S, friction: None, payload_kg: 0.0 };
        let version = || library.version().to_owned();
        let world = library
            .compile(&template.render(&settings))
            .map_err(|reason| PhysicsError::Compile { version: version(), reason })?;
        let hinges = names.joints.len();
        let other = |reason: String| PhysicsError::Layout { version: version(), reason };
        world.layout(hinges).map_err(other)?;
        let ids: Option<Vec<usize>> = names.joints.iter().map(|name| world.joint_id(name)).collect();
        let ids = ids.ok_or_else(|| other("a joint has lost its name".to_owned()))?;
        // Joints are numbered through the tree; the number that no hinge has is the free one's.
        let free = (0..=hinges).find(|id| !ids.contains(id)).unwrap_or(0);
        let joints = ids
            .iter()
            .map(|id| {
                let behind = usize::from(*id > free);
                Address { q: id + 6 * behind, v: id + 5 * behind }
            })
            .collect();
        let sensor = |name: &str| world.sensor::<4>(name).ok_or_else(|| other(format!("no sensor {name}")));
        let feet = (0..names.feet.len())
            .map(|i| {
                let [position, contact] = foot_sensors(i);
                let missing = || other(format!("no sensor {position}"));
                Ok(Foot {
                    position: world.sensor(&position).ok_or_else(missing)?,
                    contact: sensor(&contact)?,
                    truth: FootTruth::default(),
                })
            })
            .collect::<Result<Vec<_>, PhysicsError>>()?;
        let (trunk, robot) = (sensor(TRUNK)?, sensor(ROBOT)?);
        let (positions, dofs) = (hinges + 7, hinges + 6);
        let mut physics = Self {
            library: library.clone(),
            template,
            settings,
            mass_kg: world.mass_kg(),
            world,
            base: Address { q: free, v: free },
            joints,
            feet,
            trunk,
            robot,
            trunk_force_n: 0.0,
            contact_force_n: 0.0,
            state: vec![0.0; positions + 2 * dofs],
            positions,
            torques_nm: vec![0.0; dofs],
            wrench: [[0.0; 3]; 2],
        };
        physics.world.locate();
        physics.read_state();
        let length: f64 = physics.position::<4>(physics.base.q + 3).iter().map(|x| x * x).sum();
        if (length - 1.0).abs() > 1e-9 {
            return Err(other(format!(
                "the base's quaternion has length {length}, expected 1: single precision?"
            )));
        }
        Ok(physics)
    }

    fn position<const N: usize>(&self, at: usize) -> [f64; N] {
        let found = self.state.get(at..at + N).and_then(|s| s.try_into().ok());
        found.unwrap_or([f64::NAN; N])
    }

    fn rate<const N: usize>(&self, at: usize) -> [f64; N] {
        self.position(self.positions + at)
    }

    /// What is true now: coordinates, and where the feet are.
    fn read_state(&mut self) {
        self.world.get(READ, &mut self.state);
        for foot in &mut self.feet {
            foot.truth.position_m = self.world.read(foot.position);
        }
    }

    /// The forces of the last step. On level ground with nothing else to touch, the vertical part of the sum is the
    /// sum of the normal forces.
    fn read_forces(&mut self) {
        let vertical = |[_, _, _, z]: [f64; 4]| z.abs();
        for foot in &mut self.feet {
            foot.truth.force_n = vertical(self.world.read(foot.contact));
            foot.truth.contact = foot.truth.force_n > 0.0;
        }
        self.trunk_force_n = vertical(self.world.read(self.trunk));
        self.contact_force_n = vertical(self.world.read(self.robot));
    }

    fn forget_forces(&mut self) {
        (self.trunk_force_n, self.contact_force_n) = (0.0, 0.0);
        self.feet.iter_mut().for_each(|f| (f.truth.force_n, f.truth.contact) = (0.0, false));
    }

    /// Compiles the model anew and goes on in the same state. A text that was compiled before compiles with other
    /// numbers, too; should it not, the state is no number from here on, and such a run proves nothing.
    fn change(&mut self, settings: Settings) {
        if settings == self.settings {
            return;
        }
        self.settings = settings;
        let mut all = vec![0.0; self.world.size(part::EVERYTHING)];
        let read = self.world.get(part::EVERYTHING, &mut all);
        let carried = match self.library.compile(&self.template.render(&settings)) {
            Ok(mut next) => {
                let carried = read && next.set(part::EVERYTHING, &all);
                self.world = next;
                carried
            }
            Err(_) => false,
        };
        if !carried {
            self.state.fill(f64::NAN);
            self.world.set(READ, &self.state);
        }
        self.mass_kg = self.world.mass_kg();
        self.world.locate();
        self.read_state();
    }
}

impl Physics for MujocoPhysics {
    fn name(&self) -> &'static str {
        "mujoco"
    }

    fn joint_count(&self) -> usize {
        self.joints.len()
    }

    fn foot_count(&self) -> usize {
        self.feet.len()
    }

    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        check_state(base, q_rad, self.joints.len())?;
        self.world.reset();
        let length = base.orientation.iter().map(|x| x * x).sum::<f64>().sqrt();
        let orientation = base.orientation.iter().map(|x| x / length);
        let pose = base.position_m.iter().copied().chain(orientation);
        for (slot, x) in self.state.iter_mut().skip(self.base.q).zip(pose) {
            *slot = x;
        }
        for (address, q) in self.joints.iter().zip(q_rad) {
            if let Some(slot) = self.state.get_mut(address.q) {
                *slot = *q;
            }
        }
        if let Some(at_rest) = self.state.get_mut(self.positions..) {
            at_rest.fill(0.0);
        }
        self.world.set(READ, &self.state);
        self.world.locate();
        self.forget_forces();
        self.read_state();
        Ok(())
    }

    fn step(&mut self, torques_nm: &[f64], dt_s: f64) {
        if !(dt_s.is_finite() && dt_s > 0.0) {
            return;
        }
        self.change(Settings { dt_s, ..self.settings });
        for (i, address) in self.joints.iter().enumerate() {
            if let Some(slot) = self.torques_nm.get_mut(address.v) {
                *slot = torques_nm.get(i).copied().filter(|t| t.is_finite()).unwrap_or(0.0);
            }
        }
        // On a free joint: force in the world frame at the body's origin, torque in the body frame.
        let [force, torque] = self.wrench;
        let torque = body_from_world(self.position(self.base.q + 3), torque);
        for (slot, x) in self.torques_nm.iter_mut().skip(self.base.v).zip(force.into_iter().chain(torque)) {
            *slot = x;
        }
        self.world.set(part::JOINT_FORCE, &self.torques_nm);
        self.world.step();
        self.world.locate();
        self.read_state();
        self.read_forces();
    }

    fn joint_state(&self, i: usize) -> (f64, f64) {
        let Some(address) = self.joints.get(i) else { return (0.0, 0.0) };
        let ([q], [v]) = (self.position(address.q), self.rate(address.v));
        (q, v)
    }

    fn base(&self) -> BaseTruth {
        BaseTruth {
            position_m: self.position(self.base.q),
            orientation: self.position(self.base.q + 3),
            linear_velocity_m_s: self.rate(self.base.v),
            angular_velocity_rad_s: self.rate(self.base.v + 3),
        }
    }

    fn foot(&self, i: usize) -> FootTruth {
        self.feet.get(i).map_or_else(FootTruth::default, |foot| foot.truth)
    }

    fn trunk_contact(&self) -> bool {
        self.trunk_force_n > 0.0
    }

    fn contact_force_n(&self) -> f64 {
        self.contact_force_n
    }

    fn push(&mut self, delta_v_m_s: [f64; 3]) {
        for (slot, dv) in self.state.iter_mut().skip(self.positions + self.base.v).zip(delta_v_m_s) {
            if dv.is_finite() {
                *slot += dv;
            }
        }
        self.world.set(READ, &self.state);
    }

    fn set_base_wrench(&mut self, force_n: [f64; 3], torque_nm: [f64; 3]) {
        self.wrench = [force_n, torque_nm].map(|v| v.map(|x| if x.is_finite() { x } else { 0.0 }));
    }

    fn set_friction(&mut self, mu: f64) {
        let mu = if mu.is_finite() { mu.max(0.0) } else { 0.0 };
        self.change(Settings { friction: Some(mu), ..self.settings });
    }

    fn set_payload(&mut self, kg: f64) {
        let payload_kg = if kg.is_finite() { kg.max(0.0) } else { 0.0 };
        self.change(Settings { payload_kg, ..self.settings });
    }

    fn mass_kg(&self) -> f64 {
        self.mass_kg
    }

    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        self.state.iter().for_each(|x| sink(&x.to_bits().to_le_bytes()));
    }
}

/// A vector of the world in the frame of `q` (w, x, y, z).
fn body_from_world([w, x, y, z]: [f64; 4], [a, b, c]: [f64; 3]) -> [f64; 3] {
    // The conjugate turns back: v + 2 u x (u x v + w v) with u = -(x, y, z).
    let (x, y, z) = (-x, -y, -z);
    let cross = |[a, b, c]: [f64; 3]| [y * c - z * b, z * a - x * c, x * b - y * a];
    let inner = cross([a, b, c]);
    let [p, q, r] = cross([inner[0] + w * a, inner[1] + w * b, inner[2] + w * c]);
    [a + 2.0 * p, b + 2.0 * q, c + 2.0 * r]
}
